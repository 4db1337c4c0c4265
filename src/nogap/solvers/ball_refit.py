"""The best sizes of given unit neurons under a budget: the fully corrective step of Frank-Wolfe.

    min_{t >= 0}   L(sum_j t_j phi_j s_j')   subject to   sum_j t_j <= delta

The sizes of the lasso with penalty b sum to a decreasing function of b, which is piecewise linear
for the squared loss; the b at which they sum to delta is the constraint's multiplier.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import brentq

from nogap._typing import Array
from nogap.problem import EPS, Problem
from nogap.solvers.features import Features
from nogap.solvers.neurons import Neurons, correlations
from nogap.solvers.refit import refit_sizes
from nogap.units import Unit

TOLERANCE = 1e-14  # the last neurons differ from older ones by a hair
CLOSE = 1e-13  # share of delta by which a sum may miss it
MOST_TRIALS = 100


def refit_in_ball(
    problem: Problem, unit: Unit, neurons: Neurons, delta: float, multiplier: float
) -> tuple[Neurons, float]:
    """Neurons with their best sizes, and the multiplier of the constraint.

    Parameters
    ----------
    problem : Problem
        Its penalty is not used.
    unit, neurons : Unit, Neurons
    delta : float
    multiplier : float
        A first guess, such as that of the step before; 0 without one.
    """
    V = problem.dual_point(np.zeros_like(problem.Y))
    moments = correlations(problem, unit, neurons, V)
    largest = float(np.einsum("mc,mc->m", moments, neurons.outputs).max(initial=0.0))
    budget = _Budget(problem, unit, neurons, delta)
    if largest == 0:
        return budget.best(), 0.0
    low, high = min(max(multiplier, 0.0), 0.5 * largest), largest
    if low > 0 and budget.excess(low) < 0:
        low, high = 0.0, low
    if low == 0 and budget.excess(0.0) <= 0:
        return budget.best(), 0.0
    budget.known[largest] = -delta  # from there on the lasso is empty
    found, _ = brentq(
        budget.excess,
        low,
        high,
        xtol=4 * EPS * largest,
        rtol=4 * EPS,
        maxiter=MOST_TRIALS,
        full_output=True,
        disp=False,
    )
    return budget.best(), float(found)


class _Budget:
    """How far the sizes of the lasso exceed delta, and the best sizes that do not.

    Attributes
    ----------
    known : dict
        Excess by penalty.
    """

    def __init__(self, problem: Problem, unit: Unit, neurons: Neurons, delta: float) -> None:
        self.problem, self.delta = problem, delta
        self.features = Features(problem, unit, neurons)
        self.fitted = neurons
        self.known: dict[float, float] = {}
        self.below: tuple[float, Array] = (-delta, np.zeros(neurons.count))
        self.above: tuple[float, Array] | None = None

    def excess(self, penalty: float) -> float:
        """Sum of the sizes at that penalty, less delta."""
        if penalty not in self.known:
            problem = replace(self.problem, beta=penalty)
            self.fitted, _ = refit_sizes(problem, self.fitted, self.features, TOLERANCE)
            excess = self.fitted.penalty - self.delta
            if abs(excess) <= CLOSE * self.delta:
                excess = 0.0
            if excess > 0 and (self.above is None or excess < self.above[0]):
                self.above = excess, self.fitted.sizes
            elif self.below[0] < excess <= 0:
                self.below = excess, self.fitted.sizes
            self.known[penalty] = excess
        return self.known[penalty]

    def best(self) -> Neurons:
        """Between the nearest fits, on the line that the solutions follow, at a sum of delta."""
        lacking, sizes = self.below
        if lacking < 0 and self.above is not None:
            share = -lacking / (self.above[0] - lacking)
            sizes = (1 - share) * sizes + share * self.above[1]
        total = float(sizes.sum())
        if total > self.delta:
            sizes = sizes * (self.delta / total)
        return self.fitted.with_sizes(sizes, self.fitted.intercept)
