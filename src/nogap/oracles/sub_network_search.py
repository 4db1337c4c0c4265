"""The search oracle of three-layer sub-networks: batched ascent on all their weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nogap._typing import Array
from nogap.certificate import Correlation
from nogap.oracles.base import Candidates, distinct, empty, never
from nogap.rows import Rows
from nogap.units.three_layer import ThreeLayer

STEPS = 150
GROW, SHRINK = 1.5, 0.5  # step per candidate, after a success and after a failure
FIRST_STEP, LEAST_STEP = 0.3, 1e-6
DISTURBANCE = (0.1, 0.7)  # size of the noise added to active sub-networks
COPIES = 5  # one in so many seeds has nearly equal neurons
CLOSE = 0.1
SAME = 1e-4  # distance below which two sub-networks are one


class SubNetworkSearch:
    """Looks for sub-networks with a large dual correlation; proves nothing.

    Parameters
    ----------
    rows : Rows
    unit : ThreeLayer
    rng : numpy Generator
    n_seeds : int
        Starts of a call.
    """

    complete = False

    def __init__(
        self, rows: Rows, unit: ThreeLayer, rng: np.random.Generator, n_seeds: int = 100
    ) -> None:
        self.should_stop: Callable[[], bool] = never
        self.cut_short = False
        self.rows, self.unit, self.rng, self.n_seeds = rows, unit, rng, n_seeds

    def price(
        self, V: Array, count: int, starts: Array | None = None
    ) -> tuple[Candidates, Correlation]:
        """Up to ``count`` distinct sub-networks with a large ``|V' phi|``, best first."""
        if not np.any(V):
            return empty(self.unit.direction_size(self.rows.d)), Correlation(0.0, "exact")
        U, values = self._ascend(V, self._seeds(starts))
        self.cut_short = self.should_stop()
        if starts is not None and len(starts):
            U = np.concatenate([U, starts])
            values = np.concatenate([values, np.abs(self._correlations(V, starts)[0])])
        found = distinct(Candidates.ungated(U, values), count, tolerance=SAME)
        return found, Correlation(found.best, "search")

    def _seeds(self, starts: Array | None) -> Array:
        """Disturbed active sub-networks, Gaussian ones and near copies of a neuron, (k, D).

        Under the path norm equal neurons are often best, and no chance finds them.
        """
        size = self.unit.direction_size(self.rows.d)
        disturbed = self.n_seeds // 2 if starts is not None and len(starts) else 0
        U = self.rng.standard_normal((self.n_seeds, size))
        if disturbed:
            assert starts is not None
            noise = U[:disturbed]
            noise *= self.rng.uniform(*DISTURBANCE, (disturbed, 1)) / size**0.5
            noise += starts[self.rng.integers(len(starts), size=disturbed)]
        W1, w2 = self.unit.weights(U)
        copies = slice(self.n_seeds - self.n_seeds // COPIES, self.n_seeds)
        W1[copies] = W1[copies, :, :1] + CLOSE * W1[copies]
        w2[copies] = np.sign(w2[copies, :1]) * np.abs(w2[copies])
        return self._on_the_sphere(self.unit.join(W1, w2))

    def _on_the_sphere(self, U: Array) -> Array:
        W1, w2, norms = self.unit.balanced(*self.unit.weights(U))
        return self.unit.join(W1, w2)[norms > 0]

    def _ascend(self, V: Array, U: Array) -> tuple[Array, Array]:
        """Steps along the gradient of the signed correlation, each kept where it is larger."""
        values, G = self._correlations(V, U)
        signs = np.where(values < 0, -1.0, 1.0)
        values, G = np.abs(values), signs[:, None] * G
        steps = np.full(len(U), FIRST_STEP)
        for _ in range(STEPS):
            moving = np.flatnonzero((steps > LEAST_STEP) & np.any(G != 0, axis=1))
            if moving.size == 0 or self.should_stop():
                break
            heading = _tangent(U[moving], G[moving])
            W1, w2, norms = self.unit.balanced(
                *self.unit.weights(U[moving] + steps[moving, None] * heading)
            )
            trial = self.unit.join(W1, w2)
            new, new_G = self._correlations(V, trial)
            new = np.where(norms > 0, signs[moving] * new, -1.0)
            better = new > values[moving]
            won = moving[better]
            U[won], values[won] = trial[better], new[better]
            G[won] = signs[won, None] * new_G[better]
            steps[moving] *= np.where(better, GROW, SHRINK)
        return U, values

    def _correlations(self, V: Array, U: Array) -> tuple[Array, Array]:
        """``V' phi`` (k,) of sub-networks U (k, D), and its gradient (k, D)."""
        W1, w2 = self.unit.weights(U)
        m, d, width = W1.shape
        values, for_W1, for_w2 = np.zeros(m), np.zeros_like(W1), np.zeros_like(w2)
        for part, rows in self.rows.parts:
            first, H = self.unit.layers(rows, W1, w2)
            values += V[part, 0] @ np.maximum(H, 0.0)
            pushed = V[part] * (H > 0)  # (n, m)
            for_w2 += np.einsum("nm,nmj->mj", pushed, first)
            back = pushed[:, :, None] * (first > 0)
            products = rows.adjoint(back.reshape(-1, m * width)).reshape(d, m, width)
            for_W1 += products.transpose(1, 0, 2)
        for_W1 *= w2[:, None]
        return values, self.unit.join(for_W1, for_w2)


def _tangent(U: Array, G: Array) -> Array:
    """Unit vectors (k, D) of the gradients without what only lengthens the sub-networks."""
    G = G - U * (np.sum(U * G, axis=1) / np.sum(U * U, axis=1))[:, None]
    tangent: Array = G / np.maximum(np.linalg.norm(G, axis=1, keepdims=True), 1e-300)
    return tangent
