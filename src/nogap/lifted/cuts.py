"""Tangent cuts: the convex parts of sigmoid and tanh have no form in the standard cones.

A tangent of a convex function lies below it everywhere, so every cut is valid for good.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nogap._typing import Array
from nogap.lifted.activations import Split

WIDTHS = (0.0, 0.25, -0.25, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0, 4.0, -4.0)  # around the centre
NEEDED = 1e-7  # a cut is added where a bound lies below its function by more than this


class Cuts:
    """Tangent points of p and q for every hidden layer.

    Parameters
    ----------
    split : Split
    centres : list of arrays (n, n_l)
        Pre-activations at the centre.
    """

    def __init__(self, split: Split, centres: list[Array]) -> None:
        self.split = split
        self.points: list[list[Array]] = [[Z + width for width in WIDTHS] for Z in centres]

    def conditions(self, cp: Any, layer: int, Z: Any, bound: Any, concave: bool) -> list[Any]:
        """``bound >= tangent at every point``, and the asymptotes."""
        conditions = [bound >= (-1.0 if concave else 0.0)]
        for at in self.points[layer]:
            parts = self.split.parts(at)
            value, slope = (parts.q, parts.q_slope) if concave else (parts.p, parts.p_slope)
            conditions.append(bound >= value - slope * at + cp.multiply(slope, Z))
        return conditions

    def extend(self, found: list[tuple[Array, Array, Array]]) -> bool:
        """Cut at each layer's solution (Z, bound of p, bound of q); False if no cut is needed."""
        needed = False
        for points, (Z, p_bound, q_bound) in zip(self.points, found, strict=True):
            parts = self.split.parts(Z)
            short = max(float(np.max(parts.p - p_bound)), float(np.max(parts.q - q_bound)))
            if short > NEEDED:
                points.append(Z.copy())
                needed = True
        return needed
