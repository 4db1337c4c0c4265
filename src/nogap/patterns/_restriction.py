"""Cells of any arrangement, however degenerate, by deletion and restriction; no linear programs.

Adding hyperplane i to hyperplanes 1..i-1 cuts exactly the cells that it meets, one for each cell of
the arrangement that 1..i-1 leave on the hyperplane. So a witness w of every such restricted cell,
moved off the hyperplane to either side, gives a witness of every cell of the whole arrangement.
"Moved off" is symbolic: signs are those of x_j^T w, and where a hyperplane j holds the whole
subspace in which w was found, the sign of x_j^T x_i decides. No step length is ever chosen.

Functions here speak of cells *up to opposites* (a cell and its negative count as one) and give them
as signs: int8 (b, n), for all n rows of T, of which only those in `active` cut the space. Rows of T
have norm 1, or are zero where the current subspace lies in their hyperplane: their sign is then 0.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from nogap._typing import Array, BoolArray, IntArray
from nogap.patterns._lines import (
    TOLERANCE,
    complement_basis,
    unit_rows,
)
from nogap.patterns.packed import first_occurrences

SignArray = NDArray[np.int8]

_BLOCK = 1 << 20  # numbers in the largest array of a block

# A witness lies this far into its sector: at the midpoint it would meet other rows of tidy data.
_FRACTION = (3.0 - np.sqrt(5.0)) / 2.0


def restriction_cells(normals: Array, tolerance: float = TOLERANCE) -> Iterator[BoolArray]:
    """Yield cells in blocks of bits (b, m) for distinct unit rows `normals` (m, r).

    The blocks hold at least one of each pair of opposite cells, and often both or one twice; but
    the number of all rows yielded is the exact number of cells, opposites included.
    """
    lines, rank = normals.shape
    # A space with directions that no hyperplane cuts has the same cells.
    padded = np.hstack([normals, np.zeros((lines, max(0, 3 - rank)))])
    for signs in _cells(padded, np.arange(lines), tolerance):
        yield signs > 0


def _cells(T: Array, active: IntArray, tolerance: float) -> Iterator[SignArray]:
    """Signs of cells, each up to opposites at least once, found hyperplane by hyperplane."""
    if T.shape[1] == 3:
        yield from _cells_of_space(T, active, tolerance)
        return
    for i, row in enumerate(active):
        normal = T[row]
        restricted = T @ complement_basis(normal)
        contained = np.linalg.norm(restricted, axis=1) <= tolerance
        if contained[active[:i]].any():
            continue  # this hyperplane is already there and cuts nothing
        restricted[contained] = 0.0
        below = _distinct_cells(unit_rows(restricted), active[:i], tolerance)
        above = below.copy()
        side = np.sign(T[contained] @ normal).astype(np.int8)
        above[:, contained], below[:, contained] = side, -side
        yield np.concatenate([above, below])


def _distinct_cells(T: Array, active: IntArray, tolerance: float) -> SignArray:
    """Signs of the cells (h, n), each up to opposites exactly once."""
    if active.size <= T.shape[1]:
        normals = T[active]
        if active.size == 0 or np.linalg.svd(normals, compute_uv=False)[-1] > tolerance:
            return _orthants(T, active)
    cells = np.concatenate(list(_cells(T, active, tolerance)))
    cells *= cells[:, active[:1]]
    return cells[first_occurrences(np.packbits(cells[:, active] > 0, axis=1))]


def _orthants(T: Array, active: IntArray) -> SignArray:
    """Signs of the cells of independent active rows: every combination, up to opposites."""
    generator = np.random.default_rng(0)
    start = generator.standard_normal(T.shape[1])
    count = active.size
    if count == 0:
        return np.sign(T @ start).astype(np.int8)[None, :]
    signs = 1 - 2 * ((np.arange(1 << (count - 1))[:, None] >> np.arange(count)) & 1)
    heights = signs * generator.uniform(1.0, 2.0, size=count)  # unequal: off the other hyperplanes
    witnesses = start + (heights - T[active] @ start) @ np.linalg.pinv(T[active]).T
    cells = np.sign(witnesses @ T.T).astype(np.int8)
    cells[:, active] = signs
    return cells


def _cells_of_space(T: Array, active: IntArray, tolerance: float) -> Iterator[SignArray]:
    """Signs of cells in three dimensions, where all restrictions are planes: no recursion."""
    normals = T[active]
    first, second = _plane_bases(normals)  # (k, 3) each: bases of the planes x_i^T u = 0
    step = max(1, _BLOCK // T.shape[0])
    for start in range(0, active.size, step):
        stop = min(start + step, active.size)
        one, two = first[start:stop], second[start:stop]
        contained = np.hypot(one @ T.T, two @ T.T) <= tolerance  # (b, n)
        heights = np.where(contained, normals[start:stop] @ T.T, 0.0)
        sides = np.sign(heights).astype(np.int8)
        plane, angle = _sectors(one @ normals[:stop].T, two @ normals[:stop].T, tolerance)
        for where in range(0, plane.size, step):
            i, turn = plane[where : where + step], angle[where : where + step, None]
            witnesses = np.cos(turn) * one[i] + np.sin(turn) * two[i]
            signs = np.where(contained[i], 0, np.sign(witnesses @ T.T)).astype(np.int8)
            yield np.concatenate([signs + sides[i], signs - sides[i]])


def _plane_bases(normals: Array) -> tuple[Array, Array]:
    """Orthonormal bases, two arrays (k, 3), of the complements of the unit vectors (k, 3)."""
    least = np.eye(3)[np.abs(normals).argmin(axis=1)]
    first = unit_rows(np.cross(normals, least))
    return first, np.cross(normals, first)


def _sectors(first: Array, second: Array, tolerance: float) -> tuple[IntArray, Array]:
    """Planes and angles of one witness in each sector, up to opposites, of each plane.

    The rows of the two matrices (b, k) are the last b planes of k; the earlier hyperplane j cuts
    plane i in the line orthogonal to (first[i, j], second[i, j]).
    """
    planes, count = first.shape
    earlier = np.tri(planes, count, count - planes - 1, dtype=bool)
    repeated = (earlier & (np.hypot(first, second) <= tolerance)).any(axis=1, keepdims=True)
    cuts = np.where(earlier, np.mod(np.arctan2(second, first) + np.pi / 2, np.pi), np.inf)
    if planes == count:
        cuts[0, 0] = 0.0  # nothing cuts the very first plane: any cut gives its one witness
    cuts.sort(axis=1)
    last = np.maximum(np.arange(count - planes, count) - 1, 0)
    following = np.hstack([cuts[:, 1:], np.full((planes, 1), np.inf)])
    following[np.arange(planes), last] = cuts[:, 0] + np.pi
    with np.errstate(invalid="ignore"):
        gaps = following - cuts  # inf - inf behind the last cut
    kept = np.isfinite(gaps) & (gaps > tolerance) & ~repeated
    plane, sector = np.nonzero(kept)
    return plane, cuts[plane, sector] + _FRACTION * gaps[plane, sector]
