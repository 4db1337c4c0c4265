"""The row operator: all that a solver may ask of the data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol, TypeAlias

import numpy as np

from nogap._typing import AnyArray, Array

# Products over blocks of this many rows stay in the cache: several times as fast as over 10,000.
PART_ROWS = 1024


class RowSource(ABC):
    """A matrix that is not in memory: it knows its shape, and reads the rows that it is asked for.

    Attributes
    ----------
    shape : (n, d)
    """

    shape: tuple[int, int]
    ndim = 2
    dtype = np.dtype(np.float64)

    @abstractmethod
    def __getitem__(self, index: slice | AnyArray) -> Array:
        """Rows (k, d) in float64, of a slice or of an array of positions."""


class Rows(Protocol):
    """What a solver may ask of the data: products with it, and single rows."""

    n: int
    d: int
    n_positions: int  # patches K of a sample; 1 where the sample is one row
    on_disk: bool  # whether the data are read from a file each time
    sparse: bool  # whether the data are stored so; a dense copy may then be far larger

    def forward(self, U: Array, out: Array | None = None) -> Array:
        """X U for hidden weights U (d, m): the pre-activations (n K, m), in ``out`` where given."""

    def adjoint(self, R: Array) -> Array:
        """X' R for row-aligned R (n K, m): a neuron-sized array (d, m)."""

    def take(self, index: AnyArray) -> Array:
        """The rows of that index as a dense array (k K, d)."""

    def subset(self, index: AnyArray) -> Rows:
        """The samples of that index, in memory."""

    @property
    def parts(self) -> list[Part]:
        """The rows in blocks that fit the cache, each with the slice that it covers."""

    def squared_norms(self) -> Array:
        """Squared Euclidean norm of every row, (n,)."""

    def in_single_precision(self) -> Rows:
        """The same rows in float32."""


Part: TypeAlias = tuple[slice, Rows]


def height(rows: Rows) -> int:
    """Rows of the pre-activations: a sample has one for each of its patches."""
    return rows.n * rows.n_positions


def slices(n: int, size: int = PART_ROWS) -> list[slice]:
    """Consecutive slices of at most ``size`` that cover n rows."""
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]
