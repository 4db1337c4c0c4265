"""Limited-memory BFGS for the slide.

SciPy's routine spends several times as long on its own bookkeeping as these small problems take to
evaluate, and works in float64 only; both matter in a step that is most of the training time.
The method is the textbook's (Nocedal and Wright, algorithm 7.4; weak Wolfe line search by
bisection).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from scipy.linalg.blas import daxpy, saxpy

from nogap._interrupt import Stopped
from nogap._typing import Array

MEMORY = 15
LONG, SHORT_MEMORY = 500_000, 7  # of vectors so long that keeping the pairs costs more than a step
ARMIJO, WOLFE = 1e-4, 0.9
MAX_TRIALS = 20


Objective: TypeAlias = Callable[[Array], tuple[float, Array]]
Pairs: TypeAlias = "deque[tuple[Array, Array, float]]"  # steps, changes of the gradient


def pairs_for(x: Array) -> Pairs:
    """An empty memory for points like x."""
    return deque(maxlen=MEMORY if x.size < LONG else SHORT_MEMORY)


def minimise(
    function: Objective,
    start: Array,
    max_iter: int,
    should_stop: Callable[[], bool] = lambda: False,
    relative_decrease: float = 1e-12,
    decrease: float = 0.0,
    pairs: Pairs | None = None,
) -> tuple[Array, float]:
    """Best point found and its value.

    Parameters
    ----------
    function : callable
        Value and gradient; the gradient has the dtype of the point. ``Stopped`` from one that asks
        by itself whether to go on ends the descent at the best point so far.
    start : array (N,)
        float32 or float64; the iterations stay in that precision.
    max_iter : int
    should_stop : callable
        Asked once an iteration.
    relative_decrease : float
        Stop when ten iterations together lower the value by less than this, relatively.
    decrease : float
        The same for the decrease itself; the larger counts.
    pairs : Pairs, optional
        What is known of the curvature, from :func:`pairs_for` and perhaps from the descent on a
        function that is nearly the same; what is learnt here is added.
    """
    x = start
    try:
        value, gradient = function(x)
    except Stopped:
        return x, np.inf
    pairs = pairs_for(start) if pairs is None else pairs
    recent: deque[float] = deque([value], maxlen=11)
    for _ in range(max_iter):
        if should_stop() or not np.any(gradient):
            break
        direction = _direction(gradient, pairs)
        slope = float(gradient @ direction)
        if slope >= 0:
            pairs.clear()
            direction = _direction(gradient, pairs)
            slope = float(gradient @ direction)
        try:
            new_x, new_value, new_gradient = _line_search(function, x, value, direction, slope)
        except Stopped:
            break
        if not new_value < value:
            if not pairs:
                break
            pairs.clear()  # once more along the gradient before giving up
            continue
        step, change = new_x - x, new_gradient - gradient
        product = float(step @ change)
        if product > 1e-10 * float(change @ change) > 0:
            pairs.append((step, change, 1.0 / product))
        x, value, gradient = new_x, new_value, new_gradient
        recent.append(value)
        least = max(relative_decrease * abs(value), decrease)
        if len(recent) == 11 and recent[0] - value <= least:
            break
    return x, value


def _direction(gradient: Array, pairs: Pairs) -> Array:
    """Two-loop recursion; the first step is a small one along the gradient."""
    if not pairs:
        largest = np.abs(gradient).max()  # first: the squares of tiny figures underflow
        scaled = gradient / largest
        return -scaled * gradient.dtype.type(0.1 / float(np.linalg.norm(scaled)))
    q = gradient.copy()
    axpy = saxpy if q.dtype == np.float32 else daxpy  # in place; NumPy would need fresh memory
    weights = []
    for step, change, inverse in reversed(pairs):
        weight = inverse * float(step @ q)
        weights.append(weight)
        q = axpy(change, q, a=-weight)
    step, change, _ = pairs[-1]
    q *= gradient.dtype.type(float(step @ change) / float(change @ change))
    for (step, change, inverse), weight in zip(pairs, reversed(weights), strict=True):
        q = axpy(step, q, a=weight - inverse * float(change @ q))
    return -q


def _line_search(
    function: Objective,
    x: Array,
    value: float,
    direction: Array,
    slope: float,
) -> tuple[Array, float, Array]:
    """A step length for the weak Wolfe conditions; the last trial when there is none."""
    kind = x.dtype.type
    length, low, high = 1.0, 0.0, np.inf
    for _ in range(MAX_TRIALS):
        new_x = x + kind(length) * direction
        new_value, new_gradient = function(new_x)
        if not new_value <= value + ARMIJO * length * slope:
            high = length
        elif float(new_gradient @ direction) < WOLFE * slope:
            low = length
        else:
            break
        length = 2.0 * low if high == np.inf else 0.5 * (low + high)
    return new_x, new_value, new_gradient
