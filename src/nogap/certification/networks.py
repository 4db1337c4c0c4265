"""Certificates of networks: from their own dual point, and from better ones met on the way."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from nogap._typing import Array
from nogap.certificate import Certificate, about, better, certificate_from_dual
from nogap.certification.judges import (
    Method,
    answer_of,
    certify_dual,
    is_exact,
    judge,
    provable,
)
from nogap.formulation import from_network, to_network
from nogap.networks.two_layer import Network
from nogap.oracles.patterns import GatedOracle
from nogap.plans import adaptive_plan
from nogap.problem import Problem
from nogap.proofs import Prover, Verdict, tanh
from nogap.solvers.adaptive import Limits
from nogap.solvers.features import Features
from nogap.solvers.neurons import Neurons
from nogap.solvers.neurons import objective as neurons_objective
from nogap.solvers.refit import refit_sizes
from nogap.units import Convolution, Tanh, ThreeLayer, Unit

NOTICEABLE = 1e-9


def certify_network(
    problem: Problem,
    network: Network,
    unit: Unit,
    X: Any,
    hidden_bias: bool,
    method: Method,
    tol: float,
    max_time: float,
    rng: np.random.Generator,
) -> Certificate:
    """The strongest claim about a network, with a better one that was met."""
    F = network.decision(X)
    if F.shape[1] != problem.n_outputs:
        raise ValueError(f"the network has {F.shape[1]} outputs, y has {problem.n_outputs}")
    value = problem.loss_value(F) + problem.beta * network.penalty()
    neurons = from_network(problem, network, hidden_bias, unit)
    # any V gives a bound; the one of the best output weights is usually better than the gradient
    points = [refit_sizes(problem, neurons, _unit_features(problem, network, unit, X))[1]]
    gradient = problem.dual_point(F)
    if problem.loss.smooth:
        points.insert(0, gradient)
    points = [problem.feasible_direction(V) for V in points]
    if network.activation in ("linear", "gated") and not isinstance(unit, Convolution):
        return _strongest(_closed_form(problem, network, value, V) for V in points)
    started, certificates = time.monotonic(), list[Certificate]()
    for V in points:
        if certificates and time.monotonic() - started > max_time:
            break
        certificates.append(certify_dual(problem, value, V, method, rng, neurons.directions, unit))
    first = _strongest(certificates)
    # the correlation that is stated is the network's own, whichever dual point gives the bound
    own = certificates[0].dual_correlation
    if problem.loss.smooth and not np.allclose(points[0], gradient):  # its intercept is not optimal
        own = judge(problem, unit, method, rng).price(gradient, 10, neurons.directions)[1].value
    if is_exact(problem, unit, method) or method == "search" or not provable(problem, unit, method):
        if first.relative_gap <= tol or time.monotonic() - started > max_time:
            return replace(first, dual_correlation=own)
        trained = _trained_on(problem, unit, neurons, first, method, tol, max_time, rng)
        best, value, further = trained
        answer = better(about(further, first.objective), first) if first.proved else further
    elif isinstance(unit, Tanh):
        verdict = _between_signs(problem, unit, neurons, first, method, tol, max_time, rng)
        best, value = verdict.neurons, verdict.value
        answer = answer_of(verdict, method, first.objective)
    else:
        prover = Prover(problem, neurons, tol, max_time, rng, unit)
        verdict = prover.run(points, first)
        best, value = verdict.neurons, verdict.value
        answer = answer_of(verdict, method, first.objective)
    answer = replace(about(answer, first.objective), dual_correlation=own)
    return _with_better(answer, problem, unit, best, value, hidden_bias)


def _with_better(
    certificate: Certificate,
    problem: Problem,
    unit: Unit,
    neurons: Neurons,
    value: float,
    hidden_bias: bool,
) -> Certificate:
    """The certificate with the better network, unless it is only better by rounding."""
    if not value < certificate.objective - NOTICEABLE * abs(certificate.objective):
        return certificate
    network = to_network(problem, unit, neurons, hidden_bias)
    return replace(certificate, better_network=network, better_objective=value)


def _strongest(certificates: Iterable[Certificate]) -> Certificate:
    return functools.reduce(better, certificates)


def _unit_features(problem: Problem, network: Network, unit: Unit, X: Any) -> Features:
    """Features of the neurons that :func:`from_network` keeps, for hidden weights of norm 1."""
    if isinstance(unit, Convolution | ThreeLayer) or not unit.homogeneous:
        neurons = from_network(problem, network, getattr(problem.rows, "hidden_bias", False), unit)
        return Features(problem, unit, neurons)
    hidden = np.linalg.norm(network.augmented_weights(), axis=1)
    alive = (hidden > 0) & (np.linalg.norm(network.output_weights, axis=1) > 0)
    return Features.of_array(problem, network.features(X)[:, alive] / hidden[alive])


def _trained_on(
    problem: Problem,
    unit: Unit,
    start: Neurons,
    first: Certificate,
    method: Method,
    tol: float,
    max_time: float,
    rng: np.random.Generator,
) -> tuple[Neurons, float, Certificate]:
    """A better dual point by training on from the network: the bound holds for every network.

    The first certificate where the time was too short for one search.
    """
    limits = Limits(tol=tol, max_time=max_time)
    plan = adaptive_plan(problem, unit, limits, rng, exact=is_exact(problem, unit, method))
    outcome = plan.run_on(problem, []).run(start)
    value = neurons_objective(problem, unit, outcome.neurons)
    return outcome.neurons, value, first if outcome.hasty else outcome.certificate


def _between_signs(
    problem: Problem,
    unit: Tanh,
    start: Neurons,
    first: Certificate,
    method: Method,
    tol: float,
    max_time: float,
    rng: np.random.Generator,
) -> Verdict:
    """Half the time for a better tanh network, half for what sign units prove about all of them."""
    half = 0.5 * max_time
    best, value, estimate = _trained_on(problem, unit, start, first, method, tol, half, rng)
    proof = tanh.proof_by_signs(problem, tol, half, rng)
    return Verdict(proof, estimate, best, value)


def _closed_form(problem: Problem, network: Network, value: float, V: Array) -> Certificate:
    """Linear and gated networks: a largest singular value settles the correlation.

    A gated network is judged among the networks with the gates it has.
    """
    X = problem.rows.take(np.arange(problem.rows.n))
    if network.gates is None:
        patterns = np.ones((1, problem.rows.n), dtype=bool)
    else:
        d = network.n_features_in
        H = X[:, :d] @ network.gates.T
        if network.gate_bias is not None:
            H = H + network.gate_bias
        patterns = np.unique((H >= 0).T, axis=0)
    _, correlation = GatedOracle(problem.rows, patterns).price(V, 1)
    return certificate_from_dual(problem, value, V, correlation)
