"""Losses: value, gradient, curvature, and the conjugate that makes a certificate possible.

Every loss is a sum over samples of a convex function of that sample's outputs.  Arrays are
``(n, C)``; the methods return one figure a sample, so that sample weights and row blocks stay the
caller's business.  The conjugate is ``l*(g; y) = sup_f <g, f> - l(f; y)`` and is infinite outside
its domain; every domain used here is a product over samples of convex sets that hold the
origin, which is why a dual point may be scaled down to become feasible.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from scipy.special import expit, xlog1py, xlogy

from nogap._typing import Array, ArrayLike
from nogap._validation import numbers, remedy, usable

__all__ = [
    "LOSSES",
    "Hinge",
    "Huber",
    "Logistic",
    "Loss",
    "Multinomial",
    "Squared",
    "SquaredHinge",
    "get_loss",
]


MOST_UNSEEN_CLASSES = 1000  # more classes than this and than rows can only be a mistake


class Loss(ABC):
    """The contract of a loss; subclass it to use a loss of your own.

    Attributes
    ----------
    name : str
        What users write: ``loss="squared"``.
    smooth : bool
        Whether the gradient is Lipschitz; a loss that is not smooth takes its dual point from a
        linear program instead of a gradient.
    classifies : bool
        Whether targets are classes.
    falls_forever : bool
        Whether the loss of a sample has no minimiser, only an infimum at infinity: then a class
        without its opposite drives an unpenalised intercept to infinity.
    smoothness : float
        Lipschitz constant of the gradient of one sample's loss; it sets the batch schedule of
        :func:`nogap.frank_wolfe`, and nothing that is proved.
    """

    name: ClassVar[str]
    smooth: ClassVar[bool] = True
    classifies: ClassVar[bool] = False
    falls_forever: ClassVar[bool] = False
    smoothness: ClassVar[float] = 1.0

    @abstractmethod
    def encode(self, y: ArrayLike) -> Array:
        """Targets as floats of shape (n, C); a ``ValueError`` says which targets do not fit."""

    @abstractmethod
    def value(self, F: Array, Y: Array) -> Array:
        """Loss of each sample, (n,), at outputs F (n, C)."""

    @abstractmethod
    def gradient(self, F: Array, Y: Array) -> Array:
        """Derivative with respect to the outputs, (n, C)."""

    @abstractmethod
    def curvature(self, F: Array, Y: Array) -> Array:
        """Diagonal upper bound of the Hessian in the outputs, (n, C)."""

    @abstractmethod
    def conjugate(self, G: Array, Y: Array) -> Array:
        """Conjugate of each sample's loss at G (n, C); ``inf`` outside its domain."""

    @abstractmethod
    def largest_scale(self, G: Array, Y: Array) -> float:
        """Largest t >= 0 for which t * G lies in the domain of the conjugate (may be ``inf``)."""

    def hessian_product(self, F: Array, Y: Array, D: Array) -> Array:
        """Hessian in the outputs times D (n, C); diagonal unless the loss couples outputs."""
        return self.curvature(F, Y) * D

    def balance(self, V: Array, Y: Array, weights: Array) -> Array:
        """Move a dual point to zero column sums (an unpenalised intercept), inside the domain.

        The domain of a loss that treats every output alone is a box around the origin, so
        shrinking the heavier sign of a column keeps it feasible.
        """
        positive = np.where(V > 0, V, 0.0).sum(axis=0)
        negative = -np.where(V < 0, V, 0.0).sum(axis=0)
        common = np.minimum(positive, negative)
        shrink_positive = np.divide(common, positive, out=np.zeros_like(common), where=positive > 0)
        shrink_negative = np.divide(common, negative, out=np.zeros_like(common), where=negative > 0)
        balanced: Array = V * np.where(V > 0, shrink_positive, shrink_negative)
        return balanced

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def _real_targets(y: ArrayLike) -> Array:
    Y = numbers(y, "y")
    if Y.ndim not in (1, 2) or Y.size == 0:
        raise ValueError(f"y must be (n,) or (n, C) and not empty, got shape {Y.shape}")
    Y = Y.reshape(Y.shape[0], -1)
    good = usable(Y)
    if not good.all():
        row, column = np.argwhere(~good)[0]
        value = float(Y[row, column])
        raise ValueError(f"y holds {value} in row {row}; {remedy(value)}")
    return Y


class Squared(Loss):
    """Half the squared error, ``1/2 (f - y)^2``.

    Examples
    --------
    >>> import numpy as np
    >>> Squared().value(np.array([[2.0]]), np.array([[0.5]]))
    array([1.125])
    """

    name = "squared"

    def encode(self, y: ArrayLike) -> Array:
        return _real_targets(y)

    def value(self, F: Array, Y: Array) -> Array:
        R = F - Y
        half: Array = 0.5 * np.einsum("ic,ic->i", R, R)
        return half

    def gradient(self, F: Array, Y: Array) -> Array:
        return F - Y

    def curvature(self, F: Array, Y: Array) -> Array:
        return np.ones_like(F)

    def conjugate(self, G: Array, Y: Array) -> Array:
        total: Array = np.sum(G * (0.5 * G + Y), axis=1)
        return total

    def largest_scale(self, G: Array, Y: Array) -> float:
        return float("inf")


class Huber(Loss):
    """Huber's loss: squared up to ``delta``, linear beyond it (Huber 1964).

    Parameters
    ----------
    delta : float, default 1.0
        Where the loss turns linear, in units of the target.
    """

    name = "huber"

    def __init__(self, delta: float = 1.0) -> None:
        if not delta > 0:
            raise ValueError(f"delta must be positive, got {delta}")
        self.delta = float(delta)

    def encode(self, y: ArrayLike) -> Array:
        return _real_targets(y)

    def value(self, F: Array, Y: Array) -> Array:
        R = np.abs(F - Y)
        inner = np.minimum(R, self.delta)
        total: Array = np.sum(inner * (R - 0.5 * inner), axis=1)
        return total

    def gradient(self, F: Array, Y: Array) -> Array:
        return np.clip(F - Y, -self.delta, self.delta)

    def curvature(self, F: Array, Y: Array) -> Array:
        return (np.abs(F - Y) <= self.delta).astype(np.float64)

    def conjugate(self, G: Array, Y: Array) -> Array:
        total = np.sum(G * (0.5 * G + Y), axis=1)
        inside = np.all(np.abs(G) <= self.delta * (1 + 1e-14), axis=1)
        return np.where(inside, total, np.inf)

    def largest_scale(self, G: Array, Y: Array) -> float:
        largest = float(np.abs(G).max(initial=0.0))
        return self.delta / largest if largest > 0 else float("inf")

    def __repr__(self) -> str:
        return f"Huber(delta={self.delta:g})"


class _Margin(Loss):
    """A loss of the margin m = y f with labels -1 and 1; s = -g y is the dual weight."""

    classifies = True

    def encode(self, y: ArrayLike) -> Array:
        Y = _real_targets(y)
        wrong = np.abs(Y) != 1.0
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            raise ValueError(
                f"the {self.name} loss needs labels -1 and 1, got {Y[row, column]:g} in row {row}"
            )
        return Y

    @abstractmethod
    def of_margin(self, M: Array) -> Array:
        """Loss as a function of the margin."""

    @abstractmethod
    def slope(self, M: Array) -> Array:
        """Minus the derivative with respect to the margin (non-negative)."""

    @abstractmethod
    def conjugate_of_weight(self, S: Array) -> Array:
        """Conjugate as a function of s >= 0."""

    largest_weight: ClassVar[float] = 1.0

    def value(self, F: Array, Y: Array) -> Array:
        total: Array = self.of_margin(Y * F).sum(axis=1)
        return total

    def gradient(self, F: Array, Y: Array) -> Array:
        return -Y * self.slope(Y * F)

    def conjugate(self, G: Array, Y: Array) -> Array:
        S = -G * Y
        outside = (S < 0) | (self.largest_weight * (1 + 1e-14) < S)
        values = self.conjugate_of_weight(np.clip(S, 0.0, self.largest_weight))
        total: Array = np.where(outside, np.inf, values).sum(axis=1)
        return total

    def largest_scale(self, G: Array, Y: Array) -> float:
        S = -G * Y
        if S.min(initial=0.0) < 0:
            return 0.0
        largest = float(S.max(initial=0.0))
        return self.largest_weight / largest if largest > 0 else float("inf")


class Logistic(_Margin):
    """Logistic loss ``log(1 + exp(-y f))`` with labels -1 and 1."""

    name = "logistic"
    falls_forever = True
    smoothness = 0.25

    def of_margin(self, M: Array) -> Array:
        return np.logaddexp(0.0, -M)

    def slope(self, M: Array) -> Array:
        result: Array = expit(-M)
        return result

    def curvature(self, F: Array, Y: Array) -> Array:
        P: Array = expit(F)
        result: Array = P * (1.0 - P)
        return result

    def conjugate_of_weight(self, S: Array) -> Array:
        result: Array = xlogy(S, S) + xlog1py(1.0 - S, -S)  # small S keep their digits
        return result


class SquaredHinge(_Margin):
    """Half the squared hinge, ``1/2 max(0, 1 - y f)^2``, with labels -1 and 1."""

    name = "squared_hinge"
    largest_weight = float("inf")

    def of_margin(self, M: Array) -> Array:
        result: Array = 0.5 * np.maximum(0.0, 1.0 - M) ** 2
        return result

    def slope(self, M: Array) -> Array:
        return np.maximum(0.0, 1.0 - M)

    def curvature(self, F: Array, Y: Array) -> Array:
        return (Y * F < 1.0).astype(np.float64)

    def conjugate_of_weight(self, S: Array) -> Array:
        return S * (0.5 * S - 1.0)


class Hinge(_Margin):
    """Hinge loss ``max(0, 1 - y f)`` with labels -1 and 1.

    At a margin of exactly 1 any slope between 0 and 1 is a subgradient, and at the optimum many
    margins are exactly 1: an arbitrary choice there makes a stopping test useless.  Dual points
    therefore come from the multipliers of a linear program, never from :meth:`gradient`.
    """

    name = "hinge"
    smooth = False

    def of_margin(self, M: Array) -> Array:
        return np.maximum(0.0, 1.0 - M)

    def slope(self, M: Array) -> Array:
        return (M < 1.0).astype(np.float64)

    def curvature(self, F: Array, Y: Array) -> Array:
        return np.zeros_like(F)

    def conjugate_of_weight(self, S: Array) -> Array:
        return -S


class Multinomial(Loss):
    """Multinomial logistic loss (softmax cross-entropy); targets one-hot or class indices.

    Examples
    --------
    >>> Multinomial().encode([2, 0, 1])
    array([[0., 0., 1.],
           [1., 0., 0.],
           [0., 1., 0.]])
    """

    name = "multinomial"
    classifies = True
    falls_forever = True
    smoothness = 0.5

    def encode(self, y: ArrayLike) -> Array:
        Y = _real_targets(y)
        if Y.shape[1] > 1:
            wrong = (Y != 0) & (Y != 1)
            if wrong.any() or not np.all(Y.sum(axis=1) == 1):
                row = int(np.argmax(wrong.any(axis=1) | (Y.sum(axis=1) != 1)))
                raise ValueError(f"row {row} of y is not one-hot: {Y[row]}")
            return Y
        index = Y[:, 0]
        if np.any(index != np.floor(index)) or index.min() < 0:
            raise ValueError(
                "the multinomial loss needs class indices 0, 1, 2, ... or one-hot rows"
            )
        if index.max() >= max(index.size, MOST_UNSEEN_CLASSES):
            raise ValueError(
                f"class index {index.max():.0f} in {index.size} rows; "
                "number the classes 0, 1, 2, ..."
            )
        n_classes = int(index.max()) + 1
        if n_classes < 2:
            raise ValueError("the multinomial loss needs at least two classes, got one")
        Y = np.zeros((index.size, n_classes))
        Y[np.arange(index.size), index.astype(np.intp)] = 1.0
        return Y

    def value(self, F: Array, Y: Array) -> Array:
        highest = F.max(axis=1, keepdims=True)
        total = np.exp(F - highest).sum(axis=1)
        result: Array = np.log(total) + highest[:, 0] - np.einsum("nc,nc->n", F, Y)
        return result

    def gradient(self, F: Array, Y: Array) -> Array:
        result: Array = _probabilities(F) - Y
        return result

    def curvature(self, F: Array, Y: Array) -> Array:
        result: Array = _probabilities(F)  # diag(p) - p p' <= diag(p)
        return result

    def hessian_product(self, F: Array, Y: Array, D: Array) -> Array:
        P = _probabilities(F)
        PD = P * D
        result: Array = PD - P * PD.sum(axis=1, keepdims=True)
        return result

    def conjugate(self, G: Array, Y: Array) -> Array:
        P = G + Y
        slack = 1e-12
        inside = (P.min(axis=1) >= -slack) & (np.abs(P.sum(axis=1) - 1.0) <= slack)
        P = np.maximum(P, 0.0)
        off_label = xlogy(P, P)
        values = np.where(Y == 1, xlog1py(P, np.maximum(G, -1.0)), off_label).sum(axis=1)
        return np.where(inside, values, np.inf)

    def largest_scale(self, G: Array, Y: Array) -> float:
        if np.abs(G.sum(axis=1)).max(initial=0.0) > 1e-12:
            return 0.0
        # t G + Y >= 0 binds where G < 0; off the label Y = 0, so any negative entry there forbids
        if np.any((G < 0) & (Y == 0)):
            return 0.0
        largest = float(np.max(np.where(Y == 1, -G, 0.0), initial=0.0))
        return 1.0 / largest if largest > 0 else float("inf")

    def balance(self, V: Array, Y: Array, weights: Array) -> Array:
        """Spread the column sums over the rows, then mix in the class frequencies.

        The class frequencies give a dual point Y - P0 with column sums 0 and every probability
        positive; a small share of it restores the positivity that the correction may cost.
        """
        total = weights.sum()
        frequency = (weights[:, None] * Y).sum(axis=0) / total
        P = Y - np.divide(V, weights[:, None], out=np.zeros_like(V), where=weights[:, None] > 0)
        P = P + V.sum(axis=0) / total
        lowest = P.min(axis=0)
        short = lowest < 0
        need = -lowest[short] / (frequency[short] - lowest[short])
        share = min(1.0, float(need.max(initial=0.0)) * (1 + 1e-9))
        P = np.maximum((1.0 - share) * P + share * frequency, 0.0)
        result: Array = weights[:, None] * (Y - P)
        return result


def _probabilities(F: Array) -> Array:
    """Softmax of the rows; SciPy's spends more on its bookkeeping than small data take."""
    P: Array = np.exp(F - F.max(axis=1, keepdims=True))
    P /= P.sum(axis=1, keepdims=True)
    return P


LOSSES: dict[str, type[Loss]] = {
    loss.name: loss for loss in (Squared, Logistic, Multinomial, Hinge, SquaredHinge, Huber)
}


def get_loss(loss: str | Loss) -> Loss:
    """The loss of that name, or the object itself when it already is a :class:`Loss`.

    Examples
    --------
    >>> get_loss("huber")
    Huber(delta=1)
    """
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, str) and loss in LOSSES:
        return LOSSES[loss]()
    known = ", ".join(sorted(LOSSES))
    raise ValueError(f"unknown loss {loss!r}; use one of {known}, or a nogap.losses.Loss object")
