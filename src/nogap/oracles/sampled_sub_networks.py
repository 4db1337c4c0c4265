"""Sub-networks with sampled patterns of both layers: the sub-sampled three-layer program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nogap._typing import Array, BoolArray, IntArray
from nogap.certificate import Correlation
from nogap.oracles.base import Candidates, distinct, empty, never
from nogap.oracles.box_distance import active_signs
from nogap.oracles.second_layer import Cells, Shares
from nogap.units.three_layer import ThreeLayer

NOTICEABLE = 1 + 1e-6  # a sub-network beyond so many betas improves the network


@dataclass(frozen=True)
class SubNetworkCells:
    """Where sub-networks lie: the patterns of their layers, and their inner signs.

    Attributes
    ----------
    patterns : bool array (B, width, n)
        Of the first layer.
    inner : array (B, width)
        Signs of w2.
    second : bool array (B, n)
        Patterns of the second layer.
    """

    patterns: BoolArray
    inner: Array
    second: BoolArray

    @property
    def arrays(self) -> tuple[BoolArray, Array, BoolArray]:
        return self.patterns, self.inner, self.second

    @classmethod
    def draw(
        cls, X: Array, unit: ThreeLayer, count: int, rng: np.random.Generator
    ) -> SubNetworkCells:
        """The cells of that many Gaussian sub-networks; those that are drawn twice count once."""
        W1 = rng.standard_normal((count, X.shape[1], unit.width))
        inner = np.where(rng.standard_normal((count, unit.width)) < 0, -1.0, 1.0)
        Z = np.einsum("nd,bdj->bjn", X, W1)
        second = np.einsum("bjn,bj->bn", np.maximum(Z, 0.0), inner) >= 0
        patterns = Z >= 0
        keys = np.concatenate([patterns.reshape(count, -1), inner > 0, second], axis=1)
        _, first = np.unique(np.packbits(keys, axis=1), axis=0, return_index=True)
        kept = np.sort(first)
        return cls(patterns[kept], inner[kept], second[kept])


class SampledOracle:
    """The best sub-networks inside given cells; ``gate`` numbers the cells.

    What it says is about the sub-sampled program, not about the network.
    """

    complete = True
    cut_short = False

    def __init__(self, X: Array, unit: ThreeLayer, sampled: SubNetworkCells, beta: float) -> None:
        self.should_stop: Callable[[], bool] = never
        self.unit, self.sampled, self.beta = unit, sampled, beta
        self.scale = float(np.linalg.norm(X, axis=1).max()) or 1.0
        B, width, n = sampled.patterns.shape
        patterns, index = np.unique(sampled.patterns.reshape(-1, n), axis=0, return_inverse=True)
        self.cells = Cells(X / self.scale, patterns)
        self.index = index.reshape(B, width) + (sampled.inner < 0) * len(patterns)
        self.path = unit.regularization == "path"
        self.radius = width**0.5 if self.path else 1.0
        self.sides = np.tile(active_signs(sampled.second), (2, 1))
        self.multipliers = np.zeros((2 * B, n))  # of the second layer's cones, when last solved

    def price(
        self, V: Array, count: int, starts: Array | None = None
    ) -> tuple[Candidates, Correlation]:
        """The best sub-networks over the cells and both signs of V (n, 1)."""
        size = float(np.abs(V).max())
        D = self.unit.direction_size(self.cells.X.shape[1])
        if size == 0:
            return empty(D), Correlation(0.0, "exact")
        v, scale = V[:, 0] / size, size * self.scale * self.radius
        # projections alone bound a cell, whatever the multipliers of the second layer's cone are
        gains = np.concatenate([self.sampled.second * v, self.sampled.second * -v])
        index = np.tile(self.index, (2, 1))
        tuples = self.cells.rough(gains + self.sides * self.multipliers, index)
        squares = (tuples**2).mean(axis=1)
        bounds = scale * (np.sqrt(squares) if self.path else tuples.max(axis=1))
        directions: list[Array] = []
        values: list[float] = []
        gates: list[int] = []
        upper, improving = 0.0, 0
        for k in np.argsort(-bounds, kind="stable"):
            if bounds[k] <= self.beta or self.should_stop() or improving >= 2 * count:
                upper = max(upper, float(bounds[k]))
                break
            cell = k % len(self.index)
            sign = 1.0 if k < len(self.index) else -1.0
            shares = self._shares(self.index[cell])
            solved = self.cells.solve_fixed(sign * v, self.sampled.second[cell], shares)
            upper = max(upper, scale * solved.bound)
            self.multipliers[k] = solved.lam
            direction = self._direction(self.index[cell], solved.blocks, solved.shares)
            if direction is not None:
                directions.append(direction)
                values.append(size * self.scale * sign * float(v @ self._feature(direction)))
                gates.append(int(cell))
                improving += int(values[-1] > self.beta * NOTICEABLE)
        if not values:
            return empty(D), Correlation(upper, "search")
        found = Candidates(np.concatenate(directions), np.array(values), np.array(gates))
        return distinct(found, count), Correlation(upper, "search")

    def _shares(self, cells: IntArray) -> Shares:
        low = np.bincount(cells, minlength=self.cells.count) / self.unit.width
        return Shares(low, low) if self.path else Shares(0 * low, (low > 0).astype(np.float64))

    def _direction(self, cells: IntArray, blocks: Array, shares: Array) -> Array | None:
        """The sub-network (1, D) of norm 1 with these blocks; cells met twice share theirs."""
        times = np.bincount(cells, minlength=self.cells.count)
        W1 = (blocks[cells] / times[cells, None]).T[None]
        W1, w2, norms = self.unit.balanced(W1, self.cells.signs[cells][None])
        return self.unit.join(W1, w2) if norms[0] > 0 else None

    def _feature(self, direction: Array) -> Array:
        W1, w2 = self.unit.weights(direction)
        first = np.maximum(self.cells.X @ W1[0], 0.0)
        phi: Array = np.maximum(first @ w2[0], 0.0)
        return phi
