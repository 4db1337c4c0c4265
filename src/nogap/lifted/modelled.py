"""Constraints written with CVXPY, and the list of constraints that users pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import scipy.sparse as sp

from nogap._typing import Array, ArrayLike, IntArray
from nogap.exchange.exports import require
from nogap.lifted.constraints import Constraints, OutputConstraint

TRIES = 4  # outputs at which the functions are compared with those at the centre


class Modelled(OutputConstraint):
    """A convex constraint written with CVXPY; only the conic engine can use it.

    Parameters
    ----------
    build : callable
        Given the outputs as a CVXPY expression (n, C), an expression that is convex and must be at
        most zero; entries of a vector or matrix are separate constraints.

    Examples
    --------
    >>> import cvxpy as cp
    >>> import numpy as np
    >>> smooth = Modelled(lambda F: cp.norm(F[1:] - F[:-1]) - 1.0)
    >>> smooth.bind(3, 1).values(np.array([[0.0], [1.5], [3.5]]))
    array([1.5])
    """

    modelled = True
    shape: tuple[int, int]

    def __init__(self, build: Callable[[Any], Any]) -> None:
        if not callable(build):
            raise ValueError(f"build must be a function of the outputs, got {build!r}")
        self.build = build

    def bind(self, n: int, n_outputs: int) -> OutputConstraint:
        cp = require("cvxpy", "cvxpy")
        bound = Modelled(self.build)
        expression = bound.expression(cp, cp.Variable((n, n_outputs)))
        if not expression.is_convex():
            raise ValueError(
                "a constraint is not convex in the outputs (by CVXPY's rules); write it as a "
                "convex expression that must be at most zero"
            )
        bound.size = np.ones(expression.size)
        bound.equality = np.zeros(expression.size, dtype=bool)
        bound.shape = (n, n_outputs)
        return bound

    def measured(self, centre: Array, spread: Array) -> OutputConstraint:
        """Sizes: how much the functions change when outputs vary as the targets do."""
        step = np.where(spread > 0.0, spread, float(spread.max()) or np.abs(centre).max() or 1.0)
        middle = np.broadcast_to(centre, self.shape)
        rng = np.random.default_rng(0)
        here = self.values(middle)
        there = [self.values(middle + step * rng.normal(size=self.shape)) for _ in range(TRIES)]
        changes = np.abs(np.array(there) - here)
        changes = np.where(np.isfinite(changes), changes, 0.0)  # outside of a function's domain
        size = changes.max(axis=0)
        usual = np.where(np.isfinite(here) & (here != 0.0), np.abs(here), 1.0)
        bound = Modelled(self.build)
        bound.size, bound.equality = np.where(size > 0.0, size, usual), self.equality
        bound.shape = self.shape
        return bound

    def values(self, F: Array, *, smooth: bool = False) -> Array:
        cp = require("cvxpy", "cvxpy")
        return np.atleast_1d(self.expression(cp, cp.Constant(F)).value).astype(np.float64)

    def jacobian(self, F: Array) -> Any:
        raise ValueError("a constraint written with CVXPY needs engine='conic'")

    def expression(self, cp: Any, F: Any) -> Any:
        expression = self.build(F)
        if not isinstance(expression, cp.Expression):
            raise ValueError(
                "the function of a constraint must return a CVXPY expression that must be at most "
                f"zero, got {type(expression).__name__}; write f(F) - b in place of f(F) <= b"
            )
        return cp.vec(expression, order="C")


class AtRows(OutputConstraint):
    """A constraint on the outputs at some of the rows.

    Parameters
    ----------
    constraint : OutputConstraint
    rows : array (k,) of int
        The rows that it sees, in this order; a row may occur more than once.

    Examples
    --------
    >>> import numpy as np
    >>> from nogap.lifted import Bounds
    >>> AtRows(Bounds(upper=1.0), [2]).bind(3, 1).values(np.array([[5.0], [5.0], [2.0]]))
    array([1.])
    """

    def __init__(self, constraint: OutputConstraint, rows: ArrayLike) -> None:
        self.constraint = constraint
        self.rows: IntArray = np.asarray(rows, dtype=np.intp)

    def bind(self, n: int, n_outputs: int) -> OutputConstraint:
        if self.rows.ndim != 1 or np.any((self.rows < 0) | (self.rows >= n)):
            raise ValueError(f"rows must be numbers of rows from 0 to {n - 1}")
        return self._around(self.constraint.bind(self.rows.size, n_outputs))

    def _around(self, constraint: OutputConstraint) -> OutputConstraint:
        """A bound constraint at the rows."""
        bound = AtRows(constraint, self.rows)
        bound.size, bound.equality = constraint.size, constraint.equality
        bound.modelled = constraint.modelled
        return bound

    def measured(self, centre: Array, spread: Array) -> OutputConstraint:
        return self._around(self.constraint.measured(centre, spread))

    def in_units(self, centre: Array, scale: float) -> OutputConstraint:
        return self._around(self.constraint.in_units(centre, scale))

    def reach(self, centre: Array) -> float:
        return self.constraint.reach(centre)

    def values(self, F: Array, *, smooth: bool = False) -> Array:
        return self.constraint.values(F[self.rows], smooth=smooth)

    def jacobian(self, F: Array) -> Any:
        C = F.shape[1]
        columns = (self.rows[:, None] * C + np.arange(C)).ravel()
        ones = (np.ones(columns.size), (np.arange(columns.size), columns))
        return self.constraint.jacobian(F[self.rows]) @ sp.csr_array(ones, (columns.size, F.size))

    def curvature(self, F: Array, multipliers: Array) -> Array:
        bend = np.zeros_like(F)
        np.add.at(bend, self.rows, self.constraint.curvature(F[self.rows], multipliers))
        return bend

    def expression(self, cp: Any, F: Any) -> Any:
        return self.constraint.expression(cp, F[self.rows])


def listed_constraints(constraints: Any) -> list[OutputConstraint]:
    """Constraints that users passed: one, None, or a list with functions for CVXPY among them."""
    if constraints is None:
        return []
    if isinstance(constraints, OutputConstraint):
        return [constraints]
    if not isinstance(constraints, Iterable):
        raise ValueError(
            f"constraints must be a list of constraints, got {type(constraints).__name__}"
        )
    listed = list(constraints)
    for k, item in enumerate(listed):
        if not isinstance(item, OutputConstraint) and not callable(item):
            raise ValueError(
                f"constraints[{k}] must be a constraint of nogap.lifted or a function of the "
                f"outputs that returns a CVXPY expression, got {type(item).__name__}"
            )
    return [item if isinstance(item, OutputConstraint) else Modelled(item) for item in listed]


def bind_constraints(constraints: Any, n: int, n_outputs: int) -> Constraints:
    """The constraints that users passed, for n rows and that many outputs."""
    parts = [item.bind(n, n_outputs) for item in listed_constraints(constraints)]
    return Constraints([part for part in parts if part.size.size])
