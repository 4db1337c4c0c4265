"""Relus with a rounded kink, for the first steps of a descent or of an ascent.

An objective has small dents, and a dual correlation small peaks, about as many as there are kinks,
and whoever goes down or up ends in the first of them.  Rounded over a fraction of a neuron's usual
pre-activation they are gone, and the valleys and hills are left.
"""

from __future__ import annotations

import numpy as np

from nogap._typing import Array, IntArray
from nogap.units.activations import ALL, Unit

NARROWEST = 1e-30  # far below any pre-activation, far above what float32 can divide by


class Softened(Unit):
    """A unit of relus whose slope rises from 0 to 1 over ``-width <= z <= width``.

    Parameters
    ----------
    unit : Unit
        One that :meth:`sums relus <Unit.sums_relus>`.
    widths : array (m,) or (1,)
        One for each neuron, or for all.
    """

    name = "softened"

    def __init__(self, unit: Unit, widths: Array) -> None:
        self.unit, self.widths = unit, np.maximum(widths, NARROWEST)
        self._memory: tuple[Array, Array] = np.empty((0, 0)), np.empty((0, 0))

    def activate(self, Z: Array, gate: IntArray, part: slice = ALL) -> Array:
        widths = self.widths.astype(Z.dtype, copy=False)
        slopes, rest = self._workspace(Z)
        np.multiply(Z, 0.5 / widths, out=slopes)
        slopes += 0.5
        np.clip(slopes, 0.0, 1.0, out=slopes)
        # slope * (z + width (1 - slope)) is 0, width slope^2 and z on the three pieces
        np.subtract(1.0, slopes, out=rest)
        rest *= widths
        Z += rest
        Z *= slopes
        return slopes

    def _workspace(self, Z: Array) -> tuple[Array, Array]:
        """Two arrays like Z for all calls: fresh memory costs more than what is done in it."""
        if self._memory[0].shape != Z.shape or self._memory[0].dtype != Z.dtype:
            self._memory = np.empty_like(Z), np.empty_like(Z)
        return self._memory

    @property
    def readouts(self) -> int:
        return self.unit.readouts

    def tangent(self, U: Array, G: Array) -> Array:
        return self.unit.tangent(U, G)

    def project(self, U: Array) -> Array:
        return self.unit.project(U)

    def pool(self, Z: Array, n: int) -> Array:
        return self.unit.pool(Z, n)

    def spread(self, G: Array, height: int) -> Array:
        return self.unit.spread(G, height)

    def restrict(self, U: Array, gate: IntArray) -> Array:
        return self.unit.restrict(U, gate)
