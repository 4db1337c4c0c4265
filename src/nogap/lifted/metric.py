"""Coordinates in which the proximal problem is well conditioned.

Seen from one layer, the problem is nearly a least-squares problem in ``[H, 1]``, weighted by the
curvature of what follows: with the eigenvectors of the Gram matrix of ``[H, 1]`` at the centre and
the mean curvature of each unit, each layer's Hessian becomes nearly the identity.
"""

from __future__ import annotations

import numpy as np

from nogap._typing import Array
from nogap.lifted.layers import Layers
from nogap.lifted.proximal import ProximalObjective

FLOOR = 1e-6  # of the largest eigenvalue of a layer, and of the largest mean curvature
TINY = 1e-100


class Metric:
    """A linear map from well-conditioned coordinates to layers, fixed for one centre.

    Parameters
    ----------
    objective : ProximalObjective
    output_curvature : array (n, C)
        Of the loss in the outputs.
    """

    def __init__(self, objective: ProximalObjective, output_curvature: Array) -> None:
        self.centre = objective.centre
        at, w, split = objective.at, objective.weights, objective.task.split
        curvature = output_curvature
        maps: list[tuple[Array, Array]] = []
        for k in range(self.centre.n_layers - 1, -1, -1):
            H = np.column_stack([at.H[k], np.ones(at.H[k].shape[0])])
            values, basis = np.linalg.eigh(H.T @ H)
            unit = curvature.mean(axis=0)  # (n_l,)
            unit = np.maximum(unit, FLOOR * unit.max() + TINY)
            diagonal = np.maximum(values, FLOOR * values[-1])[:, None] * unit
            maps.append((basis, 1.0 / np.sqrt(diagonal + 2.0 * w.matrices[k])))
            if k:
                passed = curvature @ (self.centre.weights[k] ** 2).T + 2.0 * w.inputs[k - 1]
                bregman = max(w.convex[k - 1], w.concave[k - 1])
                curvature = passed * at.parts[k - 1].slope ** 2
                curvature = curvature + bregman * split.curvature(at.Z[k - 1])
        self._bases = [basis for basis, _ in reversed(maps)]
        self._scales = [scale for _, scale in reversed(maps)]

    def layers(self, y: Array) -> Layers:
        """The layers at coordinates y; the centre at zero."""
        weights, biases, start = [], [], 0
        for k, scale in enumerate(self._scales):
            block = y[start : start + scale.size].reshape(scale.shape)
            change = self._bases[k] @ (scale * block)
            weights.append(self.centre.weights[k] + change[:-1])
            biases.append(self.centre.biases[k] + change[-1])
            start += scale.size
        return Layers(weights, biases)

    def pull(self, gradient: Layers) -> Array:
        """A gradient in the layers as one in the coordinates."""
        parts = []
        for k, scale in enumerate(self._scales):
            stacked = np.vstack([gradient.weights[k], gradient.biases[k]])
            parts.append((scale * (self._bases[k].T @ stacked)).ravel())
        return np.concatenate(parts)

    def coordinates(self, layers: Layers) -> Array:
        """The coordinates of layers."""
        parts = []
        for k, scale in enumerate(self._scales):
            change = [
                layers.weights[k] - self.centre.weights[k],
                layers.biases[k] - self.centre.biases[k],
            ]
            parts.append(((self._bases[k].T @ np.vstack(change)) / scale).ravel())
        return np.concatenate(parts)
