"""The search oracle: batched ascent on the sphere, polished by exact moves across kinks."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable

import numpy as np

from nogap._typing import Array, IntArray
from nogap.certificate import Correlation
from nogap.oracles.ascent import Ascent
from nogap.oracles.base import Candidates, distinct, empty, never
from nogap.oracles.peaks import Peaks
from nogap.oracles.starts import around, beside
from nogap.oracles.wanted import Wanted
from nogap.problem import SINGLE_SAFE
from nogap.rows import Rows, height
from nogap.rows.base import slices
from nogap.units import ReLU, Unit
from nogap.units.readout import push

ASCENT_STEPS = 40
ROUGH_MARGIN = 1.0 + 1e-4  # a candidate counts as better than beta from here on
ALWAYS_POLISHED = 4
FEWEST_POLISHED = 10  # that make an estimate, where they do not exceed the threshold
# Maxima around which others are looked for, starts around each of them, and steps.
FOOTHOLDS, STARTS_BESIDE, CLIMB_STEPS = 4, 20, 15
SAMPLE_ROWS = 20_000
FEWEST_SAMPLES = 1_000  # with many patches each: on fewer, maxima of the sample are its own
AROUND = 0.7  # of the starts, those around active neurons
GRADIENTS = 0.33  # of the others, those that random patterns propose
LAST_STEPS = 30  # of the ascent on all rows, after one on a sample
LAST_PATCH_STEPS = (15, 2)  # and of one on all patches, which are dear: of the best, of neurons
SINGLE_PRECISION_PRODUCTS = 2_000_000  # entries of the data times starts; float32 is faster then
SEED_WORK = 6_000_000_000  # multiplications of one step: so many starts ascend at a time


class SearchOracle:
    """Looks for neurons with a large dual correlation; proves nothing.

    Parameters
    ----------
    rows : Rows
    rng : numpy Generator
    n_seeds : int
        Half the number of starts of a call.
    threshold : float
        beta: candidates beyond it improve the network, and enough of them end a call early.
        Infinite for the best estimate of q(V).
    unit : Unit, optional
        ReLU by default.
    precise : bool
        False leaves the maximisers as the ascent finds them, which is enough for comparisons.
    everywhere : bool
        Look away from the active neurons. Otherwise the best rough candidates are refined, wherever
        they are.
    """

    complete = False

    def __init__(
        self,
        rows: Rows,
        rng: np.random.Generator,
        n_seeds: int = 50,
        threshold: float = np.inf,
        unit: Unit | None = None,
        precise: bool = True,
        everywhere: bool = True,
    ) -> None:
        self.everywhere = everywhere
        self.unit = ReLU() if unit is None else unit
        self.precise = precise
        self.should_stop: Callable[[], bool] = never
        self.cut_short = False
        self.rows = rows
        self.rng = rng
        self.n_seeds = n_seeds
        self.threshold = threshold
        self._ascent = Ascent(rows, self.unit, lambda: self.should_stop())
        self._peaks = Peaks(rows, self.unit, lambda: self.should_stop())

    def price(
        self, V: Array, count: int, starts: Array | None = None
    ) -> tuple[Candidates, Correlation]:
        """Up to ``count`` distinct local maximisers of ``||V' relu(X u)||``, best first."""
        if not np.any(V):
            return empty(self.rows.d), Correlation(0.0, "exact")
        rough = self.rough(V, starts, ASCENT_STEPS, max(2 * count, 10))
        found = self._polished(V, rough, count)
        active = self._largest(V, starts)
        return found, Correlation(max(found.best, active), "search")

    def rough(
        self, V: Array, starts: Array | None, steps: int, count: int, *, last: bool = True
    ) -> Candidates:
        """Distinct candidates after so many steps of ascent, without polish.

        Where there are very many rows most of the way goes over a sample, and the last steps of the
        best over all, unless ``last`` leaves those out.  Only directions come from float32; their
        values are those of float64.  On wide data the starts ascend a few at a time, until enough
        exceed the threshold.
        """
        if not np.any(V):
            return empty(self.rows.d)
        wanted = Wanted.away_from(starts if self.everywhere else None, count)
        fast, W = self._fast(V)
        index = self._sample()
        if index is None or not np.any(V[index]):  # a sample may miss all that is not zero
            U, gate = fast._seeds(W, starts)
        else:
            sample, patches = self._on(fast.rows.subset(index)), self.rows.n_positions > 1
            if patches:  # what is best on the sample need not be best on all
                found = sample.rough(W[index], starts, steps // 2, 2 * self.n_seeds)
            else:
                found = sample.rough(W[index], starts, steps, count)
            if last and patches:
                found = fast._last_on_patches(W, found, starts, wanted)
            elif last:
                U, gate = found.directions.T, found.gate
                found = fast._risen(W, U, gate, LAST_STEPS, wanted, later=True)
            self.cut_short = sample.cut_short or fast.cut_short
            return self._valued(V, found, count)
        found = fast._risen(W, U.astype(W.dtype, copy=False), gate, steps, wanted)
        self.cut_short = fast.cut_short
        return found if W is V else self._valued(V, found, count)

    def _last_on_patches(
        self, V: Array, found: Candidates, starts: Array | None, wanted: Wanted
    ) -> Candidates:
        """The ascent on all patches from what was found on a sample, and from active neurons.

        Those rise where a descent was stopped.
        """
        steps, for_neurons = LAST_PATCH_STEPS
        found = self._valued(V, found, max(wanted.count, FEWEST_POLISHED))
        best = found.take(slice(FEWEST_POLISHED))
        found = found.take(slice(FEWEST_POLISHED, None))
        best = self._risen(V, best.directions.T, best.gate, steps, wanted, later=True)
        if starts is None or not starts.size or self.should_stop():
            return best.joined(found)
        cut_short = self.cut_short
        gate = self.unit.gates_of(starts)
        U = starts.T.astype(V.dtype)
        risen = self._risen(V, U, gate, for_neurons, wanted, later=True)
        self.cut_short = cut_short
        return best.joined(found).joined(risen)

    def _valued(self, V: Array, found: Candidates, count: int) -> Candidates:
        """Candidates with their values on these rows."""
        U = self.unit.project(found.directions.T.astype(V.dtype))
        values = self._ascent.correlations.values(self.unit, V, U, found.gate)
        return distinct(Candidates(U.T, values, found.gate), count)

    def _risen(
        self,
        V: Array,
        U: Array,
        gate: IntArray,
        steps: int,
        wanted: Wanted,
        *,
        later: bool = False,
    ) -> Candidates:
        """Distinct candidates from the starts U (d, k), as many as are wanted.

        ``later`` says that an ascent has led to the starts. A search is cut short where it is
        stopped before the first of them are nearly up.
        """
        size = max(SEED_WORK // (height(self.rows) * self.rows.d), FEWEST_POLISHED)
        risen: list[Candidates] = []
        enough, self.cut_short = 0, False
        for part in slices(U.shape[1], size):
            top, values, done = self._ascent.run(V, U[:, part], gate[part], steps, later=later)
            risen.append(Candidates(top.T, values, gate[part]))
            enough += int(np.sum(values > self.threshold * ROUGH_MARGIN))
            stopped = self.should_stop()
            self.cut_short = self.cut_short or (len(risen) == 1 and not done)
            if stopped or enough >= wanted.count:
                break
        together = functools.reduce(Candidates.joined, risen)
        return wanted.best(together)

    def _fast(self, V: Array) -> tuple[SearchOracle, Array]:
        """An oracle for the same ascent in float32, and its V, where that is safe and faster."""
        products = height(self.rows) * self.rows.d * 2 * self.n_seeds
        few = products < SINGLE_PRECISION_PRODUCTS
        if V.dtype == np.float32 or few or not _fits_single(self.rows):
            return self, V
        size = float(np.abs(V).max())
        fast = self._on(self.rows.in_single_precision(), self.threshold / size)
        return fast, (V / size).astype(np.float32)

    def _on(self, rows: Rows, threshold: float = np.inf) -> SearchOracle:
        """The same search over other rows."""
        other = SearchOracle(
            rows, self.rng, self.n_seeds, threshold, self.unit, everywhere=self.everywhere
        )
        other.should_stop = self.should_stop
        return other

    def _sample(self) -> IntArray | None:
        """Some of the rows where there are very many."""
        size = max(SAMPLE_ROWS // self.rows.n_positions, FEWEST_SAMPLES)
        if self.rows.n <= 2 * size:
            return None
        return np.sort(self.rng.choice(self.rows.n, size=size, replace=False))

    def _largest(self, V: Array, starts: Array | None) -> float:
        """Largest correlation of the active neurons themselves."""
        if starts is None or not starts.size:
            return 0.0
        gate = self.unit.gates_of(starts)
        return float(self._ascent.correlations.values(self.unit, V, starts.T, gate).max())

    def _seeds(self, V: Array, starts: Array | None) -> tuple[Array, IntArray]:
        """Directions (d, k): around active neurons, gradients of random patterns, Gaussian.

        Each comes with its gate, (k,).
        """
        d = self.rows.d
        near = int(AROUND * 2 * self.n_seeds) if starts is not None and starts.size else 0
        fresh = max(2 * self.n_seeds - near, 2)
        parts, gates = [], []
        if near:
            assert starts is not None
            moved, of = around(starts, near, self.rng)
            parts.append(moved.T)
            gates.append(self.unit.gates_of(starts)[of])
        gaussian = self.rng.standard_normal((d, fresh))
        half = int(GRADIENTS * fresh)
        gates.append(self.unit.draw_gates(self.rng, fresh))
        S = self.rng.standard_normal((V.shape[1] * self.unit.readouts, half))
        S = S.astype(V.dtype, copy=False)
        gradients = np.zeros((d, half), dtype=V.dtype)
        patterns = self.unit.restrict(gaussian[:, :half], gates[-1][:half])
        patterns = patterns.astype(V.dtype, copy=False)
        for part, rows in self.rows.parts:
            Z = rows.forward(patterns)
            slopes = self.unit.activate(Z, gates[-1][:half], part)
            gradients += rows.adjoint(slopes * self.unit.spread(push(V[part], S.T), Z.shape[0]))
        parts += [gradients, gaussian[:, half:]]
        gate = np.concatenate(gates)
        U = self.unit.restrict(np.concatenate(parts, axis=1), gate)
        # in any order: of those that ascend before time is over some are of each kind
        order = self.rng.permutation(np.flatnonzero(np.any(U != 0, axis=0)))
        U = self.unit.seeds(U[:, order], order >= near, self.rng, self._row_size())
        return U, gate[order]

    def _row_size(self) -> float:
        """Typical norm of a row."""
        return float(np.sqrt(np.mean(self.rows.squared_norms())))

    def _polished(self, V: Array, rough: Candidates, count: int) -> Candidates:
        """Exact local maxima of the best candidates, until enough of them exceed the threshold.

        When the rough values exceed it already, a few are polished for the certificate's sake; the
        descent that follows moves the others to their maxima anyway.
        """
        if not self.precise or not self._peaks.affordable:
            return distinct(rough, count)
        enough = int(np.sum(rough.values > self.threshold * ROUGH_MARGIN)) >= count
        directions, values = rough.directions.copy(), rough.values.copy()
        ends = (0, ALWAYS_POLISHED, FEWEST_POLISHED, values.size)
        for part in (slice(a, b) for a, b in itertools.pairwise(ends)):
            directions[part], values[part] = self._peaks.near(
                V, rough.directions[part], rough.gate[part]
            )
            enough = enough or int(np.sum(values > self.threshold * ROUGH_MARGIN)) >= count
            if enough:
                break
            if self.should_stop():
                self.cut_short = self.cut_short or part.stop <= FEWEST_POLISHED
                break
        found = distinct(Candidates(directions, values, rough.gate), max(count, FOOTHOLDS))
        if not enough and found.values.size:
            found = self._joined_by_neighbours(V, found)
        return found.take(slice(count))

    def _joined_by_neighbours(self, V: Array, found: Candidates) -> Candidates:
        """The best maxima, and others close by, which are higher now and then.

        A correlation has about as many small peaks as there are kinks, a hill of them around each
        neuron that is missing, and an ascent ends on any one of a hill.
        """
        if self.should_stop():
            return found
        fast, W = self._fast(V)
        tops = found.take(slice(FOOTHOLDS))
        gate = np.repeat(tops.gate, STARTS_BESIDE)
        U = self.unit.restrict(beside(tops.directions, STARTS_BESIDE, self.rng).T, gate)
        U, values, _ = fast._ascent.run(W, U.astype(W.dtype), gate, CLIMB_STEPS, later=True)
        best = values.reshape(-1, STARTS_BESIDE).argmax(axis=1)
        U = U[:, best + STARTS_BESIDE * np.arange(best.size)].astype(np.float64)
        U /= np.linalg.norm(U, axis=0)
        new = Candidates(*self._peaks.near(V, U.T, tops.gate), tops.gate)
        return distinct(found.joined(new), found.values.size + FOOTHOLDS)


def _fits_single(rows: Rows) -> bool:
    """Whether squares of the data, and sums of those, stay far from float32's limits."""
    size = float(np.sqrt(rows.squared_norms().sum()))
    return SINGLE_SAFE[0] <= size <= SINGLE_SAFE[1]
