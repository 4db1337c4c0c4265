"""Linear constraints on the outputs: any, bounds, an order between samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from nogap._typing import Array, ArrayLike, IntArray
from nogap._validation import as_float, numbers, usable
from nogap.lifted.constraints import OutputConstraint


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
        bound.size = self.size / largest
        return bound

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

    def __init__(self, lower: ArrayLike | None = None, upper: ArrayLike | None = None) -> None:
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
