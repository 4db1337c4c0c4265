"""Hard convex constraints on the outputs at the training rows.

A constraint is a vector of convex functions of the outputs F (n, C), each of which must be at most
zero (or equal to zero).  The ones here know their own derivatives, so that no modelling library is
needed; any other convex constraint can be written with CVXPY (:class:`Modelled`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp

from nogap._typing import Array, ArrayLike, BoolArray, IntArray
from nogap._validation import as_float, numbers, usable
from nogap.exports import require
from nogap.losses import Squared

SMOOTHING = 1e-3  # |r| is replaced by sqrt(r^2 + d^2) >= |r|: what is met then is met with |r| too


class OutputConstraint(ABC):
    """Convex functions of the outputs F (n, C) that must be at most zero.

    Attributes
    ----------
    size : array (K,)
        What the excess of each function is measured against.
    equality : array (K,) of bool
        Functions (affine ones) that must be zero.
    """

    size: Array
    equality: BoolArray

    @abstractmethod
    def bind(self, n: int, n_outputs: int) -> OutputConstraint:
        """The constraint for n rows and that many outputs; a ``ValueError`` if it does not fit."""

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


class ClassErrorBudget(OutputConstraint):
    """A budget of absolute error for every class.

    For every class c, ``sum over its rows of ||output - label||_1 <= budget_c * (rows of c)``.

    Parameters
    ----------
    labels : array (n,) or (n, C)
        The numbers that the outputs should take; rows with the same label form a class.  With
        labels -1 and 1 an output of 0 has an error of 1; with labels 0 and 1 the constant 1/2
        meets a budget of 1/2, so the coding of the labels matters.
    budget : float or mapping from label to float
        Mean absolute error that a class may have; classes that a mapping leaves out are free.
    sample_mask : array (n,) of bool, optional
        Rows that count; all when left out.

    Raises
    ------
    ValueError
        A budget that is not positive, an unknown label in the mapping, labels that are not numbers.

    Notes
    -----
    Zohrizadeh et al., "Convex relaxation for training neural networks", experiment on imbalanced
    classes.

    Examples
    --------
    >>> import numpy as np
    >>> budget = ClassErrorBudget([-1.0, -1.0, 1.0], budget=0.5)
    >>> budget.values(np.array([[-1.0], [0.5], [0.8]]))
    array([ 0.5, -0.3])
    """

    def __init__(
        self,
        labels: ArrayLike,
        budget: float | Mapping[float, float] = 0.5,
        sample_mask: ArrayLike | None = None,
    ) -> None:
        self.labels = Squared().encode(labels)  # (n, C)
        n = self.labels.shape[0]
        mask = np.ones(n, dtype=bool) if sample_mask is None else np.asarray(sample_mask, bool)
        if mask.shape != (n,):
            raise ValueError(f"sample_mask must have shape ({n},), got {mask.shape}")
        classes, codes = np.unique(self.labels, axis=0, return_inverse=True)
        budgets = _budgets(classes, budget)
        kept = [k for k in range(len(budgets)) if np.isfinite(budgets[k])]
        members = [np.flatnonzero((codes.ravel() == k) & mask) for k in kept]
        present = [k for k, rows in enumerate(members) if rows.size]
        self.members: list[IntArray] = [members[k] for k in present]
        self.classes = classes[[kept[k] for k in present]]
        self.budgets = budgets[[kept[k] for k in present]]
        self.size = np.array([float(rows.size) for rows in self.members])
        self.equality = np.zeros(len(self.members), dtype=bool)

    def bind(self, n: int, n_outputs: int) -> OutputConstraint:
        if self.labels.shape != (n, n_outputs):
            raise ValueError(
                f"the labels of ClassErrorBudget have shape {self.labels.shape}, but there are {n} "
                f"rows and {n_outputs} outputs"
            )
        return self

    def _smoothing(self) -> Array:
        return np.minimum(SMOOTHING, 0.01 * self.budgets) / self.labels.shape[1]

    def values(self, F: Array, *, smooth: bool = False) -> Array:
        sums = np.empty(len(self.members))
        for k, (rows, width) in enumerate(zip(self.members, self._smoothing(), strict=True)):
            R = F[rows] - self.labels[rows]
            sums[k] = np.sum(np.sqrt(R * R + width * width) if smooth else np.abs(R))
        return sums - self.budgets * self.size

    def pull(self, F: Array, multipliers: Array) -> Array:
        G = np.zeros_like(F)
        for rows, width, weight in zip(self.members, self._smoothing(), multipliers, strict=True):
            R = F[rows] - self.labels[rows]
            G[rows] = weight * R / np.sqrt(R * R + width * width)
        return G

    def jacobian(self, F: Array) -> Any:
        signs = self.pull(F, np.ones(len(self.members))).ravel()
        C = F.shape[1]
        columns = [(rows[:, None] * C + np.arange(C)).ravel() for rows in self.members]
        lines = np.repeat(np.arange(len(columns)), [part.size for part in columns])
        index = np.concatenate(columns) if columns else np.zeros(0, dtype=np.intp)
        return sp.csr_array((signs[index], (lines, index)), shape=(len(columns), F.size))

    def curvature(self, F: Array, multipliers: Array) -> Array:
        bend = np.zeros_like(F)
        for rows, width, weight in zip(self.members, self._smoothing(), multipliers, strict=True):
            R = F[rows] - self.labels[rows]
            bend[rows] = weight * width**2 * (R * R + width * width) ** -1.5
        return bend

    def expression(self, cp: Any, F: Any) -> Any:
        return cp.hstack(
            [
                cp.sum(cp.abs(F[rows] - self.labels[rows])) - budget * rows.size
                for rows, budget in zip(self.members, self.budgets, strict=True)
            ]
        )


def _budgets(classes: Array, budget: float | Mapping[float, float]) -> Array:
    """The budget of every class, infinite for classes that are free."""
    if isinstance(budget, Mapping):
        if classes.shape[1] != 1:
            raise ValueError("a budget for each label needs labels (n,); pass one number instead")
        known = classes[:, 0].tolist()
        for label in budget:
            if as_float(label) not in known:
                raise ValueError(f"budget names the label {label!r}; the labels are {known}")
        given = [budget.get(label, np.inf) for label in known]
    else:
        given = [budget] * len(classes)
    budgets = np.array([as_float(value) for value in given])
    if not np.all(budgets > 0):
        raise ValueError(f"budget must be positive for every class, got {budget!r}")
    return budgets


class Affine(OutputConstraint):
    """``A vec(F) <= b`` row by row, or ``=`` where ``equality`` says so.

    Parameters
    ----------
    matrix : array or sparse matrix (K, n * C)
        A, for the outputs in the order F[0, 0], F[0, 1], ..., F[1, 0], ...
    right : array (K,)
        b.
    equality : bool or array (K,) of bool, default False

    Examples
    --------
    The outputs of every row sum to one (a conservation law), with three rows and two outputs:

    >>> import numpy as np
    >>> A = np.kron(np.eye(3), np.ones((1, 2)))
    >>> law = Affine(A, np.ones(3), equality=True)
    >>> law.values(np.full((3, 2), 0.5))
    array([0., 0., 0.])
    """

    def __init__(self, matrix: Any, right: ArrayLike, equality: Any = False) -> None:
        self.matrix: Any = sp.csr_array(matrix)
        K = self.matrix.shape[0]
        self.right = np.broadcast_to(numbers(right, "right"), (K,)).copy()
        if not (np.all(usable(self.matrix.data)) and np.all(usable(self.right))):
            raise ValueError("an affine constraint holds NaN or infinite values; remove them")
        self.equality = np.broadcast_to(np.asarray(equality, dtype=bool), (K,)).copy()
        self.size = np.maximum(1.0, np.abs(self.right))

    def bind(self, n: int, n_outputs: int) -> OutputConstraint:
        if self.matrix.shape[1] != n * n_outputs:
            raise ValueError(
                f"an affine constraint has {self.matrix.shape[1]} columns, but there are {n} rows "
                f"times {n_outputs} outputs"
            )
        return self

    def values(self, F: Array, *, smooth: bool = False) -> Array:
        values: Array = self.matrix @ F.ravel() - self.right
        return values

    def jacobian(self, F: Array) -> Any:
        return self.matrix

    def expression(self, cp: Any, F: Any) -> Any:
        return sp.csr_matrix(self.matrix) @ cp.vec(F, order="C") - self.right


class Bounds(OutputConstraint):
    """``lower <= output <= upper`` at every row.

    Parameters
    ----------
    lower, upper : float or array that broadcasts to (n, C), or None
        None sets no bound on that side.

    Examples
    --------
    >>> import numpy as np
    >>> Bounds(0.0, 1.0).bind(2, 1).excess(np.array([[0.5], [1.2]])).__round__(6)
    0.2
    """

    def __init__(
        self, lower: ArrayLike | None = None, upper: ArrayLike | None = None
    ) -> None:
        self.lower = -np.inf if lower is None else numbers(lower, "lower")
        self.upper = np.inf if upper is None else numbers(upper, "upper")
        if np.any(np.isnan(self.lower)) or np.any(np.isnan(self.upper)):
            raise ValueError("lower and upper must be numbers or None, got NaN")

    def bind(self, n: int, n_outputs: int) -> OutputConstraint:
        try:
            lower, upper = (
                np.broadcast_to(_column(side, n), (n, n_outputs)).ravel()
                for side in (self.lower, self.upper)
            )
        except ValueError:
            raise ValueError(
                f"lower and upper must be numbers or arrays ({n}, {n_outputs}), got shapes "
                f"{np.shape(self.lower)} and {np.shape(self.upper)}"
            ) from None
        if np.any(lower > upper):
            k = int(np.argmax(lower > upper))
            raise ValueError(
                f"lower is {lower[k]:g} and upper {upper[k]:g} at row {k // n_outputs}; no output "
                "lies between them"
            )
        low, high = np.flatnonzero(np.isfinite(lower)), np.flatnonzero(np.isfinite(upper))
        columns = np.concatenate([low, high])
        signs = np.concatenate([-np.ones(low.size), np.ones(high.size)])
        shape = (columns.size, n * n_outputs)
        A = sp.csr_array((signs, (np.arange(columns.size), columns)), shape=shape)
        return Affine(A, np.concatenate([-lower[low], upper[high]]))

    def values(self, F: Array, *, smooth: bool = False) -> Array:
        return self.bind(*F.shape).values(F)

    def jacobian(self, F: Array) -> Any:
        return self.bind(*F.shape).jacobian(F)

    def expression(self, cp: Any, F: Any) -> Any:
        return self.bind(*F.shape).expression(cp, F)


def _column(side: Any, n: int) -> Any:
    return side[:, None] if np.shape(side) == (n,) else side


class Order(OutputConstraint):
    """``F[below] <= F[above] - margin`` for pairs of rows: a monotone relation between samples.

    Parameters
    ----------
    pairs : array (K, 2) of int
        Rows (below, above).
    margin : float, default 0
        By how much at least.

    Examples
    --------
    >>> import numpy as np
    >>> Order([[0, 1], [1, 2]]).bind(3, 1).values(np.array([[1.0], [3.0], [2.0]]))
    array([-2.,  1.])
    """

    def __init__(self, pairs: ArrayLike, margin: float = 0.0) -> None:
        self.pairs: IntArray = np.asarray(pairs, dtype=np.intp)
        if self.pairs.ndim != 2 or self.pairs.shape[1] != 2:
            raise ValueError(f"pairs must be (K, 2), got shape {self.pairs.shape}")
        self.margin = as_float(margin)
        if not 0 <= self.margin < np.inf:
            raise ValueError(f"margin must be a number of at least 0, got {margin!r}")

    def bind(self, n: int, n_outputs: int) -> OutputConstraint:
        if self.pairs.size and not (0 <= self.pairs.min() and self.pairs.max() < n):
            raise ValueError(
                f"pairs name rows from {self.pairs.min()} to {self.pairs.max()}, but there are {n}"
            )
        K = self.pairs.shape[0]
        lines = np.arange(K)
        A = sp.csr_array((np.ones(K), (lines, self.pairs[:, 0])), shape=(K, n))
        A = A - sp.csr_array((np.ones(K), (lines, self.pairs[:, 1])), shape=(K, n))
        return Affine(sp.kron(A, sp.eye_array(n_outputs)), -self.margin)

    def values(self, F: Array, *, smooth: bool = False) -> Array:
        return self.bind(*F.shape).values(F)

    def jacobian(self, F: Array) -> Any:
        return self.bind(*F.shape).jacobian(F)

    def expression(self, cp: Any, F: Any) -> Any:
        return self.bind(*F.shape).expression(cp, F)


class Modelled(OutputConstraint):
    """A convex constraint written with CVXPY; only the conic engine can use it.

    Parameters
    ----------
    build : callable
        Given the outputs as a CVXPY expression (n, C), an expression that is convex and must be at
        most zero; entries of a vector or matrix are separate constraints.

    Examples
    --------
    >>> import numpy as np
    >>> smooth = Modelled(lambda F: __import__("cvxpy").norm(F[1:] - F[:-1]) - 1.0)
    >>> smooth.bind(3, 1).values(np.array([[0.0], [0.6], [1.4]]))
    array([0.])
    """

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
        return any(isinstance(part, Modelled) for part in self.parts)

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

    def excess(self, F: Array) -> float:
        """Largest violation at F relative to the constraint's size."""
        return max((part.excess(F) for part in self.parts), default=0.0)


def bind_constraints(constraints: Any, n: int, n_outputs: int) -> Constraints:
    """Constraints that users passed: objects of this module, or functions for CVXPY."""
    if constraints is None:
        return Constraints([])
    listed = [constraints] if isinstance(constraints, OutputConstraint) else list(constraints)
    parts = []
    for k, item in enumerate(listed):
        if not isinstance(item, OutputConstraint):
            if not callable(item):
                raise ValueError(
                    f"constraints[{k}] must be a constraint of nogap.lifted or a function of the "
                    f"outputs that returns a CVXPY expression, got {type(item).__name__}"
                )
            item = Modelled(item)
        parts.append(item.bind(n, n_outputs))
    return Constraints([part for part in parts if part.size.size])
