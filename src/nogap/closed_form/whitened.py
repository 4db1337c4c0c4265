"""Whitened data, ``XX' = c^2 I``: a ReLU feature can be any non-negative vector."""

from __future__ import annotations

from typing import Any

import numpy as np

from nogap._typing import Array, ArrayLike, BoolArray
from nogap.certificate import Correlation
from nogap.closed_form import conditions
from nogap.closed_form.results import two_layer, without_intercept
from nogap.formulation import formulate
from nogap.oracles.whitened import WhitenedOracle
from nogap.problem import EPS
from nogap.solution import Solution, Status
from nogap.units import ReLU

NEGATIVE = 1e-9  # share of a unit vector below which an entry counts as rounding


def whitened(X: Any, Y: ArrayLike, beta: float) -> Solution:
    """Best two-layer ReLU network for whitened rows, ``XX' = c^2 I``, squared loss.

    Parameters
    ----------
    X : array (n, d)
        At most as many rows as columns, orthogonal and of equal length.
    Y : array (n,) or (n, C)
        One output, one-hot labels, or any targets.
    beta : float

    Returns
    -------
    Solution
        Status ``OPTIMAL`` for one output, for one-hot labels, and wherever the left singular
        vectors of Y that survive are one-signed; otherwise ``BOUND``: the nuclear norm bounds the
        optimum from below, and the network splits each vector into its positive and its negative
        part (:func:`nogap.train` finds a better one).

    Raises
    ------
    ValueError
        Rows that are not orthogonal or not of equal length: where and by how much.

    Notes
    -----
    One output: the positive and the negative part of y are shrunk by ``beta / c`` each. Several:
    ``F = sum_k (sigma_k - beta / c)_+ a_k b_k'`` over the singular triples of Y, one neuron each.
    Ergen and Pilanci (ICML 2021), Theorem 4 for two layers; Sahiner et al. (ICLR 2021).

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.eye(2)[[0, 0, 1]]  # one-hot, two samples of class 0
    >>> solution = whitened(np.eye(3), labels, beta=0.5)
    >>> float(round(solution.objective, 6)), str(solution.status)
    (0.957107, 'optimal')
    """
    rows = conditions.dense(X)
    problem = formulate(rows, Y, beta=beta)
    scale = conditions.whitened_rows(rows)
    oracle = WhitenedOracle(problem.rows)
    if problem.n_outputs == 1:
        parts = np.maximum(problem.Y * np.array([[1.0, -1.0]]), 0.0)  # (n, 2)
        outputs = np.array([[1.0], [-1.0]])
    else:
        parts, outputs = _singular_parts(problem.Y, problem.beta / scale)
    sizes = np.linalg.norm(parts, axis=0)
    kept = sizes > (problem.beta / scale if problem.n_outputs == 1 else 0.0)
    shrunk = sizes[kept] - (problem.beta / scale if problem.n_outputs == 1 else 0.0)
    U = (rows.T @ (parts[:, kept] / sizes[kept])).T / scale  # unit rows: X u = scale * part
    neurons = without_intercept(problem, U, outputs[kept] * (shrunk / scale)[:, None])

    def correlate(V: Array) -> Correlation:
        if V.shape[1] == 1:
            return oracle.price(V, 1)[1]
        return _nuclear_correlation(V, oracle.longest)

    return two_layer(problem, ReLU(), neurons, correlate, otherwise=Status.BOUND)


def _singular_parts(Y: Array, threshold: float) -> tuple[Array, Array]:
    """Non-negative features (n, m) and unit outputs (m, C) of the soft-thresholded targets.

    The features carry the sizes. Equal singular values leave their vectors free: orthogonal
    non-negative columns, as one-hot labels have, are taken as they are.
    """
    if _orthogonal_nonnegative(Y):
        sizes = np.linalg.norm(Y, axis=0)
        kept = sizes > threshold
        return Y[:, kept] * (1 - threshold / sizes[kept]), np.eye(Y.shape[1])[kept]
    left, sizes, right = np.linalg.svd(Y, full_matrices=False)
    kept = sizes > threshold
    A, B = left[:, kept], right[kept]
    parts = np.concatenate([np.maximum(A, 0.0), np.maximum(-A, 0.0)], axis=1)
    parts[parts < NEGATIVE] = 0.0
    weight = np.tile(sizes[kept] - threshold, 2)
    return parts * weight, np.concatenate([B, -B])


def _orthogonal_nonnegative(Y: Array) -> BoolArray | bool:
    gram = Y.T @ Y
    return bool(Y.min() >= 0 and np.all(gram == np.diag(np.diag(gram))))


def _nuclear_correlation(V: Array, longest: float) -> Correlation:
    """``max ||V'z||`` over non-negative unit z is at most the largest singular value of V.

    Attained, hence exact, where the singular vector of that value is one-signed.
    """
    left, sizes, _ = np.linalg.svd(V, full_matrices=False)
    largest = float(sizes[0]) * (1 + (64 + sum(V.shape)) * EPS)
    top = left[:, 0]
    attained = max(top.max(), -top.min()) > 0 and min(top.max(), -top.min()) <= NEGATIVE
    return Correlation(longest * largest, "exact" if attained else "bound")
