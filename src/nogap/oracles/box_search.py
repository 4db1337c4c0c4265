"""Branch and bound on boxes of directions: the dual correlation in few dimensions.

Boxes (:mod:`.boxes`) whose bound is too small are dropped, the others are bisected.  Where the rows
that pull all have one sign, the branch is settled exactly (:mod:`.settling`).

Boxes are boxes in coordinates in which the rows are white: rows far from the origin all but agree,
and most of the directions' ordinary angles would be spent where nothing happens.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from nogap._typing import Array, BoolArray
from nogap.oracles.boxes import SIDES, TURNS, Bounded, BoxBound, Boxes
from nogap.oracles.incumbents import Incumbents
from nogap.oracles.row_space import Side
from nogap.oracles.settling import Settler

COST = 15  # operations on a pre-activation and a side
STEADY = 50  # pre-activations that cost as much as what every box needs,
CORNER = 1 / 8  # and as a term of the form at a corner
ENTRIES = 30_000  # pre-activations at a time, of which a cache holds several arrays
FEWEST, MOST = 16, 1024  # boxes at a time
BISECTIONS = 2
NARROW = 1e-14  # half width below which a box is a point
SMALL = 0.01  # half width
MOST_BOTH_WAYS = 4  # undecided rows that pull


# minus the bound, a number that settles ties, the boxes, and lines undecided on their parents
_Entry: TypeAlias = tuple[float, int, Boxes, int]


class BoxSearch:
    """Both signs of one dual point.

    Parameters
    ----------
    side : Side
        Of V.
    scale : array (r,)
        By which coordinates are divided to make the rows white.
    incumbents : sequence of Incumbents
        For V and for -V.
    """

    def __init__(self, side: Side, scale: Array, incumbents: Sequence[Incumbents]) -> None:
        self.incumbents, self.scale = incumbents, scale
        self.bounds = BoxBound(side, scale)
        self.pulls = (side.weights > 0, side.weights < 0)
        sides = (side, side.flipped())
        self.settlers = [Settler(*pair) for pair in zip(sides, incumbents, strict=True)]
        self.dropped = 0.0  # largest bound among the boxes that were dropped
        self.work = 0.0
        self.seen = 0
        self.waiting: dict[tuple[bytes, bytes, tuple[int, ...]], list[_Entry]] = {}
        for boxes in self.bounds.whole_sphere():
            self._queue(boxes, np.inf, side.weights.size)

    @property
    def upper(self) -> float:
        """No direction has a larger correlation, with V or with -V."""
        rest = max((-heap[0][0] for heap in self.waiting.values()), default=0.0)
        return max(self.dropped, rest, *(one.value for one in self.incumbents))

    def step(self, threshold: float) -> None:
        """Bound the boxes with the largest known bounds; drop those below the threshold."""
        if not self.waiting:
            return
        boxes, known = self._next()
        found = self.bounds.bound(boxes)
        steady = STEADY + CORNER * self.bounds.features.size
        self.work += len(boxes) * len(boxes.sides) * COST * (found.lines.size + steady)
        self._look_at_centres(boxes, found)
        upper = np.minimum(found.upper, known[:, None])
        floor = max(threshold, *(one.value for one in self.incumbents))
        self._settle(boxes, found, upper, floor)
        each = np.stack([upper[:, :2].max(axis=1), upper[:, 2:].max(axis=1)], axis=1)  # side
        keep = each > floor
        if boxes.half.max(initial=0.0) < NARROW:  # its bound is as good as it gets
            keep[:] = False
        self.dropped = max(self.dropped, float(each[~keep].max(initial=0.0)))
        for sides in ((0, 1), (0,), (1,)):
            alike: BoolArray = np.all(keep == [0 in sides, 1 in sides], axis=1)
            self._break_up(boxes.take(alike, sides), each[alike].max(axis=1), found.lines.size)

    def _look_at_centres(self, boxes: Boxes, found: Bounded) -> None:
        for side, incumbents in enumerate(self.incumbents):
            values = found.centre[:, side == SIDES]
            k, turn = np.unravel_index(int(np.argmax(values)), values.shape)
            if values[k, turn] > incumbents.value:
                u = TURNS[side == SIDES][turn] * boxes.directions()[k] / self.scale
                incumbents.polish(u[None])

    def _settle(self, boxes: Boxes, found: Bounded, upper: Array, floor: float) -> None:
        """Functions for which few pulling rows are undecided, if any: solved, and done with.

        On small boxes a few rows that refuse to be decided, because the maximiser lies on them,
        are taken both ways.
        """
        most = MOST_BOTH_WAYS if boxes.half.max(initial=0.0) < SMALL else 0
        for side in boxes.sides:
            settler = self.settlers[side]
            open_pulls = found.open & self.pulls[side][found.lines]
            few = open_pulls.sum(axis=1) <= most
            on = []
            for k in np.flatnonzero(side == SIDES):
                ended = few & (upper[:, k] > floor)
                for box in np.flatnonzero(ended):
                    on.append(_patterns(found, box, found.lines[open_pulls[box]], TURNS[k]))
                upper[ended, k] = 0.0
            if on:
                largest = settler.largest(np.concatenate(on), floor)
                self.dropped = max(self.dropped, largest)

    def _break_up(self, boxes: Boxes, largest: Array, n_lines: int) -> None:
        """Queue the bisected boxes, neighbours together."""
        if len(boxes) == 0:
            return
        for _ in range(BISECTIONS):
            boxes = boxes.bisected()
        largest = np.repeat(largest, 2**BISECTIONS)
        count = _batch(n_lines)
        for start in range(0, len(boxes), count):
            part = slice(start, start + count)
            self._queue(boxes.take(part), float(largest[part].max()), n_lines)

    def _queue(self, boxes: Boxes, bound: float, n_lines: int) -> None:
        self.seen += 1
        key = (boxes.order.tobytes(), boxes.half.tobytes(), boxes.sides)
        heapq.heappush(self.waiting.setdefault(key, []), (-bound, self.seen, boxes, n_lines))

    def _next(self) -> tuple[Boxes, Array]:
        """As many boxes as are bounded at a time, all of one shape, and their known bounds (N,)."""
        key = min(self.waiting, key=lambda one: self.waiting[one][0][:2])
        heap = self.waiting[key]
        taken = [heapq.heappop(heap)]
        count = _batch(taken[0][3]) - len(taken[0][2])
        while heap and len(heap[0][2]) <= count:
            taken.append(heapq.heappop(heap))
            count -= len(taken[-1][2])
        if not heap:
            del self.waiting[key]
        first = taken[0][2]
        centres = np.concatenate([boxes.centres for _, _, boxes, _ in taken])
        known = np.concatenate([np.full(len(boxes), -bound) for bound, _, boxes, _ in taken])
        return Boxes(first.order, centres, first.half, first.sides), known


def _batch(n_lines: int) -> int:
    """How many boxes are bounded at a time, where that many lines are undecided."""
    return int(np.clip(ENTRIES // max(n_lines, 1), FEWEST, MOST))


def _patterns(found: Bounded, box: np.intp, both: Array, turn: float) -> BoolArray:
    """Which lines are on in a box of directions or opposites, (2^k, m), ``both`` (k,) both ways."""
    on = found.decided.copy()
    on[found.lines] = found.above[box]
    patterns = np.tile(on if turn > 0 else ~on, (2**both.size, 1))
    ways: BoolArray = (np.arange(2**both.size)[:, None] >> np.arange(both.size)) & 1 == 1
    patterns[:, both] = ways
    return patterns
