"""The end of a branch: the correlation of all directions with the same pulling rows on.

With the rows that pull decided, what is left is the distance from a point to a zonotope.  No subset
of the pulling rows gives more than the largest correlation, whether or not it is the pattern of a
direction, so subsets may be tried that are none.
"""

from __future__ import annotations

import numpy as np

from nogap._typing import Array, BoolArray
from nogap.oracles.box_distance import sweep
from nogap.oracles.incumbents import Incumbents
from nogap.oracles.row_space import Side
from nogap.oracles.zonotope import nearest

SWEEPS = 4


class Settler:
    """Settles patterns of one sign of one dual point, each once.

    Parameters
    ----------
    side : Side
    incumbents : Incumbents
        See the directions that attain what is settled.
    """

    def __init__(self, side: Side, incumbents: Incumbents) -> None:
        self.pulls = side.weights > 0
        self.base, self.incumbents = side.base, incumbents
        self.gains = side.weights[self.pulls, None] * side.normals[self.pulls]
        self.normals, self.upper = side.normals[~self.pulls], -side.weights[~self.pulls]
        self.settled: set[bytes] = set()

    def largest(self, on: BoolArray, threshold: float) -> float:
        """An upper bound for all directions whose pulling rows are on as in a row of on (K, m).

        Attained where it is above the threshold.  The other rows of each pattern are a first guess
        at their shares.  Patterns that were settled before count for nothing.
        """
        keys = np.packbits(on[:, self.pulls], axis=1)
        new = [k for k, key in enumerate(map(bytes, keys)) if key not in self.settled]
        _, first = np.unique(keys[new], axis=0, return_index=True)
        on = on[np.array(new, dtype=np.intp)[first]]
        self.settled.update(map(bytes, keys))
        centres = self.base + on[:, self.pulls] @ self.gains
        shares = on[:, ~self.pulls] * self.upper
        residuals = centres - shares @ self.normals
        largest = 0.0
        for _ in range(SWEEPS):
            sweep(residuals, shares, None, self.normals, self.upper)
            norms = np.linalg.norm(residuals, axis=1)
            above = norms > max(threshold, self.incumbents.value)
            largest = max(largest, float(norms[~above].max(initial=0.0)))
            centres, shares, residuals = (part[above] for part in (centres, shares, residuals))
        for centre, share in zip(centres, shares, strict=True):
            largest = max(largest, self._exactly(centre, share / self.upper))
        return largest

    def one(self, on: BoolArray) -> float:
        """The bound for one subset (p,) of the pulling rows, attained."""
        centre = self.base + on @ self.gains
        return self._exactly(centre, (self.normals @ centre > 0).astype(np.float64))

    def _exactly(self, centre: Array, share: Array) -> float:
        _, r = nearest(centre, self.normals, self.upper, share)
        self.incumbents.see(r[None])
        return float(np.linalg.norm(r))
