"""The dual correlation of max pooling, bounded by branch and bound on cones of filters.

What max pooling makes of a sample, ``h_i(u) = max_k relu(x_ik' u)``, is convex and positively
homogeneous in the filter.  So on the filters ``u = sum_l c_l w_l``, c >= 0, of a cone it lies below
``sum_l c_l h_i(w_l)``, and above ``s_i' u`` where s_i is any patch of the sample, or zero; and

    v' h(u)  <=  sum_l c_l g_l,    g_l = sum_{v_i > 0} v_i h_i(w_l) + sum_{v_i < 0} v_i s_i' w_l.

With the patches that the middle of the cone selects, both sides meet as cones shrink.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nogap._typing import Array
from nogap.certificate import Correlation
from nogap.oracles.base import Candidates, distinct, empty, never
from nogap.oracles.row_space import RowSpace
from nogap.oracles.simplices import bisected, largest_linear
from nogap.problem import EPS
from nogap.rows import Rows

MOST_DIMENSIONS = 12  # 2^12 orthants to begin with
ENTRIES = 2_000_000  # pre-activations at a time
FEWEST, MOST = 8, 256  # cones at a time


class PooledBound:
    """An upper bound of the dual correlation of max pooling, for one output.

    Parameters
    ----------
    rows : Rows
        All patches as rows, sample by sample.
    n_positions : int
        Patches of a sample.
    precision : float
        The bound ends at most this much (relatively) above the best correlation found, unless
        the budget ends first.
    max_steps : int
        Budget of steps, of about a hundred cones each.

    Attributes
    ----------
    enough : float
        A bound that is no larger satisfies whoever asks.

    Raises
    ------
    ValueError
        Filters of too many figures.
    """

    complete = True
    cut_short = False

    def __init__(
        self, rows: Rows, n_positions: int, precision: float = 1e-3, max_steps: int = 5000
    ) -> None:
        self.should_stop: Callable[[], bool] = never
        self.enough = 0.0
        self.n_positions, self.precision, self.max_steps = n_positions, precision, max_steps
        self.space = RowSpace(rows)
        if self.space.rank > MOST_DIMENSIONS:
            raise ValueError(
                f"bounds of max pooling serve filters of at most {MOST_DIMENSIONS} figures, these "
                f"have {self.space.rank}; use method='search', or sum or average pooling"
            )

    def price(
        self, V: Array, count: int, starts: Array | None = None
    ) -> tuple[Candidates, Correlation]:
        """The best neurons met on the way, and an upper bound of q(V) for V (n, 1)."""
        space = self.space
        if not np.any(V) or not space.normals.size:
            return empty(space.X.shape[1]), Correlation(0.0, "exact")
        rounding = space.rounding(np.repeat(np.abs(V[:, 0]), self.n_positions))
        run = _Cones(self, V[:, 0], self.enough / space.size - rounding)
        if starts is not None and len(starts):
            run.see(starts @ space.basis.T)
        upper = run.bound()
        claim = (upper * (1 + 64 * space.rank * EPS) + rounding) * space.size
        directions, values = run.best @ space.basis, np.array([run.value * space.size])
        found = distinct(Candidates.ungated(directions, values), count)
        return found, Correlation(claim, "bound")


class _Cones:
    """One dual point v (n,) and its opposite."""

    def __init__(self, oracle: PooledBound, v: Array, enough: float) -> None:
        self.oracle, self.v, self.enough = oracle, v, enough
        self.Z, self.K = oracle.space.Z, oracle.n_positions
        r = oracle.space.rank
        self.value, self.best = 0.0, np.eye(r)[:1]
        self.batch = int(np.clip(ENTRIES // (len(self.Z) * (r + 1)), FEWEST, MOST))

    def bound(self) -> float:
        """Bisect the cones with the largest bounds; drop those that are small enough."""
        oracle, r = self.oracle, self.oracle.space.rank
        signs = (np.arange(2**r)[:, None] >> np.arange(r)) & 1
        cones = (1.0 - 2.0 * signs)[:, :, None] * np.eye(r)
        upper, dropped = self._upper(cones), 0.0
        for _ in range(oracle.max_steps):
            enough = max(self.value * (1 + oracle.precision), self.enough)
            if upper.max(initial=0.0) <= enough or oracle.should_stop():
                break
            keep = upper > enough
            dropped = max(dropped, float(upper[~keep].max(initial=0.0)))
            cones, upper = cones[keep], upper[keep]
            order = np.argsort(-upper, kind="stable")
            first, rest = order[: self.batch], order[self.batch :]
            halves = bisected(cones[first])
            known = np.repeat(upper[first], 2)
            cones = np.concatenate([cones[rest], halves])
            upper = np.concatenate([upper[rest], np.minimum(known, self._upper(halves))])
        return max(dropped, float(upper.max(initial=0.0)), self.value)

    def see(self, directions: Array) -> None:
        """Remember the best of these (N, r), of any length."""
        norms = np.linalg.norm(directions, axis=1)
        pooled = self._by_sample(directions).max(axis=1)
        values = np.abs(self.v @ np.maximum(pooled, 0.0)) / np.where(norms > 0, norms, np.inf)
        k = int(values.argmax())
        if values[k] > self.value:
            self.value, self.best = float(values[k]), directions[k : k + 1] / norms[k]

    def _upper(self, cones: Array) -> Array:
        """Upper bounds (N,) of ``|v' h(u)|`` on the unit filters of cones (N, r, r)."""
        return np.concatenate(
            [self._upper_of(part) for part in np.array_split(cones, -(-len(cones) // self.batch))]
        )

    def _upper_of(self, cones: Array) -> Array:
        N, r = cones.shape[:2]
        pooled = self._by_sample(cones.reshape(N * r, r)).max(axis=1)
        h = np.maximum(pooled, 0.0).reshape(-1, N, r)
        middle = cones.sum(axis=1)
        self.see(middle)
        at_middle = self._by_sample(middle)  # (n, K, N)
        chosen = at_middle.argmax(axis=1)  # (n, N)
        on = np.take_along_axis(at_middle, chosen[:, None], axis=1)[:, 0] > 0
        patches = self.Z.reshape(-1, self.K, r)
        g = np.empty((2, N, r))
        for side, v in enumerate((self.v, -self.v)):
            g[side] = np.einsum("i,inl->nl", np.maximum(v, 0.0), h)
            push = np.minimum(v, 0.0)[:, None] * on
            selected = patches[np.arange(len(patches))[:, None], chosen]  # (n, N, r)
            g[side] += np.einsum("nd,nld->nl", np.einsum("in,ind->nd", push, selected), cones)
        return largest_linear(cones, g).max(axis=0)

    def _by_sample(self, directions: Array) -> Array:
        Z: Array = (self.Z @ directions.T).reshape(-1, self.K, len(directions))
        return Z
