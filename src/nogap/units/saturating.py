"""Units whose activation stays between -1 and 1: sign and tanh (Bengio et al. 2006).

They are not homogeneous: longer hidden weights do not give larger features.  The penalty is that of
their output weights alone, ``beta * sum_j ||a_j||_2``.
"""

from __future__ import annotations

import numpy as np

from nogap._typing import AnyArray, Array, BoolArray, IntArray
from nogap._validation import check_positive
from nogap.units.activations import ALL, Unit

LEAST_REACH = 0.3  # typical pre-activation of the flattest start of a search


class Sign(Unit):
    """``sign(x' u)``: -1, 0 on the hyperplane itself, or 1."""

    name = "sign"
    homogeneous = False

    def activate(self, Z: Array, gate: IntArray, part: slice = ALL) -> AnyArray:
        np.sign(Z, out=Z)
        return np.zeros(Z.shape, dtype=bool)

    def alike(self, Z: Array, gate: IntArray, part: slice = ALL) -> BoolArray | None:
        return np.concatenate([Z > 0, Z < 0])

    def split(self, U: Array) -> tuple[Array, Array]:
        directions, norms = super().split(U)
        return directions, np.where(norms > 0, 1.0, 0.0)

    def __repr__(self) -> str:
        return "Sign()"


class Tanh(Unit):
    """``tanh(x' u)`` with hidden weights (and bias) between ``-bound`` and ``bound``.

    Without a bound the infimum of the training problem is not attained: longer and longer hidden
    weights come closer and closer to a sign.

    Parameters
    ----------
    bound : float, default 10
        Largest absolute hidden weight; the data should be scaled to match.
    """

    name = "tanh"
    homogeneous = False

    def __init__(self, bound: float = 10.0) -> None:
        self.bound = check_positive(bound, "bound")

    def activate(self, Z: Array, gate: IntArray, part: slice = ALL) -> AnyArray:
        np.tanh(Z, out=Z)
        slopes: Array = 1.0 - Z * Z
        return slopes

    def split(self, U: Array) -> tuple[Array, Array]:
        return np.clip(U, -self.bound, self.bound), np.where(np.any(U != 0, axis=1), 1.0, 0.0)

    def project(self, U: Array) -> Array:
        return np.clip(U, -self.bound, self.bound)

    def tangent(self, U: Array, G: Array) -> Array:
        return np.where((np.abs(U) >= self.bound) & (U * G > 0), 0.0, G)

    def seeds(self, U: Array, fresh: BoolArray, rng: np.random.Generator, scale: float) -> Array:
        norms = np.linalg.norm(U, axis=0)
        shortest = min(LEAST_REACH / scale if scale > 0 else self.bound, self.bound)
        lengths = np.exp(rng.uniform(np.log(shortest), np.log(self.bound), norms.size))
        return self.project(U * np.where(fresh, lengths / norms, 1.0))

    def __repr__(self) -> str:
        return f"Tanh(bound={self.bound:g})"
