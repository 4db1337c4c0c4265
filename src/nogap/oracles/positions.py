"""Oracles of convolutions that settle or bound, from those of dense layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nogap._typing import Array
from nogap.certificate import Correlation
from nogap.oracles.base import Candidates, Oracle, distinct, never
from nogap.oracles.outputs import OutputBound
from nogap.units import Convolution


class StackedOracle:
    """A dense layer on all patches: of sum and average pooling, and of a weight for every patch.

    Where patches are pooled, each has its sample's share of V.  Where each has output weights of
    its own, each position has outputs of its own, K C in all.

    Parameters
    ----------
    inner : Oracle
        Of a dense layer whose rows are the patches, sample by sample.
    unit : Convolution
    n_patches : int
        Of all samples together.

    Attributes
    ----------
    enough : float
        A bound that is no larger satisfies whoever asks.
    """

    cut_short = False
    enough = 0.0

    def __init__(self, inner: Oracle, unit: Convolution, n_patches: int) -> None:
        self.inner, self.unit, self.n_patches = inner, unit, n_patches
        self.complete = inner.complete
        self.should_stop: Callable[[], bool] = never

    def price(
        self, V: Array, count: int, starts: Array | None = None
    ) -> tuple[Candidates, Correlation]:
        """What the dense layer's oracle says."""
        _hand_on(self, self.inner)
        return self.inner.price(self._on_patches(V), count, starts)

    def _on_patches(self, V: Array) -> Array:
        """V (n, C) as a dual point of the dense layer."""
        if self.unit.pooling is not None:
            return self.unit.spread(V, self.n_patches)
        (n, C), K = V.shape, self.unit.n_positions
        by_position = np.zeros((n, K, K, C))
        by_position[:, np.arange(K), np.arange(K)] = V[:, None]
        return by_position.reshape(n * K, K * C)


class UntiedOracle:
    """Untied filters: the largest of the correlations of K dense layers, one for each position.

    Parameters
    ----------
    inner : sequence of Oracle
        Of a dense layer on the figures that position k sees.
    unit : Convolution

    Attributes
    ----------
    enough : float
        A bound that is no larger satisfies whoever asks.
    """

    cut_short = False
    enough = 0.0

    def __init__(self, inner: Sequence[Oracle], unit: Convolution) -> None:
        self.inner, self.unit = list(inner), unit
        self.complete = all(oracle.complete for oracle in inner)
        self.should_stop: Callable[[], bool] = never

    def price(
        self, V: Array, count: int, starts: Array | None = None
    ) -> tuple[Candidates, Correlation]:
        """The best of every position, and the largest correlation."""
        parts, correlations = [], []
        for k, (oracle, support) in enumerate(zip(self.inner, self.unit.supports, strict=True)):
            _hand_on(self, oracle)
            found, correlation = oracle.price(V, count)
            directions = np.zeros((found.values.size, support.size))
            directions[:, support] = found.directions
            gate = np.full(found.values.size, k, dtype=np.intp)
            parts.append(Candidates(directions, found.values, gate))
            correlations.append(correlation)
        together = Candidates(
            np.concatenate([part.directions for part in parts]),
            np.concatenate([part.values for part in parts]),
            np.concatenate([part.gate for part in parts]),
        )
        weakest = next(
            (k for k in ("search", "bound") if any(c.kind == k for c in correlations)), "exact"
        )
        largest = max(correlation.value for correlation in correlations)
        return distinct(together, count), Correlation(largest, weakest)  # type: ignore[arg-type]


def _hand_on(outer: StackedOracle | UntiedOracle, inner: Oracle) -> None:
    """What the one is told, the other has to know."""
    inner.should_stop = outer.should_stop
    if isinstance(inner, OutputBound):
        inner.enough = outer.enough
