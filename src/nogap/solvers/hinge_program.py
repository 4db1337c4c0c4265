"""Master on the output side for the hinge loss: a linear program whose multipliers are the dual."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from nogap._typing import Array
from nogap.problem import Problem
from nogap.solvers.neurons import Neurons
from nogap.units.readout import columns

MANY = 1_000  # margins of several outputs


def refit_sizes_hinge(problem: Problem, neurons: Neurons, features: Array) -> tuple[Neurons, Array]:
    """``min sum_ic w_i xi_ic + beta sum t`` with ``xi >= 1 - y f``; V are its multipliers times y.

    The dual of the program is ``max sum alpha`` with ``0 <= alpha <= w``, the correlation of every
    neuron with V = alpha y at most beta, and ``1' V = 0`` with an intercept.
    """
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
    # measured: the simplex method wins by two with one output, and loses by four with three
    method: Literal["highs-ds", "highs-ipm"] = "highs-ipm" if C > 1 and n * C > MANY else "highs-ds"
    solved: Any = linprog(cost, A_ub=A, b_ub=-np.ones(n * C), bounds=bounds, method=method)
    if solved.status != 0:
        raise RuntimeError(f"the linear program of the hinge loss was not solved: {solved.message}")
    alpha = np.clip(-np.asarray(solved.ineqlin.marginals), 0.0, weight)
    t = np.maximum(solved.x[:m], 0.0)
    b = solved.x[m : m + n_free] if n_free else neurons.intercept
    return neurons.with_sizes(t, b), (alpha * y).reshape(n, C)
