"""The exact oracle by faces: several outputs, weights for every patch, and max pooling.

On a cell of the arrangement of all kinks the correlation is ``||G' u||_2`` with a matrix
G (d, q C): cone-constrained principal components (Sahiner et al., ICLR 2021).  A maximiser lies in
the relative interior of one face of a cell, where it is a leading left singular vector of G
restricted to the face's span; if that singular value is multiple there, the maximiser can be moved
at no loss to a smaller face.  So the largest correlation is attained by the leading vector of some
face, with one of the two signs: arcs and rays in two dimensions.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from nogap._typing import Array, BoolArray, IntArray
from nogap.certificate import Correlation
from nogap.oracles.base import Candidates, distinct, never
from nogap.oracles.exact import merging_allowance
from nogap.patterns import enumerate_patterns, max_pattern_count
from nogap.patterns._lines import distinct_lines
from nogap.problem import EPS
from nogap.rows import Rows
from nogap.units import Unit
from nogap.units.readout import moments

MOST_FACES = 400_000
CHEAP_WORK = 3_000_000  # faces times rows that are gone through without being asked for
BLOCK = 4_000_000  # figures of a product
ZERO = 1e-10  # of a row of norm 1


def face_count(n_lines: int, rank: int) -> int:
    """Most faces of an arrangement; fewer if the lines are not in general position."""
    return sum(
        math.comb(n_lines, s) * max_pattern_count(n_lines - s, rank - s)
        for s in range(min(rank, n_lines + 1))
    )


@dataclass(frozen=True)
class _Flat:
    """Faces that span the same subspace: its basis (d, k), and the mask of each face."""

    basis: Array
    masks: BoolArray


class FaceOracle:
    """All faces of the arrangement of kinks, for small rank; any number of outputs.

    Parameters
    ----------
    rows : Rows
    unit : Unit
        A unit with kinks: ReLU, or convolutions of it.

    Raises
    ------
    ValueError
        More faces than can be gone through; the sentence says how many.
    """

    complete = True
    cut_short = False

    def __init__(self, rows: Rows, unit: Unit) -> None:
        self.should_stop: Callable[[], bool] = never
        self.unit = unit
        self.X = rows.take(np.arange(rows.n))
        self.allowance = merging_allowance(self.X)
        self.R = unit.arrangement(self.X)
        lines = distinct_lines(self.R)
        self.normals = _unit_rows(self.R[lines.representatives])
        rank = lines.rank
        faces = face_count(len(lines), rank)
        if faces > MOST_FACES:
            raise ValueError(
                f"the arrangement of {len(lines)} distinct kinks in {rank} dimensions has up to "
                f"{faces:,} faces, more than the {MOST_FACES:,} that can be gone through; use "
                "patterns='adaptive'"
            )
        _, _, Vt = np.linalg.svd(self.normals, full_matrices=False)
        self.space = Vt[:rank].T if len(lines) else np.zeros((self.X.shape[1], 0))  # (d, r)
        self.flats, self.rays = list(self._flats()), self._rays()

    def price(
        self, V: Array, count: int, starts: Array | None = None
    ) -> tuple[Candidates, Correlation]:
        """The best neurons over all faces, and q(V)."""
        norms = np.linalg.norm(self.X, axis=1)
        weights = self.unit.spread(np.linalg.norm(V, axis=1)[:, None], len(norms))
        weights = np.repeat(weights[:, 0], len(norms) // len(weights))
        rounding = float(weights @ (32 * EPS * sum(self.X.shape) * norms + self.allowance))
        directions = [self.rays, -self.rays]
        for flat in self.flats:
            directions += self._leading(flat, V)
        U = np.concatenate(directions)
        values = self._values(U, V)
        best = float(values.max(initial=0.0))
        kept = np.argsort(-values, kind="stable")[: 8 * count]
        found = distinct(Candidates.ungated(U[kept], values[kept]), count)
        return found, Correlation(best + rounding, "exact")

    def _leading(self, flat: _Flat, V: Array) -> list[Array]:
        """Leading vectors of the faces of a flat, with both signs."""
        n, C = V.shape
        K, d = len(self.X) // n, self.X.shape[1]
        q = self.unit.readouts
        projected = (self.X @ flat.basis).reshape(n, K, -1)  # (n, K, k)
        found: list[Array] = []
        for masks in _blocks(flat.masks, BLOCK // max(len(self.X) * C, 1)):
            masked = masks.reshape(-1, n, K).astype(np.float64)
            if q == 1:
                G = np.einsum("pnk,nkr,nc->prc", masked, projected, V, optimize=True)
            else:
                G = np.einsum("pnk,nkr,nc->prkc", masked, projected, V, optimize=True)
                G = G.reshape(len(masks), -1, q * C)
            if G.shape[2] == 1:
                leading = G[:, :, 0]
            else:
                leading = np.linalg.eigh(G @ G.transpose(0, 2, 1))[1][:, :, -1]
            U = leading @ flat.basis.T
            sizes = np.linalg.norm(U, axis=1)
            U = U[sizes > 0] / sizes[sizes > 0, None]
            found += [U, -U]
        return found or [np.zeros((0, d))]

    def _values(self, U: Array, V: Array) -> Array:
        values = np.zeros(len(U))
        gate = np.zeros(1, dtype=np.intp)
        start = 0
        for block in _blocks(U, max(BLOCK // len(self.X), 1)):
            Z = self.X @ block.T
            self.unit.activate(Z, np.repeat(gate, len(block)))
            M = moments(self.unit.pool(Z, len(V)), V)
            values[start : start + len(block)] = np.linalg.norm(M, axis=1)
            start += len(block)
        return values

    # -- the faces ---------------------------------------------------------------------------

    def _flats(self) -> Iterator[_Flat]:
        """Subspaces of two dimensions and more where kinks meet, the whole space first."""
        rank = self.space.shape[1]
        normals = self.normals @ self.space
        seen: set[bytes] = set()
        for s in range(max(rank - 1, 0)):
            for subset in itertools.combinations(range(len(normals)), s):
                basis = _orthogonal(normals[list(subset)], rank)
                if basis.shape[1] != rank - s:
                    continue
                vanishing = np.linalg.norm(normals @ basis, axis=1) <= ZERO
                if vanishing.tobytes() in seen:
                    continue
                seen.add(vanishing.tobytes())
                yield self._flat(self.space @ basis)

    def _flat(self, basis: Array) -> _Flat:
        inner = self.R @ basis
        size = np.linalg.norm(self.R, axis=1, keepdims=True)
        inner[np.linalg.norm(inner, axis=1, keepdims=True)[:, 0] <= ZERO * size[:, 0]] = 0.0
        patterns = enumerate_patterns(inner)
        return _Flat(basis, self.unit.masks_of(patterns, len(self.X)))

    def _rays(self) -> Array:
        """The lines (k, d) in which the kinks meet; both directions are rays."""
        rank = self.space.shape[1]
        if rank == 0:
            return np.zeros((0, self.space.shape[0]))
        if rank == 1:
            return self.space.T
        normals = self.normals @ self.space
        rays = []
        for subsets in _combinations(len(normals), rank - 1, BLOCK // (rank * rank)):
            _, sizes, Vt = np.linalg.svd(normals[subsets], full_matrices=True)
            rays.append(Vt[sizes[:, -1] > ZERO, -1])
        result: Array = np.concatenate(rays) @ self.space.T
        return result


def _combinations(n: int, s: int, size: int) -> Iterator[IntArray]:
    """Index arrays (k, s) of the subsets of s among n, a block at a time."""
    subsets = itertools.combinations(range(n), s)
    while block := list(itertools.islice(subsets, max(size, 1))):
        yield np.array(block, dtype=np.intp)


def _orthogonal(rows: Array, d: int) -> Array:
    """Orthonormal basis (d, k) of what is orthogonal to the rows."""
    if not len(rows):
        return np.eye(d)
    _, sizes, Vt = np.linalg.svd(rows, full_matrices=True)
    basis: Array = Vt[int(np.sum(sizes > ZERO)) :].T
    return basis


def _blocks(rows: Array, size: int) -> Iterator[Array]:
    for start in range(0, len(rows), max(size, 1)):
        yield rows[start : start + max(size, 1)]


def _unit_rows(rows: Array) -> Array:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Array = rows / np.where(norms > 0, norms, 1.0)
    return unit
