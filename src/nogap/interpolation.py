"""Minimum-norm interpolation: the limit of training as beta goes to zero.

    R = min sum_j ||u_j|| |a_j|   subject to   sum_j relu(X u_j) a_j = y
      = max v'y                   subject to   q(v) <= 1,

and the same for labels with margins, ``y_i f(x_i) >= 1`` and ``y_i v_i >= 0``: a semi-infinite
linear program, solved by cutting planes, which is the loop of adaptive training: a master over the
neurons found so far, whose multipliers v an oracle prices.  The master is a linear program, and
then a conic one over the cells of the neurons that the first one uses.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np
from scipy.optimize import linprog

from nogap._interrupt import InterruptRequest
from nogap._typing import Array, ArrayLike, RandomState
from nogap._validation import check_optional_positive, generator
from nogap.certificate import Correlation
from nogap.closed_form.results import interpolation_certificate, without_intercept
from nogap.contradictions import asks_for_margins, refuse_contradictions
from nogap.formulation import formulate, to_network
from nogap.losses import Loss
from nogap.oracles import SearchOracle
from nogap.oracles.base import Candidates, Oracle
from nogap.oracles.choice import exact_is_cheap, exact_oracle
from nogap.pattern_choice import dense_rows
from nogap.problem import EPS, Problem
from nogap.solution import Record, Solution, Status
from nogap.solvers.cell_interpolation import least_norm_in_cells
from nogap.units import ReLU

TOLERANCE = 3e-7  # excess of the dual correlation over 1 that asks for another round
PRECISION = 1e-8  # of the exact oracle, which has the last word
ACCEPTED = 1e-6  # relative gap at which the result counts as optimal
FITS = 1e-8  # largest error of the result, relative to the largest target
MOST_ROUNDS = 500
SEEDS = 40  # of the search, in every round
MANY_SEEDS = 400  # of the search that has the last word where no exact oracle has
CANDIDATES = 12
TINY = 60  # entries of X up to which the exact oracle is quicker than a search
FIRST_PRICE = 100.0  # of a missed target, in units of what one neuron for it would cost
WITHIN_CELLS = 1.0  # relative gap from which the neurons' cells are solved as well
NEAR = 3e-3  # below a correlation of 1, where a neuron's cell is taken in
GHOST = 1e-9  # share of the largest neuron below which one is rounding
MOST_IN_CELLS = 500_000  # figures of the cells' cones
MISSED = 1e-9  # share of the largest target below which nothing is missed
TIGHT = 1e-7  # excess of a margin over 1 that counts as none


def interpolate(
    X: Any,
    y: ArrayLike,
    *,
    loss: str | Loss = "squared",
    hidden_bias: bool = False,
    max_time: float | None = None,
    random_state: RandomState = 0,
) -> Solution:
    """The two-layer ReLU network of least norm among all that fit the data exactly.

    Minimises ``sum_j ||u_j||_2 |a_j|`` subject to ``f(x_i) = y_i`` for every sample, or to
    ``y_i f(x_i) >= 1`` with the hinge loss: what training tends to as beta goes to zero.

    Parameters
    ----------
    X : array (n, d)
    y : array (n,)
        One output.
    loss : {"squared", "huber", "hinge", "squared_hinge"}
        The losses without error at the targets themselves, or at labels -1 and 1 with margins of at
        least 1: then the network of the largest margin for its norm.
    hidden_bias : bool
        Give hidden units a bias: a ones column, penalised with the rest of u_j.
    max_time : float, optional
        Seconds after which the best network so far is returned; it may miss some targets.
    random_state : int, Generator, RandomState or None
        Seeds the search.

    Returns
    -------
    Solution
        ``objective`` is the norm; ``certificate.dual`` the v of the dual, whose ``v'y`` is the
        lower bound.

    Raises
    ------
    ValueError
        Targets that no network fits: the rows that contradict each other. The logistic loss, which
        has no minimum to interpolate at.

    See Also
    --------
    nogap.closed_form.one_dimensional : free biases and one input, by a formula.

    Notes
    -----
    ``p*(beta) = beta R - beta^2 / 2 ||v||^2 + o(beta^2)`` for the squared loss. Ergen and Pilanci,
    "Convex geometry and duality of over-parameterized neural networks" (JMLR 2021).

    Examples
    --------
    >>> solution = interpolate([[-1.0], [1.0], [2.0]], [2.0, 1.0, 2.0])
    >>> float(round(solution.objective, 6)), solution.certificate.kind
    (3.0, 'exact')
    >>> classifier = interpolate([[-1.0], [1.0], [2.0]], [-1.0, 1.0, 1.0], loss="hinge")
    >>> float(round(classifier.objective, 6)), classifier.network.n_neurons
    (2.0, 2)
    """
    problem = formulate(X, y, beta=1.0, loss=loss, hidden_bias=hidden_bias)
    margins = asks_for_margins(problem.loss)
    if problem.n_outputs != 1:
        raise ValueError(f"interpolate serves one output, y has {problem.n_outputs}")
    limit = check_optional_positive(max_time, "max_time")
    rows = dense_rows(problem)
    refuse_contradictions(rows, problem.Y[:, 0], hidden_bias, margins=margins)
    return _Loop(problem, rows, hidden_bias, generator(random_state)).run(limit)


class _Loop:
    """Neurons in until none anywhere has a correlation above one."""

    def __init__(
        self, problem: Problem, rows: Array, hidden_bias: bool, rng: np.random.Generator
    ) -> None:
        self.problem, self.rows, self.hidden_bias = problem, rows, hidden_bias
        self.y, self.margins = problem.Y[:, 0], problem.loss.classifies
        self.search = SearchOracle(problem.rows, rng, SEEDS, threshold=1.0)
        self.exact = (
            exact_oracle(problem.rows, PRECISION) if exact_is_cheap(problem.rows, 1) else None
        )
        wide = SearchOracle(problem.rows, rng, MANY_SEEDS, threshold=1.0)
        self.last_word: Oracle = wide if self.exact is None else self.exact
        lengths = np.linalg.norm(rows, axis=1)
        self.price = FIRST_PRICE / np.where(lengths > 0, lengths, 1.0)
        units = rows[lengths > 0] / lengths[lengths > 0, None]
        random = rng.standard_normal((2 * rows.shape[0], rows.shape[1]))
        random /= np.linalg.norm(random, axis=1, keepdims=True)
        self.directions = np.concatenate([units, -units, random])
        self.asked: set[int] = set()  # known directions that the multipliers violate all the same
        self.history: list[Record] = []
        self.gap = np.inf  # relative, of the last round

    def run(self, max_time: float | None) -> Solution:
        began = perf_counter()
        status = Status.ITERATION_LIMIT
        with InterruptRequest() as interrupt:
            for _ in range(MOST_ROUNDS):
                weights, V, missed = self._master()
                if not missed and self.gap <= WITHIN_CELLS:
                    weights, V = self._within_cells(weights, V)
                found, correlation = self._priced(weights, V)
                self._record(began, weights, V, correlation)
                if correlation.value > 1 + TOLERANCE and self._add(found.directions):
                    pass
                elif missed:  # every neuron is there, and missing a target is still too cheap
                    self.price = FIRST_PRICE * self.price
                else:
                    status = Status.SEARCH_OPTIMAL if self.exact is None else Status.OPTIMAL
                    break
                if interrupt.pending or (max_time and perf_counter() - began > max_time):
                    status = Status.INTERRUPTED if interrupt.pending else Status.TIME_LIMIT
                    break
            if not status.converged and self.exact is not None:
                correlation = self.exact.price(V, 1)[1]
            weights = self._master()[0]  # of few neurons, where an interior point has many
        return self._solution(weights, V, correlation, status)

    def _master(self) -> tuple[Array, Array, bool]:
        """Signed sizes of the neurons, the multipliers V (n, 1), and whether targets miss.

        ``min sum |t_j| + price' |r|`` subject to ``sum_j t_j relu(X u_j) + r = y``; of margins
        ``y_i (sum_j t_j relu(x_i' u_j) + r_i) >= 1``.
        """
        features = np.maximum(self.rows @ self.directions.T, 0.0)
        n, m = features.shape
        size, length = float(np.abs(self.y).max()) or 1.0, float(features.max())
        A = np.concatenate([features / length, -features / length, np.eye(n), -np.eye(n)], axis=1)
        cost = np.concatenate([np.ones(2 * m), np.tile(self.price * length, 2)])
        if self.margins:
            facing = -self.y[:, None] * A
            solved: Any = linprog(cost, A_ub=facing, b_ub=-np.ones(n), method="highs-ds")
        else:
            solved = linprog(cost, A_eq=A, b_eq=self.y / size, method="highs-ds")
        if solved.status != 0:
            raise RuntimeError(f"the linear program was not solved: {solved.message}")
        slack = size * float(np.abs(solved.x[2 * m : 2 * m + n] - solved.x[2 * m + n :]).max())
        weights = (solved.x[:m] - solved.x[m : 2 * m]) * size / length
        if self.margins:
            V = self.y * np.maximum(-np.asarray(solved.ineqlin.marginals), 0.0) / length
        else:
            V = np.asarray(solved.eqlin.marginals) / length
        return weights, V[:, None], slack > MISSED * size

    def _within_cells(self, weights: Array, V: Array) -> tuple[Array, Array]:
        """The least norm in the cells of the neurons that are used, or nearly.

        Cutting planes alone come to the end of a curved constraint only slowly.
        """
        values = V[:, 0] @ np.maximum(self.rows @ self.directions.T, 0.0)
        taken = (weights != 0) | (np.abs(values) >= 1 - NEAR)
        taken[list(self.asked)] = True
        near = np.flatnonzero(taken)
        signs = np.where(weights[near] != 0, np.sign(weights[near]), np.sign(values[near]))
        patterns = self.directions[near] @ self.rows.T > 0
        keys = np.column_stack([patterns, signs > 0])
        _, first = np.unique(keys, axis=0, return_index=True)
        if first.size * self.rows.size > MOST_IN_CELLS:
            return weights, V
        solved = least_norm_in_cells(
            self.rows, self.y, patterns[first], signs[first], margins=self.margins
        )
        if solved is None:
            return weights, V
        blocks, v = solved
        sizes = np.linalg.norm(blocks, axis=1)
        used = sizes > GHOST * sizes.max()
        self.directions = np.concatenate([self.directions, blocks[used] / sizes[used, None]])
        inside = np.concatenate([np.zeros(weights.size), sizes[used] * signs[first][used]])
        return inside, v[:, None]

    def _priced(self, weights: Array, V: Array) -> tuple[Candidates, Correlation]:
        """By the search, and by the exact oracle, or a wider search, once that finds nothing."""
        if self.exact is not None and self.rows.size <= TINY:
            return self.exact.price(V, CANDIDATES)
        found, correlation = self.search.price(V, CANDIDATES, self.directions[weights != 0])
        if correlation.value <= 1 + TOLERANCE:
            return self.last_word.price(V, CANDIDATES, self.directions[weights != 0])
        return found, correlation

    def _add(self, directions: Array) -> bool:
        """Take in the directions that are new, and cells of the others; whether there are any."""
        likeness = directions @ self.directions.T
        new = np.max(likeness, axis=1, initial=-1.0) < 1 - 4 * EPS
        before = len(self.asked)
        self.asked.update(likeness[~new].argmax(axis=1).tolist())
        self.directions = np.concatenate([self.directions, directions[new]])
        return bool(new.any()) or len(self.asked) > before

    def _record(self, began: float, weights: Array, V: Array, correlation: Correlation) -> None:
        bound = float(np.sum(V * self.problem.Y)) / max(correlation.value, 1.0)
        norm, count = float(np.abs(weights).sum()), int(np.count_nonzero(weights))
        time = perf_counter() - began
        self.gap = 1 - bound / norm if norm > 0 else 0.0
        self.history.append(Record(time, norm, bound, correlation.kind, count))

    def _solution(
        self, weights: Array, V: Array, correlation: Correlation, status: Status
    ) -> Solution:
        used = np.flatnonzero(weights)  # of the neurons before the last
        directions = self.directions[used]
        features = np.maximum(self.rows @ directions.T, 0.0)
        outputs = self._settled(features, weights[used])[:, None]
        neurons = without_intercept(self.problem, directions, outputs)
        network = to_network(self.problem, ReLU(), neurons, self.hidden_bias)
        X = self.rows[:, :-1] if self.hidden_bias else self.rows
        network = network.prune(X)  # cutting planes leave neurons of one cell side by side
        missed = self._missed(network.predict(X))
        certificate = interpolation_certificate(self.problem, network.penalty(), V, correlation)
        fits = missed <= FITS * float(np.abs(self.y).max())
        if status.converged and not (fits and certificate.relative_gap <= ACCEPTED):
            status = Status.STALLED
        count = len(self.history)
        return Solution(network, certificate.objective, certificate, status, self.history, count)

    def _missed(self, f: Array) -> float:
        """By how much outputs f (n,) miss the targets, or the margins, at most."""
        short = 1.0 - self.y * f if self.margins else np.abs(f - self.y)
        return float(np.max(short, initial=0.0))

    def _settled(self, features: Array, weights: Array) -> Array:
        """The weights with the last digits of what they fit, unless that turns a sign."""
        f = features @ weights
        tight = self.y * f <= 1 + TIGHT if self.margins else np.ones(f.size, dtype=bool)
        step = np.linalg.lstsq(features[tight], (self.y - f)[tight], rcond=1e-13)[0]
        settled: Array = weights + step
        if np.any(settled * weights <= 0):
            settled = weights
        if self.margins:  # rounding may have left a margin short of 1
            shortest = float(np.min(self.y * (features @ settled)))
            settled = settled / shortest if shortest > 0 else settled
        return settled
