"""Exact local maximisation of one neuron's correlation, by moves across and onto kinks.

``h(u) = v' relu(X u)`` on the unit sphere is a difference of convex functions: rows with v_i > 0
pull convexly, rows with v_j < 0 push back and it is on *their* kinks that the maximiser usually
sits, so gradient ascent oscillates there.  With the pattern S of the positive rows fixed, the rest
is a bounded least-squares problem,

    min ||r||,   r = sum_{i in S} v_i x_i + sum_{j: v_j < 0} lam_j v_j x_j,   0 <= lam <= 1,

with u = r / ||r||,
solved by a warm-started active set; then S is read off the new u.  Each round cannot lower h.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from nogap._typing import Array, BoolArray

MOST_RELEASED = 4  # rows let go at a time
KINK = 1e-10  # |x' u| below this, relative to ||x||, counts as a zero pre-activation


def polish(X: Array, v: Array, u: Array, max_rounds: int = 30) -> tuple[Array, float]:
    """A local maximiser near the unit vector u (d,) and its value; never worse than u."""
    norms = np.linalg.norm(X, axis=1)
    best_u, best = u, float(v @ np.maximum(X @ u, 0.0))
    negative = v < 0
    for _ in range(max_rounds):
        z = X @ best_u
        lam = (z > KINK * norms).astype(np.float64)
        kink = negative & (np.abs(z) <= KINK * norms)
        lam[kink] = 0.5
        r = _bounded_least_squares(X, v, negative, lam, kink)
        size = float(np.linalg.norm(r))
        if size == 0:
            break
        trial = r / size
        value = float(v @ np.maximum(X @ trial, 0.0))
        if value <= best * (1 + 1e-13):
            break
        best_u, best = trial, value
    return best_u, best


def _bounded_least_squares(
    X: Array, v: Array, negative: BoolArray, lam: Array, free: BoolArray
) -> Array:
    """Residual r of least norm over lam_j in [0, 1], j negative; active set from (lam, free)."""
    d = X.shape[1]
    lam, free = lam.copy(), free.copy()
    weight = np.abs(v) * np.linalg.norm(X, axis=1)
    tolerance = 1e-12 * weight * (float(weight @ lam) + 1e-300)
    r = X.T @ (v * lam)
    batch = MOST_RELEASED
    size = np.inf
    for _ in range(20 * d + 50):
        r = _minimum_over_free(X, v, lam, free, r)
        new_size = float(r @ r)
        batch = batch if new_size < size else 1  # several at once may cycle, one cannot
        size = min(size, new_size)
        slope = (X @ r) * v  # derivative of ||r||^2 / 2 in lam
        gain = np.where(lam <= 0, -slope, slope)
        gain[~negative | free] = -np.inf
        worst = np.argpartition(-gain, batch)[:batch] if batch < gain.size else np.arange(gain.size)
        worst = worst[gain[worst] > tolerance[worst]][: d - int(np.count_nonzero(free))]
        if worst.size == 0:
            break
        free[worst] = True
    return r


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
