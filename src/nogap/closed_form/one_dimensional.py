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
from nogap.certificate import Certificate, about, better, certificate_from_dual
from nogap.closed_form.least_norm_splines import least_norm_spline
from nogap.closed_form.spline_networks import clean, constant, features_of, network_of, neurons_of
from nogap.closed_form.spline_oracle import OneDimensionalOracle
from nogap.closed_form.splines import KnotProgram, Spline
from nogap.formulation import formulate
from nogap.losses import Loss
from nogap.problem import EPS, Problem
from nogap.solution import Record, Solution, Status
from nogap.solvers.features import Features
from nogap.solvers.refit import refit_sizes

TOLERANCE = 1e-9  # relative gap at which the loop stops
ACCEPTED = 1e-6  # relative gap at which the result counts as optimal
FIRST_KNOTS = 33
MOST_ROUNDS = 60
SPREAD = 10
NEAR = 0.9  # share of beta at which a knot without a kink is kept
REFIT_ENTRIES = 4_000_000  # largest matrix of unit features for the last refit


def one_dimensional(x: Any, y: ArrayLike, beta: float, loss: str | Loss = "squared") -> Solution:
    """Best two-layer ReLU network of one input whose hidden biases and intercept are free.

    Minimises ``sum_i l(f(x_i), y_i) + beta sum_j |w_j| |a_j|`` over networks
    ``f(x) = xi + sum_j a_j relu(w_j x + b_j)`` of any width: a linear spline with kinks at data
    points, fitted by a lasso with a free intercept. With ``beta=0`` the least penalty among all
    networks that interpolate: the line from point to point; with the hinge loss among all that
    classify with margins of at least 1.

    Parameters
    ----------
    x : array (n,) or (n, 1)
        In any order; repeated points are welcome.
    y : array (n,)
        Targets as the loss takes them; one output.
    beta : float
        Zero, or the weight of the penalty for sums over samples.
    loss : str or Loss
        As in :func:`nogap.train`; with ``beta=0`` as in :func:`nogap.interpolate`.

    Returns
    -------
    Solution
        A :class:`~nogap.Network` with ``free_bias=True``, proved optimal (kind "exact"); one
        record of ``history`` a round of knots. With ``beta=0`` the objective is the norm itself.

    Raises
    ------
    ValueError
        More than one input or output, and data that do not fit; with ``beta=0``, rows of the same
        x and different targets, and a loss that falls forever.

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
        return least_norm_spline(column, y, loss)
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
        return constant(problem)
    return _Loop(problem, column, middle, half).run()


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
        kinks = int(np.count_nonzero(clean(spline.kinks)))
        time, bound = perf_counter() - began, certificate.lower_bound
        self.history.append(Record(time, certificate.objective, bound, "exact", kinks))

    def _needed(self, spline: Spline, V: Array) -> Array:
        """Knots with a kink, knots that are near to asking for one, and both ends."""
        right, left = self.oracle.curves(V)
        at = np.searchsorted(self.oracle.points, spline.knots)
        level = np.maximum(np.abs(right[at]), np.abs(left[at]))
        keep = level >= NEAR * self.problem.beta
        keep[1:-1] |= clean(spline.kinks) != 0
        keep[[0, -1]] = True
        return spline.knots[keep]

    def _finished(self, spline: Spline, certificate: Certificate) -> Solution:
        neurons = neurons_of(spline, self.problem)
        features = features_of(neurons, self.x)
        if self.problem.loss.smooth and features.size <= REFIT_ENTRIES:
            refit, V = refit_sizes(self.scaled, neurons, Features.of_array(self.scaled, features))
            neurons = refit.keep(refit.sizes > 0)
            V = self.problem.feasible_direction(V)
            certificate = better(certificate, self._certificate(certificate.objective, V))
        network = network_of(neurons, self.middle, self.half)
        F = network.decision(self.column[:, None])
        value = self.problem.loss_value(F) + self.problem.beta * network.penalty()
        certificate = about(certificate, value)
        status = Status.OPTIMAL if certificate.relative_gap <= ACCEPTED else Status.STALLED
        return Solution(network, value, certificate, status, self.history, len(self.history))


def _one_column(x: Any) -> Array:
    """The inputs as (n,)."""
    values = numbers(x, "x")
    if values.ndim == 2 and values.shape[1] > 1:
        raise ValueError(f"x must have one column, got {values.shape[1]}; use nogap.train")
    column: Array = check_matrix(values.reshape(-1, 1), "x")[:, 0]
    return column
