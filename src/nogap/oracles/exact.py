"""The exact oracle: the dual correlation over all activation patterns, for one output.

For one sign of V, with a_i = v_i x_i where v_i > 0 and b_j = |v_j| x_j where v_j < 0,

    max_{||u|| <= 1} v' relu(X u) = max_S min_{0 <= lam <= 1} ||sum_S a_i - sum_j lam_j b_j||

over the patterns S of the rows with v_i > 0 alone: only those are combinatorial, the others are a
convex problem.  S may run over any set that holds all patterns of the positive rows.
"""

from __future__ import annotations

import numpy as np

from nogap._typing import Array, BoolArray
from nogap.certificate import Correlation
from nogap.oracles.base import Candidates, distinct, empty
from nogap.oracles.box_distance import sweep, zonotope_distance
from nogap.patterns import enumerate_patterns
from nogap.problem import EPS
from nogap.rows import Rows

SWEEPS = 12
PRUNE_TOLERANCE = 1e-10  # relative; what is pruned is within this of the value returned


class ExactOracle:
    """All activation patterns, for small rank or few rows; one output.

    Parameters
    ----------
    rows : Rows
    max_patterns : int
        Budget of patterns of the positive rows; beyond it a ``ValueError`` is raised.
    """

    def __init__(self, rows: Rows, max_patterns: int | None = None) -> None:
        self.X = rows.take(np.arange(rows.n))
        self.max_patterns = max_patterns
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
        """Candidates, and a rigorous upper bound of max v' relu(X u) within the tolerance."""
        X, positive = self.X, v > 0
        d = X.shape[1]
        if not positive.any():
            return empty(d), 0.0
        rounding = 8 * EPS * (X.shape[0] + d) * float(np.abs(v) @ np.linalg.norm(X, axis=1))
        A, B = v[positive, None] * X[positive], X[v < 0]
        upper = -v[v < 0]
        centres = self._patterns(positive).astype(np.float64) @ A
        residual = centres.copy()
        lam = np.zeros((centres.shape[0], B.shape[0]))
        alive = np.arange(centres.shape[0])
        best_directions, best_values = np.zeros((0, d)), np.zeros(0)
        pruned = 0.0
        for _ in range(SWEEPS):
            sweep(residual, lam, None, B, upper)
            norms = np.linalg.norm(residual, axis=1)
            order = np.argsort(-norms)[: max(4 * count, 32)]
            directions, values = _values(X, v, residual[order])
            merged = distinct(
                Candidates.ungated(
                    np.concatenate([best_directions, directions]),
                    np.concatenate([best_values, values]),
                ),
                max(count, 8),
            )
            best_directions, best_values = merged.directions, merged.values
            keep = norms > merged.best * (1 + PRUNE_TOLERANCE)
            pruned = max(pruned, float(norms[~keep].max(initial=0.0)))
            residual, lam, alive = residual[keep], lam[keep], alive[keep]
            if alive.size == 0:
                break
        # what the sweeps leave open is solved exactly, the largest bound first
        best = float(best_values.max(initial=0.0))
        leftover, solved_best = pruned, best
        for k in np.argsort(-np.linalg.norm(residual, axis=1)):
            bound = float(np.linalg.norm(residual[k]))
            if bound <= solved_best * (1 + PRUNE_TOLERANCE):
                leftover = max(leftover, bound)
                break
            r = zonotope_distance(centres[alive[k]], B, upper)
            leftover = max(leftover, min(bound, float(np.linalg.norm(r))))
            direction, value = _values(X, v, r[None])
            best_directions = np.concatenate([best_directions, direction])
            best_values = np.concatenate([best_values, value])
            solved_best = max(solved_best, float(value.max(initial=0.0)))
        candidates = distinct(Candidates.ungated(best_directions, best_values), count)
        return candidates, max(leftover, solved_best) + rounding


def _values(X: Array, v: Array, residuals: Array) -> tuple[Array, Array]:
    """Unit directions of the residuals and the correlation each really attains."""
    norms = np.linalg.norm(residuals, axis=1)
    used = norms > 0
    directions = residuals[used] / norms[used, None]
    values = v @ np.maximum(X @ directions.T, 0.0)
    return directions, values
