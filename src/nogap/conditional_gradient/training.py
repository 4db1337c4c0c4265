"""What users call: check, choose the parts, run the loop, and say what may be said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
from nogap.certificate import about
from nogap.closed_form.conditions import whitened_rows
from nogap.conditional_gradient.batches import BatchSize, batches
from nogap.conditional_gradient.loop import FrankWolfe, Limits
from nogap.conditional_gradient.steps import STEPS, Ball, Step
from nogap.formulation import formulate, to_network
from nogap.losses import Loss
from nogap.oracles import SearchOracle
from nogap.oracles.base import Oracle
from nogap.oracles.branch_and_bound import BranchAndBound
from nogap.oracles.linearised import LinearisedOracle
from nogap.oracles.unit_choice import exact_is_cheap_for, exact_oracle_of
from nogap.oracles.whitened import WhitenedOracle
from nogap.problem import Problem
from nogap.rows import Rows
from nogap.solution import Solution
from nogap.solvers.adaptive import Callback
from nogap.units import ReLU

ORACLES = ("auto", "exact", "bound", "whitened", "socp", "search")
SEEDS = (30, 200)  # random starts of the search, and of the one that confirms a closed gap
PRECISION = 1e-3  # of what proves the gap, as a share of the tolerance
LEAST_PRECISION = 1e-7
BOUND_STEPS = 50  # of branch and bound, of about a hundred subproblems each
LINEARISED = (
    "an estimate, not a proof; the dual correlation is that of the second-order cone oracle, "
    "which is a lower bound of the largest"
)


def frank_wolfe(
    X: Any,
    y: ArrayLike,
    *,
    delta: float,
    variant: str = "standard",
    oracle: str = "auto",
    batch_size: BatchSize = None,
    max_iter: int = 1000,
    tol: float = 1e-3,
    max_time: float | None = None,
    loss: str | Loss = "squared",
    hidden_bias: bool = False,
    random_state: RandomState = None,
    callbacks: Iterable[Callback] | None = None,
) -> Solution:
    """Train a two-layer ReLU network of bounded penalty by the Frank-Wolfe method.

    Minimises ``sum_i l(f(x_i), y_i)`` over networks ``f(x) = sum_j relu(x' u_j) a_j`` of any width
    with ``sum_j ||u_j||_2 ||a_j||_2 <= delta``.  An iterate asks the oracle for the neuron that the
    loss pulls hardest at, and moves towards it; the same question gives the gap.

    Parameters
    ----------
    X : array or sparse matrix (n, d)
        Rows in memory, in a memory map or a :class:`nogap.rows.Parquet` file.
    y : array (n,) or (n, C)
        Targets, as in :func:`nogap.train`.
    delta : float
        Largest penalty of the network.
    variant : {"standard", "line_search", "away", "pairwise", "fully_corrective"}
        The step: 2 / (t + 1), under which the loss may rise; the best on the way to the new neuron;
        away from the worst neuron where that descends faster; from the worst neuron to the new one
        (for both, what is left of delta is a neuron of no output); or all sizes anew, which takes
        tens of iterates where the others take hundreds to thousands, and is the one to use where
        the optimum is wanted.
    oracle : {"auto", "exact", "bound", "whitened", "socp", "search"}
        How a neuron is found. "exact" settles all activation patterns; "bound" is branch and bound
        with a budget, whose gap is proved in any dimension (one output); "whitened" is the closed
        form for orthogonal rows of equal length (one output); "socp" linearises the rows that
        pull (Pilanci and Ergen 2020; one output), which finds less than the largest correlation,
        so that its gap is an estimate; "search" is the library's search. "auto" takes "exact"
        where that is cheap, else "search".
    batch_size : None, int, "schedule" or callable
        Stochastic Frank-Wolfe (step "standard" only): the rows of an iterate, drawn without
        repetition; "schedule" for ``m_t = ceil((G (t + 1) / (L D))^2)`` of them with L the
        smoothness of the loss, G the root mean square of the gradients of single rows at the
        empty network, and D = 2 R delta the diameter of the ball; or a function of t. From n rows
        on the iterate is that of the deterministic method, bit for bit. The last iterate is
        certified on all rows.
    max_iter : int
        Most iterates, the empty network counted as the first.
    tol : float
        Stop when the gap is at most this share of the loss.
    max_time : float, optional
        Seconds after which the best network so far is returned.
    loss : str or Loss
        Any loss of :func:`nogap.train` with a gradient; "squared" is *half* the sum of squares, so
        that objectives and gaps are half of those for the full one, at the same iterates.
    hidden_bias : bool
        Give hidden units a bias: a ones column, penalised with the rest of u_j.
    random_state : int, Generator, RandomState or None
        Seeds search and batches; equal seeds give equal networks.
    callbacks : iterable of callables, optional
        Each gets every iterate's record; returning True stops the run.

    Returns
    -------
    Solution
        Its network has the lowest loss of all iterates on all rows; ``history`` has a record for
        each with ``gap``, ``lower_bound = objective - gap`` and ``batch_size``. The certificate
        speaks of networks of penalty at most delta (``certificate.delta``), and its bound is the
        best of all iterates.

    Raises
    ------
    ValueError
        A loss without gradient, rows that are not whitened for that oracle (by how much), too
        many patterns for the exact one, batches for another step than "standard", other
        parameters that do not fit.

    See Also
    --------
    nogap.frank_wolfe_bound : the guaranteed rate.

    Notes
    -----
    The penalised problem and this one have the same solutions: a solution of
    ``train(X, y, beta=beta)`` solves this problem for ``delta = solution.network.penalty()``, and
    the other way round ``beta = solution.certificate.beta``, the dual correlation.

    Bengio et al. (NIPS 2005) and Bach (JMLR 2017) for networks; Jaggi (ICML 2013) for the gap and
    the rate; Hazan and Luo (ICML 2016) for the schedule of batches.  Ctrl-C returns the best
    network so far.

    Examples
    --------
    >>> import numpy as np, nogap
    >>> X = np.column_stack([[-2.0, -1.0, 0.0, 1.0, 2.0], np.ones(5)])
    >>> y = [1.0, -1.0, 1.0, 1.0, -1.0]
    >>> solution = frank_wolfe(X, y, delta=3.0, variant="fully_corrective", tol=1e-7)
    >>> solution.certificate.kind, solution.certificate.relative_gap <= 1e-7
    ('exact', True)

    From delta to beta and back:

    >>> beta = solution.certificate.beta
    >>> penalised = nogap.train(X, y, beta=beta, tol=1e-9, random_state=0)
    >>> round(penalised.network.penalty(), 4)
    3.0
    """
    rng = generator(random_state)
    problem = formulate(X, y, beta=1.0, loss=loss, hidden_bias=hidden_bias)
    if not problem.loss.smooth:
        raise ValueError(
            f"Frank-Wolfe follows the gradient, which the {problem.loss.name} loss has not "
            "everywhere; use 'squared_hinge', 'logistic' or nogap.train"
        )
    limits = Limits(
        tol=check_positive(tol, "tol"),
        max_iter=check_optional_count(max_iter, "max_iter") or 1000,
        max_time=check_optional_positive(max_time, "max_time"),
    )
    listeners = check_callbacks(callbacks)
    ball = Ball(problem, ReLU(), check_positive(delta, "delta"))
    step = _step(ball, variant, batch_size)
    with blas_threads(problem.rows.n * problem.rows.d):
        drawn = batches(problem, ball.delta, batch_size, rng)
        oracles = _oracles(problem, oracle, limits.tol, rng)
        proof = LINEARISED if oracle == "socp" else ""
        outcome = FrankWolfe(ball, step, oracles, drawn, limits, listeners, proof).run()
    network = to_network(problem, ball.unit, outcome.neurons, hidden_bias)
    if network.n_neurons > problem.rows.n * problem.n_outputs:
        network = network.prune(X)
    value = problem.loss_value(network.decision(X))
    return Solution(
        network=network,
        objective=value,
        certificate=about(outcome.certificate, value),
        status=outcome.status,
        history=outcome.history,
        n_iter=len(outcome.history),
    )


def _step(ball: Ball, variant: Any, batch_size: BatchSize) -> Step:
    if not isinstance(variant, str) or variant not in STEPS:
        raise ValueError(f"variant must be one of {', '.join(STEPS)}, got {variant!r}")
    step = STEPS[variant](ball)
    if batch_size is not None and step.needs_all_rows:
        raise ValueError(
            f"batches go with variant='standard', whose step needs no loss; {variant!r} would fit "
            "the batch: leave batch_size out"
        )
    return step


def _oracles(
    problem: Problem, oracle: Any, tol: float, rng: np.random.Generator
) -> Callable[[Rows], Sequence[Oracle]]:
    """The oracles of some of the problem's rows, cheapest first."""
    if not isinstance(oracle, str) or oracle not in ORACLES:
        raise ValueError(f"oracle must be one of {', '.join(ORACLES)}, got {oracle!r}")
    C, unit = problem.n_outputs, ReLU()
    if oracle in ("bound", "whitened", "socp") and C > 1:
        raise ValueError(f"oracle={oracle!r} serves one output, y has {C}; use 'exact' or 'search'")
    if oracle == "whitened":
        whitened_rows(problem.rows.take(np.arange(problem.rows.n)))
        return lambda rows: [WhitenedOracle(rows)]
    if oracle == "socp":
        return lambda rows: [LinearisedOracle(rows)]

    precision = min(PRECISION * tol, LEAST_PRECISION)
    if oracle == "bound":
        return lambda rows: [BranchAndBound(rows, precision, BOUND_STEPS)]

    def exact(rows: Rows) -> Sequence[Oracle]:
        return [exact_oracle_of(rows, unit, C, precision)]

    def search(rows: Rows) -> Sequence[Oracle]:
        return [SearchOracle(rows, rng, seeds, unit=unit) for seeds in SEEDS]

    def cheapest(rows: Rows) -> Sequence[Oracle]:
        return exact(rows) if exact_is_cheap_for(rows, unit, C) else search(rows)

    return {"exact": exact, "search": search, "auto": cheapest}[oracle]
