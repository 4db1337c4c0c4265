"""Masters: how the neurons found so far are re-fitted, for each kind of training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from nogap._typing import Array, IntArray
from nogap.networks.pruning import merge_groups
from nogap.problem import Problem
from nogap.rows import height
from nogap.solvers.crease_newton import crease_newton
from nogap.solvers.features import Features
from nogap.solvers.hinge_program import at_vertices
from nogap.solvers.kink_newton import kink_newton
from nogap.solvers.neurons import Neurons, correlations, objective
from nogap.solvers.refit import refit_sizes
from nogap.solvers.slide import slide
from nogap.solvers.smoothing import smoothed
from nogap.units import ReLU, Unit

ShouldStop = Callable[[], bool]

SLIDE_STEPS = 100
REFINE_STEPS = 400
SINGLE_PRECISION_ENTRIES = 5_000  # entries of X from which float32 descent is faster
# Neurons without a size that stay: for each in use, and in all; the last many at vertices.
RIVALS, FEWEST_RIVALS, MOST_RIVALS = 3, 100, 300
ROUNDING = 1e-14  # of an objective: two that are equal may differ by so much
STEADY_WIDTH = 1.0  # of the smoothed hinge loss whose dual point sign units are priced at first
# From so many margins a neuron, and figures in all, Newton steps on a smoothed hinge loss beat
# interior points by far.
MARGINS_A_NEURON, MANY_ENTRIES = 10, 1_000_000
NEWTON_UNKNOWNS = 1_000  # most unknowns of a dense Newton system worth solving
NEWTON_ENTRIES = 20_000_000  # most entries of its matrix before it is squared


class Master(Protocol):
    """Re-fits neurons; the objective never rises."""

    def improve(self, neurons: Neurons, should_stop: ShouldStop) -> tuple[Neurons, Array]:
        """Better neurons (some of those given may have size 0) and the dual point V there."""

    def refine(self, neurons: Neurons, should_stop: ShouldStop) -> tuple[Neurons, Array]:
        """The same to the last digits, for when pricing finds nothing new."""


class SizesMaster:
    """Neurons stay where they are: the best sizes, exactly, and those of size zero leave.

    All that there is to do for units without a slope, and the first step for the others.
    """

    def __init__(self, problem: Problem, unit: Unit) -> None:
        self.problem, self.unit = problem, unit
        self.rivals: Neurons | None = None
        jumps = at_vertices(problem) or not unit.homogeneous
        self.steady = jumps and not problem.loss.smooth

    def improve(self, neurons: Neurons, should_stop: ShouldStop) -> tuple[Neurons, Array]:
        fitted, V = self.settle(neurons, should_stop)
        return fitted, self._steady_dual(fitted, should_stop) if self.steady else V

    def refine(self, neurons: Neurons, should_stop: ShouldStop) -> tuple[Neurons, Array]:
        self.steady = False
        return self.settle(neurons, should_stop)

    def _steady_dual(self, fitted: Neurons, should_stop: ShouldStop) -> Array:
        """The dual point of a smoothed hinge loss, which moves little from round to round.

        The multipliers of the linear program are a vertex that jumps with every column, and rounds
        go by in which new columns only cut off vertices. It is as feasible a point for the hinge
        loss itself; once no neuron prices in there, the vertices have the word.
        """
        company = fitted if self.rivals is None else fitted.joined(self.rivals)
        problem = smoothed(self.problem, STEADY_WIDTH)
        features = Features(self.problem, self.unit, company)
        return refit_sizes(problem, company, features, should_stop=should_stop)[1]

    def settle(
        self, neurons: Neurons, should_stop: ShouldStop, *, rough: bool = False
    ) -> tuple[Neurons, Array]:
        """Merge what can be merged, and the best sizes for the rest."""
        return self._sizes(self._merged(neurons), should_stop, rough=rough)

    def _sizes(
        self, neurons: Neurons, should_stop: ShouldStop, *, rough: bool = False
    ) -> tuple[Neurons, Array]:
        """The best sizes; with ``rough``, of the smoothed loss where that is much quicker."""
        if rough and self._has_many_margins(neurons.count):
            problem = smoothed(self.problem)
            features = Features(problem, self.unit, neurons)
            fitted, V = refit_sizes(problem, neurons, features, should_stop=should_stop)
            return fitted.used(), V
        if not self.problem.loss.smooth and self.rivals is not None:
            neurons = neurons.joined(self.rivals)
        features = Features(self.problem, self.unit, neurons)
        fitted, V = refit_sizes(self.problem, neurons, features, should_stop=should_stop)
        if not self.problem.loss.smooth:
            self._remember(fitted, V)
        return fitted.used(), V

    def _has_many_margins(self, count: int) -> bool:
        margins = self.problem.Y.size
        return margins >= MARGINS_A_NEURON * count and margins * count >= MANY_ENTRIES

    def _remember(self, fitted: Neurons, V: Array) -> None:
        """Keep unused neurons: without their constraints the dual jumps between its vertices."""
        moments = correlations(self.problem, self.unit, fitted, V)
        gains = np.einsum("mc,mc->m", moments, fitted.outputs)
        unused = np.flatnonzero(fitted.sizes == 0)
        order = unused[np.argsort(-gains[unused], kind="stable")]
        fewest = MOST_RIVALS if at_vertices(self.problem) else FEWEST_RIVALS
        most = max(fewest, min(RIVALS * fitted.used().count, MOST_RIVALS))
        self.rivals = fitted.keep(order[:most]) if order.size else None

    def _merged(self, neurons: Neurons) -> Neurons:
        """Neurons of the same mask and output direction as one; never at a higher objective."""
        waiting = self.unit.homogeneous and not neurons.sizes.all()  # for their first sizes
        if neurons.count < 2 or waiting:
            return neurons
        groups = self._equals(neurons)
        if len(groups) == neurons.count:
            return neurons
        first = np.array([group[0] for group in groups])
        if not self.unit.homogeneous:  # equal features
            sizes = np.array([neurons.sizes[group].sum() for group in groups])
            return neurons.keep(first).with_sizes(sizes, neurons.intercept)
        hidden = np.stack([neurons.hidden[group].sum(axis=0) for group in groups])
        merged = Neurons.from_factors(
            hidden, neurons.outputs[first], neurons.intercept, neurons.gate[first]
        )
        most = objective(self.problem, self.unit, neurons) * (1 + ROUNDING)
        return merged if objective(self.problem, self.unit, merged) <= most else neurons

    def _equals(self, neurons: Neurons) -> list[IntArray]:
        """Indices of neurons of the same mask and output direction, all of them in groups.

        Neurons that differ on the first rows need not be compared on the others.
        """
        groups = [np.array([j]) for j in range(neurons.count)]
        owner = rivals = np.arange(neurons.count)
        packed = np.ascontiguousarray(neurons.gate[:, None]).view(np.uint8)
        for part, piece in self.problem.parts:
            Z = piece.rows.forward(neurons.directions[rivals].T)
            alike = self.unit.alike(Z, neurons.gate[rivals], part)
            if alike is None:
                return groups
            packed = np.concatenate([packed, np.packbits(alike.T, axis=1)], axis=1)
            equal = [g for g in merge_groups(packed, neurons.outputs[rivals]) if g.size > 1]
            if not equal:
                return groups
            kept = np.concatenate(equal)
            owner = np.arange(neurons.count)
            for group in equal:
                owner[rivals[group]] = rivals[group[0]]
            rivals, packed = rivals[kept], packed[kept]
        return [np.flatnonzero(owner == k) for k in np.unique(owner)]


class FreeMaster(SizesMaster):
    """Neurons move freely: sizes, then all weights together, then Newton steps on kinks.

    A descent ends, too, when ten of its steps lower the objective by no more than ``enough``: a
    share of it, or that much.
    """

    def __init__(
        self,
        problem: Problem,
        unit: Unit,
        slide_steps: int = SLIDE_STEPS,
        enough: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        super().__init__(problem, unit)
        self.slide_steps, self.enough = slide_steps, enough
        large = height(problem.rows) * problem.rows.d >= SINGLE_PRECISION_ENTRIES
        self.single = large and problem.fits_single_precision

    def improve(self, neurons: Neurons, should_stop: ShouldStop) -> tuple[Neurons, Array]:
        neurons, V = self.settle(neurons, should_stop)
        if should_stop() or neurons.count == 0:
            return neurons, V
        return self.slide_and_settle(neurons, V, neurons, should_stop, self.slide_steps)

    def slide_and_settle(
        self,
        old: Neurons,
        V: Array,
        start: Neurons,
        should_stop: ShouldStop,
        steps: int,
        soft: int = 0,
        rough: bool = False,
    ) -> tuple[Neurons, Array]:
        """Descend from ``start`` and re-fit; the old neurons where that is not better."""
        slid = slide(
            self.problem,
            self.unit,
            start,
            steps,
            should_stop,
            single=self.single,
            enough=self.enough,
            soft=soft,
        )
        return (old, V) if slid is old else self._best(old, V, slid, should_stop, rough=rough)

    def refine(self, neurons: Neurons, should_stop: ShouldStop) -> tuple[Neurons, Array]:
        neurons, V = self._sizes(neurons, should_stop)
        for _ in range(3):
            before = objective(self.problem, self.unit, neurons)
            slid = slide(self.problem, self.unit, neurons, REFINE_STEPS, should_stop)
            if slid is not neurons:
                neurons, V = self._best(neurons, V, slid, should_stop)
            if isinstance(self.unit, ReLU) and self._newton_pays(neurons, 0):
                moved = kink_newton(self.problem, neurons, should_stop=should_stop)
                neurons, V = self._best(neurons, V, moved, should_stop)
            width = neurons.outputs.shape[1]
            both = width > 1 or not isinstance(self.unit, ReLU)
            if both and self.unit.homogeneous and self._newton_pays(neurons, width):
                moved = crease_newton(self.problem, self.unit, neurons, should_stop=should_stop)
                neurons, V = self._best(neurons, V, moved, should_stop)
            after = objective(self.problem, self.unit, neurons)
            if should_stop() or before - after <= 1e-10 * abs(before):
                break
        return neurons, V

    def _newton_pays(self, neurons: Neurons, width: int) -> bool:
        unknowns = neurons.count * (self.problem.rows.d + width)
        entries = height(self.problem.rows) * self.problem.n_outputs * unknowns
        return unknowns <= NEWTON_UNKNOWNS and entries <= NEWTON_ENTRIES

    def _best(
        self,
        old: Neurons,
        V: Array,
        moved: Neurons,
        should_stop: ShouldStop,
        *,
        rough: bool = False,
    ) -> tuple[Neurons, Array]:
        """Merge and re-fit what was moved; keep the old neurons if that is not better."""
        new, new_V = self._sizes(self._merged(moved), should_stop, rough=rough)
        if objective(self.problem, self.unit, new) < objective(self.problem, self.unit, old):
            return new, new_V
        return old, V
