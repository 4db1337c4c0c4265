"""What a report says of a network: neurons in readable scale, important columns, its function."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nogap._typing import AnyArray, Array
from nogap.networks.two_layer import Network
from nogap.tabular.columns import CategoricalColumn, Column, NumericColumn
from nogap.tabular.model import TabularModel
from nogap.tabular.target import ClassTarget

# Rows that an average is taken over.
MAX_ROWS = 400
GRID_POINTS = 101


@dataclass(frozen=True)
class Neurons:
    """The neurons of a network, most important first.

    ReLU is positively homogeneous, so only the product of hidden and output weights matters:
    hidden weights are given in the scale in which the output weights have norm 1.

    Attributes
    ----------
    weights : array (m, d)
        Hidden weights, times the norm of the output weights.
    bias : array (m,)
        Hidden bias, in the same scale.
    outputs : array (m, C)
        Output weights, of norm 1: a sign, for a single output.
    share : array (m,)
        Share of the penalty ``||u_j|| ||a_j||``.
    active : array (m,)
        Share of the training rows on which the neuron is active.
    """

    weights: Array
    bias: Array
    outputs: Array
    share: Array
    active: Array


def describe_neurons(network: Network, X: Array) -> Neurons:
    """Neurons of a network, with their activity on rows X (n, d)."""
    U, A = network.hidden_weights, network.output_weights
    c = np.zeros(U.shape[0]) if network.hidden_bias is None else network.hidden_bias
    norms = np.linalg.norm(A, axis=1)  # (m,)
    size = np.linalg.norm(network.augmented_weights(), axis=1) * norms
    order = np.argsort(-size, kind="stable")
    active = np.mean(X @ U.T + c > 0, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        outputs = np.where(norms[:, None] > 0, A / norms[:, None], 0.0)
        share = size / size.sum() if size.sum() > 0 else np.zeros_like(size)
    return Neurons(
        (U * norms[:, None])[order],
        (c * norms)[order],
        outputs[order],
        share[order],
        active[order],
    )


def column_slices(columns: list[Column]) -> list[slice]:
    """Which network inputs belong to each column."""
    ends = np.cumsum([len(column.feature_names) for column in columns]).tolist()
    return [slice(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)]


def column_importance(model: TabularModel, X: Array) -> Array:
    """How far the outputs move when a column is shuffled among rows X, as shares, (columns,)."""
    rows = X[_spread(X.shape[0])]
    outputs = model.network.decision(rows)
    order = np.random.default_rng(0).permutation(rows.shape[0])
    moved = []
    for part in column_slices(model.columns):
        shuffled = rows.copy()
        shuffled[:, part] = rows[order, part]
        moved.append(float(np.sqrt(np.mean((model.network.decision(shuffled) - outputs) ** 2))))
    sizes = np.array(moved)
    return sizes / sizes.sum() if sizes.sum() > 0 else sizes


def _spread(n: int) -> slice:
    """At most :data:`MAX_ROWS` rows, evenly spread."""
    return slice(None, None, max(1, -(-n // MAX_ROWS)))


def shown_outputs(model: TabularModel) -> list[str]:
    """Names of the quantities that :func:`response` gives."""
    if not isinstance(model.target, ClassTarget):
        return [model.target.name]
    if len(model.target.classes) == 2:
        return [f"probability of {model.target.classes[1]}"]
    return [f"probability of {label}" for label in model.target.classes]


def response(model: TabularModel, X: Array) -> Array:
    """What a user sees at inputs X (n, d): the target in its units, or class probabilities.

    Returns
    -------
    array (n, k)
        One column for each of :func:`shown_outputs`.
    """
    outputs = model.network.decision(X)
    if not isinstance(model.target, ClassTarget):
        return model.target.decode(outputs)[:, None]
    probabilities = model.target.probabilities(outputs)
    return probabilities[:, 1:] if probabilities.shape[1] == 2 else probabilities


def grid_of(column: Column, points: int = GRID_POINTS) -> AnyArray:
    """Values of a column to draw a function at: an even grid, or the level numbers."""
    if isinstance(column, CategoricalColumn):
        return np.arange(len(column.levels))
    return np.linspace(column.low, column.high, points)


def kinks(model: TabularModel, column: NumericColumn) -> Array:
    """Where a function of a single numeric column bends, within the range of the data."""
    network = model.network
    slopes = network.hidden_weights[:, 0]
    bias = np.zeros(slopes.size) if network.hidden_bias is None else network.hidden_bias
    bends = slopes != 0
    at = column.mean + column.scale * (-bias[bends] / slopes[bends])
    return np.sort(at[(at > column.low) & (at < column.high)])


def encode_values(column: Column, values: AnyArray) -> Array:
    """Network inputs (k, width) of values of a column as :func:`grid_of` gives them."""
    if isinstance(column, CategoricalColumn):
        return np.eye(len(column.levels))[values.astype(np.intp)]
    return column.standardise(values)[:, None]


def partial_dependence(model: TabularModel, X: Array, index: int, values: AnyArray) -> Array:
    """Mean response over rows X when one column is set to each of the values, (k, outputs)."""
    rows = X[_spread(X.shape[0])].copy()
    part = column_slices(model.columns)[index]
    means = []
    for encoded in encode_values(model.columns[index], values):
        rows[:, part] = encoded
        means.append(response(model, rows).mean(axis=0))
    return np.array(means)
