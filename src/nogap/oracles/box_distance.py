"""Many small projections at once: distances from points to a zonotope or a cone.

For centres c_k (K, d) and generators x_j with coefficients in [0, h_kj], the residual
``r_k = c_k + sum_j s_kj lam_kj x_j`` of least norm.  Every feasible lam gives ``||r_k||`` as a
rigorous upper bound of the minimum, and the minimiser's direction attains it; so a batch can be
swept cheaply by coordinate descent, pruned against the best value found, and the few survivors
solved exactly.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from nogap._typing import Array, BoolArray


def sweep(
    residual: Array, coefficients: Array, signs: Array | None, generators: Array, upper: Array
) -> None:
    """One coordinate-descent sweep over all generators, for all centres at once, in place.

    Parameters
    ----------
    residual : array (K, d)
    coefficients : array (K, N)
    signs : array (K, N) of -1 and 1, or None for -1 everywhere
    generators : array (N, d)
    upper : array (N,)
        Upper bounds of the coefficients; ``inf`` for a cone.
    """
    norms = np.einsum("jd,jd->j", generators, generators)
    for j in range(generators.shape[0]):
        if norms[j] == 0:
            continue
        slope = residual @ generators[j]
        if signs is None:
            new = np.clip(coefficients[:, j] + slope / norms[j], 0.0, upper[j])
            residual -= np.multiply.outer(new - coefficients[:, j], generators[j])
        else:
            sign = signs[:, j]
            new = np.clip(coefficients[:, j] - sign * slope / norms[j], 0.0, upper[j])
            residual += np.multiply.outer(sign * (new - coefficients[:, j]), generators[j])
        coefficients[:, j] = new


def cone_projection(centre: Array, generators: Array) -> Array:
    """Projection of c onto the cone {u: generators u >= 0}: ``c + G' lam`` with lam by NNLS."""
    lam, _ = nnls(generators.T, -centre, maxiter=30 * generators.shape[0])
    residual: Array = centre + generators.T @ lam
    return residual


def active_signs(patterns: BoolArray) -> Array:
    """2 D - 1 as floats."""
    return np.where(patterns, 1.0, -1.0)
