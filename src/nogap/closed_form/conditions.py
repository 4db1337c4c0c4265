"""The conditions of the closed forms: each is checked, and a refusal says by how much it fails."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from numbers import Integral
from typing import Any

import numpy as np

from nogap._typing import Array
from nogap._validation import check_matrix
from nogap.problem import EPS

TOLERANCE = 1e-8  # relative; what remains of a deviation below it is in the certificate
INVERSE_TOLERANCE = 1e-6  # of the spike-free condition, whose effect is quadratic


def dense(X: Any) -> Array:
    """X as a dense float64 array (n, d)."""
    X = check_matrix(X)
    rows: Array = X.toarray() if hasattr(X, "toarray") else np.asarray(X[0 : X.shape[0]])
    return rows.astype(np.float64)


def check_depth(depth: Any) -> int:
    """The number of layers: a whole number of at least 2."""
    if not isinstance(depth, Integral) or isinstance(depth, bool) or int(depth) < 2:
        raise ValueError(
            "depth counts the weight layers and must be a whole number of at least 2, "
            f"got {depth!r}"
        )
    return int(depth)


@dataclass(frozen=True)
class RankOne:
    """``X = c a'`` with ``||a|| = 1``, up to ``error`` (the spectral norm of what is left)."""

    c: Array  # (n,)
    a: Array  # (d,)
    error: float


def rank_one_factors(X: Array) -> RankOne:
    """The factors of rank-one data, signed so that the larger part of c is positive."""
    left, sizes, right = np.linalg.svd(X, full_matrices=False)
    second = float(sizes[1]) if sizes.size > 1 else 0.0
    if second > TOLERANCE * sizes[0]:
        raise ValueError(
            f"X must have rank one: its second singular value is {second / sizes[0]:.2g} times "
            "the first; use nogap.train for data of higher rank"
        )
    c, a = sizes[0] * left[:, 0], right[0]
    sign = 1.0 if np.abs(c[c > 0]).sum() >= np.abs(c[c < 0]).sum() else -1.0
    return RankOne(sign * c, sign * a, second)


def one_signed(factors: RankOne) -> RankOne:
    """The factors with c >= 0; entries of the other sign, beyond rounding, are refused."""
    lowest, highest = float(factors.c.min()), float(factors.c.max(initial=0.0))
    if lowest < -TOLERANCE * highest:
        row = int(np.argmin(factors.c))
        raise ValueError(
            "all rows of X must be non-negative multiples of one vector: row "
            f"{row} points the other way, with {-lowest / highest:.2g} times the largest length; "
            "with both signs the layers are shared, and no closed form is known"
        )
    return RankOne(np.maximum(factors.c, 0.0), factors.a, factors.error - min(lowest, 0.0))


def rank_one_deviation(X: Array, factors: RankOne) -> float:
    """Frobenius norm of ``X - c a'``, from above, for the c >= 0 of :func:`one_signed`."""
    left = X - np.outer(factors.c, factors.a)
    largest = float(np.abs(left).max())
    if largest == 0:
        return 0.0
    # squares of what is left of small data would underflow
    rounding = 2 * EPS * float(np.linalg.norm(factors.c))
    return largest * float(np.linalg.norm(left / largest)) + rounding


def on_one_ray(X: Array) -> bool:
    """Whether the rows are non-negative multiples of one vector exactly, in rational arithmetic."""
    k, pivot = np.unravel_index(np.argmax(np.abs(X)), X.shape)
    if np.any(X[:, pivot] * np.sign(X[k, pivot]) < 0):
        return False
    return exactly_rank_one(X)


def exactly_rank_one(X: Array) -> bool:
    """Whether X has rank one (or zero) without any rounding, in rational arithmetic."""
    k, pivot = np.unravel_index(np.argmax(np.abs(X)), X.shape)
    lead = [Fraction(v) for v in X[k].tolist()]
    for row in X.tolist():
        share = Fraction(row[pivot])
        if any(Fraction(v) * lead[pivot] != share * b for v, b in zip(row, lead, strict=True)):
            return False
    return True


def cut_deviation(X: Array, sizes: Array, rank: int) -> float:
    """Spectral norm of what X without its singular values beyond the rank may lack of X.

    That is the largest that is cut, and the error with which all of them are computed.
    """
    if rank == 0:
        return 0.0
    cut = float(sizes[rank]) if rank < sizes.size else 0.0
    return cut + max(X.shape) * EPS * float(sizes[0])


@dataclass(frozen=True)
class Isometry:
    """``X = scale * left @ right'`` with orthonormal columns, up to a relative ``spread``."""

    left: Array  # (n, r)
    right: Array  # (d, r)
    scale: float
    spread: float
    cut: float  # spectral norm of what is left of X where singular values count as zero


def isometry(X: Array) -> Isometry:
    """The factors of data whose non-zero singular values are all equal."""
    left, sizes, right = np.linalg.svd(X, full_matrices=False)
    rank = int(np.sum(sizes > max(X.shape) * EPS * sizes[0]))
    if rank == 0:  # of zero data every multiple is an isometry
        return Isometry(left[:, :0], right[:0].T, 1.0, 0.0, 0.0)
    cut = cut_deviation(X, sizes, rank) if rank < sizes.size else 0.0
    sizes = sizes[:rank]
    spread = float(1.0 - sizes[-1] / sizes[0])
    if spread > TOLERANCE:
        raise ValueError(
            "the closed form needs whitened data, X'X or XX' a multiple of the identity: the "
            f"singular values of X range from {sizes[-1]:.6g} to {sizes[0]:.6g}; whiten X"
        )
    scale = float(np.sqrt(sizes[0] * sizes[-1]))
    return Isometry(left[:, :rank], right[:rank].T, scale, spread, cut)


def whitened_rows(X: Array) -> float:
    """The c > 0 of data with ``XX' = c^2 I``; other data are refused."""
    n, d = X.shape
    gram = X @ X.T
    scale = float(np.trace(gram)) / n
    if n > d:
        raise ValueError(
            f"XX' must be a multiple of the identity, which {n} rows in {d} columns cannot be; "
            "the closed form is for at most as many rows as columns"
        )
    off = float(np.abs(gram - scale * np.eye(n)).max())
    if scale == 0 or off > TOLERANCE * scale:
        i, j = np.unravel_index(np.argmax(np.abs(gram - scale * np.eye(n))), gram.shape)
        failure = f"{off / scale:.2g} (relative) at rows {i} and {j}" if scale else "XX' is zero"
        raise ValueError(
            f"XX' must be a multiple of the identity; it is off by {failure}. Whiten the rows: "
            "(XX')^(-1/2) X"
        )
    return float(np.sqrt(scale))


def spike_free_excess(X: Array) -> float:
    """By how much a ReLU feature can exceed its linear counterpart: 0 for spike-free data.

    X is spike-free, ``||X^+ relu(X u)|| <= ||u||`` for all u, if and only if it has full row
    rank and ``(XX')^(-1)`` has no positive entry off the diagonal; an excess e says that
    ``||X^+ relu(X u)|| <= (1 + e) ||u||``.
    """
    n, d = X.shape
    left, sizes, _ = np.linalg.svd(X, full_matrices=False)
    if n > d or sizes[-1] <= max(n, d) * EPS * sizes[0]:
        rank = int(np.sum(sizes > max(n, d) * EPS * sizes[0]))
        raise ValueError(
            f"spike-free data have linearly independent rows: X has {n} rows of rank {rank}"
        )
    inverse = (left / sizes**2) @ left.T
    off = inverse - np.diag(np.diag(inverse))
    worst = max(float(off.max()), 0.0)
    # z'Mz + w'Mw - 2 z'Mw >= (1 - delta^2) z'Mz for z, w >= 0 of disjoint support
    delta = n * worst * float(sizes[0]) ** 2
    if delta > INVERSE_TOLERANCE:
        i, j = np.unravel_index(np.argmax(off), off.shape)
        scale = float(np.sqrt(inverse[i, i] * inverse[j, j]))
        raise ValueError(
            "X is not spike-free: (XX')^(-1) must have no positive entry off its diagonal, and at "
            f"rows {i} and {j} it has {worst / scale:.2g} (relative to the diagonal); "
            "use nogap.train"
        )
    rounding = 16 * n**2 * EPS * float(sizes[0] / sizes[-1]) ** 2  # of the inverse
    return float((delta + rounding) ** 2)
