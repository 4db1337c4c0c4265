"""The directions that neurons of optimal networks can have.

In the cell of pattern D with cone K = {u: (2D - 1) X u >= 0} and for the sign s, the correlation
``s v' relu(X u) = s (X' D v)' u`` is largest at the projection of ``s X' D v`` on K, and only
there; so an optimal network has at most one direction a cell and sign, and only where the
projection's norm is beta.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nogap._typing import Array, BoolArray
from nogap.oracles.box_distance import active_signs, cone_projection, sweep

BLOCK = 4_000  # cells that are swept at once
SWEEPS = 30
SAME = 1e-6  # distance of unit directions that count as one


@dataclass(frozen=True)
class ActiveCells:
    """Cells and signs whose best neuron attains beta: patterns (m, n), signs and directions."""

    patterns: BoolArray
    signs: Array
    directions: Array  # (m, d), of norm 1


def active_cells(
    X: Array, v: Array, patterns: BoolArray, beta: float, tolerance: float
) -> ActiveCells:
    """The cells whose best correlation is at least ``beta (1 - tolerance)``; equal neurons once."""
    level = beta * (1 - tolerance)
    kept: list[tuple[BoolArray, float, Array]] = []
    for sign in (1.0, -1.0):
        for start in range(0, patterns.shape[0], BLOCK):
            block = patterns[start : start + BLOCK]
            for k, residual in _survivors(X, sign * v, block, level):
                if all(s != sign or np.linalg.norm(u - residual) > SAME for _, s, u in kept):
                    kept.append((block[k], sign, residual))
    return ActiveCells(
        np.array([D for D, _, _ in kept], dtype=bool).reshape(-1, X.shape[0]),
        np.array([s for _, s, _ in kept]),
        np.array([u for _, _, u in kept]).reshape(-1, X.shape[1]),
    )


def _survivors(X: Array, v: Array, patterns: BoolArray, level: float) -> list[tuple[int, Array]]:
    """Cells (by number) whose projection has a norm of at least ``level``, with its direction.

    Every residual of a sweep is at least as long as the projection, so most cells fall early.
    """
    residual: Array = (patterns * v) @ X
    index = np.arange(patterns.shape[0])
    lam = np.zeros(patterns.shape)
    unbounded = np.full(X.shape[0], np.inf)
    for _ in range(SWEEPS):
        keep = np.linalg.norm(residual, axis=1) >= level
        residual, lam, index = residual[keep], lam[keep], index[keep]
        if index.size <= 1:
            break
        sweep(residual, lam, active_signs(patterns[index]), X, unbounded)
    found: list[tuple[int, Array]] = []
    for k in index:
        D = patterns[k]
        projection = cone_projection((D * v) @ X, np.where(D, 1.0, -1.0)[:, None] * X)
        if np.linalg.norm(projection) >= level:
            found.append((int(k), _unit(projection)))
    return found


def _unit(u: Array) -> Array:
    norm = float(np.linalg.norm(u))
    return u / norm if norm > 0 else u
