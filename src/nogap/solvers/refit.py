"""Master on the output side: the best sizes of given unit neurons, a lasso with one-signed weights.

    min_{t >= 0, b}   L(sum_j t_j phi_j s_j' + b) + beta sum_j t_j

Newton steps on the loss, each a non-negative quadratic program solved exactly; one step suffices
for the squared loss.
"""

from __future__ import annotations

import numpy as np

from nogap._typing import Array
from nogap.losses import Squared
from nogap.problem import Problem
from nogap.solvers.hinge_program import refit_sizes_hinge
from nogap.solvers.neurons import Neurons
from nogap.solvers.nonnegative import nonnegative_qp

MAX_NEWTON_STEPS = 30


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

    F = outputs(t)
    value = problem.loss_value(F) + float(price @ t)
    for _ in range(MAX_NEWTON_STEPS):
        slope = np.einsum("mc,mc->m", Phi.T @ problem.dual_point(F), atoms) - price
        H = _hessian(problem, F, Phi, atoms)
        new = nonnegative_qp(H, slope + H @ t, t, free)
        step, expected = new - t, float(slope @ (new - t))
        length = 1.0
        for _ in range(40):
            trial = t + length * step
            F_trial = outputs(trial)
            trial_value = problem.loss_value(F_trial) + float(price @ trial)
            if trial_value <= value - 1e-4 * length * max(expected, 0.0) + 1e-15 * abs(value):
                break
            length *= 0.5
        else:
            break
        decrease = value - trial_value
        t, F, value = trial, F_trial, min(trial_value, value)
        if decrease <= 1e-14 * abs(value) or isinstance(problem.loss, Squared):
            break
    b = t[neurons.count :] if n_free else neurons.intercept
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
