"""The dual correlation of every kink of a spline: one pass over the sorted data."""

from __future__ import annotations

import numpy as np

from nogap._typing import Array
from nogap.certificate import Correlation
from nogap.problem import EPS

VIOLATION = 1e-10  # relative excess of a correlation that asks for a knot
LONG = np.longdouble  # sums of many figures keep their digits where the platform has more


class OneDimensionalOracle:
    """The dual correlation over every kink: one pass over the sorted data, exact.

    Parameters
    ----------
    column : array (n,)
        The inputs, which are scaled to ``x = (column - middle) / half`` in [-1, 1].
    middle, half : float
    """

    def __init__(self, column: Array, middle: float, half: float) -> None:
        self.x = (column - middle) / half
        self.points, self.index = np.unique(self.x, return_inverse=True)
        self.half = half
        self.offset = float(np.abs(column).max()) / half

    def curves(self, V: Array) -> tuple[Array, Array]:
        """``v' relu(x - t)`` and ``v' relu(t - x)`` at the distinct points t, for balanced V."""
        v = np.bincount(self.index, weights=V[:, 0], minlength=self.points.size).astype(LONG)
        beyond = np.cumsum(v[::-1])[::-1][1:]  # sums of v over the points right of each interval
        right = np.append(np.cumsum((beyond * np.diff(self.points))[::-1])[::-1], 0.0)
        both = self.half * right, self.half * (right - right[0])
        return both[0].astype(np.float64), both[1].astype(np.float64)

    def correlation(self, V: Array) -> Correlation:
        """The largest correlation, with an allowance for rounding and for what 1'v misses."""
        largest = max(float(np.abs(curve).max()) for curve in self.curves(V))
        total = float(np.abs(V).sum())
        summing = 8 * V.size * float(np.finfo(LONG).eps)  # of sums of sums of n figures
        scaling = 16 * EPS * (1 + self.offset)
        rounding = (summing + scaling) * total + 2 * abs(float(V.astype(LONG).sum()))
        return Correlation(largest + self.half * rounding, "exact")

    def violated(self, V: Array, beta: float, knots: Array, spread: int) -> Array:
        """Where a correlation exceeds beta the most, one point in each interval between knots.

        ``spread`` more points, evenly over such an interval, hold a dual in place that jumps.
        """
        excess = np.max(np.abs(self.curves(V)), axis=0)
        interval = np.searchsorted(knots, self.points, side="left")
        order = np.lexsort((excess, interval))
        last = np.append(np.flatnonzero(np.diff(interval[order])), order.size - 1)
        best = order[last]
        best = best[excess[best] > beta * (1 + VIOLATION)]
        if spread:
            inside = [np.flatnonzero(interval == interval[k]) for k in best]
            picked = [np.linspace(p[0], p[-1], spread).astype(np.intp) for p in inside]
            best = np.unique(np.concatenate([best, *picked]))
        return self.points[best]
