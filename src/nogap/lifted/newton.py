"""Newton's method with the dense Hessian, for networks of up to a few hundred weights.

Where the certificate holds the Hessian is positive semi-definite (that is what the certificate
says), so that near the solution of an exact step Newton's method converges in a few iterations,
however stiff the constraints are.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from nogap._typing import Array
from nogap.lifted.augmented import AugmentedLagrangian, weighted_gram
from nogap.lifted.layers import Layers, Pass

MOST_WORK = 5e8  # multiplications for one Hessian
MOST_ENTRIES = 3e7  # of all Jacobians
ARMIJO = 1e-4
HALVINGS = 30


def is_cheap(n: int, layers: Layers) -> bool:
    """Whether Hessians of a network are cheap enough to be built."""
    P = sum(W.size + b.size for W, b in zip(layers.weights, layers.biases, strict=True))
    entries = n * sum(b.size for b in layers.biases) * P
    return entries <= MOST_ENTRIES and entries * P <= MOST_WORK


def minimise_newton(
    lagrangian: AugmentedLagrangian,
    start: Layers,
    max_iter: int,
    should_stop: Callable[[Layers], bool],
) -> Layers:
    """A stationary point near the start.

    Parameters
    ----------
    lagrangian : AugmentedLagrangian
    start : Layers
    max_iter : int
    should_stop : callable
        Given the gradient.
    """
    layers, run = start, lagrangian.forward(start)
    value, gradient = lagrangian.value_and_gradient(layers, run)
    shift = 0.0
    for _ in range(max_iter):
        if should_stop(gradient):
            break
        flat = gradient.vector()
        direction, shift = _direction(hessian(lagrangian, layers, run), flat, shift)
        slope = float(flat @ direction)
        x, length, found = layers.vector(), 1.0, False
        for _ in range(HALVINGS):
            new = start.like(x + length * direction)
            new_run = lagrangian.forward(new)
            new_value, new_gradient = lagrangian.value_and_gradient(new, new_run)
            if new_value <= value + ARMIJO * length * slope:
                found = True
                break
            length *= 0.5
        if not found or (new_value >= value and length < 1.0):
            break
        layers, run, value, gradient = new, new_run, new_value, new_gradient
    return layers


def _direction(H: Array, gradient: Array, shift: float) -> tuple[Array, float]:
    """Newton's direction; the diagonal is raised until the Hessian is positive definite."""
    scale = float(np.abs(np.diag(H)).max()) + 1e-300
    shift = 0.1 * shift if shift > 1e-9 * scale else 1e-12 * scale
    diagonal = np.arange(H.shape[0])
    while True:
        raised = H.copy()
        raised[diagonal, diagonal] += shift
        try:
            return -cho_solve(cho_factor(raised), gradient), shift
        except LinAlgError:
            shift = max(10.0 * shift, 1e-8 * scale)


def jacobians(layers: Layers, run: Pass) -> list[Array]:
    """Derivatives of each layer's pre-activations in all numbers, each (n, n_l, P)."""
    P = layers.vector().size
    found: list[Array] = []
    start = 0
    for k, (W, b) in enumerate(zip(layers.weights, layers.biases, strict=True)):
        H = run.H[k]
        J = np.zeros((H.shape[0], b.size, P))
        if k:
            below = found[-1] * run.parts[k - 1].slope[:, :, None]
            J += np.einsum("jap,ai->jip", below, W, optimize=True)
        for i in range(b.size):
            J[:, i, start + i : start + W.size : b.size] += H
            J[:, i, start + W.size + i] += 1.0
        found.append(J)
        start += W.size + b.size
    return found


def hessian(lagrangian: AugmentedLagrangian, layers: Layers, run: Pass) -> Array:
    """The Hessian (P, P) of the augmented Lagrangian in :meth:`Layers.vector`'s order."""
    objective, split = lagrangian.objective, lagrangian.task.split
    J = jacobians(layers, run)
    Lam, H = lagrangian.output_hessian(run, J[-1])
    ends = np.cumsum([W.size + b.size for W, b in zip(layers.weights, layers.biases, strict=True)])
    for k in range(layers.n_layers - 1, -1, -1):
        W, start = layers.weights[k], int(ends[k]) - layers.weights[k].size - layers.biases[k].size
        own = np.arange(start, start + W.size)
        H[own, own] += 2.0 * objective.weights.matrices[k]
        if k == 0:
            break
        slope = run.parts[k - 1].slope
        inputs = J[k - 1] * slope[:, :, None]  # of H_{k-1}, (n, n_{k-1}, P)
        cross = np.einsum("ji,jap->aip", Lam, inputs, optimize=True).reshape(W.size, -1)
        H[own] += cross
        H[:, own] += cross.T
        Gam = objective.input_gradient(layers, run, k, Lam)
        curvature = split.curvature(run.Z[k - 1])
        above = objective.weights.convex[k - 1] + Gam
        if not split.convex:
            below = objective.weights.concave[k - 1] - Gam
            above = np.where(run.Z[k - 1] < 0, above, below)
        bend = np.maximum(above, 0.0) * curvature
        bend = bend + 2.0 * objective.weights.inputs[k - 1] * slope * slope
        H += weighted_gram(J[k - 1], bend)
        Lam = objective.below(layers, run, k, Gam)
    return H
