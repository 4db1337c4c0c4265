"""Weights of all layers, the forward pass, and what is minimised over them.

Layers are numbered from 0 in the code and from 1 in the formulas; samples are rows, so the formulas
of the papers appear transposed: ``Z_l = H_{l-1} W_l + b_l``, ``H_l = h(Z_l)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral
from typing import Any

import numpy as np

from nogap._typing import Array
from nogap.lifted.activations import Parts, Split
from nogap.lifted.constraints import Constraints
from nogap.losses import Loss
from nogap.networks.deep import DeepNetwork


@dataclass(frozen=True)
class Layers:
    """Weights (n_{l-1}, n_l) and biases (n_l,) of all layers."""

    weights: list[Array]
    biases: list[Array]

    @property
    def n_layers(self) -> int:
        return len(self.weights)

    def vector(self) -> Array:
        """All numbers in one vector."""
        parts = [
            part.ravel() for pair in zip(self.weights, self.biases, strict=True) for part in pair
        ]
        return np.concatenate(parts)

    def like(self, vector: Array) -> Layers:
        """Layers of the same shapes that look into the vector."""
        weights, biases, at = [], [], 0
        for W, b in zip(self.weights, self.biases, strict=True):
            weights.append(vector[at : at + W.size].reshape(W.shape))
            biases.append(vector[at + W.size : at + W.size + b.size])
            at += W.size + b.size
        return Layers(weights, biases)

    def network(self, activation: str) -> DeepNetwork:
        return DeepNetwork(self.weights, self.biases, activation)


def initial_layers(
    widths: Sequence[int], Y: Array, weights: Array, rng: np.random.Generator
) -> Layers:
    """He's random weights, the output layer in the scale of the targets and at their mean."""
    matrices = [
        rng.normal(scale=np.sqrt(2.0 / rows), size=(rows, columns))
        for rows, columns in pairwise(widths)
    ]
    mean = weights @ Y / weights.sum()
    spread = np.sqrt(weights @ (Y - mean) ** 2 / weights.sum())
    matrices[-1] *= np.where(spread > 0, spread, 1.0)
    biases = [np.zeros(columns) for columns in widths[1:-1]]
    return Layers(matrices, [*biases, mean])


def check_hidden(hidden: Any) -> tuple[int, ...]:
    """Widths of the hidden layers."""
    try:
        widths = tuple(hidden)
    except TypeError:
        raise ValueError(f"hidden must be a sequence of widths, got {hidden!r}") from None
    if not widths:
        raise ValueError(f"hidden must name at least one layer's width, got {hidden!r}")
    for width in widths:
        if not isinstance(width, Integral) or isinstance(width, bool) or width < 1:
            raise ValueError(f"hidden must hold widths, whole numbers of at least 1, got {width!r}")
    return tuple(int(width) for width in widths)


def starting_layers(start: Any, n_inputs: int, n_outputs: int, activation: str) -> Layers:
    """The layers of a network that fits the data, copied."""
    if not isinstance(start, DeepNetwork):
        raise ValueError(f"start must be a DeepNetwork, got {type(start).__name__}")
    if start.n_features_in != n_inputs or start.n_outputs != n_outputs or start.n_layers < 2:
        raise ValueError(
            f"start is {start!r}, but the data have {n_inputs} inputs and {n_outputs} outputs, "
            "and a hidden layer is needed"
        )
    if start.activation != activation:
        raise ValueError(f"start has the activation {start.activation!r}, not {activation!r}")
    return Layers([W.copy() for W in start.weights], [b.copy() for b in start.biases])


@dataclass(frozen=True)
class Pass:
    """A forward pass.

    Attributes
    ----------
    H : list of arrays (n, n_{l-1})
        Inputs of each layer.
    Z : list of arrays (n, n_l)
        Pre-activations of each layer; the last ones are the outputs.
    parts : list of Parts
        The convex parts of the activation at the hidden layers' pre-activations.
    """

    H: list[Array]
    Z: list[Array]
    parts: list[Parts]

    @property
    def outputs(self) -> Array:
        return self.Z[-1]


def forward(layers: Layers, X: Array, split: Split) -> Pass:
    """All layers' values at the rows of X; the output layer is linear."""
    H, Z, parts = [X], [], []
    for k, (W, b) in enumerate(zip(layers.weights, layers.biases, strict=True)):
        Z.append(H[-1] @ W + b)
        if k < layers.n_layers - 1:
            parts.append(split.parts(Z[-1]))
            H.append(parts[-1].value)
    return Pass(H, Z, parts)


@dataclass(frozen=True)
class Task:
    """Data, loss and hard constraints.

    Attributes
    ----------
    X : array (n, d)
    Y : array (n, C)
        As the loss encodes targets.
    loss : Loss
    weights : array (n,)
        Of the samples; a row of weight zero only bears constraints.
    constraints : Constraints
    split : Split
        The activation.
    """

    X: Array
    Y: Array
    loss: Loss
    weights: Array
    constraints: Constraints
    split: Split

    def loss_value(self, F: Array) -> float:
        """Sum of the losses."""
        return float(self.weights @ self.loss.value(F, self.Y))

    def loss_gradient(self, F: Array) -> Array:
        return self.weights[:, None] * self.loss.gradient(F, self.Y)

    def least_loss(self) -> float:
        """What no outputs at all can beat: the certificate of the dual point zero."""
        return -float(self.weights @ self.loss.conjugate(np.zeros_like(self.Y), self.Y))
