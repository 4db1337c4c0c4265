"""The largest singular value of the rows, from a Gram matrix of the smaller side."""

from __future__ import annotations

import math

import numpy as np

from nogap._typing import Array
from nogap.rows.base import Rows

EPS = float(np.finfo(np.float64).eps)


def largest_singular_value(rows: Rows) -> float:
    """``sigma_max(X)``, never too small; rows on disk are read part by part."""
    if rows.n <= rows.d:
        X = rows.take(np.arange(rows.n))
        gram: Array = X @ X.T
    else:
        gram = np.zeros((rows.d, rows.d))
        for _, part in rows.parts:
            gram += part.adjoint(part.take(np.arange(part.n)))
    allowance = 8 * EPS * (rows.n + rows.d) * float(np.trace(gram))
    largest = float(np.linalg.eigvalsh(gram)[-1])
    return math.sqrt(max(largest, 0.0) + allowance)
