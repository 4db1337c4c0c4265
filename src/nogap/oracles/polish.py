"""Exact local maximisation of one neuron's correlation: ascent that keeps a set of kinks.

``h(u) = v' relu(X u)`` on the unit sphere is a difference of convex functions: rows with v_i > 0
pull convexly, rows with v_j < 0 push back, and it is on *their* kinks that the maximiser usually
sits, up to d - 1 of them, so that gradient ascent oscillates there.  Its maximisers are the local
minimisers, up to their length, of

    f(u) = 1/2 ||u||^2 - sum_i v_i relu(x_i' u),

which is quadratic between kinks.  An active set method goes down: project the direction to the
minimiser of the piece onto the kinks that are held, follow it through as many pieces as it goes
down, hold the kink that stops it, and let go of a kink whose multiplier leaves [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import qr_delete
from scipy.linalg.lapack import dtrtrs

from nogap._typing import Array, BoolArray, IntArray
from nogap.oracles.base import never

MOST_STEPS = (100, 20)  # and that many more for each dimension
STILL = 1e-10  # of ||u||: a step as short as that is none
ACROSS = 1e-13  # of ||x|| ||p||: a row that moves less stays where it is
SLACK = 1e-9  # of the interval of a multiplier


class Polisher:
    """Local maximisers over the same rows X (n, d), for as many v as there are."""

    def __init__(self, X: Array, should_stop: Callable[[], bool] = never) -> None:
        norms = np.linalg.norm(X, axis=1)
        self.rows, self.norms = X, np.where(norms > 0, norms, 1.0)
        # of norm 1: a kink is then as far away as its pre-activation says
        self.units = X / self.norms[:, None]
        self.should_stop = should_stop

    def polish(self, v: Array, u: Array) -> tuple[Array, float]:
        """A local maximiser near the unit vector u (d,) and its value; never worse than u."""
        value = float(v @ np.maximum(self.rows @ u, 0.0))
        if value <= 0:
            return u, value
        found = _Descent(self.units, v * self.norms, value * u).run(self.should_stop)
        size = float(np.linalg.norm(found))
        if size == 0:  # a correlation that was nothing but rounding
            return u, value
        found /= size
        reached = float(v @ np.maximum(self.rows @ found, 0.0))
        return (found, reached) if reached > value else (u, value)


class _Descent:
    """One descent on f.

    Attributes
    ----------
    u, z : arrays (d,) and (n,)
        The point and its pre-activations.
    on, free : arrays (n,)
        The rows beyond their kink, and those that are not held on it.
    g : array (d,)
        ``sum of v_i x_i`` over the rows that are on.
    held : list
        The rows that are held; Q (d, m) and R (m, m) are the factors of their transpose.
    """

    def __init__(self, X: Array, v: Array, u: Array) -> None:
        self.X, self.v, self.u = X, v, u
        self.z = X @ u
        self.on: BoolArray = self.z > 0
        self.free = np.ones(v.size, dtype=bool)
        self.g = (v * self.on) @ X
        self.held: list[int] = []
        self.Q: Array = np.empty((u.size, 0))
        self.R: Array = np.empty((0, 0))

    def run(self, should_stop: Callable[[], bool]) -> Array:
        """The minimiser (d,), of positive length."""
        for _ in range(MOST_STEPS[0] + MOST_STEPS[1] * self.u.size):
            if should_stop():
                break
            rest = self.g - self.u
            along = self.Q.T @ rest
            step = rest - self.Q @ along
            step -= self.Q @ (self.Q.T @ step)
            slope = float(step @ step)
            if slope > STILL**2 * float(self.u @ self.u):
                self._follow(step, slope)
            elif not self._let_go(along):
                break
        return self.u

    def _follow(self, step: Array, slope: float) -> None:
        """Go along ``step``, on which f starts down with slope ``-||step||^2``, to its minimum."""
        dz = self.X @ step
        closing = np.where(self.on, -dz, dz)  # rows on the way to their kink
        rows = np.flatnonzero((closing > ACROSS * np.sqrt(slope)) & self.free)
        rates = closing[rows]
        times, bends = np.abs(self.z[rows]) / rates, -self.v[rows] * rates
        near = _reachable(times, bends, slope)
        order = near[np.argsort(times[near])]
        rows, times, bends = rows[order], times[order], bends[order]
        after = slope * (times - 1.0) + np.cumsum(bends)  # the slope of f beyond each kink
        up = np.flatnonzero(after >= 0)
        crossed = int(up[0]) if up.size else rows.size
        stopped = up.size > 0 and after[crossed] < bends[crossed]
        time = times[crossed] if stopped else 1.0 - float(bends[:crossed].sum()) / slope
        self.u = self.u + time * step
        self.z += time * dz
        self._flip(rows[:crossed])
        if stopped:
            self._hold(int(rows[crossed]))

    def _flip(self, rows: IntArray) -> None:
        """Rows that cross their kinks."""
        if rows.size:
            signs = np.where(self.on[rows], -1.0, 1.0)
            self.g = self.g + (signs * self.v[rows]) @ self.X[rows]
            self.on[rows] = ~self.on[rows]

    def _hold(self, row: int) -> None:
        x = self.X[row]
        if self.on[row]:
            self.on[row] = False
            self.g = self.g - self.v[row] * x
        self.z[row], self.free[row] = 0.0, False
        self.held.append(row)
        m = self.R.shape[0]
        first = self.Q.T @ x
        rest = x - self.Q @ first
        second = self.Q.T @ rest  # Gram-Schmidt once is not enough beside nearly equal rows
        rest -= self.Q @ second
        size = float(np.linalg.norm(rest))
        R = np.zeros((m + 1, m + 1))
        R[:m, :m], R[:m, m], R[m, m] = self.R, first + second, size
        self.Q, self.R = np.column_stack([self.Q, rest / size]), R

    def _let_go(self, along: Array) -> bool:
        """Release the row whose multiplier is furthest outside [0, 1]; False when none is.

        ``along`` is Q'(g - u), a combination of the held rows that their shares have to balance.
        """
        if not self.held:
            return False
        shares, _ = dtrtrs(self.R, along)
        shares = -shares / self.v[self.held]
        outside = np.maximum(-shares, shares - 1.0)
        k = int(np.argmax(outside))
        if not outside[k] > SLACK:
            return False
        row = self.held.pop(k)
        self.free[row] = True
        if shares[k] > 1:
            self.on[row] = True
            self.g = self.g + self.v[row] * self.X[row]
        self.Q, R = qr_delete(self.Q, self.R, k, which="col")
        self.R = R[: len(self.held)]
        return True


def _reachable(times: Array, bends: Array, slope: float) -> IntArray:
    """The kinks that can come before the minimum: rows that pull put it off, no others do."""
    reach = 1.0
    while True:
        near = times <= reach
        further = 1.0 - float(np.minimum(bends[near], 0.0).sum()) / slope
        if further <= reach * (1.0 + 1e-12):
            return np.flatnonzero(near)
        reach = further
