"""The proximal problem under hard constraints, as an augmented Lagrangian.

Hard constraints enter as an exact penalty ``rho * violation`` with multipliers clipped to [0, rho]
(Nocedal and Wright, chapter 17): where the constraints can be met the penalty is exact, and where
they cannot the violation remains and is reported.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nogap._typing import Array
from nogap.lifted.layers import Layers, Pass, Task, forward
from nogap.lifted.proximal import ProximalObjective

# Inequalities are tightened by a share of their size and met to half of it: then the network's own
# outputs keep them.  Equalities have no inside; they are met to the accuracy that counts as met.
MARGIN = 1e-4
ALLOWED_INEQUALITY, ALLOWED_EQUALITY = 5e-5, 5e-7
STIFFEST = 1e4
FINEST = 0.1  # smaller sizes make tolerances small, but nothing stiffer


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

    def stiffen(self) -> None:
        self.stiffness = min(4.0 * self.stiffness, STIFFEST)

    def relax(self) -> None:
        self.stiffness = max(0.25 * self.stiffness, 1.0)


def tightened(task: Task, F: Array, margin: float = MARGIN) -> Array:
    """The smooth constraint functions (K,), inequalities with a margin relative to their size."""
    constraints = task.constraints
    values = constraints.values(F, smooth=True)
    return np.where(constraints.equality, values, values + margin * constraints.size)


def smooth_violation(task: Task, F: Array) -> Array:
    """Violations (K,) of the smooth, tightened constraints beyond what still counts as met."""
    values = tightened(task, F)
    over = np.where(task.constraints.equality, np.abs(values), values)
    beyond: Array = np.maximum(over - allowed_violation(task), 0.0)
    return beyond


def allowed_violation(task: Task) -> Array:
    """Violations (K,) of the tightened functions that still count as met."""
    constraints = task.constraints
    share = np.where(constraints.equality, ALLOWED_EQUALITY, ALLOWED_INEQUALITY)
    allowed: Array = share * constraints.size
    return allowed


class AugmentedLagrangian:
    """Value, gradient and Hessian at given multipliers.

    Parameters
    ----------
    objective : ProximalObjective
    rho : float
    multipliers : Multipliers
        Updated in place by :meth:`improve_multipliers`.
    margin : float
        By how much inequalities are tightened, relative to their size.
    """

    def __init__(
        self,
        objective: ProximalObjective,
        rho: float,
        multipliers: Multipliers,
        margin: float = MARGIN,
    ) -> None:
        self.objective, self.task, self.margin = objective, objective.task, margin
        self.rho, self.multipliers = rho, multipliers
        self._allowed = allowed_violation(self.task)
        self.output_curvature = self._loss_curvature(objective.at.outputs)
        least = 1e-3 * float(self.task.weights.max())
        self._bend = max(float(self.output_curvature.max()), least)
        self._lowest = np.where(self.task.constraints.equality, -rho, 0.0)

    @property
    def constrained(self) -> bool:
        return len(self.task.constraints) > 0

    def n_active(self) -> int:
        """How many constraints bind or are broken at the centre."""
        if not self.constrained:
            return 0
        values = tightened(self.task, self.objective.at.outputs, self.margin)
        touched = (self.multipliers.values != 0.0) | (values > 0.0)
        return int(np.sum(touched | self.task.constraints.equality))

    def forward(self, layers: Layers) -> Pass:
        return forward(layers, self.task.X, self.task.split)

    def _loss_curvature(self, F: Array) -> Array:
        curvature: Array = self.task.weights[:, None] * self.task.loss.curvature(F, self.task.Y)
        return curvature

    def _stiffness(self) -> Array:
        """Of the quadratic terms, (K,): as the loss bends along each constraint, and more."""
        size = np.maximum(self.task.constraints.size, FINEST)
        stiffness: Array = self.multipliers.stiffness * 10.0 * self._bend / size
        return stiffness

    def _updated(self, F: Array) -> Array:
        moved = self.multipliers.values + self._stiffness() * tightened(self.task, F, self.margin)
        return np.clip(moved, self._lowest, self.rho)

    def improve_multipliers(self, run: Pass) -> float:
        """First-order update; how far the old ones were from belonging to this point.

        At most 1 when they belong to it to the accuracy asked.
        """
        if not self.constrained:
            return 0.0
        updated = self._updated(run.outputs)
        change = np.abs(updated - self.multipliers.values)
        self.multipliers.values = updated
        return float(np.max(change / self._stiffness() / self._allowed))

    def curvature(self) -> Array:
        """Diagonal curvature (n, C) in the outputs at the centre, that of constraints included."""
        F, curvature = self.objective.at.outputs, self.output_curvature
        if not self.constrained:
            return curvature
        multipliers = self._updated(F)
        curvature = curvature + self.task.constraints.curvature(F, multipliers)
        moving = (multipliers > self._lowest) & (multipliers < self.rho)
        A = self.task.constraints.jacobian(F)
        squares = A.multiply(A).T @ np.where(moving, self._stiffness(), 0.0)
        total: Array = curvature + squares.reshape(F.shape)
        return total

    def output_gradient(self, F: Array, multipliers: Array | None = None) -> Array:
        """Of the loss and the constraints in the outputs (n, C)."""
        if multipliers is None:
            multipliers = self.multipliers.values
        gradient = self.task.loss_gradient(F)
        if self.constrained:
            gradient = gradient + self.task.constraints.pull(F, multipliers)
        return gradient

    def value_and_gradient(
        self, layers: Layers, run: Pass, *, fixed: bool = False
    ) -> tuple[float, Layers]:
        """The augmented Lagrangian; with ``fixed``, the Lagrangian at the multipliers."""
        F = run.outputs
        value = self.task.loss_value(F) + self.objective.regulariser(layers, run)
        multipliers = self.multipliers.values
        if self.constrained:
            updated = multipliers if fixed else self._updated(F)
            change = updated - multipliers
            value += float(updated @ tightened(self.task, F, self.margin))
            value -= 0.5 * float(np.sum(change * change / self._stiffness()))
            multipliers = updated
        gradient = self.output_gradient(F, multipliers)
        return value, self.objective.gradient(layers, run, gradient)

    def bend(self, F: Array, multipliers: Array) -> Array:
        """Diagonal curvature (n, C) of the loss and the constraints in the outputs."""
        curvature = self._loss_curvature(F)
        if self.constrained:
            curvature = curvature + self.task.constraints.curvature(F, multipliers)
        return curvature
