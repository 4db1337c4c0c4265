"""The fast engine: descent on the smooth proximal problem, then the certificate of exactness.

Hard constraints enter as an exact penalty ``rho * violation``, treated by an augmented Lagrangian
whose multipliers are clipped to [0, rho] (Nocedal and Wright, chapter 17): where the constraints
can be met the penalty is exact, and where they cannot the slack remains and is reported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nogap._typing import Array
from nogap.lifted.layers import Layers, Pass, Task, forward
from nogap.lifted.metric import Metric
from nogap.lifted.proximal import ProximalObjective, Weights
from nogap.lifted.step import Step
from nogap.solvers.lbfgs import minimise

MARGIN = 2e-6  # constraints are tightened by this share of their size,
ALLOWED = 1e-6  # and met to this one: the network's own outputs then meet them
STATIONARY = 1e-4  # of the gradient at the centre
ROUNDS = 15
STIFFEST = 1e4
WARM_ROUNDS = 10
INNER_ITERATIONS = 1000


@dataclass
class Multipliers:
    """Multipliers of the constraints, kept from step to step; not above the penalty rho.

    Attributes
    ----------
    values : array (K,)
    stiffness : float
        Of the quadratic terms, relative to ten times the bend of the loss.
    """

    values: Array
    stiffness: float = 1.0


def smooth_violation(task: Task, F: Array) -> Array:
    """Violations (K,) of the smooth, slightly tightened constraints."""
    values = _tightened(task, F)
    over: Array = np.where(task.constraints.equality, np.abs(values), np.maximum(values, 0.0))
    return over


def _tightened(task: Task, F: Array) -> Array:
    constraints = task.constraints
    values = constraints.values(F, smooth=True)
    return np.where(constraints.equality, values, values + MARGIN * constraints.size)


def prox_step(
    task: Task,
    centre: Layers,
    weights: Weights,
    rho: float,
    multipliers: Multipliers,
    should_stop: Callable[[], bool],
    tolerance: float = STATIONARY,
) -> Step:
    """Minimise G from the centre and judge the point found."""
    objective = ProximalObjective(task, centre, weights)
    descent = _Descent(objective, rho, multipliers, should_stop, tolerance)
    layers, run, output_gradient, solved = descent.run()
    loss, violation = task.loss_value(run.outputs), smooth_violation(task, run.outputs)
    ratios = objective.certificate(layers, run, output_gradient)
    return Step(
        layers=layers,
        loss=loss,
        relaxed=loss + rho * float(violation.sum()) + objective.regulariser(layers, run),
        gap=0.0,  # the point is a network: its equations hold
        certificate=ratios.largest,
        exact=solved and ratios.largest <= 1.0,
        solver="stationary" if solved else "not stationary",
        output_gradient=output_gradient,
    )


def warm_up_layers(
    task: Task,
    layers: Layers,
    rho: float,
    multipliers: Multipliers,
    iterations: int,
    should_stop: Callable[[], bool],
) -> Layers:
    """Plain descent on the loss with penalty: a better centre to begin at, nothing proved."""
    free = [0.0] * (layers.n_layers - 1)
    for _ in range(WARM_ROUNDS):
        objective = ProximalObjective(task, layers, Weights([0.0, *free], free, free, free))
        descent = _Descent(objective, rho, multipliers, should_stop, STATIONARY)
        descent.rounds, descent.iterations = 1, -(-iterations // WARM_ROUNDS)
        layers = descent.run()[0]
        if should_stop():
            break
    return layers


class _Descent:
    """L-BFGS on the augmented Lagrangian, with better multipliers round by round."""

    def __init__(
        self,
        objective: ProximalObjective,
        rho: float,
        multipliers: Multipliers,
        should_stop: Callable[[], bool],
        tolerance: float,
    ) -> None:
        self.objective, self.task = objective, objective.task
        self.rho, self.multipliers, self.interrupted = rho, multipliers, should_stop
        self.size, self.equality = self.task.constraints.size, self.task.constraints.equality
        F = objective.at.outputs
        bend = self.task.weights[:, None] * self.task.loss.curvature(F, self.task.Y)
        self.metric = Metric(objective, bend)
        self.bend = max(float(bend.max()), 1e-3 * float(self.task.weights.max()))
        self.tolerance = tolerance
        self.rounds = ROUNDS if len(self.task.constraints) else 2
        self.iterations = INNER_ITERATIONS
        self.slope = self.target = np.inf  # norms of the gradient: the last one seen, and sought

    def run(self) -> tuple[Layers, Pass, Array, bool]:
        """Layers, their forward pass, the outputs' gradient there, and whether it is solved."""
        y = np.zeros(self.metric.size)
        steepest = float(np.linalg.norm(self.value_and_gradient(y)[1]))
        final = self.tolerance * steepest + 1e-12
        constrained = len(self.task.constraints) > 0
        self.target = max(final, 1e-2 * steepest) if constrained else final
        solved, worst = False, np.inf
        for _ in range(self.rounds):
            y, _ = minimise(
                self.value_and_gradient, y, self.iterations, self._should_stop, 1e-13
            )
            wrong = self._improve_multipliers(y)
            slope = float(np.linalg.norm(self.value_and_gradient(y, fixed=True)[1]))
            solved = wrong <= ALLOWED and slope <= 2.0 * final
            if solved or self.interrupted():
                break
            if wrong > max(0.25 * worst, ALLOWED):
                self.multipliers.stiffness = min(4.0 * self.multipliers.stiffness, STIFFEST)
            worst = wrong
            self.target = max(final, 0.1 * self.target)
        self.multipliers.stiffness = max(0.25 * self.multipliers.stiffness, 1.0)
        layers = self.metric.layers(y)
        run = forward(layers, self.task.X, self.task.split)
        return layers, run, self._output_gradient(run.outputs, self.multipliers.values), solved

    def _improve_multipliers(self, y: Array) -> float:
        """First-order update; by how much the old ones did not belong to this point."""
        if not len(self.task.constraints):
            return 0.0
        F = forward(self.metric.layers(y), self.task.X, self.task.split).outputs
        updated = self._updated(F)
        change = np.abs(updated - self.multipliers.values)
        self.multipliers.values = updated
        return float(np.max(change / self._curvature() / self.size))

    def _should_stop(self) -> bool:
        return self.slope <= self.target or self.interrupted()

    def _curvature(self) -> Array:
        """Of the quadratic terms: as the loss bends along each constraint, times the stiffness."""
        curvature: Array = self.multipliers.stiffness * 10.0 * self.bend / self.size
        return curvature

    def _updated(self, F: Array) -> Array:
        moved = self.multipliers.values + self._curvature() * _tightened(self.task, F)
        lowest = np.where(self.equality, -self.rho, 0.0)
        return np.clip(moved, lowest, self.rho)

    def _output_gradient(self, F: Array, multipliers: Array) -> Array:
        gradient = self.task.loss_gradient(F)
        if multipliers.size:
            gradient = gradient + self.task.constraints.pull(F, multipliers)
        return gradient

    def value_and_gradient(self, y: Array, fixed: bool = False) -> tuple[float, Array]:
        """The augmented Lagrangian; with ``fixed``, the Lagrangian at the multipliers."""
        layers = self.metric.layers(y)
        run = forward(layers, self.task.X, self.task.split)
        F = run.outputs
        value = self.task.loss_value(F) + self.objective.regulariser(layers, run)
        multipliers = self.multipliers.values
        if multipliers.size and not fixed:
            updated = self._updated(F)
            change = updated - multipliers
            value += float(updated @ _tightened(self.task, F))
            value -= 0.5 * float(np.sum(change * change / self._curvature()))
            multipliers = updated
        gradient = self.objective.gradient(layers, run, self._output_gradient(F, multipliers))
        flat = self.metric.pull(gradient)
        self.slope = float(np.linalg.norm(flat))
        return value, flat
