"""Where the patches of a sample are: an index table, the same for signals, images and patches."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Literal, TypeAlias

import numpy as np

from nogap._typing import Array, BoolArray, IntArray

Padding: TypeAlias = int | Literal["circular"]


@dataclass(frozen=True)
class Geometry:
    """The patches of samples of one shape.

    Parameters
    ----------
    sample_shape : tuple of int
        (K, h) for ready patches, (T,) for signals, (H, W) or (H, W, channels) for images.
    filter_shape : tuple of int, optional
        (t,) or (height, width); None for ready patches.
    stride : int
    padding : int or "circular"
        Zeros on every side, or patches that go round the edge: one at every position.
    """

    sample_shape: tuple[int, ...]
    filter_shape: tuple[int, ...] | None
    stride: int = 1
    padding: Padding = 0

    @property
    def size(self) -> int:
        """Figures in a sample."""
        return prod(self.sample_shape)

    @property
    def n_positions(self) -> int:
        """Patches in a sample, K."""
        return int(self.table.shape[0])

    @property
    def n_weights(self) -> int:
        """Figures in a patch, h."""
        return int(self.table.shape[1])

    @property
    def grid(self) -> tuple[int, ...]:
        """Positions along each axis of the filter; (K,) for ready patches."""
        if self.filter_shape is None:
            return (self.sample_shape[0],)
        axes = zip(self.sample_shape, self.filter_shape, strict=False)
        return tuple(len(self._starts(length, size)) for length, size in axes)

    @cached_property
    def table(self) -> IntArray:
        """Index (K, h) into the figures of a sample; ``size`` stands for a zero of the padding."""
        if self.filter_shape is None:
            return np.arange(self.size, dtype=np.intp).reshape(self.sample_shape)
        lengths = self.sample_shape[: len(self.filter_shape)]
        channels = prod(self.sample_shape[len(lengths) :])
        along = []  # for each axis: (positions, taps), -1 in the padding
        for length, size in zip(lengths, self.filter_shape, strict=True):
            taps = self._starts(length, size)[:, None] + np.arange(size)
            along.append(
                taps % length
                if self.padding == "circular"
                else np.where((taps >= 0) & (taps < length), taps, -1)
            )
        rows = []
        for position in itertools.product(*(range(len(a)) for a in along)):
            index = np.zeros(1, dtype=np.intp)
            outside: BoolArray = np.zeros(1, dtype=bool)
            for length, taps, k in zip(lengths, along, position, strict=True):
                index = (index[:, None] * length + taps[k]).ravel()
                outside = (outside[:, None] | (taps[k] < 0)).ravel()
            full = index[:, None] * channels + np.arange(channels)
            rows.append(np.where(outside[:, None], self.size, full).ravel())
        return np.array(rows, dtype=np.intp)

    def cut(self, X: Array, out: Array) -> None:
        """Write the patches of samples X (n, size) into ``out`` (n, K, h)."""
        if self.filter_shape is None:
            out[...] = X.reshape(out.shape)
            return
        axes = len(self.filter_shape)
        samples = X.reshape(X.shape[0], *self.sample_shape[:axes], -1)
        if self.padding == "circular":
            beyond = [(0, taps - 1) for taps in self.filter_shape]
            samples = np.pad(samples, [(0, 0), *beyond, (0, 0)], mode="wrap")
        elif self.padding:
            around = [(self.padding, self.padding)] * axes
            samples = np.pad(samples, [(0, 0), *around, (0, 0)])
        where = tuple(range(1, axes + 1))
        windows = np.lib.stride_tricks.sliding_window_view(samples, self.filter_shape, where)
        steps = (slice(None), *[slice(None, None, self.stride)] * axes)
        patches = np.moveaxis(windows[steps], axes + 1, -1)  # channels last again
        out.reshape(patches.shape)[...] = patches

    @cached_property
    def supports(self) -> BoolArray:
        """Which figures of a sample each patch sees, bool (K, size)."""
        seen = np.zeros((self.n_positions, self.size + 1), dtype=bool)
        np.put_along_axis(seen, self.table, True, axis=1)
        inside: BoolArray = seen[:, :-1]
        return inside

    def _starts(self, length: int, size: int) -> IntArray:
        """First tap of every patch along an axis."""
        if self.padding == "circular":
            return np.arange(0, length, self.stride, dtype=np.intp)
        assert isinstance(self.padding, int)
        last = length + self.padding - size
        return np.arange(-self.padding, last + 1, self.stride, dtype=np.intp)
