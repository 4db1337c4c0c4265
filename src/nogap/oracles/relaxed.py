"""The largest correlation with any point of a convex set that holds the feature of every neuron.

The set is that of Shor's relaxation, the z (n,) for which some u and M with ``M >= u u'`` and
``trace M <= 1`` have

    relu(x_i' u) <= z_i <= (x_i' u + sqrt(x_i' M x_i)) / 2 .

The spectral bound at the root of the tree (:mod:`.spectral`) is the largest correlation of V with
it, and what it ends at says where: unlike a proof it comes with a point of the set, so that a dual
point can be moved away from it.
"""

from __future__ import annotations

import numpy as np

from nogap._typing import Array
from nogap.oracles.row_space import RowSpace, Side
from nogap.oracles.spectral import SpectralBound
from nogap.rows import Rows

FIRST_STEPS, STEPS = 40, 15  # turns of the bound from nowhere, and from the last dual point's


class RelaxedOracle:
    """Bounds the dual correlation of one output, each time from where the last time ended.

    Parameters
    ----------
    rows : Rows
    """

    def __init__(self, rows: Rows) -> None:
        self.space = RowSpace(rows)
        m, r = self.space.normals.shape
        squares = np.einsum("mr,mr->m", self.space.normals, self.space.normals)
        self.moments = [squares / max(r, 1), squares / max(r, 1)]  # of the lines' pre-activations
        self.shares = [np.full(m, 0.5), np.full(m, 0.5)]
        self.steps = FIRST_STEPS

    def price(self, V: Array) -> tuple[float, Array]:
        """An upper bound of q(V) for V (n,), and the points (n, 2) of the set nearest to V, -V."""
        if not np.any(V) or not self.space.normals.size:
            return 0.0, np.zeros((V.size, 2))
        largest = float(np.ldexp(1.0, int(np.frexp(np.abs(V).max())[1])))
        side = self.space.side(V / largest)
        found = [self._one(k, one) for k, one in enumerate((side, side.flipped()))]
        self.steps = STEPS
        upper = max(bound for bound, _ in found) + self.space.rounding(V / largest)
        points = np.stack([point for _, point in found], axis=1)
        return self.space.size * largest * upper, self.space.size * points

    def _one(self, k: int, side: Side) -> tuple[float, Array]:
        moments, shares = self.moments[k], self.shares[k]
        bound, nodes = SpectralBound(side), None
        pulls = side.weights > 0
        pulling, pushing = side.lines[pulls], side.lines[~pulls]
        t = np.zeros(self.space.normals.shape[0])
        z = np.zeros_like(t)
        upper = side.trivial_bound()
        if pulling.size:
            nodes = bound.root()
            nodes.moment[0] = side.weights[pulls] ** 2 * moments[pulling]
            nodes.lam[0] = shares[pushing]
            averages = 2.0 / (np.arange(self.steps) + (4 if self.steps == FIRST_STEPS else 10))
            bounds, _, nodes = bound.improve(nodes, self.steps, -np.inf, averages=averages)
            upper = min(upper, float(bounds[0]))
            moments[pulling] = nodes.moment[0] / side.weights[pulls] ** 2
            shares[pushing] = nodes.lam[0]
            t = self.space.normals @ bound.directions(nodes)[0]
            z = np.maximum(t, 0.0)
            spread = np.sqrt(np.maximum(moments[pulling], t[pulling] ** 2))
            z[pulling] = (t[pulling] + spread) / 2
        return upper, self.space.features(t, z)
