"""The surrogate of one neuron, and the modified gradient of several.

With ``f(u) = 1/2 ||relu(X u) - y||^2`` the surrogate is

    f_r(u) = 1/2 ||relu(X u)||^2 - y'X u + 1/2 ||y||^2 = f(u) + y' relu(-X u),

whose gradient ``X'(relu(X u) - y)`` is that of f without the mask of the ReLU.  It is convex for
every y, and a majoriser of f where no target is negative.
"""

from __future__ import annotations

import numpy as np

from nogap._typing import Array, ArrayLike
from nogap._validation import check_matrix, check_rows_match, numbers
from nogap.losses import Squared
from nogap.rows import MemoryRows, Rows


def surrogate_value(X: ArrayLike, y: ArrayLike, u: ArrayLike) -> float:
    """The surrogate f_r of one neuron: half the squared error plus ``y' relu(-X u)``.

    Parameters
    ----------
    X : array (n, d)
    y : array (n,)
    u : array (d,)

    Examples
    --------
    >>> surrogate_value([[1.0], [-1.0]], [2.0, 3.0], [1.0])  # 1/2 (1 + 9) + 3 * 1
    8.0
    """
    rows, Y, U = _checked(X, y, u)
    Z, y = rows.forward(U)[:, 0], Y[:, 0]
    R = np.maximum(Z, 0.0) - y
    return float(0.5 * R @ R + y @ np.maximum(-Z, 0.0))


def modified_gradients(X: ArrayLike, y: ArrayLike, U: ArrayLike) -> Array:
    """The modified gradient of every neuron; of a single one, the gradient of the surrogate.

    ``g_j = X'D_j r + X'(prod_k D_k^c) r`` with the residual ``r = sum_j relu(X u_j) - y``, the
    active rows ``D_j = 1[X u_j >= 0]``, and ``D_j^c`` the others: rows on which no neuron is active
    pull at all of them.

    Parameters
    ----------
    X : array (n, d)
    y : array (n,)
    U : array (m, d)

    Returns
    -------
    array (m, d)

    Examples
    --------
    >>> modified_gradients([[1.0], [-1.0]], [2.0, 3.0], [[1.0]])  # -1 - (-3): the mask is left out
    array([[2.]])
    """
    rows, Y, hidden = _checked(X, y, U)
    return descent_data(rows, Y, hidden)[1].T


def _checked(X: ArrayLike, y: ArrayLike, U: ArrayLike) -> tuple[Rows, Array, Array]:
    rows, Y = MemoryRows(check_matrix(X)), Squared().encode(y)
    check_rows_match(rows.n, Y)
    hidden = np.atleast_2d(numbers(U, "U"))
    if hidden.ndim != 2 or hidden.shape[1] != rows.d:
        raise ValueError(
            f"hidden weights must have a column for each of the {rows.d} of X, got shape "
            f"{hidden.shape}"
        )
    return rows, Y, hidden.T


def descent_data(rows: Rows, Y: Array, U: Array) -> tuple[Array, Array]:
    """Residual (n, 1) and modified gradients (d, m) of neurons U (d, m)."""
    residual, gradient = np.empty_like(Y), np.zeros_like(U)
    for part, piece in rows.parts:
        Z = piece.forward(U)
        active = Z >= 0
        R = np.sum(Z * active, axis=1, keepdims=True) - Y[part]
        orphans = ~active.any(axis=1, keepdims=True)
        gradient += piece.adjoint((active | orphans) * R)
        residual[part] = R
    return residual, gradient
