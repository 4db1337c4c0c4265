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
from nogap.certificate import Correlation
from nogap.oracles.search import SearchOracle
from nogap.problem import Problem
from nogap.solvers.masters import FreeMaster
from nogap.solvers.neurons import Neurons, outputs, with_best_outputs
from nogap.solvers.slide import slide
from nogap.solvers.stochastic import stochastic_descent
from nogap.units import Unit

ShouldStop = Callable[[], bool]

# Much wider networks than the optimum have better local minima near them, but each step costs more.
WIDTHS = (400, 800)  # neurons of the wide start, for small and for large data
LARGE = 20_000  # entries of X
MANY_ROWS = 8_000  # from which a step is so dear that fewer neurons do, and their optima are better
MANY_SAMPLES = 1_000  # the same for patches and for wide data,
MANY_ENTRIES = 2_000_000  # which are those with so many entries of X
LONG_WIDTH = 300  # of the wide start then
MOST_WEIGHTS, LEAST_WIDTH = 1_000_000, 100  # of the wide start, whose vectors are stored 20 times
FEW_FROM = 0.05  # of beta_max, from which few neurons are left in the end
PATCH_WIDTH = 60  # and on patches
FIRST_STEPS = (15, 25)  # after which the wide start shows how far it is
WIDE_STEPS = 110  # that follow them
SAMPLES = 500  # of many, for the very first steps
POOL = 20_000  # of very many, that batches are taken from
# On all rows, after the batches: where few neurons are needed, steps in company are worth more.
LAST_STEPS = ((10,), (10, 20, 40, 40))
LAST_PATCH_STEPS = (20,)
SHORT_ASCENT = 30
GLANCES = 10  # half the starts of a quick look
COMPANY = 2.0  # rough candidates a neuron in one step, and
NEWCOMERS = (100, 600)  # fewest and most of them
NEWCOMER_SIZE = 0.05  # of the median size
COMPANY_STEPS = (60, 100)  # of a descent in company: where few neurons are needed, and where many
SOFT_STEPS = 30  # of those, the first


class Explorer:
    """Finds most of the neurons cheaply, before the oracle is asked for the rest.

    Parameters
    ----------
    problem, unit : Problem, Unit
    master : FreeMaster
    rng : Generator
    """

    def __init__(
        self, problem: Problem, unit: Unit, master: FreeMaster, rng: np.random.Generator
    ) -> None:
        self.problem, self.unit, self.master, self.rng = problem, unit, master, rng
        self._patches = problem.rows.n_positions > 1
        self._few = False
        n, d = problem.rows.n, problem.rows.d
        self._wide = self._patches or n * d > MANY_ENTRIES
        self._dear = n > (MANY_SAMPLES if self._wide else MANY_ROWS)

    def glance(self, V: Array, should_stop: ShouldStop) -> Correlation:
        """A quick estimate of the dual correlation at the empty network's V (n, C)."""
        oracle = SearchOracle(self.problem.rows, self.rng, GLANCES, unit=self.unit)
        oracle.should_stop = should_stop
        V = self.problem.feasible_direction(V)
        found = oracle.rough(V, None, SHORT_ASCENT, GLANCES, last=False)
        return Correlation(found.best, "search")

    def start(
        self, empty: Neurons, V: Array, largest: float, should_stop: ShouldStop
    ) -> Iterator[tuple[Neurons, Array]]:
        """A wide random network after a few steps of descent, and after some more, settled.

        V (n, C) belongs to the empty network, whose dual correlation is about ``largest``.  A
        network much wider than the optimum has few bad local minima, and a hundred float32 steps
        of it cost less than the rounds of pricing that would find the same neurons.
        """
        self._few = self.problem.beta >= FEW_FROM * largest
        wide = self._random(empty, V, min(self._width(), 4 * self.problem.rows.n))
        if self._dear:
            return self._start_on_batches(wide, should_stop)
        return self._start_on_all(wide, should_stop)

    def _random(self, empty: Neurons, V: Array, width: int) -> Neurons:
        """Random neurons of a size that lets outputs come near to the dual point V (n, C)."""
        d, C = self.problem.rows.d, self.problem.n_outputs
        gate = self.unit.draw_gates(self.rng, width)
        total = float(self.problem.rows.squared_norms().sum()) + 1e-300
        scale = float(np.linalg.norm(V)) / np.sqrt(total)
        return Neurons(
            _unit_rows(self.unit.restrict(self.rng.standard_normal((width, d)).T, gate).T),
            _unit_rows(self.rng.standard_normal((width, C * self.unit.readouts))),
            np.full(width, scale / np.sqrt(width)),
            empty.intercept,
            gate,
        )

    def _start_on_all(
        self, wide: Neurons, should_stop: ShouldStop
    ) -> Iterator[tuple[Neurons, Array]]:
        for steps in FIRST_STEPS:
            wide = self._slide(self.problem, wide, steps, should_stop)
            if should_stop():
                break
            yield self._as_it_is(wide)
        if self._few and not should_stop():  # those that are needed can be told apart by now
            wide, V = self.master.settle(wide, should_stop, rough=True)
            yield wide, V
        if not should_stop():
            wide = self._slide(self.problem, wide, WIDE_STEPS, should_stop)
        yield self.master.settle(wide, should_stop, rough=True)

    def _start_on_batches(
        self, wide: Neurons, should_stop: ShouldStop
    ) -> Iterator[tuple[Neurons, Array]]:
        """The same where a step on all rows is dear: a few on a sample, then on batches."""
        problem = self.problem
        sample = problem.sampled(self.rng, SAMPLES)
        wide = self._slide(sample, wide, FIRST_STEPS[0], should_stop)
        yield self._as_it_is(wide)
        if should_stop():
            return
        pool = problem.sampled(self.rng, POOL)
        if pool is problem and pool.rows.on_disk:  # single rows of a file are dear
            pool = problem.subset(np.arange(problem.rows.n))
        single = problem.fits_single_precision
        wide = stochastic_descent(pool, self.unit, wide, self.rng, should_stop, single=single)
        if pool.rows.n < problem.rows.n:
            # few are left for the dear steps
            wide, _ = FreeMaster(pool, self.unit).settle(wide, should_stop, rough=True)
        last = LAST_STEPS[0 if self._few else 1]
        for steps in LAST_PATCH_STEPS if self._patches else last:
            if should_stop():
                break
            at = (
                self.master.settle(wide, should_stop, rough=True)
                if self._wide
                else self._as_it_is(wide)
            )
            yield at  # a step is as dear as there are neurons, and of wide data a third is left
            if should_stop():
                return
            wide = self._slide(problem, at[0], steps, should_stop)
        yield self.master.settle(wide, should_stop, rough=True)

    def _slide(
        self, problem: Problem, neurons: Neurons, steps: int, should_stop: ShouldStop
    ) -> Neurons:
        single = self.problem.fits_single_precision
        return slide(problem, self.unit, neurons, steps, should_stop, single=single)

    def _as_it_is(self, neurons: Neurons) -> tuple[Neurons, Array]:
        """The neurons and their dual point, without a re-fit."""
        return neurons, self.problem.dual_point(outputs(self.problem, self.unit, neurons))

    def _width(self) -> int:
        """Neurons of the wide start."""
        n, d = self.problem.rows.n, self.problem.rows.d
        most = max(MOST_WEIGHTS // d, LEAST_WIDTH)
        if self._patches:
            return PATCH_WIDTH
        if self._dear:
            return min(LONG_WIDTH, most)
        if n * d >= LARGE:
            return min(WIDTHS[1], most)
        return WIDTHS[0] // 2 if self._few else WIDTHS[0]

    def _newcomers(self, active: int) -> int:
        """Rough candidates of one step."""
        if self._patches:  # a neuron costs as much as K of a dense layer
            return PATCH_WIDTH // 2
        if self._dear:
            return NEWCOMERS[0]
        return int(np.clip(COMPANY * active, *NEWCOMERS))

    def step(self, neurons: Neurons, V: Array, should_stop: ShouldStop) -> tuple[Neurons, Array]:
        """The neurons after a descent in company; the same ones if that did not help."""
        count = self._newcomers(neurons.count)
        oracle = SearchOracle(
            self.problem.rows,
            self.rng,
            count,
            self.problem.beta,
            self.unit,
            everywhere=False,  # in company, those beside active neurons are worth as much
        )
        oracle.should_stop = should_stop
        balanced = self.problem.feasible_direction(V)
        found = oracle.rough(balanced, neurons.directions, SHORT_ASCENT, count)
        if found.values.size == 0 or should_stop():
            return neurons, V
        new = with_best_outputs(self.problem, self.unit, found.directions, found.gate, neurons, V)
        size = NEWCOMER_SIZE * float(np.median(neurons.sizes)) if neurons.count else 1e-2
        company = neurons.joined(replace(new, sizes=np.full(new.count, size)))
        steps = COMPANY_STEPS[0 if self._few else 1]
        return self.master.slide_and_settle(
            neurons, V, company, should_stop, steps, SOFT_STEPS, rough=True
        )


def _unit_rows(A: Array) -> Array:
    unit: Array = A / np.linalg.norm(A, axis=1, keepdims=True)
    return unit
