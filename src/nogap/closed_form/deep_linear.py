"""Deep linear networks: one unknown for one output, one a singular value for whitened data."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from nogap._typing import Array, ArrayLike
from nogap._validation import as_float, check_beta
from nogap.closed_form import conditions
from nogap.closed_form.linear import Ridge, interpolating_weights, linear
from nogap.closed_form.radius import minimise_over_radius, shrink_by_power, shrinkage_objective
from nogap.closed_form.results import (
    DUAL_POINT,
    ONE_UNKNOWN,
    SINGULAR_VALUES,
    below,
    deep,
    diagonal_layers,
    interpolation_status,
    parallel_penalty,
    reduced,
    weight_decay,
)
from nogap.formulation import formulate
from nogap.networks.deep import DeepNetwork
from nogap.problem import EPS
from nogap.solution import Solution, Status


def deep_linear(
    X: Any, Y: ArrayLike, beta: float, depth: int, *, parallel: bool = False
) -> Solution[DeepNetwork]:
    """Best linear network with ``depth`` layers for the squared loss.

    Minimises ``1/2 ||X W_1 ... W_L - Y||_F^2 + beta / 2 sum_l ||W_l||_F^2``, which is
    ``1/2 ||X W - Y||_F^2 + beta L / 2 sum_k sigma_k(W)^(2/L)``: not convex for L >= 3, where zero
    is always a local minimum. With ``beta=0`` the least weight decay among all that interpolate.

    Parameters
    ----------
    X : array (n, d)
        Any data for one output; for several, data whose non-zero singular values are equal (X'X or
        XX' a multiple of the identity), unless ``parallel``.
    Y : array (n,) or (n, C)
    beta : float
        Zero, or the weight of the penalty for sums over samples.
    depth : int
        L, the number of weight layers, at least 2.
    parallel : bool
        Several sub-networks of L layers side by side with the penalty
        ``beta / L sum_k sum_l ||W_{l,k}||_F^L``; that problem is convex, with penalty
        ``beta ||W||_*``, for any data.

    Returns
    -------
    Solution
        A linear :class:`~nogap.DeepNetwork` whose layers have equal norms. Status
        ``OPTIMAL_BY_REDUCTION`` for L >= 3: the single unknown that is left (the norm of w, or each
        singular value) is settled globally, the zero network included. ``BOUND``, kind "bound",
        where beta is so small that a network could fit with the rounding of X, with singular values
        that count as zero. ``OPTIMAL``, with a dual
        certificate, for L = 2 and for parallel sub-networks, which are the diagonal of the hidden
        layers.

    Raises
    ------
    ValueError
        Depth below 2; several outputs with data that are not whitened, and by how much.

    Notes
    -----
    Ergen and Pilanci, "Revealing the structure of deep neural networks via convex duality" (ICML
    2021), with the norm of the layers settled by an enclosure in one unknown; Wang, Ergen and
    Pilanci, "Parallel deep neural networks have zero duality gap" (ICLR 2023).

    Examples
    --------
    >>> import numpy as np
    >>> solution = deep_linear(np.eye(2), [3.0, 4.0], beta=1.0, depth=3)
    >>> [float(np.linalg.norm(W).round(6)) for W in solution.network.weights]
    [1.637306, 1.637306, 1.637306]
    >>> print(solution.status)
    optimal_by_reduction
    """
    depth = conditions.check_depth(depth)
    rows = conditions.dense(X)
    targets = formulate(rows, Y, beta=1.0).Y
    if as_float(beta) == 0:
        return _minimum_norm(rows, targets, depth, parallel)
    beta = check_beta(beta)
    if parallel or depth == 2:
        return _convex(rows, targets, beta, depth, parallel)
    if targets.shape[1] == 1:
        return _one_output(rows, targets, beta, depth)
    return _several_outputs(rows, targets, beta, depth)


def _one_output(X: Array, Y: Array, beta: float, depth: int) -> Solution[DeepNetwork]:
    ridge = Ridge(X, Y[:, 0])
    found = minimise_over_radius(ridge.tangent, ridge.largest, beta, depth)
    w = np.zeros(X.shape[1])
    if found.radius > 0:
        w = ridge.weights(_settled_multiplier(ridge, found.radius, beta, depth))
    otherwise = -math.inf
    if ridge.full_rank:  # a deviation is a factor 1 + eta of the outputs or of the weights
        eta = ridge.deviation / float(ridge.sizes[-1])
        otherwise = found.lower_bound - 4 * eta * float(np.sum(Y**2))
    return reduced(
        X,
        Y,
        _layers(w[:, None], depth),
        beta=beta,
        bound=found.lower_bound,
        missed=math.sqrt(2.0 * ridge.missed),
        deviation=ridge.deviation,
        proof=ONE_UNKNOWN,
        otherwise=otherwise,
        exactly=lambda: ridge.sizes.size == 1 and conditions.exactly_rank_one(X),
    )


def _settled_multiplier(ridge: Ridge, radius: float, beta: float, depth: int) -> float:
    """``beta t^(2-L)`` with ``t^L = ||w||``, iterated to the last digits near the radius found."""
    best = beta * radius ** (2.0 / depth - 1.0)
    for _ in range(20):
        norm = float(np.linalg.norm(ridge.weights(best)))
        if abs(norm - radius) > 1e-3 * radius:  # the iteration is leaving: keep what was found
            return float(-ridge.tangent(radius).slope)
        best = beta * norm ** (2.0 / depth - 1.0)
    return best


def _several_outputs(X: Array, Y: Array, beta: float, depth: int) -> Solution[DeepNetwork]:
    data = conditions.isometry(X)
    P, sizes, Qt = np.linalg.svd(data.left.T @ Y, full_matrices=False)
    shrunk_beta = beta * data.scale ** (-2.0 / depth)
    shrunk = shrink_by_power(sizes, shrunk_beta, depth)
    network = diagonal_layers(data.right @ P, shrunk / data.scale, Qt.T, depth, "linear")
    missed = 0.5 * float(np.sum((Y - data.left @ (data.left.T @ Y)) ** 2))
    value = missed + shrinkage_objective(sizes, shrunk, shrunk_beta, depth)
    total = float(np.sum(Y**2))
    return reduced(
        X,
        Y,
        network,
        beta=beta,
        bound=below(value, total) - 4 * data.spread * total,
        missed=math.sqrt(2.0 * missed),
        deviation=data.cut,
        proof=SINGULAR_VALUES,
        exactly=lambda: data.left.shape[1] == 1 and conditions.exactly_rank_one(X),
    )


def _convex(X: Array, Y: Array, beta: float, depth: int, parallel: bool) -> Solution[DeepNetwork]:
    """Two layers, or parallel sub-networks: the nuclear norm with its dual certificate."""
    solved = linear(X, Y, beta)
    network = _layers(solved.network.hidden_weights.T @ solved.network.output_weights, depth)
    return deep(
        X,
        Y,
        network,
        beta=beta,
        penalty=parallel_penalty(network) if parallel else weight_decay(network),
        lower_bound=solved.certificate.lower_bound,
        status=solved.status,
        proof=DUAL_POINT,
    )


def _minimum_norm(X: Array, Y: Array, depth: int, parallel: bool) -> Solution[DeepNetwork]:
    """``X^+ Y``: no interpolating W has a smaller singular value anywhere in the list."""
    W = interpolating_weights(X, Y)
    network = _layers(W, depth)
    norm = parallel_penalty(network) if parallel else weight_decay(network)
    solved = linear(X, Y, 0)
    sizes = np.linalg.svd(W, compute_uv=False)
    sizes = np.maximum(sizes - _uncertainty(X, Y, W), 0.0)  # none is further from the true one
    least = float(sizes.sum()) if parallel else 0.5 * depth * float(np.sum(sizes ** (2.0 / depth)))
    certificate = replace(
        solved.certificate, objective=norm, lower_bound=below(least, least), proof=SINGULAR_VALUES
    )
    proved = Status.OPTIMAL if parallel or depth == 2 else Status.OPTIMAL_BY_REDUCTION
    return Solution(network, norm, certificate, interpolation_status(certificate, proved))


def _uncertainty(X: Array, Y: Array, W: Array) -> float:
    """How far in norm the computed ``X^+ Y`` can be from the true one: X^+ times its error."""
    spectrum = np.linalg.svd(X, compute_uv=False)
    kept = spectrum[spectrum > EPS * max(X.shape) * spectrum[0]]  # as least squares counts the rank
    if kept.size == 0:
        return 0.0
    largest, least, size = float(kept[0]), float(kept[-1]), float(np.linalg.norm(W))
    rounding = 8 * EPS * sum(X.shape) * (largest * size + float(np.linalg.norm(Y)))
    return (float(np.linalg.norm(X @ W - Y)) + rounding) / least


def _layers(W: Array, depth: int) -> DeepNetwork:
    """W (d, C) as L layers of equal norms along its singular vectors."""
    P, sizes, Qt = np.linalg.svd(W, full_matrices=False)
    sizes = np.where(sizes > 1e-14 * sizes[0], sizes, 0.0)
    return diagonal_layers(P, sizes, Qt.T, depth, "linear")
