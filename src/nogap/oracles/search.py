"""The search oracle: batched ascent on the sphere, polished by exact moves across kinks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nogap._typing import Array, IntArray
from nogap.certificate import Correlation
from nogap.oracles.base import Candidates, distinct, empty, never
from nogap.oracles.polish import polish
from nogap.problem import SINGLE_SAFE
from nogap.rows import Rows, height
from nogap.units import ReLU, Unit
from nogap.units.readout import moments, push

ASCENT_STEPS = 40
ROUGH_MARGIN = 1.0 + 1e-4  # a candidate counts as better than beta from here on
ALWAYS_POLISHED = 4
FEWEST_POLISHED = 10  # that make an estimate, where they do not exceed the threshold
SAMPLE_ROWS = 20_000
FEWEST_SAMPLES = 300  # with many patches a sample
# With many starts most of the steps go to the better half, and then to the better quarter.
HALVED_AFTER = (12, 8)
LAST_STEPS = 30  # of the ascent on all rows, after one on a sample
LAST_PATCH_STEPS = 8  # and of one on all patches, each of which costs as much as many rows
BLOCK_ENTRIES, FEWEST_IN_BLOCK = 1_000_000, 32  # figures of a block of starts; starts in one
MOST_CANDIDATES = 4  # starts that are left for each direction that is asked for
STEP, LATER_STEP, LAST_PATCH_STEP = 0.5, 0.1, 0.1  # lengths to begin with, on the sphere
SINGLE_PRECISION_PRODUCTS = 2_000_000  # entries of the data times starts; float32 is faster then
POLISHED_ROWS = 40_000  # beyond, the kink of a single row is too slight to stop an ascent
# Of sparse and of dense data: beyond, a polish, which works on a dense copy and with systems of d
# unknowns, takes minutes that nobody can stop.
POLISHED_ENTRIES = {True: 4_000_000, False: 16_000_000}
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
        self._dense: Array | None = None
        self._memory = np.empty(0)

    def price(
        self, V: Array, count: int, starts: Array | None = None
    ) -> tuple[Candidates, Correlation]:
        """Up to ``count`` distinct local maximisers of ``||V' relu(X u)||``, best first."""
        if not np.any(V):
            return empty(self.rows.d), Correlation(0.0, "exact")
        rough = self.rough(V, starts, ASCENT_STEPS, max(2 * count, 10))
        self.cut_short = self.should_stop()
        found = self._polished(V, rough, count)
        active = self._largest(V, starts)
        return found, Correlation(max(found.best, active), "search")

    def rough(self, V: Array, starts: Array | None, steps: int, count: int) -> Candidates:
        """Distinct candidates after so many steps of ascent, without polish.

        Where there are very many rows most of the way goes over a sample, and the last steps of the
        best over all.  Only directions come from float32; their values are those of float64.
        """
        if not np.any(V):
            return empty(self.rows.d)
        fast, W = self._fast(V)
        index, step = self._sample(), STEP
        if index is None or not np.any(V[index]):  # a sample may miss all that is not zero
            U, gate = self._seeds(V, starts)
        else:
            sample = self._on(fast.rows.subset(index))
            found = sample.rough(W[index], starts, steps, count)
            U, gate, steps = found.directions.T.copy(), found.gate, LAST_STEPS
            if self.rows.n_positions > 1:
                steps, step = LAST_PATCH_STEPS, LAST_PATCH_STEP
                if starts is not None and starts.size:  # where a descent was stopped, they rise
                    U = np.concatenate([U, starts.T], axis=1)
                    gate = np.concatenate([gate, self.unit.gates_of(starts)])
        U, values, gate = fast._narrowed(W, U.astype(W.dtype, copy=False), gate, steps, step, count)
        if W is not V:
            U = self.unit.project(U.astype(V.dtype))
            values = np.linalg.norm(self._correlations(V, U, gate), axis=0)
        return distinct(Candidates(U.T, values, gate), count, tolerance=1e-2)

    def _fast(self, V: Array) -> tuple[SearchOracle, Array]:
        """An oracle for the same ascent in float32, and its V, where that is safe and faster."""
        products = height(self.rows) * self.rows.d * 2 * self.n_seeds
        few = products < SINGLE_PRECISION_PRODUCTS
        if V.dtype == np.float32 or few or not _fits_single(self.rows):
            return self, V
        return self._on(self.rows.in_single_precision()), (V / np.abs(V).max()).astype(np.float32)

    def _on(self, rows: Rows) -> SearchOracle:
        """The same search over other rows."""
        other = SearchOracle(rows, self.rng, self.n_seeds, unit=self.unit)
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
        gradients = np.zeros((d, half))
        for part, rows in self.rows.parts:
            Z = rows.forward(self.unit.restrict(gaussian[:, :half], gates[-1][:half]))
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
    ) -> tuple[Array, Array, IntArray]:
        """Ascent in which what lies far behind gives up, unless few would be left to choose from.

        Measured on dual points of finished trainings, it finds the largest correlation as often as
        the ascent of all to the end does, at two fifths of the cost.
        """
        for part in HALVED_AFTER:
            kept = max(U.shape[1] // 2, MOST_CANDIDATES * count)
            if kept >= U.shape[1] or part >= steps:
                break
            U, values = self._ascend_in_blocks(V, U, gate, part, step)
            best = np.argsort(-values, kind="stable")[:kept]
            U, gate = U[:, best], gate[best]
            if self.should_stop():
                return U, values[best], gate
            steps, step = steps - part, LATER_STEP
        return *self._ascend_in_blocks(V, U, gate, steps, step), gate

    def _ascend_in_blocks(
        self, V: Array, U: Array, gate: IntArray, steps: int, step: float
    ) -> tuple[Array, Array]:
        """Blocks of starts that the cache holds: what is not a product is bound by memory."""
        most = max(BLOCK_ENTRIES // (height(self.rows.parts[0][1]) + self.rows.d), FEWEST_IN_BLOCK)
        blocks = [slice(k, k + most) for k in range(0, U.shape[1], most)]
        if len(blocks) < 2:
            return self._ascend(V, U, gate, steps, step)
        risen = [
            self._ascend(V, np.ascontiguousarray(U[:, b]), gate[b], steps, step) for b in blocks
        ]
        return (
            np.concatenate([part for part, _ in risen], axis=1),
            np.concatenate([values for _, values in risen]),
        )

    def _ascend(
        self, V: Array, U: Array, gate: IntArray, n_steps: int, first_step: float = STEP
    ) -> tuple[Array, Array]:
        """Ascent with a step per column; the output direction is the one the seed prefers."""
        correlations = self._correlations(V, U, gate)
        S = correlations / np.maximum(np.linalg.norm(correlations, axis=0), 1e-300)
        values, S, G = self._value_and_gradient(V, U, gate, S)
        steps = np.full(U.shape[1], first_step)
        for _ in range(n_steps):
            tangent = self.unit.tangent(U, G)
            sizes = np.linalg.norm(tangent, axis=0)
            moving = (sizes > 1e-12 * (1 + np.abs(values))) & (steps > 1e-5)
            if not moving.any() or self.should_stop():
                break
            lengths = steps[moving] * np.linalg.norm(U[:, moving], axis=0)
            trial = U[:, moving] + lengths * tangent[:, moving] / sizes[moving]
            trial = self.unit.project(trial).astype(U.dtype, copy=False)
            new_values, new_S, new_G = self._value_and_gradient(
                V, trial, gate[moving], S[:, moving]
            )
            better = new_values > values[moving]
            where = np.flatnonzero(moving)
            won = where[better]
            U[:, won], S[:, won], G[:, won] = trial[:, better], new_S[:, better], new_G[:, better]
            values[won] = new_values[better]
            steps[where] *= np.where(better, GROW, SHRINK)
            steps = np.minimum(steps, 1.0)
        return U, values

    def _value_and_gradient(
        self, V: Array, U: Array, gate: IntArray, S: Array
    ) -> tuple[Array, Array, Array]:
        """Values, preferred output directions (q C, k) and gradients at the columns of U (d, k).

        With one output the output direction is a sign that stays; with several, the gradient
        belongs to the direction that comes out.
        """
        unit, single = self.unit, S.shape[0] == 1
        correlations, G = np.zeros_like(S), np.zeros_like(U)
        for part, rows in self.rows.parts:
            Z = rows.forward(U, out=self._workspace(height(rows), U.shape[1], V.dtype))
            slopes = unit.activate(Z, gate, part)
            correlations += moments(unit.pool(Z, rows.n), V[part]).T
            if single:
                G += rows.adjoint(np.multiply(slopes, unit.spread(V[part], Z.shape[0]), out=Z))
        if single:
            return S[0] * correlations[0], S, unit.restrict(S[0] * G, gate)
        values = np.linalg.norm(correlations, axis=0)
        S = correlations / np.maximum(values, 1e-300)
        for part, rows in self.rows.parts:
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
                self.cut_short = k < FEWEST_POLISHED
                break
            directions[k], values[k] = self._polish(V, rough.directions[k], rough.gate[k])
            enough = enough or int(np.sum(values > self.threshold * ROUGH_MARGIN)) >= count
        return distinct(Candidates(directions, values, rough.gate), count)

    def _too_large_to_polish(self) -> bool:
        entries = height(self.rows) * self.rows.d
        return entries > POLISHED_ENTRIES[self.rows.sparse] or height(self.rows) > POLISHED_ROWS

    def _polish(self, V: Array, u: Array, gate: int) -> tuple[Array, float]:
        """Local maximum near u; with several outputs the output direction takes turns with it."""
        if self._dense is None:
            self._dense = self.rows.take(np.arange(self.rows.n))
        X, which = self._dense, np.array([gate], dtype=np.intp)
        X = X if self.unit.tied else self.unit.restrict(X.T, np.repeat(which, len(X))).T

        def correlation(u: Array) -> Array:
            Phi = self.unit.pool(np.maximum(X @ u, 0.0)[:, None], V.shape[0])
            return moments(Phi, V)  # (1, q C)

        s = correlation(u)
        for _ in range(1 if s.shape[1] == 1 else 3):
            size = float(np.linalg.norm(s))
            if size == 0:
                break
            weights = self.unit.spread(push(V, s / size), X.shape[0])
            u, _ = polish(X, weights[:, 0], u)
            s = correlation(u)
            if float(np.linalg.norm(s)) <= size * (1 + SETTLED):
                break
        return u, float(np.linalg.norm(s))


def _fits_single(rows: Rows) -> bool:
    """Whether squares of the data, and sums of those, stay far from float32's limits."""
    size = float(np.sqrt(rows.squared_norms().sum()))
    return SINGLE_SAFE[0] <= size <= SINGLE_SAFE[1]
