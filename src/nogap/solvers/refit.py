"""Master on the output side: the best sizes of given unit neurons, a lasso with one-signed weights.

    min_{t >= 0, b}   L(sum_j t_j phi_j s_j' + b) + beta sum_j t_j

Newton steps on the loss, each a non-negative quadratic program solved exactly and damped where the
quadratic model promises more than it keeps; one step suffices for the squared loss.
"""

from __future__ import annotations

import numpy as np

from nogap._typing import Array
from nogap.losses import Squared
from nogap.problem import Problem
from nogap.solvers.hinge_program import refit_sizes_hinge
from nogap.solvers.neurons import Neurons
from nogap.solvers.nonnegative import nonnegative_qp

MAX_NEWTON_STEPS = 100
LEAST_DAMPING, MOST_DAMPING = 1e-12, 1e6  # as a share of the curvature of the squared loss


def refit_sizes(problem: Problem, neurons: Neurons, features: Array) -> tuple[Neurons, Array]:
    """Neurons with their best sizes and intercept, and the dual point V (n, C) there.

    Parameters
    ----------
    features : array (n, m)
        The unit features of the neurons.
    """
    if not problem.loss.smooth:
        return refit_sizes_hinge(problem, neurons, features)
    C = problem.n_outputs
    n_free = C if problem.fit_intercept else 0
    atoms = np.concatenate([neurons.outputs, np.eye(C)[:n_free]])  # (m + C, C)
    Phi = np.concatenate([features, np.ones((features.shape[0], n_free))], axis=1)
    t = np.concatenate([neurons.sizes, neurons.intercept[:n_free]])
    free = np.arange(t.size) >= neurons.count
    price = np.where(free, 0.0, problem.beta)

    def outputs(t: Array) -> Array:
        F: Array = Phi @ (t[:, None] * atoms)
        return F

    def value_at(t: Array, F: Array) -> float:
        return problem.loss_value(F) + float(price @ t)

    F = outputs(t)
    value = value_at(t, F)
    damping = 0.0
    for _ in range(MAX_NEWTON_STEPS):
        slope = np.einsum("mc,mc->m", Phi.T @ problem.dual_point(F), atoms) - price
        H = _hessian(problem, F, Phi, atoms)
        floor = np.einsum("nm,nm,n->m", Phi, Phi, problem.weights)  # curvature 1 in every sample
        while True:
            damped = H + damping * np.diag(floor)
            with np.errstate(over="ignore", invalid="ignore"):  # a loss without curvature: damped
                step = nonnegative_qp(damped, slope + damped @ t, t, free) - t
                expected = float(slope @ step)
                F_trial = outputs(t + step)
                decrease = value - value_at(t + step, F_trial)
            if decrease >= 0.25 * expected or expected <= 1e-13 * abs(value):
                break
            # the loss is flatter here than where the step leads (Huber, squared hinge)
            damping = max(10.0 * damping, LEAST_DAMPING)
            if damping > MOST_DAMPING:
                return _finished(problem, neurons, t, F)
        if decrease <= 0:
            break
        t, F, value = t + step, F_trial, value - decrease
        damping = 0.1 * damping if damping > LEAST_DAMPING else 0.0
        if decrease <= 1e-14 * abs(value) or isinstance(problem.loss, Squared):
            break
    return _finished(problem, neurons, t, F)


def _finished(problem: Problem, neurons: Neurons, t: Array, F: Array) -> tuple[Neurons, Array]:
    b = t[neurons.count :] if problem.fit_intercept else neurons.intercept
    return neurons.with_sizes(t[: neurons.count], b), problem.dual_point(F)


def _hessian(problem: Problem, F: Array, Phi: Array, atoms: Array) -> Array:
    """Hessian of the loss in the coefficients of the atoms phi_j s_j', (m, m)."""
    loss, w = problem.loss, problem.weights[:, None]
    C = atoms.shape[1]
    if C == 1:
        scaled = Phi * (w * loss.curvature(F, problem.Y))
        H: Array = (Phi.T @ scaled) * (atoms @ atoms.T)
        return H
    if isinstance(loss, Squared):
        H = (Phi.T @ (w * Phi)) * (atoms @ atoms.T)
        return H
    H = np.empty((atoms.shape[0], atoms.shape[0]))
    for j in range(atoms.shape[0]):
        change = w * loss.hessian_product(F, problem.Y, Phi[:, j : j + 1] * atoms[j])
        H[:, j] = np.einsum("mc,mc->m", Phi.T @ change, atoms)
    return 0.5 * (H + H.T)
