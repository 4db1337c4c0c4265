"""Branch and bound on cones of directions: the dual correlation in few dimensions; one output.

A cone spanned by r generators w_l holds the directions ``u = sum_l c_l w_l, c >= 0``.  On it

    v' relu(X u)  <=  c' g,    g_l = sum_i v_i relu(x_i' w_l) + sum_j lam_j v_j x_j' w_l

(i over the rows with v_i > 0, j over those with v_j < 0) for any lam_j in [0, 1], with equality
where every row has one sign on the cone; and ``||y||`` is an upper bound of ``c' g`` over its unit
directions for every y with ``w_l' y >= g_l``.  Cones whose bound is too small are dropped, the
others are bisected.  Where the rows with v_i > 0 all have one sign, the rest is a bounded
least-squares problem that ends the branch exactly.

Cones are bisected in coordinates in which the rows are white: rows far from the origin all but
agree, and most of the directions' ordinary angles would be spent where nothing happens.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nogap._typing import Array, BoolArray, IntArray
from nogap.certificate import Correlation
from nogap.oracles.base import Candidates, distinct, empty, never
from nogap.oracles.polish import polish
from nogap.oracles.zonotope import nearest
from nogap.patterns._lines import distinct_lines
from nogap.problem import EPS
from nogap.rows import Rows

LEVELS = 6  # bisections of a batch before its rows are sorted again into decided and undecided
BATCH = 64  # cones that share one list of undecided rows
NARROW = 1e-14  # distance between unit generators below which a cone is a point
DESCENT_SWEEPS = 3
SMALL_CONE = 0.02  # distance between white unit generators
MOST_BOTH_WAYS = 4
EXACT = 1e-6
CANCELLING = 100.0


class ConeOracle:
    """The dual correlation by bisection of cones, best first, with a bound at any time.

    Parameters
    ----------
    rows : Rows
    precision : float
        The bound is at most this much (relatively) above the best correlation found, unless the
        budget ends first.
    max_cones : int
        Budget of cones for each sign of V.

    Notes
    -----
    Every activation pattern is either solved or shown to be worse, so what is found within
    ``EXACT`` is called exact; a bound that stays further above is called a bound.
    """

    complete = True
    cut_short = False

    def __init__(self, rows: Rows, precision: float = 1e-10, max_cones: int = 1_000_000) -> None:
        self.should_stop: Callable[[], bool] = never
        X = rows.take(np.arange(rows.n))
        # a power of two that keeps squares within range
        self.size = float(np.ldexp(1.0, int(np.frexp(np.abs(X).max())[1])))
        self.X = X / self.size
        self.precision, self.max_cones = precision, max_cones
        lines = distinct_lines(self.X)
        self.scale = 1.0 / np.linalg.norm(lines.lift, axis=0)  # (r,), by which they are whitened
        self.basis = (lines.lift * self.scale).T  # (r, d), orthonormal
        self.Z = self.X @ self.basis.T  # rows in the basis, (n, r)
        # row i is length_i times the row of its line, which stands for all of them
        norms = np.linalg.norm(self.X, axis=1)
        self.line = lines.line
        length = np.zeros(rows.n)
        if len(lines):
            length = norms / norms[lines.representatives][lines.line]
        self.length = np.where(lines.flipped, -length, np.where(lines.zero, 0.0, length))
        self.normals = self.Z[lines.representatives]  # (m, r)
        kept = (self.length[:, None] * self.normals[lines.line]) if len(lines) else 0.0 * self.Z
        self.outside = np.linalg.norm(self.X - kept @ self.basis, axis=1)

    def price(
        self, V: Array, count: int, starts: Array | None = None
    ) -> tuple[Candidates, Correlation]:
        """The best neurons found for both signs of V (n, 1), and an upper bound of q(V)."""
        if V.shape[1] != 1:
            raise ValueError(
                "branch and bound on cones serves one output; the dual correlation of several "
                "outputs is bounded through one output at a time"
            )
        if not np.any(V) or not self.normals.size:
            return empty(self.X.shape[1]), Correlation(0.0, "exact")
        known = np.zeros((0, self.X.shape[1])) if starts is None else starts
        parts = []
        for sign in (1.0, -1.0):
            run = _Search(self, sign * V[:, 0])
            parts.append(run.best_of(known @ self.basis.T, count))
        directions = np.concatenate([part.directions for part, _ in parts]) @ self.basis
        values = np.concatenate([part.values for part, _ in parts])
        found = distinct(Candidates.ungated(directions, self.size * values), count)
        upper, rounding = max(bound for _, bound in parts), self._rounding(V[:, 0])
        best = float(values.max(initial=0.0))
        # sums that cancel are solved to the digits that their terms have
        exact = upper - best <= max(EXACT * best, CANCELLING * rounding)
        return found, Correlation(self.size * (upper + rounding), "exact" if exact else "bound")

    def _rounding(self, v: Array) -> float:
        """Sums over rows and columns in float64, and what the basis leaves out of each row."""
        norms = np.linalg.norm(self.X, axis=1)
        return float(np.abs(v) @ (8 * EPS * sum(self.X.shape) * norms + self.outside))


@dataclass
class _Batch:
    """Cones (N, r, r) of white generators, with what is decided on all of them.

    ``on`` (m,) are the lines decided to be on, ``open`` (k,) the indices of the undecided ones.
    """

    cones: Array
    on: BoolArray
    open: IntArray
    bound: float


class _Search:
    """One sign of one dual point."""

    def __init__(self, oracle: ConeOracle, v: Array) -> None:
        self.oracle, self.v, self.Z = oracle, v, oracle.Z
        self.normals, self.scale = oracle.normals, oracle.scale
        m, self.r = self.normals.shape
        # rows on one line as one: relu(-z) = relu(z) - z
        share = v * np.abs(oracle.length)
        self.weights = np.bincount(oracle.line, weights=share, minlength=m)
        turned = np.bincount(oracle.line, weights=share * (oracle.length < 0), minlength=m)
        self.base = -turned @ self.normals
        self.white = self.normals / self.scale
        self.positive = self.weights > 0
        self.directions = [np.zeros((0, self.r))]
        self.values = [np.zeros(0)]
        self.incumbent = 0.0
        self.dropped = 0.0  # largest bound among the cones that were dropped
        self.settled: dict[bytes, float] = {}

    def best_of(self, starts: Array, count: int) -> tuple[Candidates, float]:
        """Up to ``count`` directions in the basis, and an upper bound of the correlation."""
        self._see(starts)
        orthants = np.array([np.diag(s) for s in itertools.product((1.0, -1.0), repeat=self.r)])
        nothing = np.zeros(self.weights.size, dtype=bool)
        cones = orthants @ _rotation(self.r)
        heap = [(-np.inf, 0, _Batch(cones, nothing, np.flatnonzero(self.weights), np.inf))]
        seen = 0
        while heap and seen < self.oracle.max_cones and not self.oracle.should_stop():
            _, _, batch = heapq.heappop(heap)
            if batch.bound <= self._enough():
                self.dropped = max(self.dropped, batch.bound)
                break  # and with it all that is left on the heap
            if not seen and not starts.size:
                self._polish(cones)
            for smaller in self._refine(batch):
                seen += LEVELS * smaller.cones.shape[0]
                heapq.heappush(heap, (-smaller.bound, seen, smaller))
        rest = max((batch.bound for _, _, batch in heap), default=0.0)
        directions, values = np.concatenate(self.directions), np.concatenate(self.values)
        found = distinct(Candidates.ungated(directions, values), count)
        return found, max(self.dropped, self.incumbent, rest)

    def _enough(self) -> float:
        return self.incumbent * (1 + self.oracle.precision)

    def _see(self, directions: Array) -> None:
        """Remember the best of these directions (K, r) in the basis, of any length."""
        if directions.shape[0] == 0:
            return
        norms = np.linalg.norm(directions, axis=1)
        values = np.maximum(directions @ self.Z.T, 0.0) @ self.v / np.where(norms > 0, norms, 1.0)
        k = int(np.argmax(values))
        if norms[k] > 0 and values[k] > 0:
            self.directions.append(directions[k : k + 1] / norms[k])
            self.values.append(values[k : k + 1])
            self.incumbent = max(self.incumbent, float(values[k]))

    def _polish(self, cones: Array) -> None:
        """Exact local maxima from the middle of each cone, so that more can be dropped."""
        middles = cones.sum(axis=1) / self.scale
        middles /= np.linalg.norm(middles, axis=1)[:, None]
        self._see(np.array([polish(self.Z, self.v, u)[0] for u in middles]))

    def _refine(self, batch: _Batch) -> list[_Batch]:
        """Bisect the cones of a batch a few times; what is left, in smaller batches."""
        A, v = self.white[batch.open], self.weights[batch.open]
        linear = (batch.on * self.weights) @ self.white + self.base / self.scale
        cones = batch.cones
        for level in range(LEVELS):
            T = cones @ A.T  # (N, r, k)
            generators = cones / self.scale
            bounds = np.minimum(_bounds(generators, T, v, cones @ linear), batch.bound)
            if level == 0:
                self._see(generators.sum(axis=1))
            keep = bounds > self._enough()
            keep &= ~_narrow(cones)
            self.dropped = max(self.dropped, float(bounds[~keep].max(initial=0.0)))
            cones, T, bounds = cones[keep], T[keep], bounds[keep]
            ended = self._settle_decided(batch, cones, T, v)
            cones, T, bounds = cones[~ended], T[~ended], bounds[~ended]
            if cones.shape[0] == 0:
                return []
            if cones.shape[0] > BATCH or level == LEVELS - 1:
                break
            cones = _bisected(cones)
        return self._broken_up(batch, cones, T, bounds)

    def _settle_decided(self, batch: _Batch, cones: Array, T: Array, v: Array) -> BoolArray:
        """Cones on which few positive lines are undecided, if any: solved, and done with.

        On small cones a few lines that refuse to be decided, because the maximiser lies on them,
        are taken both ways; no subset of the positive lines has more than the largest correlation.
        """
        P = T[:, :, v > 0]
        mixed: BoolArray = np.any(P > 0, axis=1) & np.any(P < 0, axis=1)  # (N, p)
        sizes = np.sqrt(_edges(cones).max(axis=(1, 2)))
        most = np.where(sizes < SMALL_CONE, MOST_BOTH_WAYS, 0)
        decided: BoolArray = mixed.sum(axis=1) <= most
        pulling = batch.open[v > 0]
        for k in np.flatnonzero(decided):
            on = batch.on.copy()
            on[batch.open[T[k].sum(axis=0) > 0]] = True
            both = pulling[mixed[k]]
            for choice in itertools.product((False, True), repeat=both.size):
                on[both] = choice
                key = np.packbits(on[self.positive]).tobytes()
                if key not in self.settled:
                    self.settled[key] = self._solve(on)
                self.dropped = max(self.dropped, self.settled[key])
        return decided

    def _solve(self, on: BoolArray) -> float:
        """The bound of all directions whose positive rows are on as given, attained by one."""
        centre = self.base + (on * np.maximum(self.weights, 0.0)) @ self.normals
        pushing = self.weights < 0
        lam = on[pushing].astype(np.float64)
        _, r = nearest(centre, self.normals[pushing], -self.weights[pushing], lam)
        self._see(r[None])
        return float(np.linalg.norm(r))

    def _broken_up(self, batch: _Batch, cones: Array, T: Array, bounds: Array) -> list[_Batch]:
        """Bisected cones in batches of neighbours, with the rows that are decided taken out."""
        on: BoolArray = np.all(T >= 0, axis=1)
        off: BoolArray = np.all(T <= 0, axis=1)
        smaller = []
        for start in range(0, cones.shape[0], BATCH // 4):
            part = slice(start, start + BATCH // 4)
            decided = batch.on.copy()
            all_on, all_off = on[part].all(axis=0), off[part].all(axis=0)
            decided[batch.open[all_on]] = True
            undecided = batch.open[~(all_on | all_off)]
            bound = float(bounds[part].max())
            smaller.append(_Batch(_bisected(cones[part]), decided, undecided, bound))
        return smaller


def _rotation(r: int) -> Array:
    """A fixed rotation, so that no orthant's edge meets the data's own axes."""
    rotation: Array = np.linalg.qr(np.random.default_rng(0).standard_normal((r, r)))[0]
    return rotation


def _narrow(cones: Array) -> BoolArray:
    """Cones that rounding forbids to bisect any more: their bounds are as good as it gets."""
    narrow: BoolArray = _edges(cones).max(axis=(1, 2)) < NARROW**2
    return narrow & (cones.shape[1] > 1)


def _edges(cones: Array) -> Array:
    """Squared distances between the generators of each cone, (N, r, r)."""
    apart = cones[:, :, None] - cones[:, None]
    edges: Array = np.einsum("nabd,nabd->nab", apart, apart)
    return edges


def _bisected(cones: Array) -> Array:
    """Each cone as two neighbours, split in the middle of its longest edge, (2 N, r, r)."""
    N, r = cones.shape[:2]
    a, b = np.divmod(_edges(cones).reshape(N, -1).argmax(axis=1), r)
    each = np.arange(N)
    middle = cones[each, a] + cones[each, b]
    middle /= np.linalg.norm(middle, axis=1)[:, None]
    halves = np.repeat(cones, 2, axis=0)
    halves[2 * each, a] = middle
    halves[2 * each + 1, b] = middle
    return halves


def _bounds(generators: Array, T: Array, v: Array, linear: Array) -> Array:
    """Upper bounds of v' relu(X u) over the unit directions of each cone, (N,).

    ``T`` (N, r, k) are the undecided rows at the generators, ``linear`` (N, r) the decided share.
    """
    positive = v > 0
    negative = ~positive
    rising = np.maximum(T[:, :, positive], 0.0) @ v[positive] + linear
    N = T[:, :, negative]
    spread = np.abs(N).sum(axis=1)
    share = np.divide(
        np.maximum(N, 0.0).sum(axis=1), spread, out=np.zeros_like(spread), where=spread > 0
    )
    best = np.full(generators.shape[0], np.inf)
    for lam in (share, (share > 0.5).astype(np.float64)):
        g = rising + np.matmul(N, (lam * v[negative])[:, :, None])[:, :, 0]
        best = np.minimum(best, _largest_linear(generators, g))
    return best


def _largest_linear(generators: Array, g: Array) -> Array:
    """Upper bounds of ``max c' g`` over ``c >= 0, ||sum_l c_l w_l|| <= 1``, (N,).

    A few sweeps of coordinate descent on c give ``y = sum_l c_l w_l``; what it lacks of
    ``w_l' y >= g_l`` is made up along the middle of the cone.
    """
    norms = np.linalg.norm(generators, axis=2)
    W, g = generators / norms[:, :, None], g / norms
    grams = W @ W.transpose(0, 2, 1)
    middle = W.sum(axis=1)
    middle /= np.maximum(np.linalg.norm(middle, axis=1), 1e-300)[:, None]
    heights = np.einsum("nld,nd->nl", W, middle)
    c = np.zeros_like(g)
    for _ in range(DESCENT_SWEEPS * (g.shape[1] - 1) + 1):
        for j in range(g.shape[1]):
            slope = g[:, j] - np.einsum("nk,nk->n", grams[:, j], c)
            c[:, j] = np.maximum(c[:, j] + slope, 0.0)
    y = np.einsum("nl,nld->nd", c, W)
    lack = (g - np.einsum("nld,nd->nl", W, y)) / np.where(heights > 0, heights, 1.0)
    y += np.maximum(lack.max(axis=1), 0.0)[:, None] * middle
    bounds: Array = np.where((heights > 0).all(axis=1), np.linalg.norm(y, axis=1), np.inf)
    return bounds
