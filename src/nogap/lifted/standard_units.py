"""Standard units of the targets, in which a problem is solved whatever the user's own units are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nogap._typing import Array
from nogap.lifted.constraints import Constraints
from nogap.lifted.layers import Layers, Task
from nogap.losses import Huber, Loss, Squared

SAME = 8.0  # spreads of so many units in the last place are rounding: the targets are constant


@dataclass(frozen=True)
class Units:
    """Centre and scale of the targets.

    Attributes
    ----------
    centre : array (C,)
        Weighted means; zero for losses whose outputs are no estimates of the targets.
    spread : array (C,)
        Weighted standard deviations, or one.
    scale : float
        One for all outputs, so that the loss keeps its form; one for the losses named above.
    """

    centre: Array
    spread: Array
    scale: float = 1.0

    @classmethod
    def of(cls, Y: Array, weights: Array, loss: Loss) -> Units:
        """The units of targets (n, C); only their rows of positive weight count."""
        if type(loss) not in (Squared, Huber):
            return cls(np.zeros(Y.shape[1]), np.ones(Y.shape[1]))
        counted = weights > 0
        Y, weights = Y[counted], weights[counted] / weights.sum()
        first = Y[0]
        centre = first + weights @ (Y - first)  # what is constant has its own value as its mean
        off = np.abs(Y - centre)
        top = off.max(axis=0)
        rounding = SAME * np.finfo(np.float64).eps * np.abs(Y).max(axis=0)
        moving = top > rounding
        divisor = np.where(moving, top, 1.0)
        spread = np.where(moving, divisor * np.sqrt(weights @ (off / divisor) ** 2), 0.0)
        return cls(centre, spread, float(spread.max()) or float(np.abs(centre).max()) or 1.0)

    def reaching(self, constraints: Constraints) -> Units:
        """The same with a scale of at least the way that the outputs have to go."""
        if not self.spread.any():
            way = constraints.reach(self.centre)
            return replace(self, scale=way or self.scale)
        if self.scaled:
            return replace(self, scale=max(self.scale, constraints.reach(self.centre)))
        return self

    @property
    def scaled(self) -> bool:
        return bool(self.scale != 1.0 or self.centre.any())

    @property
    def loss_scale(self) -> float:
        """What a loss in standard units is multiplied by."""
        return self.scale**2

    def task(self, task: Task) -> Task:
        """The task in standard units."""
        if not self.scaled:
            return task
        return replace(
            task,
            Y=(task.Y - self.centre) / self.scale,
            loss=Huber(task.loss.delta / self.scale) if isinstance(task.loss, Huber) else task.loss,
            constraints=Constraints(
                [part.in_units(self.centre, self.scale) for part in task.constraints.parts]
            ),
        )

    def standard(self, layers: Layers) -> Layers:
        """Layers whose outputs are in standard units."""
        W, b = layers.weights[-1] / self.scale, (layers.biases[-1] - self.centre) / self.scale
        return Layers([*layers.weights[:-1], W], [*layers.biases[:-1], b])

    def own(self, layers: Layers) -> Layers:
        """Layers whose outputs are in the user's units."""
        W, b = layers.weights[-1] * self.scale, layers.biases[-1] * self.scale + self.centre
        return Layers([*layers.weights[:-1], W], [*layers.biases[:-1], b])

    def facts(self, facts: dict[str, Any]) -> dict[str, Any]:
        """Fields of a record, in the user's units."""
        factors = dict.fromkeys(("objective", "lower_bound", "merit", "relaxed"), self.loss_scale)
        factors["penalty"] = self.scale
        return facts | {name: facts[name] * factor for name, factor in factors.items()}
