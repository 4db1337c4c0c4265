"""Interior-point steps for a non-negative quadratic program: about the right support, soon.

An active set changes by a variable or a few at a time, and each change costs a factorisation; of
hundreds of neurons after a wide start most have to leave.  Here a dozen factorisations do, however
many leave, and the active set then finishes what it is good at.  The method is Mehrotra's (1992).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from nogap._typing import Array, BoolArray

MOST_STEPS = 40
PRECISION = 1e-10  # of complementarity and residual, in units of the largest slope
NO_CURVATURE = 1e-14  # share of the largest entry of the diagonal: such variables stay zero
RIDGE = 1e-13
BACK_OFF = 0.995  # of the way to the boundary


def barrier_point(H: Array, c: Array, free: BoolArray) -> Array:
    """A feasible point near the minimum of ``1/2 t'Ht - c't`` with t_k >= 0 where not free.

    Parameters
    ----------
    H : array (m, m)
        Positive semidefinite.
    c : array (m,)
    free : bool array (m,)
        Variables without a sign.

    Returns
    -------
    array (m,)
        Exact zeros where a variable is smaller than its multiplier; zero everywhere if rounding
        spoils the steps.
    """
    t, diagonal = np.zeros(c.size), np.diag(H)
    curved = diagonal > NO_CURVATURE * diagonal.max(initial=0.0)
    if not np.any(c[curved] > 0):
        return t
    scale = 1.0 / np.sqrt(diagonal[curved])
    slopes = scale * c[curved]
    size = float(np.abs(slopes).max())
    matrix = H[np.ix_(curved, curved)] * scale[:, None] * scale
    t[curved] = size * scale * _central_path(matrix, slopes / size, ~free[curved])
    return t if np.all(np.isfinite(t)) else np.zeros(c.size)


def _central_path(H: Array, c: Array, signed: BoolArray) -> Array:
    """Predictor and corrector steps, for a diagonal of ones and a largest slope of one."""
    t = np.where(signed, 1.0 / c.size, 0.0)
    z = np.where(signed, np.maximum(H @ t - c, 0.0) + 0.1, 0.0)  # multipliers of the signs
    count = max(int(signed.sum()), 1)
    for _ in range(MOST_STEPS):
        residual, gap = H @ t - c - z, float(t @ z) / count
        if gap <= PRECISION and np.abs(residual).max() <= PRECISION:
            break
        ratio = np.divide(z, t, out=np.zeros_like(z), where=signed)
        try:
            factor = cho_factor(H + np.diag(ratio + RIDGE), check_finite=False)
        except LinAlgError:
            break

        dt, dz = _direction(factor, residual, t, ratio, t * z, signed)
        far_t, far_z = room(t[signed], dt[signed]), room(z[signed], dz[signed])
        ahead = (t + far_t * dt) @ (z + far_z * dz) / count
        centring = (max(float(ahead), 0.0) / gap) ** 3 * gap if gap > 0 else 0.0
        products = t * z + dt * dz - centring
        dt, dz = _direction(factor, residual, t, ratio, products, signed)
        step = min(room(t[signed], dt[signed]), room(z[signed], dz[signed]))
        t, z = t + step * dt, z + step * dz
    return np.where(~signed | (t > z), t, 0.0)


def _direction(
    factor: Any, residual: Array, t: Array, ratio: Array, products: Array, signed: BoolArray
) -> tuple[Array, Array]:
    """Changes of variables and multipliers that remove the residual and, to first order, t z."""
    pull = np.divide(products, t, out=np.zeros_like(t), where=signed)
    dt: Array = cho_solve(factor, -residual - pull, check_finite=False)
    return dt, np.where(signed, -pull - ratio * dt, 0.0)


def room(v: Array, dv: Array) -> float:
    """How far along dv positive variables stay positive, at most 1."""
    falling = dv < 0
    return min(1.0, BACK_OFF * float((-v[falling] / dv[falling]).min(initial=np.inf)))
