"""The contract of a loss, and targets that are numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from nogap._typing import Array, ArrayLike
from nogap._validation import numbers, remedy, usable


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

    @property
    def couples_outputs(self) -> bool:
        """Whether the Hessian of a sample's loss is more than its diagonal."""
        return type(self).hessian_product is not Loss.hessian_product

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


def real_targets(y: ArrayLike) -> Array:
    """Targets y, (n,) or (n, C), as finite numbers (n, C)."""
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
