"""A smooth stand-in for the hinge loss, for descents; claims are about the hinge loss itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nogap._typing import Array
from nogap.losses import Hinge, SquaredHinge
from nogap.problem import Problem

SMOOTHING_WIDTH = 1e-2


class SmoothedHinge(SquaredHinge):
    """Quadratic for margins between ``1 - width`` and 1, linear below (Moreau smoothing).

    Parameters
    ----------
    width : float
    """

    name = "smoothed_hinge"

    def __init__(self, width: float) -> None:
        self.width = width

    def of_margin(self, M: Array) -> Array:
        short = np.maximum(0.0, 1.0 - M)
        inner = np.minimum(short, self.width)
        result: Array = inner * (short - 0.5 * inner) / self.width
        return result

    def slope(self, M: Array) -> Array:
        result: Array = np.minimum(np.maximum(0.0, 1.0 - M) / self.width, 1.0)
        return result

    def curvature(self, F: Array, Y: Array) -> Array:
        short = 1.0 - Y * F
        result: Array = ((short > 0) & (short < self.width)) / self.width
        return result

    def conjugate_of_weight(self, S: Array) -> Array:
        return S * (0.5 * self.width * S - 1.0)


def smoothed(problem: Problem, width: float = SMOOTHING_WIDTH) -> Problem:
    """The problem with a loss that has a gradient; itself where its loss has one."""
    if isinstance(problem.loss, Hinge):
        return replace(problem, loss=SmoothedHinge(width))
    return problem
