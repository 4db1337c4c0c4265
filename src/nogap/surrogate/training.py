"""What users call: checks, descent, and what may be said of the network."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from nogap._threads import blas_threads
from nogap._typing import Array, ArrayLike, RandomState
from nogap._validation import (
    check_callbacks,
    check_optional_count,
    check_optional_positive,
    check_positive,
    generator,
    numbers,
)
from nogap.certificate import Certificate
from nogap.formulation import formulate
from nogap.networks.two_layer import Network
from nogap.problem import Problem
from nogap.rows import largest_singular_value
from nogap.solution import Record, Solution, Status
from nogap.solvers.adaptive import Callback, Clock, heard
from nogap.surrogate.conditions import is_unique, refuse_unbounded, row_rank
from nogap.surrogate.gradients import descent_data

PROOF = "proved; a sum of squares is not negative, and nothing more is claimed"
MANY_MINIMISERS = (
    "the surrogate has more than one minimiser: this neuron is one of them, and others have the "
    "same positive outputs on X but not elsewhere; more active rows than columns single one out"
)
MOST_ROWS = 5_000  # for which uniqueness and rank are looked at


def modified_gradient(
    X: Any,
    y: ArrayLike,
    n_neurons: int = 1,
    init: ArrayLike | None = None,
    *,
    max_iter: int = 10_000,
    tol: float = 1e-8,
    max_time: float | None = None,
    random_state: RandomState = None,
    callbacks: Iterable[Callback] | None = None,
) -> Solution:
    """Fit a few ReLU neurons with unit output weights by the modified gradient.

    Descends from ``f(x) = sum_j relu(x' u_j)`` on half the squared error, without a penalty, along
    the gradient in which dead rows pull too. For one neuron that is gradient descent on a convex
    surrogate. A heuristic beside :func:`nogap.train`, with two guarantees that plain gradient
    descent does not have: see Notes.

    Parameters
    ----------
    X : array or sparse matrix (n, d)
    y : array (n,)
        Non-negative targets; others are warned about, or refused.
    n_neurons : int
        m.
    init : array (m, d), optional
        Where to start; Gaussian weights of variance 1 / d by default.
    max_iter : int
    tol : float
        Stop when the residual is at most this share of y, or the modified gradient this share of
        what the residual could give.
    max_time : float, optional
        Seconds after which the best network so far is returned; Ctrl-C does the same.
    random_state : int, Generator, RandomState or None
        Seeds the start.
    callbacks : iterable of callables, optional
        Each gets every :class:`nogap.Record`; returning True stops the run.

    Returns
    -------
    Solution
        Its objective is half the squared error. Status ``INTERPOLATED`` where that vanishes, which
        is the global optimum; ``STATIONARY`` where the modified gradient does: for one neuron the
        minimum of the surrogate, which is no minimum of the error. The certificate says only that
        the error is not negative.

    Raises
    ------
    ValueError
        A surrogate without a minimum (negative targets: by how much it fails), several outputs,
        ``init`` of another shape.

    Warns
    -----
    UserWarning
        Negative targets; several neurons on linearly dependent rows, as n > d of them are, which
        have no guarantee; a surrogate with more than one minimiser.

    Notes
    -----
    One neuron, step 1 / sigma_max(X)^2: converges to a minimum of the surrogate ``f + y'relu(-Xu)``
    for every start. If ``y = relu(X u*)`` that minimum is 0 and a fit; the neuron is u* only where
    the minimiser is unique.

    Several neurons, step 1 / (m sigma_max(X)^2): if X has rank n, a vanishing modified gradient
    means a vanishing residual. That it vanishes is not guaranteed: the potential of which it is
    published to be the gradient is neither convex nor continuous for m >= 2.

    Ergen and Pilanci (Allerton 2019); the same step for one neuron is the GLM-tron of Kakade et al.
    (NIPS 2011).

    Examples
    --------
    >>> import numpy as np
    >>> g = np.random.default_rng(0)
    >>> X, neuron = g.standard_normal((40, 10)), g.standard_normal(10)
    >>> solution = modified_gradient(X, np.maximum(X @ neuron, 0.0), random_state=0)
    >>> str(solution.status), bool(np.allclose(solution.network.hidden_weights, neuron))
    ('interpolated', True)
    """
    rng = generator(random_state)
    problem = formulate(X, y, beta=1.0)
    m = check_optional_count(n_neurons, "n_neurons") or 1
    if problem.n_outputs > 1:
        raise ValueError(f"the modified gradient serves one output, y has {problem.n_outputs}")
    descent = _Descent(
        problem,
        _start(init, m, problem.rows.d, rng),
        max_iter=check_optional_count(max_iter, "max_iter") or 10_000,
        tol=check_positive(tol, "tol"),
        max_time=check_optional_positive(max_time, "max_time"),
        callbacks=check_callbacks(callbacks),
    )
    dense = problem.rows.take(np.arange(problem.rows.n)) if problem.rows.n <= MOST_ROWS else None
    remarks = _remarks_on_data(problem, dense, m)
    with blas_threads(problem.rows.n * problem.rows.d):
        status = descent.run()
    if m == 1 and status.converged and dense is not None:
        remarks += _remarks_on_minimiser(dense, problem.Y[:, 0], descent.best[:, 0])
    for remark in remarks:
        warnings.warn(remark, UserWarning, stacklevel=2)
    network = Network(descent.best.T, np.ones(m))
    value = problem.loss_value(network.decision(X))
    certificate = Certificate(
        objective=value,
        lower_bound=0.0,
        kind="bound",
        dual=np.zeros(problem.rows.n),
        dual_correlation=0.0,
        beta=0.0,
        proof=PROOF,
    )
    return Solution(network, value, certificate, status, descent.history, len(descent.history))


def _start(init: ArrayLike | None, m: int, d: int, rng: np.random.Generator) -> Array:
    """Hidden weights (d, m)."""
    if init is None:
        return rng.standard_normal((m, d)).T / np.sqrt(d)
    U = numbers(init, "init")
    if U.shape != (m, d) and not (m == 1 and U.shape == (d,)):
        raise ValueError(f"init must have shape ({m}, {d}), got {U.shape}")
    if not np.all(np.isfinite(U)):
        raise ValueError("init holds NaN or infinite values; start somewhere else")
    return U.reshape(m, d).T.copy()


def _remarks_on_data(problem: Problem, dense: Array | None, m: int) -> list[str]:
    """What speaks against a guarantee; a surrogate without a minimum is refused."""
    y, remarks = problem.Y[:, 0], []
    n, d = problem.rows.n, problem.rows.d
    if y.min() < 0:
        row = int(np.argmin(y))
        rows = problem.rows.take(np.arange(n)) if dense is None else dense
        refuse_unbounded(rows, y)
        remarks.append(
            f"y has negative entries, such as {y[row]:g} in row {row}, which neurons with output "
            "weight 1 cannot reach: the surrogate does not majorise the error, and its minimum "
            "says nothing about it"
        )
    if m > 1:
        rank = min(n, d) if dense is None else row_rank(dense)
        if rank < n:
            remarks.append(
                f"several neurons have a guarantee for linearly independent rows only, and X has "
                f"{n} rows of rank {rank}: a vanishing modified gradient need not mean a fit"
            )
    return remarks


def _remarks_on_minimiser(X: Array, y: Array, u: Array) -> list[str]:
    return [] if is_unique(X, y, u) else [MANY_MINIMISERS]


class _Descent:
    """Fixed steps along the modified gradient.

    Attributes
    ----------
    best : array (d, m)
        With one neuron the last, which has the lowest surrogate; with several that of the lowest
        error.
    """

    def __init__(
        self,
        problem: Problem,
        start: Array,
        *,
        max_iter: int,
        tol: float,
        max_time: float | None,
        callbacks: list[Callback],
    ) -> None:
        self.problem, self.U, self.best = problem, start, start
        self.max_iter, self.tol, self.callbacks = max_iter, tol, callbacks
        self.clock = Clock(max_time)
        self.history: list[Record] = []
        self.lowest = np.inf

    def run(self) -> Status:
        with self.clock.interrupt:
            try:
                return self._steps()
            except KeyboardInterrupt:
                return Status.INTERRUPTED

    def _steps(self) -> Status:
        rows, Y, m = self.problem.rows, self.problem.Y, self.U.shape[1]
        sigma = largest_singular_value(rows)
        length = 1.0 / (m * sigma**2) if sigma > 0 else 0.0
        fitted = self.tol * float(np.linalg.norm(Y))
        for _ in range(self.max_iter):
            residual, gradient = descent_data(rows, Y, self.U)
            size = float(np.linalg.norm(residual))
            if m == 1 or size < self.lowest:
                self.best, self.lowest = self.U, size
            if self._announce(0.5 * size**2, m):
                return Status.INTERRUPTED
            if size <= fitted:
                return Status.INTERPOLATED
            steepest = float(np.linalg.norm(gradient, axis=0).max())
            if steepest <= self.tol * sigma * size:
                return Status.STATIONARY
            if self.clock.late():
                return Status.INTERRUPTED if self.clock.interrupt.pending else Status.TIME_LIMIT
            self.U = self.U - length * gradient
        return Status.ITERATION_LIMIT

    def _announce(self, objective: float, m: int) -> bool:
        record = Record(self.clock.elapsed, objective, 0.0, "bound", m)
        self.history.append(record)
        return heard(self.callbacks, record)
