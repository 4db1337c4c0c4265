"""Curvatures that many ascents side by side have met: a limited-memory BFGS for each of them.

The method is the textbook's (Nocedal and Wright, algorithm 7.4), for all columns of a matrix at
once.  What a step taught one column takes no part in the directions of the others.
"""

from __future__ import annotations

import numpy as np

from nogap._typing import Array, BoolArray

PAIRS = 4  # remembered of each column
LEAST_CURVATURE = 1e-4  # cosine of a step and what it changed in the gradient
WIDEN, WIDEST = 2.0, 0.7  # a step without curvature is made longer, up to this share of the column


class Secants:
    """Steps and the changes of gradients that came of them, to be maximised along.

    Parameters
    ----------
    scale : array (k,)
        What a gradient is multiplied by before anything is known.
    """

    def __init__(self, scale: Array) -> None:
        self.scale = scale
        self._pairs: list[tuple[Array, Array, Array]] = []  # (d, k), (d, k) and 1 / products (k,)

    def direction(self, gradient: Array) -> Array:
        """Where to go (d, k) from points with these gradients (d, k): the two-loop recursion."""
        q = gradient.copy()
        weights = []
        for step, change, inverse in reversed(self._pairs):
            weight = inverse * dots(step, q)
            q -= weight * change
            weights.append(weight)
        q *= self.scale
        for (step, change, inverse), weight in zip(self._pairs, reversed(weights), strict=True):
            q += (weight - inverse * dots(change, q)) * step
        return q

    def learn(self, step: Array, change: Array, taken: BoolArray, lengths: Array) -> None:
        """Steps (d, k) tried, and how far gradients fell along them, ``change`` (d, k).

        A step that was not taken teaches, too. ``lengths`` (k,) are those of the new gradients, in
        units of the columns.
        """
        product, squared = dots(step, change), dots(change, change)
        size = np.sqrt(dots(step, step))
        curved = product > np.maximum(LEAST_CURVATURE * size * np.sqrt(squared), 1e-30)
        inverse = np.divide(1.0, product, out=np.zeros_like(product), where=curved)
        step, change = np.where(curved, step, 0.0), np.where(curved, change, 0.0)
        self._pairs = [*self._pairs, (step, change, inverse)][-PAIRS:]
        self.scale = np.divide(product, squared, out=self.scale, where=curved)
        straight = taken & ~curved & (lengths > 0)
        wide = np.minimum(WIDEN * size, WIDEST)
        self.scale = np.divide(wide, lengths, out=self.scale, where=straight)


def dots(A: Array, B: Array) -> Array:
    """Inner products (k,) of the columns."""
    products: Array = np.einsum("dk,dk->k", A, B)
    return products
