"""Equal rows merged into one weighted row, in an order that depends on the rows alone.

A row that occurs three times and a row of weight three are the same training problem.  Solvers
stop at a tolerance, so two ways to write one problem would end in slightly different networks;
written in this one way, repeated rows, sample weights and the order of the rows cannot change
the result, not even in the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import scipy.sparse as sp

from nogap._typing import Array, IntArray

_BLOCK_ROWS = 4096
_DIGEST_BYTES = 16


@dataclass(frozen=True)
class DistinctRows:
    """The distinct rows of a training set and how to get back to all of them.

    Attributes
    ----------
    X : array or CSR array (k, d)
    Y : array (k, C)
    weights : array (k,)
        Sum of the weights of the rows that were merged.
    first : array (k,) of int
        A row of the original data for each distinct row.
    """

    X: Any
    Y: Array
    weights: Array
    first: IntArray
    _kept: IntArray  # original rows of positive weight
    _group: IntArray  # the distinct row of each of them
    _share: Array  # its share of that row's weight
    _n: int

    def places(self) -> IntArray:
        """The distinct row of every original row, (n,); -1 for rows of weight zero."""
        places = np.full(self._n, -1, dtype=np.intp)
        places[self._kept] = self._group
        return places

    def expand(self, dual: Array) -> Array:
        """A dual point of the merged problem, (k,) or (k, C), as one of the original problem.

        Merged rows share their multiplier in proportion to their weights, which leaves the dual
        objective and the dual correlation unchanged.
        """
        full = np.zeros((self._n, *dual.shape[1:]))
        share = self._share if dual.ndim == 1 else self._share[:, None]
        full[self._kept] = share * dual[self._group]
        return full


def distinct_rows(X: Any, Y: Array, sample_weight: Array | None = None) -> DistinctRows:
    """Merge equal rows of [X, Y] and drop rows of weight zero.

    Parameters
    ----------
    X : array or CSR matrix (n, d)
        Finite float64 values.
    Y : array (n, C)
    sample_weight : array (n,), optional
        Non-negative, not all zero.
    """
    if sp.issparse(X):
        X = _canonical_csr(X)
    n = Y.shape[0]
    weights = np.ones(n) if sample_weight is None else sample_weight
    kept = np.flatnonzero(weights)
    # rows of weight zero are digested too: to leave them out would take a copy of the data
    digests = np.frombuffer(b"".join(_digests(X, Y)), dtype=f"S{_DIGEST_BYTES}")
    _, first, group = np.unique(digests[kept], return_index=True, return_inverse=True)
    merged = np.bincount(group, weights=weights[kept]).astype(np.float64, copy=False)
    first = kept[first]
    return DistinctRows(
        X=X[first],
        Y=Y[first],
        weights=merged,
        first=first,
        _kept=kept,
        _group=group,
        _share=weights[kept] / merged[group],
        _n=n,
    )


def _canonical_csr(X: Any) -> Any:
    """X as a CSR array with sorted indices and without stored zeros; the input is not changed."""
    X = sp.csr_array(X)
    if not X.has_canonical_format or np.any(X.data == 0):
        X = X.copy()
        X.sum_duplicates()
        X.eliminate_zeros()
    return X


def _digests(X: Any, Y: Array) -> Iterator[bytes]:
    """A cryptographic digest of every row of [X, Y]; rows share one only when they are equal."""
    digest_block = _digest_sparse if sp.issparse(X) else _digest_dense
    for start in range(0, Y.shape[0], _BLOCK_ROWS):
        part = slice(start, start + _BLOCK_ROWS)
        yield from digest_block(X[part], Y[part])


# "+ 0.0" below: minus zero and zero are one number in two bit patterns


def _digest_dense(X: Any, Y: Array) -> Iterator[bytes]:
    rows = np.add(np.concatenate([X, Y], axis=1), 0.0, order="C")
    for row in rows:
        yield blake2b(row, digest_size=_DIGEST_BYTES).digest()


def _digest_sparse(X: Any, Y: Array) -> Iterator[bytes]:
    columns, values, ends = X.indices.astype(np.int64), X.data + 0.0, X.indptr
    targets = np.add(Y, 0.0, order="C")
    for i, target in enumerate(targets):
        digest = blake2b(target, digest_size=_DIGEST_BYTES)
        digest.update(columns[ends[i] : ends[i + 1]])
        digest.update(values[ends[i] : ends[i + 1]])
        yield digest.digest()
