"""Branch and bound on cones of directions: the dual correlation in few dimensions.

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
from dataclasses import dataclass

import numpy as np

from nogap._typing import Array, BoolArray, IntArray
from nogap.oracles.box_distance import sweep
from nogap.oracles.incumbents import Incumbents
from nogap.oracles.row_space import Side
from nogap.oracles.zonotope import nearest

COST = 4  # operations on an entry of the rows at the generators
STEADY = 100  # entries that cost as much as what every cone needs
LEVELS = 6  # bisections of a batch before its rows are sorted again into decided and undecided
BATCH = 256  # cones that share one list of undecided rows
NARROW = 1e-14  # distance between unit generators below which a cone is a point
DESCENT_SWEEPS = 3
SMALL_CONE = 0.02  # distance between white unit generators
MOST_BOTH_WAYS = 4  # undecided positive lines
SETTLING_SWEEPS = 4


@dataclass
class _Batch:
    """Cones (N, r, r) of white generators, with what is decided on all of them.

    ``on`` (m,) are the lines decided to be on, ``open`` (k,) the indices of the undecided ones.
    """

    cones: Array
    on: BoolArray
    open: IntArray
    bound: float


class ConeSearch:
    """One sign of one dual point.

    Parameters
    ----------
    side : Side
    scale : array (r,)
        By which coordinates are divided to make the rows white.
    incumbents : Incumbents
    """

    def __init__(self, side: Side, scale: Array, incumbents: Incumbents) -> None:
        self.incumbents, self.scale = incumbents, scale
        self.weights, self.normals, self.base = side.weights, side.normals, side.base
        self.white = self.normals / scale
        self.positive = self.weights > 0
        self.dropped = 0.0  # largest bound among the cones that were dropped
        self.settled: set[bytes] = set()
        self.pulls = self.weights[self.positive, None] * self.normals[self.positive]
        r = scale.size
        orthants = np.array([np.diag(s) for s in itertools.product((1.0, -1.0), repeat=r)])
        nothing = np.zeros(self.weights.size, dtype=bool)
        first = _Batch(orthants @ _rotation(r), nothing, np.arange(self.weights.size), np.inf)
        self.heap = [(-np.inf, 0, first)]
        self.seen = 0
        self.work = 0.0

    @property
    def upper(self) -> float:
        """No direction has a larger correlation."""
        rest = -self.heap[0][0] if self.heap else 0.0
        return max(self.dropped, rest, self.incumbents.value)

    def step(self, threshold: float) -> None:
        """Refine the batch of cones with the largest bound; drop bounds below the threshold."""
        if not self.heap:
            return
        _, _, batch = heapq.heappop(self.heap)
        if not self.seen and self.incumbents.value == 0:
            self.incumbents.polish(batch.cones.sum(axis=1) / self.scale)
        self.seen += 1
        for smaller in self._refine(batch, threshold):
            self.seen += 1
            heapq.heappush(self.heap, (-smaller.bound, self.seen, smaller))

    def _refine(self, batch: _Batch, threshold: float) -> list[_Batch]:
        """Bisect the cones of a batch a few times; what is left, in smaller batches."""
        A, v = self.white[batch.open], self.weights[batch.open]
        linear = (batch.on * self.weights) @ self.white + self.base / self.scale
        cones = batch.cones
        for level in range(LEVELS):
            T = cones @ A.T  # (N, r, k)
            self.work += COST * (T.size + STEADY * cones.shape[0])
            generators = cones / self.scale
            bounds = np.minimum(_bounds(generators, T, v, cones @ linear), batch.bound)
            if level == 0:
                self.incumbents.see(generators.sum(axis=1))
            keep = bounds > max(threshold, self.incumbents.value)
            keep &= ~_narrow(cones)
            self.dropped = max(self.dropped, float(bounds[~keep].max(initial=0.0)))
            cones, T, bounds = cones[keep], T[keep], bounds[keep]
            ended = self._settle_decided(batch, cones, T, v, threshold)
            cones, T, bounds = cones[~ended], T[~ended], bounds[~ended]
            if cones.shape[0] == 0:
                return []
            if cones.shape[0] > BATCH or level == LEVELS - 1:
                break
            cones = bisected(cones)
        return self._broken_up(batch, cones, T, bounds)

    def _settle_decided(
        self, batch: _Batch, cones: Array, T: Array, v: Array, threshold: float
    ) -> BoolArray:
        """Cones on which few positive lines are undecided, if any: solved, and done with.

        On small cones a few lines that refuse to be decided, because the maximiser lies on them,
        are taken both ways; no subset of the positive lines has more than the largest
        correlation, whether or not it is the pattern of a direction.
        """
        P = T[:, :, v > 0]
        mixed: BoolArray = np.any(P > 0, axis=1) & np.any(P < 0, axis=1)  # (N, p)
        sizes = np.sqrt(_edges(cones).max(axis=(1, 2)))
        most = np.where(sizes < SMALL_CONE, MOST_BOTH_WAYS, 0)
        decided: BoolArray = mixed.sum(axis=1) <= most
        pulling = batch.open[v > 0]
        middle = T.sum(axis=1) > 0
        found = []
        for k in np.flatnonzero(decided):
            both = pulling[mixed[k]]
            on = np.tile(batch.on, (2**both.size, 1))
            on[:, batch.open[middle[k]]] = True
            on[:, both] = _choices(both.size)
            found.append(on)
        if found:
            self._settle(np.concatenate(found), threshold)
        return decided

    def _settle(self, on: BoolArray, threshold: float) -> None:
        """Bound the directions whose positive lines are on as in each row of on (K, m).

        The negative lines of each row are a first guess at their shares.
        """
        keys = np.packbits(on[:, self.positive], axis=1)
        new = [k for k, key in enumerate(map(bytes, keys)) if key not in self.settled]
        _, first = np.unique(keys[new], axis=0, return_index=True)
        on = on[np.array(new, dtype=np.intp)[first]]
        self.settled.update(map(bytes, keys))
        pushing = ~self.positive
        B, upper = self.normals[pushing], -self.weights[pushing]
        centres = self.base + on[:, self.positive] @ self.pulls
        shares = on[:, pushing] * upper
        residuals = centres - shares @ B
        for _ in range(SETTLING_SWEEPS):
            sweep(residuals, shares, None, B, upper)
            norms = np.linalg.norm(residuals, axis=1)
            open_still = norms > max(threshold, self.incumbents.value)
            self.dropped = max(self.dropped, float(norms[~open_still].max(initial=0.0)))
            centres, shares, residuals = (part[open_still] for part in (centres, shares, residuals))
        for centre, share in zip(centres, shares, strict=True):
            _, r = nearest(centre, B, upper, share / upper)
            self.incumbents.see(r[None])
            self.dropped = max(self.dropped, float(np.linalg.norm(r)))

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
            smaller.append(_Batch(bisected(cones[part]), decided, undecided, bound))
        return smaller


def _choices(count: int) -> BoolArray:
    """All ways to choose among that many, (2^count, count)."""
    ways: BoolArray = (np.arange(2**count)[:, None] >> np.arange(count)) & 1 == 1
    return ways


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


def bisected(cones: Array) -> Array:
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
    shares = (share, (share > 0.5).astype(np.float64))
    g = np.stack(
        [rising + np.matmul(N, (lam * v[negative])[:, :, None])[:, :, 0] for lam in shares]
    )
    bounds: Array = largest_linear(generators, g).min(axis=0)
    return bounds


def largest_linear(generators: Array, g: Array) -> Array:
    """Upper bounds of ``max c' g`` over ``c >= 0, ||sum_l c_l w_l|| <= 1``, (S, N).

    ``generators`` are (N, r, r), ``g`` (S, N, r) holds several for each cone.  A few sweeps of
    coordinate descent on c give ``y = sum_l c_l w_l``; what it lacks of ``w_l' y >= g_l`` is made
    up along the middle of the cone.
    """
    norms = np.linalg.norm(generators, axis=2)
    W = generators / norms[:, :, None]
    grams = np.ascontiguousarray((W @ W.transpose(0, 2, 1)).transpose(1, 2, 0))  # (r, r, N)
    middle = W.sum(axis=1)
    middle /= np.maximum(np.linalg.norm(middle, axis=1), 1e-300)[:, None]
    heights = np.einsum("nld,nd->nl", W, middle)
    g = np.ascontiguousarray((g / norms).transpose(2, 0, 1))  # (r, S, N)
    c, product, slope = np.zeros_like(g), np.empty_like(g), np.empty(g.shape[1:])
    for _ in range(DESCENT_SWEEPS * (g.shape[0] - 1) + 1):
        for j in range(g.shape[0]):
            np.multiply(grams[j][:, None], c, product)
            np.add.reduce(product, axis=0, out=slope)
            np.subtract(g[j], slope, slope)
            np.add(c[j], slope, slope)
            np.maximum(slope, 0.0, out=c[j])
    y = np.einsum("lsn,nld->snd", c, W)
    lack = g.transpose(1, 2, 0) - np.einsum("nld,snd->snl", W, y)
    lack /= np.where(heights > 0, heights, 1.0)
    y += np.maximum(lack.max(axis=2), 0.0)[:, :, None] * middle
    bounds: Array = np.where((heights > 0).all(axis=1), np.linalg.norm(y, axis=2), np.inf)
    return bounds
