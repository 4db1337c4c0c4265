"""The best directions that a branch and bound has met, which tell it what it may drop."""

from __future__ import annotations

import numpy as np

from nogap._typing import Array
from nogap.oracles.base import Candidates, distinct
from nogap.oracles.polish import Polisher


class Incumbents:
    """Directions u (r,) and their correlations ``v' relu(Z u)``, for one sign of V.

    Attributes
    ----------
    value : float
        The largest correlation; zero is always there.
    """

    def __init__(self, Z: Array, v: Array) -> None:
        self.Z, self.v = Z, v
        self.value = 0.0
        self._directions = [np.zeros((0, Z.shape[1]))]
        self._values = [np.zeros(0)]
        self._polisher = Polisher(Z)

    def see(self, directions: Array) -> bool:
        """Remember the best of these (K, r), of any length; whether it is the best of all."""
        if directions.shape[0] == 0:
            return False
        # evaluated at the normalised direction: a norm that was solved for has too few digits
        norms = np.linalg.norm(directions, axis=1)
        values = np.maximum(directions @ self.Z.T, 0.0) @ self.v / np.where(norms > 0, norms, 1.0)
        k = int(np.argmax(values))
        if not (norms[k] > 0 and values[k] > 0):
            return False
        self._directions.append(directions[k : k + 1] / norms[k])
        self._values.append(values[k : k + 1])
        better = bool(values[k] > self.value)
        self.value = max(self.value, float(values[k]))
        return better

    def polish(self, directions: Array) -> None:
        """See the exact local maxima near these directions (K, r)."""
        norms = np.linalg.norm(directions, axis=1)
        directions = directions[norms > 0] / norms[norms > 0, None]
        if directions.shape[0]:
            self.see(self._polisher.polish(self.v, directions)[0])

    def best(self, count: int) -> Candidates:
        """Up to ``count`` of them, the largest correlations first."""
        directions, values = np.concatenate(self._directions), np.concatenate(self._values)
        return distinct(Candidates.ungated(directions, values), count)
