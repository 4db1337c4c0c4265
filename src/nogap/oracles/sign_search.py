"""The search oracle of sign units: smoothed ascent, then exact moves in planes.

The correlation of a sign neuron is piecewise constant: no gradient leads anywhere.  So the ascent
climbs that of ``tanh`` with steep weights, and what it finds is improved by exact sweeps of
the plane that it spans with some other direction (:mod:`.plane_sweep`), which never lose.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import expit

from nogap._typing import Array, IntArray
from nogap.certificate import Correlation
from nogap.oracles.base import Candidates, empty, never
from nogap.oracles.plane_sweep import sweep
from nogap.oracles.search import SearchOracle
from nogap.oracles.sign_cells import spread_out, turned
from nogap.oracles.whitening import RANK_TOLERANCE, whitened
from nogap.patterns._lines import distinct_lines
from nogap.rows import MemoryRows, Rows
from nogap.units import Tanh

STEEP = 20.0  # largest weight on a column of size 1
ASCENT_STEPS = 30
SWEEPS = 40
LAST_SWEEPS = 5  # on all rows, after those on a sample
SWEPT = 10  # candidates at least
GUIDED = 0.7  # share of the planes that a gradient spans
RIDGES = (1e-4, 1e-2, 1.0)  # of logistic regressions, for weights of at most 1
NEWTON_STEPS = 20
CLASSIFIED_COLUMNS = 300
SAMPLE_ROWS = 3_000
MOST_ROWS = 40_000  # that are looked at at all
BANDWIDTHS = (0.02, 0.5)  # least and largest share of the rows that a direction looks at


class SignSearchOracle:
    """Looks for sign neurons with a large dual correlation; proves nothing.

    Parameters
    ----------
    rows : Rows
    rng : numpy Generator
    n_seeds : int
        Half the number of starts of a call.
    """

    complete = False

    def __init__(self, rows: Rows, rng: np.random.Generator, n_seeds: int = 50) -> None:
        self.should_stop: Callable[[], bool] = never
        self.cut_short = False
        self.rows, self.rng, self.n_seeds = rows, rng, n_seeds
        self.n_sweeps = SWEEPS

    def price(
        self, V: Array, count: int, starts: Array | None = None
    ) -> tuple[Candidates, Correlation]:
        """Up to ``count`` neurons of different signs, best first, and the best correlation met."""
        if not np.any(V):
            return empty(self.rows.d), Correlation(0.0, "exact")
        index = self._sample(V)
        X, W = self.rows.take(index), V[index]
        if not np.any(X):
            return empty(self.rows.d), Correlation(0.0, "search")
        white, back = whitened(X)
        white, pull = _one_a_line(X, white, W)
        if not np.any(pull):
            return empty(self.rows.d), Correlation(0.0, "search")
        near = None if starts is None or not starts.size else starts @ np.linalg.pinv(back).T
        some = self._some(len(white))  # most of the way on a sample, the last moves on all rows
        U = self._climbed(white[some], pull[some], near, max(2 * count, SWEPT))
        U = np.concatenate([self._classified(white[some], pull[some]), U])
        U = self._swept(white[some], pull[some], U, self.n_sweeps)
        if len(some) < len(white):
            best = np.argsort(-np.linalg.norm(np.sign(U @ white.T) @ pull, axis=1), kind="stable")
            U = self._swept(white, pull, _levelled(white, U[best[:SWEPT]]), LAST_SWEEPS)
        U = U @ back.T
        self.cut_short = self.should_stop()
        if starts is not None and starts.size:
            U = np.concatenate([U, starts])
        U /= np.linalg.norm(U, axis=1, keepdims=True)
        values = self._correlations(U, V)
        best = spread_out(turned(np.sign(X @ U.T), W), values, count)
        found = Candidates.ungated(U[best], values[best])
        return found, Correlation(found.best, "search")

    def _sample(self, V: Array) -> IntArray:
        """All rows that count, or some of them where there are very many."""
        index = np.flatnonzero(np.any(V != 0, axis=1))
        if index.size <= MOST_ROWS:
            return index
        return np.sort(self.rng.choice(index, size=MOST_ROWS, replace=False))

    def _some(self, n: int) -> IntArray:
        if n <= 2 * SAMPLE_ROWS:
            return np.arange(n)
        return np.sort(self.rng.choice(n, size=SAMPLE_ROWS, replace=False))

    def _climbed(self, X: Array, V: Array, starts: Array | None, count: int) -> Array:
        """Directions (k, d) that an ascent on steep tanh units ends at."""
        ascent = SearchOracle(MemoryRows(X), self.rng, self.n_seeds, unit=Tanh(STEEP))
        ascent.should_stop = self.should_stop
        U = ascent.rough(V, starts, ASCENT_STEPS, count).directions
        return _levelled(X, U)

    def _classified(self, X: Array, V: Array) -> Array:
        """Directions (k, d) of weighted logistic regressions, which find what separates well."""
        if X.shape[1] > CLASSIFIED_COLUMNS:
            return np.zeros((0, X.shape[1]))
        outputs = V[:, [0]] if V.shape[1] == 1 else V @ np.linalg.svd(V, full_matrices=False)[2].T
        # an output that is fitted already, or is a multiple of others, has no labels
        sizes = np.abs(outputs).max(axis=0)
        outputs = outputs[:, sizes > RANK_TOLERANCE * sizes.max()]
        v = np.repeat(outputs, len(RIDGES), axis=1)
        ridges = np.tile(RIDGES, outputs.shape[1])
        found = [logistic_regression(X, *pair) for pair in zip(v.T, ridges, strict=True)]
        return _levelled(X, np.array(found).reshape(-1, X.shape[1]))

    def _swept(self, X: Array, V: Array, U: Array, n_sweeps: int) -> Array:
        """Better directions, by exact maxima in planes through them."""
        k = len(U)
        for _ in range(n_sweeps):
            if self.should_stop() or k == 0:
                break
            A = U @ X.T
            W = _levelled(X, self._proposed(X, V, A))
            turn = sweep(A, W @ X.T, V)
            values = np.linalg.norm(turn.sums, axis=2)
            values[~turn.open] = -1.0
            arc = np.argmax(values, axis=1)
            now = np.linalg.norm(np.sign(A) @ V, axis=1)
            phi = turn.angles[np.arange(k), arc][:, None]
            moved = _levelled(X, np.cos(phi) * U + np.sin(phi) * W)
            # counted again: arcs between angles that differ by rounding are not all there
            then = np.linalg.norm(np.sign(moved @ X.T) @ V, axis=1)
            U = np.where((then > now)[:, None], moved, U)
        return U

    def _proposed(self, X: Array, V: Array, A: Array) -> Array:
        """Directions (k, d): gradients as the rows near the boundary see them, and random ones."""
        k, n = A.shape
        distances = np.sort(np.abs(A), axis=1)
        least, most = BANDWIDTHS
        share = least * (most / least) ** self.rng.random(k)
        width = distances[np.arange(k), np.minimum((share * n).astype(np.intp), n - 1)]
        outputs = np.sign(A) @ V  # (k, C), the direction that the neuron prefers
        pull = outputs @ V.T
        near = np.exp(-((A / np.maximum(width, 1e-300)[:, None]) ** 2))
        near *= self.rng.exponential(size=near.shape)
        gradients = (pull * near) @ X
        random = self.rng.standard_normal(gradients.shape)
        guided = self.rng.random((k, 1)) < GUIDED
        return np.where(guided, gradients, random)

    def _correlations(self, U: Array, V: Array) -> Array:
        """Correlations (k,) of directions U (k, d) on all rows."""
        total = np.zeros((len(U), V.shape[1]))
        for part, rows in self.rows.parts:
            total += np.sign(rows.forward(U.T)).T @ V[part]
        return np.linalg.norm(total, axis=1)


def _one_a_line(X: Array, white: Array, V: Array) -> tuple[Array, Array]:
    """White rows of different hyperplanes, and the dual point on each.

    Parallel rows change sign together; rounding would put an arc between them, which a sweep
    prefers to those that are there.
    """
    lines = distinct_lines(X)
    pull = np.zeros((len(lines), V.shape[1]))
    orientation = np.where(lines.flipped, -1.0, 1.0) * ~lines.zero
    np.add.at(pull, lines.line, orientation[:, None] * V)
    return white[lines.representatives], pull


def logistic_regression(X: Array, v: Array, ridge: float) -> Array:
    """Weights (d,) of the labels sign(v), weighted by |v|: a few damped Newton steps."""
    y, weights = np.sign(v), np.abs(v) / np.abs(v).max()
    u = np.zeros(X.shape[1])

    def value(u: Array) -> float:
        return float(weights @ np.logaddexp(0.0, -y * (X @ u)) + 0.5 * ridge * u @ u)

    now = value(u)
    for _ in range(NEWTON_STEPS):
        share = expit(-y * (X @ u))
        gradient = X.T @ (weights * share * y) - ridge * u
        H = (X.T * (weights * share * (1 - share))) @ X + ridge * np.eye(u.size)
        step = np.linalg.solve(H, gradient)
        while (then := value(u + step)) > now and np.any(np.abs(step) > 1e-12):
            step = 0.5 * step
        if now - then <= 1e-6 * now:
            break
        u, now = u + step, then
    return u


def _levelled(X: Array, U: Array) -> Array:
    """Directions (k, d) at the length where a typical pre-activation is 1."""
    sizes = np.sqrt(np.mean((U @ X.T) ** 2, axis=1))
    levelled: Array = U / np.where(sizes > 0, sizes, 1.0)[:, None]
    return levelled
