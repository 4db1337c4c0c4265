"""Rows in memory: dense or CSR, with an optional ones column that is not stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp

from nogap._typing import AnyArray, Array

BLOCK_ROWS = 4096  # blocks of 512 to 4096 rows run at the speed of the plain GEMM


class Rows(Protocol):
    """What a solver may ask of the data: products with it, and single rows."""

    n: int
    d: int

    def forward(self, U: Array) -> Array:
        """X U for hidden weights U (d, m): the pre-activations (n, m)."""

    def adjoint(self, R: Array) -> Array:
        """X' R for row-aligned R (n, m): a neuron-sized array (d, m)."""

    def take(self, index: AnyArray) -> Array:
        """The rows of that index as a dense array (k, d)."""

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        """Dense blocks of rows with the slice they cover."""

    def squared_norms(self) -> Array:
        """Squared Euclidean norm of every row, (n,)."""

    def in_single_precision(self) -> Rows:
        """The same rows in float32."""


class MemoryRows:
    """Dense or CSR data in memory.

    Parameters
    ----------
    X : array or CSR matrix (n, d0)
    hidden_bias : bool
        Append a ones column (as arithmetic; no copy of the data is made): d = d0 + 1.
    """

    def __init__(self, X: Any, hidden_bias: bool = False, dtype: type = np.float64) -> None:
        compressed: Any = (
            sp.csr_array
        )  # SciPy's stubs refuse a dtype that is known at run time only
        self.X: Any = (
            compressed(X, dtype=dtype) if sp.issparse(X) else np.ascontiguousarray(X, dtype=dtype)
        )
        self.hidden_bias = hidden_bias
        self.n = int(self.X.shape[0])
        self.d = int(self.X.shape[1]) + int(hidden_bias)

    def forward(self, U: Array) -> Array:
        if not self.hidden_bias:
            return np.asarray(self.X @ U)
        Z = np.asarray(self.X @ U[:-1])
        Z += U[-1]
        return Z

    def adjoint(self, R: Array) -> Array:
        G = np.asarray(self.X.T @ R)
        return np.concatenate([G, R.sum(axis=0, keepdims=True)]) if self.hidden_bias else G

    def take(self, index: AnyArray) -> Array:
        part = self.X[index]
        dense = part.toarray() if sp.issparse(self.X) else part
        if self.hidden_bias:
            dense = np.concatenate([dense, np.ones((dense.shape[0], 1))], axis=1)
        return np.asarray(dense)

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        for start in range(0, self.n, BLOCK_ROWS):
            part = slice(start, min(start + BLOCK_ROWS, self.n))
            yield part, self.take(np.arange(part.start, part.stop))

    def squared_norms(self) -> Array:
        X = self.X
        if sp.issparse(X):
            norms = np.asarray((self.X**2).sum(axis=1)).ravel()
        else:
            norms = np.einsum("ij,ij->i", X, X)
        return norms + 1.0 if self.hidden_bias else norms

    def in_single_precision(self) -> MemoryRows:
        return MemoryRows(self.X, self.hidden_bias, np.float32)
