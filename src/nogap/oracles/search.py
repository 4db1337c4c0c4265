"""The search oracle: batched ascent on the sphere, polished by exact moves across kinks."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from nogap._interrupt import Stopped
from nogap._typing import Array, IntArray
from nogap.certificate import Correlation
from nogap.oracles.base import Candidates, distinct, empty, never
from nogap.oracles.polish import Polisher
from nogap.problem import SINGLE_SAFE
from nogap.rows import Rows, height
from nogap.rows.base import slices
from nogap.units import ReLU, Unit
from nogap.units.readout import moments, push

ASCENT_STEPS = 40
FEWEST_STEPS = 15  # of an ascent that make an estimate
ROUGH_MARGIN = 1.0 + 1e-4  # a candidate counts as better than beta from here on
ALWAYS_POLISHED = 4
FEWEST_POLISHED = 10  # that make an estimate, where they do not exceed the threshold
SAMPLE_ROWS = 20_000
FEWEST_SAMPLES = 1_000  # with many patches each: on fewer, maxima of the sample are its own
# With many starts most of the steps go to the better half, and then to the better quarter.
HALVED_AFTER = (12, 8)
LAST_STEPS = 30  # of the ascent on all rows, after one on a sample
LAST_PATCH_STEPS = (15, 2)  # and of one on all patches, which are dear: of the best, of neurons
BLOCK_ENTRIES, FEWEST_IN_BLOCK = 1_000_000, 32  # figures of a block of starts; starts in one
MOST_CANDIDATES = 4  # starts that are left for each direction that is asked for
STEP, LATER_STEP, LAST_PATCH_STEP = 0.5, 0.1, 0.1  # lengths to begin with, on the sphere
SINGLE_PRECISION_PRODUCTS = 2_000_000  # entries of the data times starts; float32 is faster then
SEED_WORK = 6_000_000_000  # multiplications of one step: so many starts ascend at a time
POLISHED_ROWS = 40_000  # beyond, the kink of a single row is too slight to stop an ascent
# Of sparse and of dense data: beyond, a polish, which works on a dense copy, takes minutes; so it
# does where it may hold more kinks than that (d, or the half of the rows that push back).
POLISHED_ENTRIES = {True: 4_000_000, False: 16_000_000}
POLISHED_KINKS = 1_200
SETTLED = 1e-6  # share by which another turn of the output direction must raise a correlation
DISTURBANCE = (0.2, 1.0)  # size of the noise added to an active direction of norm 1
GROW, SHRINK = 1.6, 0.4  # step per candidate, after a success and after a failure


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
    ) -> None:
        self.unit = ReLU() if unit is None else unit
        self.precise = precise
        self.should_stop: Callable[[], bool] = never
        self.cut_short = False
        self.rows = rows
        self.rng = rng
        self.n_seeds = n_seeds
        self.threshold = threshold
        self._polishers: dict[int, Polisher] = {}  # by gate where rows differ between gates
        self._memory = np.empty(0)

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
                found = fast._last_on_patches(W, found, starts, count)
            elif last:
                found = fast._risen(W, found.directions.T, found.gate, LAST_STEPS, STEP, count)
            self.cut_short = sample.cut_short or fast.cut_short
            return self._valued(V, found, count)
        found = fast._risen(W, U.astype(W.dtype, copy=False), gate, steps, STEP, count)
        self.cut_short = fast.cut_short
        return found if W is V else self._valued(V, found, count)

    def _last_on_patches(
        self, V: Array, found: Candidates, starts: Array | None, count: int
    ) -> Candidates:
        """The ascent on all patches from what was found on a sample, and from active neurons.

        Those rise where a descent was stopped.
        """
        steps, for_neurons = LAST_PATCH_STEPS
        found = self._valued(V, found, max(count, FEWEST_POLISHED))
        best = found.take(slice(FEWEST_POLISHED))
        found = found.take(slice(FEWEST_POLISHED, None))
        best = self._risen(V, best.directions.T, best.gate, steps, LAST_PATCH_STEP, count)
        if starts is None or not starts.size or self.should_stop():
            return best.joined(found)
        cut_short = self.cut_short
        gate = self.unit.gates_of(starts)
        U = starts.T.astype(V.dtype)
        risen = self._risen(V, U, gate, for_neurons, LAST_PATCH_STEP, count)
        self.cut_short = cut_short
        return best.joined(found).joined(risen)

    def _valued(self, V: Array, found: Candidates, count: int) -> Candidates:
        """Candidates with their values on these rows."""
        U = self.unit.project(found.directions.T.astype(V.dtype))
        values = np.linalg.norm(self._correlations(V, U, found.gate), axis=0)
        return distinct(Candidates(U.T, values, found.gate), count)

    def _risen(
        self, V: Array, U: Array, gate: IntArray, steps: int, step: float, count: int
    ) -> Candidates:
        """Distinct candidates from the starts U (d, k), the best ``count``.

        A search is cut short where it is stopped before the first of them are nearly up.
        """
        size = max(SEED_WORK // (height(self.rows) * self.rows.d), FEWEST_POLISHED)
        risen: list[Candidates] = []
        enough, self.cut_short = 0, False
        for part in slices(U.shape[1], size):
            found, done = self._narrowed(V, U[:, part], gate[part], steps, step, count)
            risen.append(found)
            enough += int(np.sum(found.values > self.threshold * ROUGH_MARGIN))
            stopped = self.should_stop()
            self.cut_short = self.cut_short or (len(risen) == 1 and not done)
            if stopped or enough >= count:
                break
        together = functools.reduce(Candidates.joined, risen)
        return distinct(together, count, tolerance=1e-2)

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
        other = SearchOracle(rows, self.rng, self.n_seeds, threshold, unit=self.unit)
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
        return float(np.linalg.norm(self._correlations(V, starts.T, gate), axis=0).max())

    def _seeds(self, V: Array, starts: Array | None) -> tuple[Array, IntArray]:
        """Unit directions (d, k): disturbed active neurons, gradients of random patterns, Gaussian.

        Each comes with its gate, (k,).

        Near the optimum the undiscovered maximisers lie around the active neurons: on measured
        false optima half of the disturbed neurons lead to a violator, and a tenth of the others.
        Active neurons themselves are no seeds: they sit on maxima of value beta already.
        """
        d = self.rows.d
        disturbed = self.n_seeds if starts is not None and starts.size else 0
        fresh = max(2 * self.n_seeds - disturbed, 2)
        parts, gates = [], []
        if disturbed:
            assert starts is not None
            noise = self.rng.standard_normal((d, disturbed))
            noise *= self.rng.uniform(*DISTURBANCE, disturbed) / np.linalg.norm(noise, axis=0)
            chosen = starts[self.rng.integers(starts.shape[0], size=disturbed)]
            noise *= np.linalg.norm(chosen, axis=1)
            parts.append(chosen.T + noise)
            gates.append(self.unit.gates_of(chosen))
        gaussian = self.rng.standard_normal((d, fresh))
        half = fresh // 2
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
        alive = np.any(U != 0, axis=0)
        anew = np.arange(alive.size)[alive] >= disturbed
        return self.unit.seeds(U[:, alive], anew, self.rng, self._row_size()), gate[alive]

    def _row_size(self) -> float:
        """Typical norm of a row."""
        return float(np.sqrt(np.mean(self.rows.squared_norms())))

    def _narrowed(
        self, V: Array, U: Array, gate: IntArray, steps: int, step: float, count: int
    ) -> tuple[Candidates, bool]:
        """Ascent in which what lies far behind gives up, unless few would be left to choose from.

        Also whether it went far enough.  Measured on dual points of finished trainings, it finds
        the largest correlation as often as the ascent of all to the end does, at two fifths of the
        cost.
        """
        for part in HALVED_AFTER:
            kept = max(U.shape[1] // 2, MOST_CANDIDATES * count)
            if kept >= U.shape[1] or part >= steps:
                break
            U, values, done = self._ascend_in_blocks(V, U, gate, part, step)
            best = np.argsort(-values, kind="stable")[:kept]
            U, gate = U[:, best], gate[best]
            if self.should_stop():
                return Candidates(U.T, values[best], gate), done
            steps, step = steps - part, LATER_STEP
        U, values, done = self._ascend_in_blocks(V, U, gate, steps, step)
        return Candidates(U.T, values, gate), done

    def _ascend_in_blocks(
        self, V: Array, U: Array, gate: IntArray, steps: int, step: float
    ) -> tuple[Array, Array, bool]:
        """Blocks of starts that the cache holds: what is not a product is bound by memory."""
        most = max(BLOCK_ENTRIES // (height(self.rows.parts[0][1]) + self.rows.d), FEWEST_IN_BLOCK)
        blocks = list(slices(U.shape[1], most))
        if len(blocks) < 2:
            return self._ascend(V, U, gate, steps, step)
        risen = [
            self._ascend(V, np.ascontiguousarray(U[:, b]), gate[b], steps, step) for b in blocks
        ]
        return (
            np.concatenate([part for part, _, _ in risen], axis=1),
            np.concatenate([values for _, values, _ in risen]),
            all(done for _, _, done in risen),
        )

    def _ascend(
        self, V: Array, U: Array, gate: IntArray, n_steps: int, first_step: float = STEP
    ) -> tuple[Array, Array, bool]:
        """Ascent with a step per column; the output direction is the one the seed prefers.

        Values are zero where it is stopped before there are any; also whether it went far enough.
        """
        U = U.copy()
        stop = self.should_stop if V.dtype == np.float32 else never  # else a step takes no time
        try:
            values, S, G = self._value_and_gradient(V, U, gate, should_stop=stop)
        except Stopped:
            return U, np.zeros(U.shape[1]), False
        steps = np.full(U.shape[1], first_step)
        for done in range(n_steps):
            tangent = self.unit.tangent(U, G)
            sizes = np.linalg.norm(tangent, axis=0)
            moving = (sizes > 1e-12 * (1 + np.abs(values))) & (steps > 1e-5)
            if not moving.any():
                break
            if self.should_stop():
                return U, values, done >= FEWEST_STEPS
            lengths = steps[moving] * np.linalg.norm(U[:, moving], axis=0)
            trial = U[:, moving] + lengths * tangent[:, moving] / sizes[moving]
            trial = self.unit.project(trial).astype(U.dtype, copy=False)
            try:
                new_values, new_S, new_G = self._value_and_gradient(
                    V, trial, gate[moving], S[:, moving], stop
                )
            except Stopped:
                return U, values, done >= FEWEST_STEPS
            better = new_values > values[moving]
            where = np.flatnonzero(moving)
            won = where[better]
            U[:, won], S[:, won], G[:, won] = trial[:, better], new_S[:, better], new_G[:, better]
            values[won] = new_values[better]
            steps[where] *= np.where(better, GROW, SHRINK)
            steps = np.minimum(steps, 1.0)
        return U, values, True

    def _value_and_gradient(
        self,
        V: Array,
        U: Array,
        gate: IntArray,
        S: Array | None = None,
        should_stop: Callable[[], bool] = never,
    ) -> tuple[Array, Array, Array]:
        """Values, preferred output directions (q C, k) and gradients at the columns of U (d, k).

        With one output the output direction is a sign that stays; with several, the gradient
        belongs to the direction that comes out. Raises ``Stopped`` when told to stop.
        """
        unit, width = self.unit, V.shape[1] * self.unit.readouts
        single = width == 1
        correlations, G = np.zeros((width, U.shape[1])), np.zeros_like(U)
        for part, rows in self.rows.parts:
            if should_stop():
                raise Stopped
            Z = rows.forward(U, out=self._workspace(height(rows), U.shape[1], V.dtype))
            slopes = unit.activate(Z, gate, part)
            correlations += moments(unit.pool(Z, rows.n), V[part]).T
            if single:
                G += rows.adjoint(np.multiply(slopes, unit.spread(V[part], Z.shape[0]), out=Z))
        if single:
            S = np.sign(correlations) if S is None else S
            return S[0] * correlations[0], S, unit.restrict(S[0] * G, gate)
        values = np.linalg.norm(correlations, axis=0)
        S = correlations / np.maximum(values, 1e-300)
        for part, rows in self.rows.parts:
            if should_stop():
                raise Stopped
            Z = rows.forward(U, out=self._workspace(height(rows), U.shape[1], V.dtype))
            pushed = unit.spread(push(V[part], S.T), Z.shape[0])
            G += rows.adjoint(np.multiply(unit.activate(Z, gate, part), pushed, out=Z))
        return values, S, unit.restrict(G, gate)

    def _workspace(self, n: int, k: int, dtype: np.dtype[Any]) -> Array:
        """One array for all calls: fresh memory costs more than the products."""
        if self._memory.size < n * k or self._memory.dtype != dtype:
            self._memory = np.empty(n * k, dtype=dtype)
        workspace: Array = self._memory[: n * k].reshape(n, k)
        return workspace

    def _correlations(self, V: Array, U: Array, gate: IntArray) -> Array:
        """``V' phi(U)``, (q C, k)."""
        total = np.zeros((V.shape[1] * self.unit.readouts, U.shape[1]))
        for part, rows in self.rows.parts:
            self.should_stop()  # which may raise; otherwise values are wanted in any case
            Z = rows.forward(U)
            self.unit.activate(Z, gate, part)
            total += moments(self.unit.pool(Z, rows.n), V[part]).T
        return total

    def _polished(self, V: Array, rough: Candidates, count: int) -> Candidates:
        """Exact local maxima of the best candidates, until enough of them exceed the threshold.

        When the rough values exceed it already, a few are polished for the certificate's sake; the
        descent that follows moves the others to their maxima anyway.
        """
        if not self.precise or self._too_large_to_polish() or not self.unit.sums_relus:
            return distinct(rough, count)
        enough = int(np.sum(rough.values > self.threshold * ROUGH_MARGIN)) >= count
        directions, values = rough.directions.copy(), rough.values.copy()
        for k in range(rough.values.size):
            if k >= ALWAYS_POLISHED and enough:
                break
            if k >= ALWAYS_POLISHED and self.should_stop():
                self.cut_short = self.cut_short or k < FEWEST_POLISHED
                break
            directions[k], values[k] = self._polish(V, rough.directions[k], rough.gate[k])
            enough = enough or int(np.sum(values > self.threshold * ROUGH_MARGIN)) >= count
        return distinct(Candidates(directions, values, rough.gate), count)

    def _too_large_to_polish(self) -> bool:
        rows, d = height(self.rows), self.rows.d
        return (
            rows * d > POLISHED_ENTRIES[self.rows.sparse]
            or rows > POLISHED_ROWS
            or min(rows // 2, d) > POLISHED_KINKS
        )

    def _polish(self, V: Array, u: Array, gate: int) -> tuple[Array, float]:
        """Local maximum near u; with several outputs the output direction takes turns with it."""
        polisher = self._polisher(gate)

        def correlation(u: Array) -> Array:
            Phi = self.unit.pool(np.maximum(polisher.rows @ u, 0.0)[:, None], V.shape[0])
            return moments(Phi, V)  # (1, q C)

        s = correlation(u)
        for _ in range(1 if s.shape[1] == 1 else 3):
            size = float(np.linalg.norm(s))
            if size == 0:
                break
            weights = self.unit.spread(push(V, s / size), len(polisher.rows))
            u, _ = polisher.polish(weights[:, 0], u)
            s = correlation(u)
            if float(np.linalg.norm(s)) <= size * (1 + SETTLED):
                break
        return u, float(np.linalg.norm(s))

    def _polisher(self, gate: int) -> Polisher:
        """That of the rows as neurons with this gate see them."""
        key = 0 if self.unit.tied else gate
        if key not in self._polishers:
            X = self.rows.take(np.arange(self.rows.n))
            if not self.unit.tied:
                which = np.full(len(X), gate, dtype=np.intp)
                X = self.unit.restrict(X.T, which).T
            self._polishers[key] = Polisher(X, self.should_stop)
        return self._polishers[key]


def _fits_single(rows: Rows) -> bool:
    """Whether squares of the data, and sums of those, stay far from float32's limits."""
    size = float(np.sqrt(rows.squared_norms().sum()))
    return SINGLE_SAFE[0] <= size <= SINGLE_SAFE[1]
