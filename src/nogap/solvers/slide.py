"""Local descent on hidden and output weights together, from the balanced point.

The weight-decay form ``L + beta/2 sum (||u||^2 + ||a||^2)`` is smooth away from kinks and equals the
product form at the balanced point, so L-BFGS on it never has to know about the penalty's kink.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.optimize import minimize

from nogap._typing import Array
from nogap.losses import Hinge
from nogap.problem import Problem
from nogap.solvers.neurons import Neurons
from nogap.solvers.smoothing import SmoothedHinge
from nogap.units import Unit


class _Stop(Exception):
    pass


def slide(
    problem: Problem,
    unit: Unit,
    neurons: Neurons,
    max_iter: int,
    should_stop: Callable[[], bool] = lambda: False,
) -> Neurons:
    """Neurons after at most ``max_iter`` L-BFGS steps; ``should_stop`` ends it early."""
    if neurons.count == 0:
        return neurons
    m, d, C = neurons.count, problem.rows.d, problem.n_outputs
    if isinstance(problem.loss, Hinge):
        problem = replace(problem, loss=SmoothedHinge(1e-2))
    root = np.sqrt(np.maximum(neurons.sizes, 1e-300))[:, None]
    start = np.concatenate(
        [(root * neurons.directions).ravel(), (root * neurons.outputs).ravel(), neurons.intercept]
    )

    def unpack(x: Array) -> tuple[Array, Array, Array]:
        U, A = x[: m * d].reshape(m, d), x[m * d : m * (d + C)].reshape(m, C)
        return U, A, x[m * (d + C) :]

    def value_and_gradient(x: Array) -> tuple[float, Array]:
        U, A, b = unpack(x)
        Z = problem.rows.forward(U.T)
        mask = unit.mask(Z, neurons.gate)
        Z *= mask
        F = Z @ A + b
        V = problem.dual_point(F)
        gradient_A = problem.beta * A - Z.T @ V
        gradient_Z = V @ A.T
        gradient_Z *= mask
        gradient_U = problem.beta * U - problem.rows.adjoint(gradient_Z).T
        gradient_b = -V.sum(axis=0) if problem.fit_intercept else np.zeros(C)
        value = problem.loss_value(F) + 0.5 * problem.beta * float(x[: m * (d + C)] @ x[: m * (d + C)])
        return value, np.concatenate([gradient_U.ravel(), gradient_A.ravel(), gradient_b])

    best = start

    def remember(x: Array) -> None:
        nonlocal best
        best = x.copy()
        if should_stop():
            raise _Stop

    try:
        found = minimize(
            value_and_gradient,
            start,
            jac=True,
            method="L-BFGS-B",
            callback=remember,
            options={"maxiter": max_iter, "maxcor": 20, "ftol": 1e-15, "gtol": 1e-10},
        )
        best = found.x
    except _Stop:
        pass
    U, A, b = unpack(np.asarray(best))
    return Neurons.from_factors(U, A, b, neurons.gate)
