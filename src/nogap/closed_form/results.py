"""From closed forms to solutions: the network's own objective, and what is proved about it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from nogap._typing import Array
from nogap.certificate import Certificate, Correlation, Kind, certificate_from_dual
from nogap.closed_form.radius import allow_for_deviation
from nogap.formulation import to_network
from nogap.networks.deep import DeepNetwork
from nogap.problem import EPS, Problem
from nogap.solution import Solution, Status
from nogap.solvers.neurons import Neurons
from nogap.units import Unit

DUAL_POINT = "proved; the residual, scaled, is a dual point of the convex program"
ONE_UNKNOWN = "proved; the global minimum over the unknown that is left is enclosed"
SINGULAR_VALUES = "proved; each singular value is settled by a function of one unknown"
CLOSED = 1e-8  # relative gap at which a closed form counts as proved
DEVIATION = "proved; what networks can gain from how X differs from data of the closed form is off"
NEGLIGIBLE = 1e-6  # share of the objective that a deviation of the data may cost an exact proof
FITTED = 1e-6  # and at which an interpolation does, whose data may be ill-conditioned


def without_intercept(problem: Problem, U: Array, A: Array) -> Neurons:
    """Neurons of hidden weights U (m, d) and output weights A (m, C)."""
    return Neurons.from_factors(
        U, A, np.zeros(problem.n_outputs), np.zeros(U.shape[0], dtype=np.intp)
    )


def two_layer(
    problem: Problem,
    unit: Unit,
    neurons: Neurons,
    correlate: Callable[[Array], Correlation],
    otherwise: Status = Status.STALLED,
) -> Solution:
    """The solution with a dual certificate at the network's own negative loss gradient.

    ``correlate`` gives the dual correlation of V (n, C); ``otherwise`` is the status where the
    certificate leaves a gap.
    """
    network = to_network(problem, unit, neurons, hidden_bias=False)
    F = network.decision(problem.rows.take(np.arange(problem.rows.n)))
    value = problem.loss_value(F) + problem.beta * network.penalty()
    V = problem.dual_point(F)
    certificate = certificate_from_dual(problem, value, V, correlate(V))
    closed = certificate.relative_gap <= CLOSED
    return Solution(network, value, certificate, Status.OPTIMAL if closed else otherwise)


def weight_decay(network: DeepNetwork) -> float:
    """``1/2 sum_l ||W_l||_F^2`` of a network without biases.

    Examples
    --------
    >>> weight_decay(DeepNetwork([[[3.0]], [[1.0]]]))
    5.0
    """
    return 0.5 * sum(float(np.sum(W**2)) for W in network.weights)


def parallel_penalty(network: DeepNetwork) -> float:
    """``1/L sum_k sum_l ||W_{l,k}||_F^L`` of parallel sub-networks of width one, L layers each.

    Sub-network k is column k of the first layer, entry k of the diagonal hidden layers, and row k
    of the last.

    Examples
    --------
    >>> parallel_penalty(DeepNetwork([[[2.0]], [[2.0]], [[2.0]]]))
    8.0
    """
    first, *middle, last = network.weights
    norms = [np.linalg.norm(first, axis=0), np.linalg.norm(last, axis=1)]
    norms += [np.abs(np.diag(W)) for W in middle]
    return float(sum(np.sum(size**network.n_layers) for size in norms)) / network.n_layers


def deep(
    X: Array,
    Y: Array,
    network: DeepNetwork,
    *,
    beta: float,
    penalty: float,
    lower_bound: float,
    status: Status,
    proof: str,
    kind: Kind = "exact",
) -> Solution[DeepNetwork]:
    """The solution for a deep network and the squared loss; the dual point is the residual.

    The dual correlation is the largest singular value of ``X'V``.
    """
    V = Y - network.decision(X)
    value = 0.5 * float(np.sum(V**2)) + beta * penalty
    certificate = Certificate(
        objective=value,
        lower_bound=lower_bound,
        kind=kind,
        dual=V[:, 0] if V.shape[1] == 1 else V,
        dual_correlation=float(np.linalg.norm(X.T @ V, 2)),
        beta=beta,
        proof=proof,
    )
    return Solution(network, value, certificate, status)


def reduced(
    X: Array,
    Y: Array,
    network: DeepNetwork,
    *,
    beta: float,
    bound: float,
    missed: float,
    deviation: float,
    proof: str,
    otherwise: float = -math.inf,
    exactly: Callable[[], bool] | None = None,
) -> Solution[DeepNetwork]:
    """The solution of a reduction to one unknown that holds for data within ``deviation`` of X.

    Where networks could gain more than a negligible share of the objective from the deviation, the
    network is not proved optimal, and what is left is a lower bound.

    Parameters
    ----------
    bound, missed, deviation : float
        As in :func:`~nogap.closed_form.radius.allow_for_deviation`; ``missed`` up to rounding.
    otherwise : float
        Another lower bound, for X itself.
    exactly : callable, optional
        Whether the deviation is but rounding, and ``bound`` holds for X itself; asked only where
        that makes a difference.
    """
    penalty, rounding = weight_decay(network), 64 * EPS * float(np.linalg.norm(Y))
    residual = float(np.linalg.norm(Y - network.decision(X))) + rounding
    reached = 0.5 * residual**2 + beta * penalty
    lower = allow_for_deviation(
        bound, reached, max(missed - rounding, 0.0), deviation, beta, network.n_layers
    )
    lower = max(lower, otherwise)
    if bound - lower > NEGLIGIBLE * reached and exactly is not None and exactly():
        lower = bound
    proved = bound - lower <= NEGLIGIBLE * reached
    return deep(
        X,
        Y,
        network,
        beta=beta,
        penalty=penalty,
        lower_bound=lower,
        status=Status.OPTIMAL_BY_REDUCTION if proved else Status.BOUND,
        proof=proof if proved else DEVIATION,
        kind="exact" if proved else "bound",
    )


def diagonal_layers(
    first: Array, sizes: Array, last: Array, depth: int, activation: str
) -> DeepNetwork:
    """L layers of equal norms: ``first diag(sizes) last'`` with unit columns, spread evenly.

    Parameters
    ----------
    first : array (d, k)
    sizes : array (k,), non-negative
    last : array (C, k)
    depth : int
        L.
    """
    kept = sizes > 0
    if not kept.any():  # a layer has at least one neuron
        shapes = [(first.shape[0], 1), *[(1, 1)] * (depth - 2), (1, last.shape[0])]
        return DeepNetwork([np.zeros(shape) for shape in shapes], activation=activation)
    root = sizes[kept] ** (1.0 / depth)
    middle = [np.diag(root) for _ in range(depth - 2)]
    weights = [first[:, kept] * root, *middle, (last[:, kept] * root).T]
    return DeepNetwork(weights, activation=activation)


def below(value: float, scale: float) -> float:
    """A closed form's value less an allowance for the rounding of sums of that scale."""
    return value - 256 * EPS * max(abs(value), abs(scale))


def interpolation_status(certificate: Certificate, proved: Status = Status.OPTIMAL) -> Status:
    """``proved`` where the certificate closes the gap."""
    return proved if certificate.relative_gap <= FITTED else Status.STALLED


def interpolation_certificate(
    problem: Problem, norm: float, V: Array, correlation: Correlation
) -> Certificate:
    """Certificate of a minimum norm: ``max <V, Y>`` subject to ``q(V) <= 1``."""
    scale = 1.0 / correlation.value if correlation.value > 0 else 0.0
    products = V * problem.Y
    lower = below(scale * float(products.sum()), scale * float(np.abs(products).sum()))
    dual = scale * V
    return Certificate(
        objective=norm,
        # an estimate above the norm only says that the search missed neurons
        lower_bound=min(lower, norm) if correlation.kind == "search" else lower,
        kind=correlation.kind,
        dual=dual[:, 0] if dual.shape[1] == 1 else dual,
        dual_correlation=correlation.value,
        beta=1.0,
    )
