"""The steps of Frank-Wolfe: how an iterate moves, given the neuron that the oracle found.

Frank and Wolfe (1956) with the step 2 / (t + 1) or a line search; away steps and pairwise steps as
in Lacoste-Julien and Jaggi (NIPS 2015); the fully corrective step re-fits all sizes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from scipy.optimize import brentq

from nogap._typing import Array
from nogap.losses import Squared
from nogap.problem import Problem
from nogap.solvers.ball_refit import refit_in_ball
from nogap.solvers.neurons import Neurons, correlations, outputs
from nogap.units import Unit

REPEATED = 1e-18  # squared distance of neurons that count as one
UNUSED = 1e-12  # share of delta that is left over by rounding


@dataclass(frozen=True)
class Point:
    """An iterate: its neurons, and their outputs F (n, C) on all rows where they are known."""

    neurons: Neurons
    F: Array | None


@dataclass(frozen=True)
class Ball:
    """The feasible set: networks of penalty at most delta, whose vertices are single neurons."""

    problem: Problem
    unit: Unit
    delta: float

    def vertex(self, atom: Neurons) -> Array:
        """Outputs (n, C) of a single neuron of size delta."""
        return outputs(self.problem, self.unit, replace(atom, sizes=np.full(1, self.delta)))

    def correlations(self, neurons: Neurons, V: Array) -> Array:
        """``<V, phi_j s_j'>`` of every neuron, (m,)."""
        moments = correlations(self.problem, self.unit, neurons, V)
        each: Array = np.einsum("mc,mc->m", moments, neurons.outputs)
        return each

    def best_length(self, F: Array, D: Array, longest: float) -> float:
        """The length in [0, longest] that minimises the loss along F + length * D."""
        size = float(np.sum(D * D))
        if size == 0 or longest <= 0:
            return 0.0

        def descent(length: float) -> float:
            return float(np.sum(self.problem.dual_point(F + length * D) * D))

        first = descent(0.0)
        if isinstance(self.problem.loss, Squared):
            return min(max(first / size, 0.0), longest)
        if first <= 0:
            return 0.0
        if descent(longest) >= 0:
            return longest
        return float(brentq(descent, 0.0, longest, xtol=1e-14 * longest, rtol=1e-14))


class Step(ABC):
    """One variant; an object serves one run.

    Attributes
    ----------
    descends : bool
        Whether the loss never rises, so that a step that does not lower it means a standstill.
    needs_all_rows : bool
        Whether the step evaluates the loss, for which a batch would not do.
    """

    descends: ClassVar[bool] = True
    needs_all_rows: ClassVar[bool] = True

    def __init__(self, ball: Ball) -> None:
        self.ball = ball

    @abstractmethod
    def take(self, point: Point, V: Array, atom: Neurons, t: int) -> Point:
        """The next iterate; V (n, C) is the dual point here and ``atom`` the oracle's neuron.

        ``atom`` is one of the iterate's own where the oracle repeats it.
        """

    def _towards(self, point: Point, atom: Neurons, length: float, S: Array | None) -> Point:
        """``(1 - length) point + length S``, S being the vertex of the atom."""
        sizes = (1 - length) * point.neurons.sizes
        moved = _plus(replace(point.neurons, sizes=sizes), atom, length * self.ball.delta)
        F = None if S is None or point.F is None else (1 - length) * point.F + length * S
        return Point(moved.keep(moved.sizes > 0), F)

    def _worst(self, neurons: Neurons, V: Array) -> tuple[int | None, float, float]:
        """The vertex in use that V pulls least at: its number, the pull and its size.

        Without a number it is the empty network, whose size is what the neurons leave of delta.
        Starting there and not at a first neuron of size delta, the loss never rises; with a large
        delta it would take long to come back down to that of the empty network.
        """
        rest = self.ball.delta - float(neurons.sizes.sum())
        each = self.ball.correlations(neurons, V)
        worst = int(np.argmin(each)) if each.size else None
        if worst is None or (rest > UNUSED * self.ball.delta and each[worst] >= 0):
            return None, 0.0, rest
        return worst, float(each[worst]), float(neurons.sizes[worst])

    def _vertex(self, point: Point, k: int | None) -> Array:
        """Outputs of neuron k at size delta, or of the empty network."""
        if k is None:
            return np.zeros_like(self.ball.problem.Y)
        return self.ball.vertex(point.neurons.keep(np.array([k])))

    def _line_search(self, point: Point, V: Array, atom: Neurons) -> Point:
        assert point.F is not None
        S = self.ball.vertex(atom)
        length = self.ball.best_length(point.F, S - point.F, 1.0)
        return self._towards(point, atom, length, S)


class Standard(Step):
    """``2 / (t + 1)``: the first step goes all the way, and the loss may rise."""

    descends = False
    needs_all_rows = False

    def take(self, point: Point, V: Array, atom: Neurons, t: int) -> Point:
        S = None if point.F is None else self.ball.vertex(atom)
        return self._towards(point, atom, 2.0 / (t + 1), S)


class LineSearch(Step):
    """The best point between the iterate and the vertex."""

    def take(self, point: Point, V: Array, atom: Neurons, t: int) -> Point:
        return self._line_search(point, V, atom)


class Away(Step):
    """Towards the best vertex, or away from the worst one in use, whichever descends faster.

    The empty network counts as a vertex, with what the neurons leave of delta.
    """

    def take(self, point: Point, V: Array, atom: Neurons, t: int) -> Point:
        assert point.F is not None
        delta, (worst, pull, size) = self.ball.delta, self._worst(point.neurons, V)
        here = float(np.sum(V * point.F))
        forward = delta * float(self.ball.correlations(atom, V)[0]) - here
        share = size / delta
        if forward >= here - delta * pull or share >= 1:
            return self._line_search(point, V, atom)
        A = self._vertex(point, worst)
        longest = share / (1 - share)
        length = self.ball.best_length(point.F, point.F - A, longest)
        sizes = (1 + length) * point.neurons.sizes
        if worst is not None:
            sizes[worst] = 0.0 if length >= longest else sizes[worst] - length * delta
        moved = replace(point.neurons, sizes=sizes)
        return Point(moved.keep(sizes > 0), (1 + length) * point.F - length * A)


class Pairwise(Step):
    """Size moves from the worst vertex in use to the best; the empty network counts as one."""

    def take(self, point: Point, V: Array, atom: Neurons, t: int) -> Point:
        assert point.F is not None
        worst, _, size = self._worst(point.neurons, V)
        longest = size / self.ball.delta
        D = self.ball.vertex(atom) - self._vertex(point, worst)
        length = self.ball.best_length(point.F, D, longest)
        sizes = point.neurons.sizes.copy()
        if worst is not None:
            sizes[worst] = 0.0 if length >= longest else sizes[worst] - length * self.ball.delta
        moved = replace(point.neurons, sizes=sizes)
        moved = _plus(moved, atom, length * self.ball.delta)
        return Point(moved.keep(moved.sizes > 0), point.F + length * D)


class FullyCorrective(Step):
    """The best network of the neurons found so far; those that it does not use are dropped."""

    def __init__(self, ball: Ball) -> None:
        super().__init__(ball)
        self.multiplier = 0.0

    def take(self, point: Point, V: Array, atom: Neurons, t: int) -> Point:
        ball = self.ball
        fitted, self.multiplier = refit_in_ball(
            ball.problem, ball.unit, _plus(point.neurons, atom, 0.0), ball.delta, self.multiplier
        )
        fitted = fitted.keep(fitted.sizes > 0)
        return Point(fitted, outputs(ball.problem, ball.unit, fitted))


STEPS: dict[str, type[Step]] = {
    "standard": Standard,
    "line_search": LineSearch,
    "away": Away,
    "pairwise": Pairwise,
    "fully_corrective": FullyCorrective,
}


def repeated(neurons: Neurons, atom: Neurons) -> int | None:
    """Which of the neurons the atom is, if any."""
    apart = np.sum((neurons.directions - atom.directions) ** 2, axis=1)
    apart += np.sum((neurons.outputs - atom.outputs) ** 2, axis=1)
    same = np.flatnonzero(apart <= REPEATED)
    return int(same[0]) if same.size else None


def _plus(neurons: Neurons, atom: Neurons, size: float) -> Neurons:
    """The neurons with the atom at that size, or that much larger where it is among them."""
    k = repeated(neurons, atom)
    if k is None:
        return neurons.joined(replace(atom, sizes=np.full(1, size)))
    sizes = neurons.sizes.copy()
    sizes[k] += size
    return replace(neurons, sizes=sizes)
