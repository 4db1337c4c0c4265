"""The exact oracle of three-layer sub-networks: all patterns of both layers.

A branch is a set S of positive rows of the second layer (see ``oracles/second_layer.py``) with
bounds on how the ``width`` blocks of a sub-network are spread over the cells of the first layer.
Unbounded, it is the program of sub-networks of any width, which usually needs few cells at its
optimum and then is exact; otherwise cells are taken out and put in until every branch is settled.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import linprog

from nogap._typing import Array, BoolArray, IntArray
from nogap.certificate import Correlation
from nogap.oracles.base import Candidates, distinct, empty, never
from nogap.oracles.exact import merging_allowance
from nogap.oracles.second_layer import Cells, Shares, Solved
from nogap.patterns import enumerate_patterns, max_pattern_count
from nogap.problem import EPS
from nogap.rows import MemoryRows, Rows
from nogap.units.three_layer import ThreeLayer

MOST_CASES = 5_000_000  # sets of positive rows, 2^n at worst, times patterns of the first layer
MOST_PATTERNS = 1_200  # of the first layer
CHEAP_ROWS, CHEAP_PATTERNS = 8, 60
MOST_BRANCHES = 20_000
FURTHER = 20  # branches gone through once a sub-network improves the network
NOTICEABLE = 1 + 1e-5
POOL = 8  # multipliers of branches of the same sign that others try first
EMPTY = 1e-7  # share of a sub-network below which a block is rounding
FRACTION = 1e-6  # of a block


@dataclass(frozen=True)
class _Branch:
    """Positive rows of ``sign * v``, and the least and most blocks (k,) of every cell."""

    sign: float
    on: BoolArray
    low: IntArray
    high: IntArray
    lam: Array
    tried: int = 0  # multipliers of the pool that it has seen
    solved: Solved | None = None


def patterns_are_few(rows: Rows) -> bool:
    """Whether :class:`SubNetworkOracle` settles these rows in about a second."""
    few = max_pattern_count(rows.n, min(rows.n, rows.d)) <= CHEAP_PATTERNS
    return rows.n <= CHEAP_ROWS and few


class SubNetworkOracle:
    """All sub-networks of a width on few rows; one output.

    Parameters
    ----------
    rows : Rows
    unit : ThreeLayer
    precision : float
        The value returned is at most this much (relatively) above the largest correlation.
    threshold : float
        beta: sub-networks beyond it improve the network, and end a call early with a bound.

    Raises
    ------
    ValueError
        More rows or patterns than can be gone through; the sentence says how many.
    """

    complete = True
    cut_short = False

    def __init__(
        self,
        rows: Rows,
        unit: ThreeLayer,
        precision: float = 1e-9,
        threshold: float = np.inf,
    ) -> None:
        self.should_stop: Callable[[], bool] = never
        self.unit, self.precision, self.threshold = unit, precision, threshold
        n_patterns = max_pattern_count(rows.n, min(rows.n, rows.d))
        if 2**rows.n * n_patterns > MOST_CASES or n_patterns > MOST_PATTERNS:
            raise ValueError(
                f"{rows.n} rows have up to 2^{rows.n} second-layer patterns and {n_patterns:,} of "
                f"the first layer; all of them can be settled for at most {MOST_CASES:,} pairs and "
                f"{MOST_PATTERNS:,} patterns (17 rows in two dimensions, 14 in three): use "
                "patterns='adaptive'"
            )
        X = rows.take(np.arange(rows.n))
        self.scale = float(np.linalg.norm(X, axis=1).max()) or 1.0
        self.rows = MemoryRows(X / self.scale)
        self.cells = Cells(X / self.scale, enumerate_patterns(X))
        self.merged = merging_allowance(X / self.scale)
        path = unit.regularization == "path"
        # the Frobenius norm of a path lets equal blocks gain sqrt(width)
        self.radius = unit.width**0.5 if path else 1.0

    def price(
        self, V: Array, count: int, starts: Array | None = None
    ) -> tuple[Candidates, Correlation]:
        """The best sub-networks, and q(V) for V (n, 1); a bound of it when stopped early."""
        size = float(np.abs(V).max())
        if size == 0:
            return empty(self.unit.direction_size(self.rows.d)), Correlation(0.0, "exact")
        v = V[:, 0] / size
        self.found = self._attained(v, starts) if starts is not None and len(starts) else None
        self.pool: dict[float, list[Array]] = {1.0: [], -1.0: []}
        self.left = 0.0  # largest bound of the branches in which nothing is left to decide
        heap = [(-bound, number, branch) for number, (bound, branch) in enumerate(self._first(v))]
        heapq.heapify(heap)
        upper, settled = self._settle(v, heap, self.threshold / (size * self.scale))
        norms = np.linalg.norm(self.cells.X, axis=1)
        rounding = 32 * EPS * sum(self.cells.X.shape) * self.radius * float(np.abs(v) @ norms)
        rounding += self.radius * float(np.abs(v) @ self.merged)
        scale = size * self.scale
        found = empty(self.unit.direction_size(self.rows.d))
        if self.found is not None:
            found = distinct(self.found, count)
            found = replace(found, values=scale * found.values)
        kind = Correlation(scale * (upper + rounding), "exact" if settled else "bound")
        return found, kind

    def _settle(
        self, v: Array, heap: list[tuple[float, int, _Branch]], threshold: float
    ) -> tuple[float, bool]:
        """Branch, largest bound first, until none can hold more than the best found."""
        number, further = len(heap), 0
        for _ in range(MOST_BRANCHES):
            if not heap or -heap[0][0] <= self._best * (1 + self.precision):
                break
            further += int(self._best > threshold * NOTICEABLE)
            if further > FURTHER or self.should_stop():
                return max(-heap[0][0], self.left), False
            known, _, branch = heapq.heappop(heap)
            pool = self.pool[branch.sign]
            if branch.solved is not None:
                children = self._children(branch)
            elif branch.tried < len(pool):
                children = [(self._pooled(branch, v), replace(branch, tried=len(pool)))]
            else:
                children = [self._solved(branch, v)]
            for bound, child in children:
                heapq.heappush(heap, (max(known, -bound), number, child))
                number += 1
        else:
            return max(-heap[0][0], self.left), False
        upper = -heap[0][0] if heap else 0.0
        return max(upper, self.left, self._best), True

    @property
    def _best(self) -> float:
        return 0.0 if self.found is None else float(self.found.values.max(initial=0.0))

    # -- branches ----------------------------------------------------------------------------

    def _first(self, v: Array) -> list[tuple[float, _Branch]]:
        """Every set of positive rows of either sign, with the bound of the best of a few lam."""
        k, n, width = self.cells.count, self.rows.n, self.unit.width
        low = np.zeros(k, dtype=np.intp)
        high = np.full(k, width if self.radius > 1 else 1, dtype=np.intp)
        found = []
        for sign in (1.0, -1.0):
            pulling = np.flatnonzero(sign * v > 0)
            sets = np.zeros((2**pulling.size, n), dtype=bool)
            sets[:, pulling] = list(itertools.product((True, False), repeat=pulling.size))
            sets = sets[:-1]  # nothing is gained by the empty set
            if len(sets) == 0:
                continue
            guesses = np.array([0.2, 0.5, 1.0])
            W = np.where(sign * v > 0, sets[:, None] * (sign * v), guesses[:, None] * sign * v)
            bounds = self.cells.rough(W.reshape(-1, n)).max(axis=1).reshape(len(sets), -1)
            for on, row in zip(sets, bounds, strict=True):
                lam = np.full(n, guesses[int(np.argmin(row))])
                branch = _Branch(sign, on, low, high, lam)
                found.append((self.radius * float(row.min()), branch))
        return found

    def _shares(self, branch: _Branch) -> Shares:
        """Bounds of the shares; blocks of constrained weights have any share, but few cells."""
        if self.radius > 1:
            return Shares(branch.low / self.unit.width, branch.high / self.unit.width)
        if branch.low.sum() == self.unit.width:
            return Shares(np.zeros(branch.low.size), branch.low.astype(np.float64))
        return Shares(np.zeros(branch.low.size), branch.high.astype(np.float64))

    def _pooled(self, branch: _Branch, v: Array) -> float:
        """The least bound by the multipliers of other branches."""
        new = np.array(self.pool[branch.sign][branch.tried :][-POOL:])
        signed = branch.sign * v
        W = np.where(signed > 0, branch.on * signed, new * signed)
        shares = self._shares(branch)
        bounds = [shares.largest(sizes)[0] for sizes in self.cells.rough(W)]
        return self.radius * min(bounds)

    def _solved(self, branch: _Branch, v: Array) -> tuple[float, _Branch]:
        signed = branch.sign * v
        solved = self.cells.solve(signed, branch.on, self._shares(branch), branch.lam)
        self.pool[branch.sign].append(solved.lam)
        self._see(branch, solved, v)
        return self.radius * solved.bound, replace(branch, solved=solved, lam=solved.lam)

    def _children(self, branch: _Branch) -> list[tuple[float, _Branch]]:
        """The two branches in which one cell has at most, or more than, so many blocks."""
        assert branch.solved is not None
        bound, width = self.radius * branch.solved.bound, self.unit.width
        undecided = branch.low < branch.high
        if self.radius > 1:
            counts = branch.solved.shares * width
            cell = int(np.argmax(np.where(undecided, np.abs(counts - np.rint(counts)), -1.0)))
            most = int(np.clip(np.floor(counts[cell]), branch.low[cell], branch.high[cell] - 1))
            open_still = abs(counts[cell] - np.rint(counts[cell])) > FRACTION
        else:
            parts = np.linalg.norm(branch.solved.blocks, axis=1)
            cell, most = int(np.argmax(np.where(undecided, parts, -1.0))), 0
            open_still = parts[cell] > EMPTY * parts.max()
        if not undecided[cell] or not open_still:  # what was found is the best of the branch
            self.left = max(self.left, bound)
            return []
        fewer, more = branch.high.copy(), branch.low.copy()
        fewer[cell], more[cell] = most, most + 1
        open_again = replace(branch, solved=None)
        children = [replace(open_again, high=fewer)]
        if more.sum() <= width:
            children.append(replace(open_again, low=more))
        return [(bound, child) for child in children]

    # -- sub-networks ------------------------------------------------------------------------

    def _see(self, branch: _Branch, solved: Solved, v: Array) -> None:
        """Take note of the sub-network of this width nearest to a program's blocks."""
        parts = np.linalg.norm(solved.blocks, axis=1)
        used = np.flatnonzero(parts > EMPTY * parts.max(initial=0.0))
        if used.size == 0 or parts.max() == 0:
            return
        width, d = self.unit.width, self.rows.d
        W1, w2 = np.zeros((1, d, width)), np.zeros((1, width))
        if self.radius > 1:
            cells = _copies(solved.shares * width, branch.low, branch.high, width)
            counts = np.bincount(cells, minlength=self.cells.count)
            blocks = solved.blocks[cells] / counts[cells, None]
        else:
            blocks, cells = solved.blocks[used], used
            if used.size > width:
                blocks, cells = self._fewest(branch, blocks, cells, v)
        W1[0, :, : len(cells)] = blocks.T
        w2[0, : len(cells)] = self.cells.signs[cells]
        W1, w2, norms = self.unit.balanced(W1, w2)
        if norms[0] > 0:
            fresh = self._attained(v, self.unit.join(W1, w2))
            self.found = fresh if self.found is None else _joined(self.found, fresh)

    def _fewest(
        self, branch: _Branch, blocks: Array, used: IntArray, v: Array
    ) -> tuple[Array, IntArray]:
        """The largest blocks of a vertex solution: an interior point uses more than it needs."""
        signed = branch.sign * v
        sizes = np.linalg.norm(blocks, axis=1)
        atoms = np.einsum("knd,kd->nk", self.cells.maps[used], blocks / sizes[:, None])
        N, p = atoms[signed < 0], int((signed < 0).sum())
        k = used.size
        cost = np.concatenate([-(signed * branch.on * (signed > 0)) @ atoms, -signed[signed < 0]])
        above = np.concatenate([N, -np.eye(p)], axis=1)
        whole = np.concatenate([np.ones(k), np.zeros(p)])[None]
        answer: Any = linprog(
            cost, np.concatenate([above, whole]), np.append(np.zeros(p), 1.0), method="highs-ds"
        )
        weights = answer.x[:k] if answer.status == 0 else sizes
        order = np.argsort(-weights, kind="stable")[: self.unit.width]
        order = order[weights[order] > 0]
        return blocks[order] * (weights[order] / sizes[order])[:, None], used[order]

    def _attained(self, v: Array, directions: Array) -> Candidates:
        """Sub-networks with the correlations they have with v, on rows of norm 1 at most."""
        W1, w2, norms = self.unit.balanced(*self.unit.weights(directions))
        U = self.unit.join(W1, w2)[norms > 0]
        Phi = self.unit.features(self.rows, U.T, np.zeros(len(U), dtype=np.intp))
        return Candidates.ungated(U, np.abs(v @ Phi))


def _copies(counts: Array, low: IntArray, high: IntArray, width: int) -> IntArray:
    """Cells (width,) in whole numbers near to the counts, within their bounds."""
    whole = np.clip(np.floor(counts + 1e-6).astype(np.intp), low, high)
    for k in np.argsort(whole - counts, kind="stable"):
        if whole.sum() >= width:
            break
        whole[k] += int(whole[k] < high[k])
    return np.repeat(np.arange(counts.size), whole)[:width]


def _joined(first: Candidates, second: Candidates) -> Candidates:
    return Candidates.ungated(
        np.concatenate([first.directions, second.directions]),
        np.concatenate([first.values, second.values]),
    )
