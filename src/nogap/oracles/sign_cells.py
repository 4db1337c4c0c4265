"""The exact oracle of sign units: the dual correlation over all cells of the arrangement.

Every cell has a face on r - 2 independent hyperplanes, r being the rank of the data: an arc in the
plane orthogonal to these rows.  So a sweep of every such plane meets all cells, and on each arc the
rows that span it may take either sign.  That is O(n log n) for r = 2 and O(n^2 log n) for r = 3:
two inputs and a bias, the case of Bengio et al. (2006).

The signs of 0 need no care: on a face the feature is the mean of those of two opposite cells.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import combinations, islice

import numpy as np

from nogap._typing import Array, IntArray
from nogap.certificate import Correlation
from nogap.oracles.base import Candidates, empty, never
from nogap.oracles.plane_sweep import sweep
from nogap.oracles.whitening import whitened
from nogap.patterns import enumerate_patterns, find_gates
from nogap.patterns._lines import TOLERANCE, Lines, distinct_lines
from nogap.problem import EPS
from nogap.rows import Rows

CHEAP_WORK = 5_000_000  # arcs of all planes that take about a second
MOST_WORK = 1_000_000_000
MOST_PATTERNS = 2_000_000  # of rows that are not in general position in four dimensions and more
KEPT = 20  # cells for each neuron that is asked for
MOST_SIGNS = 40_000_000  # of the rows in these cells
APART = 0.05  # share of the rows in which neurons that are found together should differ
BLOCK = 1_000_000  # arcs at once
# Angles of rows between which a cell may go unseen: on a circle, and from three dimensions on,
# where a plane through one of two rows sees little of the other
HIDDEN, ALIKE = 2 * TOLERANCE, 1e-6


def sign_work(n_lines: int, rank: int, n_outputs: int) -> int:
    """Arcs that :class:`SignCellOracle` looks at (each for all signs of its rows)."""
    if rank <= 1:
        return n_lines
    sides = 1 if n_outputs == 1 else 2 ** (rank - 2)
    return math.comb(n_lines, rank - 2) * (n_lines - rank + 2) * n_outputs * sides


class SignCellOracle:
    """All cells, whatever the position of the rows: repeated, collinear and zero rows included.

    Rows that are dependent to a relative 1e-10 count as dependent, as for
    :func:`nogap.enumerate_patterns`. From rank 4 on, dependent rows are left to that function.
    Two rows that are nearly but not exactly parallel have a cell between them that may go unseen:
    then the answer allows for it, and is of kind "bound".

    Parameters
    ----------
    rows : Rows
    n_outputs : int
    max_work : int
        Most arcs; a ``ValueError`` says how many there are.

    Raises
    ------
    ValueError
        More arcs than ``max_work``.
    """

    complete = True

    def __init__(self, rows: Rows, n_outputs: int = 1, max_work: int = MOST_WORK) -> None:
        self.should_stop: Callable[[], bool] = never
        self.cut_short = False
        self.X = rows.take(np.arange(rows.n))
        white, self.back = whitened(self.X)
        self.lines = distinct_lines(white) if white.size else distinct_lines(self.X)
        self._orientation = np.where(self.lines.flipped, -1.0, 1.0) * ~self.lines.zero
        work = sign_work(len(self.lines), self.lines.rank, n_outputs)
        if work > max_work:
            raise ValueError(
                f"the exact oracle of sign units would look at {work:,} arcs for "
                f"{len(self.lines):,} distinct rows of rank {self.lines.rank}, more than the "
                f"{max_work:,} of its budget; use oracle='search'"
            )
        self._listed: tuple[Array, Array] | None = None  # gates and signs, for dependent rows
        self._alike = _almost_parallel(self.X, self.lines)

    def price(
        self, V: Array, count: int, starts: Array | None = None
    ) -> tuple[Candidates, Correlation]:
        """The best neurons of up to ``count`` planes, and the largest correlation of all cells.

        An answer that was cut short is the best of the cells it came to, kind "search"; so it is
        where rows are so nearly parallel that rounding leaves the order of some of them open.
        """
        self.cut_short = False
        if len(self.lines) == 0 or not np.any(V):
            return empty(self.X.shape[1]), Correlation(0.0, "exact")
        W = np.zeros((len(self.lines), V.shape[1]))  # rows on a line change sign together
        np.add.at(W, self.lines.line, self._orientation[:, None] * V)
        try:
            largest, gates = self._over_planes(W, count)
        except _DependentRowsError:
            largest, gates = self._over_patterns(W, count)
        rounding = 8 * EPS * len(V) * float(np.linalg.norm(V, axis=1).sum())
        found = self._candidates(gates, V, count)
        if self.cut_short or self.lines.tolerance > TOLERANCE:
            return found, Correlation(found.best, "search")
        # these rows may be on either side in cells that are too narrow to be seen
        slack = 2.0 * float(np.linalg.norm(V[self._alike], axis=1).sum())
        return found, Correlation(largest + rounding + slack, "bound" if slack else "exact")

    def _candidates(self, gates: Array, V: Array, count: int) -> Candidates:
        """Distinct cells with the correlations that the neurons really have, best first."""
        U = gates @ self.lines.lift.T @ self.back.T
        U /= np.linalg.norm(U, axis=1, keepdims=True)
        signs = np.sign(self.X @ U.T)
        values = np.linalg.norm(V.T @ signs, axis=0)
        best = spread_out(turned(signs, V), values, count)
        return Candidates.ungated(U[best], values[best])

    # -- planes ------------------------------------------------------------------------------

    def _over_planes(self, W: Array, count: int) -> tuple[float, Array]:
        """The largest correlation, and directions (k, r) inside the best cells of the planes."""
        N, r = self.lines.normals, self.lines.rank
        if r == 1:
            return float(np.linalg.norm(W)), np.ones((1, 1))
        values: list[Array] = []
        gates: list[Array] = []
        kept = max(min(KEPT * count, MOST_SIGNS // len(self.X)), count)
        each = max(min(4 * count, kept) // math.comb(len(N), r - 2), 1)  # arcs of a plane
        for subsets in self._subsets(len(N), r - 2, max(BLOCK // len(N), 1)):
            if values and self.should_stop():
                self.cut_short = True
                break
            found, directions = self._sweep(subsets, W, each)
            values.append(found)
            gates.append(directions)
            if len(values) > 1:  # only the best are worth keeping
                so_far = np.concatenate(values)
                best = np.argsort(-so_far, kind="stable")[:kept]
                values, gates = [so_far[best]], [np.concatenate(gates)[best]]
        best = np.argsort(-values[0], kind="stable")[:kept]
        return float(values[0][best[0]]), gates[0][best]

    @staticmethod
    def _subsets(m: int, size: int, at_once: int) -> Iterator[IntArray]:
        """All subsets (P, size) of m rows, some at a time."""
        every = combinations(range(m), size)
        while block := list(islice(every, at_once)):
            yield np.array(block, dtype=np.intp).reshape(len(block), size)

    def _sweep(self, T: IntArray, W: Array, each: int) -> tuple[Array, Array]:
        """The best arcs of the planes orthogonal to the rows T (P, r - 2)."""
        N, (P, k) = self.lines.normals, T.shape
        if k and np.any(np.linalg.svd(N[T], compute_uv=False)[:, -1] <= self.lines.tolerance):
            raise _DependentRowsError
        bases = np.linalg.svd(N[T], full_matrices=True)[2][:, k:]  # (P, 2, r)
        if k == 0:
            bases = np.eye(2)[None]
        others = np.ones((P, len(N)), dtype=bool)
        np.put_along_axis(others, T, False, axis=1)
        index = np.nonzero(others)[1].reshape(P, len(N) - k)
        coordinates = np.take_along_axis(bases @ N.T, index[:, None, :], axis=2)
        a, b = coordinates[:, 0], coordinates[:, 1]
        if k > 1 and np.any(np.hypot(a, b) <= self.lines.tolerance):
            raise _DependentRowsError
        turn = sweep(a, b, W[index], self.lines.tolerance)
        sides = _sides(W[T])  # (P, Q, k)
        values = np.full(turn.open.shape, -1.0)
        chosen = np.zeros(turn.open.shape, dtype=np.intp)
        for q in range(sides.shape[1]):
            shift = np.einsum("pk,pkc->pc", sides[:, q], W[T])
            here = _norms(turn.sums + shift[:, None])
            better = here > values
            values[better], chosen[better] = here[better], q
        values[~turn.open] = -1.0
        arcs = _largest(values, each)
        plane = np.repeat(np.arange(P), arcs.shape[1])
        arcs = arcs.ravel()
        phi = turn.angles[plane, arcs]
        inside = np.cos(phi)[:, None] * bases[plane, 0] + np.sin(phi)[:, None] * bases[plane, 1]
        gates = self._off_the_rows(inside, T[plane], sides[plane, chosen[plane, arcs]])
        return values[plane, arcs], gates

    def _off_the_rows(self, inside: Array, T: IntArray, sides: Array) -> Array:
        """From an arc to the cell where the rows T have these signs, half way to the next row."""
        if T.shape[1] == 0:
            return inside
        N = self.lines.normals
        away = np.einsum("prk,pk->pr", np.linalg.pinv(N[T]), sides)  # N_T away = sides
        room, speed = np.abs(inside @ N.T), np.abs(away @ N.T)
        np.put_along_axis(room, T, np.inf, axis=1)
        with np.errstate(divide="ignore"):
            step = 0.5 * np.min(room / np.maximum(speed, 1e-300), axis=1)
        moved: Array = inside + np.minimum(step, 1.0)[:, None] * away
        return moved

    # -- dependent rows in four dimensions and more ------------------------------------------

    def _over_patterns(self, W: Array, count: int) -> tuple[float, Array]:
        N = self.lines.normals
        if self._listed is None:
            patterns = enumerate_patterns(N, MOST_PATTERNS)
            patterns = patterns[patterns[:, 0]]  # one of each opposite pair
            self._listed = (np.full((len(patterns), N.shape[1]), np.nan), patterns)
        gates, patterns = self._listed
        values = np.concatenate(
            [
                np.linalg.norm(np.where(block, 1.0, -1.0) @ W, axis=1)
                for block in np.array_split(patterns, -(-patterns.size // BLOCK))
            ]
        )
        best = np.argsort(-values, kind="stable")[:count]
        unknown = best[np.isnan(gates[best, 0])]
        if unknown.size:
            gates[unknown] = find_gates(N, patterns[unknown])
        return float(values[best[0]]), gates[best]


class _DependentRowsError(Exception):
    """Some rows are not in general position."""


def _almost_parallel(X: Array, lines: Lines) -> IntArray:
    """Rows that are almost multiples of a row before them, and not exactly."""
    first = _first_alike(lines.normals, HIDDEN if lines.rank < 3 else ALIKE)
    found = []
    for i in np.flatnonzero(~lines.zero):
        leader = lines.representatives[first[lines.line[i]]]
        if i != leader and not _exactly_parallel(X[i], X[leader]):
            found.append(i)
    return np.array(found, dtype=np.intp)


def _first_alike(N: Array, angle: float) -> IntArray:
    """For each unit row the first that is, or whose opposite is, as near as that, (m,)."""
    first = np.arange(len(N))
    direction = np.random.default_rng(0).standard_normal(N.shape[1])
    keys = np.abs(N @ direction) / np.linalg.norm(direction)  # no further apart than the rows
    order = np.argsort(keys, kind="stable")
    runs = np.split(order, np.flatnonzero(np.diff(keys[order]) > 2 * angle) + 1)
    for run in (np.sort(run) for run in runs if run.size > 1):
        for k in range(1, run.size):
            apart = np.minimum(
                np.linalg.norm(N[run[:k]] - N[run[k]], axis=1),
                np.linalg.norm(N[run[:k]] + N[run[k]], axis=1),
            )
            near = np.flatnonzero(apart <= angle)
            first[run[k]] = run[near[0]] if near.size else run[k]
    return first


def _exactly_parallel(a: Array, b: Array) -> bool:
    """Whether one is a multiple of the other, without any rounding."""
    if np.array_equal(a, b):
        return True
    k = int(np.argmax(np.abs(b)))
    share, whole = Fraction(a[k]), Fraction(b[k])
    return all(Fraction(x) * whole == Fraction(y) * share for x, y in zip(a, b, strict=True))


def turned(signs: Array, V: Array) -> Array:
    """Columns of signs (n, k), turned to the side of V: a neuron and its opposite are the same."""
    return signs * np.where(V[:, 0] @ signs < 0, -1.0, 1.0)


def spread_out(signs: Array, values: Array, count: int) -> IntArray:
    """Up to ``count`` positions, best first, of distinct columns of signs (n, k).

    The best neurons of an arrangement are neighbours of the very best, and say much the same; those
    that differ from it in some rows close the gap in half the rounds.
    """
    n = signs.shape[0]
    order = np.argsort(-values, kind="stable")
    taken: list[int] = []
    for least in (APART * n, 0.0):
        for k in order:
            if len(taken) == count:
                break
            alike = (n + signs[:, k] @ signs[:, taken]) / 2 if taken else np.zeros(1)
            if np.all(alike < n - least - 0.25):  # zero rows count as half alike
                taken.append(int(k))
    return np.array(sorted(taken, key=lambda k: -values[k]), dtype=np.intp)


def _sides(W: Array) -> Array:
    """Signs (P, Q, k) worth trying for rows with the dual points W (P, k, C)."""
    P, k, C = W.shape
    if C == 1:  # with the running sum or against it
        along = np.where(W[:, :, 0] >= 0, 1.0, -1.0)
        return np.stack([along, -along], axis=1)
    every = 1.0 - 2.0 * ((np.arange(2**k)[:, None] >> np.arange(k)) & 1)
    return np.broadcast_to(every, (P, 2**k, k))


def _norms(sums: Array) -> Array:
    return np.abs(sums[..., 0]) if sums.shape[-1] == 1 else np.linalg.norm(sums, axis=-1)


def _largest(values: Array, each: int) -> IntArray:
    """Positions (P, each) of the largest values of every row of values (P, m)."""
    if each == 1:
        return np.argmax(values, axis=1)[:, None]
    each = min(each, values.shape[1])
    return np.argsort(-values, axis=1, kind="stable")[:, :each]
