"""The dual correlation of whitened rows, ``X X' = c^2 I``, in closed form; one output.

Such rows are linearly independent, so ``X u`` can be any vector: the best feature for V is its
positive or its negative part, ``max_{||u|| <= 1} v' relu(X u) = c ||v_+||``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nogap._typing import Array
from nogap.certificate import Correlation
from nogap.oracles.base import Candidates, distinct, never
from nogap.problem import EPS
from nogap.rows import Rows

ORTHOGONAL = 1e-12  # relative


def are_whitened(rows: Rows) -> bool:
    """Whether the rows are orthogonal and equally long, up to rounding."""
    if rows.n > rows.d or rows.n_positions > 1:
        return False
    squares = rows.squared_norms()
    if not 0 < squares.max() * (1 - ORTHOGONAL) <= squares.min():
        return False
    X = rows.take(np.arange(rows.n))
    apart = np.abs(X @ X.T - squares[0] * np.eye(rows.n)).max()
    return bool(apart <= ORTHOGONAL * squares[0])


class WhitenedOracle:
    """The closed form for both signs of V (n, 1); whoever uses it has checked the rows.

    Parameters
    ----------
    rows : Rows
        Orthogonal rows of equal length.
    """

    complete = True
    cut_short = False

    def __init__(self, rows: Rows) -> None:
        self.should_stop: Callable[[], bool] = never
        self.X = rows.take(np.arange(rows.n))
        # ||relu(X u)|| <= ||X||_2: with this length the value is an upper bound for any rows
        self.longest = float(np.linalg.norm(self.X, 2)) * (1 + (64 + sum(self.X.shape)) * EPS)

    def price(
        self, V: Array, count: int, starts: Array | None = None
    ) -> tuple[Candidates, Correlation]:
        """The two parts of V as features, the larger first, and q(V)."""
        parts = np.concatenate([np.maximum(V, 0.0), np.maximum(-V, 0.0)], axis=1)  # (n, 2)
        sizes = np.linalg.norm(parts, axis=0)
        U = (self.X.T @ parts[:, sizes > 0]).T
        U = U / np.linalg.norm(U, axis=1, keepdims=True)
        values = np.abs(V[:, 0] @ np.maximum(self.X @ U.T, 0.0))
        largest = self.longest * float(sizes.max())
        return distinct(Candidates.ungated(U, values), count), Correlation(largest, "exact")
