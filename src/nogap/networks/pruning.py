"""Fewer neurons, same predictions: merging, and Caratheodory's reduction.

Both steps leave the predictions on the given rows unchanged and never raise the penalty.  At an
optimum the penalty is unchanged too, because every unit feature then has the same correlation
with the dual point (spec of the optimal set: the coefficients of any dependency sum to zero).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nogap._typing import AnyArray, Array, IntArray
from nogap._validation import check_matrix
from nogap.networks.two_layer import SATURATING, Network

RANK_TOLERANCE = 1e-10
SAME = 1e-12  # difference of unit vectors that is rounding


def merge_groups(packed: AnyArray, directions: Array) -> list[Array]:
    """Indices of neurons that may merge: same packed pattern (m, n / 8), same output (m, C)."""
    alike: dict[bytes, list[int]] = {}
    for j in range(packed.shape[0]):
        alike.setdefault(packed[j].tobytes(), []).append(j)
    return [group for rivals in alike.values() for group in _same(directions, np.array(rivals))]


def _same(directions: Array, index: IntArray) -> list[IntArray]:
    """Groups of the index whose directions are those of the group's first, but for rounding."""
    groups = []
    while index.size:
        near = np.abs(directions[index] - directions[index[0]]).max(axis=1) <= SAME
        groups.append(index[near])
        index = index[~near]
    return groups


def independent_combination(features: Array, coefficients: Array) -> Array:
    """Coefficients >= 0 with the same ``features @ coefficients`` on independent columns only.

    Parameters
    ----------
    features : array (N, m)
    coefficients : array (m,), non-negative

    Returns
    -------
    array (m,)
        Non-negative, zero off an independent subset of the columns, with a sum that is at most
        that of the coefficients given.
    """
    weights = coefficients.astype(np.float64).copy()
    alive = np.flatnonzero(weights > 0)
    if alive.size == 0:
        return weights
    used = features[:, alive]
    if used.shape[0] > used.shape[1]:  # the null space only needs the small factor
        used = np.asarray(np.linalg.qr(used, mode="r"))
    _, sizes, Vt = np.linalg.svd(used, full_matrices=True)
    rank = int(np.sum(sizes > RANK_TOLERANCE * max(sizes[0], 1e-300))) if sizes.size else 0
    null = Vt[rank:].T  # (alive, dependencies)
    while null.shape[1]:
        c = null[:, 0]
        if c.sum() < 0:
            c = -c  # removing c then cannot raise the sum of the weights
        if not np.any(c > 0):
            c = -c
        positive = c > 1e-14 * np.abs(c).max()
        ratios = np.full(c.shape, np.inf)
        ratios[positive] = weights[alive][positive] / c[positive]
        k = int(np.argmin(ratios))
        weights[alive] = np.maximum(weights[alive] - ratios[k] * c, 0.0)
        weights[alive[k]] = 0.0
        # keep the dependencies that do not use the column just removed
        pivot = int(np.argmax(np.abs(null[k])))
        others = np.delete(null, pivot, axis=1) - np.outer(
            null[:, pivot], np.delete(null[k], pivot) / null[k, pivot]
        )
        keep = np.arange(alive.size) != k
        null, alive = others[keep], alive[keep]
        if null.shape[1]:
            null = np.linalg.qr(null)[0]
    return weights


def prune_network(network: Network, X: Any) -> Network:
    """See :meth:`nogap.Network.prune`."""
    X = check_matrix(X, columns=network.n_features_in)
    if network.activation in SATURATING:
        return _reweighted(network, X)
    network = _constants_as_intercept(network)
    U, A = network.augmented_weights(), network.output_weights
    hidden, output = _penalised_norms(network, U), np.linalg.norm(A, axis=1)
    alive = np.flatnonzero(hidden * output > 0)
    gates = _augmented_gates(network)
    V = U[alive] * output[alive, None]  # all of the neuron's size in the hidden weights
    S = A[alive] / output[alive, None]
    G = None if gates is None else gates[alive]
    V, S, G = _merge(network, X, V, S, G)
    if V.shape[0]:
        sizes = _penalised_norms(network, V)
        features = _build(network, V / sizes[:, None], S, G).features(X)
        coefficients = independent_combination(_columns(features, S), sizes)
        keep = coefficients > 0
        V, S = V[keep] * (coefficients[keep] / sizes[keep])[:, None], S[keep]
        G = None if G is None else G[keep]
    return _build(network, V, S, G, balanced=True)


def _reweighted(network: Network, X: Any) -> Network:
    """Neurons of independent features, where the penalty is that of the output weights alone."""
    A = network.output_weights
    sizes = np.linalg.norm(A, axis=1)
    S = A / np.where(sizes > 0, sizes, 1.0)[:, None]
    coefficients = independent_combination(_columns(network.features(X), S), sizes)
    keep = coefficients > 0
    return Network(
        network.hidden_weights[keep],
        coefficients[keep, None] * S[keep],
        None if network.hidden_bias is None else network.hidden_bias[keep],
        network.intercept,
        activation=network.activation,
        weight_bound=network.weight_bound,
    )


def _columns(features: Array, S: Array) -> Array:
    """What each neuron alone gives at size 1, (n C, m), from features (n, m) and outputs (m, C)."""
    return (features[:, None, :] * S.T[None]).reshape(-1, S.shape[0])


def _merge(
    network: Network, X: Any, V: Array, S: Array, G: Array | None
) -> tuple[Array, Array, Array | None]:
    if V.shape[0] == 0:
        return V, S, G
    if network.activation == "linear":
        patterns = np.ones((V.shape[0], 1), dtype=bool)
    elif G is None:
        patterns = _build(network, V, S, None, activation="linear").features(X).T > 0
    else:
        patterns = (G[:, :-1] @ X.T) + G[:, -1:] >= 0
    groups = merge_groups(np.packbits(patterns, axis=1), S)
    merged = np.stack([V[group].sum(axis=0) for group in groups])
    first = np.array([group[0] for group in groups])
    kept = _penalised_norms(network, merged) > 0
    return merged[kept], S[first][kept], None if G is None else G[first][kept]


def _penalised_norms(network: Network, V: Array) -> Array:
    """Norms of augmented hidden weights V (m, d') as the network's penalty measures them."""
    without_bias = network.free_bias and network.hidden_bias is not None
    norms: Array = np.linalg.norm(V[:, :-1] if without_bias else V, axis=1)
    return norms


def _constants_as_intercept(network: Network) -> Network:
    """Neurons that are nothing but a free bias cost nothing: they belong to the intercept."""
    if not network.free_bias or network.hidden_bias is None or network.activation != "relu":
        return network
    constant = ~network.hidden_weights.any(axis=1)
    level = np.maximum(network.hidden_bias[constant], 0.0) @ network.output_weights[constant]
    return Network(
        network.hidden_weights[~constant],
        network.output_weights[~constant],
        network.hidden_bias[~constant],
        network.intercept + level,
        free_bias=True,
    )


def _augmented_gates(network: Network) -> Array | None:
    """Gates with their bias as a last column, (m, d + 1)."""
    if network.gates is None:
        return None
    bias = np.zeros(network.n_neurons) if network.gate_bias is None else network.gate_bias
    return np.column_stack([network.gates, bias])


def _build(
    like: Network,
    V: Array,
    S: Array,
    G: Array | None,
    *,
    balanced: bool = False,
    activation: str | None = None,
) -> Network:
    """A network of the same kind from augmented weights V (m, d') and unit outputs S (m, C)."""
    if balanced:
        sizes = np.sqrt(_penalised_norms(like, V))[:, None]
        V, S = V / np.where(sizes > 0, sizes, 1.0), S * sizes
    biased = like.hidden_bias is not None
    return Network(
        V[:, :-1] if biased else V,
        S,
        V[:, -1] if biased else None,
        like.intercept,
        activation=activation or like.activation,
        gates=None if G is None else G[:, :-1],
        gate_bias=None if G is None else G[:, -1],
        free_bias=like.free_bias,
    )
