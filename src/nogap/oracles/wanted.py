"""How many candidates of a search are wanted, and which of them are worth more."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nogap._typing import Array, IntArray
from nogap.oracles.base import Candidates, distinct

DISTINCT = 0.05  # distance of two candidates of one search
NEAR = 0.2  # distance of a candidate from an active neuron whose hill it is on
MORE = 8  # times as many candidates are compared with each other
NEAR_SHARE = 0.2  # of the candidates, at most, where there are enough others


@dataclass(frozen=True)
class Wanted:
    """The best candidates, or those of which few are on the hills of active neurons.

    Active neurons sit on maxima of value beta.  Near the optimum most of the best rough candidates
    (80 to 95 in 100) have climbed their hills, where there is little more to find, and crowd out
    lower ones elsewhere, on which large violations end.

    Attributes
    ----------
    count : int
    active : array (m, d), optional
        Directions of norm 1 to keep away from.
    """

    count: int
    active: Array | None = None

    @classmethod
    def away_from(cls, starts: Array | None, count: int) -> Wanted:
        """So many, most of them away from the active neurons (m, d)."""
        if starts is None or not starts.size:
            return cls(count)
        lengths = np.linalg.norm(starts, axis=1, keepdims=True)
        return cls(count, starts / np.maximum(lengths, 1e-300))

    def best(self, candidates: Candidates) -> Candidates:
        """As many as are wanted, no two of them alike."""
        if self.active is None:
            return distinct(candidates, self.count, tolerance=DISTINCT)
        for size in (MORE * self.count, candidates.values.size):  # most often the first will do
            top = candidates.take(self._of(size).order(candidates.directions, candidates.values))
            apart = distinct(top, size, tolerance=DISTINCT)
            if apart.values.size >= self.count:
                break
        return apart.take(self.order(apart.directions, apart.values))

    def _of(self, count: int) -> Wanted:
        return replace(self, count=count)

    def order(self, directions: Array, values: Array) -> IntArray:
        """Indices of as many of the directions (k, d) as are wanted, best first."""
        order = np.argsort(-values, kind="stable")
        if self.active is None:
            return order[: self.count]
        lengths = np.maximum(np.linalg.norm(directions, axis=1), 1e-300)
        cosines = (directions @ self.active.T.astype(directions.dtype)).max(axis=1) / lengths
        near = cosines[order] > 1.0 - 0.5 * NEAR**2
        few = max(int(NEAR_SHARE * self.count), self.count - int(np.sum(~near)))
        kept = ~near | (np.cumsum(near) <= few)
        return order[kept][: self.count]
