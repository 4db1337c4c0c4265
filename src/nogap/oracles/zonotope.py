"""The distance from a point to a zonotope: bounded least squares by an augmented Lagrangian.

    min_{0 <= lam <= 1}   1/2 || r ||^2,     r = c - sum_j lam_j w_j b_j

Its dual, ``min_u 1/2 ||u||^2 - c'u + sum_j w_j relu(b_j' u)``, is solved by r itself; the relu's
are smoothed with the multipliers lam, which the augmented Lagrangian method corrects stage by
stage, and every stage is a handful of semismooth Newton steps in u whose matrix only sees the rows
near their kink.  (Li, Sun and Toh, SIAM J. Optim. 28, 2018, do so for the lasso.)
"""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dposv

from nogap._typing import Array

MOST_STAGES = 30
NEWTON_STEPS = 20
SHARPER = 8.0  # by which the smoothing shrinks from stage to stage
ROUNDING = 1e-15
INEXACT = 1e-2  # of what the multipliers gain in a stage: the rest waits for the next one
MOST_FREE = 3  # of the dimension: more coefficients off their bounds are not near the end


def nearest(
    c: Array, B: Array, w: Array, lam: Array, tolerance: float = 1e-13
) -> tuple[Array, Array]:
    """Coefficients lam (k,) in [0, 1] and the residual r (d,) of least norm.

    Parameters
    ----------
    c : array (d,)
    B : array (k, d)
    w : array (k,)
        Positive.
    lam : array (k,)
        A feasible first guess.
    tolerance : float
        Stop when ``||r||^2`` is at most this share above its minimum.
    """
    run = _Descent(B, w, lam, c)
    best, least = (run.lam, run.r), run.excess
    for _ in range(MOST_STAGES):
        size = float(np.linalg.norm(best[1]))
        if least <= tolerance * size**2 + run.rounding * size or size <= 10 * run.rounding:
            break
        run.stage()
        run.sharpen()
        for _ in range(2):
            if run.excess < least:
                best, least = (run.lam, run.r), run.excess
            run.settle()
    return best


class _Descent:
    """The method's state.

    Attributes
    ----------
    lam : array (k,)
    r : array (d,)
        The residual of lam.
    excess : float
        How far ``||r||^2`` can be above its minimum.
    rounding : float
        Residuals of this size are nothing but rounding.
    """

    def __init__(self, B: Array, w: Array, lam: Array, c: Array) -> None:
        # rows of norm 1: one smoothing for all of them is then a fair one
        norms = np.linalg.norm(B, axis=1)
        norms = np.where(norms > 0, norms, 1.0)
        self.B, self.w, self.lam = B / norms[:, None], w * norms, lam
        self.c = c
        self._set_residual()
        figures = float(np.linalg.norm(c)) + float(self.w.sum())
        self.rounding = ROUNDING * figures
        self.sharpness = _first_sharpness(self.B, self.z)

    def _set_residual(self) -> None:
        self.r = self.c - (self.lam * self.w) @ self.B
        self.z = self.B @ self.r
        self.excess = float(self.w @ (np.maximum(self.z, 0.0) - self.lam * self.z))

    def sharpen(self) -> None:
        self.sharpness *= SHARPER

    def settle(self) -> None:
        """The least residual over the coefficients off their bounds, to the last digits."""
        free = np.flatnonzero((self.lam > 0) & (self.lam < 1))
        if not 0 < free.size <= MOST_FREE * self.B.shape[1]:
            return
        G = self.w[free, None] * self.B[free]
        change = np.linalg.lstsq(G.T, self.r, rcond=1e-13)[0]
        self.lam = self.lam.copy()
        self.lam[free] = np.clip(self.lam[free] + change, 0.0, 1.0)
        self._set_residual()

    def stage(self) -> None:
        """Minimise the smoothed dual for the multipliers as they are, then correct them."""
        if self.B.shape[0] == 0:
            self._set_residual()
            return
        u, z, sharpness = self.r, self.z, self.sharpness
        for _ in range(NEWTON_STEPS):
            new = np.clip(self.lam + sharpness * z, 0.0, 1.0)
            gradient = u - self.c + (new * self.w) @ self.B
            change = new - self.lam
            left, moved = float(gradient @ gradient), float(self.w @ (change * change)) / sharpness
            if left <= INEXACT * moved or left <= self.rounding**2:
                break
            near = (new > 0) & (new < 1)
            step = -_inverse_times(self.B[near], sharpness * self.w[near], gradient)
            dz = self.B @ step
            length = self._length(float(step @ step), float(step @ (u - self.c)), z, dz)
            u, z = u + length * step, z + length * dz
        self.lam = np.clip(self.lam + sharpness * z, 0.0, 1.0)
        self._set_residual()

    def _length(self, curvature: float, constant: float, z: Array, dz: Array) -> float:
        """Where the smoothed dual is least on a line: its slope is piecewise linear in the length.

        ``curvature`` and ``constant`` are those of ``1/2 ||u||^2 - c'u`` on the line.
        """
        if curvature == 0:
            return 0.0
        start = np.clip(self.lam + self.sharpness * z, 0.0, 1.0)
        slope = constant + float((self.w * dz) @ start)
        moving = np.abs(dz) > 1e-14 * np.abs(dz).max()
        bends = self.sharpness * (self.w * dz * dz)[moving]
        to_zero = (-self.lam / self.sharpness - z)[moving] / dz[moving]
        to_one = to_zero + 1.0 / (self.sharpness * dz[moving])
        enter, leave = np.minimum(to_zero, to_one), np.maximum(to_zero, to_one)
        bent = float(bends[(enter <= 0) & (leave > 0)].sum())
        later, last = enter > 0, leave > 0
        events = np.concatenate([enter[later], leave[last]])
        changes = np.concatenate([bends[later], -bends[last]])
        order = np.argsort(events)
        events, changes = events[order], changes[order]
        bents = np.maximum(bent + np.concatenate([[0.0], np.cumsum(changes)]), 0.0)
        curvatures = curvature + bents  # the sum can round below zero
        knots = np.concatenate([[0.0], events])
        slopes = slope + np.concatenate([[0.0], np.cumsum(curvatures[:-1] * np.diff(knots))])
        k = int(np.argmax(slopes >= 0)) - 1 if slopes[-1] >= 0 else slopes.size - 1
        if k < 0:
            return 0.0
        return float(knots[k] - slopes[k] / curvatures[k])


def _first_sharpness(B: Array, z: Array) -> float:
    """Smoothing that reaches about as many kinks as can hold a point: the dimension."""
    if z.size == 0:
        return 1.0
    k = min(B.shape[1], z.size) - 1
    width = float(np.partition(np.abs(z), k)[k])
    if width == 0:
        width = float(np.abs(z).max())
    return 1.0 / width if width > 0 else 1.0


def _inverse_times(rows: Array, weights: Array, g: Array) -> Array:
    """``(I + rows' diag(weights) rows)^-1 g``, by the smaller of the two systems."""
    k, d = rows.shape
    if k == 0:
        return g
    scaled = np.sqrt(weights)[:, None] * rows
    matrix = scaled @ scaled.T if k < d else scaled.T @ scaled
    matrix.flat[:: matrix.shape[0] + 1] += 1.0
    # LAPACK itself: at this size SciPy's checks take longer than the work
    _, solved, failed = dposv(matrix, scaled @ g if k < d else g, lower=1)
    if failed:
        return g
    inverse_times: Array = g - scaled.T @ solved if k < d else solved
    return inverse_times
