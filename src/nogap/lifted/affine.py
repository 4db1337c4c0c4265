"""Linear constraints on the outputs: any, bounds, an order between samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from nogap._typing import Array, ArrayLike, IntArray
from nogap._validation import as_array, as_float, numbers, usable
from nogap.lifted.constraints import OutputConstraint

ROUNDING = 1e-8  # of the way to a bound: a millionth of it, what may be broken, is rounding


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
        self.matrix: Any = _matrix(matrix)
        K = self.matrix.shape[0]
        self.right = _per_row(numbers(right, "right"), K, "right")
        if not (np.all(usable(self.matrix.data)) and np.all(usable(self.right))):
            raise ValueError("an affine constraint holds NaN or infinite values; remove them")
        equal = as_array(equality, "equality")
        if equal.dtype != bool:
            raise ValueError(f"equality must be True, False or an array of them, got {equality!r}")
        self.equality = _per_row(equal, K, "equality")
        # until the targets are known
        self.size = np.where(self.right != 0.0, np.abs(self.right), 1.0)
        self.width = np.full(K, np.inf)  # between a bound and that on the other side

    def bind(self, n: int, n_outputs: int) -> OutputConstraint:
        if self.matrix.shape[1] != n * n_outputs:
            raise ValueError(
                f"an affine constraint has {self.matrix.shape[1]} columns, but there are {n} rows "
                f"times {n_outputs} outputs"
            )
        return self._normalised()

    def _normalised(self) -> Affine:
        """The same constraint with a largest coefficient of 1 in every row.

        The multiplier of a row then has the size of the loss's slopes, which is what the penalty
        and the stiffness are chosen for.
        """
        largest = abs(self.matrix).max(axis=1).toarray().ravel()
        largest[largest == 0.0] = 1.0
        bound = Affine(
            sp.diags_array(1.0 / largest) @ self.matrix, self.right / largest, self.equality
        )
        bound.size, bound.width = self.size / largest, self.width / largest
        return bound

    def measured(self, centre: Array, spread: Array) -> OutputConstraint:
        """Sizes: the deviation of each row's sum if all outputs varied alone as the targets do.

        A bound is not coarser than the way to that on the other side.  Where targets do not vary
        their distance from the bound counts, and rounding errors are never held against it.
        """
        n = self.matrix.shape[1] // centre.size
        squares = self.matrix.multiply(self.matrix)
        way = np.abs(self.right - self.matrix @ np.tile(centre, n))
        size = np.sqrt(squares @ np.tile(spread**2, n))
        lengths = np.sqrt(squares @ np.tile(centre**2, n))
        for fallback in (way, lengths, np.ones(size.size)):
            size = np.where(size > 0.0, size, fallback)
        size = np.minimum(np.maximum(size, ROUNDING * way), self.width)
        bound = Affine(self.matrix, self.right, self.equality)
        bound.size, bound.width = size, self.width
        return bound

    def in_units(self, centre: Array, scale: float) -> OutputConstraint:
        n = self.matrix.shape[1] // centre.size
        right = (self.right - self.matrix @ np.tile(centre, n)) / scale
        bound = Affine(self.matrix, right, self.equality)
        bound.size, bound.width = self.size / scale, self.width / scale
        return bound

    def reach(self, centre: Array) -> float:
        n = self.matrix.shape[1] // centre.size
        over = self.matrix @ np.tile(centre, n) - self.right
        over = np.where(self.equality, np.abs(over), np.maximum(over, 0.0))
        lengths = abs(self.matrix).sum(axis=1)
        used = lengths > 0.0
        return float(np.max(over[used] / lengths[used], initial=0.0))

    def values(self, F: Array, *, smooth: bool = False) -> Array:
        values: Array = self.matrix @ F.ravel() - self.right
        return values

    def jacobian(self, F: Array) -> Any:
        return self.matrix

    def expression(self, cp: Any, F: Any) -> Any:
        return sp.csr_matrix(self.matrix) @ cp.vec(F, order="C") - self.right


def _matrix(matrix: Any) -> Any:
    """The matrix of an affine constraint, sparse."""
    if not sp.issparse(matrix):
        matrix = numbers(matrix, "the matrix of an affine constraint")
    if matrix.ndim != 2:
        raise ValueError(
            "the matrix of an affine constraint must have two dimensions (K, n * C), got shape "
            f"{matrix.shape}"
        )
    return sp.csr_array(matrix, dtype=np.float64)


def _per_row(values: Any, K: int, name: str) -> Any:
    """One value for each of K rows."""
    if values.shape not in ((), (1,), (K,)):
        raise ValueError(
            f"{name} must be one value or one for each of the {K} rows of the matrix, got shape "
            f"{values.shape}"
        )
    return np.broadcast_to(values, (K,)).copy()


class Bounds(OutputConstraint):
    """``lower <= output <= upper`` at every row.

    Parameters
    ----------
    lower, upper : float or array that broadcasts to (n, C), or None
        None (and -inf below, inf above) sets no bound on that side; equal bounds fix the output.

    Examples
    --------
    >>> import numpy as np
    >>> Bounds(0.0, 1.0).bind(2, 1).excess(np.array([[0.5], [1.2]])).__round__(6)
    0.2
    """

    def __init__(self, lower: ArrayLike | None = None, upper: ArrayLike | None = None) -> None:
        self.lower = -np.inf if lower is None else numbers(lower, "lower")
        self.upper = np.inf if upper is None else numbers(upper, "upper")
        if np.any(np.isnan(self.lower)) or np.any(np.isnan(self.upper)):
            raise ValueError("lower and upper must be numbers or None, got NaN")
        for name, side, never in (("lower", self.lower, np.inf), ("upper", self.upper, -np.inf)):
            if np.any(side == never):
                raise ValueError(f"{name} is {never:g}, which no output meets; use None for none")

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
        fixed = lower == upper  # as two inequalities they would leave no inside
        low = np.flatnonzero(np.isfinite(lower) & ~fixed)
        high = np.flatnonzero(np.isfinite(upper))
        columns = np.concatenate([low, high])
        signs = np.concatenate([-np.ones(low.size), np.ones(high.size)])
        shape = (columns.size, n * n_outputs)
        A = sp.csr_array((signs, (np.arange(columns.size), columns)), shape=shape)
        right, equal = np.concatenate([-lower[low], upper[high]]), fixed[columns]
        bound = Affine(A, right, equal)
        with np.errstate(invalid="ignore"):
            bound.width = np.where(equal, np.inf, (upper - lower)[columns])
        bound.size = np.minimum(bound.size, bound.width)
        return bound

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
        given = numbers(pairs, "pairs")
        if given.ndim != 2 or given.shape[1] != 2:
            raise ValueError(f"pairs must be (K, 2), got shape {given.shape}")
        whole = np.isfinite(given) & (given == np.floor(given)) & (np.abs(given) < 2.0**53)
        if not np.all(whole):
            k = int(np.argmin(whole.all(axis=1)))
            raise ValueError(
                f"pairs must hold numbers of rows, whole numbers, but pair {k} is "
                f"{given[k].tolist()}"
            )
        self.pairs: IntArray = given.astype(np.intp)
        self.margin = as_float(margin)
        if not 0 <= self.margin < np.inf:
            raise ValueError(f"margin must be a number of at least 0, got {margin!r}")

    def bind(self, n: int, n_outputs: int) -> OutputConstraint:
        if np.any((self.pairs < 0) | (self.pairs >= n)):
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
