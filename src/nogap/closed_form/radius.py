"""Global minimum of a convex function plus a concave power of one norm, enclosed from both sides.

Weight decay on L layers of product norm r costs ``beta L / 2 r^(2/L)``, which is concave for
L >= 3.  What is left of a training problem that has a closed form is therefore

    min_{r >= 0}   h(r) + beta L / 2 r^(2/L),        h convex: the least loss at norm at most r,

with several local minima (r = 0 always is one).  On an interval, a tangent of h plus the chord of
the power is a lower bound whose error is quadratic in the width, so bisection closes the gap after
a few hundred evaluations.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nogap._typing import Array
from nogap.problem import EPS

MOST_INTERVALS = 20_000
PRECISION = 1e-13  # of the enclosure, relative to the value at r = 0


@dataclass(frozen=True)
class Tangent:
    """A point of the convex part: its argument, its value, and a subgradient there."""

    radius: float
    value: float
    slope: float


@dataclass(frozen=True)
class Minimum:
    """The best point found, its value, and what no point is below."""

    radius: float
    value: float
    lower_bound: float


def power_penalty(radius: float, beta: float, depth: int) -> float:
    """``beta L / 2 r^(2/L)``: the least weight decay of L layers whose norms multiply to r."""
    return float(0.5 * beta * depth * radius ** (2.0 / depth))


def minimise_over_radius(
    tangent: Callable[[float], Tangent], largest: float, beta: float, depth: int
) -> Minimum:
    """Minimum of h(r) + beta L / 2 r^(2/L) on [0, largest], beyond which h is constant."""

    def total(point: Tangent) -> float:
        return point.value + power_penalty(point.radius, beta, depth)

    ends = tangent(0.0), tangent(largest)
    scale = total(ends[0])
    best = min(ends, key=total)
    bounds = [(*_interval_bound(*ends, beta, depth), 0, ends)]
    for count in range(1, MOST_INTERVALS):
        bound, split, _, (left, right) = bounds[0]
        narrow = right.radius - left.radius <= 4 * EPS * largest
        if total(best) - bound <= PRECISION * scale or narrow:
            break
        heapq.heappop(bounds)
        middle = tangent(split)
        best = min(best, middle, key=total)
        for k, part in enumerate(((left, middle), (middle, right))):
            heapq.heappush(bounds, (*_interval_bound(*part, beta, depth), 2 * count + k, part))
    value = total(best)
    # the allowance is for the rounding of h, a sum of squares of the size of h(0)
    lower = min(value, bounds[0][0]) - 64 * EPS * scale
    return Minimum(best.radius, value, lower)


def _interval_bound(left: Tangent, right: Tangent, beta: float, depth: int) -> tuple[float, float]:
    """Lower bound on an interval, and where to split it: the two tangents with the chord."""
    a, b = left.radius, right.radius
    at_a, at_b = power_penalty(a, beta, depth), power_penalty(b, beta, depth)
    # where the tangents meet
    drop = left.slope - right.slope
    meet = (right.value - left.value + left.slope * a - right.slope * b) / drop if drop else a
    meet = min(max(meet, a), b)
    level = max(
        left.value + left.slope * (meet - a),
        right.value + right.slope * (meet - b),
    )
    share = (meet - a) / (b - a) if b > a else 0.0
    bound = min(left.value + at_a, right.value + at_b, level + (1 - share) * at_a + share * at_b)
    tenth = 0.1 * (b - a)
    return bound, min(max(meet, a + tenth), b - tenth)


def allow_for_deviation(
    bound: float, reached: float, missed: float, deviation: float, beta: float, depth: int
) -> float:
    """A lower bound for data that deviate from those for which ``bound`` is one.

    A network whose layers have the product of norms t moves its outputs by u = t times the
    deviation at most, and its penalty is ``beta L / 2 t^(2/L)`` at least.  So its objective is
    ``bound - r u - u^2 / 2`` at least, with r the norm of its residual, and it is also
    ``1/2 (missed - u)_+^2`` and the penalty at least.  The first serves up to some u, the second
    beyond it; every such u gives a bound, and the best of some is taken.

    Parameters
    ----------
    bound : float
        No network has a smaller objective on the data without the deviation.
    reached : float
        The objective of some network on the data as they are.
    missed : float
        No network has a residual of smaller norm on the data without the deviation.
    deviation : float
        Frobenius norm of the difference of the data; the spectral norm for linear networks.
    """
    residual = math.sqrt(2.0 * reached)
    if deviation == 0 or residual == 0:
        return bound
    with np.errstate(over="ignore", invalid="ignore"):
        inner = float(beta * np.float64(deviation) ** (-2.0 / depth))  # of the penalty in u
        most = float(np.float64(2.0 * reached / (inner * depth)) ** (0.5 * depth))

        def far(u: Array) -> Array:
            loss = 0.5 * np.maximum(missed - u, 0.0) ** 2
            return np.asarray(loss + 0.5 * depth * inner * u ** (2.0 / depth))

        u = residual * np.geomspace(1e-18, 1.0, 289)
        beyond = far(u)
        local = _local_minimum(missed, inner, depth)
        beyond[u < local] = np.minimum(beyond[u < local], far(np.array(local)))
        # the penalty of those that move further than ``most`` is above the objective reached
        u, beyond = np.append(u, most), np.append(beyond, np.inf)
        near = bound - residual * u - 0.5 * u**2
    return min(bound, max(0.0, float(np.max(np.minimum(near, beyond)))))


def _local_minimum(s: float, beta: float, depth: int) -> float:
    """Where ``1/2 (g - s)^2 + beta L / 2 g^(2/L)`` has a local minimum besides zero; else 0."""
    if depth == 2:
        return max(s - beta, 0.0)
    power = 2.0 / depth - 1.0
    turn = (-power * beta) ** (1.0 / (1.0 - power))  # where the derivative is least
    return _larger_root(s, beta, power) if turn - s + beta * turn**power < 0 else 0.0


def shrink_by_power(sizes: Array, beta: float, depth: int) -> Array:
    """``argmin_{g >= 0} 1/2 (g - s)^2 + beta L / 2 g^(2/L)`` for each s >= 0, to rounding.

    The derivative ``g - s + beta g^(2/L - 1)`` falls and then rises, so that besides zero there is
    at most one local minimum, the larger root; soft thresholding for L = 2.
    """
    if depth == 2:
        return np.maximum(sizes - beta, 0.0)
    shrunk = np.zeros_like(sizes)
    for k, s in enumerate(sizes):
        root = _local_minimum(float(s), beta, depth)
        worth = 0.5 * s**2 - 0.5 * (root - s) ** 2 - power_penalty(root, beta, depth)
        shrunk[k] = root if worth > 0 else 0.0
    return shrunk


def _larger_root(s: float, beta: float, power: float) -> float:
    """Newton from above: the derivative is convex, so that the steps never pass the root."""
    g = s
    for _ in range(200):
        step = (g - s + beta * g**power) / (1.0 + beta * power * g ** (power - 1.0))
        if not step > 4 * EPS * g:
            break
        g -= step
    return g


def shrinkage_objective(sizes: Array, shrunk: Array, beta: float, depth: int) -> float:
    """``sum_k 1/2 (g_k - s_k)^2 + beta L / 2 g_k^(2/L)``."""
    penalty = 0.5 * beta * depth * float(np.sum(shrunk ** (2.0 / depth)))
    return 0.5 * float(np.sum((shrunk - sizes) ** 2)) + penalty
