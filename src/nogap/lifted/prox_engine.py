"""The fast engine: descent on the smooth proximal problem, then the certificate of exactness."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nogap._typing import Array
from nogap.lifted.augmented import (
    MARGIN,
    AugmentedLagrangian,
    Multipliers,
    smooth_violation,
)
from nogap.lifted.layers import Layers, Pass, Task
from nogap.lifted.metric import Metric
from nogap.lifted.newton import NewtonDescent, is_cheap
from nogap.lifted.proximal import ProximalObjective, Weights
from nogap.lifted.step import Step
from nogap.solvers.lbfgs import minimise

# Gradient norm of a solved step, as a share of that at the centre: by Newton's method, by L-BFGS.
STATIONARY, STATIONARY_LARGE = 1e-4, 1e-3
ROUNDS = 15  # of new multipliers
INNER_ITERATIONS = 1000
NEWTON_ITERATIONS = 50
WARM_ROUNDS = 10
RESTORING_ROUNDS = 20
GAUSS_NEWTON_STEPS = 30
NEAR = 0.05  # violations from which Gauss-Newton steps restore at little cost
HOPELESS = 4  # rounds without halving the violation
RESTORING_ITERATIONS = 50  # of L-BFGS, a round, at least
RESTORING_MARGIN = 1e-3  # what is nearly met with this margin is met without it


def prox_step(
    task: Task,
    centre: Layers,
    weights: Weights,
    rho: float,
    multipliers: Multipliers,
    should_stop: Callable[[], bool],
    tolerance: float | None = None,
) -> Step:
    """Minimise G from the centre and judge the point found."""
    objective = ProximalObjective(task, centre, weights)
    lagrangian = AugmentedLagrangian(objective, rho, multipliers)
    layers, run, solved = _Descent(lagrangian, should_stop, tolerance).run()
    output_gradient = lagrangian.output_gradient(run.outputs)
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
    """Plain descent on the loss with penalty: a better centre to begin at, nothing proved.

    Once the iterations are spent, rounds with ever stiffer constraints go on until these are met:
    from a feasible centre, exact steps stay feasible.
    """
    least, since, rounds = np.inf, 0, WARM_ROUNDS + RESTORING_ROUNDS
    for k in range(rounds):
        objective = _without_weights(task, layers)
        violation = smooth_violation(task, objective.at.outputs) / task.constraints.size
        worst = float(violation.max(initial=0.0))
        restoring = k >= WARM_ROUNDS
        if should_stop() or (restoring and worst == 0.0):
            return layers
        share, margin = -(-iterations // WARM_ROUNDS), MARGIN
        if restoring:
            since = 0 if worst <= 0.5 * least else since + 1
            least = min(least, worst)
            if worst <= NEAR or since == HOPELESS:
                break
            multipliers.stiffen()
            share, margin = max(share, RESTORING_ITERATIONS), RESTORING_MARGIN
        lagrangian = AugmentedLagrangian(objective, rho, multipliers, margin)
        layers = _Descent(lagrangian, should_stop).round(share)
    return _restored(task, layers, rho, multipliers, should_stop)


def _restored(
    task: Task,
    layers: Layers,
    rho: float,
    multipliers: Multipliers,
    should_stop: Callable[[], bool],
) -> Layers:
    """Layers nearby that meet the constraints, if Gauss-Newton steps are cheap and find any."""
    lagrangian = AugmentedLagrangian(
        _without_weights(task, layers), rho, multipliers, RESTORING_MARGIN
    )
    if not is_cheap(task.X.shape[0], layers, lagrangian.n_active()):
        return layers
    restored, _, _ = NewtonDescent(lagrangian, restoring=True).run(
        layers,
        GAUSS_NEWTON_STEPS,
        0.0,
        lambda run: should_stop() or not smooth_violation(task, run.outputs).any(),
    )
    return restored


def _without_weights(task: Task, layers: Layers) -> ProximalObjective:
    """The loss itself."""
    free = [0.0] * (layers.n_layers - 1)
    return ProximalObjective(task, layers, Weights([0.0, *free], free, free, free))


class _Descent:
    """Descent on the augmented Lagrangian, with better multipliers round by round.

    Newton's method where the Hessian is cheap, else L-BFGS in well-conditioned coordinates.
    """

    def __init__(
        self,
        lagrangian: AugmentedLagrangian,
        should_stop: Callable[[], bool],
        tolerance: float | None = None,
    ) -> None:
        self.lagrangian, self.interrupted = lagrangian, should_stop
        self.centre = lagrangian.objective.centre
        self.metric = Metric(lagrangian.objective, lagrangian.curvature())
        n, n_active = lagrangian.task.X.shape[0], lagrangian.n_active()
        self.newton = is_cheap(n, self.centre, n_active)
        steepest = self._slope(self.centre, lagrangian.objective.at)
        if tolerance is None:
            tolerance = STATIONARY if self.newton else STATIONARY_LARGE
        self.tolerance = tolerance
        self.final = tolerance * steepest + 1e-12
        self.target = max(self.final, 1e-2 * steepest) if lagrangian.constrained else self.final
        self.slope = np.inf  # norm of the gradient at the last point seen

    def run(self) -> tuple[Layers, Pass, bool]:
        """Layers, their forward pass, and whether they solve the problem."""
        if self.newton:
            return NewtonDescent(self.lagrangian).run(
                self.centre, NEWTON_ITERATIONS, self.tolerance**2, lambda run: self.interrupted()
            )
        layers, lagrangian, solved, worst = self.centre, self.lagrangian, False, np.inf
        for _ in range(ROUNDS if lagrangian.constrained else 2):
            layers = self._descend_lbfgs(layers, INNER_ITERATIONS)
            run = lagrangian.forward(layers)
            wrong = lagrangian.improve_multipliers(run)
            solved = wrong <= 1.0 and self._slope(layers, run) <= 2.0 * self.final
            if solved or self.interrupted():
                break
            if wrong > max(0.25 * worst, 1.0):
                lagrangian.multipliers.stiffen()
            worst = wrong
            self.target = max(self.final, 0.1 * self.target)
        lagrangian.multipliers.relax()
        return layers, run, solved

    def round(self, iterations: int) -> Layers:
        """One round of descent from the centre, with better multipliers after it."""
        layers = self._descend_lbfgs(self.centre, iterations)
        self.lagrangian.improve_multipliers(self.lagrangian.forward(layers))
        return layers

    def _slope(self, layers: Layers, run: Pass) -> float:
        gradient = self.lagrangian.value_and_gradient(layers, run, fixed=True)[1]
        return float(np.linalg.norm(self.metric.pull(gradient)))

    def _should_stop(self) -> bool:
        return self.slope <= self.target or self.interrupted()

    def _descend_lbfgs(self, layers: Layers, iterations: int) -> Layers:
        def function(y: Array) -> tuple[float, Array]:
            at = self.metric.layers(y)
            value, gradient = self.lagrangian.value_and_gradient(at, self.lagrangian.forward(at))
            flat = self.metric.pull(gradient)
            self.slope = float(np.linalg.norm(flat))
            return value, flat

        start = self.metric.coordinates(layers)
        y, _ = minimise(function, start, iterations, self._should_stop, 1e-13)
        return self.metric.layers(y)
