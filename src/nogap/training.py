"""Training: check, plan, run the loop, and say what may be said of the network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from nogap._threads import blas_threads
from nogap._typing import ArrayLike, RandomState
from nogap._validation import (
    check_callbacks,
    check_optional_count,
    check_optional_positive,
    check_positive,
    generator,
)
from nogap.certificate import Certificate, about
from nogap.certification import certify_dual
from nogap.formulation import formulate, from_network, to_network
from nogap.losses import Loss
from nogap.networks.parallel import ParallelNetwork
from nogap.networks.two_layer import Network
from nogap.plans import OracleName, Patterns, Plan, check_oracle, choose_plan
from nogap.problem import Problem
from nogap.solution import Solution, Status
from nogap.solvers.adaptive import Callback, Limits, Outcome
from nogap.solvers.neurons import Neurons
from nogap.units import Unit, get_unit

ROUNDING = 1e-9  # share by which the objective of the network may differ from that of the run


def train(
    X: Any,
    y: ArrayLike,
    *,
    beta: float,
    loss: str | Loss = "squared",
    unit: str | Unit = "relu",
    patterns: Patterns = "adaptive",
    oracle: OracleName = "auto",
    tune: bool = True,
    hidden_bias: bool = False,
    fit_intercept: bool = False,
    sample_weight: ArrayLike | None = None,
    tol: float = 1e-3,
    gap_tol: float | None = None,
    max_time: float | None = None,
    max_neurons: int | None = None,
    prove: bool = True,
    random_state: RandomState = None,
    warm_start: Network | Solution | None = None,
    callbacks: Iterable[Callback] | None = None,
) -> Solution:
    """Train a two-layer network to its global optimum, with a certificate.

    Minimises ``sum_i w_i l(f(x_i), y_i) + beta * sum_j ||u_j||_2 ||a_j||_2`` over networks
    ``f(x) = sum_j relu(x' u_j) a_j`` of any width, which is the same problem as weight decay
    ``beta / 2 * (||U||^2 + ||A||^2)``.

    Parameters
    ----------
    X : array or sparse matrix (n, d)
        For :class:`nogap.units.Convolution` signals, images or ready patches: see there.
    y : array (n,) or (n, C)
        Targets; labels -1 and 1 for the logistic, hinge and squared hinge losses; class indices or
        one-hot rows for the multinomial loss.
    beta : float
        Weight of the penalty, for *sums* over samples. From ``beta_max(X, y)`` on, the network is
        empty; a tenth to a thousandth of it is the usual range.
    loss : str or Loss
        "squared" (half the sum of squares), "logistic", "multinomial", "hinge", "squared_hinge",
        "huber", or an object with the contract of :class:`nogap.losses.Loss`.
    unit : str or Unit
        "relu", "gated" (fixed gates), "linear", "sign", "tanh", or an object of
        :mod:`nogap.units`. The penalty of sign and tanh units is ``beta * sum_j ||a_j||_2``, and
        tanh units have bounded hidden weights (:class:`nogap.units.Tanh`). With
        :class:`nogap.units.ThreeLayer` the network is a :class:`nogap.ParallelNetwork`.
    patterns : "adaptive", "all", int or bool array (P, n)
        How neurons are found: as they are needed; over all activation patterns (an exact
        program); over that many sampled patterns, or over the given ones (a sub-sampled program).
        Of :class:`nogap.units.ThreeLayer` a count samples patterns of both layers.
    oracle : str
        How a new neuron is found: "auto" is "exact" where that is cheap, else "search". The
        classifiers "logistic_regression", "linear_svm" and "perceptron" propose sign and tanh
        units; they are here to be compared with, and end early.
    tune : bool
        False leaves neurons where the oracle found them and re-fits their sizes only; sign units
        are always trained so.
    hidden_bias : bool
        Give hidden units a bias: a ones column, penalised with the rest of u_j.
    fit_intercept : bool
        Give each output an unpenalised constant.
    sample_weight : array (n,), optional
        Non-negative weights w_i.
    tol : float
        Stop when the relative gap (proved, or estimated for the kind "search") is at most this.
        Programs over a list of patterns are solved to 1e-7 at least.
    gap_tol : float, optional
        Stop, too, when the gap itself is at most this. What a network predicts seldom hangs on
        the last thousandth of an objective that is small; a share of a held-out loss is a measure.
    max_time : float, optional
        Seconds after which the best network so far is returned.
    max_neurons : int, optional
        Most neurons that may be active.
    prove : bool
        False leaves out the exact proof, where one would be cheap, and the widest search: enough
        where networks are only compared.
    random_state : int, Generator, RandomState or None
        Seeds the search; equal seeds give equal networks.
    warm_start : Network or Solution, optional
        Where to start (not of gated units, nor in programs over a list of patterns).
    callbacks : iterable of callables, optional
        Each gets every :class:`nogap.solution.Record`; returning True stops the run.

    Returns
    -------
    Solution
        ``network``, ``objective``, ``certificate``, ``status``, ``history``, ``n_iter``.

    Raises
    ------
    ValueError
        Data, targets or parameters that do not fit, in one sentence.

    Notes
    -----
    The convex program is that of Pilanci and Ergen (ICML 2020, Theorem 1).  Adaptive training
    generates its columns as they are needed, as Bengio et al. (NIPS 2005) did for sign units.
    Ctrl-C returns the best network so far.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.column_stack([[-2.0, -1.0, 0.0, 1.0, 2.0], np.ones(5)])
    >>> solution = train(X, [1.0, -1.0, 1.0, 1.0, -1.0], beta=0.1, random_state=0)
    >>> solution.certificate.kind, solution.certificate.relative_gap <= 1e-3
    ('exact', True)
    """
    resolved, rng = get_unit(unit).for_data(X, hidden_bias), generator(random_state)
    problem = formulate(
        X,
        y,
        beta=beta,
        loss=loss,
        hidden_bias=hidden_bias,
        fit_intercept=fit_intercept,
        sample_weight=sample_weight,
        unit=resolved,
    )
    limits = Limits(
        tol=check_positive(tol, "tol"),
        gap_tol=check_optional_positive(gap_tol, "gap_tol") or 0.0,
        max_time=check_optional_positive(max_time, "max_time"),
        max_neurons=check_optional_count(max_neurons, "max_neurons"),
        prove=prove,
    )
    listeners = check_callbacks(callbacks)
    plan = choose_plan(problem, resolved, patterns, limits, rng, check_oracle(oracle))
    plan = plan if tune else plan.without_tuning()
    start = _start(problem, warm_start, hidden_bias, plan)
    run = plan.run_on(problem, listeners)
    with blas_threads(problem.rows.n * problem.rows.d):
        outcome = run.run(start)
        certificate, status = _claims(problem, plan, outcome, rng)
    network = to_network(problem, plan.unit, outcome.neurons, hidden_bias)
    if network.n_neurons > problem.rows.n * problem.n_outputs:
        network = network.prune(X)
    value = problem.loss_value(network.decision(X)) + problem.beta * network.penalty()
    spoilt = value > certificate.objective + ROUNDING * abs(certificate.objective)
    certificate = about(certificate, value)
    if spoilt and status.converged and not limits.met_by(certificate):
        status = Status.STALLED  # what the run said was not said of this network
    return Solution(
        network=network,
        objective=value,
        certificate=certificate,
        status=status,
        history=outcome.history,
        n_iter=len(outcome.history),
    )


def _start(
    problem: Problem, warm_start: Network | Solution | None, hidden_bias: bool, plan: Plan
) -> Neurons:
    if warm_start is None:
        return Neurons.none(problem, plan.unit)
    network: Any = warm_start.network if isinstance(warm_start, Solution) else warm_start
    if not isinstance(network, Network | ParallelNetwork):
        raise ValueError(
            f"warm_start must be a Network or a Solution, got {type(network).__name__}"
        )
    if not plan.accepts_start:
        raise ValueError("warm_start serves adaptive training only; leave it out here")
    start = from_network(problem, network, hidden_bias, plan.unit)
    if not problem.fit_intercept:
        start = replace(start, intercept=np.zeros_like(start.intercept))
    return start


def _claims(
    problem: Problem,
    plan: Plan,
    outcome: Outcome,
    rng: np.random.Generator,
) -> tuple[Certificate, Status]:
    """What may be said of the network where the oracles of the run do not know every neuron.

    A sub-sampled program proves nothing about it, and a classifier that proposes nothing more is
    no estimate either: then an oracle that does know them judges the last dual point.
    """
    if not (plan.sub_sampled or plan.heuristic):
        return outcome.certificate, outcome.status
    status = outcome.status
    V = problem.feasible_direction(outcome.certificate.dual.reshape(problem.Y.shape))
    value, starts = outcome.certificate.objective, outcome.neurons.directions
    certificate = certify_dual(problem, value, V, "auto", rng, starts, plan.unit)
    if plan.sub_sampled and status.converged:
        status = Status.PROGRAM_OPTIMAL
    if plan.heuristic and status.converged:
        reached = Status.OPTIMAL if certificate.proved else Status.SEARCH_OPTIMAL
        status = reached if certificate.relative_gap <= plan.limits.tol else Status.STALLED
    return certificate, status
