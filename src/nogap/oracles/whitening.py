"""Coordinates in which the rows look alike in all directions: signs do not depend on the choice."""

from __future__ import annotations

import numpy as np

from nogap._typing import Array

RANK_TOLERANCE = 1e-12  # relative, of columns of norm 1: offsets and units lose no digits here


def whitened(X: Array) -> tuple[Array, Array]:
    """White coordinates (n, r) of the rows X (n, d), and the way back (d, r) for directions.

    The pre-activations of ``back @ u`` on X are those of u on the white rows.
    """
    norms = np.linalg.norm(X, axis=0)
    scale = np.where(norms > 0, norms, 1.0)
    left, sizes, right = np.linalg.svd(X / scale, full_matrices=False)
    rank = int(np.sum(sizes > RANK_TOLERANCE * sizes[0])) if sizes[0] > 0 else 0
    root = np.sqrt(len(X))
    back = right[:rank].T / sizes[:rank] / scale[:, None] * root
    return left[:, :rank] * root * np.any(X != 0, axis=1)[:, None], back
