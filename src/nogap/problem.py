"""The training problem: data, loss and penalty; its objective, dual objective and lower bounds.

    minimise over networks   sum_i w_i l(f_i; y_i) + beta sum_j ||u_j||_2 ||a_j||_2

and its dual, ``max_V -L*(-V)`` subject to ``q(V) <= beta`` (and ``1' V = 0`` with an intercept),
where ``q(V) = max_{||u|| <= 1} ||relu(X u)' V||_2`` is the dual correlation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.optimize import minimize_scalar

from nogap._typing import Array, IntArray
from nogap.losses import Loss
from nogap.rows import Rows

EPS = float(np.finfo(np.float64).eps)
SINGLE_SAFE = (1e-15, 1e15)  # figures whose squares, and sums of those, float32 holds


@dataclass(frozen=True)
class DualBound:
    """A feasible dual point: its value, less an allowance for rounding, is a lower bound.

    Attributes
    ----------
    value : float
        The dual objective at ``scale * V``, less the allowance.
    scale : float
        The factor that made V feasible.
    """

    value: float
    scale: float


@dataclass(frozen=True)
class Problem:
    """Rows, encoded targets, loss and penalty of one training problem.

    Parameters
    ----------
    rows : Rows
        The data (with its ones column, where hidden units have a bias).
    Y : array (n, C)
        Targets as the loss encodes them.
    loss : Loss
    beta : float
        Weight of the penalty.
    weights : array (n,)
        Sample weights; ones when there are none.
    fit_intercept : bool
        Whether each output has an unpenalised constant.
    """

    rows: Rows
    Y: Array
    loss: Loss
    beta: float
    weights: Array
    fit_intercept: bool = False

    @cached_property
    def parts(self) -> list[tuple[slice, Problem]]:
        """The problem in blocks of rows: what is a sum over samples is a sum over these."""
        if len(self.rows.parts) == 1:
            return [(slice(0, self.rows.n), self)]
        return [
            (s, replace(self, rows=rows, Y=self.Y[s], weights=self.weights[s]))
            for s, rows in self.rows.parts
        ]

    def sampled(self, rng: np.random.Generator, count: int) -> Problem:
        """The problem on that many random rows, with its share of the penalty; itself if small."""
        n = self.rows.n
        if n <= 2 * count:
            return self
        sample = self.subset(np.sort(rng.choice(n, size=count, replace=False)))
        return replace(sample, beta=self.beta * count / n)

    def subset(self, index: IntArray) -> Problem:
        """The problem on the rows of that index, in memory."""
        return replace(
            self, rows=self.rows.subset(index), Y=self.Y[index], weights=self.weights[index]
        )

    @property
    def n_outputs(self) -> int:
        return int(self.Y.shape[1])

    @cached_property
    def weighted(self) -> bool:
        return bool(np.any(self.weights != 1.0))

    def in_single_precision(self) -> Problem:
        """The same problem in float32, for fast descent; certificates never use it."""
        return self._single

    @cached_property
    def fits_single_precision(self) -> bool:
        """Whether a descent stays far from float32's limits, 1e-38 and 3e38, which it squares."""
        x = math.sqrt(float(self.rows.squared_norms().sum()))
        w = float(self.weights.max())
        V = self.dual_point(np.zeros_like(self.Y))
        v = float(np.abs(V).max()) * math.sqrt(V.size)
        if x == 0 or v == 0:
            return False
        root = math.sqrt(v / x)  # of the size at which a neuron's outputs match the dual point
        slopes = (x * w * v * root, self.beta * root)  # of loss and penalty in a weight there
        figures = (x, v, root, *slopes, w * x * x)
        return SINGLE_SAFE[0] <= min(figures) and max(figures) <= SINGLE_SAFE[1]

    @cached_property
    def _single(self) -> Problem:
        return replace(
            self,
            rows=self.rows.in_single_precision(),
            Y=self.Y.astype(np.float32),
            weights=self.weights.astype(np.float32),
        )

    def loss_value(self, F: Array) -> float:
        """Weighted sum of the losses at outputs F (n, C), added up in float64."""
        values = self.loss.value(F, self.Y).astype(np.float64)
        return float(self.weights.astype(np.float64) @ values)

    def dual_point(self, F: Array) -> Array:
        """V = -dL/dF (n, C)."""
        V = -self.loss.gradient(F, self.Y)
        return self.weights[:, None] * V if self.weighted else V

    def best_intercept(self, F: Array) -> Array:
        """The constant b (C,) that minimises L(F + b); zeros without an intercept."""
        if not self.fit_intercept:
            return np.zeros(self.n_outputs)
        return _best_constant(self, F)

    def feasible_direction(self, V: Array) -> Array:
        """V, moved to zero column sums when an intercept asks for them."""
        return self.loss.balance(V, self.Y, self.weights) if self.fit_intercept else V

    def lower_bound(self, V: Array, dual_correlation: float) -> DualBound:
        """Best lower bound on the optimum among the points t V, 0 <= t <= beta / q(V).

        Parameters
        ----------
        V : array (n, C)
            Any dual point that is zero where the sample weight is zero.
        dual_correlation : float
            q(V) of the balanced V, or an upper bound on it (then the result is a theorem).
        """
        limit = self.beta / dual_correlation if dual_correlation > 0 else np.inf
        limit = min(limit, self._largest_scale(V)) * (1 - 8 * EPS)
        limit = min(limit, self._unconstrained_limit(V, limit))
        scale = _maximise_concave(lambda t: self._dual_objective(t * V)[0], limit)
        value, magnitude = self._dual_objective(scale * V)
        return DualBound(value - 32 * EPS * magnitude, scale)

    def lower_bound_in_ball(self, V: Array, dual_correlation: float, delta: float) -> DualBound:
        """Best lower bound on the loss of networks of penalty at most delta, among t V, t >= 0.

        ``min L(f) >= -L*(-t V) - t delta q(V)``: every t is feasible, and what exceeds the ball
        costs.  At t = 1 and ``V = -dL/df`` it is the loss less the Frank-Wolfe gap.

        Parameters
        ----------
        V : array (n, C)
            Any dual point that is zero where the sample weight is zero.
        dual_correlation : float
            q(V), or an upper bound on it (then the result is a theorem).
        delta : float
        """
        cost = delta * dual_correlation
        limit = self._largest_scale(V) * (1 - 8 * EPS)
        limit = min(limit, self._unconstrained_limit(V, limit))
        scale = _maximise_concave(lambda t: self._dual_objective(t * V)[0] - t * cost, limit)
        if self._dual_objective(scale * V)[0] - scale * cost < self._dual_objective(0.0 * V)[0]:
            scale = 0.0
        value, magnitude = self._dual_objective(scale * V)
        least = value - scale * cost - 32 * EPS * (magnitude + scale * cost)
        return DualBound(least + 0.0, scale)  # no negative zero

    def _largest_scale(self, V: Array) -> float:
        kept = self.weights > 0
        if not kept.all():
            V, Y, w = V[kept], self.Y[kept], self.weights[kept]
        else:
            Y, w = self.Y, self.weights
        return self.loss.largest_scale(-V / w[:, None], Y)

    def _unconstrained_limit(self, V: Array, feasible: float) -> float:
        """A t beyond the maximum of the dual objective on the ray, or the feasible end."""
        limit = 1.0
        while limit < feasible and limit < 1e12:
            if self._dual_objective(2 * limit * V)[0] <= self._dual_objective(limit * V)[0]:
                return 2 * limit
            limit *= 2
        return min(limit, feasible)

    def _dual_objective(self, V: Array) -> tuple[float, float]:
        """-L*(-V) and the size of the figures that were added up (for the rounding allowance)."""
        w = self.weights
        G = -V if not self.weighted else -np.divide(
            V, w[:, None], out=np.zeros_like(V), where=w[:, None] > 0
        )  # fmt: skip
        conjugate = self.loss.conjugate(G, self.Y)
        if self.weighted:
            conjugate = np.where(w > 0, conjugate, 0.0)
        if not np.all(np.isfinite(conjugate)):
            return -np.inf, np.inf
        size = w @ (np.abs(conjugate) + np.einsum("ic,ic->i", np.abs(G), np.abs(self.Y)))
        return -float(w @ conjugate), float(size)


def _maximise_concave(function: object, limit: float) -> float:
    """Maximiser of a concave function on [0, limit]; the right end when it still rises there."""
    assert callable(function)
    if limit <= 0:
        return 0.0
    at_end = function(limit)
    if np.isfinite(at_end) and at_end >= function(limit * (1 - 1e-7)):
        return limit
    found = minimize_scalar(
        lambda t: -function(t),
        bounds=(0.0, limit),
        method="bounded",
        options={"xatol": 1e-12 * limit, "maxiter": 200},
    )
    best = float(found.x)
    return best if function(best) >= at_end else limit


def _best_constant(problem: Problem, F: Array) -> Array:
    """Newton's method inside a bracket for every output (the derivative is monotone)."""
    Y, w, loss = problem.Y, problem.weights[:, None], problem.loss
    if not loss.smooth:
        return _best_constant_piecewise_linear(problem, F)
    b = np.zeros(problem.n_outputs)
    value = problem.loss_value(F)
    for _ in range(60):
        slope = np.sum(w * loss.gradient(F + b, Y), axis=0)
        size = np.sum(w * np.abs(loss.gradient(F + b, Y)), axis=0)
        if np.all(np.abs(slope) <= 4 * EPS * size):
            break
        step = -np.linalg.lstsq(_constant_hessian(problem, F + b), slope, rcond=1e-12)[0]
        step = np.clip(step, -4.0 - np.abs(b), 4.0 + np.abs(b)) if loss.classifies else step
        for _ in range(50):
            trial = problem.loss_value(F + b + step)
            if trial <= value + 4 * EPS * abs(value):
                break
            step = 0.5 * step
        else:
            break
        b, value = b + step, min(trial, value)
        if np.all(np.abs(step) <= 2 * EPS * (1.0 + np.abs(b))):
            break
    return b


def _constant_hessian(problem: Problem, F: Array) -> Array:
    """Hessian (C, C) of the loss in a constant that is added to every sample's outputs."""
    columns = []
    for c in range(problem.n_outputs):
        D = np.zeros_like(F)
        D[:, c] = 1.0
        columns.append(problem.weights @ problem.loss.hessian_product(F, problem.Y, D))
    H = np.stack(columns, axis=1)
    ridge = 1e-12 * float(problem.weights.sum())
    result: Array = H + ridge * np.eye(problem.n_outputs)
    return result


def _best_constant_piecewise_linear(problem: Problem, F: Array) -> Array:
    """The minimiser sits on a break point y - f; bisect on the sorted break points."""
    b = np.zeros(problem.n_outputs)
    for c in range(problem.n_outputs):
        y, f = problem.Y[:, c : c + 1], F[:, c : c + 1]
        points = np.unique(y - f)
        low, high = 0, points.size - 1
        while low < high:
            middle = (low + high) // 2
            here = problem.weights @ problem.loss.value(f + points[middle], y)
            after = problem.weights @ problem.loss.value(f + points[middle + 1], y)
            low, high = (low, middle) if here <= after else (middle + 1, high)
        b[c] = points[low]
    return b
