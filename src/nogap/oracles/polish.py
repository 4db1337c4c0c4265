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

from nogap._typing import Array
from nogap.oracles.bounded_least_squares import bounded_least_squares

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
        r = X.T @ (v * bounded_least_squares(X, v, negative, lam, kink))
        size = float(np.linalg.norm(r))
        if size == 0:
            break
        trial = r / size
        value = float(v @ np.maximum(X @ trial, 0.0))
        if value <= best * (1 + 1e-13):
            break
        best_u, best = trial, value
    return best_u, best
