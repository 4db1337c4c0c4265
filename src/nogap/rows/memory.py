"""Rows in memory or in a memory map: dense or CSR, with an optional ones column not stored."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from nogap._typing import AnyArray, Array
from nogap.rows.base import PART_ROWS, Part, RowSource, slices

SMALL = 2_000_000  # entries up to which float32 data are converted once and not at each product


class _Window(RowSource):
    """Some consecutive rows of another source."""

    def __init__(self, source: RowSource, part: slice) -> None:
        self.source, self.part = source, part
        self.shape = (part.stop - part.start, source.shape[1])

    def __getitem__(self, index: slice | AnyArray) -> Array:
        return self.source[np.arange(self.part.start, self.part.stop)[index]]


class MemoryRows:
    """Dense or CSR data in memory or in a memory map.

    The data stay as they are, in float64 or float32; products are formed in ``dtype``, block by
    block where that is another one.

    Parameters
    ----------
    X : array or CSR matrix (n, d0)
    hidden_bias : bool
        Append a ones column (as arithmetic; no copy of the data is made): d = d0 + 1.
    dtype : numpy dtype
        Of the products.
    """

    n_positions = 1

    def __init__(self, X: Any, hidden_bias: bool = False, dtype: type = np.float64) -> None:
        sparse: bool = sp.issparse(X)  # kept apart: SciPy's stubs would narrow X
        self.sparse, self.hidden_bias = sparse, hidden_bias
        self.dtype = np.dtype(dtype)
        self.on_disk = isinstance(X, np.memmap | RowSource)
        self.X: Any = X if sparse or self.on_disk else np.asarray(X)
        single = self.X.dtype == np.float32
        if not self.on_disk and not (single and self.X.shape[0] * self.X.shape[1] > SMALL):
            self.X = self.X.astype(self.dtype, copy=False)
            if not sparse and not self.X.flags.forc:
                self.X = np.ascontiguousarray(self.X)
        self.n = int(self.X.shape[0])
        self.d = int(self.X.shape[1]) + int(hidden_bias)

    def forward(self, U: Array, out: Array | None = None) -> Array:
        Z: Array = np.empty((self.n, U.shape[1]), dtype=self.dtype) if out is None else out
        weights = U[:-1] if self.hidden_bias else U
        for part, X in self._blocks():
            if isinstance(X, np.ndarray) and Z.dtype == U.dtype:
                np.matmul(X, weights, out=Z[part])
            else:
                Z[part] = X @ weights
        if self.hidden_bias:
            Z += U[-1]
        return Z

    def adjoint(self, R: Array) -> Array:
        G: Array = np.zeros((self.X.shape[1], R.shape[1]), dtype=self.dtype)
        for part, X in self._blocks():
            G += X.T @ R[part]
        return np.concatenate([G, R.sum(axis=0, keepdims=True)]) if self.hidden_bias else G

    def take(self, index: AnyArray) -> Array:
        rows = self.X[index]
        dense = rows.toarray() if self.sparse else rows
        if self.hidden_bias:
            dense = np.concatenate([dense, np.ones((dense.shape[0], 1))], axis=1)
        return np.asarray(dense, dtype=self.dtype)

    def subset(self, index: AnyArray) -> MemoryRows:
        if self.sparse:
            return MemoryRows(self.X[index], self.hidden_bias, self.dtype.type)
        return MemoryRows(self.take(index), dtype=self.dtype.type)

    @cached_property
    def parts(self) -> list[Part]:
        if self.n <= PART_ROWS:
            return [(slice(0, self.n), self)]
        if isinstance(self.X, RowSource):
            windows = [(s, _Window(self.X, s)) for s in slices(self.n)]
            return [(s, MemoryRows(w, self.hidden_bias, self.dtype.type)) for s, w in windows]
        return [
            (s, MemoryRows(self.X[s], self.hidden_bias, self.dtype.type)) for s in slices(self.n)
        ]

    def squared_norms(self) -> Array:
        return self._squared_norms

    @cached_property
    def _squared_norms(self) -> Array:
        norms: Array = np.empty(self.n)
        for part, X in self._blocks():
            sparse: bool = sp.issparse(X)
            norms[part] = (
                np.asarray(X.multiply(X).sum(axis=1)).ravel()
                if sparse
                else np.einsum("ij,ij->i", X, X)
            )
        return norms + 1.0 if self.hidden_bias else norms

    def in_single_precision(self) -> MemoryRows:
        """In float32: a copy of data in memory (one for all who ask), none of data in a file."""
        return self._single

    @cached_property
    def _single(self) -> MemoryRows:
        X = self.X if self.on_disk else self.X.astype(np.float32, copy=False)
        return MemoryRows(X, self.hidden_bias, np.float32)

    def _blocks(self) -> Iterable[tuple[slice, Any]]:
        """The data in the dtype of the products: all at once, or by blocks that are converted."""
        if self.X.dtype == self.dtype and not isinstance(self.X, RowSource):
            return [(slice(0, self.n), self.X)]
        return ((s, self.X[s].astype(self.dtype)) for s in slices(self.n))
