"""Relaxations of the program of several outputs: a lower bound that is a theorem, and a network."""

from __future__ import annotations

import time
from typing import Any, Literal

import numpy as np

from nogap._typing import Array, ArrayLike, RandomState
from nogap._validation import generator
from nogap.certificate import Correlation, certificate_from_dual
from nogap.formulation import formulate, to_network
from nogap.networks.two_layer import Network
from nogap.patterns import (
    count_patterns,
    enumerate_patterns,
    find_gates,
    max_pattern_count,
    numerical_rank,
)
from nogap.problem import Problem
from nogap.solution import Record, Solution, Status
from nogap.solvers.lifted_program import solve_lifted
from nogap.solvers.masters import FreeMaster
from nogap.solvers.neurons import Neurons, with_best_outputs
from nogap.training import train
from nogap.units import GatedReLU, ReLU

RelaxationKind = Literal["doubly_nonnegative", "gated_nuclear", "gated_frobenius"]

MOST_ROWS = 60  # of the doubly non-negative program, whose size is their fourth power
MOST_PATTERNS = 5_000
COUNTED = 100_000  # possible patterns up to which the true number is found out
SAMPLES = 60  # random neurons that are drawn from the relaxed moments
SLIDES = 10
CLOSED = 1e-6


def relax(
    X: Any,
    Y: ArrayLike,
    *,
    beta: float,
    kind: RelaxationKind = "doubly_nonnegative",
    random_state: RandomState = 0,
) -> Solution:
    """A convex relaxation of ReLU training: a proved lower bound, and a network from rounding.

    Parameters
    ----------
    X : array (n, d)
    Y : array (n,) or (n, C)
        Targets of the squared loss.
    beta : float
    kind : {"doubly_nonnegative", "gated_nuclear", "gated_frobenius"}
        The copositive program with doubly non-negative matrices, which knows no activation
        patterns; or the programs over all patterns without their cones, with a nuclear or a
        Frobenius norm on each. In the order of their lower bounds: Frobenius, nuclear, doubly
        non-negative, the optimum.
    random_state : int, Generator, RandomState or None
        Seeds the rounding.

    Returns
    -------
    Solution
        The certificate, of the kind "bound", gives the relaxation's lower bound for the network
        that descent finds from its rounded neurons.

    Raises
    ------
    ValueError
        Unknown kinds; more samples or activation patterns than the programs can have.

    Notes
    -----
    Sahiner, Ergen, Pauly and Pilanci, *Vector-output ReLU neural network problems are copositive
    programs*, ICLR 2021. The bound is evaluated in float64 from multipliers that are corrected to
    be feasible; it does not rest on the accuracy of the interior-point solver.

    Examples
    --------
    >>> import numpy as np
    >>> g = np.random.default_rng(0)
    >>> X, Y = g.standard_normal((6, 2)), g.standard_normal((6, 2))
    >>> solution = relax(X, Y, beta=0.5)
    >>> solution.certificate.kind, solution.certificate.relative_gap < 0.2
    ('bound', True)
    """
    started = time.perf_counter()
    if kind not in ("doubly_nonnegative", "gated_nuclear", "gated_frobenius"):
        raise ValueError(
            f"kind must be 'doubly_nonnegative', 'gated_nuclear' or 'gated_frobenius', got {kind!r}"
        )
    problem, rng = formulate(X, Y, beta=beta), generator(random_state)
    M = problem.rows.take(np.arange(problem.rows.n))
    if kind == "doubly_nonnegative":
        V, correlation, directions = _doubly_nonnegative(problem, M, rng)
    else:
        V, correlation, directions = _gated(problem, M, kind)
    network = _rounded(problem, directions, V)
    value = problem.loss_value(network.decision(M)) + problem.beta * network.penalty()
    certificate = certificate_from_dual(problem, value, V, correlation)
    if certificate.lower_bound <= 0:  # a loss is not negative, which the dual point zero says
        certificate = certificate_from_dual(problem, value, 0.0 * V, Correlation(0.0, "bound"))
    status = Status.OPTIMAL if certificate.relative_gap <= CLOSED else Status.RELAXED
    elapsed = time.perf_counter() - started
    record = Record(elapsed, value, certificate.lower_bound, "bound", network.n_neurons)
    return Solution(network, value, certificate, status, [record], 1)


def semi_nmf(network: Network, X: Any) -> tuple[Array, Array]:
    """Predictions of a ReLU network as a semi-non-negative factorisation ``F = Z G``, Z >= 0.

    With whitened rows (``X X' = I``) the columns of Z may be any non-negative vectors, so training
    a network with C outputs is semi-non-negative matrix factorisation with the penalty
    ``beta sum_k ||z_k|| ||g_k||`` (Sahiner et al., section 4).

    Parameters
    ----------
    network : Network
        A ReLU network without intercept.
    X : array (n, d)

    Returns
    -------
    Z : array (n, m)
        Non-negative.
    G : array (m, C)

    Raises
    ------
    ValueError
        Another activation, or an intercept.

    Examples
    --------
    >>> import numpy as np
    >>> Z, G = semi_nmf(Network([[1.0], [-1.0]], [[2.0], [3.0]]), [[1.0], [-1.0]])
    >>> Z @ G
    array([[2.],
           [3.]])
    """
    if network.activation != "relu" or np.any(network.intercept):
        raise ValueError(
            "the factorisation is that of a ReLU network without intercept; train with "
            "unit='relu' and fit_intercept=False"
        )
    return network.features(X), network.output_weights.copy()


def _doubly_nonnegative(
    problem: Problem, X: Array, rng: np.random.Generator
) -> tuple[Array, Correlation, Array]:
    """Dual point, correlation, and directions (k, d) drawn from the moments of neurons."""
    (n, d), C = X.shape, problem.n_outputs
    if n > MOST_ROWS:
        raise ValueError(
            f"the doubly non-negative program serves up to {MOST_ROWS} samples, X has {n}; use "
            "train(), or kind='gated_nuclear' where there are few activation patterns"
        )
    lifted = solve_lifted(problem, X)
    directions = []
    for Z in lifted.moments:
        sizes, vectors = np.linalg.eigh(Z)
        factor = vectors * np.sqrt(np.maximum(sizes, 0.0))
        draws = np.concatenate([factor, factor @ rng.standard_normal((len(Z), SAMPLES))], axis=1)
        directions += [draws[C : C + d].T, -draws[C : C + d].T]
    return lifted.V, Correlation(lifted.dual_correlation, "bound"), np.concatenate(directions)


def _gated(problem: Problem, X: Array, kind: str) -> tuple[Array, Correlation, Array]:
    """The same from the gated program over all patterns, whose dual constraints are stronger."""
    count = max_pattern_count(len(X), numerical_rank(X))
    if count <= COUNTED:  # data that are not in general position may have fewer
        count = count_patterns(X)
    if count > MOST_PATTERNS:
        raise ValueError(
            f"X has {count:,} activation patterns, more than the {MOST_PATTERNS:,} that the gated "
            "programs serve; use kind='doubly_nonnegative' or train()"
        )
    gates = find_gates(X, enumerate_patterns(X))
    (n, C), d = problem.Y.shape, X.shape[1]
    if kind == "gated_nuclear":
        unit = GatedReLU(gates)
        solution = train(X, problem.Y, beta=problem.beta, unit=unit, random_state=0)
        directions = solution.network.hidden_weights
    else:  # one output for every pair of sample and output: the same gates, a group for each
        unit = GatedReLU(np.repeat(gates, C, axis=1))
        data, targets = np.kron(X, np.eye(C)), problem.Y.ravel()
        solution = train(data, targets, beta=problem.beta, unit=unit, random_state=0)
        blocks = solution.network.hidden_weights.reshape(-1, d, C)
        directions = np.linalg.svd(blocks)[0].transpose(0, 2, 1).reshape(-1, d)
    # its dual point is feasible for its own constraints, which imply those of ReLU networks
    V = solution.certificate.dual.reshape(n, C)
    both = np.concatenate([directions, -directions])
    return V, Correlation(problem.beta, "bound"), both


def _rounded(problem: Problem, directions: Array, V: Array) -> Network:
    """The network that descent reaches from the best sizes of neurons with these directions."""
    sizes = np.linalg.norm(directions, axis=1)
    keep = sizes > 1e-9 * sizes.max(initial=0.0)
    unit, master = ReLU(), FreeMaster(problem, ReLU())
    directions = directions[keep] / sizes[keep, None]
    gate = np.zeros(len(directions), dtype=np.intp)
    neurons = with_best_outputs(problem, unit, directions, gate, Neurons.none(problem), V)
    for _ in range(SLIDES):
        before = neurons.penalty
        neurons, V = master.improve(neurons, lambda: False)
        if abs(neurons.penalty - before) <= 1e-6 * before:
            break
    return to_network(problem, unit, neurons, hidden_bias=False)
