"""Batched ascent of dual correlations on the sphere, over kinks that sharpen.

A correlation has about as many small peaks as there are kinks.  Over rounded kinks it is smooth, so
that a few steps that know its curvature lead up the hill; the kinks sharpen on the way.  Measured
on dual points late in trainings, such an ascent ends near the top of a high hill five to twenty
times as often as one that follows gradients over the kinks themselves, at the same cost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from nogap._interrupt import Stopped
from nogap._typing import Array, IntArray
from nogap.oracles.base import never
from nogap.oracles.dual_correlations import DualCorrelations
from nogap.oracles.secants import Secants, dots
from nogap.rows import Rows, height
from nogap.rows.base import slices
from nogap.units import Unit
from nogap.units.softened import Softened

FIRST, LATER_FIRST = 0.5, 0.1  # lengths of first steps, as shares of the direction's
LONGEST = 1.0  # the same of any step
SHRINK = 0.35  # of a step, where it fails
SHORTEST = 1e-6  # share of a direction's length from which a step is none
STEEP = 1e-3  # least cosine of a step with the gradient
BLOCK_ENTRIES, FEWEST_IN_BLOCK = 1_000_000, 32  # figures of a block of starts; starts in one
FEWEST_STEPS = 15  # that make an estimate
# Of rounded kinks: widths as shares of the root mean square pre-activation, and shares of the steps
SHARPENING = ((0.35, 0.3), (0.15, 0.3), (0.05, 0.2), (0.02, 0.1))
EVERY, NARROWER = 3, 0.3  # one of so many finds narrow hills: its widths are so much smaller
LATER = ((0.07, 0.4), (0.02, 0.3))  # where an ascent goes on, or begins near a peak
WIDTH_FROM = 10  # neurons
NOISE = 30.0  # times eps: share of a gradient that is rounding
TINY = 1e-30

Sharpening: TypeAlias = tuple[tuple[float, float], ...]
Stages: TypeAlias = list[tuple[Unit, int]]


class Ascent:
    """Ascents over the same rows.

    Parameters
    ----------
    rows : Rows
    unit : Unit
    should_stop : callable
        Asked between steps, and between parts of the rows.
    """

    def __init__(self, rows: Rows, unit: Unit, should_stop: Callable[[], bool]) -> None:
        self.rows, self.unit, self.should_stop = rows, unit, should_stop
        self.correlations = DualCorrelations(rows, should_stop)

    def run(
        self,
        V: Array,
        U: Array,
        gate: IntArray,
        steps: int,
        *,
        later: bool = False,
    ) -> tuple[Array, Array, bool]:
        """Where so many steps lead from the columns U (d, k), and the values there.

        ``later`` says that other ascents have led to them. Also whether the first of them went far
        enough to make an estimate.
        """
        if not U.size:
            return U, np.zeros(0), True
        # in blocks of starts that the cache holds: what is not a product is bound by memory
        most = max(BLOCK_ENTRIES // (height(self.rows.parts[0][1]) + self.rows.d), FEWEST_IN_BLOCK)
        widths, step = self._widths(U, later), LATER_FIRST if later else FIRST
        risen = []
        for b in slices(U.shape[1], most):
            stages = self._stages(widths[b], steps, LATER if later else SHARPENING)
            block = np.ascontiguousarray(U[:, b])
            risen.append(self._together(V, block, gate[b], stages, step))
        return (
            np.concatenate([part for part, _, _ in risen], axis=1),
            np.concatenate([values for _, values, _ in risen]),
            risen[0][2],
        )

    def _widths(self, U: Array, later: bool) -> Array:
        """What the widths of rounded kinks are multiplied by for each column of U (d, k)."""
        Z = self.rows.parts[0][1].forward(U[:, :WIDTH_FROM])
        widths = np.full(U.shape[1], np.sqrt(np.mean(np.square(Z))))
        if not later:
            widths[::EVERY] *= NARROWER
        return widths

    def _stages(self, widths: Array, steps: int, sharpening: Sharpening) -> Stages:
        """What the steps see, and how many of them."""
        if not self.unit.sums_relus:
            return [(self.unit, steps)]
        stages: Stages = [
            (Softened(self.unit, width * widths), int(share * steps)) for width, share in sharpening
        ]
        return [*stages, (self.unit, steps - sum(count for _, count in stages))]

    def _together(
        self, V: Array, U: Array, gate: IntArray, stages: Stages, step: float
    ) -> tuple[Array, Array, bool]:
        """All of them at once; the output direction of each is the one that its start prefers."""
        climb = _Climb(self, V, U, gate, step)
        try:
            for unit, count in stages:
                climb.go(unit, count)
        except Stopped:
            # not the values that rounded kinks have
            values = self.correlations.values(self.unit, V, climb.U, gate)
            return climb.U, values, climb.taken >= FEWEST_STEPS
        return climb.U, climb.values, True


class _Climb:
    """Where the ascents of the columns U (d, k) are, and what they met on the way."""

    def __init__(self, ascent: Ascent, V: Array, U: Array, gate: IntArray, step: float) -> None:
        self.correlations, self.should_stop = ascent.correlations, ascent.should_stop
        # in float64 an evaluation takes no time
        self.stop_inside = ascent.should_stop if V.dtype == np.float32 else never
        self.V, self.U, self.gate, self.step = V, U.copy(), gate, step
        self.values = np.zeros(U.shape[1])
        self.secants: Secants | None = None
        self.taken = 0

    def go(self, unit: Unit, steps: int) -> None:
        """Go so many steps up what the unit sees; raises ``Stopped`` when told to stop."""
        self.values, S, G = self._seen(unit, self.U)
        uphill = self._uphill(unit, self.U, G)
        if self.secants is None:
            steepness = self._steepness(uphill)
            self.secants = Secants(self.step / np.where(steepness > 0, steepness, 1.0))
        share = np.ones_like(self.secants.scale)
        for _ in range(steps):
            if self.should_stop():
                raise Stopped
            move = self._move(unit, uphill) * share
            if np.all(dots(move, move) <= SHORTEST**2 * dots(self.U, self.U)):
                break
            trial = unit.project(self.U + move).astype(self.U.dtype, copy=False)
            values, new_S, G = self._seen(unit, trial, S)
            then, better = self._uphill(unit, trial, G), values > self.values
            self.secants.learn(trial - self.U, uphill - then, better, self._steepness(then))
            self.U = np.where(better, trial, self.U)
            uphill = np.where(better, then, uphill)
            self.values, S = np.where(better, values, self.values), np.where(better, new_S, S)
            share = np.where(better, share.dtype.type(1), SHRINK * share)
            self.taken += 1

    def _seen(self, unit: Unit, U: Array, S: Array | None = None) -> tuple[Array, Array, Array]:
        return self.correlations.at(unit, self.V, U, self.gate, S, self.stop_inside)

    def _uphill(self, unit: Unit, U: Array, G: Array) -> Array:
        """Gradients (d, k) along which the columns can move; none where that is rounding."""
        uphill = unit.tangent(U, G)
        rounding = NOISE * np.finfo(U.dtype).eps
        real = dots(uphill, uphill) > rounding**2 * dots(G, G)
        along: Array = np.where(real, uphill, uphill.dtype.type(0))
        return along

    def _steepness(self, uphill: Array) -> Array:
        """Lengths of gradients, as multiples of their columns'."""
        return np.linalg.norm(uphill, axis=0) / np.linalg.norm(self.U, axis=0)

    def _move(self, unit: Unit, uphill: Array) -> Array:
        """Moves (d, k) along which the correlations grow, none of them too long."""
        assert self.secants is not None
        move = unit.tangent(self.U, self.secants.direction(uphill))
        lengths, steepness = np.linalg.norm(move, axis=0), np.linalg.norm(uphill, axis=0)
        down = ~(dots(move, uphill) > STEEP * lengths * steepness)
        if down.any():
            move[:, down] = uphill[:, down] * self.secants.scale[down]
            lengths[down] = np.linalg.norm(move[:, down], axis=0)
        longest = LONGEST * np.linalg.norm(self.U, axis=0)
        shorter: Array = move * np.minimum(1.0, longest / np.maximum(lengths, TINY))
        return shorter
