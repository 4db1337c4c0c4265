"""Quadratic programs over a box, by Newton's method on the free variables."""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from nogap._typing import Array

ITERATIONS = 60
HALVINGS = 12
ACCURATE = 1e-10  # of the largest right-hand side
ARMIJO = 1e-4


def minimise_over_box(Q: Array, right: Array, lower: Array, upper: Array, start: Array) -> Array:
    """Minimise ``1/2 y'Qy - right'y`` subject to ``lower <= y <= upper``.

    Parameters
    ----------
    Q : array (K, K)
        Positive definite.
    right, lower, upper, start : arrays (K,)

    Returns
    -------
    y : array (K,)
        Inside the box; the best point found.

    Notes
    -----
    Projected Newton steps: D. Bertsekas, "Projected Newton methods for optimization problems with
    simple constraints", SIAM J. Control Optim. 20, 1982.

    Examples
    --------
    >>> import numpy as np
    >>> Q, right = np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([3.0, -1.0])
    >>> minimise_over_box(Q, right, np.zeros(2), np.full(2, 9.0), np.zeros(2))
    array([1.5, 0. ])
    """
    y = np.clip(start, lower, upper)
    diagonal = np.diag(Q)
    enough = ACCURATE * (float(np.abs(right).max(initial=0.0)) + 1e-300)
    for _ in range(ITERATIONS):
        slope = Q @ y - right
        wrong = np.abs(y - np.clip(y - slope / diagonal, lower, upper)) * diagonal
        if wrong.max(initial=0.0) <= enough:
            break
        free = ~(((y <= lower) & (slope > 0)) | ((y >= upper) & (slope < 0)))
        change = np.zeros_like(y)
        change[free] = -cho_solve(cho_factor(Q[np.ix_(free, free)]), slope[free])
        new = _along(Q, y, slope, change, lower, upper)
        if new is None:  # the bent step does not descend: one of scaled gradient does
            change = np.where(free, -slope / (diagonal * free.sum()), 0.0)
            new = _along(Q, y, slope, change, lower, upper)
            if new is None:
                break
        y = new
    return y


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
