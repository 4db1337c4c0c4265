"""The best sign unit in a plane of hidden weights, exactly and for many planes at once.

In the plane spanned by e and w the neuron ``cos(phi) e + sin(phi) w`` changes the sign of a row
only where it is orthogonal to it.  So one sort of these angles, and running sums of the
dual point along them, give the correlation on every arc: O(n log n) a plane.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nogap._typing import Array, BoolArray


@dataclass(frozen=True)
class Sweep:
    """Half a turn through P planes; the other half has the opposite signs.

    Attributes
    ----------
    angles : array (P, m)
        Middle of the arc after each change of sign.
    sums : array (P, m, C)
        ``sign(row)' V`` on these arcs.
    open : bool array (P, m)
        Whether the arc is there, and not a gap between angles that are equal up to rounding.
    """

    angles: Array
    sums: Array
    open: BoolArray


def sweep(a: Array, b: Array, weights: Array, tolerance: float = 0.0) -> Sweep:
    """All arcs of planes in which row k has the coordinates ``(a[p, k], b[p, k])``.

    Parameters
    ----------
    a, b : arrays (P, m)
    weights : array (m, C) or (P, m, C)
        The dual point at the rows.
    tolerance : float
        Rows are on one line if they are as near as that, in the units of a and b.
    """
    side = np.where(a >= 0, 1.0, -1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = b / a  # rises with the angle at which the sign changes
    slope[np.isnan(slope)] = 0.0  # a row that is zero in this plane, anywhere
    order = np.argsort(slope, axis=1)
    slope = np.take_along_axis(slope, order, axis=1)
    turns = np.arctan(slope) + 0.5 * np.pi  # in [0, pi], in order
    gaps = np.diff(turns, append=turns[:, :1] + np.pi, axis=1)
    steps = side[:, :, None] * weights
    steps[(a == 0) & (b == 0)] = 0.0
    start = steps.sum(axis=1, keepdims=True)
    sums = start - 2.0 * np.cumsum(np.take_along_axis(steps, order[:, :, None], axis=1), axis=1)
    return Sweep(turns + 0.5 * gaps, sums, _open(a, b, order, gaps, tolerance))


def _open(a: Array, b: Array, order: Array, gaps: Array, tolerance: float) -> BoolArray:
    if tolerance == 0:
        wide: BoolArray = gaps > 0
        return wide
    radius = np.take_along_axis(np.hypot(a, b), order, axis=1)
    apart: BoolArray = gaps * np.minimum(radius, np.roll(radius, -1, axis=1)) > tolerance
    return apart
