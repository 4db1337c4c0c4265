"""Newton's method on the proximal problem under constraints, with the dense Hessian.

Sequential quadratic programs with an exact penalty (R. Fletcher, "Practical Methods of
Optimization", section 12.4): each step minimises the quadratic model of the objective plus ``rho``
times the violation of the linearised constraints.  The program is solved on the dual side, where it
has one variable between 0 and rho for every constraint that matters.  Where the certificate holds
the Hessian is positive semi-definite (that is what the certificate says) and changes little over
the short way of a proximal step, so that one factorisation serves for several programs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError, cholesky, solve_triangular

from nogap._typing import Array
from nogap.lifted.augmented import AugmentedLagrangian, allowed_violation, tightened
from nogap.lifted.box_program import minimise_over_box
from nogap.lifted.curvature import hessian, output_change, output_jacobian
from nogap.lifted.layers import Layers, Pass

MOST_WORK = 5e10  # multiplications for one Hessian
MOST_WEIGHTS = 4000
MOST_ACTIVE = 3000  # constraints in one program
ARMIJO = 1e-4
HALVINGS = 25
ROUNDING = 1e-12  # of the merit: no program can promise less
MORE_CONSTRAINTS = 10  # rounds of adding those that a program's solution would break
BROKEN = 1e-10  # of a constraint's size
KEEP = 0.1  # the factorisation is kept while the promised decrease falls by this factor
RESTORING = 1e6  # weight of the violations where nothing else is minimised
RIDGE_RESTORING = 1e-3  # of the mean diagonal of the Hessian, which may be singular there
TINY = 1e-300
RIDGE = 1e-9  # of the mean diagonal of the dual's matrix: dependent constraints


def is_cheap(n: int, layers: Layers, n_active: int) -> bool:
    """Whether programs with a network's Hessian and that many constraints are cheap enough."""
    P = sum(W.size + b.size for W, b in zip(layers.weights, layers.biases, strict=True))
    return P <= MOST_WEIGHTS and n * P * P <= MOST_WORK and n_active <= MOST_ACTIVE


@dataclass
class _Point:
    """Layers with everything that a quadratic model needs."""

    layers: Layers
    run: Pass
    merit: float
    values: Array  # of the constraints, (K,)


@dataclass(frozen=True)
class _Plan:
    """Solution of a quadratic program."""

    change: Array  # of the weights, (P,)
    multipliers: Array  # (K,)
    decrease: float  # of the merit, as the model promises
    fall: Array  # of the linearised constraints, (K,)


class NewtonDescent:
    """Minimise the proximal objective plus rho times the violations.

    Parameters
    ----------
    lagrangian : AugmentedLagrangian
        Its objective, constraints, penalty and margin; its multipliers are replaced by those of
        the programs.
    restoring : bool
        Minimise the violations alone instead, by Gauss-Newton steps that are as short as can be
        in the metric of the loss; the multipliers are left alone.
    """

    def __init__(self, lagrangian: AugmentedLagrangian, *, restoring: bool = False) -> None:
        self.lagrangian, self.objective = lagrangian, lagrangian.objective
        self.restoring = restoring
        self.task, self.rho = lagrangian.task, RESTORING if restoring else lagrangian.rho
        self.equality = self.task.constraints.equality
        self.lowest = np.where(self.equality, -self.rho, 0.0)
        self._stop: Callable[[Pass], bool] = lambda run: False
        self._factor: Array | None = None  # of the Hessian, lower triangular
        self._shift = 0.0

    def run(
        self,
        start: Layers,
        max_iter: int,
        accuracy: float,
        should_stop: Callable[[Pass], bool],
    ) -> tuple[Layers, Pass, bool]:
        """Layers, their forward pass, and whether no program promises anything any more.

        ``accuracy`` is the share of the decrease so far that a program may still promise.
        """
        self._stop = should_stop
        point = self._point(start)
        first, last_decrease = point.merit, np.inf
        for _ in range(max_iter):
            fresh = self._factor is None
            if fresh:
                self._factorise(point)
            plan = self._plan(point)
            if plan.decrease > KEEP * last_decrease and not fresh:
                self._factorise(point)
                plan, fresh = self._plan(point), True
            if not self.restoring:
                self.lagrangian.multipliers.values = plan.multipliers
            enough = accuracy * (first - point.merit) + ROUNDING * abs(point.merit)
            # a promise below zero is a program that was not solved
            if abs(plan.decrease) <= enough and self._met(point, plan.multipliers):
                return point.layers, point.run, True
            if should_stop(point.run):
                break
            new = self._search(point, plan)
            if new is None:
                if fresh:
                    break
                self._factor = None
                continue
            point, last_decrease = new, plan.decrease
        return point.layers, point.run, False

    # -- a point -----------------------------------------------------------------------------

    def _point(self, layers: Layers) -> _Point:
        run = self.lagrangian.forward(layers)
        values = tightened(self.task, run.outputs, self.lagrangian.margin)
        merit = self.rho * self._broken(values)
        if not self.restoring:
            merit += self.task.loss_value(run.outputs) + self.objective.regulariser(layers, run)
        return _Point(layers, run, merit, values)

    def _broken(self, values: Array) -> float:
        """Sum of all violations."""
        return float(np.where(self.equality, np.abs(values), np.maximum(values, 0.0)).sum())

    def _met(self, point: _Point, multipliers: Array) -> bool:
        """All constraints that are not given up (a multiplier of rho) hold."""
        over = np.where(self.equality, np.abs(point.values), point.values)
        held = np.abs(multipliers) < self.rho
        return bool(np.all((over <= allowed_violation(self.task))[held]))

    # -- the quadratic program ---------------------------------------------------------------

    def _factorise(self, point: _Point) -> None:
        """Factorise the Hessian; its diagonal is raised until it is positive definite."""
        F, multipliers = point.run.outputs, self.lagrangian.multipliers.values
        if self.restoring:
            slope, bend = np.zeros_like(F), self.lagrangian.output_curvature
        else:
            slope = self.lagrangian.output_gradient(F, multipliers)
            bend = self.lagrangian.bend(F, multipliers)
        H = hessian(self.objective, point.layers, point.run, slope, bend)
        if self.restoring:
            H[np.diag_indices_from(H)] += RIDGE_RESTORING * float(np.trace(H)) / H.shape[0] + TINY
        scale = float(np.abs(np.diag(H)).max()) + TINY
        shift = 0.1 * self._shift if self._shift > 1e-9 * scale else 1e-12 * scale
        diagonal = np.arange(H.shape[0])
        plain = np.diag(H).copy()
        while True:
            H[diagonal, diagonal] = plain + shift
            try:
                self._factor = cholesky(H, lower=True)
                break
            except LinAlgError:
                shift = max(10.0 * shift, 1e-8 * scale)
        self._shift = shift

    def _plan(self, point: _Point, values: Array | None = None) -> _Plan:
        """Solve the program at a point, constraints added as its solution would break them.

        ``values`` replaces the constraints' own (K,).
        """
        layers, run = point.layers, point.run
        values = point.values if values is None else values
        factor = self._factor
        assert factor is not None
        if self.restoring:
            down = np.zeros(factor.shape[0])
        else:
            gradient = self.objective.gradient(layers, run, self.task.loss_gradient(run.outputs))
            down = solve_triangular(factor, gradient.vector(), lower=True)  # L^-1 g
        multipliers = np.zeros_like(values)
        if not values.size:
            change = -solve_triangular(factor, down, lower=True, trans=1)
            return _Plan(change, multipliers, 0.5 * float(down @ down), values)
        jacobian = self.task.constraints.jacobian(run.outputs)
        old = multipliers if self.restoring else self.lagrangian.multipliers.values
        fresh = (old != 0.0) | (values > 0.0) | self.equality
        chosen = np.zeros(0, dtype=np.intp)
        half = np.zeros((down.size, 0))  # L^-1 A', one column a constraint
        for _ in range(MORE_CONSTRAINTS):
            more = np.flatnonzero(fresh)
            chosen = np.concatenate([chosen, more])
            half = np.hstack([half, self._half(factor, layers, run, jacobian[more])])
            Q = half.T @ half
            ridge = RIDGE * (float(np.trace(Q)) / max(chosen.size, 1) + TINY)
            Q[np.diag_indices_from(Q)] += ridge
            right = values[chosen] - half.T @ down + ridge * old[chosen]
            top = np.full(chosen.size, self.rho)
            y = minimise_over_box(
                Q, right, self.lowest[chosen], top, old[chosen], lambda: self._stop(point.run)
            )
            slope = down + half @ y
            change = -solve_triangular(factor, slope, lower=True, trans=1)
            moved = output_change(layers, run, layers.like(change))
            linear = values + jacobian @ moved.ravel()
            fresh = linear > BROKEN * self.task.constraints.size
            fresh[chosen] = False
            if not fresh.any() or self._stop(point.run):
                break
        multipliers = np.zeros_like(values)
        multipliers[chosen] = y
        decrease = float(down @ slope) - 0.5 * float(slope @ slope)
        decrease += self.rho * (self._broken(values) - self._broken(linear))
        return _Plan(change, multipliers, decrease, values - linear)

    def _half(self, factor: Array, layers: Layers, run: Pass, jacobian: Any) -> Array:
        """``L^-1 A'`` (P, k) for some constraints' Jacobian in the outputs."""
        n_outputs = run.outputs.shape[1]
        rows = np.unique(jacobian.indices // n_outputs)
        columns = (rows[:, None] * n_outputs + np.arange(n_outputs)).ravel()
        A = jacobian[:, columns] @ output_jacobian(layers, run, rows)
        half: Array = solve_triangular(factor, A.T, lower=True)
        return half

    # -- the step ----------------------------------------------------------------------------

    def _search(self, point: _Point, plan: _Plan) -> _Point | None:
        """A point on the way with enough decrease, or None."""
        x, length = point.layers.vector(), 1.0
        for _ in range(HALVINGS):
            new = self._point(point.layers.like(x + length * plan.change))
            if new.merit <= point.merit - ARMIJO * length * plan.decrease:
                return new
            if length == 1.0 and new.values.size:
                corrected = self._corrected(point, plan, new)
                if corrected is not None:
                    return corrected
            length *= 0.5
        return None

    def _corrected(self, point: _Point, plan: _Plan, new: _Point) -> _Point | None:
        """The program again, with the constraints' bend along the first solution taken in."""
        again = self._plan(point, new.values + plan.fall)
        trial = self._point(point.layers.like(point.layers.vector() + again.change))
        enough = trial.merit <= point.merit - ARMIJO * plan.decrease
        return trial if enough else None
