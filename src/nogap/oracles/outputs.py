"""The dual correlation of several outputs, bounded through one output at a time.

For an output direction a (C,), ``p(a) = max_u |relu(X u)' V a|`` is the dual correlation of one
output; it is a convex, even and positively homogeneous function of a, and q(V) is its largest
value on the unit sphere.  On a cone of output directions with generators w_l it is therefore at
most the largest ``sum_l c_l p(w_l)`` with ``||sum_l c_l w_l|| <= 1, c >= 0``: branch and bound on
cones again, in as many dimensions as there are outputs.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

import numpy as np

from nogap._typing import Array
from nogap.certificate import Correlation
from nogap.oracles.base import Candidates, distinct, empty, never
from nogap.oracles.branch_and_bound import BranchAndBound
from nogap.oracles.pooled_cones import PooledBound
from nogap.oracles.simplices import bisected, largest_linear
from nogap.problem import EPS
from nogap.rows import Rows
from nogap.units import ReLU, Unit

MOST_OUTPUTS = 6  # 2^(C - 1) orthants; beyond it one orthant's bound serves for all
INNER_PRECISION = 0.1  # of the precision that is asked
MOST_STEPS = 1_000_000  # time ends it earlier
FIRST_STEPS = (3, 30, 300, MOST_STEPS)  # on each output in turn: none waits for the time to be over


class OutputBound:
    """An upper bound of the dual correlation of any number of outputs.

    Parameters
    ----------
    rows : Rows
    precision : float
        The bound ends at most this much (relatively) above the best correlation found, unless
        the budget ends first.
    max_cones : int
        Budget of output directions whose correlation is bounded.
    scalar : oracle, optional
        Bounds the correlation of one output; branch and bound of dense ReLU units by default.
    unit : Unit, optional
        What it bounds, ReLU by default.

    Attributes
    ----------
    enough : float
        A bound that is no larger satisfies whoever asks.
    """

    complete = True
    cut_short = False

    def __init__(
        self,
        rows: Rows,
        precision: float = 1e-3,
        max_cones: int = 2000,
        scalar: BranchAndBound | PooledBound | None = None,
        unit: Unit | None = None,
    ) -> None:
        self.should_stop: Callable[[], bool] = never
        self.enough = 0.0
        self.precision, self.max_cones = precision, max_cones
        self.rows, self.unit = rows, ReLU() if unit is None else unit
        inner = INNER_PRECISION * precision
        self.scalar = BranchAndBound(rows, inner, MOST_STEPS) if scalar is None else scalar
        self.scalar.precision = inner

    def price(
        self, V: Array, count: int, starts: Array | None = None
    ) -> tuple[Candidates, Correlation]:
        """The best neurons met on the way, and an upper bound of q(V) for V (n, C)."""
        if V.shape[1] == 1:
            self.scalar.enough, self.scalar.precision = self.enough, self.precision
            self.scalar.should_stop = self.should_stop
            return self.scalar.price(V, count, starts)
        if not np.any(V):
            return empty(self.rows.d), Correlation(0.0, "exact")
        run = _Outputs(self, V, starts)
        upper = run.bound() if run.turned.shape[1] <= MOST_OUTPUTS else run.one_orthant()
        return run.found(count), Correlation(upper + run.rounding, "bound")


class _Outputs:
    """One dual point, in coordinates of the outputs in which its columns are orthogonal."""

    def __init__(self, oracle: OutputBound, V: Array, starts: Array | None) -> None:
        self.oracle, self.V, self.starts = oracle, V, starts
        _, sizes, turn = np.linalg.svd(V, full_matrices=False)
        kept = sizes > 1e-12 * sizes[0]
        self.turned = V @ turn[kept].T
        norms = np.sqrt(oracle.rows.squared_norms())
        lost = np.linalg.norm(V - self.turned @ turn[kept], axis=1)
        self.rounding = float((lost + 16 * EPS * sum(V.shape) * np.linalg.norm(V, axis=1)) @ norms)
        self.known: dict[bytes, tuple[int, float]] = {}  # steps that were allowed, and the bound
        self.directions = [np.zeros((0, oracle.rows.d)) if starts is None else starts]
        self.incumbent = self._attained(self.directions[0])

    def one_orthant(self) -> float:
        """The outputs' own correlations, taken together: p is even, so one orthant is like all."""
        outputs = np.eye(self.turned.shape[1])
        for steps in FIRST_STEPS:
            upper = float(np.linalg.norm([self._correlation(a, steps) for a in outputs]))
            enough = max(self.incumbent * (1 + self.oracle.precision), self.oracle.enough)
            if upper <= enough or self.oracle.should_stop():
                break
        return upper

    def bound(self) -> float:
        """Bisect cones of output directions, the largest bound first."""
        C, whole = self.turned.shape[1], self.one_orthant()
        signs = itertools.product((1.0, -1.0), repeat=C - 1)
        cones = np.array([np.diag((1.0, *sign)) for sign in signs])
        number = itertools.count()
        heap = [(-self._cone(cone, whole), next(number), cone) for cone in cones]
        heapq.heapify(heap)
        for _ in range(self.oracle.max_cones):
            upper, _, cone = heap[0]
            enough = max(self.incumbent * (1 + self.oracle.precision), self.oracle.enough)
            if -upper <= enough or self.oracle.should_stop():
                break
            heapq.heappop(heap)
            for half in bisected(cone[None]):
                heapq.heappush(heap, (-self._cone(half, -upper), next(number), half))
        return max(-heap[0][0], self.incumbent)

    def _cone(self, cone: Array, parent: float) -> float:
        if self.oracle.should_stop() and np.isfinite(parent):
            return parent
        g = np.array([self._correlation(w) for w in cone])
        return min(parent, float(largest_linear(cone[None], g[None, None])[0, 0]))

    def _correlation(self, a: Array, steps: int = MOST_STEPS) -> float:
        """An upper bound of p(a), after as many steps at most."""
        key = np.round(a if a[np.argmax(np.abs(a))] > 0 else -a, 14).tobytes()
        done, value = self.known.get(key, (0, np.inf))
        if done < steps and not (done and self.oracle.should_stop()):
            scalar = self.oracle.scalar
            scalar.should_stop, scalar.max_steps = self.oracle.should_stop, steps
            found, correlation = scalar.price((self.turned @ a)[:, None], 5, self.directions[0])
            self.directions.append(found.directions)
            self.incumbent = max(self.incumbent, self._attained(found.directions))
            if correlation.value <= found.best * (1 + scalar.precision):
                steps = MOST_STEPS
            value = min(value, correlation.value)
            self.known[key] = steps, value
        return value

    def _values(self, directions: Array) -> Array:
        norms = np.linalg.norm(directions, axis=1)
        gate = np.zeros(len(directions), dtype=np.intp)
        features = self.oracle.unit.features(self.oracle.rows, directions.T, gate)
        values: Array = np.linalg.norm(features.T @ self.V, axis=1) / np.where(norms > 0, norms, 1)
        return values

    def _attained(self, directions: Array) -> float:
        return float(self._values(directions).max(initial=0.0)) if len(directions) else 0.0

    def found(self, count: int) -> Candidates:
        directions = np.concatenate(self.directions)
        directions = directions[np.linalg.norm(directions, axis=1) > 0]
        values = self._values(directions) if len(directions) else np.zeros(0)
        return distinct(Candidates.ungated(directions, values), count)
