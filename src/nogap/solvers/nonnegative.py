"""Non-negative quadratic programs: guesses of the support in blocks, a barrier, an active set."""

from __future__ import annotations

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from nogap._typing import Array, BoolArray
from nogap.solvers.barrier import barrier_point

PATIENCE = 3  # guesses in a row that may be no better than the best
ROUNDING = 1e-12  # share of a value
LEAST_DIAGONAL = 1e-16  # of the trace: columns of zeros have none


def nonnegative_qp(
    H: Array, c: Array, start: Array, free: BoolArray, tolerance: float = 1e-11
) -> Array:
    """``min 1/2 t'Ht - c't`` with t_k >= 0 where not free; exact up to rounding.

    Parameters
    ----------
    H : array (m, m)
        Positive semidefinite; a ridge of 1e-13 of its diagonal makes it definite.
    c : array (m,)
    start : array (m,)
        A feasible point; its support is the first guess of the active set.
    free : bool array (m,)
        Variables without a sign.
    """
    # of one size: weights of neurons on data in small units stand beside those of the intercept
    sizes = np.sqrt(np.diag(H) + LEAST_DIAGONAL * np.trace(H)) if np.any(H) else np.ones(c.size)
    scaled = _scaled_qp(H / np.outer(sizes, sizes), c / sizes, sizes * start, free, tolerance)
    return scaled / sizes


def _scaled_qp(H: Array, c: Array, start: Array, free: BoolArray, tolerance: float) -> Array:
    before = _value(H, c, start)
    most = before + ROUNDING * abs(before)
    t = _block_pivots(H, c, start > 0, free, tolerance)
    if t is not None and _value(H, c, t) <= most:
        return t
    inner = barrier_point(H, c, free)
    t = _block_pivots(H, c, inner > 0, free, tolerance)
    if t is not None and _value(H, c, t) <= most:
        return t
    lower = inner if _value(H, c, inner) < before else start
    return _active_set(H, c, lower, free, tolerance)


def _block_pivots(
    H: Array, c: Array, support: BoolArray, free: BoolArray, tolerance: float
) -> Array | None:
    """The minimum, if exchanging all variables at fault at once leads to it; nothing otherwise.

    After Portugal, Judice and Vicente (Math. Comp. 1994): of hundreds of neurons half may leave,
    which takes a dozen systems where an active set needs one for nearly each.
    """
    ridge, scale = _ridge(H), float(np.abs(c).max(initial=0.0)) + 1e-300
    passive, fewest, patience = support | free, c.size + 1, PATIENCE
    while patience >= 0:
        index = np.flatnonzero(passive)
        t = np.zeros(c.size)
        t[index] = _solve(H[np.ix_(index, index)], c[index], ridge)
        slope = c - H @ t
        at_fault = np.where(passive, (t < 0) & ~free, slope > tolerance * scale)
        count = int(at_fault.sum())
        if count == 0:
            return t
        patience = PATIENCE if count < fewest else patience - 1
        fewest, passive = min(count, fewest), passive ^ at_fault
    return None


def _value(H: Array, c: Array, t: Array) -> float:
    return float(t @ (0.5 * (H @ t) - c))


def _ridge(H: Array) -> float:
    return 1e-13 * float(np.trace(H)) / max(len(H), 1)


def _active_set(H: Array, c: Array, start: Array, free: BoolArray, tolerance: float) -> Array:
    """The minimum, by a variable or a few at a time: no higher than the start, and certain."""
    ridge = _ridge(H)
    t, passive = start.copy(), (start > 0) | free
    scale = float(np.abs(c).max(initial=0.0)) + 1e-300
    for _ in range(20 * c.size + 20):
        t, passive, inside = _towards_minimum(H, c, t, passive, free, ridge)
        if not inside:
            continue
        slope = c - H @ t
        slope[passive] = -np.inf
        k = int(np.argmax(slope)) if c.size else 0
        if c.size == 0 or slope[k] <= tolerance * scale:
            return t
        passive[k] = True
        t[k] = 0.0
    return t


def _towards_minimum(
    H: Array, c: Array, t: Array, passive: BoolArray, free: BoolArray, ridge: float
) -> tuple[Array, BoolArray, bool]:
    """Towards the minimum over the passive variables, as far as the first that turns negative.

    That one leaves; the last value says whether none did.
    """
    index = np.flatnonzero(passive)
    wanted = _solve(H[np.ix_(index, index)], c[index], ridge)
    negative = (wanted <= 0) & ~free[index]
    new, passive = np.zeros_like(t), passive.copy()
    if not negative.any():
        new[index] = wanted
        return new, passive, True
    current = t[index]
    ratio = current[negative] / np.maximum(current[negative] - wanted[negative], 1e-300)
    least = float(ratio.min())
    moved = current + min(max(least, 0.0), 1.0) * (wanted - current)
    leaving = np.flatnonzero(negative)[ratio <= least * (1 + 1e-12)]
    moved[leaving] = 0.0
    new[index] = np.where(free[index], moved, np.maximum(moved, 0.0))
    passive[index[leaving]] = False
    return new, passive, False


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
