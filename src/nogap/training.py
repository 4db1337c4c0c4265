"""Training: choose the parts (unit, oracles, master) and run the loop."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from nogap import certification
from nogap._threads import blas_threads
from nogap._typing import ArrayLike, BoolArray, RandomState
from nogap._validation import check_optional_count, check_optional_positive, generator
from nogap.certificate import Certificate
from nogap.formulation import formulate, from_network, to_network
from nogap.losses import Loss
from nogap.network import Network
from nogap.oracles import ExactOracle, SearchOracle
from nogap.oracles.base import Oracle
from nogap.oracles.patterns import GatedOracle, PatternOracle
from nogap.patterns import enumerate_patterns, find_gates, sample_patterns
from nogap.problem import Problem
from nogap.solution import Solution, Status
from nogap.solvers.adaptive import Callback, ColumnGeneration, Limits, Outcome
from nogap.solvers.cone_program import ConeMaster
from nogap.solvers.explore import Explorer
from nogap.solvers.masters import FreeMaster, Master
from nogap.solvers.neurons import Neurons
from nogap.units import GatedReLU, Linear, Unit, get_unit

EXACT_TOLERANCE = 1e-8  # programs over a list of patterns are solved to this, whatever tol says
PROVED_TOLERANCE = 1e-4  # where all patterns are cheap to list, adaptive training goes this far
SEEDS = (50, 200, 1000)  # random starts of the search oracle, level by level
DEFAULT_GATES = 200


def train(
    X: Any,
    y: ArrayLike,
    *,
    beta: float,
    loss: str | Loss = "squared",
    unit: str | Unit = "relu",
    patterns: str | int | ArrayLike = "adaptive",
    hidden_bias: bool = False,
    fit_intercept: bool = False,
    sample_weight: ArrayLike | None = None,
    tol: float = 1e-3,
    max_time: float | None = None,
    max_neurons: int | None = None,
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
        "relu", "gated" (fixed gates), "linear", or an object of :mod:`nogap.units`.
    patterns : "adaptive", "all", int or bool array (P, n)
        How neurons are found: as they are needed; over all activation patterns (an exact
        program); over that many sampled patterns, or over the given ones (a sub-sampled program).
    hidden_bias : bool
        Give hidden units a bias: a ones column, penalised with the rest of u_j.
    fit_intercept : bool
        Give each output an unpenalised constant.
    sample_weight : array (n,), optional
        Non-negative weights w_i.
    tol : float
        Stop when the relative gap (proved, or estimated for the kind "search") is at most this.
        Programs over a list of patterns are solved to 1e-8 at least.
    max_time : float, optional
        Seconds after which the best network so far is returned.
    max_neurons : int, optional
        Most neurons that may be active.
    random_state : int, Generator, RandomState or None
        Seeds the search; equal seeds give equal networks.
    warm_start : Network or Solution, optional
        Where to start (adaptive training of ReLU and linear units).
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
    generates its columns as they are needed.  Ctrl-C returns the best network so far.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.column_stack([[-2.0, -1.0, 0.0, 1.0, 2.0], np.ones(5)])
    >>> solution = train(X, [1.0, -1.0, 1.0, 1.0, -1.0], beta=0.1, random_state=0)
    >>> solution.certificate.kind, solution.certificate.relative_gap <= 1e-3
    ('exact', True)
    """
    problem = formulate(
        X,
        y,
        beta=beta,
        loss=loss,
        hidden_bias=hidden_bias,
        fit_intercept=fit_intercept,
        sample_weight=sample_weight,
    )
    limits = Limits(
        tol=_tolerance(tol),
        max_time=check_optional_positive(max_time, "max_time"),
        max_neurons=check_optional_count(max_neurons, "max_neurons"),
    )
    resolved, rng = get_unit(unit), generator(random_state)
    listener = list(callbacks or ())
    if isinstance(resolved, GatedReLU | Linear):
        plan = _gated(problem, resolved, patterns, limits, rng)
    elif isinstance(patterns, str) and patterns == "adaptive":
        plan = _adaptive(problem, resolved, limits, rng)
    elif isinstance(patterns, str) and patterns == "all":
        plan = _all_patterns(problem, resolved, limits, rng)
    else:
        plan = _sub_sampled(problem, resolved, patterns, limits, rng)
    start = _start(problem, warm_start, hidden_bias, plan)
    run = ColumnGeneration(
        problem, plan.unit, plan.oracles, plan.master, plan.limits, listener, plan.explorer
    )  # fmt: skip
    with blas_threads(problem.rows.n * problem.rows.d):
        outcome = run.run(start)
        certificate, status = _claims(problem, plan, outcome, run, rng)
    network = to_network(problem, plan.unit, outcome.neurons, hidden_bias)
    if network.n_neurons > problem.rows.n * problem.n_outputs:
        network = network.prune(X)
    return Solution(
        network=network,
        objective=certificate.objective,
        certificate=certificate,
        status=status,
        history=outcome.history,
        n_iter=len(outcome.history),
    )


class _Plan:
    """The parts chosen for one run."""

    def __init__(
        self,
        unit: Unit,
        oracles: list[Oracle],
        master: Master,
        limits: Limits,
        *,
        sub_sampled: bool = False,
        accepts_start: bool = True,
        explorer: Explorer | None = None,
    ) -> None:
        self.unit, self.oracles, self.master, self.limits = unit, oracles, master, limits
        self.sub_sampled, self.accepts_start = sub_sampled, accepts_start
        self.explorer = explorer


def _tolerance(tol: Any) -> float:
    if isinstance(tol, bool) or not np.isscalar(tol) or not float(tol) > 0:  # type: ignore[arg-type]
        raise ValueError(f"tol must be a positive number, got {tol!r}")
    return float(tol)  # type: ignore[arg-type]


def _searches(problem: Problem, rng: np.random.Generator) -> list[Oracle]:
    return [SearchOracle(problem.rows, rng, n_seeds, problem.beta) for n_seeds in SEEDS]


def _adaptive(problem: Problem, unit: Unit, limits: Limits, rng: np.random.Generator) -> _Plan:
    oracles = _searches(problem, rng)
    if certification.exact_is_cheap(problem):
        limits = replace(limits, tol=min(limits.tol, PROVED_TOLERANCE))
        oracles = [oracles[0], ExactOracle(problem.rows, precision=1e-3 * limits.tol)]
    return _free(problem, unit, oracles, limits, rng)


def _free(
    problem: Problem,
    unit: Unit,
    oracles: list[Oracle],
    limits: Limits,
    rng: np.random.Generator,
) -> _Plan:
    master = FreeMaster(problem, unit)
    return _Plan(unit, oracles, master, limits, explorer=Explorer(problem, unit, master, rng))


def _all_patterns(problem: Problem, unit: Unit, limits: Limits, rng: np.random.Generator) -> _Plan:
    _refuse_several_outputs(problem, "all")
    limits = replace(limits, tol=min(limits.tol, EXACT_TOLERANCE))
    if not problem.loss.smooth:
        listed = enumerate_patterns(_dense(problem))
        oracle = PatternOracle(problem.rows, listed, kind="exact")
        return _Plan(unit, [oracle], ConeMaster(problem, listed), limits, accepts_start=False)
    oracles = [_searches(problem, rng)[0], ExactOracle(problem.rows)]
    return _free(problem, unit, oracles, limits, rng)


def _sub_sampled(
    problem: Problem,
    unit: Unit,
    patterns: str | int | ArrayLike,
    limits: Limits,
    rng: np.random.Generator,
) -> _Plan:
    _refuse_several_outputs(problem, patterns)
    listed = _listed_patterns(problem, patterns, rng)
    limits = replace(limits, tol=min(limits.tol, EXACT_TOLERANCE))
    return _Plan(
        unit,
        [PatternOracle(problem.rows, listed)],
        ConeMaster(problem, listed),
        limits,
        sub_sampled=True,
        accepts_start=False,
    )


def _gated(
    problem: Problem,
    unit: GatedReLU | Linear,
    patterns: str | int | ArrayLike,
    limits: Limits,
    rng: np.random.Generator,
) -> _Plan:
    limits = replace(limits, tol=min(limits.tol, EXACT_TOLERANCE))
    if isinstance(unit, Linear):
        listed = np.ones((1, problem.rows.n), dtype=bool)
        bound: Unit = unit
    else:
        gates, listed = _gates(problem, unit, patterns, rng)
        bound = unit.bind(gates, listed)
    oracle = GatedOracle(problem.rows, listed)
    master: Master = FreeMaster(problem, bound)
    if not problem.loss.smooth and problem.n_outputs == 1:
        master = ConeMaster(problem, listed, bound)
    return _Plan(bound, [oracle], master, limits, accepts_start=isinstance(unit, Linear))


def _gates(
    problem: Problem,
    unit: GatedReLU,
    patterns: str | int | ArrayLike,
    rng: np.random.Generator,
) -> tuple[Any, BoolArray]:
    X = _dense(problem)
    if unit.gates is not None:
        gates = unit.gates
        if gates.shape[1] == X.shape[1] - 1 and getattr(problem.rows, "hidden_bias", False):
            gates = np.column_stack([gates, np.zeros(gates.shape[0])])
        if gates.shape[1] != X.shape[1]:
            raise ValueError(f"gates have {gates.shape[1]} columns, X has {X.shape[1]}")
        return gates, X @ gates.T >= 0
    if isinstance(patterns, str) and patterns == "adaptive":
        patterns = DEFAULT_GATES
    if isinstance(patterns, int | np.integer) and not isinstance(patterns, bool):
        listed, gates = sample_patterns(X, _count(patterns), rng, return_gates=True)
        return gates, listed
    listed = _listed_patterns(problem, patterns, rng)
    return find_gates(X, listed), listed


def _listed_patterns(
    problem: Problem, patterns: str | int | ArrayLike, rng: np.random.Generator
) -> BoolArray:
    """The list of patterns that ``patterns`` asks for, bool (P, n)."""
    X = _dense(problem)
    if isinstance(patterns, str):
        if patterns == "all":
            return enumerate_patterns(X)
        raise ValueError(
            f"patterns must be 'adaptive', 'all', a count or a bool array (P, n), got {patterns!r}"
        )
    if isinstance(patterns, int | np.integer) and not isinstance(patterns, bool):
        return sample_patterns(X, _count(patterns), rng)
    listed = np.asarray(patterns)
    if listed.dtype != np.bool_ or listed.ndim != 2 or listed.shape[1] != X.shape[0]:
        raise ValueError(
            f"an array of patterns must be bool with shape (P, {X.shape[0]}), "
            f"got {listed.dtype} {listed.shape}"
        )
    return np.unique(listed, axis=0)


def _count(patterns: Any) -> int:
    count = int(patterns)
    if count < 1:
        raise ValueError(f"the number of sampled patterns must be at least 1, got {count}")
    return count


def _dense(problem: Problem) -> Any:
    return problem.rows.take(np.arange(problem.rows.n))


def _refuse_several_outputs(problem: Problem, patterns: object) -> None:
    if problem.n_outputs > 1:
        raise ValueError(
            f"ReLU programs over a list of patterns serve one output, y has {problem.n_outputs}; "
            "use patterns='adaptive', or unit='gated'"
        )


def _start(
    problem: Problem, warm_start: Network | Solution | None, hidden_bias: bool, plan: _Plan
) -> Neurons:
    if warm_start is None:
        return Neurons.none(problem)
    network = warm_start.network if isinstance(warm_start, Solution) else warm_start
    if not isinstance(network, Network):
        raise ValueError(
            f"warm_start must be a Network or a Solution, got {type(network).__name__}"
        )
    if not plan.accepts_start:
        raise ValueError("warm_start serves adaptive training only; leave it out here")
    return from_network(problem, network, hidden_bias)


def _claims(
    problem: Problem,
    plan: _Plan,
    outcome: Outcome,
    run: ColumnGeneration,
    rng: np.random.Generator,
) -> tuple[Certificate, Status]:
    """What may be said of the network: a sub-sampled program proves nothing about it."""
    if not plan.sub_sampled:
        return outcome.certificate, outcome.status
    status = outcome.status
    if status.converged:
        status = Status.PROGRAM_OPTIMAL
    V = problem.feasible_direction(run.V)
    certificate = certification.certify_dual(
        problem, outcome.certificate.objective, V, "auto", rng, outcome.neurons.directions
    )
    return certificate, status
