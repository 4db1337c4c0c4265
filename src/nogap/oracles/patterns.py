"""Oracles over a fixed list of activation patterns: sub-sampled programs and gated units."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nogap._typing import Array, BoolArray, IntArray
from nogap.certificate import Correlation, Kind
from nogap.oracles.base import Candidates, distinct, empty, never
from nogap.oracles.box_distance import active_signs, cone_projection, sweep
from nogap.oracles.exact import merging_allowance
from nogap.problem import EPS
from nogap.rows import Rows

SWEEPS = 10
PRUNE_TOLERANCE = 1e-10


class PatternOracle:
    """ReLU neurons inside the cones of the given patterns; one output.

    For pattern D with cone K = {u: (2D - 1) X u >= 0} and sign s the best neuron is the projection
    of ``s X' D v`` on K, and its correlation is the projection's norm.

    Parameters
    ----------
    rows : Rows
    patterns : bool array (P, n)
    kind : {"exact", "search"}
        "exact" when the list holds every pattern of the data; a sub-sample proves nothing about
        the network.
    """

    complete = True
    cut_short = False

    def __init__(self, rows: Rows, patterns: BoolArray, kind: Kind = "search") -> None:
        self.should_stop: Callable[[], bool] = never
        self.X = rows.take(np.arange(rows.n))
        self.patterns, self.kind = patterns, kind

    def price(
        self, V: Array, count: int, starts: Array | None = None
    ) -> tuple[Candidates, Correlation]:
        """The best neurons over patterns and signs of V (n, 1)."""
        v = V[:, 0]
        moments: Array = (self.patterns * v) @ self.X  # (P, d)
        centres = np.concatenate([moments, -moments])
        gate = np.tile(np.arange(self.patterns.shape[0]), 2)
        rounding = 8 * EPS * sum(self.X.shape) * float(
            np.abs(v) @ np.linalg.norm(self.X, axis=1)
        )  # fmt: skip
        if self.kind == "exact":
            rounding += float(np.abs(v) @ merging_allowance(self.X))
        found, upper = self._project(centres, gate, count)
        return found, Correlation(upper + rounding, self.kind)

    def _project(self, centres: Array, gate: IntArray, count: int) -> tuple[Candidates, float]:
        """Best projections, with an upper bound of the largest one's norm."""
        X = self.X
        floor = 0.0  # the count-th best value attained so far
        residual, index = centres.copy(), np.arange(centres.shape[0])
        lam = np.zeros((centres.shape[0], X.shape[0]))
        signs = active_signs(self.patterns)
        unbounded = np.full(X.shape[0], np.inf)
        for _ in range(SWEEPS):
            keep = np.linalg.norm(residual, axis=1) > floor
            residual, lam, index = residual[keep], lam[keep], index[keep]
            if index.size <= 4 * count:
                break
            sweep(residual, lam, signs[gate[index]], X, unbounded)
            floor = max(floor, self._attained(residual, centres[index], gate[index], count))
        order = np.argsort(-np.linalg.norm(residual, axis=1), kind="stable")
        directions: list[Array] = []
        values: list[float] = []
        gates: list[int] = []
        upper = floor
        for position, k in enumerate(order):
            bound = float(np.linalg.norm(residual[k]))
            done = len(values) >= count and bound <= sorted(values)[-count] * (1 + PRUNE_TOLERANCE)
            if bound <= floor or done:
                upper = max(upper, bound) if position == 0 else upper
                break
            row = index[k]
            r = cone_projection(centres[row], signs[gate[row], :, None] * X)
            size = float(np.linalg.norm(r))
            if size > 0:
                directions.append(r / size)
                values.append(size)
                gates.append(gate[row])
        if not values:
            return empty(X.shape[1]), upper
        candidates = Candidates(np.array(directions), np.array(values), np.array(gates))
        return distinct(candidates, count), max(float(candidates.values.max()), 0.0)

    def _attained(self, residual: Array, centres: Array, gate: IntArray, count: int) -> float:
        """A value that at least ``count`` projections reach: residuals inside their cone."""
        sizes = np.linalg.norm(residual, axis=1)
        order = np.argsort(-sizes, kind="stable")[: 8 * count]
        Z = active_signs(self.patterns[gate[order]]) * (residual[order] @ self.X.T)
        scale = sizes[order, None] * np.linalg.norm(self.X, axis=1)
        inside = np.all(-1e-12 * scale <= Z, axis=1) & (sizes[order] > 0)
        reached = np.einsum("kd,kd->k", residual[order], centres[order]) / np.where(
            sizes[order] > 0, sizes[order], 1.0
        )
        values = np.sort(reached[inside])[::-1]
        return float(values[count - 1]) if values.size >= count else 0.0


class GatedOracle:
    """Gated or linear units: the correlation is a largest singular value, in closed form.

    ``max_{||u|| <= 1} ||V' D X u||_2 = sigma_max(X' D V)`` for each gate's pattern D.

    Parameters
    ----------
    rows : Rows
    patterns : bool array (P, n)
        One a gate; a single row of ones for linear units.
    """

    complete = True
    cut_short = False

    def __init__(self, rows: Rows, patterns: BoolArray) -> None:
        self.should_stop: Callable[[], bool] = never
        self.rows, self.patterns = rows, patterns

    def price(
        self, V: Array, count: int, starts: Array | None = None
    ) -> tuple[Candidates, Correlation]:
        """The best neurons, one a gate and singular value, and the largest singular value."""
        P, C = self.patterns.shape[0], V.shape[1]
        masked = (self.patterns.T[:, :, None] * V[:, None, :]).reshape(V.shape[0], P * C)
        moments = self.rows.adjoint(masked).reshape(self.rows.d, P, C).transpose(1, 0, 2)
        left, sizes, _ = np.linalg.svd(moments, full_matrices=False)  # (P, d, r), (P, r)
        rank = sizes.shape[1]
        directions = left.transpose(0, 2, 1).reshape(P * rank, self.rows.d)
        values = sizes.ravel()
        gate = np.repeat(np.arange(P), rank)
        n, d = V.shape[0], self.rows.d
        norms = np.sqrt(self.rows.squared_norms())
        rounding = 8 * EPS * (n + d) * float(np.linalg.norm(V, axis=1) @ norms)
        largest = float(values.max(initial=0.0)) + rounding
        return distinct(Candidates(directions, values, gate), count), Correlation(largest, "exact")
