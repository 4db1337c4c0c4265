"""Exact second derivatives of the proximal problem, and the outputs' Jacobian, row by row.

A row's loss bends in its pre-activations, a small matrix for every layer, found by one backward
pass; each block of the Hessian is a product of those matrices with outer products of the layers'
inputs.  That costs n P^2 multiplications for P weights, whatever the depth.
"""

from __future__ import annotations

import numpy as np

from nogap._typing import Array, IntArray
from nogap.lifted.layers import Layers, Pass
from nogap.lifted.proximal import ProximalObjective

BLOCK_ENTRIES = 4e6  # of the largest temporary array


def hessian(
    objective: ProximalObjective, layers: Layers, run: Pass, Lam: Array, bend: Array
) -> Array:
    """The Hessian (P, P) of G in :meth:`Layers.vector`'s order.

    Parameters
    ----------
    objective : ProximalObjective
    layers : Layers
    run : Pass
        Their forward pass.
    Lam : array (n, C)
        Gradient in the outputs of the loss and what is added to it.
    bend : array (n, C)
        Their diagonal curvature in the outputs.
    """
    gradients, bends = _backward(objective, layers, run, Lam, bend)
    starts = _starts(layers)
    H = np.zeros((starts[-1], starts[-1]))
    largest = max(W.size + b.size for W, b in zip(layers.weights, layers.biases, strict=True))
    n, size = run.outputs.shape[0], max(1, int(BLOCK_ENTRIES / largest))
    for first in range(0, n, size):
        _add_rows(H, slice(first, min(first + size, n)), objective, layers, run, gradients, bends)
    for k, W in enumerate(layers.weights):
        own = np.arange(starts[k], starts[k] + W.size)
        H[own, own] += 2.0 * objective.weights.matrices[k]
    below = np.tril_indices(H.shape[0], -1)
    H[below[1], below[0]] = H[below]
    return H


def output_jacobian(layers: Layers, run: Pass, rows: IntArray) -> Array:
    """Derivatives (len(rows) * C, P) of the outputs at some rows."""
    n_outputs = run.outputs.shape[1]
    starts = _starts(layers)
    J = np.empty((rows.size, n_outputs, starts[-1]))
    T = np.broadcast_to(np.eye(n_outputs), (rows.size, n_outputs, n_outputs))  # dZ_L / dZ_k
    for k in range(layers.n_layers - 1, -1, -1):
        outer = _with_ones(run.H[k][rows])[:, None, :, None] * T[:, :, None, :]
        J[:, :, starts[k] : starts[k + 1]] = outer.reshape(
            rows.size, n_outputs, starts[k + 1] - starts[k]
        )
        if k:
            T = (T @ layers.weights[k].T) * run.parts[k - 1].slope[rows][:, None, :]
    return J.reshape(rows.size * n_outputs, starts[-1])


def output_change(layers: Layers, run: Pass, direction: Layers) -> Array:
    """First-order change (n, C) of the outputs along a direction."""
    moved = run.H[0] @ direction.weights[0] + direction.biases[0]
    for k in range(1, layers.n_layers):
        inputs = run.parts[k - 1].slope * moved
        moved = inputs @ layers.weights[k] + run.H[k] @ direction.weights[k] + direction.biases[k]
    return moved


def _backward(
    objective: ProximalObjective, layers: Layers, run: Pass, Lam: Array, bend: Array
) -> tuple[list[Array], list[Array]]:
    """For every layer the gradient in its pre-activations, and their own diagonal curvature."""
    split, weights = objective.task.split, objective.weights
    gradients, bends = [Lam], [bend]
    for k in range(layers.n_layers - 1, 0, -1):
        Gam = objective.input_gradient(layers, run, k, gradients[-1])
        above = weights.convex[k - 1] + Gam
        if not split.convex:
            above = np.where(run.Z[k - 1] < 0, above, weights.concave[k - 1] - Gam)
        bends.append(np.maximum(above, 0.0) * split.curvature(run.Z[k - 1]))
        gradients.append(objective.below(layers, run, k, Gam))
    return gradients[::-1], bends[::-1]


def _add_rows(
    H: Array,
    rows: slice,
    objective: ProximalObjective,
    layers: Layers,
    run: Pass,
    gradients: list[Array],
    bends: list[Array],
) -> None:
    """Add some rows' blocks on and below the diagonal."""
    starts, last = _starts(layers), layers.n_layers - 1
    inputs = [_with_ones(X[rows]) for X in run.H]
    slopes = [parts.slope[rows] for parts in run.parts]
    S = _diagonals(bends[last][rows])  # Hessian in Z_l of all that follows, (m, n_l, n_l)
    for k in range(last, -1, -1):
        W, own = layers.weights[k], slice(starts[k], starts[k + 1])
        size = starts[k + 1] - starts[k]
        matrix = slice(starts[k], starts[k] + W.size)
        H[own, own] += _summed(S, inputs[k], inputs[k]).transpose(2, 0, 3, 1).reshape(size, size)
        U: Array = _diagonals(slopes[k - 1]) if k else S  # dH_k / dZ_lower
        for lower in range(k - 1, -1, -1):
            if lower < k - 1:
                U = (U @ layers.weights[lower + 1].T) * slopes[lower][:, None, :]
            below = slice(starts[lower], starts[lower + 1])
            bent = _summed(S @ (W.T @ U), inputs[k], inputs[lower]).transpose(2, 0, 3, 1)
            H[own, below] += bent.reshape(size, -1)
            turned = _summed(U, gradients[k][rows], inputs[lower]).transpose(0, 2, 3, 1)
            H[matrix, below] += turned.reshape(W.size, -1)
        if k:
            M = W @ S @ W.T
            diagonal = np.arange(M.shape[1])
            M[:, diagonal, diagonal] += 2.0 * objective.weights.inputs[k - 1]
            S = slopes[k - 1][:, :, None] * M * slopes[k - 1][:, None, :]
            S[:, diagonal, diagonal] += bends[k - 1][rows]


def _summed(E: Array, left: Array, right: Array) -> Array:
    """``sum_j E[j, i, a] left[j, p] right[j, q]`` as (i, a, p, q)."""
    m = E.shape[0]
    outer = (left[:, :, None] * right[:, None, :]).reshape(m, -1)
    total: Array = E.reshape(m, -1).T @ outer
    return total.reshape(*E.shape[1:], left.shape[1], right.shape[1])


def _diagonals(values: Array) -> Array:
    """Diagonal matrices (m, k, k)."""
    matrices = np.zeros((*values.shape, values.shape[1]))
    index = np.arange(values.shape[1])
    matrices[:, index, index] = values
    return matrices


def _with_ones(H: Array) -> Array:
    return np.column_stack([H, np.ones(H.shape[0])])


def _starts(layers: Layers) -> list[int]:
    """Where each layer's numbers begin in the vector of all, and the length of that."""
    sizes = [W.size + b.size for W, b in zip(layers.weights, layers.biases, strict=True)]
    return [0, *np.cumsum(sizes).tolist()]
