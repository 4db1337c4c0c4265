"""Batched ascent of dual correlations on the sphere, with a step for each neuron."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nogap._interrupt import Stopped
from nogap._typing import Array, IntArray
from nogap.oracles.base import never
from nogap.rows import Rows, height
from nogap.rows.base import slices
from nogap.units import Unit
from nogap.units.readout import moments, push
from nogap.units.softened import Softened

STEP = 0.5  # length to begin with, on the sphere
GROW, SHRINK = 1.6, 0.4  # step per candidate, after a success and after a failure
BLOCK_ENTRIES, FEWEST_IN_BLOCK = 1_000_000, 32  # figures of a block of starts; starts in one
FEWEST_STEPS = 15  # that make an estimate
FEWEST_LAST_STEPS = 5  # and that do after steps over rounded kinks
WIDTH = 0.2  # of rounded kinks, as a share of the root mean square pre-activation
WIDTH_FROM = 10  # neurons


class Ascent:
    """Ascents over the same rows.

    Parameters
    ----------
    rows : Rows
    unit : Unit
    should_stop : callable
        Asked between steps, and between parts of the rows.
    """

    def __init__(
        self, rows: Rows, unit: Unit, should_stop: Callable[[], bool], fewest: int = FEWEST_STEPS
    ) -> None:
        self.rows, self.unit, self.should_stop, self.fewest = rows, unit, should_stop, fewest
        self._memory = np.empty(0)

    def softened(self, U: Array) -> Ascent:
        """The ascent over rounded kinks, from directions such as the columns U (d, k)."""
        Z = self.rows.parts[0][1].forward(U[:, :WIDTH_FROM])
        width = WIDTH * float(np.sqrt(np.mean(np.square(Z))))
        unit = Softened(self.unit, np.array([width]))
        return Ascent(self.rows, unit, self.should_stop)

    def last(self) -> Ascent:
        """The same, for the steps that follow those."""
        return Ascent(self.rows, self.unit, self.should_stop, FEWEST_LAST_STEPS)

    def run(
        self, V: Array, U: Array, gate: IntArray, steps: int, step: float = STEP
    ) -> tuple[Array, Array, bool]:
        """Where so many steps lead from the columns U (d, k), and the values there.

        Also whether it went far enough; values are zero where it is stopped before there are any.
        """
        # in blocks of starts that the cache holds: what is not a product is bound by memory
        most = max(BLOCK_ENTRIES // (height(self.rows.parts[0][1]) + self.rows.d), FEWEST_IN_BLOCK)
        blocks = list(slices(U.shape[1], most))
        if len(blocks) < 2:
            return self._together(V, U, gate, steps, step)
        risen = [
            self._together(V, np.ascontiguousarray(U[:, b]), gate[b], steps, step) for b in blocks
        ]
        return (
            np.concatenate([part for part, _, _ in risen], axis=1),
            np.concatenate([values for _, values, _ in risen]),
            all(done for _, _, done in risen),
        )

    def _together(
        self, V: Array, U: Array, gate: IntArray, n_steps: int, first_step: float
    ) -> tuple[Array, Array, bool]:
        """All of them at once; the output direction of each is the one that its start prefers."""
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
                return U, values, done >= self.fewest
            lengths = steps[moving] * np.linalg.norm(U[:, moving], axis=0)
            trial = U[:, moving] + lengths * tangent[:, moving] / sizes[moving]
            trial = self.unit.project(trial).astype(U.dtype, copy=False)
            try:
                new_values, new_S, new_G = self._value_and_gradient(
                    V, trial, gate[moving], S[:, moving], stop
                )
            except Stopped:
                return U, values, done >= self.fewest
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

    def correlations(self, V: Array, U: Array, gate: IntArray) -> Array:
        """``V' phi(U)``, (q C, k)."""
        total = np.zeros((V.shape[1] * self.unit.readouts, U.shape[1]))
        for part, rows in self.rows.parts:
            self.should_stop()  # which may raise; otherwise values are wanted in any case
            Z = rows.forward(U)
            self.unit.activate(Z, gate, part)
            total += moments(self.unit.pool(Z, rows.n), V[part]).T
        return total
