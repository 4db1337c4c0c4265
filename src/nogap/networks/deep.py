"""Networks of any depth: prediction and files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from scipy.special import expit

from nogap._typing import Array, ArrayLike
from nogap._validation import check_matrix, numbers
from nogap.networks.base import StoredNetwork
from nogap.rows.base import slices

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda Z: np.maximum(Z, 0.0),
    "linear": lambda Z: Z,
    "sigmoid": expit,
    "tanh": np.tanh,
    "softplus": lambda Z: np.logaddexp(0.0, Z),
    "softsign": lambda Z: Z / (1.0 + np.abs(Z)),
    "hardtanh": lambda Z: np.clip(Z, -1.0, 1.0),
}


class DeepNetwork(StoredNetwork):
    """A network with any number of layers, ``H <- act(H W_l + b_l)`` from the input X on.

    Parameters
    ----------
    weights : sequence of arrays (n_{l-1}, n_l)
        One matrix a layer, from the input to the output.
    biases : sequence of arrays (n_l,), optional
        One vector a layer; zero when left out.
    activation : str, default "relu"
        Of the hidden layers: "relu", "linear", "sigmoid", "tanh", "softplus" (``log(1 + e^z)``),
        "softsign" (``z / (1 + |z|)``) or "hardtanh" (z clipped to [-1, 1]).
    output_activation : str, default "linear"
        Of the last layer.

    Examples
    --------
    >>> absolute = DeepNetwork([[[1.0, -1.0]], [[1.0], [1.0]]])
    >>> absolute.predict([[-2.0], [3.0]])
    array([2., 3.])
    """

    file_format = "nogap-deep-network"

    def __init__(
        self,
        weights: Sequence[ArrayLike],
        biases: Sequence[ArrayLike] | None = None,
        activation: str = "relu",
        output_activation: str = "linear",
    ) -> None:
        self.weights: list[Array] = [
            numbers(W, f"weights[{layer}]").copy() for layer, W in enumerate(weights)
        ]
        _check_chain(self.weights)
        given: Sequence[Any] = (
            [np.zeros(W.shape[1]) for W in self.weights] if biases is None else list(biases)
        )
        if len(given) != len(self.weights):
            raise ValueError(
                f"biases must have one vector a layer, got {len(given)} for "
                f"{len(self.weights)} layers"
            )
        self.biases: list[Array] = []
        for layer, (b, W) in enumerate(zip(given, self.weights, strict=True)):
            vector = numbers(b, f"biases[{layer}]").copy()
            if vector.shape != (W.shape[1],):
                raise ValueError(
                    f"biases[{layer}] must have shape ({W.shape[1]},), got {vector.shape}"
                )
            self.biases.append(vector)
        self.activation = check_activation(activation)
        self.output_activation = check_activation(output_activation, "output_activation")

    # -- shape -------------------------------------------------------------------------------

    @property
    def n_layers(self) -> int:
        """Number of weight matrices."""
        return len(self.weights)

    @property
    def hidden(self) -> tuple[int, ...]:
        """Widths of the hidden layers."""
        return tuple(W.shape[1] for W in self.weights[:-1])

    @property
    def n_neurons(self) -> int:
        """Number of hidden neurons in all layers."""
        return sum(self.hidden)

    @property
    def n_features_in(self) -> int:
        """Number of inputs."""
        return self.weights[0].shape[0]

    @property
    def n_outputs(self) -> int:
        """Number of outputs C."""
        return self.weights[-1].shape[1]

    # -- prediction --------------------------------------------------------------------------

    def decision(self, X: Any) -> Array:
        """Outputs (n, C), whatever C is."""
        X = check_matrix(X, columns=self.n_features_in)
        act, last = ACTIVATIONS[self.activation], ACTIVATIONS[self.output_activation]
        F: Array = np.empty((X.shape[0], self.n_outputs))
        for part in slices(X.shape[0]):
            H = X[part]
            for W, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
                H = act(H @ W + b)
            F[part] = last(H @ self.weights[-1] + self.biases[-1])
        return F

    def predict(self, X: Any) -> Array:
        """Outputs at X (n, d): (n,) for one output, (n, C) for more."""
        F = self.decision(X)
        return F[:, 0] if self.n_outputs == 1 else F

    # -- files -------------------------------------------------------------------------------

    def arrays(self) -> dict[str, Array]:
        """Weights and biases, by layer."""
        arrays = {f"weights_{k}": W for k, W in enumerate(self.weights)}
        return arrays | {f"biases_{k}": b for k, b in enumerate(self.biases)}

    def _description(self) -> dict[str, Any]:
        return {
            "layers": self.n_layers,
            "activation": self.activation,
            "output_activation": self.output_activation,
        }

    @classmethod
    def _rebuilt(cls, arrays: dict[str, Array], meta: dict[str, Any]) -> Self:
        layers = range(int(meta["layers"]))
        return cls(
            [arrays[f"weights_{k}"] for k in layers],
            [arrays[f"biases_{k}"] for k in layers],
            meta["activation"],
            meta["output_activation"],
        )

    def __repr__(self) -> str:
        widths = "-".join(map(str, (self.n_features_in, *self.hidden, self.n_outputs)))
        return f"DeepNetwork({widths}, {self.activation})"


def check_activation(name: Any, argument: str = "activation") -> str:
    """The name of an activation, or a ``ValueError`` that lists those there are."""
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise ValueError(
            f"unknown {argument} {name!r}; use one of {', '.join(sorted(ACTIVATIONS))}"
        )
    return name


def _check_chain(weights: list[Array]) -> None:
    if not weights:
        raise ValueError("weights is empty; a network has at least one layer")
    for layer, W in enumerate(weights):
        if W.ndim != 2 or W.shape[0] == 0 or W.shape[1] == 0:
            raise ValueError(f"weights[{layer}] must be (inputs, outputs), got shape {W.shape}")
        if not np.all(np.isfinite(W)):
            raise ValueError(f"weights[{layer}] holds NaN or infinite values")
        if layer and weights[layer - 1].shape[1] != W.shape[0]:
            raise ValueError(
                f"weights[{layer}] takes {W.shape[0]} inputs, but the layer before it has "
                f"{weights[layer - 1].shape[1]} outputs"
            )
