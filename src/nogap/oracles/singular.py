"""Linear convolutions: the dual correlation is a largest singular value, in closed form."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nogap._typing import Array
from nogap.certificate import Correlation
from nogap.oracles.base import Candidates, distinct, never
from nogap.problem import EPS
from nogap.rows import Rows
from nogap.units import Convolution


class SingularOracle:
    """``max_{||u|| <= 1} ||M' u||_2 = sigma_max(M)``, M (h, q C) the moments of patches with V.

    Parameters
    ----------
    rows : Rows
    unit : Convolution
        Linear; untied filters have one M for each position.
    """

    complete = True
    cut_short = False

    def __init__(self, rows: Rows, unit: Convolution) -> None:
        self.should_stop: Callable[[], bool] = never
        self.rows, self.unit = rows, unit

    def price(
        self, V: Array, count: int, starts: Array | None = None
    ) -> tuple[Candidates, Correlation]:
        """The singular vectors, best first, and the largest singular value."""
        M, sums = self._moments(V)
        found = []
        if self.unit.tied:
            left, sizes, _ = np.linalg.svd(M, full_matrices=False)
            found.append(Candidates.ungated(left.T, sizes))
        else:
            for k, support in enumerate(self.unit.supports):
                left, sizes, _ = np.linalg.svd(M[support], full_matrices=False)
                directions = np.zeros((sizes.size, M.shape[0]))
                directions[:, support] = left.T
                found.append(Candidates(directions, sizes, np.full(sizes.size, k, dtype=np.intp)))
        candidates = Candidates(
            np.concatenate([c.directions for c in found]),
            np.concatenate([c.values for c in found]),
            np.concatenate([c.gate for c in found]),
        )
        rounding = 8 * EPS * (self.rows.n + M.shape[0]) * sums
        largest = float(candidates.values.max(initial=0.0)) + rounding
        return distinct(candidates, count), Correlation(largest, "exact")

    def _moments(self, V: Array) -> tuple[Array, float]:
        """M (d, q C), and a sum of norms that bounds the rounding of its singular values."""
        d, K = self.rows.d, self.rows.n_positions
        M = np.zeros((K if self.unit.readouts > 1 else 1, d, V.shape[1]))
        sums = 0.0
        for part, piece in self.rows.parts:
            patches = piece.take(np.arange(piece.n)).reshape(piece.n, K, d)
            if self.unit.readouts == 1:
                patches = patches.sum(axis=1, keepdims=True)
            M += np.tensordot(patches, V[part], axes=(0, 0))
            sums += float(
                np.linalg.norm(patches, axis=2).sum(axis=1) @ np.linalg.norm(V[part], axis=1)
            )
        return M.transpose(1, 0, 2).reshape(d, -1), sums
