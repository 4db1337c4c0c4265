"""The loss of several classes."""

from __future__ import annotations

import numpy as np
from scipy.special import xlog1py, xlogy

from nogap._typing import Array, ArrayLike
from nogap.losses.base import Loss, real_targets

MOST_UNSEEN_CLASSES = 1000  # more classes than this and than rows can only be a mistake


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
        Y = real_targets(y)
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
