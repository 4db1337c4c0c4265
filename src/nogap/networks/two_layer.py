"""Two-layer networks: prediction, objective, pruning, files and exports."""

from __future__ import annotations

from os import PathLike
from typing import Any, Self

import numpy as np

from nogap._typing import Array, ArrayLike
from nogap._validation import check_matrix, check_positive, numbers
from nogap.networks.base import PenalisedNetwork
from nogap.rows.base import slices

ACTIVATIONS = ("relu", "gated", "linear", "sign", "tanh")
SATURATING = ("sign", "tanh")  # whose penalty is that of the output weights alone


class Network(PenalisedNetwork):
    """A network with one hidden layer, ``f(x) = sum_j act(x' u_j + c_j) a_j + b``.

    Parameters
    ----------
    hidden_weights : array (m, d)
        One row u_j a neuron.
    output_weights : array (m, C) or (m,)
        One row a_j a neuron.
    hidden_bias : array (m,), optional
        c_j. Penalised together with u_j, as a ones column of the data would be.
    intercept : array (C,) or float, optional
        b, not penalised.
    activation : {"relu", "gated", "linear", "sign", "tanh"}, default "relu"
        "gated" multiplies by the fixed gate ``1[x' g_j + h_j >= 0]`` in place of ``1[. > 0]``;
        the sign of 0 is 0.
    gates : array (m, d), optional
        g_j, for the gated activation.
    gate_bias : array (m,), optional
        h_j.
    free_bias : bool, default False
        The penalty leaves the hidden biases out, as for :func:`nogap.closed_form.one_dimensional`.
    weight_bound : float, optional
        Largest absolute hidden weight and bias that the network's neurons may have, for the tanh
        activation: see :class:`nogap.units.Tanh`. ``nogap.certify`` judges it among such networks.

    Examples
    --------
    >>> net = Network([[1.0], [-1.0]], [1.0, 1.0])
    >>> net.predict([[-2.0], [3.0]])
    array([2., 3.])
    """

    file_format = "nogap-network"
    array_names = (
        "hidden_weights",
        "output_weights",
        "hidden_bias",
        "intercept",
        "gates",
        "gate_bias",
    )

    def __init__(
        self,
        hidden_weights: ArrayLike,
        output_weights: ArrayLike,
        hidden_bias: ArrayLike | None = None,
        intercept: ArrayLike | None = None,
        *,
        activation: str = "relu",
        gates: ArrayLike | None = None,
        gate_bias: ArrayLike | None = None,
        free_bias: bool = False,
        weight_bound: float | None = None,
    ) -> None:
        U = numbers(hidden_weights, "hidden_weights").copy()
        A = numbers(output_weights, "output_weights").copy()
        if U.ndim != 2 or U.shape[1] == 0:
            raise ValueError(f"hidden_weights must be (m, d), got shape {U.shape}; d is at least 1")
        if A.ndim == 1:
            A = A[:, None]
        if A.ndim != 2 or A.shape[0] != U.shape[0] or A.shape[1] == 0:
            raise ValueError(
                f"output_weights must be (m, C) with m = {U.shape[0]}, got shape {A.shape}"
            )
        if activation not in ACTIVATIONS:
            known = f"{', '.join(ACTIVATIONS[:-1])} or {ACTIVATIONS[-1]}"
            raise ValueError(f"unknown activation {activation!r}: use {known}")
        if (activation == "gated") != (gates is not None):
            raise ValueError("gates belong to the gated activation, and only to it")
        if gate_bias is not None and gates is None:
            raise ValueError("gate_bias is nothing without gates; pass both or neither")
        self.hidden_weights = U
        self.output_weights = A
        self.hidden_bias = _vector(hidden_bias, U.shape[0], "hidden_bias")
        self.intercept = _intercept(intercept, A.shape[1])
        self.activation = activation
        self.free_bias = bool(free_bias)
        self.gates = None if gates is None else numbers(gates, "gates").copy()
        if self.gates is not None and self.gates.shape != U.shape:
            raise ValueError(f"gates must have shape {U.shape}, got {self.gates.shape}")
        self.gate_bias = _vector(gate_bias, U.shape[0], "gate_bias")
        self._check_finite()
        self.weight_bound = self._checked_bound(weight_bound)

    def _checked_bound(self, bound: float | None) -> float | None:
        if bound is None:
            return None
        if self.activation != "tanh":
            raise ValueError(f"weight_bound belongs to tanh units, not to {self.activation} units")
        bound = check_positive(bound, "weight_bound")
        largest = float(np.abs(self.augmented_weights()).max(initial=0.0))
        if largest > bound:
            raise ValueError(f"a hidden weight of {largest:g} is beyond the weight_bound {bound:g}")
        return bound

    # -- facts -------------------------------------------------------------------------------

    @property
    def n_neurons(self) -> int:
        return int(self.hidden_weights.shape[0])

    @property
    def n_features_in(self) -> int:
        return int(self.hidden_weights.shape[1])

    @property
    def n_outputs(self) -> int:
        return int(self.output_weights.shape[1])

    def augmented_weights(self) -> Array:
        """Hidden weights with the bias as a last column, (m, d')."""
        if self.hidden_bias is None:
            return self.hidden_weights
        return np.column_stack([self.hidden_weights, self.hidden_bias])

    def penalty(self) -> float:
        """``sum_j ||u_j||_2 ||a_j||_2`` (the bias counts as part of u_j unless it is free).

        Of sign and tanh units ``sum_j ||a_j||_2``.
        """
        output = np.linalg.norm(self.output_weights, axis=1)
        if self.activation in SATURATING:
            return float(output.sum())
        penalised = self.hidden_weights if self.free_bias else self.augmented_weights()
        return float(np.linalg.norm(penalised, axis=1) @ output)

    # -- prediction --------------------------------------------------------------------------

    def features(self, X: Any) -> Array:
        """Hidden layer at X (n, d): activations (n, m)."""
        X = check_matrix(X, columns=self.n_features_in)
        return self._layer(X[0 : X.shape[0]])  # rows on disk are read here

    def _layer(self, X: Any) -> Array:
        Z = np.asarray(X @ self.hidden_weights.T)
        if self.hidden_bias is not None:
            Z += self.hidden_bias
        if self.activation == "relu":
            return np.maximum(Z, 0.0, out=Z)
        if self.activation in SATURATING:
            return np.asarray(np.sign(Z) if self.activation == "sign" else np.tanh(Z))
        if self.gates is not None:
            H = np.asarray(X @ self.gates.T)
            if self.gate_bias is not None:
                H += self.gate_bias
            Z *= H >= 0
        return Z

    def decision(self, X: Any) -> Array:
        """Outputs (n, C), whatever C is."""
        X = check_matrix(X, columns=self.n_features_in)
        F: Array = np.empty((X.shape[0], self.n_outputs))
        for part in slices(X.shape[0]):
            F[part] = self._layer(X[part]) @ self.output_weights + self.intercept
        return F

    # -- fewer neurons -----------------------------------------------------------------------

    def prune(self, X: Any) -> Network:
        """Fewest neurons with the same predictions on X and a penalty that is not larger.

        Neurons with the same activation pattern on X and the same output direction merge; then
        linear dependencies among the unit features are removed one at a time (Caratheodory), so
        that at most rank <= n * C neurons remain (n + 1 in the papers' count). Sign and
        tanh neurons take the second step alone, which also finds equal features.

        See Also
        --------
        nogap.networks.pruning : the two steps as functions.
        """
        from nogap.networks.pruning import prune_network

        return prune_network(self, X)

    # -- files and exports -------------------------------------------------------------------

    def _description(self) -> dict[str, Any]:
        free = {"free_bias": True} if self.free_bias else {}
        bounded = {} if self.weight_bound is None else {"weight_bound": self.weight_bound}
        return {"activation": self.activation, **free, **bounded}

    @classmethod
    def _rebuilt(cls, arrays: dict[str, Array], meta: dict[str, Any]) -> Self:
        return cls(
            **arrays,
            activation=meta["activation"],
            free_bias=bool(meta.get("free_bias", False)),
            weight_bound=meta.get("weight_bound"),
        )

    def to_torch(self) -> Any:
        """The network as a ``torch.nn.Sequential`` in float64; needs the torch extra."""
        from nogap.exchange.exports import to_torch

        return to_torch(self)

    def to_onnx(self, path: str | PathLike[str]) -> None:
        """Write an ONNX file (float32, input "X", output "predictions"); needs the onnx extra."""
        from nogap.exchange.exports import to_onnx

        to_onnx(self, path)

    def to_c(self, name: str = "network") -> str:
        """The network as C99 source: ``void name(const float x[], float y[])``, no library.

        Examples
        --------
        >>> source = Network([[1.0], [-1.0]], [1.0, 1.0]).to_c("absolute_value")
        >>> "void absolute_value(const float x[1], float y[1]);" in source
        True
        """
        from nogap.exchange.c_source import to_c

        return to_c(self, name)

    def __repr__(self) -> str:
        return (
            f"Network({self.n_features_in} inputs, {self.n_neurons} {self.activation} neurons, "
            f"{self.n_outputs} output{'s' if self.n_outputs > 1 else ''})"
        )


def _vector(value: ArrayLike | None, m: int, name: str) -> Array | None:
    if value is None:
        return None
    vector = numbers(value, name).copy()
    if vector.shape != (m,):
        raise ValueError(f"{name} must have shape ({m},), got {vector.shape}")
    return vector


def _intercept(value: ArrayLike | None, n_outputs: int) -> Array:
    b = numbers(0.0 if value is None else value, "intercept")
    if b.shape not in ((), (1,), (n_outputs,)):
        raise ValueError(f"intercept must be a number or ({n_outputs},), got shape {b.shape}")
    return np.array(np.broadcast_to(b, (n_outputs,)))
