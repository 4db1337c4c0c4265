"""Cells of an arrangement in general position, by the bijection of cells with subsets of rows.

Fix z_m^T u = 1: the other N = m - 1 hyperplanes are {y : a_i^T y + b_i = 0} in R^k, k = r - 1. For
a generic objective c every k-subset J is the vertex y_J of exactly one cell that has its minimum of
c^T y there; the cells without a minimum are those of the arrangement seen at infinity in the
direction -c, which is again one of N hyperplanes, in R^(k-1). The opposite of every cell is a cell
too. So the half with bit m set has sum_{j<r} C(m - 1, j) members, and they come without linear
programs and without duplicates.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations, islice

import numpy as np

from nogap._typing import Array, BoolArray, IntArray
from nogap.patterns._lines import (
    TOLERANCE,
    complement_basis,
    unit_rows,
)

_BLOCK = 1 << 17  # numbers in the largest array of a block: stays in the cache

# Error of a computed height above a hyperplane, relative to the norm of the inverse that gave it.
_ROUNDING = 64 * float(np.finfo(np.float64).eps)


class NotSimpleError(Exception):
    """The arrangement is not in general position, or too near to it to tell."""


def simple_cells(normals: Array, tolerance: float = TOLERANCE) -> Iterator[BoolArray]:
    """Yield the cells, one of each opposite pair, in blocks of bits (b, m).

    `normals` (m, r) are unit rows of rank r. Raises NotSimpleError as soon as r + 1 hyperplanes or
    fewer turn out to meet more than they should; whatever was yielded until then is then void.
    """
    lines, rank = normals.shape
    if lines == rank:
        yield from _orthants(lines)
        return
    heights, slopes = _section(normals)
    generator = np.random.default_rng(0)
    for dimension in range(rank - 1, 0, -1):
        objective = unit_rows(generator.standard_normal((1, dimension)))[0]
        for subsets in _subsets(lines - 1, dimension):
            bits = np.ones((len(subsets), lines), dtype=bool)
            bits[:, :-1] = _lowest_cells(slopes, heights, subsets, objective, tolerance)
            yield bits
        seen = unit_rows(
            np.column_stack([-slopes @ objective, slopes @ complement_basis(objective)])
        )
        heights, slopes = seen[:, 0], seen[:, 1:]
    if np.abs(heights).min() <= tolerance:
        raise NotSimpleError
    yield np.append(heights > 0, True)[None, :]


def is_simple(normals: Array, tolerance: float = TOLERANCE) -> bool:
    """Whether every r of the m unit rows `normals` (m, r), m >= r, are independent."""
    lines, rank = normals.shape
    if lines == rank:
        return bool(np.linalg.svd(normals, compute_uv=False)[-1] > tolerance)
    heights, slopes = _section(normals)
    objective = unit_rows(np.random.default_rng(0).standard_normal((1, rank - 1)))[0]
    try:
        for subsets in _subsets(lines - 1, rank - 1):
            _lowest_cells(slopes, heights, subsets, objective, tolerance)
    except NotSimpleError:
        return False
    return True


def _section(normals: Array) -> tuple[Array, Array]:
    """Heights b (N,) and slopes A (N, r - 1) of the other rows in the plane z_m^T u = 1."""
    last = normals[-1]
    return normals[:-1] @ last, normals[:-1] @ complement_basis(last)


def _lowest_cells(
    slopes: Array, heights: Array, subsets: IntArray, objective: Array, tolerance: float
) -> BoolArray:
    """Bits (b, N) of the cells whose lowest point is the vertex of each of the `subsets` (b, k)."""
    with np.errstate(all="ignore"):  # a singular subset is refused below
        try:
            inverses = np.linalg.inv(slopes[subsets])
        except np.linalg.LinAlgError:
            raise NotSimpleError from None
        vertices = -np.einsum("bij,bj->bi", inverses, heights[subsets])
        edges = np.einsum("i,bij->bj", objective, inverses)
        amplification = np.sqrt(np.einsum("bij,bij->b", inverses, inverses))
        above = vertices @ slopes.T + heights
        np.put_along_axis(above, subsets, np.inf, axis=1)
        margins = np.abs(above).min(axis=1) / np.sqrt(
            1.0 + np.einsum("bi,bi->b", vertices, vertices)
        )
        margins = np.minimum(margins, np.abs(edges).min(axis=1) / amplification)
        needed = np.maximum(tolerance, _ROUNDING * amplification)
        certain = (margins > needed) & (amplification * tolerance < 1.0)  # False for NaN
    if not certain.all():
        raise NotSimpleError
    np.put_along_axis(above, subsets, edges, axis=1)
    bits: BoolArray = above > 0
    return bits


def _subsets(count: int, size: int) -> Iterator[IntArray]:
    """Blocks (b, size) of the subsets of range(count), in lexicographic order."""
    rows = max(1, _BLOCK // (count + size * size))
    remaining = combinations(range(count), size)
    while True:
        flat = np.fromiter(chain.from_iterable(islice(remaining, rows)), dtype=np.intp)
        if flat.size == 0:
            return
        yield flat.reshape(-1, size)


def _orthants(lines: int) -> Iterator[BoolArray]:
    """All sign vectors of independent rows, the last bit set, in blocks (b, lines)."""
    total, step = 1 << (lines - 1), max(1, _BLOCK // lines)
    shifts = np.arange(lines - 1)
    for start in range(0, total, step):
        codes = np.arange(start, min(start + step, total))
        bits = np.ones((codes.size, lines), dtype=bool)
        bits[:, :-1] = (codes[:, None] >> shifts) & 1
        yield bits
