"""Hard convex constraints on the outputs at the training rows: the contract, and all of a problem.

A constraint is a vector of convex functions of the outputs F (n, C), each of which must be at most
zero (or equal to zero).  Those of :mod:`~nogap.lifted.budget` and :mod:`~nogap.lifted.affine` know
their own derivatives; any other can be written with CVXPY (:mod:`~nogap.lifted.modelled`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import scipy.sparse as sp

from nogap._typing import Array, BoolArray


class OutputConstraint(ABC):
    """Convex functions of the outputs F (n, C) that must be at most zero.

    Attributes
    ----------
    size : array (K,)
        What the excess of each function is measured against: how much the function varies where
        the outputs vary as the targets do, or less where the constraint itself is finer.
    equality : array (K,) of bool
        Functions (affine ones) that must be zero.
    modelled : bool
        Whether it exists as a CVXPY expression only.
    """

    size: Array
    equality: BoolArray
    modelled: bool = False

    @abstractmethod
    def bind(self, n: int, n_outputs: int) -> OutputConstraint:
        """The constraint for n rows and that many outputs; a ``ValueError`` if it does not fit."""

    def measured(self, centre: Array, spread: Array) -> OutputConstraint:
        """The bound constraint with its size, given mean and deviation (C,) of the targets."""
        return self

    def in_units(self, centre: Array, scale: float) -> OutputConstraint:
        """The bound constraint on outputs in other units: on G for F = centre + scale * G."""
        return InUnits(self, centre, scale)

    def reach(self, centre: Array) -> float:
        """How far outputs at the centre (C,) have to go, at least, where that is known."""
        return 0.0

    @abstractmethod
    def values(self, F: Array, *, smooth: bool = False) -> Array:
        """The functions at F, (K,); ``smooth`` asks for the upper bounds that have a gradient."""

    @abstractmethod
    def jacobian(self, F: Array) -> Any:
        """Jacobian of the smooth functions at F, sparse (K, n * C)."""

    def curvature(self, F: Array, multipliers: Array) -> Array:
        """Diagonal Hessian (n, C) of the smooth functions' sum weighted by the multipliers."""
        return np.zeros_like(F)

    def pull(self, F: Array, multipliers: Array) -> Array:
        """Gradient (n, C) of the smooth functions' sum, weighted by the multipliers (K,)."""
        G: Array = (self.jacobian(F).T @ multipliers).reshape(F.shape)
        return G

    @abstractmethod
    def expression(self, cp: Any, F: Any) -> Any:
        """The functions as a CVXPY expression of the CVXPY matrix F (n, C)."""

    def excess(self, F: Array) -> float:
        """Largest violation at F relative to ``size``; zero when all constraints hold."""
        return float(np.max(violations(self, F) / self.size, initial=0.0))


def violations(constraint: OutputConstraint, F: Array, *, smooth: bool = False) -> Array:
    """How far each function is beyond zero, (K,)."""
    values = constraint.values(F, smooth=smooth)
    over: Array = np.where(constraint.equality, np.abs(values), np.maximum(values, 0.0))
    return over


class InUnits(OutputConstraint):
    """A bound constraint on F = centre + scale * G as one on G, its functions divided by scale."""

    def __init__(self, constraint: OutputConstraint, centre: Array, scale: float) -> None:
        self.constraint, self.centre, self.scale = constraint, centre, scale
        self.size, self.equality = constraint.size / scale, constraint.equality
        self.modelled = constraint.modelled

    def bind(self, n: int, n_outputs: int) -> OutputConstraint:
        return self

    def _own(self, G: Array) -> Array:
        return self.centre + self.scale * G

    def values(self, F: Array, *, smooth: bool = False) -> Array:
        return self.constraint.values(self._own(F), smooth=smooth) / self.scale

    def jacobian(self, F: Array) -> Any:
        return self.constraint.jacobian(self._own(F))

    def pull(self, F: Array, multipliers: Array) -> Array:
        return self.constraint.pull(self._own(F), multipliers)

    def curvature(self, F: Array, multipliers: Array) -> Array:
        return self.scale * self.constraint.curvature(self._own(F), multipliers)

    def expression(self, cp: Any, F: Any) -> Any:
        shift = np.broadcast_to(self.centre, F.shape)
        return self.constraint.expression(cp, shift + self.scale * F) / self.scale


class Constraints:
    """All constraints of a problem as one vector of functions."""

    def __init__(self, parts: list[OutputConstraint]) -> None:
        self.parts = parts
        sizes = [part.size.size for part in parts]
        self._cuts = np.cumsum(sizes)[:-1].tolist()
        self.size = np.concatenate([part.size for part in parts]) if parts else np.zeros(0)
        self.equality = (
            np.concatenate([part.equality for part in parts]) if parts else np.zeros(0, dtype=bool)
        )

    def __len__(self) -> int:
        return self.size.size

    @property
    def modelled(self) -> bool:
        """Whether one of them exists as a CVXPY expression only."""
        return any(part.modelled for part in self.parts)

    def values(self, F: Array, *, smooth: bool = False) -> Array:
        if not self.parts:
            return np.zeros(0)
        return np.concatenate([part.values(F, smooth=smooth) for part in self.parts])

    def violations(self, F: Array, *, smooth: bool = False) -> Array:
        if not self.parts:
            return np.zeros(0)
        return np.concatenate([violations(part, F, smooth=smooth) for part in self.parts])

    def pull(self, F: Array, multipliers: Array) -> Array:
        G = np.zeros_like(F)
        for part, weights in zip(self.parts, np.split(multipliers, self._cuts), strict=True):
            G += part.pull(F, weights)
        return G

    def jacobian(self, F: Array) -> Any:
        return sp.vstack([part.jacobian(F) for part in self.parts], format="csr")

    def curvature(self, F: Array, multipliers: Array) -> Array:
        bend = np.zeros_like(F)
        for part, weights in zip(self.parts, np.split(multipliers, self._cuts), strict=True):
            bend += part.curvature(F, weights)
        return bend

    def measured(self, centre: Array, spread: Array) -> Constraints:
        """The constraints with their sizes, given mean and deviation (C,) of the targets."""
        return Constraints([part.measured(centre, spread) for part in self.parts])

    def reach(self, centre: Array) -> float:
        """How far outputs at the centre (C,) have to go, at least, as far as that is known."""
        return max((part.reach(centre) for part in self.parts), default=0.0)

    def excess(self, F: Array) -> float:
        """Largest violation at F relative to the constraint's size."""
        return max((part.excess(F) for part in self.parts), default=0.0)
