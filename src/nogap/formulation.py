"""From what users pass to a :class:`Problem`, and from neurons back to a :class:`Network`."""

from __future__ import annotations

from typing import Any

import numpy as np

from nogap._typing import Array, ArrayLike
from nogap._validation import check_beta, check_rows_match, check_weights
from nogap.losses import Hinge, Loss, get_loss
from nogap.networks.convolutional import ConvolutionalNetwork
from nogap.networks.parallel import ParallelNetwork
from nogap.networks.two_layer import Network
from nogap.problem import Problem
from nogap.solvers.neurons import Neurons
from nogap.units import Convolution, GatedReLU, ReLU, Tanh, ThreeLayer, Unit


def formulate(
    X: Any,
    y: ArrayLike,
    *,
    beta: float,
    loss: str | Loss = "squared",
    hidden_bias: bool = False,
    fit_intercept: bool = False,
    sample_weight: ArrayLike | None = None,
    unit: Unit | None = None,
) -> Problem:
    """Check everything and state the training problem (of a unit that knows its data)."""
    resolved = get_loss(loss)
    if not resolved.smooth and not isinstance(resolved, Hinge):
        raise ValueError(
            f"the loss {resolved.name} says that it has no gradient; only the hinge loss of nogap "
            "can be trained without one"
        )
    rows = (ReLU() if unit is None else unit).rows(X, hidden_bias)
    Y = resolved.encode(y)
    check_rows_match(rows.n, Y)
    weights = check_weights(sample_weight, rows.n)
    if fit_intercept:
        _check_bounded_intercept(resolved, Y, weights)
    return Problem(
        rows=rows,
        Y=Y,
        loss=resolved,
        beta=check_beta(beta),
        weights=weights,
        fit_intercept=fit_intercept,
    )


def _check_bounded_intercept(loss: Loss, Y: Array, weights: Array) -> None:
    """Where the loss falls forever, an output with one label alone has no best intercept."""
    if not loss.falls_forever:
        return
    kept = Y[weights > 0]
    constant = np.all(kept == kept[0], axis=0)
    if constant.any():
        output = int(np.argmin(np.where(constant, kept[0], np.inf)))  # a missing class, if any is
        share = "no" if kept[0, output] <= 0 else "all"
        what = (
            f"class {output} has {share} samples" if Y.shape[1] > 1 else "all labels are the same"
        )
        raise ValueError(
            f"{what}, so the best intercept of the {loss.name} loss is unbounded; "
            "drop the class, or train with fit_intercept=False"
        )


def to_network(problem: Problem, unit: Unit, neurons: Neurons, hidden_bias: bool) -> Any:
    """The network, with its bias column split off.

    Weights are balanced, ``||u_j|| = ||a_j||``; those of a unit that is not homogeneous stay, with
    all of the size in the output weights.
    """
    if isinstance(unit, ThreeLayer):
        return _parallel(unit, neurons, hidden_bias)
    root = np.sqrt(neurons.sizes)[:, None]
    U, A = root * neurons.directions, root * neurons.outputs
    if not unit.homogeneous:
        U, A = neurons.directions, neurons.sizes[:, None] * neurons.outputs
    if isinstance(unit, Convolution):
        return ConvolutionalNetwork.of_neurons(
            unit, U, A, neurons.gate, neurons.intercept, hidden_bias
        )
    gates = None
    if isinstance(unit, GatedReLU):
        assert unit.gates is not None
        gates = unit.gates[neurons.gate]
    return Network(
        U[:, :-1] if hidden_bias else U,
        A,
        U[:, -1] if hidden_bias else None,
        neurons.intercept,
        activation=unit.name,
        weight_bound=unit.bound if isinstance(unit, Tanh) else None,
        gates=None if gates is None else (gates[:, :-1] if hidden_bias else gates),
        gate_bias=gates[:, -1] if gates is not None and hidden_bias else None,
    )


def _parallel(unit: ThreeLayer, neurons: Neurons, hidden_bias: bool) -> ParallelNetwork:
    """First layers as the penalty scales them, ``||w2_k|| = |w3_k|``."""
    W1, w2 = unit.weights(neurons.directions)
    root = np.sqrt(neurons.sizes)
    return ParallelNetwork(
        W1[:, :-1] if hidden_bias else W1,
        root[:, None] * w2,
        root * neurons.outputs[:, 0],
        W1[:, -1] if hidden_bias else None,
        float(neurons.intercept[0]),
        unit.regularization,
    )


def _of_parallel(
    problem: Problem, network: ParallelNetwork, hidden_bias: bool, unit: ThreeLayer
) -> Neurons:
    """Sub-networks with the norms of the unit's penalty."""
    W1 = network.augmented_weights()
    if hidden_bias and network.hidden_bias is None:
        W1 = np.concatenate([W1, np.zeros_like(W1[:, :1])], axis=1)
    if W1.shape[1] != problem.rows.d:
        expected = problem.rows.d - int(hidden_bias)
        raise ValueError(f"the network takes {network.n_features_in} columns, X has {expected}")
    if network.width > unit.width:
        raise ValueError(
            f"the network has sub-networks of width {network.width}, the unit only {unit.width}"
        )
    more = unit.width - network.width
    W1 = np.pad(W1, ((0, 0), (0, 0), (0, more)))
    W1, w2, norms = unit.balanced(W1, np.pad(network.second_weights, ((0, 0), (0, more))))
    w3 = norms * network.output_weights
    alive = w3 != 0
    return Neurons(
        unit.join(W1, w2)[alive],
        np.sign(w3[alive])[:, None],
        np.abs(w3[alive]),
        network.intercept.copy(),
        np.zeros(int(alive.sum()), dtype=np.intp),
    )


def from_network(
    problem: Problem, network: Any, hidden_bias: bool, unit: Unit | None = None
) -> Neurons:
    """Unit-form neurons of a network on the problem's rows (not of gated networks)."""
    if isinstance(network, ParallelNetwork) or isinstance(unit, ThreeLayer):
        if not isinstance(network, ParallelNetwork) or not isinstance(unit, ThreeLayer):
            raise ValueError("a parallel network belongs to unit=ThreeLayer(...), and only to it")
        return _of_parallel(problem, network, hidden_bias, unit)
    if network.free_bias:
        raise ValueError(
            "the hidden biases of this network are free, and this problem penalises them; the "
            "solution of closed_form.one_dimensional has the certificate for free biases"
        )
    if isinstance(network, ConvolutionalNetwork) or isinstance(unit, Convolution):
        if not isinstance(network, ConvolutionalNetwork) or not isinstance(unit, Convolution):
            raise ValueError(
                "a convolutional network belongs to unit=Convolution(...), and only to it"
            )
        U, A, gate = network.to_neurons(unit, hidden_bias)
    else:
        _check_same_kind(network, unit)
        U, A = network.hidden_weights, network.output_weights
        d = problem.rows.d - int(hidden_bias)
        if U.shape[1] != d:
            raise ValueError(f"the network takes {U.shape[1]} columns, X has {d}")
        if hidden_bias:
            bias = np.zeros(U.shape[0]) if network.hidden_bias is None else network.hidden_bias
            U = np.column_stack([U, bias])
        gate = np.zeros(U.shape[0], dtype=np.intp)
    if network.n_outputs != problem.n_outputs:
        raise ValueError(f"the network has {network.n_outputs} outputs, y has {problem.n_outputs}")
    return Neurons.from_factors(U, A, network.intercept.copy(), gate, unit)


def _check_same_kind(network: Network, unit: Unit | None) -> None:
    """Sign and tanh neurons have a penalty of their own: they do not turn into others."""
    wanted = "relu" if unit is None else unit.name
    if network.activation == wanted or not {network.activation, wanted} & {"sign", "tanh"}:
        return
    raise ValueError(
        f"the network has {network.activation} units, and this problem {wanted} units; take "
        f"unit={network.activation!r}"
    )
