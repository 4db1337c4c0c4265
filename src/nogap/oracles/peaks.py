"""Exact local maxima of dual correlations of neurons that sum relus."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nogap._typing import Array, IntArray
from nogap.oracles.polish import Polisher
from nogap.rows import Rows, height
from nogap.units import Unit
from nogap.units.readout import moments, push

POLISHED_ROWS = 40_000  # beyond, the kink of a single row is too slight to stop an ascent
# Of sparse and of dense data: beyond, a polish, which works on a dense copy, takes minutes; so it
# does where it may hold more kinks than that (d, or the half of the rows that push back).
POLISHED_ENTRIES = {True: 4_000_000, False: 16_000_000}
POLISHED_KINKS = 1_200
TURNS = 3  # of the output direction at most
SETTLED = 1e-6  # share by which another turn of the output direction must raise a correlation


class Peaks:
    """Maximisers over the same rows.

    Parameters
    ----------
    rows : Rows
    unit : Unit
    should_stop : callable
    """

    def __init__(self, rows: Rows, unit: Unit, should_stop: Callable[[], bool]) -> None:
        self.rows, self.unit, self.should_stop = rows, unit, should_stop
        self._polishers: dict[int, Polisher] = {}  # by gate where rows differ between gates

    @property
    def affordable(self) -> bool:
        """Whether they can be had: of sums of relus, and without a dense copy that is too large."""
        rows, d = height(self.rows), self.rows.d
        return (
            self.unit.sums_relus
            and rows * d <= POLISHED_ENTRIES[self.rows.sparse]
            and rows <= POLISHED_ROWS
            and min(rows // 2, d) <= POLISHED_KINKS
        )

    def near(self, V: Array, U: Array, gate: IntArray) -> tuple[Array, Array]:
        """The local maxima near the unit vectors U (k, d), and their correlations with V (n, C).

        With several outputs the output directions take turns with them.
        """
        directions, values = U.copy(), np.zeros(U.shape[0])
        keys = np.zeros_like(gate) if self.unit.tied else gate
        for key in np.unique(keys):
            alike = keys == key
            directions[alike], values[alike] = self._near(self._polisher(int(key)), V, U[alike])
        return directions, values

    def _near(self, polisher: Polisher, V: Array, U: Array) -> tuple[Array, Array]:
        """Those of neurons that see the same rows."""

        def correlations(U: Array) -> Array:
            Phi = self.unit.pool(np.maximum(polisher.rows @ U.T, 0.0), V.shape[0])
            return moments(Phi, V)  # (k, q C)

        U = U.copy()
        S = correlations(U)
        sizes = np.linalg.norm(S, axis=1)
        going = np.flatnonzero(sizes > 0)
        for _ in range(1 if S.shape[1] == 1 else TURNS):
            if not going.size:
                break
            pushed = push(V, S[going] / sizes[going, None])
            weights = self.unit.spread(pushed, len(polisher.rows)).T
            U[going], _ = polisher.polish(weights, U[going])
            S[going], before = correlations(U[going]), sizes[going]
            sizes[going] = np.linalg.norm(S[going], axis=1)
            going = going[sizes[going] > before * (1 + SETTLED)]
        return U, sizes

    def _polisher(self, gate: int) -> Polisher:
        """That of the rows as neurons with this gate see them."""
        if gate not in self._polishers:
            X = self.rows.take(np.arange(self.rows.n))
            if not self.unit.tied:
                which = np.full(len(X), gate, dtype=np.intp)
                X = self.unit.restrict(X.T, which).T
            self._polishers[gate] = Polisher(X, self.should_stop)
        return self._polishers[gate]
