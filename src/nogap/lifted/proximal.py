"""The proximal weights around a centre, the smooth problem they define, and the certificate.

When the parabolic relaxation is exact, its convex program has the same minimiser as ::

    G(W, b) = loss(Z_L) + sum_l w_l ||W_l - W0_l||^2 + sum_{l>1} x_l ||H_{l-1} - H0_{l-1}||^2
              + sum_{l<L} p_l D_p(Z_l, Z0_l) + q_l D_q(Z_l, Z0_l)

with Bregman distances D of the convex parts of the activation.  Whether it is exact can be read
off one backward pass: see :meth:`ProximalObjective.certificate`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nogap._typing import Array
from nogap.lifted.layers import Layers, Pass, Task, forward

SMALLEST = 1e-6
FIRST_LAYER = 1e-3  # weight of the first layer's matrix, as a share of the second's


@dataclass(frozen=True)
class Weights:
    """Weights of the proximal terms, eta included.

    Attributes
    ----------
    matrices : list of float
        Of ``||W_l - W0_l||^2``, l = 1, ..., L.
    inputs : list of float
        Of ``||H_{l-1} - H0_{l-1}||^2``, l = 2, ..., L.
    convex, concave : list of float
        Of the Bregman distances of p and q at Z_l, l = 1, ..., L - 1.
    """

    matrices: list[float]
    inputs: list[float]
    convex: list[float]
    concave: list[float]


def dual_scaled_weights(
    layers: Layers, at: Pass, output_gradient: Array, damping: float
) -> Weights:
    """The smallest weights that the certificate would accept at the centre, times the damping.

    ``output_gradient`` (n, C) is that of the loss and of the active constraints at the centre.
    """
    matrices, inputs, bregman = [], [], []
    Lam = output_gradient
    for k in range(layers.n_layers - 1, 0, -1):
        size = np.abs(Lam)
        matrices.append(0.5 * damping * float(size.sum(axis=0).max()) + SMALLEST)
        inputs.append(0.5 * damping * float(size.sum(axis=1).max()) + SMALLEST)
        Gam = Lam @ layers.weights[k].T
        bregman.append(damping * float(np.abs(Gam).max()) + SMALLEST)
        Lam = Gam * at.parts[k - 1].slope
    matrices.append(FIRST_LAYER * matrices[-1])
    return Weights(matrices[::-1], inputs[::-1], bregman[::-1], list(bregman[::-1]))


@dataclass(frozen=True)
class Ratios:
    """How near a point is to the edge of exactness: all at most 1, and the relaxation is exact.

    Attributes
    ----------
    matrices, inputs : float
        Largest column and row sums of ``|Lam_l| / 2`` over the weight of their proximal term.
    convex, concave : float
        Largest ``-Gam`` and ``Gam`` over the weights of the Bregman distances.
    """

    matrices: float
    inputs: float
    convex: float
    concave: float

    @property
    def largest(self) -> float:
        return max(self.matrices, self.inputs, self.convex, self.concave)


class ProximalObjective:
    """G around a centre: value, gradient and certificate.

    Parameters
    ----------
    task : Task
    centre : Layers
    weights : Weights
    """

    def __init__(self, task: Task, centre: Layers, weights: Weights) -> None:
        self.task, self.centre, self.weights = task, centre, weights
        self.at = forward(centre, task.X, task.split)

    def regulariser(self, layers: Layers, run: Pass) -> float:
        """All proximal terms at a forward pass: zero at the centre, never negative."""
        w, total = self.weights, 0.0
        for k, (W, W0) in enumerate(zip(layers.weights, self.centre.weights, strict=True)):
            total += w.matrices[k] * _square_sum(W - W0)
        for k, (new, old) in enumerate(zip(run.parts, self.at.parts, strict=True)):
            moved = run.Z[k] - self.at.Z[k]
            total += w.inputs[k] * _square_sum(run.H[k + 1] - self.at.H[k + 1])
            total += w.convex[k] * float(np.sum(new.p - old.p) - np.vdot(old.p_slope, moved))
            if new.q is not None and old.q is not None and old.q_slope is not None:
                distance = float(np.sum(new.q - old.q) - np.vdot(old.q_slope, moved))
                total += w.concave[k] * distance
        return total

    def gradient(self, layers: Layers, run: Pass, output_gradient: Array) -> Layers:
        """Gradient of G, given that of the outputs' terms (n, C)."""
        weights: list[Array] = []
        biases: list[Array] = []
        Lam = output_gradient
        for k in range(layers.n_layers - 1, -1, -1):
            change = layers.weights[k] - self.centre.weights[k]
            weights.append(run.H[k].T @ Lam + 2.0 * self.weights.matrices[k] * change)
            biases.append(Lam.sum(axis=0))
            if k:
                Lam = self.below(layers, run, k, self.input_gradient(layers, run, k, Lam))
        return Layers(weights[::-1], biases[::-1])

    def input_gradient(self, layers: Layers, run: Pass, k: int, Lam: Array) -> Array:
        """Gam_l (n, n_{l-1}): with respect to the inputs of layer k (from 0)."""
        moved = run.H[k] - self.at.H[k]
        Gam: Array = Lam @ layers.weights[k].T + 2.0 * self.weights.inputs[k - 1] * moved
        return Gam

    def below(self, layers: Layers, run: Pass, k: int, Gam: Array) -> Array:
        """Lam_{l-1}: with respect to the pre-activations below layer k."""
        new, old = run.parts[k - 1], self.at.parts[k - 1]
        mp, mq = self.weights.convex[k - 1], self.weights.concave[k - 1]
        Lam = (mp + Gam) * new.p_slope - mp * old.p_slope
        if new.q_slope is not None and old.q_slope is not None:
            Lam += (mq - Gam) * new.q_slope - mq * old.q_slope
        return Lam

    def certificate(self, layers: Layers, run: Pass, output_gradient: Array) -> Ratios:
        """The ratios at a stationary point of G (with the constraints' multipliers).

        If all are at most 1, the point with zero slacks satisfies the optimality conditions of the
        convex program: the relaxation is exact and the point minimises G globally.
        """
        matrices = inputs = convex = concave = 0.0
        Lam = output_gradient
        for k in range(layers.n_layers - 1, 0, -1):
            size, w = np.abs(Lam), self.weights
            matrices = max(matrices, 0.5 * float(size.sum(axis=0).max()) / w.matrices[k])
            inputs = max(inputs, 0.5 * float(size.sum(axis=1).max()) / w.inputs[k - 1])
            Gam = self.input_gradient(layers, run, k, Lam)
            convex = max(convex, float(-Gam.min()) / w.convex[k - 1])
            if not self.task.split.convex:
                concave = max(concave, float(Gam.max()) / w.concave[k - 1])
            Lam = self.below(layers, run, k, Gam)
        return Ratios(matrices, inputs, convex, concave)


def _square_sum(A: Array) -> float:
    return float(np.vdot(A, A))
