"""Exploration: descend together with many rough candidates, and let the penalty choose.

Near the optimum most missing neurons sit on kinks, where a rough ascent ends just below the
correlation that would price them in; finding their exact maxima one by one costs more than
the descent itself.  So candidates join with small sizes, all weights move together, and the lasso
re-fit drops what was not needed.  Nothing is claimed here: certificates come from the oracles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from nogap._typing import Array
from nogap.oracles.search import SearchOracle
from nogap.problem import Problem
from nogap.solvers.masters import FreeMaster
from nogap.solvers.neurons import Neurons, outputs, with_best_outputs
from nogap.solvers.slide import slide
from nogap.solvers.stochastic import stochastic_descent
from nogap.units import Unit

ShouldStop = Callable[[], bool]

WIDTHS = (200, 400)  # neurons of the wide start, for small and for large data
LARGE = 20_000  # entries of X
PATCH_WIDTH = 60  # neurons of the wide start on patches
SAMPLE_ROWS = 4_000  # the start is rough: so many rows do for it
FEWEST_SAMPLES = 500  # with many patches a sample
BATCHES = 800  # of a stochastic descent on patches, where a step on all is dear
LAST_STEPS = 20  # on all of them
FIRST_STEPS = (10, 30)  # after which the wide start shows how far it is
WIDE_STEPS = 110
SHORT_ASCENT = 15
NEWCOMER_SIZE = 0.05  # of the median size


class Explorer:
    """Finds most of the neurons cheaply, before the oracle is asked for the rest.

    Parameters
    ----------
    problem, unit : Problem, Unit
    master : FreeMaster
    rng : Generator
    n_candidates : int
        Rough candidates of one step.
    """

    def __init__(
        self,
        problem: Problem,
        unit: Unit,
        master: FreeMaster,
        rng: np.random.Generator,
        n_candidates: int = 100,
    ) -> None:
        self.problem, self.unit, self.master, self.rng = problem, unit, master, rng
        self.n_candidates = n_candidates
        if problem.rows.n_positions > 1:  # a neuron costs as much as K of a dense layer
            self.n_candidates = n_candidates = PATCH_WIDTH // 2
        self.oracle = SearchOracle(problem.rows, rng, n_candidates, unit=unit)

    def start(
        self, empty: Neurons, V: Array, should_stop: ShouldStop
    ) -> Iterator[tuple[Neurons, Array]]:
        """A wide random network after a few steps of descent, and after some more, settled.

        V (n, C) belongs to the empty network.  A network much wider than the optimum has few bad
        local minima, and a hundred float32 steps of it cost less than the rounds of pricing that
        would find the same neurons.
        """
        n, d, C = self.problem.rows.n, self.problem.rows.d, self.problem.n_outputs
        dense = self.problem.rows.n_positions == 1
        width = min(WIDTHS[n * d >= LARGE] if dense else PATCH_WIDTH, 4 * n)
        gate = self.unit.draw_gates(self.rng, width)
        total = float(self.problem.rows.squared_norms().sum()) + 1e-300
        scale = float(np.linalg.norm(V)) / np.sqrt(total)
        wide = Neurons(
            _unit_rows(self.unit.restrict(self.rng.standard_normal((width, d)).T, gate).T),
            _unit_rows(self.rng.standard_normal((width, C * self.unit.readouts))),
            np.full(width, scale / np.sqrt(width)),
            empty.intercept,
            gate,
        )
        single = self.problem.fits_single_precision
        rows = max(SAMPLE_ROWS // self.problem.rows.n_positions, FEWEST_SAMPLES)
        sample = self.problem.sampled(self.rng, rows)
        if not dense and sample is not self.problem:
            yield from self._start_on_batches(sample, wide, should_stop, single=single)
            return
        for steps in FIRST_STEPS:
            wide = slide(sample, self.unit, wide, steps, should_stop, single=single)
            yield wide, self.problem.dual_point(outputs(self.problem, self.unit, wide))
        wide = slide(sample, self.unit, wide, WIDE_STEPS, should_stop, single=single)
        yield self.master.settle(wide)

    def _start_on_batches(
        self, sample: Problem, wide: Neurons, should_stop: ShouldStop, *, single: bool
    ) -> Iterator[tuple[Neurons, Array]]:
        """The same where a step on all patches is dear: a few on a sample, then on batches."""
        problem, unit = self.problem, self.unit
        wide = slide(sample, unit, wide, FIRST_STEPS[0], should_stop, single=single)
        yield wide, problem.dual_point(outputs(problem, unit, wide))
        wide = stochastic_descent(
            problem, unit, wide, BATCHES, self.rng, should_stop, single=single
        )
        wide = slide(problem, unit, wide, LAST_STEPS, should_stop, single=single)
        yield self.master.settle(wide)

    def step(self, neurons: Neurons, V: Array, should_stop: ShouldStop) -> tuple[Neurons, Array]:
        """The neurons after a descent in company; the same ones if that did not help."""
        feasible = self.problem.feasible_direction(V)
        found = self.oracle.rough(feasible, neurons.directions, SHORT_ASCENT, self.n_candidates)
        if found.values.size == 0:
            return neurons, V
        new = with_best_outputs(self.problem, self.unit, found.directions, found.gate, neurons, V)
        size = NEWCOMER_SIZE * float(np.median(neurons.sizes)) if neurons.count else 1e-2
        company = neurons.joined(replace(new, sizes=np.full(new.count, size)))
        return self.master.slide_and_settle(neurons, V, company, should_stop)


def _unit_rows(A: Array) -> Array:
    unit: Array = A / np.linalg.norm(A, axis=1, keepdims=True)
    return unit
