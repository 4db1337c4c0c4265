"""The search oracle: batched ascent on the sphere, polished by exact moves across kinks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nogap._typing import Array, IntArray
from nogap.certificate import Correlation
from nogap.oracles.base import Candidates, distinct, empty, never
from nogap.oracles.polish import polish
from nogap.rows import MemoryRows, Rows

ASCENT_STEPS = 40
ROUGH_MARGIN = 1.0 + 1e-4  # a candidate counts as better than beta from here on
ALWAYS_POLISHED = 4
FEWEST_POLISHED = 10  # that make an estimate, where they do not exceed the threshold
SAMPLE_ROWS = 20_000
LAST_STEPS = 30  # of the ascent on all rows, after one on a sample
POLISHED_ROWS = 40_000  # beyond, the kink of a single row is too slight to stop an ascent
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
    """

    complete = False

    def __init__(
        self,
        rows: Rows,
        rng: np.random.Generator,
        n_seeds: int = 50,
        threshold: float = np.inf,
    ) -> None:
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
        """Distinct candidates after so many steps of ascent, without polish."""
        if not np.any(V):
            return empty(self.rows.d)
        index = self._sample()
        if index is None or not np.any(V[index]):  # a sample may miss all that is not zero
            U, values = self._ascend(V, self._seeds(V, starts), steps)
            return distinct(Candidates.ungated(U.T, values), count, tolerance=1e-2)
        # most of the way on a sample, where the best are found; the last steps on all rows
        sample = SearchOracle(MemoryRows(self.rows.take(index)), self.rng, self.n_seeds)
        sample.should_stop = self.should_stop
        found = sample.rough(V[index], starts, steps, count)
        U, values = self._ascend(V, found.directions.T.copy(), LAST_STEPS)
        return distinct(Candidates.ungated(U.T, values), count, tolerance=1e-2)

    def _sample(self) -> IntArray | None:
        """Some of the rows where there are very many."""
        if self.rows.n <= 2 * SAMPLE_ROWS:
            return None
        return np.sort(self.rng.choice(self.rows.n, size=SAMPLE_ROWS, replace=False))

    def _largest(self, V: Array, starts: Array | None) -> float:
        """Largest correlation of the active neurons themselves."""
        if starts is None or not starts.size:
            return 0.0
        return float(np.linalg.norm(self._correlations(V, starts.T), axis=0).max())

    def _seeds(self, V: Array, starts: Array | None) -> Array:
        """Unit directions (d, k): disturbed active neurons, gradients of random patterns, Gaussian.

        Near the optimum the undiscovered maximisers lie around the active neurons: on measured
        false optima half of the disturbed neurons lead to a violator, and a tenth of the others.
        Active neurons themselves are no seeds: they sit on maxima of value beta already.
        """
        d = self.rows.d
        disturbed = self.n_seeds if starts is not None and starts.size else 0
        fresh = max(2 * self.n_seeds - disturbed, 2)
        parts = []
        if disturbed:
            assert starts is not None
            noise = self.rng.standard_normal((d, disturbed))
            noise *= self.rng.uniform(*DISTURBANCE, disturbed) / np.linalg.norm(noise, axis=0)
            parts.append(starts[self.rng.integers(starts.shape[0], size=disturbed)].T + noise)
        gaussian = self.rng.standard_normal((d, fresh))
        half = fresh // 2
        S = self.rng.standard_normal((V.shape[1], half))
        moments = np.zeros((d, half))
        for part, rows in self.rows.parts:
            moments += rows.adjoint((rows.forward(gaussian[:, :half]) > 0) * (V[part] @ S))
        parts += [moments, gaussian[:, half:]]
        U = np.concatenate(parts, axis=1)
        norms = np.linalg.norm(U, axis=0)
        unit: Array = U[:, norms > 0] / norms[norms > 0]
        return unit

    def _ascend(self, V: Array, U: Array, n_steps: int) -> tuple[Array, Array]:
        """Ascent with a step per column; the output direction is the one the seed prefers."""
        single = V.shape[1] == 1
        correlations = self._correlations(V, U)
        S = correlations / np.maximum(np.linalg.norm(correlations, axis=0), 1e-300)
        values, S, G = self._value_and_gradient(V, U, S, single)
        steps = np.full(U.shape[1], 0.5)
        for _ in range(n_steps):
            tangent = G - U * np.sum(U * G, axis=0)
            sizes = np.linalg.norm(tangent, axis=0)
            moving = (sizes > 1e-12 * (1 + np.abs(values))) & (steps > 1e-5)
            if not moving.any() or self.should_stop():
                break
            trial = U[:, moving] + steps[moving] * tangent[:, moving] / sizes[moving]
            trial /= np.linalg.norm(trial, axis=0)
            new_values, new_S, new_G = self._value_and_gradient(V, trial, S[:, moving], single)
            better = new_values > values[moving]
            where = np.flatnonzero(moving)
            won = where[better]
            U[:, won], S[:, won], G[:, won] = trial[:, better], new_S[:, better], new_G[:, better]
            values[won] = new_values[better]
            steps[where] *= np.where(better, GROW, SHRINK)
            steps = np.minimum(steps, 1.0)
        return U, values

    def _value_and_gradient(
        self, V: Array, U: Array, S: Array, single: bool
    ) -> tuple[Array, Array, Array]:
        """Values, preferred output directions (C, k) and gradients at the columns of U (d, k).

        With one output the output direction is a sign that stays; with several, the gradient
        belongs to the direction that comes out.
        """
        correlations, G = np.zeros_like(S), np.zeros_like(U)
        for part, rows in self.rows.parts:
            Z = rows.forward(U, out=self._workspace(rows.n, U.shape[1]))
            on = Z > 0
            Z *= on
            correlations += V[part].T @ Z
            if single:
                G += rows.adjoint(np.multiply(on, V[part], out=Z))
        if single:
            return S[0] * correlations[0], S, S[0] * G
        values = np.linalg.norm(correlations, axis=0)
        S = correlations / np.maximum(values, 1e-300)
        for part, rows in self.rows.parts:
            Z = rows.forward(U, out=self._workspace(rows.n, U.shape[1]))
            G += rows.adjoint(np.multiply(Z > 0, V[part] @ S, out=Z))
        return values, S, G

    def _workspace(self, n: int, k: int) -> Array:
        """One array for all calls: fresh memory costs more than the products."""
        if self._memory.size < n * k:
            self._memory = np.empty(n * k)
        workspace: Array = self._memory[: n * k].reshape(n, k)
        return workspace

    def _correlations(self, V: Array, U: Array) -> Array:
        """``V' relu(X U)`` (C, k)."""
        total = np.zeros((V.shape[1], U.shape[1]))
        for part, rows in self.rows.parts:
            total += V[part].T @ np.maximum(rows.forward(U), 0.0)
        return total

    def _polished(self, V: Array, rough: Candidates, count: int) -> Candidates:
        """Exact local maxima of the best candidates, until enough of them exceed the threshold.

        When the rough values exceed it already, a few are polished for the certificate's sake; the
        descent that follows moves the others to their maxima anyway.
        """
        if self.rows.n > POLISHED_ROWS:
            return distinct(rough, count)
        enough = int(np.sum(rough.values > self.threshold * ROUGH_MARGIN)) >= count
        directions, values = rough.directions.copy(), rough.values.copy()
        for k in range(rough.values.size):
            if k >= ALWAYS_POLISHED and enough:
                break
            if k >= ALWAYS_POLISHED and self.should_stop():
                self.cut_short = k < FEWEST_POLISHED
                break
            directions[k], values[k] = self._polish(V, rough.directions[k])
            enough = enough or int(np.sum(values > self.threshold * ROUGH_MARGIN)) >= count
        return distinct(Candidates.ungated(directions, values), count)

    def _polish(self, V: Array, u: Array) -> tuple[Array, float]:
        """Local maximum near u; with several outputs the output direction takes turns with it."""
        if self._dense is None:
            self._dense = self.rows.take(np.arange(self.rows.n))
        X = self._dense
        for _ in range(1 if V.shape[1] == 1 else 3):
            s = V.T @ np.maximum(X @ u, 0.0)
            size = float(np.linalg.norm(s))
            if size == 0:
                break
            u, _ = polish(X, V @ (s / size), u)
        return u, float(np.linalg.norm(V.T @ np.maximum(X @ u, 0.0)))
