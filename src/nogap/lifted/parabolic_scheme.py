"""The parabolic method as a scheme of the outer loop: weights, engine, penalty, merit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from nogap._typing import Array
from nogap.lifted.augmented import Multipliers, smooth_violation
from nogap.lifted.layers import Layers, Task, forward
from nogap.lifted.prox_engine import prox_step, warm_up_layers
from nogap.lifted.proximal import dual_scaled_weights
from nogap.lifted.sequence import Proposal
from nogap.lifted.solution import MET
from nogap.lifted.standard_units import Units
from nogap.lifted.step import Step
from nogap.solution import Status

START_DAMPING, LEAST_DAMPING = 1.5, 1.1
MORE, LESS = 1.6, 1.2  # factors of the damping after a refusal and after a step
REFUSALS = 15  # one after the other, before the run gives up
PENALTY = 10.0  # of the first penalty, as a multiple of the loss's largest slope
HARDER, RAISES = 10.0, 5  # the penalty grows by this factor, at most so often
FALLING = {"prox": 1e-8, "conic": 1e-6}  # the merit may rise by this share: solver error
PERFECT = 1e-18  # mean loss of a perfect fit, in standard units: errors of 1e-9 of the spread
NOTHING = 1e-5  # a rise of this share after an exact step is the solver's error


class ParabolicScheme:
    """Proximal weights, engine, penalty and multipliers from one step to the next.

    The task is in standard units; records, and the penalty given, are in the user's.
    """

    def __init__(
        self,
        task: Task,
        engine: str,
        penalty: float | None,
        tol: float,
        units: Units,
    ) -> None:
        self.task, self.engine, self.tol, self.units = task, engine, tol, units
        self.rho = None if penalty is None else penalty / units.scale
        self.perfect = task.least_loss() + PERFECT * float(task.weights.sum())
        self.multipliers = Multipliers(np.zeros(len(task.constraints)))
        self.damping, self.refusals, self.raises = START_DAMPING, 0, 0

    # -- the merit ---------------------------------------------------------------------------

    def merit(self, F: Array) -> float:
        """Loss plus penalty; the prox engine's violations are smooth upper bounds."""
        if self.rho is None:
            slope = float(np.abs(self.task.loss_gradient(F)).max())
            self.rho = PENALTY * (slope if slope > 0 else 1.0)
        if not len(self.task.constraints):
            return self.task.loss_value(F)
        return self.task.loss_value(F) + self.rho * float(self._violation(F).sum())

    def _violation(self, F: Array) -> Array:
        if self.engine == "prox":
            return smooth_violation(self.task, F)
        return self.task.constraints.violations(F)

    def judge(self, layers: Layers, step: Step | None = None) -> Proposal[Layers]:
        """Everything on record of a network: its own outputs decide."""
        F = forward(layers, self.task.X, self.task.split).outputs
        merit = self.merit(F)
        loss = self.task.loss_value(F)
        facts = {
            "objective": loss,
            "lower_bound": self.task.least_loss(),
            "kind": "bound",
            "n_neurons": sum(W.shape[1] for W in layers.weights[:-1]),
            "merit": merit,
            "relaxed": merit if step is None else step.relaxed,
            "gap": 0.0 if step is None else step.gap,
            "certificate": 0.0 if step is None else step.certificate,
            "exact": step is None or step.exact,
            "excess": self.task.constraints.excess(F),
            "damping": self.damping,
            "penalty": self.rho,
            "solver": "start" if step is None else step.solver,
        }
        return Proposal(layers, merit, step is None or step.exact, self.units.facts(facts))

    def start(
        self, layers: Layers, iterations: int, should_stop: Callable[[], bool]
    ) -> Proposal[Layers]:
        """The first centre, after a warm-up if one is asked for."""
        first = self.judge(layers)
        if not iterations:
            return first
        assert self.rho is not None
        warmed = warm_up_layers(
            self.task, layers, self.rho, self.multipliers, iterations, should_stop
        )
        return self.judge(warmed)

    # -- what the loop asks ------------------------------------------------------------------

    def propose(self, centre: Layers, should_stop: Callable[[], bool]) -> Proposal[Layers]:
        assert self.rho is not None
        at = forward(centre, self.task.X, self.task.split)
        gradient = self.task.loss_gradient(at.outputs)
        if len(self.task.constraints) and not self.task.constraints.modelled:
            gradient = gradient + self.task.constraints.pull(at.outputs, self.multipliers.values)
        weights = dual_scaled_weights(centre, at, gradient, self.damping)
        if self.engine == "prox":
            step = prox_step(self.task, centre, weights, self.rho, self.multipliers, should_stop)
        else:
            from nogap.lifted.conic_engine import conic_step

            step = conic_step(self.task, centre, weights, self.rho, self.multipliers)
        return self.judge(step.layers, step)

    def allowance(self, merit: float) -> float:
        return FALLING[self.engine] * abs(merit)

    def accepted(self, new: Proposal[Layers], old: Proposal[Layers]) -> Proposal[Layers]:
        self.refusals = 0
        self.damping = max(self.damping / LESS, LEAST_DAMPING)
        slow = old.merit - new.merit <= max(1e-3, self.tol) * abs(old.merit)
        if slow and new.facts["excess"] > MET and self.raises < RAISES:
            assert self.rho is not None
            self.rho, self.raises = HARDER * self.rho, self.raises + 1
            F = forward(new.centre, self.task.X, self.task.split).outputs
            return replace(new, merit=self.merit(F))
        return new

    def refused(self, new: Proposal[Layers], old: Proposal[Layers]) -> Status | None:
        if old.merit <= self.perfect and old.facts["excess"] <= MET:
            return Status.STATIONARY  # all that is left is rounding
        if new.trusted and new.merit - old.merit <= NOTHING * abs(old.merit):
            return Status.STATIONARY  # an exact step from here finds nothing better
        self.damping *= MORE
        self.refusals += 1
        return Status.INEXACT if self.refusals == REFUSALS else None

    def better(self, new: Proposal[Layers], best: Proposal[Layers]) -> bool:
        return bool(new.facts["excess"] <= MET or best.facts["excess"] > MET)

    def ending(self, merits: list[float], latest: Proposal[Layers]) -> Status | None:
        perfect = merits[-1] <= self.perfect
        slow = len(merits) > 1 and merits[-2] - merits[-1] <= self.tol * abs(merits[-2])
        if not (perfect or slow):
            return None
        met = latest.facts["excess"] <= MET
        return Status.STATIONARY if met else Status.CONSTRAINTS_NOT_MET
