"""The exact oracle: the dual correlation over all activation patterns, for one output.

For one sign of V, with a_i = v_i x_i where v_i > 0 and b_j = |v_j| x_j where v_j < 0,

    max_{||u|| <= 1} v' relu(X u) = max_S min_{0 <= lam <= 1} ||sum_S a_i - sum_j lam_j b_j||

over the patterns S of the rows with v_i > 0 alone: only those are combinatorial, the others are a
convex problem.  S may run over any set that holds all patterns of the positive rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nogap._typing import Array, BoolArray
from nogap.certificate import Correlation
from nogap.oracles.base import Candidates, distinct, empty, never
from nogap.oracles.box_distance import sweep
from nogap.oracles.zonotope import nearest
from nogap.patterns import enumerate_patterns
from nogap.patterns._lines import distinct_lines
from nogap.problem import EPS
from nogap.rows import Rows

FEWEST_SWEEPS, MOST_SWEEPS = 5, 60
FEW_CELLS = 64  # so many cells are solved one by one


class ExactOracle:
    """All activation patterns, for small rank or few rows; one output.

    Parameters
    ----------
    rows : Rows
    max_patterns : int
        Budget of patterns of the positive rows; beyond it a ``ValueError`` is raised.
    precision : float
        The value returned is at most this much (relatively) above the largest correlation.
    """

    complete = True
    cut_short = False

    def __init__(
        self, rows: Rows, max_patterns: int | None = None, precision: float = 1e-10
    ) -> None:
        self.should_stop: Callable[[], bool] = never
        self.X = rows.take(np.arange(rows.n))
        self.max_patterns = max_patterns
        self.precision = precision
        self.merged = merging_allowance(self.X)
        self._cells: dict[bytes, BoolArray] = {}

    def price(
        self, V: Array, count: int, starts: Array | None = None
    ) -> tuple[Candidates, Correlation]:
        """The best neurons over all patterns and both signs of V (n, 1)."""
        if V.shape[1] != 1:
            raise ValueError(
                "the exact oracle serves one output; the dual correlation of several outputs is "
                "bounded through one output at a time"
            )
        parts = [self._one_sign(sign * V[:, 0], count) for sign in (1.0, -1.0)]
        directions = np.concatenate([part.directions for part, _ in parts])
        values = np.concatenate([part.values for part, _ in parts])
        largest = max(upper for _, upper in parts)
        found = distinct(Candidates.ungated(directions, values), count)
        return found, Correlation(largest, "exact")

    def _patterns(self, positive: BoolArray) -> BoolArray:
        key = np.packbits(positive).tobytes()
        if key not in self._cells:
            if len(self._cells) > 64:
                self._cells.clear()
            self._cells[key] = enumerate_patterns(self.X[positive], self.max_patterns)
        return self._cells[key]

    def _one_sign(self, v: Array, count: int) -> tuple[Candidates, float]:
        """Candidates, and a rigorous upper bound of max v' relu(X u) within the precision."""
        X, positive = self.X, v > 0
        if not positive.any():
            return empty(X.shape[1]), 0.0
        rounding = 8 * EPS * sum(X.shape) * float(np.abs(v) @ np.linalg.norm(X, axis=1))
        rounding += float(np.abs(v) @ self.merged)
        cells = _Cells(X, v, positive, self._patterns(positive))
        best = empty(X.shape[1])
        bound = 0.0  # upper bound over the cells that were dropped
        for sweeps in range(MOST_SWEEPS):
            cells.sweep()
            best = _merged(best, cells.attained(4 * max(count, 8)), max(count, 8))
            bound = max(bound, cells.drop(best.best * (1 + self.precision)))
            if cells.count == 0 or (sweeps >= FEWEST_SWEEPS and cells.count <= FEW_CELLS):
                break
        while cells.count:  # what the sweeps leave open is solved exactly, largest bound first
            norm, found = cells.solve_largest()
            best = _merged(best, found, max(count, 8))
            bound = max(bound, norm, cells.drop(best.best * (1 + self.precision)))
        return best.take(np.arange(min(count, best.values.size))), max(bound, best.best) + rounding


def merging_allowance(X: Array) -> Array:
    """What counting nearly parallel rows as one hyperplane can cost a correlation, per |v_i|, (n,).

    A row whose bit is that of a neighbour at angle delta is wrong by at most ``delta ||x_i||``;
    twice that, because a subset of the rows may choose another neighbour.
    """
    norms = np.linalg.norm(X, axis=1)
    lines = distinct_lines(X)
    if len(lines) == 0:
        return np.zeros_like(norms)
    Z = X / np.where(norms > 0, norms, 1.0)[:, None]
    sides = np.where(lines.flipped, -1.0, 1.0)[:, None]
    apart = np.linalg.norm(sides * Z - Z[lines.representatives][lines.line], axis=1)
    apart[lines.zero] = 0.0
    widest = np.zeros(len(lines))
    np.maximum.at(widest, lines.line[~lines.zero], apart[~lines.zero])
    allowance: Array = 2.0 * norms * widest[lines.line] * ~lines.zero
    return allowance


class _Cells:
    """Sums over the cells of the positive rows, less the best share of the negative rows."""

    def __init__(self, X: Array, v: Array, positive: BoolArray, patterns: BoolArray) -> None:
        self.X, self.v, self.positive, self.patterns = X, v, positive, patterns
        self.residual = patterns.astype(np.float64) @ (v[positive, None] * X[positive])
        self.B, self.upper = X[v < 0], -v[v < 0]
        self.lam = np.zeros((patterns.shape[0], self.B.shape[0]))
        self.best: float = np.inf

    @property
    def count(self) -> int:
        return int(self.patterns.shape[0])

    def sweep(self) -> None:
        sweep(self.residual, self.lam, None, self.B, self.upper)

    def attained(self, most: int) -> Candidates:
        """The directions of the largest residuals, with the correlations they really have."""
        order = np.argsort(-np.linalg.norm(self.residual, axis=1), kind="stable")[:most]
        return _values(self.X, self.v, self.residual[order])

    def drop(self, threshold: float) -> float:
        """Forget the cells whose bound is at most the threshold; the largest bound among them."""
        norms = np.linalg.norm(self.residual, axis=1)
        keep = norms > threshold
        self._keep(keep)
        return float(norms[~keep].max(initial=0.0))

    def solve_largest(self) -> tuple[float, Candidates]:
        """Solve the cell with the largest bound exactly and forget it."""
        k = int(np.argmax(np.linalg.norm(self.residual, axis=1)))
        pulling = self.positive
        centre = (self.patterns[k] * self.v[pulling]) @ self.X[pulling]
        _, r = nearest(centre, self.B, self.upper, self.lam[k] / self.upper)
        self._keep(np.arange(self.count) != k)
        return float(np.linalg.norm(r)), _values(self.X, self.v, r[None])

    def _keep(self, keep: BoolArray) -> None:
        self.patterns, self.residual, self.lam = (
            self.patterns[keep],
            self.residual[keep],
            self.lam[keep],
        )


def _merged(first: Candidates, second: Candidates, count: int) -> Candidates:
    together = Candidates.ungated(
        np.concatenate([first.directions, second.directions]),
        np.concatenate([first.values, second.values]),
    )
    return distinct(together, count)


def _values(X: Array, v: Array, residuals: Array) -> Candidates:
    """Unit directions of the residuals and the correlation each really attains."""
    norms = np.linalg.norm(residuals, axis=1)
    used = norms > 0
    directions = residuals[used] / norms[used, None]
    return Candidates.ungated(directions, v @ np.maximum(X @ directions.T, 0.0))
