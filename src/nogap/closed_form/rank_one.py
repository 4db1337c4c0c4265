"""Rank-one data without biases: two unit features with disjoint support."""

from __future__ import annotations

from typing import Any

import numpy as np

from nogap._typing import Array, ArrayLike
from nogap.certificate import Correlation
from nogap.closed_form import conditions
from nogap.closed_form.results import two_layer, without_intercept
from nogap.formulation import formulate
from nogap.problem import EPS
from nogap.solution import Solution
from nogap.units import ReLU


def rank_one(X: Any, y: ArrayLike, beta: float) -> Solution:
    """Best two-layer ReLU network for data ``X = c a'``, without biases, squared loss.

    Parameters
    ----------
    X : array (n, d)
        Of rank one: every row a multiple of one vector.
    y : array (n,) or (n, C)
    beta : float

    Returns
    -------
    Solution
        At most two neurons, ``a / ||a||`` and its opposite, proved optimal.

    Raises
    ------
    ValueError
        Data of higher rank: by how much.

    See Also
    --------
    one_dimensional : the same data with hidden biases that cost nothing, for ``x = c ||a||``.

    Notes
    -----
    The unit features ``||a|| max(c, 0)`` and ``||a|| max(-c, 0)`` have disjoint support, so each is
    shrunk alone: ``p* = 1/2 ||y||^2 - 1/2 sum (|phi'y| - beta)_+^2 / ||phi||^2``. Ergen and
    Pilanci, "Convex geometry and duality of over-parameterized neural networks" (JMLR 2021).

    Examples
    --------
    >>> solution = rank_one([[1.0, 0.0], [2.0, 0.0], [-1.0, 0.0]], [1.0, 2.0, 3.0], beta=1.0)
    >>> float(round(solution.objective, 12))
    3.4
    """
    rows = conditions.dense(X)
    problem = formulate(rows, y, beta=beta)
    factors = conditions.rank_one_factors(rows)
    features = np.maximum(factors.c[:, None] * np.array([1.0, -1.0]), 0.0)  # (n, 2)
    moments = features.T @ problem.Y  # (2, C)
    sizes = np.linalg.norm(moments, axis=1)
    kept = sizes > problem.beta
    squares = np.sum(features**2, axis=0)[kept]
    A = moments[kept] * ((sizes[kept] - problem.beta) / (squares * sizes[kept]))[:, None]
    U = np.array([[1.0], [-1.0]])[kept] * factors.a

    def correlate(V: Array) -> Correlation:
        largest = float(np.linalg.norm(features.T @ V, axis=1).max())
        norm = float(np.linalg.norm(V))
        rounding = 64 * EPS * sum(rows.shape) * norm * float(np.linalg.norm(factors.c))
        return Correlation(largest + factors.error * norm + rounding, "exact")

    return two_layer(problem, ReLU(), without_intercept(problem, U, A), correlate)
