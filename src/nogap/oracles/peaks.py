"""Exact local maxima of dual correlations of neurons that sum relus."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nogap._typing import Array
from nogap.oracles.polish import Polisher
from nogap.rows import Rows, height
from nogap.units import Unit
from nogap.units.readout import moments, push

POLISHED_ROWS = 40_000  # beyond, the kink of a single row is too slight to stop an ascent
# Of sparse and of dense data: beyond, a polish, which works on a dense copy, takes minutes; so it
# does where it may hold more kinks than that (d, or the half of the rows that push back).
POLISHED_ENTRIES = {True: 4_000_000, False: 16_000_000}
POLISHED_KINKS = 1_200
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

    def near(self, V: Array, u: Array, gate: int) -> tuple[Array, float]:
        """The local maximum near the unit vector u (d,), and its correlation with V (n, C).

        With several outputs the output direction takes turns with it.
        """
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
