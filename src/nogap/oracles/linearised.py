"""The second-order cone oracle: rows that pull are linearised, rows that push back are kept.

For one sign of V,

    max_{||u|| <= 1} sum_{v_i > 0} v_i x_i' u - sum_{v_i < 0} |v_i| relu(x_i' u)
        = min_{0 <= mu <= |v_-|} || X_+' v_+ - X_-' mu ||_2,

a convex problem whose value is a *lower* bound of the dual correlation: exact for whitened rows,
at least ``1 / cond(X)`` of it for linearly independent rows, and as little as nothing otherwise.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nogap._typing import Array
from nogap.certificate import Correlation
from nogap.oracles.base import Candidates, distinct, empty, never
from nogap.oracles.zonotope import nearest
from nogap.rows import Rows


class LinearisedOracle:
    """Both signs of V (n, 1); proves nothing, so its kind is "search".

    Parameters
    ----------
    rows : Rows
    """

    complete = False
    cut_short = False

    def __init__(self, rows: Rows) -> None:
        self.should_stop: Callable[[], bool] = never
        self.X = rows.take(np.arange(rows.n))

    def price(
        self, V: Array, count: int, starts: Array | None = None
    ) -> tuple[Candidates, Correlation]:
        """The two directions and the active ones, with the correlations that they attain."""
        directions = [self.residual(sign * V[:, 0])[None] for sign in (1.0, -1.0)]
        if starts is not None:
            directions.append(starts)
        U = np.concatenate(directions)
        norms = np.linalg.norm(U, axis=1)
        U = U[norms > 0] / norms[norms > 0, None]
        if not len(U):
            return empty(self.X.shape[1]), Correlation(0.0, "search")
        values = np.abs(V[:, 0] @ np.maximum(self.X @ U.T, 0.0))
        found = distinct(Candidates.ungated(U, values), count)
        return found, Correlation(found.best, "search")

    def residual(self, v: Array) -> Array:
        """The shortest vector (d,); its length is the value of the linearised problem."""
        pulls, pushes = v > 0, v < 0
        centre = v[pulls] @ self.X[pulls]
        rows, weights = self.X[pushes], -v[pushes]
        if not len(rows):
            return centre
        start = (rows @ centre > 0).astype(np.float64)
        _, r = nearest(centre, rows, weights, start)
        return r
