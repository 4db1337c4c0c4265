"""Rows in coordinates of the space that they span, one for each line, for branch and bound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nogap._typing import Array, IntArray
from nogap.patterns._lines import distinct_lines
from nogap.problem import EPS
from nogap.rows import Rows


class RowSpace:
    """Rows in an orthonormal basis of their span.

    Attributes
    ----------
    size : float
        Power of two by which the rows are divided, to keep squares within range.
    basis : array (r, d)
        Orthonormal.
    scale : array (r,)
        By which the coordinates are divided to make the rows white.
    Z : array (n, r)
        The rows in the basis.
    normals : array (m, r)
        One row for each line, in the basis.
    line, length : arrays (n,)
        Row i is ``length[i] * normals[line[i]]``, up to ``outside[i]``.
    """

    def __init__(self, rows: Rows) -> None:
        X = rows.take(np.arange(rows.n))
        self.size = float(np.ldexp(1.0, int(np.frexp(np.abs(X).max())[1])))
        self.X = X / self.size
        lines = distinct_lines(self.X)
        self.scale = 1.0 / np.linalg.norm(lines.lift, axis=0)
        self.basis = (lines.lift * self.scale).T
        self.Z = self.X @ self.basis.T
        norms = np.linalg.norm(self.X, axis=1)
        self.line: IntArray = lines.line
        length = np.zeros(rows.n)
        if len(lines):
            length = norms / norms[lines.representatives][lines.line]
        self.length = np.where(lines.flipped, -length, np.where(lines.zero, 0.0, length))
        self.normals = self.Z[lines.representatives]
        kept = (self.length[:, None] * self.normals[lines.line]) if len(lines) else 0.0 * self.Z
        self.outside = np.linalg.norm(self.X - kept @ self.basis, axis=1)

    @property
    def rank(self) -> int:
        return int(self.normals.shape[1])

    def side(self, v: Array) -> Side:
        """``v' relu(Z u)`` with the rows of a line taken together: relu(-z) = relu(z) - z."""
        m = self.normals.shape[0]
        share = v * np.abs(self.length)
        weights = np.bincount(self.line, weights=share, minlength=m)
        turned = np.bincount(self.line, weights=share * (self.length < 0), minlength=m)
        kept = np.flatnonzero(weights)
        return Side(weights[kept], self.normals[kept], -turned @ self.normals, kept)

    def features(self, t: Array, z: Array) -> Array:
        """Features (n,) of the rows, where those of the lines are t (m,) and relu(t) is z (m,)."""
        if not z.size:
            return np.zeros(self.line.size)
        signed = z[self.line] - (self.length < 0) * t[self.line]
        features: Array = np.abs(self.length) * signed
        return features

    def rounding(self, v: Array) -> float:
        """Sums over rows and columns in float64, and what the basis leaves out of each row."""
        norms = np.linalg.norm(self.X, axis=1)
        return float(np.abs(v) @ (8 * EPS * sum(self.X.shape) * norms + self.outside))


@dataclass(frozen=True)
class Side:
    """One sign of one dual point: ``h(u) = base' u + sum_i weights_i relu(normals_i' u)``.

    Attributes
    ----------
    weights : array (m,)
        Not zero; rows with positive weights pull, the others push back.
    normals : array (m, r)
    base : array (r,)
    lines : int array (m,)
        Which of the space's lines they are.
    """

    weights: Array
    normals: Array
    base: Array
    lines: IntArray

    def flipped(self) -> Side:
        """The other sign of the dual point."""
        return Side(-self.weights, self.normals, -self.base, self.lines)

    def trivial_bound(self) -> float:
        """An upper bound of h on the unit ball that costs nothing."""
        pull = np.maximum(self.weights, 0.0) @ np.linalg.norm(self.normals, axis=1)
        return float(np.linalg.norm(self.base) + pull)
