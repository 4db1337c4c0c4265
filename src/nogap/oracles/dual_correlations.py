"""Dual correlations of many neurons at once, and their gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nogap._interrupt import Stopped
from nogap._typing import Array, IntArray
from nogap.oracles.base import never
from nogap.rows import Rows, height
from nogap.units import Unit
from nogap.units.readout import moments, push


class DualCorrelations:
    """``||V' phi(u)||`` over the same rows.

    Parameters
    ----------
    rows : Rows
    should_stop : callable
        Asked between parts of the rows.
    """

    def __init__(self, rows: Rows, should_stop: Callable[[], bool]) -> None:
        self.rows, self.should_stop = rows, should_stop
        self._memory = np.empty(0)

    def at(
        self,
        unit: Unit,
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
        width = V.shape[1] * unit.readouts
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
            return S[0] * correlations[0], S, unit.restrict(S[0] * G, gate).astype(U.dtype)
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

    def values(self, unit: Unit, V: Array, U: Array, gate: IntArray) -> Array:
        """``||V' phi(U)||``, (k,), in float64 sums."""
        total = np.zeros((V.shape[1] * unit.readouts, U.shape[1]))
        for part, rows in self.rows.parts:
            self.should_stop()  # which may raise; otherwise values are wanted in any case
            Z = rows.forward(U)
            unit.activate(Z, gate, part)
            total += moments(unit.pool(Z, rows.n), V[part]).T
        values: Array = np.linalg.norm(total, axis=0)
        return values
