"""The dual point whose bound is best when its correlation is bounded by a relaxation.

The dual point of the optimal network has the best bound for those who know its correlation.  Who
has a relaxation only (:mod:`nogap.oracles.relaxed`) does better with another one: that of the
training problem in which every point of the relaxed set counts as a neuron, which is convex and
which the usual loop solves, oracle and re-fit by turns.  Between the two, a tree search needs the
less time the nearer the dual point is to the relaxation's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nogap._typing import Array
from nogap.oracles.relaxed import RelaxedOracle
from nogap.problem import Problem
from nogap.solvers.features import Features
from nogap.solvers.neurons import Neurons
from nogap.solvers.refit import refit_sizes
from nogap.units import ReLU

DAMPING = 0.5  # how far the next dual point goes from the best one to the last one
MOST_POINTS = 300
PATIENCE = 12  # rounds
GAIN = 1e-3  # of the gap, below which as many rounds are not worth their time


class RelaxedDual:
    """Solves the relaxed training problem of one output, as far as there is time.

    Parameters
    ----------
    problem : Problem
    neurons : Neurons
        Of a good network: their features are points of the set as well.
    V : array (n, 1)
        A balanced dual point to begin with.

    Attributes
    ----------
    V : array (n, 1)
        The dual point with the best bound so far, and
    value, correlation : float
        that bound and the bound of the correlation that it rests on.
    settled : bool
        More rounds would gain little.
    """

    def __init__(self, problem: Problem, neurons: Neurons, V: Array) -> None:
        self.problem, self.V, self.next = problem, V, V
        self.oracle = RelaxedOracle(problem.rows)
        self.value, self.correlation = -np.inf, np.inf
        self.points, self.columns = neurons, neurons.features(problem, ReLU())
        self.settled = False
        self._since, self._reference = 0, -np.inf

    def improve(self, should_stop: Callable[[], bool]) -> None:
        """Rounds of oracle and re-fit until they gain little, or until somebody is in a hurry."""
        while not self.settled:
            upper, found = self.oracle.price(self.next[:, 0])
            value = self.problem.lower_bound(self.next, upper).value
            if value > self.value:
                self.V, self.value, self.correlation = self.next, value, upper
            fitted = self._fit(found)
            self._watch(fitted)
            if should_stop():
                return

    def _fit(self, found: Array) -> float:
        """Re-fit with two points more, for V and for -V; the relaxed objective."""
        old = self.points
        new = Neurons(
            np.zeros((2, old.directions.shape[1])),
            np.array([[1.0], [-1.0]]),
            np.zeros(2),
            old.intercept,
            np.zeros(2, dtype=np.intp),
        )
        points, columns = old.joined(new), np.concatenate([self.columns, found], axis=1)
        fitted, V = refit_sizes(self.problem, points, Features.of_array(self.problem, columns))
        if fitted.count > MOST_POINTS:
            kept = np.flatnonzero(fitted.sizes > 0)
            fitted, columns = fitted.keep(kept), columns[:, kept]
        self.points, self.columns = fitted, columns
        V = self.problem.feasible_direction(V)
        self.next = DAMPING * V + (1 - DAMPING) * self.V
        F = fitted.outputs_at(columns)
        return self.problem.loss_value(F) + self.problem.beta * fitted.penalty

    def _watch(self, above: float) -> None:
        """Settled, when the bound is near the relaxation's value, or has not grown for long."""
        self._since += 1
        if self._since >= PATIENCE:
            self.settled = self.value - self._reference <= GAIN * abs(self.value)
            self._since, self._reference = 0, self.value
        self.settled = self.settled or above - self.value <= GAIN * abs(self.value)
