"""Rows of patches: every sample has K of them, and they are cut out block by block, never all.

Products have a row for every patch, sample by sample: ``forward`` gives (n K, m).  What becomes of
the K rows of a sample (pooling, or a weight for each) is the unit's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from nogap._typing import AnyArray, Array
from nogap.rows.base import Part, slices
from nogap.rows.geometry import Geometry

PATCH_ROWS = 8192  # patches cut out at once
KEPT_ENTRIES = 8_000_000  # patches of so few figures in all are cut out only once


class _Kept:
    """Patches that were cut out: all blocks of small data, else the last one."""

    def __init__(self, everything: bool) -> None:
        self.everything = everything
        self._blocks: dict[int, Array] = {}

    def get(self, start: int) -> Array | None:
        return self._blocks.get(start)

    def put(self, start: int, patches: Array) -> None:
        if not self.everything:
            self._blocks.clear()
        self._blocks[start] = patches


class PatchRows:
    """Patches of samples in memory or in a memory map.

    Parameters
    ----------
    X : array (n, D)
        Samples, flattened; they stay as they are.
    geometry : Geometry
    hidden_bias : bool
        Append a one to every patch: d = h + 1.
    scale : float
        Factor of all patches: 1 / K turns a sum over patches into their average.
    dtype : numpy dtype
        Of the products.
    """

    sparse = False

    def __init__(
        self,
        X: Any,
        geometry: Geometry,
        hidden_bias: bool = False,
        scale: float = 1.0,
        dtype: type = np.float64,
        *,
        start: int = 0,
        kept: _Kept | None = None,
    ) -> None:
        self.X, self.geometry = X, geometry
        self.hidden_bias, self.scale = hidden_bias, scale
        self.dtype = np.dtype(dtype)
        self.n = int(X.shape[0])
        self.n_positions = geometry.n_positions
        self.on_disk = isinstance(X, np.memmap)
        self.d = geometry.n_weights + int(hidden_bias)
        self.start = start
        small = self.n * self.n_positions * self.d <= KEPT_ENTRIES
        self.kept = _Kept(small) if kept is None else kept

    def forward(self, U: Array, out: Array | None = None) -> Array:
        height = self.n * self.n_positions
        Z: Array = np.empty((height, U.shape[1]), dtype=self.dtype) if out is None else out
        W = (U * self.scale).astype(self.dtype, copy=False)
        for part, patches in self._blocks():
            np.matmul(patches, W, out=Z[part])
        return Z

    def adjoint(self, R: Array) -> Array:
        G: Array = np.zeros((self.d, R.shape[1]), dtype=self.dtype)
        for part, patches in self._blocks():
            G += patches.T @ R[part]
        G *= self.scale
        return G

    def take(self, index: AnyArray) -> Array:
        """The patches of these samples, (k K, d) in float64."""
        return self.scale * self._cut(self.X[index], np.dtype(np.float64))

    def subset(self, index: AnyArray) -> PatchRows:
        return PatchRows(
            self.X[index], self.geometry, self.hidden_bias, self.scale, self.dtype.type
        )

    @cached_property
    def parts(self) -> list[Part]:
        size = max(PATCH_ROWS // self.n_positions, 1)
        if self.n <= size:
            return [(slice(0, self.n), self)]
        return [(s, self._window(s)) for s in slices(self.n, size)]

    def squared_norms(self) -> Array:
        return self._squared_norms

    @cached_property
    def _squared_norms(self) -> Array:
        """Every figure counts as often as there are patches that hold it."""
        size = self.geometry.size
        often = np.bincount(self.geometry.table.ravel(), minlength=size + 1)[:size]
        norms = np.full(self.n, float(self.n_positions * self.hidden_bias))
        for s in slices(self.n, max(PATCH_ROWS // self.n_positions, 1)):
            norms[s] += self.X[s].astype(np.float64) ** 2 @ often
        return self.scale**2 * norms

    def in_single_precision(self) -> PatchRows:
        return PatchRows(self.X, self.geometry, self.hidden_bias, self.scale, np.float32)

    def _window(self, s: slice) -> PatchRows:
        return PatchRows(
            self.X[s],
            self.geometry,
            self.hidden_bias,
            self.scale,
            self.dtype.type,
            start=self.start + s.start,
            kept=self.kept,
        )

    def _blocks(self) -> Iterator[tuple[slice, Array]]:
        for s, window in self.parts:
            assert isinstance(window, PatchRows)
            yield slice(s.start * self.n_positions, s.stop * self.n_positions), window._patches()

    def _patches(self) -> Array:
        patches = self.kept.get(self.start)
        if patches is None:
            patches = self._cut(self.X, self.dtype)
            self.kept.put(self.start, patches)
        return patches

    def _cut(self, X: Any, dtype: np.dtype[Any]) -> Array:
        n, h = X.shape[0], self.geometry.n_weights
        patches = np.empty((n, self.n_positions, self.d), dtype=dtype)
        self.geometry.cut(X.astype(dtype, copy=False), patches[:, :, :h])
        patches[:, :, h:] = 1.0
        return patches.reshape(n * self.n_positions, self.d)
