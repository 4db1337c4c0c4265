"""One-dimensional data with free hidden biases: a lasso on linear splines, solved knot by knot.

The dual of the spline program is ``max -L*(-v)`` subject to ``1'v = 0`` and
``|v' relu(x - t)| <= beta``, ``|v' relu(t - x)| <= beta`` for every kink t.  Both correlations are
piecewise linear in t with corners at the data, so one pass over the sorted data finds the largest:
a complete oracle in O(n).  The loop is that of adaptive training: solve on few knots, price all.
"""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np

from nogap._typing import Array, ArrayLike
from nogap._validation import as_float, check_matrix, numbers
from nogap.certificate import Certificate, Correlation, about, better, certificate_from_dual
from nogap.closed_form.results import interpolation_certificate, interpolation_status
from nogap.closed_form.splines import KnotProgram, Spline
from nogap.formulation import formulate
from nogap.losses import Loss
from nogap.networks.two_layer import Network
from nogap.problem import EPS, Problem
from nogap.solution import Record, Solution, Status
from nogap.solvers.features import Features
from nogap.solvers.neurons import Neurons
from nogap.solvers.refit import refit_sizes

TOLERANCE = 1e-9  # relative gap at which the loop stops
ACCEPTED = 1e-6  # relative gap at which the result counts as optimal
FIRST_KNOTS = 33
MOST_ROUNDS = 60
VIOLATION = 1e-10  # relative excess of a correlation that asks for a knot
SPREAD = 10
NEAR = 0.9  # share of beta at which a knot without a kink is kept
GHOST = 1e-8  # share of the largest kink below which a kink is rounding
LONG = np.longdouble  # sums of many figures keep their digits where the platform has more
REFIT_ENTRIES = 4_000_000  # largest matrix of unit features for the last refit


def one_dimensional(x: Any, y: ArrayLike, beta: float, loss: str | Loss = "squared") -> Solution:
    """Best two-layer ReLU network of one input whose hidden biases and intercept are free.

    Minimises ``sum_i l(f(x_i), y_i) + beta sum_j |w_j| |a_j|`` over networks
    ``f(x) = xi + sum_j a_j relu(w_j x + b_j)`` of any width: a linear spline with kinks at data
    points, fitted by a lasso with a free intercept. With ``beta=0`` the least penalty among all
    networks that interpolate: the line from point to point.

    Parameters
    ----------
    x : array (n,) or (n, 1)
        In any order; repeated points are welcome.
    y : array (n,)
        Targets as the loss takes them; one output.
    beta : float
        Zero, or the weight of the penalty for sums over samples.
    loss : str or Loss
        As in :func:`nogap.train`; nothing to choose with ``beta=0``.

    Returns
    -------
    Solution
        A :class:`~nogap.Network` with ``free_bias=True``, proved optimal (kind "exact"); one
        record of ``history`` a round of knots. With ``beta=0`` the objective is the norm itself.

    Raises
    ------
    ValueError
        More than one input or output, and data that do not fit; with ``beta=0``, rows of the same
        x and different targets.

    Notes
    -----
    Savarese, Evron, Soudry and Srebro (COLT 2019); Ergen and Pilanci (JMLR 2021), who leave the
    intercept out of the printed lasso: with free biases it is needed, because a far kink gives
    any constant for nothing. The least norm of an interpolation with slopes ``s_k`` is
    ``max(TV, (TV + |s_1 + s_(n-1)|) / 2)``, TV being ``sum |s_(k+1) - s_k|``.

    Examples
    --------
    >>> solution = one_dimensional([0.0, 1.0, 2.0], [1.0, 1.0, 3.0], beta=0.1)
    >>> solution.network.predict([[0.0], [1.0], [2.0]]).round(6)
    array([1. , 1.1, 2.9])
    >>> str(solution.status), solution.certificate.kind
    ('optimal', 'exact')
    """
    column = _one_column(x)
    if as_float(beta) == 0:
        return _minimum_norm(column, y)
    problem = formulate(
        column[:, None], y, beta=beta, loss=loss, hidden_bias=True, fit_intercept=True
    )
    if problem.n_outputs != 1:
        raise ValueError(
            f"one_dimensional serves one output, y has {problem.n_outputs}; use nogap.train"
        )
    lowest, highest = float(column.min()), float(column.max())
    middle, half = 0.5 * (lowest + highest), 0.5 * (highest - lowest)
    if half <= 4 * EPS * max(abs(lowest), abs(highest)):
        return _constant(problem)
    return _Loop(problem, column, middle, half).run()


class OneDimensionalOracle:
    """The dual correlation over every kink: one pass over the sorted data, exact.

    Parameters
    ----------
    column : array (n,)
        The inputs, which are scaled to ``x = (column - middle) / half`` in [-1, 1].
    middle, half : float
    """

    def __init__(self, column: Array, middle: float, half: float) -> None:
        self.x = (column - middle) / half
        self.points, self.index = np.unique(self.x, return_inverse=True)
        self.half = half
        self.offset = float(np.abs(column).max()) / half

    def curves(self, V: Array) -> tuple[Array, Array]:
        """``v' relu(x - t)`` and ``v' relu(t - x)`` at the distinct points t, for balanced V."""
        v = np.bincount(self.index, weights=V[:, 0], minlength=self.points.size).astype(LONG)
        beyond = np.cumsum(v[::-1])[::-1][1:]  # sums of v over the points right of each interval
        right = np.append(np.cumsum((beyond * np.diff(self.points))[::-1])[::-1], 0.0)
        both = self.half * right, self.half * (right - right[0])
        return both[0].astype(np.float64), both[1].astype(np.float64)

    def correlation(self, V: Array) -> Correlation:
        """The largest correlation, with an allowance for rounding and for what 1'v misses."""
        largest = max(float(np.abs(curve).max()) for curve in self.curves(V))
        total = float(np.abs(V).sum())
        summing = 8 * V.size * float(np.finfo(LONG).eps)  # of sums of sums of n figures
        scaling = 16 * EPS * (1 + self.offset)
        rounding = (summing + scaling) * total + 2 * abs(float(V.astype(LONG).sum()))
        return Correlation(largest + self.half * rounding, "exact")

    def violated(self, V: Array, beta: float, knots: Array, spread: int) -> Array:
        """Where a correlation exceeds beta the most, one point in each interval between knots.

        ``spread`` more points, evenly over such an interval, hold a dual in place that jumps.
        """
        excess = np.max(np.abs(self.curves(V)), axis=0)
        interval = np.searchsorted(knots, self.points, side="left")
        order = np.lexsort((excess, interval))
        last = np.append(np.flatnonzero(np.diff(interval[order])), order.size - 1)
        best = order[last]
        best = best[excess[best] > beta * (1 + VIOLATION)]
        if spread:
            inside = [np.flatnonzero(interval == interval[k]) for k in best]
            picked = [np.linspace(p[0], p[-1], spread).astype(np.intp) for p in inside]
            best = np.unique(np.concatenate([best, *picked]))
        return self.points[best]


class _Loop:
    """Column generation: knots in, knots out, until no kink anywhere would help."""

    def __init__(self, problem: Problem, column: Array, middle: float, half: float) -> None:
        self.problem, self.column, self.middle, self.half = problem, column, middle, half
        self.oracle = OneDimensionalOracle(column, middle, half)
        self.x = self.oracle.x
        # the same program in the scaled x, where a kink is `half` times as large
        self.scaled = replace(problem, beta=problem.beta / half)
        self.history: list[Record] = []

    def run(self) -> Solution:
        began = perf_counter()
        points = self.oracle.points
        knots = points[np.unique(np.linspace(0, points.size - 1, FIRST_KNOTS).astype(np.intp))]
        flat = self.problem.best_intercept(np.zeros_like(self.problem.Y))
        spline = Spline(knots, np.full(knots.size, flat[0]))
        certificate: Certificate | None = None
        gap = np.inf
        for _ in range(MOST_ROUNDS):
            spline, V = KnotProgram(self.scaled, self.x, knots).solve(spline)
            V = self.problem.feasible_direction(V)
            found = self._certificate(self._objective(spline), V)
            certificate = about(better(certificate or found, found), found.objective)
            self._record(began, certificate, spline)
            spread = 0 if self.problem.loss.smooth else SPREAD
            asked = self.oracle.violated(V, self.problem.beta, knots, spread)
            new = np.setdiff1d(asked, knots)
            gap, last = certificate.relative_gap, gap
            if gap <= TOLERANCE or (gap <= ACCEPTED and gap > 0.5 * last) or new.size == 0:
                break
            knots = np.union1d(knots if spread else self._needed(spline, V), new)
        assert certificate is not None
        return self._finished(spline, certificate)

    def _objective(self, spline: Spline) -> float:
        F = spline.at(self.x)[:, None]
        return self.problem.loss_value(F) + self.scaled.beta * spline.penalty

    def _certificate(self, value: float, V: Array) -> Certificate:
        return certificate_from_dual(self.problem, value, V, self.oracle.correlation(V))

    def _record(self, began: float, certificate: Certificate, spline: Spline) -> None:
        kinks = int(np.count_nonzero(_clean(spline.kinks)))
        time, bound = perf_counter() - began, certificate.lower_bound
        self.history.append(Record(time, certificate.objective, bound, "exact", kinks))

    def _needed(self, spline: Spline, V: Array) -> Array:
        """Knots with a kink, knots that are near to asking for one, and both ends."""
        right, left = self.oracle.curves(V)
        at = np.searchsorted(self.oracle.points, spline.knots)
        level = np.maximum(np.abs(right[at]), np.abs(left[at]))
        keep = level >= NEAR * self.problem.beta
        keep[1:-1] |= _clean(spline.kinks) != 0
        keep[[0, -1]] = True
        return spline.knots[keep]

    def _finished(self, spline: Spline, certificate: Certificate) -> Solution:
        neurons = _neurons(spline, self.problem)
        features = _features(neurons, self.x)
        if self.problem.loss.smooth and features.size <= REFIT_ENTRIES:
            refit, V = refit_sizes(self.scaled, neurons, Features.of_array(self.scaled, features))
            neurons = refit.keep(refit.sizes > 0)
            V = self.problem.feasible_direction(V)
            certificate = better(certificate, self._certificate(certificate.objective, V))
        network = _network(neurons, self.middle, self.half)
        F = network.decision(self.column[:, None])
        value = self.problem.loss_value(F) + self.problem.beta * network.penalty()
        certificate = about(certificate, value)
        status = Status.OPTIMAL if certificate.relative_gap <= ACCEPTED else Status.STALLED
        return Solution(network, value, certificate, status, self.history, len(self.history))


def _clean(kinks: Array) -> Array:
    """The kinks, with those that are rounding set to zero."""
    real: Array = np.where(np.abs(kinks) > GHOST * np.abs(kinks).max(initial=0.0), kinks, 0.0)
    return real


def _neurons(spline: Spline, problem: Problem) -> Neurons:
    """Neurons of the spline at the least penalty: ``size * s * relu(+-(x - t))``, and a constant.

    A kink is a neuron that opens to the right or to the left, or two that share it; what opens to
    the right makes up the last slope. Where all kinks together cannot make up that slope, one
    linear neuron pays for the rest.
    """
    kinks, slopes = _clean(spline.kinks), spline.slopes
    inner = spline.knots[1:-1]
    # the part of the last slope that kinks can make up: of one sign each
    wanted = float(np.clip(slopes[-1], np.minimum(kinks, 0).sum(), np.maximum(kinks, 0).sum()))
    right = np.where((kinks > 0) == (wanted > 0), kinks, 0.0)
    made = np.cumsum(np.abs(right))
    right = np.sign(right) * np.clip(abs(wanted) - (made - np.abs(right)), 0.0, np.abs(right))
    linear = float(slopes[-1]) - wanted
    places = np.concatenate([inner, inner, spline.knots[:1]])
    sides = np.concatenate([np.ones(inner.size), -np.ones(inner.size), [1.0]])
    weights = np.concatenate([right, kinks - right, [linear]])
    kept = np.abs(weights) > GHOST * np.abs(weights).max(initial=0.0)
    places, sides, weights = places[kept], sides[kept], weights[kept]
    first = weights * np.maximum(sides * (spline.knots[0] - places), 0.0)
    return Neurons(
        directions=np.column_stack([sides, -sides * places]),
        outputs=np.sign(weights)[:, None],
        sizes=np.abs(weights),
        intercept=np.array([spline.values[0] - first.sum()]),
        gate=np.zeros(weights.size, dtype=np.intp),
    )


def _features(neurons: Neurons, x: Array) -> Array:
    """``relu(+-(x - t))`` of each neuron, (n, m)."""
    sides, offsets = neurons.directions.T
    features: Array = np.maximum(np.multiply.outer(x, sides) + offsets, 0.0)
    return features


def _network(neurons: Neurons, middle: float, half: float) -> Network:
    """The network on the data's own scale, ``|w_j| = |a_j|``."""
    root = np.sqrt(neurons.sizes / half)  # (x - middle) / half in place of x
    sides, offsets = neurons.directions.T
    return Network(
        (root * sides)[:, None],
        root[:, None] * neurons.outputs,
        root * (half * offsets - sides * middle),
        neurons.intercept,
        free_bias=True,
    )


def _minimum_norm(column: Array, y: ArrayLike) -> Solution:
    """The line from point to point; its dual point is read off the signs of its kinks."""
    problem = formulate(column[:, None], y, beta=1.0, hidden_bias=True, fit_intercept=True)
    if problem.n_outputs != 1:
        raise ValueError(f"one_dimensional serves one output, y has {problem.n_outputs}")
    targets = problem.Y[:, 0]
    points, first, index = np.unique(column, return_index=True, return_inverse=True)
    clash = np.flatnonzero(targets[first][index] != targets)
    if clash.size:
        row, other = int(clash[0]), int(first[index[clash[0]]])
        raise ValueError(
            f"no network interpolates: rows {other} and {row} have the same x, {column[row]:g}, "
            f"and the targets {targets[other]:g} and {targets[row]:g}; use beta > 0"
        )
    if points.size == 1:
        return _constant(problem)
    spline = Spline(points, targets[first])
    slopes, kinks = spline.slopes, spline.kinks
    total = float(slopes[0] + slopes[-1])
    # the penalty is the larger of two: the signs of the one that counts are its subgradient
    tilted = abs(total) > float(np.abs(kinks).sum())
    by_kink = np.sign(kinks) * (0.5 if tilted else 1.0)
    by_slope = np.append(0.0, by_kink) - np.append(by_kink, 0.0)
    if tilted:
        by_slope[0] += 0.5 * np.sign(total)
        by_slope[-1] += 0.5 * np.sign(total)
    by_slope /= np.diff(points)
    V = np.zeros_like(problem.Y)
    V[first, 0] = np.append(0.0, by_slope) - np.append(by_slope, 0.0)
    middle, half = 0.5 * (points[0] + points[-1]), 0.5 * (points[-1] - points[0])
    scaled = Spline((points - middle) / half, spline.values)
    network = _network(_neurons(scaled, problem), middle, half)
    correlation = OneDimensionalOracle(column, middle, half).correlation(V)
    certificate = interpolation_certificate(problem, network.penalty(), V, correlation)
    status = interpolation_status(certificate)
    return Solution(network, certificate.objective, certificate, status)


def _constant(problem: Problem) -> Solution:
    """All points coincide: nothing but the intercept can help, and it costs nothing."""
    b = problem.best_intercept(np.zeros_like(problem.Y))
    F = np.zeros_like(problem.Y) + b
    network = Network(np.zeros((0, 1)), np.zeros((0, 1)), np.zeros(0), b, free_bias=True)
    value = problem.loss_value(F)
    V = problem.dual_point(F)
    if not problem.loss.smooth:
        none = Neurons.none(problem)
        features = Features.of_array(problem, np.zeros((F.shape[0], 0)))
        V = refit_sizes(problem, none, features)[1]
    V = problem.feasible_direction(V)
    certificate = certificate_from_dual(problem, value, V, Correlation(0.0, "exact"))
    return Solution(network, value, certificate, Status.OPTIMAL)


def _one_column(x: Any) -> Array:
    """The inputs as (n,)."""
    values = numbers(x, "x")
    if values.ndim == 2 and values.shape[1] > 1:
        raise ValueError(f"x must have one column, got {values.shape[1]}; use nogap.train")
    column: Array = check_matrix(values.reshape(-1, 1), "x")[:, 0]
    return column
