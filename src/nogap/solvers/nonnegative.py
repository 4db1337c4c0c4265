"""Non-negative quadratic programs by a warm-started active set, which a barrier helps to start."""

from __future__ import annotations

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from nogap._typing import Array, BoolArray
from nogap.solvers.barrier import barrier_point

PATIENCE = 12  # systems that a good start may take


def nonnegative_qp(
    H: Array, c: Array, start: Array, free: BoolArray, tolerance: float = 1e-11
) -> Array:
    """``min 1/2 t'Ht - c't`` with t_k >= 0 where not free; exact up to rounding.

    Parameters
    ----------
    H : array (m, m)
        Positive semidefinite; a relative ridge of 1e-13 makes it definite.
    c : array (m,)
    start : array (m,)
        A feasible point; its support is the first guess of the active set.
    free : bool array (m,)
        Variables without a sign.
    """
    t, solved = _active_set(H, c, start, free, tolerance, PATIENCE)
    if solved:
        return t
    inner = barrier_point(H, c, free)
    if _value(H, c, inner) < _value(H, c, t):
        t = inner
    return _active_set(H, c, t, free, tolerance, 20 * c.size + 20)[0]


def _value(H: Array, c: Array, t: Array) -> float:
    return float(t @ (0.5 * (H @ t) - c))


def _active_set(
    H: Array, c: Array, start: Array, free: BoolArray, tolerance: float, most: int
) -> tuple[Array, bool]:
    """A point no higher than the start, and whether it is the minimum.

    Not to the end where more than ``most`` systems would have to be solved, as far as can be seen.
    """
    ridge = 1e-13 * float(np.trace(H)) / max(c.size, 1)
    t, passive = start.copy(), (start > 0) | free
    scale = float(np.abs(c).max(initial=0.0)) + 1e-300
    for solved in range(most):
        t, passive, leaving = _towards_minimum(H, c, t, passive, free, ridge)
        if leaving > most - solved:
            break
        if leaving:
            continue
        slope = c - H @ t
        slope[passive] = -np.inf
        k = int(np.argmax(slope)) if c.size else 0
        if c.size == 0 or slope[k] <= tolerance * scale:
            return t, True
        passive[k] = True
        t[k] = 0.0
    return t, False


def _towards_minimum(
    H: Array, c: Array, t: Array, passive: BoolArray, free: BoolArray, ridge: float
) -> tuple[Array, BoolArray, int]:
    """Towards the minimum over the passive variables, as far as the first that turns negative.

    That one leaves; the last value says how many would turn negative.
    """
    index = np.flatnonzero(passive)
    wanted = _solve(H[np.ix_(index, index)], c[index], ridge)
    negative = (wanted <= 0) & ~free[index]
    new, passive = np.zeros_like(t), passive.copy()
    if not negative.any():
        new[index] = wanted
        return new, passive, 0
    current = t[index]
    ratio = current[negative] / np.maximum(current[negative] - wanted[negative], 1e-300)
    least = float(ratio.min())
    moved = current + min(max(least, 0.0), 1.0) * (wanted - current)
    leaving = np.flatnonzero(negative)[ratio <= least * (1 + 1e-12)]
    moved[leaving] = 0.0
    new[index] = np.where(free[index], moved, np.maximum(moved, 0.0))
    passive[index[leaving]] = False
    return new, passive, int(negative.sum())


def _solve(H: Array, c: Array, ridge: float) -> Array:
    damping = ridge
    for _ in range(8):
        try:
            result: Array = cho_solve(cho_factor(H + damping * np.eye(c.size)), c)
            if np.all(np.isfinite(result)):
                return result
        except LinAlgError:
            pass
        damping = 100 * damping + 1e-300
    solved: Array = np.linalg.lstsq(H, c, rcond=1e-12)[0]
    return solved
