"""Losses of a difference between output and target."""

from __future__ import annotations

import numpy as np

from nogap._typing import Array, ArrayLike
from nogap.losses.base import Loss, real_targets


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
        return real_targets(y)

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
        return real_targets(y)

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
