"""Two-layer linear networks: one group for one output, a nuclear norm for several."""

from __future__ import annotations

from typing import Any

import numpy as np

from nogap._typing import Array, ArrayLike
from nogap._validation import as_float
from nogap.closed_form import conditions
from nogap.closed_form.nuclear import nuclear_least_squares
from nogap.closed_form.radius import Tangent
from nogap.closed_form.results import (
    interpolation_certificate,
    interpolation_status,
    two_layer,
    without_intercept,
)
from nogap.formulation import formulate, to_network
from nogap.oracles.patterns import GatedOracle
from nogap.problem import EPS, Problem
from nogap.solution import Solution
from nogap.units import Linear


def linear(X: Any, Y: ArrayLike, beta: float) -> Solution:
    """Best two-layer linear network, ``f(x) = W_2' W_1' x``, for the squared loss.

    Minimises ``1/2 ||X W - Y||_F^2 + beta ||W||_*`` over ``W = W_1 W_2``, which is what weight
    decay ``beta / 2 (||W_1||^2 + ||W_2||^2)`` comes to; with ``beta=0`` the nuclear norm among all
    W that interpolate.

    Parameters
    ----------
    X : array (n, d)
    Y : array (n,) or (n, C)
    beta : float
        Zero, or the weight of the penalty for sums over samples.

    Returns
    -------
    Solution
        A linear :class:`~nogap.Network` with balanced factors ``P S^(1/2)`` and ``S^(1/2) Q'``,
        proved optimal by its residual. With ``beta=0`` the objective is the norm itself.

    Raises
    ------
    ValueError
        Data that do not fit; with ``beta=0``, targets that no linear network interpolates.

    Notes
    -----
    One output: ``w = 0`` if ``||X'y|| <= beta``, else ``(X'X + beta / ||w|| I) w = X'y``, a secular
    equation in one unknown. Several outputs: soft thresholding of singular values where X is
    whitened, otherwise the nuclear norm program. Sahiner, Ergen, Pauly and Pilanci (ICLR 2021);
    Ergen and Pilanci (ICML 2021).

    Examples
    --------
    >>> import numpy as np
    >>> solution = linear(np.eye(2), [3.0, 4.0], beta=1.0)
    >>> solution.network.predict(np.eye(2)).round(6)
    array([2.4, 3.2])
    >>> float(round(solution.objective, 12)), solution.certificate.kind
    (4.5, 'exact')
    """
    if as_float(beta) == 0:
        return _minimum_norm(X, Y)
    problem = formulate(conditions.dense(X), Y, beta=beta)
    rows = problem.rows.take(np.arange(problem.rows.n))
    if problem.n_outputs == 1:
        W = Ridge(rows, problem.Y[:, 0]).weights(problem.beta)[:, None]
    else:
        W = _several_outputs(rows, problem.Y, problem.beta)
    return _factored(problem, W)


class Ridge:
    """``min 1/2 ||X w - y||^2`` at a given norm of w, or at a given multiplier of that norm."""

    def __init__(self, X: Array, y: Array) -> None:
        left, sizes, right = np.linalg.svd(X, full_matrices=False)
        rank = int(np.sum(sizes > max(X.shape) * EPS * sizes[0]))
        self.sizes, self.right = sizes[:rank], right[:rank]
        self.deviation = conditions.cut_deviation(X, sizes, rank)
        self.full_rank = 0 < rank == sizes.size
        self.targets = left[:, :rank].T @ y
        self.missed = 0.5 * float(np.sum((y - left[:, :rank] @ self.targets) ** 2))
        self.moments = self.sizes * self.targets  # X'y in the basis of the right vectors

    @property
    def largest(self) -> float:
        """``||X^+ y||``: beyond this norm the loss no longer falls."""
        return float(np.linalg.norm(self.targets / self.sizes))

    def weights(self, multiplier: float) -> Array:
        """``argmin_w 1/2 ||X w - y||^2 + multiplier ||w||``, (d,)."""
        ridge = self._root(lambda radius: multiplier / radius, multiplier)
        w: Array = self.right.T @ self._at(ridge)
        return w

    def tangent(self, radius: float) -> Tangent:
        """The least loss at norm ``radius``, and its slope there."""
        if radius <= 0:
            slope = -float(np.linalg.norm(self.moments))
            return Tangent(0.0, self.missed + 0.5 * float(self.targets @ self.targets), slope)
        if radius >= self.largest:
            return Tangent(radius, self.missed, 0.0)
        ridge = self._ridge_of_norm(radius)
        g = self._at(ridge)
        size = float(np.linalg.norm(g))
        loss = self.missed + 0.5 * float(np.sum((self.sizes * g - self.targets) ** 2))
        return Tangent(size, loss, -ridge * size)

    def _at(self, ridge: float) -> Array:
        if not np.isfinite(ridge):
            return np.zeros_like(self.moments)
        g: Array = self.moments / (self.sizes**2 + ridge)
        return g

    def _ridge_of_norm(self, radius: float) -> float:
        """``||w(ridge)|| = radius``; Newton on 1 / norm, which is concave in the ridge."""
        ridge = 0.0
        for _ in range(100):
            scale = self.sizes**2 + ridge
            norm = float(np.linalg.norm(self.moments / scale))
            slope = -float(np.sum(self.moments**2 / scale**3)) / norm
            step = (norm / radius - 1.0) * norm / -slope
            ridge += step
            if abs(step) <= 2 * EPS * ridge:
                break
        return max(ridge, 0.0)

    def _root(self, wanted: object, multiplier: float) -> float:
        """The ridge with ``ridge ||w(ridge)|| = multiplier``; infinite where w is zero.

        The left side rises from 0 to ``||X'y||``; bisection in the logarithm, then Newton.
        """
        size = float(np.linalg.norm(self.moments))
        if size <= multiplier:
            return float("inf")
        # ridge ||X'y|| / (s^2 + ridge) brackets the left side, s the largest and smallest size
        low, high = (float(s) ** 2 * multiplier / (size - multiplier) for s in self.sizes[[-1, 0]])
        ridge = high
        for _ in range(200):
            scale = self.sizes**2 + ridge
            norm = float(np.linalg.norm(self.moments / scale))
            value = ridge * norm - multiplier
            low, high = (low, ridge) if value > 0 else (ridge, high)
            slope = norm - ridge * float(np.sum(self.moments**2 / scale**3)) / norm
            trial = ridge - value / slope if slope > 0 else -1.0
            trial = trial if low <= trial <= high else 0.5 * (low + high)
            if abs(trial - ridge) <= 2 * EPS * ridge:
                break
            ridge = trial
        return ridge


def _several_outputs(X: Array, Y: Array, beta: float) -> Array:
    """W (d, C): soft thresholding of singular values, or the program where X is not whitened."""
    try:
        data = conditions.isometry(X)
    except ValueError:
        return nuclear_least_squares(X, Y, beta)
    P, sizes, Qt = np.linalg.svd(data.left.T @ Y, full_matrices=False)
    shrunk = np.maximum(sizes - beta / data.scale, 0.0) / data.scale
    W: Array = (data.right @ P * shrunk) @ Qt
    return W


def _factored(problem: Problem, W: Array) -> Solution:
    P, sizes, Qt = np.linalg.svd(W, full_matrices=False)
    kept = sizes > 1e-13 * max(float(sizes[0]), EPS)
    neurons = without_intercept(problem, (P[:, kept] * sizes[kept]).T, Qt[kept])
    oracle = GatedOracle(problem.rows, np.ones((1, problem.rows.n), dtype=bool))
    return two_layer(problem, Linear(), neurons, lambda V: oracle.price(V, 1)[1])


def interpolating_weights(X: Array, Y: Array) -> Array:
    """``X^+ Y`` (d, C), or a ``ValueError`` where that does not interpolate."""
    W = np.linalg.lstsq(X, Y, rcond=None)[0]
    missed = np.linalg.norm(X @ W - Y, axis=1)
    scale = float(np.linalg.norm(Y, axis=1).max())
    if missed.max() > 1e-9 * scale:
        row = int(np.argmax(missed))
        raise ValueError(
            f"no linear network interpolates Y: the best one misses row {row} by "
            f"{missed[row]:.3g}; use beta > 0"
        )
    return W


def _minimum_norm(X: Any, Y: ArrayLike) -> Solution:
    rows = conditions.dense(X)
    problem = formulate(rows, Y, beta=1.0)
    W = interpolating_weights(rows, problem.Y)
    P, sizes, Qt = np.linalg.svd(W, full_matrices=False)
    kept = sizes > 1e-13 * max(float(sizes[0]), EPS)
    neurons = without_intercept(problem, (P[:, kept] * sizes[kept]).T, Qt[kept])
    V = np.linalg.pinv(rows).T @ (P[:, kept] @ Qt[kept])  # X'V = PQ', the dual of the norm
    oracle = GatedOracle(problem.rows, np.ones((1, problem.rows.n), dtype=bool))
    network = to_network(problem, Linear(), neurons, hidden_bias=False)
    certificate = interpolation_certificate(problem, network.penalty(), V, oracle.price(V, 1)[1])
    return Solution(network, certificate.objective, certificate, interpolation_status(certificate))
