"""Which rows an iterate sees: all, as many each time, or a growing number."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Integral
from typing import TypeAlias

import numpy as np

from nogap._typing import IntArray
from nogap.problem import Problem
from nogap.rows import largest_singular_value

BatchSize: TypeAlias = int | str | Callable[[int], int] | None


class Batches:
    """Draws the rows of iterate t; ``None`` stands for all, and costs no random number.

    Parameters
    ----------
    n : int
    size : callable
        Rows of iterate t = 1, 2, ...; capped at n.
    rng : numpy Generator
    """

    def __init__(self, n: int, size: Callable[[int], int], rng: np.random.Generator) -> None:
        self.n, self.size, self.rng = n, size, rng

    def draw(self, t: int) -> IntArray | None:
        """Sorted positions without repetition, so that n of them are the whole."""
        count = self.size(t)
        if not isinstance(count, Integral) or count < 1:
            raise ValueError(
                f"batch_size must give at least one row, got {count!r} for iterate {t}"
            )
        if count >= self.n:
            return None
        index: IntArray = np.sort(self.rng.choice(self.n, size=int(count), replace=False))
        return index


def batches(
    problem: Problem, delta: float, batch_size: BatchSize, rng: np.random.Generator
) -> Batches:
    """The batches that ``batch_size`` asks for."""
    n = problem.rows.n
    if batch_size is None:
        return Batches(n, lambda t: n, rng)
    if isinstance(batch_size, Integral) and not isinstance(batch_size, bool) and batch_size >= 1:
        size = int(batch_size)
        return Batches(n, lambda t: size, rng)
    if isinstance(batch_size, str) and batch_size == "schedule":
        growth = schedule_growth(problem, delta)
        return Batches(n, lambda t: math.ceil(min((growth * (t + 1)) ** 2, n)), rng)
    if callable(batch_size):
        return Batches(n, batch_size, rng)
    raise ValueError(
        "batch_size must be None, a whole number of at least 1, 'schedule' or a function of the "
        f"iterate's number, got {batch_size!r}"
    )


def schedule_growth(problem: Problem, delta: float) -> float:
    """G / (L D) of the schedule ``m_t = ceil((G (t + 1) / (L D))^2)``.

    L is the smoothness of the loss, D = 2 R delta the diameter of the ball of outputs, and G the
    root mean square of the stochastic gradients of single samples, sqrt(n) ||V||, at the empty
    network.  A bound over the whole ball would ask for all rows from the first iterate on.
    """
    V = problem.dual_point(np.zeros_like(problem.Y))
    G = math.sqrt(problem.rows.n) * float(np.linalg.norm(V))
    diameter = 2 * largest_singular_value(problem.rows) * delta
    if diameter == 0:
        return math.inf
    return G / (problem.loss.smoothness * diameter)
