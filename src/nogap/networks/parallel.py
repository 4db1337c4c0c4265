"""Parallel three-layer networks: sums of sub-networks with two hidden layers each."""

from __future__ import annotations

from typing import Any

import numpy as np

from nogap._typing import Array, ArrayLike
from nogap._validation import check_matrix, numbers
from nogap.exchange.exports import require
from nogap.networks.base import PenalisedNetwork
from nogap.networks.pruning import independent_combination
from nogap.rows import MemoryRows
from nogap.rows.base import slices
from nogap.units.three_layer import SubNetworkPenalty, ThreeLayer


class ParallelNetwork(PenalisedNetwork):
    """``f(x) = sum_k relu(relu(x' W1_k + b_k) w2_k) w3_k + b``.

    Parameters
    ----------
    first_weights : array (K, d, width)
        W1_k of the K sub-networks.
    second_weights : array (K, width)
        w2_k.
    output_weights : array (K,)
        w3_k.
    hidden_bias : array (K, width), optional
        b_k, penalised as one more row of W1_k.
    intercept : float, optional
        b, not penalised.
    regularization : {"weights", "path"}
        Which penalty the network has: see :class:`nogap.units.ThreeLayer`.

    Raises
    ------
    ValueError
        Shapes that do not fit, weights that are not finite, or another ``regularization``.

    Examples
    --------
    >>> net = ParallelNetwork([[[1.0, -1.0]]], [[1.0, -1.0]], [2.0])
    >>> net.predict([[3.0], [-3.0]])
    array([6., 0.])
    """

    file_format = "nogap-parallel-network"
    array_names = (
        "first_weights",
        "second_weights",
        "output_weights",
        "hidden_bias",
        "intercept",
    )
    described = ("regularization",)
    activation = "relu"
    counted = "sub-networks"

    def __init__(
        self,
        first_weights: ArrayLike,
        second_weights: ArrayLike,
        output_weights: ArrayLike,
        hidden_bias: ArrayLike | None = None,
        intercept: float = 0.0,
        regularization: SubNetworkPenalty = "weights",
    ) -> None:
        W1 = numbers(first_weights, "first_weights").copy()
        w2 = numbers(second_weights, "second_weights").copy()
        w3 = numbers(output_weights, "output_weights").copy()
        if W1.ndim != 3 or 0 in W1.shape[1:]:
            raise ValueError(f"first_weights must be (K, d, width), got shape {W1.shape}")
        if w2.shape != (W1.shape[0], W1.shape[2]) or w3.shape != w2.shape[:1]:
            raise ValueError(
                "second_weights must be (K, width) and output_weights (K,) for first_weights "
                f"(K, d, width), got shapes {w2.shape} and {w3.shape} for {W1.shape}"
            )
        b = None if hidden_bias is None else numbers(hidden_bias, "hidden_bias").copy()
        if b is not None and b.shape != w2.shape:
            raise ValueError(f"hidden_bias must have shape {w2.shape}, got {b.shape}")
        self.first_weights, self.second_weights, self.output_weights = W1, w2, w3
        self.hidden_bias = b
        self.intercept = numbers(intercept, "intercept").reshape(-1).copy()
        if self.intercept.shape != (1,):
            raise ValueError(f"intercept must be one number, got {self.intercept.size}")
        self.unit = ThreeLayer(W1.shape[2], regularization)
        self._check_finite()

    # -- facts -------------------------------------------------------------------------------

    @property
    def n_neurons(self) -> int:
        """Number of sub-networks K: the units that training adds one by one."""
        return int(self.first_weights.shape[0])

    @property
    def width(self) -> int:
        """First-layer neurons of every sub-network."""
        return int(self.first_weights.shape[2])

    @property
    def n_features_in(self) -> int:
        return int(self.first_weights.shape[1])

    @property
    def n_outputs(self) -> int:
        return 1

    @property
    def regularization(self) -> SubNetworkPenalty:
        return self.unit.regularization

    def augmented_weights(self) -> Array:
        """First-layer weights with the bias as a last row, (K, d', width)."""
        if self.hidden_bias is None:
            return self.first_weights
        return np.concatenate([self.first_weights, self.hidden_bias[:, None]], axis=1)

    def penalty(self) -> float:
        """``sum_k ||W1_k||_F ||w2_k|| |w3_k|``, or the sum over paths.

        The first is what ``1/2 sum_k (||w2_k||^2 + w3_k^2)`` comes to at best when weights move
        between the layers so that ``||W1_k||_F = 1``.
        """
        W1, w2 = self.augmented_weights(), self.second_weights
        if self.regularization == "path":
            norms = self.unit.norms(W1, w2)
        else:
            norms = np.linalg.norm(W1, axis=(1, 2)) * np.linalg.norm(w2, axis=1)
        return float(norms @ np.abs(self.output_weights))

    # -- prediction --------------------------------------------------------------------------

    def features(self, X: Any) -> Array:
        """Second layers at X (n, d): ``relu(relu(X W1_k + b_k) w2_k)``, (n, K)."""
        X = check_matrix(X, columns=self.n_features_in)
        W1, w2 = self.augmented_weights(), self.second_weights
        Phi: Array = np.empty((X.shape[0], self.n_neurons))
        for part in slices(X.shape[0]):
            rows = MemoryRows(X[part], hidden_bias=self.hidden_bias is not None)
            Phi[part] = np.maximum(self.unit.layers(rows, W1, w2)[1], 0.0)
        return Phi

    def decision(self, X: Any) -> Array:
        """Outputs (n, 1)."""
        F: Array = (self.features(X) @ self.output_weights)[:, None] + self.intercept
        return F

    # -- fewer sub-networks ------------------------------------------------------------------

    def prune(self, X: Any) -> ParallelNetwork:
        """At most n sub-networks with the same predictions on X and a penalty that is not larger.

        Linear dependencies among the sub-networks' outputs are removed one at a time
        (Caratheodory).
        """
        signs = np.where(self.output_weights < 0, -1.0, 1.0)
        norms = self.unit.norms(self.augmented_weights(), self.second_weights)
        sizes = norms * np.abs(self.output_weights)
        scale = np.where(norms > 0, norms, 1.0)
        left = independent_combination(signs * self.features(X) / scale, sizes)
        kept = left > 0
        arrays = {**self.arrays(), "output_weights": signs * left / scale}
        arrays = {k: a if k == "intercept" else a[kept] for k, a in arrays.items()}
        return ParallelNetwork(**arrays, regularization=self.regularization)  # type: ignore[arg-type]

    # -- files and exports -------------------------------------------------------------------

    def to_torch(self) -> Any:
        """A ``torch.nn.Sequential`` of linear layers and ReLUs, block-diagonal in the middle."""
        torch = require("torch", "torch")
        nn, (K, d, width) = torch.nn, self.first_weights.shape
        first = nn.Linear(d, K * width, bias=self.hidden_bias is not None, dtype=torch.float64)
        second = nn.Linear(K * width, K, bias=False, dtype=torch.float64)
        output = nn.Linear(K, 1, dtype=torch.float64)
        blocks = np.zeros((K, K, width))
        blocks[np.arange(K), np.arange(K)] = self.second_weights
        with torch.no_grad():
            W1 = self.first_weights.transpose(0, 2, 1).reshape(K * width, d)
            first.weight.copy_(torch.from_numpy(np.ascontiguousarray(W1)))
            if self.hidden_bias is not None:
                first.bias.copy_(torch.from_numpy(self.hidden_bias.ravel()))
            second.weight.copy_(torch.from_numpy(blocks.reshape(K, K * width)))
            output.weight.copy_(torch.from_numpy(self.output_weights[None]))
            output.bias.copy_(torch.from_numpy(self.intercept))
        return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), output)

    def __repr__(self) -> str:
        return (
            f"ParallelNetwork({self.n_features_in} inputs, {self.n_neurons} sub-networks of width "
            f"{self.width})"
        )
