"""Local descent on all weights of tanh neurons together, within the bound on the hidden ones.

The penalty is that of the output weights, which is not smooth where one is zero; with each output
weight a product ``c b`` of a number and a vector it is ``beta / 2 (c^2 + ||b||^2)`` at the balanced
point, so that the only corners left are those of the box, and those L-BFGS-B knows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import minimize

from nogap._typing import Array
from nogap.problem import Problem
from nogap.solvers.neurons import Neurons
from nogap.solvers.smoothing import smoothed
from nogap.units import Tanh


def retune(
    problem: Problem,
    unit: Tanh,
    neurons: Neurons,
    max_iter: int,
    should_stop: Callable[[], bool] = lambda: False,
) -> Neurons:
    """Neurons after at most ``max_iter`` steps of L-BFGS-B; the intercept moves too."""
    if neurons.count == 0:
        return neurons
    problem = smoothed(problem)
    objective = _Bounded(problem, unit, neurons)
    root = np.sqrt(neurons.sizes)
    parts = (neurons.directions.T, root, root[:, None] * neurons.outputs, neurons.intercept)
    start = np.concatenate([part.ravel() for part in parts])
    hidden = neurons.directions.size
    limit = np.where(np.arange(start.size) < hidden, unit.bound, np.inf)

    def stop_when_told(_: Array) -> None:
        if should_stop():
            raise StopIteration

    descend: Any = minimize  # SciPy's stubs have no case for this one
    solved = descend(
        objective,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=np.column_stack([-limit, limit]),
        callback=stop_when_told,
        options={"maxiter": max_iter, "ftol": 1e-12, "gtol": 1e-10},
    )
    U, c, B, b = objective.parts(solved.x)
    return Neurons.from_factors(U.T, c[:, None] * B, b, neurons.gate, unit)


class _Bounded:
    """Value and gradient at the vector (U (d, m), c (m,), B (m, C), b (C,))."""

    def __init__(self, problem: Problem, unit: Tanh, neurons: Neurons) -> None:
        self.problem, self.unit, self.gate = problem, unit, neurons.gate
        self.m, self.d, self.C = neurons.count, problem.rows.d, problem.n_outputs
        sizes = [self.m * self.d, self.m, self.m * self.C]
        self.ends = np.cumsum(sizes)

    def parts(self, x: Array) -> tuple[Array, Array, Array, Array]:
        U, c, B, b = np.split(x, self.ends)
        return U.reshape(self.d, self.m), c, B.reshape(self.m, self.C), b

    def __call__(self, x: Array) -> tuple[float, Array]:
        U, c, B, b = self.parts(x)
        A = c[:, None] * B
        gradient = np.zeros_like(x)
        for_U, for_c, for_B, for_b = self.parts(gradient)
        for_A = np.zeros_like(A)
        value = 0.5 * self.problem.beta * float(c @ c + np.sum(B**2))
        for part, piece in self.problem.parts:
            Phi = piece.rows.forward(U)
            slopes = self.unit.activate(Phi, self.gate, part)
            F = Phi @ A + b
            V = piece.dual_point(F)
            value += piece.loss_value(F)
            for_A -= Phi.T @ V
            for_U -= piece.rows.adjoint(slopes * (V @ A.T))
            if self.problem.fit_intercept:
                for_b -= V.sum(axis=0)
        for_c += np.sum(for_A * B, axis=1) + self.problem.beta * c
        for_B += for_A * c[:, None] + self.problem.beta * B
        return value, gradient
