"""Exact local maximisation of one neuron's correlation, by moves across and onto kinks.

``h(u) = v' relu(X u)`` on the unit sphere is a difference of convex functions: rows with v_i > 0
pull convexly, rows with v_j < 0 push back and it is on *their* kinks that the maximiser usually
sits, so gradient ascent oscillates there.  With the pattern S of the positive rows fixed, the rest
is a bounded least-squares problem,

    min ||r||,   r = sum_{i in S} v_i x_i + sum_{j: v_j < 0} lam_j v_j x_j,   0 <= lam <= 1,

with u = r / ||r||; then S is read off the new u.  Taken to its end, no round lowers h.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nogap._typing import Array
from nogap.oracles.base import never
from nogap.oracles.zonotope import Descent

TOLERANCE = 1e-10  # of ||r||^2, at the end
MOST_STAGES = 40


def polish(
    X: Array, v: Array, u: Array, should_stop: Callable[[], bool] = never
) -> tuple[Array, float]:
    """A local maximiser near the unit vector u (d,) and its value; never worse than u."""
    pulling, pushing = v > 0, v < 0
    P, p, B, w = X[pulling], v[pulling], X[pushing], -v[pushing]
    on = P @ u > 0
    run = Descent(B, w, (B @ u > 0).astype(np.float64), (p * on) @ P, should_stop)
    for _ in range(MOST_STAGES):
        if should_stop():
            break
        run.stage((p * on) @ P)  # S moves as soon as u does; it pays to be exact only in the end
        now = P @ run.r > 0
        if np.array_equal(now, on):
            if run.excess <= TOLERANCE * float(run.r @ run.r):
                break
            run.sharpen()
        on = now
    size, value = float(np.linalg.norm(run.r)), float(v @ np.maximum(X @ u, 0.0))
    if size == 0:
        return u, value
    found = run.r / size
    reached = float(v @ np.maximum(X @ found, 0.0))
    return (found, reached) if reached > value else (u, value)
