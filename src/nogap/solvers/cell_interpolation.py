"""Least norm inside cells: the interpolation program over some activation patterns.

    min  sum_j ||v_j||_2   subject to   sum_j s_j D_j X v_j = y,   (2 D_j - 1) X v_j >= 0

by an interior-point method (Clarabel); the multipliers of the equations are the dual point.  Of
labels y with margins, ``y_i (sum_j s_j D_j X v_j)_i >= 1`` in place of the equations.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from nogap._typing import Array, BoolArray
from nogap.oracles.box_distance import active_signs

TOLERANCE = 1e-11


def least_norm_in_cells(
    X: Array, y: Array, patterns: BoolArray, signs: Array, *, margins: bool = False
) -> tuple[Array, Array] | None:
    """Blocks v (k, d) and the dual point (n,); None where the solver finds nothing.

    Parameters
    ----------
    X : array (n, d)
    y : array (n,)
        Not zero.
    patterns : bool array (k, n)
    signs : array (k,)
        Of the output weights.
    margins : bool
    """
    import clarabel

    n, d = X.shape
    k = len(signs)
    length, size = float(np.linalg.norm(X, axis=1).max()), float(np.abs(y).max())
    X, y = X / length, y / size
    maps = (signs[:, None] * patterns)[:, :, None] * X  # (k, n, d)
    equations: Any = sp.csc_array(maps.transpose(1, 0, 2).reshape(n, k * d))
    fitted: Any = clarabel.ZeroConeT(n)
    target = y
    if margins:
        equations, target, fitted = (
            -y[:, None] * equations,
            -np.abs(y),
            clarabel.NonnegativeConeT(n),
        )
    inside = sp.block_diag([-side[:, None] * X for side in active_signs(patterns)], format="csc")
    columns = np.empty((k, d + 1), dtype=np.intp)  # (t_j, v_j) in the second-order cone
    columns[:, 0] = k * d + np.arange(k)
    columns[:, 1:] = np.arange(k * d).reshape(k, d)
    each = np.arange(columns.size)
    norms = sp.csc_array(
        (-np.ones(columns.size), (each, columns.ravel())), shape=(columns.size, k * d + k)
    )
    linear = sp.hstack([sp.vstack([equations, inside]), sp.csc_array((n + k * n, k))])
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.max_threads = 1
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = TOLERANCE
    solved: Any = clarabel.DefaultSolver(
        sp.csc_matrix((k * d + k, k * d + k)),
        np.concatenate([np.zeros(k * d), np.ones(k)]),
        sp.csc_matrix(sp.vstack([linear, norms])),
        np.concatenate([target, np.zeros(k * n + columns.size)]),
        [fitted, clarabel.NonnegativeConeT(k * n)] + [clarabel.SecondOrderConeT(d + 1)] * k,
        settings,
    ).solve()
    v, z = np.array(solved.x)[: k * d], np.array(solved.z)[:n]
    if not (np.all(np.isfinite(v)) and np.all(np.isfinite(z))):
        return None
    dual = y * np.maximum(z, 0.0) if margins else -z
    return v.reshape(k, d) * (size / length), dual / length
