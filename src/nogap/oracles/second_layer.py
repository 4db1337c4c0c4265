"""Pricing a sub-network: one choice of the second layer's positive rows at a time.

With ``h = sum_j I_j relu(X u_j)`` the correlation of a sub-network is ``v' relu(h)``: convex in the
rows with v_i > 0 and concave in the others.  So it is the largest over the sets S of those rows of

    max_h  sum_S v_i h_i - sum_j |v_j| relu(h_j)   =   min_{0 <= lam <= 1} max_h  w' h,
    w = v on S, lam_j v_j on the rows with v_j < 0,

and the largest ``w' h`` of a cell (a pattern D of the first layer with a sign I) is the norm of the
projection of ``I X' D w`` on the pattern's cone.  Every lam gives an upper bound by projections
alone; a conic program gives the best one and the sub-network with it.  The second layer's cone,
which mixes cells of both signs, is what lam is the multiplier of.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from nogap._typing import Array, BoolArray, IntArray
from nogap.oracles.box_distance import active_signs, cone_projection, sweep

SWEEPS = 6
FEW_CELLS = 30  # that a conic program takes from the start
MORE_CELLS = 20  # added where the multipliers leave a larger projection
ROUNDS = 20
TOLERANCE = 1e-10
SETTLED = 1e-9
BLOCK = 2_000_000  # figures of a batch of projections


@dataclass(frozen=True)
class Shares:
    """What a program allows of every cell: between ``low`` and ``high`` (k,) of all blocks.

    The blocks u_j then have ``sum_j ||u_j||^2 / share_j <= 1`` with shares that sum to 1; without
    bounds on the shares that is ``sum_j ||u_j|| <= 1``.
    """

    low: Array
    high: Array

    def largest(self, sizes: Array) -> tuple[float, Array]:
        """Largest ``(sum_j share_j sizes_j^2)^(1/2)`` and the shares that give it."""
        shares = self.low.copy()
        left = 1.0 - float(shares.sum())
        for k in np.argsort(-sizes, kind="stable"):
            if left <= 0:
                break
            more = min(left, float(self.high[k] - shares[k]))
            shares[k] += more
            left -= more
        return float(np.sqrt(shares @ sizes**2)), shares


@dataclass(frozen=True)
class Solved:
    """One conic program: blocks (k, d) and shares (k,) of all cells, multipliers (n,), a bound."""

    blocks: Array
    shares: Array
    lam: Array
    bound: float


class Cells:
    """All patterns of the first layer with both signs: where a sub-network's blocks can lie.

    Parameters
    ----------
    X : array (n, d)
    patterns : bool array (P, n)
        Every pattern, for bounds that hold for all sub-networks.
    """

    def __init__(self, X: Array, patterns: BoolArray) -> None:
        self.X = X
        self.patterns = np.concatenate([patterns, patterns])
        self.signs = np.repeat([1.0, -1.0], len(patterns))
        self.sides = active_signs(self.patterns)
        self.count = len(self.signs)

    @cached_property
    def maps(self) -> Array:
        """``I D X`` of every cell, (k, n, d): from a block to what it adds to h."""
        return self.signs[:, None, None] * self.patterns[:, :, None] * self.X

    def centres(self, W: Array, index: IntArray) -> Array:
        """``I X' D w`` of the cells index (K, m) for the rows w of W (K, n), (K, m, d)."""
        moments: Array = (W[:, None] * self.patterns[index]) @ self.X
        return self.signs[index][:, :, None] * moments

    def rough(self, W: Array, index: IntArray | None = None) -> Array:
        """Upper bounds of the projections for the rows of W (K, n), by a few sweeps.

        Of the cells index (K, m), or of all, (K, k).
        """
        n, d = self.X.shape
        if index is None:
            index = np.broadcast_to(np.arange(self.count), (len(W), self.count))
        bounds = np.empty(index.shape)
        size = max(BLOCK // (index.shape[1] * n), 1)
        free = np.full(n, np.inf)
        for start in range(0, len(W), size):
            chosen = index[start : start + size]
            residual = self.centres(W[start : start + size], chosen).reshape(-1, d)
            lam = np.zeros((len(residual), n))
            signs = self.sides[chosen.ravel()]
            for _ in range(SWEEPS):
                sweep(residual, lam, signs, self.X, free)
            bounds[start : start + size] = np.linalg.norm(residual, axis=1).reshape(chosen.shape)
        return bounds

    def bound(self, w: Array, shares: Shares) -> tuple[float, Array]:
        """Upper bound of what blocks in these shares give with w (n,), and the projections (k,).

        The projections that the bound rests on are exact, the others are upper bounds.
        """
        sizes = self.rough(w[None])[0]
        centres = self.centres(w[None], np.arange(self.count)[None])[0]
        exact = np.zeros(self.count, dtype=bool)
        while True:
            value, used = shares.largest(sizes)
            open_still = np.flatnonzero((used > 0) & ~exact)
            if open_still.size == 0:
                return value, sizes
            for k in open_still:
                r = cone_projection(centres[k], self.sides[k][:, None] * self.X)
                sizes[k] = min(sizes[k], float(np.linalg.norm(r)))
            exact[open_still] = True

    def solve(self, v: Array, on: BoolArray, shares: Shares, lam: Array) -> Solved:
        """The conic program for the positive rows ``on`` (n,), from a guess of lam (n,).

        Cells enter as the multipliers ask for them.
        """
        w = _slope(v, on, lam)
        allowed = shares.high > 0
        sizes = np.where(allowed, self.rough(w[None])[0], -1.0)
        active = np.sort(np.argsort(-sizes, kind="stable")[: min(FEW_CELLS, int(allowed.sum()))])
        active = np.union1d(active, np.flatnonzero(shares.low > 0))
        best: Solved | None = None
        for _ in range(ROUNDS):
            blocks, parts, pushed, _ = _conic(
                self, active, np.where(v > 0, v * on, 0.0), shares, push=np.maximum(-v, 0.0)
            )
            lam = np.divide(pushed, -v, out=np.zeros_like(v), where=v < 0).clip(0.0, 1.0)
            bound, sizes = self.bound(_slope(v, on, lam), shares)
            if best is None or bound < best.bound:
                best = Solved(*self._spread(active, blocks, parts), lam, bound)
            inside, _ = Shares(shares.low[active], shares.high[active]).largest(sizes[active])
            outside = allowed & (sizes > inside * (1 + SETTLED))
            outside[active] = False
            fresh = np.flatnonzero(outside)
            if bound <= inside * (1 + SETTLED) or fresh.size == 0:
                break
            fresh = fresh[np.argsort(-sizes[fresh], kind="stable")[:MORE_CELLS]]
            active = np.union1d(active, fresh)
        assert best is not None
        return best

    def solve_fixed(self, v: Array, second: BoolArray, shares: Shares) -> Solved:
        """The best sub-network in the second layer's cone of one pattern (n,), and these shares."""
        joint = active_signs(second)
        active = np.flatnonzero(shares.high > 0)
        blocks, parts, _, joined = _conic(self, active, second * v, shares, joint=joint)
        bound, _ = self.bound(second * v + joint * joined, shares)
        return Solved(*self._spread(active, blocks, parts), joined, bound)

    def _spread(self, active: IntArray, blocks: Array, parts: Array) -> tuple[Array, Array]:
        U, shares = np.zeros((self.count, self.X.shape[1])), np.zeros(self.count)
        U[active], shares[active] = blocks, parts
        return U, shares


def _slope(v: Array, on: BoolArray, lam: Array) -> Array:
    """w: v on the rows that are on, its share lam on the negative ones."""
    w: Array = np.where(v > 0, v * on, lam * v)
    return w


def _conic(
    cells: Cells,
    active: IntArray,
    gain: Array,
    shares: Shares,
    *,
    push: Array | None = None,
    joint: Array | None = None,
) -> tuple[Array, Array, Array, Array]:
    """``max gain' h - push' relu(h)``, where ``joint`` is given with ``joint_i h_i >= 0``.

    By an interior-point method; variables are blocks u, caps t with ``||u_j||^2 <= share_j t_j``,
    shares, and s >= relu(h) where something pushes.  Returns blocks (a, d), shares (a,) and the
    non-negative multipliers (n,) of ``s >= h`` and of the joint cone; whatever they are worth, they
    give a bound.
    """
    import clarabel

    n, d = cells.X.shape
    a = active.size
    pushing = np.flatnonzero(push) if push is not None else np.zeros(0, dtype=np.intp)
    p = pushing.size
    M = cells.maps[active].transpose(1, 0, 2).reshape(n, a * d)  # h = M u
    size = a * d + 2 * a + p
    q = np.zeros(size)
    q[: a * d] = -gain @ M
    q[size - p :] = 0.0 if push is None else push[pushing]
    u, t = slice(0, a * d), slice(a * d, a * d + a)
    share, s = slice(a * d + a, a * d + 2 * a), slice(size - p, size)
    r = 0 if joint is None else n
    A = np.zeros((2 + 2 * p + r + a * (n + 2 + d + 2), size))  # small: sparse pieces take longer
    parts = np.split(A, np.cumsum([1, p, r, p, a * n, a, a, 1]))
    whole, above, joined_rows, positive, cones, most, least, caps, rotated = parts
    whole[0, share] = caps[0, t] = 1.0
    above[:, u], above[:, s], positive[:, s] = M[pushing], -np.eye(p), -np.eye(p)
    if joint is not None:
        joined_rows[:, u] = -joint[:, None] * M
    index = np.arange(a)
    blocks = cones.reshape(a, n, size)[:, :, u].reshape(a, n, a, d)
    blocks[index, :, index] = -cells.sides[active][:, :, None] * cells.X
    cones[:, u] = blocks.reshape(a * n, a * d)
    most[:, share], least[:, share] = np.eye(a), -np.eye(a)
    rotated = rotated.reshape(a, d + 2, size)  # (share + t, share - t, 2 u) in a cone
    rotated[index, 0, a * d + a + index] = rotated[index, 0, a * d + index] = -1.0
    rotated[index, 1, a * d + a + index], rotated[index, 1, a * d + index] = -1.0, 1.0
    for k in range(d):
        rotated[index, 2 + k, index * d + k] = -2.0
    zeros = np.zeros(2 * p + r + a * n)
    one, end = np.ones(1), np.zeros(a * (d + 2))
    bounds = [one, zeros, shares.high[active], -shares.low[active], one, end]
    kinds: list[Any] = [clarabel.ZeroConeT(1), clarabel.NonnegativeConeT(zeros.size + 2 * a + 1)]
    kinds += [clarabel.SecondOrderConeT(d + 2)] * a
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.max_threads = 1
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = TOLERANCE
    solved: Any = clarabel.DefaultSolver(
        sp.csc_matrix((size, size)),
        q,
        sp.csc_matrix(A),
        np.concatenate(bounds),
        kinds,
        settings,
    ).solve()
    x, z = np.array(solved.x), np.maximum(np.array(solved.z), 0.0)
    pushed, joined = np.zeros(n), np.zeros(n)
    if not (np.all(np.isfinite(x)) and np.all(np.isfinite(z))):
        return np.zeros((a, d)), np.full(a, 1.0 / a), pushed, joined
    pushed[pushing] = z[1 : 1 + p]
    if joint is not None:
        joined = z[1 + p : 1 + p + n]
    return x[: a * d].reshape(a, d), np.maximum(x[share], 0.0), pushed, joined
