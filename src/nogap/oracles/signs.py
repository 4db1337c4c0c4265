"""Branch and bound on the signs of pre-activations: the dual correlation in any dimension.

With the rows split into those that pull (v_i > 0) and those that push back, only the signs of the
pulling rows are combinatorial: once all are given, the rest is the distance from a point to a
zonotope.  A node of the tree gives some of them; its bound is the spectral one (:mod:`.spectral`),
and it is split on the row whose pre-activation is the most uncertain there.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

import numpy as np

from nogap._typing import Array, IntArray
from nogap.oracles.incumbents import Incumbents
from nogap.oracles.row_space import Side
from nogap.oracles.settling import Settler
from nogap.oracles.spectral import Nodes, SpectralBound

COST = 12  # operations on an entry of the rows in one turn
ROOT_STEPS = 30
STEPS = 4  # turns of the bound in a node
MOST_OPEN = 200_000  # nodes that wait; beyond it the tree grows no more


class SignSearches:
    """Both signs of one dual point; the one with the larger bound goes on.

    Parameters
    ----------
    side : Side
        Of V.
    incumbents : sequence of Incumbents
        For V and for -V.
    should_stop : callable
    handicap : float
        By which the work done is multiplied.
    """

    def __init__(
        self,
        side: Side,
        incumbents: Sequence[Incumbents],
        should_stop: Callable[[], bool],
        handicap: float,
    ) -> None:
        self.handicap = handicap
        pairs = zip((side, side.flipped()), incumbents, strict=True)
        self.searches = [SignSearch(*pair, should_stop) for pair in pairs]

    @property
    def upper(self) -> float:
        """No direction has a larger correlation, with V or with -V."""
        return max(one.upper for one in self.searches)

    @property
    def work(self) -> float:
        return self.handicap * sum(one.work for one in self.searches)

    def step(self, threshold: float) -> None:
        max(self.searches, key=lambda one: one.upper).step(threshold)


class SignSearch:
    """One sign of one dual point.

    Parameters
    ----------
    side : Side
    incumbents : Incumbents
    should_stop : callable
    """

    def __init__(self, side: Side, incumbents: Incumbents, should_stop: Callable[[], bool]) -> None:
        self.side, self.incumbents, self.should_stop = side, incumbents, should_stop
        self.settler = Settler(side, incumbents)
        self.bound: SpectralBound | None = None
        self.heap: list[tuple[float, int, tuple[Array, ...]]] = []
        self.dropped = 0.0  # largest bound among the nodes that were dropped
        self.seen = 0
        self.work = 0.0

    @property
    def upper(self) -> float:
        """No direction has a larger correlation."""
        if self.bound is None:
            return self.side.trivial_bound()
        rest = -self.heap[0][0] if self.heap else 0.0
        return max(self.dropped, rest, self.incumbents.value)

    def step(self, threshold: float) -> None:
        """Split the nodes with the largest bounds; drop bounds below the threshold."""
        if self.bound is None:
            self._plant(threshold)
            return
        if not self.heap or len(self.heap) > MOST_OPEN:
            return
        parents, bounds = self._largest(self.bound.most_nodes // 2, threshold)
        if not bounds.size:
            return
        children = self._split(parents)
        bounds = np.tile(bounds, 2)
        self._bound(children, bounds, STEPS, threshold)

    def _plant(self, threshold: float) -> None:
        self.bound = SpectralBound(self.side)
        root = self.bound.root()
        if root.sign.size == 0:  # no row pulls: a leaf already
            self.dropped = self.settler.one(np.zeros(0, dtype=bool))
            return
        most = np.array([self.side.trivial_bound()])
        averages = 2.0 / (np.arange(ROOT_STEPS) + 4)
        self._bound(root, most, ROOT_STEPS, threshold, averages)

    def _bound(
        self,
        nodes: Nodes,
        most: Array,
        steps: int,
        threshold: float,
        averages: Array | None = None,
    ) -> None:
        """Bound new nodes, drop those below the threshold, settle leaves and queue the rest.

        ``most`` (N,) are bounds known already, their parents'.
        """
        assert self.bound is not None
        self.work += COST * steps * len(nodes) * self.side.normals.size
        bounds, alive, left = self.bound.improve(
            nodes, steps, threshold, self.should_stop, averages
        )
        bounds = np.minimum(bounds, most)
        below = np.ones(bounds.size, dtype=bool)
        below[alive] = False
        self.dropped = max(self.dropped, float(bounds[below].max(initial=0.0)))
        if self.incumbents.see(self.bound.directions(left)):
            self.incumbents.polish(self.incumbents.best(1).directions)
        leaves = np.all(left.sign != 0, axis=1)
        for k in np.flatnonzero(leaves):
            self.dropped = max(self.dropped, self.settler.one(left.sign[k] > 0))
        for k in np.flatnonzero(~leaves):
            self.seen += 1
            stored = tuple(_stored(part[k]) for part in left.parts())
            heapq.heappush(self.heap, (-float(bounds[alive[k]]), self.seen, stored))

    def _largest(self, most: int, threshold: float) -> tuple[Nodes, Array]:
        """Up to ``most`` nodes with the largest bounds, all above the threshold."""
        taken: list[tuple[Array, ...]] = []
        bounds: list[float] = []
        while self.heap and len(taken) < most:
            if -self.heap[0][0] <= threshold:
                break
            bound, _, stored = heapq.heappop(self.heap)
            taken.append(stored)
            bounds.append(-bound)
        if not taken:
            self._drop_all()
            return Nodes(*(np.zeros((0, 0)) for _ in range(5))), np.zeros(0)
        sign, *rest = (np.stack(parts) for parts in zip(*taken, strict=True))
        return Nodes(sign, *(part.astype(np.float64) for part in rest)), np.array(bounds)

    def _drop_all(self) -> None:
        """The largest bound on the heap is below the threshold, and so are all."""
        self.dropped = max(self.dropped, -self.heap[0][0])
        self.heap.clear()

    def _split(self, parents: Nodes) -> Nodes:
        """Each node with its most uncertain row on (first half) and off (second half)."""
        assert self.bound is not None
        row: IntArray = self.bound.spread(parents).argmax(axis=1)
        twice = np.tile(np.arange(len(parents)), 2)
        children = parents.take(twice)
        on = np.repeat(np.array([1, -1], dtype=np.int8), len(parents))
        children.sign[np.arange(twice.size), np.tile(row, 2)] = on
        return children


def _stored(part: Array) -> Array:
    """Half the memory; what waits need not be exact, any multipliers give a bound."""
    return part.copy() if part.dtype == np.int8 else part.astype(np.float32)
