"""A wide random network, trained briefly: where adaptive training starts when beta is small.

A network much wider than the optimum has few bad local minima, and a few hundred float32 steps of
it cost less than the rounds of pricing that would find the same neurons one by one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nogap._typing import Array
from nogap.problem import Problem
from nogap.solvers.neurons import Neurons
from nogap.solvers.slide import slide
from nogap.units import Unit

WIDTH = 200
STEPS = 400


def wide_start(
    problem: Problem,
    unit: Unit,
    empty: Neurons,
    V: Array,
    rng: np.random.Generator,
    should_stop: Callable[[], bool],
) -> Neurons:
    """Up to 200 neurons after a short descent; V (n, C) is the dual point of the empty network."""
    d, C = problem.rows.d, problem.n_outputs
    width = min(WIDTH, 4 * problem.rows.n)
    S = rng.standard_normal((width, C))
    scale = float(np.linalg.norm(V)) / np.sqrt(float(problem.rows.squared_norms().sum()) + 1e-300)
    neurons = Neurons(
        _unit_rows(rng.standard_normal((width, d))),
        _unit_rows(S),
        np.full(width, scale / np.sqrt(width)),
        empty.intercept,
        np.zeros(width, dtype=np.intp),
    )
    return slide(problem, unit, neurons, STEPS, should_stop, single=True)


def _unit_rows(A: Array) -> Array:
    unit: Array = A / np.linalg.norm(A, axis=1, keepdims=True)
    return unit
