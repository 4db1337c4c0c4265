"""Deep ReLU networks with closed forms: rank-one data, and whitened data with one-hot labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from nogap._typing import Array, ArrayLike
from nogap._validation import as_array, check_beta
from nogap.closed_form import conditions
from nogap.closed_form.radius import (
    Tangent,
    minimise_over_radius,
    shrink_by_power,
    shrinkage_objective,
)
from nogap.closed_form.results import (
    CLOSED,
    SINGULAR_VALUES,
    below,
    deep,
    diagonal_layers,
    reduced,
    weight_decay,
)
from nogap.formulation import formulate
from nogap.losses import Multinomial
from nogap.networks.deep import DeepNetwork
from nogap.solution import Solution, Status

NUCLEAR_BOUND = "proved; weight decay is at least a power of the nuclear norm of the outputs"


def deep_relu_rank_one(X: Any, y: ArrayLike, beta: float, depth: int) -> Solution[DeepNetwork]:
    """Best ReLU network with ``depth`` layers for data ``X = c a'`` with c >= 0, squared loss.

    Minimises ``1/2 ||f(X) - Y||_F^2 + beta / 2 sum_l ||W_l||_F^2``.

    Parameters
    ----------
    X : array (n, d)
        Rows that are non-negative multiples of one vector (or all non-positive).
    y : array (n,) or (n, C)
    beta : float
    depth : int
        L, the number of weight layers, at least 2.

    Returns
    -------
    Solution
        A :class:`~nogap.DeepNetwork` of width one, ``W_l = t phi_{l-1} phi_l'`` with equal norms t;
        the global optimum for every depth (status ``OPTIMAL_BY_REDUCTION``). Where beta is so small
        that a network could fit with what X deviates from rank one, a lower bound that allows for
        that (status ``BOUND``, kind "bound").

    Raises
    ------
    ValueError
        Rank above one, rows of both signs, depth below 2: by how much.

    Notes
    -----
    The network is positively homogeneous, so on such data it is ``c ||a||`` times its output at
    ``a / ||a||``, whose norm s costs weight decay ``L / 2 s^(2/L)`` at least. What is left is
    ``min_s 1/2 (||c|| ||a|| s - ||c'Y|| / ||c||)^2 + beta L / 2 s^(2/L)`` with the zero network as
    one candidate. Ergen and Pilanci (ICML 2021).

    Examples
    --------
    >>> solution = deep_relu_rank_one([[1.0], [2.0]], [1.0, 2.0], beta=0.1, depth=3)
    >>> [round(float(W[0, 0]), 4) for W in solution.network.weights]
    [0.9932, 0.9932, 0.9932]
    """
    depth, beta = conditions.check_depth(depth), check_beta(beta)
    rows = conditions.dense(X)
    Y = formulate(rows, y, beta=beta).Y
    factors = conditions.one_signed(conditions.rank_one_factors(rows))
    length = float(np.linalg.norm(factors.c)) or 1.0  # zero data: any will do
    slope = factors.c @ Y / length  # (C,)
    wanted = float(np.linalg.norm(slope))
    # in units of the output at the rows: s = g / length
    inner = beta * length ** (-2.0 / depth)
    best = shrink_by_power(np.array([wanted]), inner, depth)
    direction = slope / wanted if wanted > 0 else np.eye(Y.shape[1])[0]
    network = diagonal_layers(factors.a[:, None], best / length, direction[:, None], depth, "relu")
    total = float(np.sum(Y**2))
    value = 0.5 * (total - wanted**2) + shrinkage_objective(np.array([wanted]), best, inner, depth)
    return reduced(
        rows,
        Y,
        network,
        beta=beta,
        bound=below(value, total),
        missed=float(np.linalg.norm(Y - np.outer(factors.c / length, slope))),
        deviation=conditions.rank_one_deviation(rows, factors),
        proof=SINGULAR_VALUES,
        exactly=lambda: conditions.on_one_ray(rows),
    )


def deep_relu_whitened(X: Any, Y: ArrayLike, beta: float, depth: int) -> Solution[DeepNetwork]:
    """The class-wise ReLU network with ``depth`` layers for whitened rows and one-hot labels.

    Parameters
    ----------
    X : array (n, d)
        ``XX' = c^2 I``: at most as many rows as columns, orthogonal and of equal length.
    Y : array (n, C) one-hot, or (n,) class indices
    beta : float
        Weight of ``1/2 sum_l ||W_l||_F^2`` for sums over samples.
    depth : int
        L, the number of weight layers, at least 2.

    Returns
    -------
    Solution
        A :class:`~nogap.DeepNetwork` with one neuron a class in every layer. For L = 2 it is the
        global optimum (``OPTIMAL``). For L >= 3 it is a stationary construction (``CONSTRUCTION``)
        with the lower bound of the nuclear norm, kind "bound"; from L = 5 on better networks are
        known (five layers, ``X = Y = I_6``, beta 0.02: 0.2740 against 0.2988). Where the two meet,
        as they do for the zero network at a large beta, it is proved (``OPTIMAL``).

    Raises
    ------
    ValueError
        Rows that are not whitened, labels that are not one-hot, depth below 2.

    Notes
    -----
    Class k with n_k samples has the output ``s_k`` along its normalised indicator, with s_k the
    minimiser of ``1/2 (s - sqrt(n_k))^2 + beta L / 2 s^(2/L)`` (for c = 1), or 0. The printed
    ``sqrt(n_k) - beta`` of Ergen and Pilanci (ICML 2021, Theorem 4) holds for two layers only. The
    lower bound: weight decay of L layers is at least ``L / 2 (||F||_* / c)^(2/L)``.

    Examples
    --------
    >>> import numpy as np
    >>> solution = deep_relu_whitened(np.eye(4), [0, 0, 1, 1], beta=0.1, depth=3)
    >>> print(solution.status, solution.certificate.kind)
    construction bound
    """
    depth, beta = conditions.check_depth(depth), check_beta(beta)
    rows = conditions.dense(X)
    labels = Multinomial().encode(as_array(Y, "Y"))
    formulate(rows, labels, beta=beta)  # as many labels as rows
    scale = conditions.whitened_rows(rows)
    sizes = np.sqrt(labels.sum(axis=0))
    present = sizes > 0
    units = labels[:, present] / sizes[present]
    inner = beta * scale ** (-2.0 / depth)
    shrunk = shrink_by_power(sizes[present], inner, depth)
    network = diagonal_layers(
        rows.T @ units / scale, shrunk / scale, np.eye(labels.shape[1])[:, present], depth, "relu"
    )
    penalty = weight_decay(network)
    longest = float(np.linalg.norm(rows, 2))
    lower = _nuclear_bound(labels, beta * longest ** (-2.0 / depth), depth)
    value = 0.5 * float(np.sum((labels - network.decision(rows)) ** 2)) + beta * penalty
    closed = value - lower <= CLOSED * value
    return deep(
        rows,
        labels,
        network,
        beta=beta,
        penalty=penalty,
        lower_bound=lower,
        status=Status.OPTIMAL if closed else Status.CONSTRUCTION,
        proof=NUCLEAR_BOUND,
        kind="exact" if closed and depth == 2 else "bound",
    )


def _nuclear_bound(Y: Array, beta: float, depth: int) -> float:
    """``min_F 1/2 ||F - Y||_F^2 + beta L / 2 ||F||_*^(2/L)``, from below."""
    sizes = np.sort(np.linalg.svd(Y, compute_uv=False))[::-1]
    sums = np.cumsum(sizes)

    def tangent(radius: float) -> Tangent:
        if radius >= sums[-1]:
            return Tangent(radius, 0.0, 0.0)
        # the threshold at which the singular values left sum up to the radius
        candidates = (sums - radius) / np.arange(1, sizes.size + 1)
        threshold = float(np.max(candidates))
        kept = np.maximum(sizes - threshold, 0.0)
        return Tangent(float(kept.sum()), 0.5 * float(np.sum((sizes - kept) ** 2)), -threshold)

    return minimise_over_radius(tangent, float(sums[-1]), beta, depth).lower_bound
