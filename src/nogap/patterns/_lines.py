"""The hyperplanes behind a data matrix: validation, rank, and one representative for each line.

Everything that has to decide "zero", "parallel" or "dependent" decides it here or with `TOLERANCE`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nogap._typing import Array, ArrayLike, BoolArray, IntArray
from nogap._validation import check_matrix

#: Relative tolerance of every rank, parallelism and coincidence decision, on rows of norm 1.
TOLERANCE = 1e-10

# Rows are scaled before they are multiplied, so that none is too long.
_ANY_SIZE = float(np.finfo(np.float64).max)

# Rounding error of whitened rows, for each unit of the condition number of the rows.
_ROUNDING = 8 * float(np.finfo(np.float64).eps)


def as_data(X: ArrayLike) -> Array:
    """Return `X` as a finite, non-empty, dense float64 matrix (n, d), or raise a ValueError."""
    data = check_matrix(X, largest=_ANY_SIZE)
    dense: Array = data if isinstance(data, np.ndarray) else data.toarray()
    return dense


def scaled_rows(X: Array) -> Array:
    """Scale each row by a power of two to a largest entry in [0.5, 1): exact, signs unchanged."""
    _, exponents = np.frexp(np.abs(X).max(axis=1))
    scaled: Array = np.ldexp(X, -exponents[:, None])
    return scaled


def unit_rows(Z: Array) -> Array:
    """Scale each row to Euclidean norm 1; zero rows stay zero."""
    norms = np.linalg.norm(Z, axis=1, keepdims=True)
    unit: Array = np.divide(Z, norms, out=np.zeros_like(Z), where=norms > 0)
    return unit


def complement_basis(x: Array) -> Array:
    """Orthonormal basis (r, r - 1) of the complement of the unit vector `x` (r,); Householder."""
    v = x.copy()
    v[0] += 1.0 if v[0] >= 0 else -1.0
    basis: Array = np.eye(x.size)[:, 1:] - np.outer(v, v[1:] * (2.0 / (v @ v)))
    return basis


@dataclass(frozen=True)
class Lines:
    """The m distinct hyperplanes {x_i^T u = 0} of a data matrix of rank r.

    `normals` (m, r) are unit rows in coordinates of the row space; line j belongs to the sample
    `representatives[j]`, and the lines are in the order in which they first appear in X.
    Sample i lies on line `line[i]`, with the opposite orientation where `flipped[i]`; `zero[i]`
    marks rows without a hyperplane. A vector g (r,) in the coordinates of `normals` is the gate
    `lift @ g` (d,) of the data: x_i^T (lift @ g) is a positive multiple of ± normals[line[i]] @ g.
    `tolerance` is `TOLERANCE`, or the rounding error of `normals` where that is larger.
    """

    normals: Array  # (m, r)
    representatives: IntArray  # (m,)
    line: IntArray  # (n,)
    flipped: BoolArray  # (n,)
    zero: BoolArray  # (n,)
    lift: Array  # (d, r)
    tolerance: float

    @property
    def rank(self) -> int:
        """Numerical rank r of the data."""
        return int(self.normals.shape[1])

    def __len__(self) -> int:
        return int(self.normals.shape[0])

    def to_samples(self, bits: BoolArray) -> BoolArray:
        """Patterns of the n samples (P, n) from the bits of the m lines (P, m)."""
        if len(self) == 0:
            return np.ones((bits.shape[0], self.zero.size), dtype=bool)
        patterns: BoolArray = bits.take(self.line, axis=1) ^ self.flipped
        patterns[:, self.zero] = True
        return patterns


def distinct_lines(X: Array) -> Lines:
    """Find the rank of `X` (n, d), its distinct hyperplanes and good coordinates for them."""
    Z = unit_rows(scaled_rows(X))
    used = np.flatnonzero(X.any(axis=1))
    zero = np.ones(X.shape[0], dtype=bool)
    zero[used] = False
    leaders, flips = _group_parallel(Z[used])
    firsts, labels = np.unique(leaders, return_inverse=True)
    representatives = used[firsts]
    line = np.zeros(X.shape[0], dtype=np.intp)
    flipped = np.zeros(X.shape[0], dtype=bool)
    line[used], flipped[used] = labels, flips
    basis, singular_values = _row_space(Z[representatives])
    # Rows that are all alike, as with a large offset, have tiny angles; whitened rows have not.
    whitening = basis / singular_values
    normals = unit_rows(Z[representatives] @ whitening)
    condition = singular_values[0] / singular_values[-1] if singular_values.size else 1.0
    tolerance = max(TOLERANCE, _ROUNDING * float(condition))
    return Lines(normals, representatives, line, flipped, zero, whitening, tolerance)


def numerical_rank(X: ArrayLike) -> int:
    """Return the rank that `nogap` gives to the rows of `X`.

    The rows are scaled to norm 1 first, as their lengths do not change a pattern; singular values
    of at most 1e-10 times the largest then count as zero. All functions of `nogap.patterns` use
    this rank and this tolerance, so features whose units differ by a factor of 1e10 and more should
    be rescaled.

    Parameters
    ----------
    X : array_like of shape (n, d)
        Data, one sample per row.

    Returns
    -------
    int
        The rank, between 0 (all rows are zero) and min(n, d).

    Raises
    ------
    ValueError
        If `X` is not a finite, non-empty real matrix.

    Examples
    --------
    >>> from nogap.patterns import numerical_rank
    >>> numerical_rank([[1.0, 2.0], [2.0, 4.0], [0.0, 0.0]])
    1
    """
    return distinct_lines(as_data(X)).rank


def _row_space(Z: Array) -> tuple[Array, Array]:
    """Orthonormal basis (d, r) of the row space of `Z` (m, d), with its singular values (r,)."""
    if Z.shape[0] == 0:
        return np.zeros((Z.shape[1], 0)), np.zeros(0)
    triangle = np.linalg.qr(Z, mode="r") if Z.shape[0] > Z.shape[1] else Z
    _, singular_values, rows = np.linalg.svd(triangle, full_matrices=False)
    rank = int((singular_values > TOLERANCE * singular_values[0]).sum())
    return rows[:rank].T, singular_values[:rank]


def _group_parallel(Z: Array) -> tuple[IntArray, BoolArray]:
    """For each unit row its first parallel row (n,), and whether it points the other way (n,).

    Compares ||z - z'|| and ||z + z'||: a cosine cannot tell 1e-10 from 1e-8. Rows that are parallel
    have the same |z @ g|, so only runs of equal keys are compared pair by pair.
    """
    leaders = np.arange(Z.shape[0])
    flipped = np.zeros(Z.shape[0], dtype=bool)
    if leaders.size == 0:
        return leaders, flipped
    direction = np.random.default_rng(0).standard_normal(Z.shape[1])
    keys = np.abs(Z @ direction) / np.linalg.norm(direction)
    order = np.argsort(keys, kind="stable")
    ends = np.flatnonzero(np.diff(keys[order], append=np.inf) > 2 * TOLERANCE) + 1
    starts = np.concatenate([[0], ends[:-1]])
    for start, end in zip(starts, ends, strict=True):
        if end - start == 1:
            continue
        run = np.sort(order[start:end])
        while run.size:
            opposite = np.linalg.norm(Z[run] + Z[run[0]], axis=1) <= TOLERANCE
            same = np.linalg.norm(Z[run] - Z[run[0]], axis=1) <= TOLERANCE
            parallel = same | opposite
            leaders[run[parallel]] = run[0]
            flipped[run[parallel]] = opposite[parallel]
            run = run[~parallel]
    return leaders, flipped
