"""Exact local maximisation of correlations of neurons: ascents that keep sets of kinks.

``h(u) = v' relu(X u)`` on the unit sphere is a difference of convex functions: rows with v_i > 0
pull convexly, rows with v_j < 0 push back, and it is on *their* kinks that the maximiser usually
sits, up to d - 1 of them, so that gradient ascent oscillates there.  Its maximisers are the local
minimisers, up to their length, of

    f(u) = 1/2 ||u||^2 - sum_i v_i relu(x_i' u),

which is quadratic between kinks.  An active set method goes down: project the direction to the
minimiser of the piece onto the kinks that are held, follow it through as many pieces as it goes
down, hold the kink that stops it, and let go of a kink whose multiplier leaves [0, 1].

Many descents take their steps side by side: a step of one costs less than to ask for it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nogap._typing import Array, BoolArray, IntArray
from nogap.oracles.base import never
from nogap.oracles.held_rows import HeldRows
from nogap.rows.base import slices

MOST_STEPS = (100, 20)  # and that many more for each dimension
STILL = 1e-10  # of ||u||: a step as short as that is none
ACROSS = 1e-13  # of ||x|| ||p||: a row that moves less stays where it is
SLACK = 1e-9  # of the interval of a multiplier
MARGIN = 1.3  # how much further to look for kinks than the minimum is known to be
MOST_FIGURES = 1_000_000  # of pre-activations, or of factors of held rows, of descents together


class Polisher:
    """Local maximisers over the same rows X (n, d), for as many v as there are."""

    def __init__(self, X: Array, should_stop: Callable[[], bool] = never) -> None:
        norms = np.linalg.norm(X, axis=1)
        self.rows, self.norms = X, np.where(norms > 0, norms, 1.0)
        # of norm 1: a kink is then as far away as its pre-activation says
        self.units = X / self.norms[:, None]
        self.should_stop = should_stop
        n, d = X.shape
        self._together = max(MOST_FIGURES // max(n, d * min(n, d), 1), 1)

    def polish(self, v: Array, U: Array) -> tuple[Array, Array]:
        """Local maximisers near the unit vectors U (k, d) and their values, never worse than U.

        ``v`` is (n,), or (k, n) where each has its own.
        """
        U = U.copy()
        v = np.broadcast_to(v, (U.shape[0], self.norms.size))
        values = self._values(v, U)
        alive = np.flatnonzero(values > 0)
        for part in slices(alive.size, self._together):
            which = alive[part]
            begin = values[which, None] * U[which]
            found = _Descents(self.units, v[which] * self.norms, begin).run(self.should_stop)
            sizes = np.linalg.norm(found, axis=1)  # zero: a correlation that was only rounding
            found /= np.where(sizes > 0, sizes, 1.0)[:, None]
            reached = self._values(v[which], found)
            better = reached > values[which]
            U[which[better]], values[which[better]] = found[better], reached[better]
        return U, values

    def _values(self, v: Array, U: Array) -> Array:
        Z = U @ self.rows.T
        values: Array = np.einsum("kn,kn->k", v, np.maximum(Z, 0.0, out=Z))
        return values


class _Descents:
    """Descents on f that have not ended yet.

    Attributes
    ----------
    U : array (k, d)
        The points.
    sides : array (k, n)
        1 for a row beyond its kink, -1 for one before, 0 for one that is held on it.
    distances : array (k, n)
        To the kinks: the sizes of the pre-activations.
    G : array (k, d)
        ``sum of v_i x_i`` over the rows beyond their kinks.
    held : HeldRows
        The rows that are held.
    """

    def __init__(self, X: Array, v: Array, U: Array) -> None:
        self.X, self.v, self.U = X, v, U
        Z = U @ X.T
        self.sides = np.where(Z > 0, 1.0, -1.0)
        self.distances = np.abs(Z)
        self.G = np.where(Z > 0, v, 0.0) @ X
        self.held = HeldRows(U.shape[0], X)

    def run(self, should_stop: Callable[[], bool]) -> Array:
        """The minimisers (k, d), of positive length."""
        found, going = self.U.copy(), np.arange(self.U.shape[0])
        for _ in range(MOST_STEPS[0] + MOST_STEPS[1] * self.U.shape[1]):
            if should_stop():
                break
            ended = self._step()
            if ended.any():
                found[going[ended]] = self.U[ended]
                going = going[~ended]
                self._leave(~ended)
                if not going.size:
                    break
        found[going] = self.U
        return found

    def _leave(self, staying: BoolArray) -> None:
        self.U, self.v, self.sides = self.U[staying], self.v[staying], self.sides[staying]
        self.distances, self.G = self.distances[staying], self.G[staying]
        self.held.keep(staying)

    def _step(self) -> BoolArray:
        """A step of each; the mask (k,) of those that have nowhere to go."""
        along, steps = self.held.split(self.G - self.U)
        slopes = np.einsum("kd,kd->k", steps, steps)
        still = slopes <= STILL**2 * np.einsum("kd,kd->k", self.U, self.U)
        ended = still.copy()
        if still.any():
            ended[still] = ~self._let_go(np.flatnonzero(still), along[still])
        if not still.all():
            steps[still], slopes[still] = 0.0, 1.0  # the others do not wait
            self._follow(steps, slopes)
        return ended

    def _follow(self, steps: Array, slopes: Array) -> None:
        """Go along ``steps``, where f starts with slope ``-||step||^2``, to its first minimum."""
        closing = -steps @ self.X.T
        closing *= self.sides  # how fast the distances shrink
        rows, times, bends = self._kinks(closing, slopes)
        bent = np.cumsum(bends, axis=1)
        after = slopes[:, None] * (times - 1.0) + bent  # the slope of f beyond each kink
        up = np.maximum(after, after - bends) >= 0
        each, first = np.arange(slopes.size), np.argmax(up, axis=1)
        time, bend = times[each, first], bends[each, first]
        stopped = (time < np.inf) & (after[each, first] < bend)
        lengths = np.where(stopped, time, 1.0 - (bent[each, first] - bend) / slopes)
        self.U += lengths[:, None] * steps
        closing *= lengths[:, None]
        self.distances -= closing
        which, place = np.nonzero(np.arange(times.shape[1]) < first[:, None])
        crossed = rows[which, place]
        self.distances[which, crossed] *= -1.0
        self._move(which, crossed, -self.sides[which, crossed])
        held = rows[each, first][stopped]
        self.distances[stopped, held] = 0.0
        self._move(each[stopped], held, np.zeros(held.size))
        self.held.add(each[stopped], held)

    def _kinks(self, closing: Array, slopes: Array) -> tuple[IntArray, Array, Array]:
        """Rows, times and bends of the kinks that can come before the minimum, first come first.

        All are (k, most + 1), with infinite times at the end. Rows that pull put the minimum off.
        """
        closes = closing > ACROSS * np.sqrt(slopes)[:, None]
        reach, n = np.full(slopes.size, MARGIN), closing.shape[1]
        while True:
            near = self.distances <= closing * reach[:, None]
            near &= closes
            flat = np.flatnonzero(near)
            which = flat // n
            rates = closing.ravel()[flat]
            bends = -self.v.ravel()[flat] * rates
            pulls = np.bincount(which, np.maximum(-bends, 0.0), slopes.size)
            further = 1.0 + pulls / slopes
            if np.all(further <= reach):
                break
            reach = np.maximum(MARGIN * further, reach)
        times = self.distances.ravel()[flat] / rates
        return _in_order(which, flat - n * which, times, bends, slopes.size)

    def _move(self, which: IntArray, rows: IntArray, sides: Array) -> None:
        """Rows that come to other sides of their kinks."""
        joins = (sides > 0).astype(float) - (self.sides[which, rows] > 0)
        self.sides[which, rows] = sides
        np.add.at(self.G, which, (joins * self.v[which, rows])[:, None] * self.X[rows])

    def _let_go(self, which: IntArray, along: Array) -> BoolArray:
        """Release of each the row whose multiplier is furthest outside [0, 1]; False where none is.

        ``along`` is the part of g - u in the span of the held rows, which their shares balance.
        """
        if not along.shape[1]:
            return np.zeros(which.size, dtype=bool)
        rows, shares = self.held.shares(which, along)
        there = np.arange(rows.shape[1]) < self.held.counts[which, None]
        shares /= np.where(there, -self.v[which[:, None], rows], 1.0)
        outside = np.where(there, np.maximum(-shares, shares - 1.0), 0.0)
        furthest = np.argmax(outside, axis=1)
        each = np.arange(which.size)
        going: BoolArray = outside[each, furthest] > SLACK
        which, furthest, each = which[going], furthest[going], each[going]
        beyond = shares[each, furthest] > 1
        self._move(which, rows[each, furthest], np.where(beyond, 1.0, -1.0))
        for k, j in zip(which, furthest, strict=True):
            self.held.remove(int(k), int(j))
        return going


def _in_order(
    which: IntArray, rows: IntArray, times: Array, bends: Array, k: int
) -> tuple[IntArray, Array, Array]:
    """Lists of ``k`` descents, one after the other, as sorted rows of tables."""
    order = np.lexsort((times, which))
    counts = np.bincount(which, minlength=k)
    shape = (k, int(counts.max(initial=0)) + 1)
    place = np.arange(which.size) - np.repeat(np.cumsum(counts) - counts, counts)
    place += shape[1] * which
    table = np.zeros(shape, dtype=np.intp), np.full(shape, np.inf), np.zeros(shape)
    for column, values in zip(table, (rows, times, bends), strict=True):
        column.ravel()[place] = values[order]
    return table
