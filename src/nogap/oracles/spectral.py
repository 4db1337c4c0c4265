"""Upper bounds of ``h(u) = base' u + sum_i relu(a_i' u) - sum_j relu(b_j' u)`` on the unit ball.

Some of the a_i have a sign that is given, as in a node of a tree (none, at its root).  For all
weights w > 0, multipliers lam in [0, 1] and mu >= 0,

    relu(t) <= t / 2 + (w + t^2 / w) / 4          where the sign is open,
    relu(t) <= t + mu t,  relu(t) <= -mu t        where t >= 0, or t <= 0, is given,
    -relu(t) <= -lam t                            for the rows that push back,

so that h is at most ``sum w / 4 + max_{||u|| <= 1} g' u + u' M u`` with ``M = sum a_i a_i' / 4w_i``
over the open rows: a trust-region problem, whose value is at most ``nu + g' (nu - M)^-1 g / 4``
for every nu above the eigenvalues of M.  The best (w, lam, mu) is the dual of Shor's semidefinite
relaxation; it is approached from any start by turns: the second moments of ``a_i' u`` become a
moving average over the maximisers u, whose roots are the best w, and lam and mu are swept by
coordinate descent.  Whatever is reached is a bound.

All is done for many nodes at once; the last axis of the largest arrays is the node.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nogap._typing import Array, BoolArray, IntArray
from nogap.oracles.base import never
from nogap.oracles.row_space import Side
from nogap.problem import EPS

AVERAGE = 0.2  # weight of a new maximiser in the second moments
LEAST_MOMENT = 1e-14  # relative to the largest, so that weights stay positive
NEWTON_STEPS = 30
TINY = 1e-90  # beside rows of size 1; its cube is still a number
MOST_ENTRIES = 1 << 22  # of an array over rows, coordinates and nodes


@dataclass
class Nodes:
    """N nodes of a tree.

    Attributes
    ----------
    sign : int8 array (N, p)
        1 or -1 where the sign of ``a_i' u`` is given, 0 where it is open.
    moment : array (N, p)
        Second moments of ``a_i' u``.
    lam : array (N, k)
    mu : array (N, p)
    u : array (N, r)
        A maximiser of the bound.
    """

    sign: Array
    moment: Array
    lam: Array
    mu: Array
    u: Array

    def take(self, index: IntArray | BoolArray) -> Nodes:
        return Nodes(*(part[index] for part in self.parts()))

    def parts(self) -> tuple[Array, ...]:
        return self.sign, self.moment, self.lam, self.mu, self.u

    def __len__(self) -> int:
        return int(self.sign.shape[0])


class SpectralBound:
    """The bound, for one sign of one dual point.

    Parameters
    ----------
    side : Side

    Attributes
    ----------
    A : array (p, r)
    B : array (k, r)
    most_nodes : int
        How many nodes fit into one batch.
    """

    def __init__(self, side: Side) -> None:
        pulls = side.weights > 0
        A = side.weights[pulls, None] * side.normals[pulls]
        B = -side.weights[~pulls, None] * side.normals[~pulls]
        # coordinates whose first q span the rows of A: M is zero beyond them
        self.rotation = np.linalg.qr(A.T, mode="complete")[0] if A.shape[0] else np.eye(B.shape[1])
        self.q = min(A.shape)
        self.A, self.B = (A @ self.rotation)[:, : self.q], B @ self.rotation
        self.base = side.base @ self.rotation
        outer = self.A[:, :, None] * self.A[:, None, :]
        self.outer = outer.reshape(A.shape[0], self.q**2)
        self.lengths = np.linalg.norm(A, axis=1)
        self.figures = float(
            np.linalg.norm(side.base) + self.lengths.sum() + np.linalg.norm(B, axis=1).sum()
        )
        self.rounding = 8 * EPS * (sum(A.shape) + B.shape[0])
        entries = (A.shape[0] + B.shape[0]) * A.shape[1]
        self.most_nodes = int(np.clip(MOST_ENTRIES // max(entries, 1), 2, 128))

    def root(self) -> Nodes:
        """The tree's root, no sign given."""
        p, (k, r) = self.A.shape[0], self.B.shape
        return Nodes(
            np.zeros((1, p), dtype=np.int8),
            (self.lengths**2 / r)[None],
            np.full((1, k), 0.5),
            np.zeros((1, p)),
            np.zeros((1, r)),
        )

    def directions(self, nodes: Nodes) -> Array:
        """The maximisers (N, r) in the rows' own coordinates."""
        turned: Array = nodes.u @ self.rotation.T
        return turned

    def spread(self, nodes: Nodes) -> Array:
        """What the second moment of each open ``a_i' u`` has beyond its mean, (N, p); else -1."""
        mean = nodes.u[:, : self.q] @ self.A.T
        spread: Array = np.where(nodes.sign == 0, nodes.moment - mean**2, -1.0)
        return spread

    def improve(
        self,
        nodes: Nodes,
        steps: int,
        threshold: float,
        should_stop: Callable[[], bool] = never,
        averages: Array | None = None,
    ) -> tuple[Array, IntArray, Nodes]:
        """Bounds (N,), and the nodes whose bound stays above the threshold, by index."""
        best, alive = np.full(len(nodes), np.inf), np.arange(len(nodes))
        for step in range(steps):
            average = AVERAGE if averages is None else float(averages[step])
            bounds = self._sweep(nodes, average)
            best[alive] = np.minimum(best[alive], bounds)
            above = best[alive] > threshold
            if not above.all():
                alive, nodes = alive[above], nodes.take(above)
            if alive.size == 0 or should_stop():
                break
        return best, alive, nodes

    def _sweep(self, nodes: Nodes, average: float) -> Array:
        """One turn of u, lam, mu and the moments, in place; bounds (N,) after it."""
        is_open = nodes.sign == 0
        least = LEAST_MOMENT * nodes.moment.max(axis=1, initial=0.0)[:, None] + 1e-300
        w = np.sqrt(np.maximum(nodes.moment, least))
        share = np.where(is_open, 0.25 / w, 0.0)
        trace = share @ self.lengths**2
        M = (share @ self.outer).reshape(len(nodes), self.q, self.q)
        values, vectors = np.linalg.eigh(M)
        g = _rotated(self._gradient(nodes), vectors)
        nu = _trust_region_multiplier(values, g)
        root = 1.0 / np.sqrt(nu[:, None] - values)
        factor, rest = vectors * root[:, None, :], 1.0 / np.sqrt(nu)
        g[:, : self.q] *= root
        g[:, self.q :] *= rest[:, None]
        self._descend(nodes, factor, rest, np.ascontiguousarray(g.T))
        # from the new multipliers, not from what the sweep kept: its rounding has added up
        g = _rotated(self._gradient(nodes), vectors)
        g[:, : self.q] *= root
        g[:, self.q :] *= rest[:, None]
        bounds: Array = np.where(is_open, w, 0.0).sum(axis=1) / 4 + nu
        bounds += np.einsum("nr,nr->n", g, g) / 4
        bounds += self.rounding * (self.figures + trace + nu + nodes.mu @ self.lengths)
        inner = np.einsum("nij,nj->ni", factor, g[:, : self.q])
        nodes.u = 0.5 * np.concatenate([inner, rest[:, None] * g[:, self.q :]], axis=1)
        # what is left of the unit ball goes to the top eigenvector
        left = np.maximum(1.0 - np.einsum("nr,nr->n", nodes.u, nodes.u), 0.0)
        mean = nodes.u[:, : self.q] @ self.A.T
        top = vectors[:, :, -1] @ self.A.T
        nodes.moment = (1 - average) * nodes.moment + average * (mean**2 + left[:, None] * top**2)
        return bounds

    def _gradient(self, nodes: Nodes) -> Array:
        given = nodes.sign.astype(np.float64)
        pull = np.where(nodes.sign == 0, 0.5, np.maximum(given, 0.0)) + given * nodes.mu
        g: Array = self.base - nodes.lam @ self.B
        g[:, : self.q] += pull @ self.A
        return g

    def _descend(self, nodes: Nodes, factor: Array, rest: Array, g: Array) -> None:
        """A sweep of coordinate descent of ``||g||^2`` in lam and mu; g (r, N) is consumed.

        One row at a time, for all nodes: rows are first, nodes last, and nothing is allocated.
        """
        N, q = len(nodes), self.q
        lined = np.ascontiguousarray(factor.transpose(1, 2, 0)).reshape(q, q * N)
        lam, mu = np.ascontiguousarray(nodes.lam.T), np.ascontiguousarray(nodes.mu.T)
        product, step = np.empty_like(g), np.empty(N)
        inner = (self.B[:, :q] @ lined).reshape(-1, q, N)
        outer = self.B[:, q:, None] * rest
        pushes = np.concatenate([inner, outer], axis=1)
        for b, least, row in zip(pushes, _over_norms(pushes), lam, strict=True):
            np.multiply(b, g, product)
            np.add.reduce(product, axis=0, out=step)
            step *= least
            step += row
            np.maximum(step, 0.0, out=step)
            np.minimum(step, 1.0, out=step)
            np.subtract(row, step, row)
            np.multiply(b, row, product)
            np.add(g, product, g)
            row[:] = step
        given = np.flatnonzero(np.any(nodes.sign != 0, axis=0))
        signs = nodes.sign[:, given].T.astype(np.float64)
        pulls = (self.A[given] @ lined).reshape(-1, q, N) * signs[:, None, :]
        near, product = g[:q], product[:q]
        for i, a, least in zip(given, pulls, _over_norms(pulls), strict=True):
            row = mu[i]
            np.multiply(a, near, product)
            np.add.reduce(product, axis=0, out=step)
            step *= least
            np.subtract(row, step, step)
            np.maximum(step, 0.0, out=step)
            np.subtract(step, row, step)
            np.add(row, step, row)
            np.multiply(a, step, product)
            np.add(near, product, near)
        nodes.lam, nodes.mu = lam.T, np.where(nodes.sign == 0, 0.0, mu.T)


def _rotated(g: Array, vectors: Array) -> Array:
    """G (N, r) with its first coordinates in the eigenvectors."""
    q = vectors.shape[1]
    inner = np.einsum("ni,nij->nj", g[:, :q], vectors)
    return np.concatenate([inner, g[:, q:]], axis=1)


def _over_norms(rows: Array) -> Array:
    """``1 / ||row||^2`` for rows (m, r, N), zero for rows that are zero."""
    squares = np.einsum("mrn,mrn->mn", rows, rows)
    inverse: Array = np.divide(1.0, squares, out=np.zeros_like(squares), where=squares > 0)
    return inverse


def _trust_region_multiplier(values: Array, g: Array) -> Array:
    """The minimiser nu (N,) of ``nu + 1/4 sum_k g_k^2 / (nu - e_k)`` above the eigenvalues e.

    ``values`` (N, q), ascending, are followed by zeros up to the length of g (N, r).
    """
    q = values.shape[1]
    squares = g[:, :q] ** 2 / 4
    beyond = np.einsum("nr,nr->n", g[:, q:], g[:, q:]) / 4
    top = values[:, -1] if q else np.zeros(g.shape[0])
    size = np.sqrt(squares.sum(axis=1) + beyond)
    last = np.sqrt(squares[:, -1]) if q else 0.0
    tiny = 1e-9 * (size + top) + TINY
    low = np.maximum(top + np.maximum(last, tiny), np.sqrt(beyond) + tiny)
    high = np.maximum(top + size, low)
    nu = low.copy()
    for _ in range(NEWTON_STEPS):
        apart = nu[:, None] - values
        over = squares / apart**2
        slope = over.sum(axis=1) + beyond / nu**2
        bend = (over / apart).sum(axis=1) + beyond / nu**3
        # Newton's method on 1 / sqrt(slope), which is all but linear, for slope = 1
        step = np.divide(
            (np.sqrt(slope) - 1.0) * slope, bend, out=np.zeros_like(slope), where=bend > 0
        )
        new = np.clip(nu + step, low, high)
        done = np.all(np.abs(new - nu) <= 1e-12 * nu)
        nu = new
        if done:
            break
    return nu
