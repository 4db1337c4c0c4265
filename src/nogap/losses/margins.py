"""Losses of a margin: two classes, labels -1 and 1."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np
from scipy.special import expit, xlog1py, xlogy

from nogap._typing import Array, ArrayLike
from nogap.losses.base import Loss, real_targets


class _Margin(Loss):
    """A loss of the margin m = y f with labels -1 and 1; s = -g y is the dual weight."""

    classifies = True

    def encode(self, y: ArrayLike) -> Array:
        Y = real_targets(y)
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
