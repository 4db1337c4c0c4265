"""A warm-started active set for bounded least squares in few dimensions.

    min_{0 <= lam <= 1}   1/2 || sum_j lam_j v_j x_j ||^2     over the rows that may move

The rows that do not move keep their lam.  Solutions have fewer than d coefficients strictly between
their bounds; with a good first guess of them a solve takes a handful of small systems.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from nogap._typing import Array, BoolArray

MOST_RELEASED = 4  # coefficients let go of their bound at a time


def bounded_least_squares(
    X: Array, v: Array, movable: BoolArray, lam: Array, free: BoolArray
) -> Array:
    """Coefficients lam (n,) of the residual ``X' (v * lam)`` of least norm.

    Parameters
    ----------
    X : array (n, d)
    v : array (n,)
    movable : bool array (n,)
        Rows whose lam may change.
    lam : array (n,)
        A feasible start.
    free : bool array (n,)
        First guess of the movable rows with lam strictly inside its bounds.
    """
    d = X.shape[1]
    lam, free = lam.copy(), free.copy()
    weight = np.abs(v) * np.linalg.norm(X, axis=1)
    tolerance = 1e-12 * weight * (float(weight @ lam) + 1e-300)
    r = X.T @ (v * lam)
    batch = max(MOST_RELEASED, d)
    size = np.inf
    for _ in range(20 * d + 50):
        r = _minimum_over_free(X, v, lam, free, r)
        new_size = float(r @ r)
        batch = batch if new_size < size else max(batch // 4, 1)  # one at a time cannot cycle
        size = min(size, new_size)
        slope = (X @ r) * v  # derivative of ||r||^2 / 2 in lam
        gain = np.where(lam < 0.5, -slope, slope)  # fixed ones sit on a bound up to rounding
        gain[~movable | free] = -np.inf
        worst = np.argpartition(-gain, batch)[:batch] if batch < gain.size else np.arange(gain.size)
        worst = worst[gain[worst] > tolerance[worst]]
        if worst.size == 0:
            break
        free[worst] = True
    return lam


def _minimum_over_free(X: Array, v: Array, lam: Array, free: BoolArray, r: Array) -> Array:
    """Minimise over the free coefficients, in place; those that meet a bound are fixed there."""
    index = np.flatnonzero(free)
    while index.size:
        G = X[index] * v[index, None]  # (k, d)
        fixed = r - lam[index] @ G
        wanted = _least_squares(G, -fixed)
        step = wanted - lam[index]
        out = (wanted < 0) | (wanted > 1)
        if not out.any():
            lam[index] = wanted
            return fixed + wanted @ G
        room = np.where(step > 0, 1.0 - lam[index], -lam[index])
        ratio = np.divide(room, step, out=np.full(step.shape, np.inf), where=out & (step != 0))
        k = int(np.argmin(ratio))
        lam[index] = np.clip(lam[index] + max(float(ratio[k]), 0.0) * step, 0.0, 1.0)
        lam[index[k]] = 1.0 if step[k] > 0 else 0.0
        r = fixed + lam[index] @ G
        free[index[k]] = False
        index = np.delete(index, k)
    return r


def _least_squares(G: Array, target: Array) -> Array:
    """``min ||G' lam - target||``, by normal equations, or by SVD when rows are dependent."""
    gram = G @ G.T
    scale = np.sqrt(np.diag(gram))
    scale[scale == 0] = 1.0
    try:
        factor = cho_factor(gram / np.outer(scale, scale), check_finite=False)
        if np.min(np.diag(factor[0])) > 1e-6:
            solved: Array = cho_solve(factor, (G @ target) / scale, check_finite=False) / scale
            return solved
    except LinAlgError:
        pass
    by_svd: Array = np.linalg.lstsq(G.T, target, rcond=1e-12)[0]
    return by_svd
