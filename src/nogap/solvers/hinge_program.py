"""Master on the output side for the hinge loss: a linear program whose multipliers are the dual.

The dual of ``min sum_ic w_i xi_ic + beta sum t`` with ``xi >= 1 - y f`` is ``max sum alpha`` with
``0 <= alpha <= w``, the correlation of every neuron with V = alpha y at most beta, and
``1' V = 0`` with an intercept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from nogap._typing import Array
from nogap.problem import Problem
from nogap.solvers.atoms import atoms_of
from nogap.solvers.features import Features
from nogap.solvers.hinge_barrier import hinge_barrier
from nogap.solvers.neurons import Neurons
from nogap.units.readout import columns

# Margins up to which the simplex method takes no longer than interior points (by a factor of two
# with one output): its vertices have fewer neurons.
FEW, FEW_OF_SEVERAL = 1_000, 300


def at_vertices(problem: Problem) -> bool:
    """Whether multipliers are at vertices of the dual, which jump with every neuron that joins."""
    return problem.Y.size <= (FEW if problem.n_outputs == 1 else FEW_OF_SEVERAL)


def refit_sizes_hinge(
    problem: Problem,
    neurons: Neurons,
    features: Features,
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[Neurons, Array]:
    """Neurons with their best sizes and intercept, and the multipliers times y as V (n, C)."""
    if not at_vertices(problem):
        atoms = atoms_of(problem, neurons, features)
        start = np.concatenate([neurons.sizes, neurons.intercept[: atoms.n_free]])
        t, alpha, F = hinge_barrier(problem, atoms, start, should_stop)
        b = t[neurons.count :] if atoms.n_free else neurons.intercept
        fitted = neurons.with_sizes(t[: neurons.count], b).knowing(problem.rows, F)
        return fitted, alpha * problem.Y
    t, b, alpha = _simplex(problem, neurons, features.whole())
    return neurons.with_sizes(t, b), alpha * problem.Y


def _simplex(problem: Problem, neurons: Neurons, features: Array) -> tuple[Array, Array, Array]:
    """Sizes (m,) and intercept (C,) at a vertex, and the multipliers alpha (n, C)."""
    n, C = problem.Y.shape
    m = neurons.count
    n_free = C if problem.fit_intercept else 0
    y = problem.Y.ravel()  # rows sample by sample, output by output
    atoms = columns(features, neurons.outputs, n).reshape(n * C, m)
    constants = np.tile(np.eye(C)[:, :n_free], (n, 1))
    margins = y[:, None] * np.concatenate([atoms, constants], axis=1)
    weight = np.repeat(problem.weights, C)
    cost = np.concatenate([np.full(m, problem.beta), np.zeros(n_free), weight])
    A = sp.hstack([sp.csc_array(-margins), -sp.eye_array(n * C)], format="csc")
    bounds = [(0, None)] * m + [(None, None)] * n_free + [(0, None)] * (n * C)
    solved: Any = linprog(cost, A_ub=A, b_ub=-np.ones(n * C), bounds=bounds, method="highs-ds")
    if solved.status != 0:
        raise RuntimeError(f"the linear program of the hinge loss was not solved: {solved.message}")
    alpha = np.clip(-np.asarray(solved.ineqlin.marginals), 0.0, weight)
    t = np.maximum(solved.x[:m], 0.0)
    b = solved.x[m : m + n_free] if n_free else neurons.intercept
    return t, b, alpha.reshape(n, C)
