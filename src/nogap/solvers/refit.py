"""Master on the output side: the best sizes of given unit neurons, a lasso with one-signed weights.

    min_{t >= 0, b}   L(sum_j t_j phi_j s_j' + b) + beta sum_j t_j

(or what a neuron with weights for every patch gives in place of ``phi_j s_j'``).

Newton steps on the loss, each a non-negative quadratic program solved exactly and damped where the
quadratic model promises more than it keeps; one step suffices for the squared loss.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nogap._typing import Array, BoolArray
from nogap.losses import Squared
from nogap.problem import Problem
from nogap.solvers.atoms import atoms_of
from nogap.solvers.features import Features
from nogap.solvers.hinge_program import refit_sizes_hinge
from nogap.solvers.neurons import Neurons
from nogap.solvers.nonnegative import nonnegative_qp

MAX_NEWTON_STEPS = 100
ROUNDING = 1e-15  # share of the value by which two sums of losses differ when they are equal
UNSEEN = 1e-14  # share of it from which a decrease says little
LEAST_DAMPING, MOST_DAMPING = 1e-12, 1e6  # as a share of the curvature of the squared loss


def refit_sizes(
    problem: Problem,
    neurons: Neurons,
    features: Features,
    tolerance: float = 1e-11,
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[Neurons, Array]:
    """Neurons with their best sizes and intercept, and the dual point V (n, C) there.

    ``tolerance`` is that of the quadratic programs: a smaller one separates neurons that are all
    but the same.  Sizes that are better than the given ones, not the best, when told to stop.
    """
    if not problem.loss.smooth:
        return refit_sizes_hinge(problem, neurons, features, should_stop)
    atoms = atoms_of(problem, neurons, features)
    t = np.concatenate([neurons.sizes, neurons.intercept[: atoms.n_free]])
    free = np.arange(t.size) >= neurons.count
    price = np.where(free, 0.0, problem.beta)
    floor = atoms.squares()  # the Hessian's diagonal at curvature 1 in every sample

    def value_at(t: Array, F: Array) -> float:
        return problem.loss_value(F) + float(price @ t)

    F = atoms.outputs(t)
    value = value_at(t, F)
    damping = 0.0
    for _ in range(MAX_NEWTON_STEPS):
        slope = atoms.moments(problem.dual_point(F)) - price
        H = atoms.hessian(F)
        while True:
            damped = H + damping * np.diag(floor)
            with np.errstate(over="ignore", invalid="ignore"):  # a loss without curvature: damped
                step = nonnegative_qp(damped, slope + damped @ t, t, free, tolerance) - t
                expected = float(slope @ step)
                F_trial = atoms.outputs(t + step)
                decrease = value - value_at(t + step, F_trial)
            if decrease >= 0.25 * expected or expected <= 1e-13 * abs(value):
                break
            # the loss is flatter here than where the step leads (Huber, squared hinge)
            damping = max(10.0 * damping, LEAST_DAMPING)
            if damping > MOST_DAMPING or should_stop():
                return _finished(problem, neurons, t, F)
        done = isinstance(problem.loss, Squared)
        if decrease <= UNSEEN * abs(value):
            # a step too small to be seen in the value may still mend the dual point
            trial = atoms.moments(problem.dual_point(F_trial)) - price
            before, after = _violation(slope, t, free), _violation(trial, t + step, free)
            if decrease < -ROUNDING * abs(value) or after >= before:
                break
            done = done or after > 0.5 * before
        t, F, value = t + step, F_trial, value - decrease
        damping = 0.1 * damping if damping > LEAST_DAMPING else 0.0
        if done or should_stop():
            break
    return _finished(problem, neurons, t, F)


def _violation(slope: Array, t: Array, free: BoolArray) -> float:
    """How far a point is from optimal: the slope where it may move, a rise where t is zero."""
    return float(np.where((t > 0) | free, np.abs(slope), np.maximum(slope, 0.0)).max(initial=0.0))


def _finished(problem: Problem, neurons: Neurons, t: Array, F: Array) -> tuple[Neurons, Array]:
    b = t[neurons.count :] if problem.fit_intercept else neurons.intercept
    return neurons.with_sizes(t[: neurons.count], b).knowing(problem.rows, F), problem.dual_point(F)
