"""Non-negative quadratic programs by a warm-started active set."""

from __future__ import annotations

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from nogap._typing import Array, BoolArray


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
    m = c.size
    ridge = 1e-13 * float(np.trace(H)) / max(m, 1)
    t = start.copy()
    passive = (t > 0) | free
    scale = float(np.abs(c).max(initial=0.0)) + 1e-300
    for _ in range(10 * m + 20):
        t, passive = _to_minimum(H, c, t, passive, free, ridge)
        slope = c - H @ t
        slope[passive] = -np.inf
        k = int(np.argmax(slope)) if m else 0
        if m == 0 or slope[k] <= tolerance * scale:
            break
        passive[k] = True
        t[k] = 0.0
    return t


def _to_minimum(
    H: Array, c: Array, t: Array, passive: BoolArray, free: BoolArray, ridge: float
) -> tuple[Array, BoolArray]:
    """Minimum over the passive variables; those that would turn negative leave on the way."""
    while passive.any():
        index = np.flatnonzero(passive)
        wanted = _solve(H[np.ix_(index, index)], c[index], ridge)
        negative = (wanted <= 0) & ~free[index]
        if not negative.any():
            t = np.zeros_like(t)
            t[index] = wanted
            return t, passive
        current = t[index]
        ratio = current[negative] / np.maximum(current[negative] - wanted[negative], 1e-300)
        k = int(np.argmin(ratio))
        step = min(max(float(ratio[k]), 0.0), 1.0)
        moved = current + step * (wanted - current)
        leaving = np.flatnonzero(negative)[ratio <= ratio[k] * (1 + 1e-12)]
        moved[leaving] = 0.0
        t = np.zeros_like(t)
        t[index] = np.where(free[index], moved, np.maximum(moved, 0.0))
        passive = passive.copy()
        passive[index[leaving]] = False
    return np.zeros_like(t), passive


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
