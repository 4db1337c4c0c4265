"""Quadratic programs over a box, by Newton's method on the free variables."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from nogap._typing import Array, BoolArray

BENT = 50  # projected Newton steps
STRAIGHT = 3  # steps of the active set, for every variable
HALVINGS = 8
ACCURATE, ROUNDING = 1e-10, 1e-14
ARMIJO = 1e-4


def minimise_over_box(
    Q: Array,
    right: Array,
    lower: Array,
    upper: Array,
    start: Array,
    should_stop: Callable[[], bool] = lambda: False,
) -> Array:
    """Minimise ``1/2 y'Qy - right'y`` subject to ``lower <= y <= upper``.

    Parameters
    ----------
    Q : array (K, K)
        Positive definite.
    right, lower, upper, start : arrays (K,)
    should_stop : callable
        Asked before each step: of thousands of variables, one takes a second.

    Returns
    -------
    y : array (K,)
        Inside the box; the best point found.

    Notes
    -----
    Projected Newton steps (D. Bertsekas, "Projected Newton methods for optimization problems with
    simple constraints", SIAM J. Control Optim. 20, 1982); where these stop short, an active set.

    Examples
    --------
    >>> import numpy as np
    >>> Q, right = np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([3.0, -1.0])
    >>> minimise_over_box(Q, right, np.zeros(2), np.full(2, 9.0), np.zeros(2))
    array([1.5, 0. ])
    """
    y = np.clip(start, lower, upper)
    diagonal = np.diag(Q)
    for _ in range(BENT):
        slope = Q @ y - right
        with np.errstate(over="ignore"):  # a constraint that no weight moves: to the wall
            wrong = np.abs(y - np.clip(y - slope / diagonal, lower, upper)) * diagonal
        if wrong.max(initial=0.0) <= _enough(Q, right, y):
            return y
        if should_stop():
            return y
        free = ~(((y <= lower) & (slope > 0)) | ((y >= upper) & (slope < 0)))
        new = _along(Q, y, slope, _newton(Q, slope, free), lower, upper)
        if new is None:
            break
        y = new
    return _active_set(Q, right, lower, upper, y, should_stop)


def _active_set(
    Q: Array,
    right: Array,
    lower: Array,
    upper: Array,
    y: Array,
    should_stop: Callable[[], bool],
) -> Array:
    """From y to the solution, one variable blocked or released at a time: slow and sure."""
    y, free = y.copy(), (y > lower) & (y < upper)
    for _ in range(STRAIGHT * (1 + y.size)):
        if should_stop():
            break
        change = _newton(Q, Q @ y - right, free)
        moving = np.flatnonzero(change)
        walls = np.where(change > 0, upper, lower)
        lengths = (walls - y)[moving] / change[moving]
        if np.min(lengths, initial=1.0) < 1.0:
            first = int(np.argmin(lengths))
            y += max(lengths[first], 0.0) * change
            y[moving[first]] = walls[moving[first]]
            free[moving[first]] = False
            continue
        y += change
        slope = Q @ y - right
        wrong = np.where(free, 0.0, np.where(y <= lower, -slope, slope))
        if wrong.max(initial=0.0) <= _enough(Q, right, y):
            break
        free[np.argmax(wrong)] = True
    return np.clip(y, lower, upper)


def _enough(Q: Array, right: Array, y: Array) -> float:
    """The slope that counts as none: a share of the largest, and what rounding leaves."""
    scale = float(np.abs(right).max(initial=0.0))
    rounding = float((np.abs(Q) @ np.abs(y)).max(initial=0.0))
    return ACCURATE * scale + ROUNDING * rounding


def _newton(Q: Array, slope: Array, free: BoolArray) -> Array:
    change = np.zeros_like(slope)
    change[free] = -cho_solve(cho_factor(Q[np.ix_(free, free)]), slope[free])
    return change


def _along(
    Q: Array, y: Array, slope: Array, change: Array, lower: Array, upper: Array
) -> Array | None:
    """A point on the projected line with enough decrease, or None."""
    length = 1.0
    for _ in range(HALVINGS):
        moved = np.clip(y + length * change, lower, upper) - y
        decrease = -float(slope @ moved) - 0.5 * float(moved @ (Q @ moved))
        if decrease > 0 and decrease >= -ARMIJO * float(slope @ moved):
            new: Array = y + moved
            return new
        length *= 0.5
    return None
