"""Convolutions: one filter at every patch of a sample, pooled or with a weight for each patch."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, Literal, TypeAlias

import numpy as np

from nogap._typing import Array, BoolArray, IntArray
from nogap._validation import as_array, check_matrix, numbers
from nogap.rows import Geometry, MemoryRows, PatchRows, Rows
from nogap.rows.geometry import Padding
from nogap.units.activations import ALL, MaskUnit

Pooling: TypeAlias = Literal["sum", "average", "max"] | None
FilterSize: TypeAlias = int | Sequence[int] | None


class Convolution(MaskUnit):
    """Two-layer convolutional networks (Ergen and Pilanci, ICLR 2021).

    With patches ``x_ik`` (K of them in sample i) a neuron with filter u computes

    * ``pool_k act(x_ik' u)``, one feature with output weights (C,), where it pools;
    * ``act(x_ik' u)`` for every k, each with output weights of its own, (K, C), where
      ``pooling=None``; the penalty is ``||u||_2 ||a||_2`` over all K C of them (tied filters);
    * ``act(x_ik' u)`` at one position k only where also ``tied=False``: the separable case, which
      is the fully connected program over the K dictionaries together.

    Parameters
    ----------
    filter_size : int or pair of int, optional
        Height and width; one number for signals and for square filters. None where the samples are
        ready patches.
    stride : int
    padding : int or "circular"
        Zeros on every side; "circular" takes a patch at every position and goes round the edge.
    activation : {"relu", "linear"}
    pooling : {"sum", "average", "max"} or None
        Over all patches of a sample.
    tied : bool
        Whether the positions share their filters; False needs ``pooling=None``.

    Raises
    ------
    ValueError
        Sizes that are no whole numbers, unknown names, or combinations that are no network.

    Notes
    -----
    X is (n, K, h) for ready patches, (n, T) for signals, (n, H, W) or (n, H, W, channels) for
    images.  A hidden bias is a one appended to every patch.

    Examples
    --------
    >>> import numpy as np, nogap
    >>> g = np.random.default_rng(0)
    >>> images, y = g.standard_normal((12, 6, 6)), g.standard_normal(12)
    >>> unit = nogap.units.Convolution(3, pooling="average")
    >>> solution = nogap.train(images, y, beta=0.1, unit=unit, random_state=0)
    >>> solution.network.predict(images).shape
    (12,)
    """

    name = "convolution"

    def __init__(
        self,
        filter_size: FilterSize = None,
        stride: int = 1,
        padding: Padding = 0,
        activation: Literal["relu", "linear"] = "relu",
        pooling: Pooling = "sum",
        tied: bool = True,
    ) -> None:
        self.filter_size = _sizes(filter_size)
        if not _whole(stride, 1):
            raise ValueError(f"stride must be a whole number of at least 1, got {stride!r}")
        if padding != "circular" and not _whole(padding, 0):
            raise ValueError(
                f"padding must be a whole number of at least 0 or 'circular', got {padding!r}"
            )
        if activation not in ("relu", "linear"):
            raise ValueError(f"unknown activation {activation!r}: use relu or linear")
        if pooling not in ("sum", "average", "max", None):
            raise ValueError(f"unknown pooling {pooling!r}: use sum, average, max or None")
        if not tied and pooling is not None:
            raise ValueError(
                "untied filters have one output weight a patch; pass pooling=None with tied=False"
            )
        if activation == "linear" and pooling == "max":
            raise ValueError(
                "max pooling of linear filters has no convex program here; use activation='relu', "
                "or sum or average pooling"
            )
        if self.filter_size is None and (stride != 1 or padding != 0):
            raise ValueError("ready patches have neither stride nor padding; pass filter_size")
        self.stride, self.padding = int(stride), padding
        self.activation, self.pooling, self.tied = activation, pooling, bool(tied)
        self.geometry: Geometry | None = None
        self.supports: BoolArray = np.zeros((0, 0), dtype=bool)

    @property
    def parameters(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "filter_size": self.filter_size,
            "stride": self.stride,
            "padding": self.padding,
            "activation": self.activation,
            "pooling": self.pooling,
            "tied": self.tied,
        }

    # -- data --------------------------------------------------------------------------------

    def for_samples(self, sample_shape: tuple[int, ...], hidden_bias: bool) -> Convolution:
        """A copy that knows where the patches of such samples are.

        Raises
        ------
        ValueError
            A sample of another kind than the filter, or smaller than it.
        """
        bound = Convolution(**self.parameters)
        bound.geometry = self._geometry(sample_shape)
        bound.supports = bound.geometry.supports
        if hidden_bias:
            ones = np.ones((bound.supports.shape[0], 1), dtype=bool)
            bound.supports = np.concatenate([bound.supports, ones], axis=1)
        return bound

    def for_data(self, X: Any, hidden_bias: bool) -> Convolution:
        shape = getattr(X, "shape", None) or as_array(X, "X").shape
        return self.for_samples(tuple(int(size) for size in shape[1:]), hidden_bias)

    def rows(self, X: Any, hidden_bias: bool) -> Rows:
        assert self.geometry is not None, "for_data comes first"
        flat = self.flat(X)
        if not self.tied:
            return MemoryRows(flat, hidden_bias=hidden_bias)
        scale = 1.0 / self.geometry.n_positions if self.pooling == "average" else 1.0
        return PatchRows(flat, self.geometry, hidden_bias, scale)

    def flat(self, X: Any) -> Any:
        """Samples of the right shape as rows (n, D), checked."""
        assert self.geometry is not None, "for_data comes first"
        if hasattr(X, "toarray"):
            raise ValueError("convolutions need dense samples; pass X.toarray()")
        X = X if isinstance(X, np.ndarray) else numbers(X, "X")
        if X.shape[1:] != self.geometry.sample_shape:
            raise ValueError(
                f"each sample must have the shape {self.geometry.sample_shape}, got {X.shape[1:]}"
            )
        if X.shape[0] == 0:
            raise ValueError(f"X is empty: its shape is {X.shape}")
        return check_matrix(X.reshape(X.shape[0], -1))

    def _geometry(self, shape: tuple[int, ...]) -> Geometry:
        if self.filter_size is None:
            if len(shape) != 2:
                raise ValueError(
                    f"X must hold ready patches (n, K, h), got {len(shape) + 1} dimensions; pass "
                    "filter_size for signals and images"
                )
            return Geometry(shape, None)
        if len(shape) not in (1, 2, 3):
            raise ValueError(
                "X must hold signals (n, T) or images (n, H, W) or (n, H, W, channels), got "
                f"{len(shape) + 1} dimensions"
            )
        if 0 in shape:
            raise ValueError(f"X is empty: its samples have the shape {shape}")
        axes = 1 if len(shape) == 1 else 2
        size = self.filter_size * axes if len(self.filter_size) == 1 else self.filter_size
        if len(size) != axes:
            raise ValueError(f"filter_size {size} has two sizes, but the samples are signals (T,)")
        room = 0 if self.padding == "circular" else 2 * int(self.padding)
        for length, taps in zip(shape, size, strict=False):
            if taps > length + room:
                padded = f" (with padding {length + room})" if room else ""
                raise ValueError(
                    f"the filter of size {size} is larger than the samples {shape[:axes]}{padded}; "
                    "use a smaller filter"
                )
        if self.padding != "circular" and int(self.padding) >= min(size):
            raise ValueError(
                f"padding {self.padding} makes patches of zeros alone for a filter of size {size}; "
                f"use a padding of at most {min(size) - 1}"
            )
        return Geometry(shape, size, self.stride, self.padding)

    # -- what a neuron computes --------------------------------------------------------------

    def mask(self, Z: Array, gate: IntArray, part: slice = ALL) -> BoolArray:
        if self.activation == "linear":
            return np.ones(Z.shape, dtype=bool)
        if self.pooling != "max":
            on: BoolArray = Z > 0
            return on
        by_sample = Z.reshape(len(Z) // self.n_positions, self.n_positions, Z.shape[1])
        largest = by_sample.max(axis=1, keepdims=True)
        largest[~(largest > 0)] = np.inf  # which nothing is equal to
        chosen: BoolArray = by_sample == largest
        if np.count_nonzero(chosen) > np.count_nonzero(largest < np.inf):
            first = by_sample.argmax(axis=1)[:, None]  # equal patches: the first of them counts
            only = np.zeros_like(chosen)
            np.put_along_axis(only, first, True, axis=1)
            chosen &= only
        return chosen.reshape(Z.shape)

    @property
    def n_positions(self) -> int:
        """Patches of a sample that share a filter."""
        assert self.geometry is not None
        return self.geometry.n_positions if self.tied else 1

    @property
    def sums_relus(self) -> bool:
        return self.activation == "relu" and self.pooling != "max"

    @property
    def readouts(self) -> int:
        return self.n_positions if self.pooling is None else 1

    def pool(self, Z: Array, n: int) -> Array:
        if self.pooling is None:
            return Z
        pooled: Array = Z.reshape(n, Z.shape[0] // n, Z.shape[1]).sum(axis=1)
        return pooled

    def spread(self, G: Array, height: int) -> Array:
        return G if self.pooling is None else np.repeat(G, height // G.shape[0], axis=0)

    def creases(self, X: Array, z: Array, near: Array) -> Array:
        """See :meth:`Unit.creases`; max pooling also has them where two patches tie."""
        if self.pooling != "max":
            return super().creases(X, z, near)
        K = self.n_positions
        z, near, X = z.reshape(-1, K), near.reshape(-1, K), X.reshape(-1, K, X.shape[1])
        first = z.argmax(axis=1)
        samples = np.arange(z.shape[0])
        top, tops = z[samples, first], X[samples, first]
        tied = (top[:, None] - z <= near) & (top > -near.max(axis=1))[:, None]
        tied[samples, first] = False
        i, k = np.nonzero(tied)
        at_zero = np.abs(top) <= near[samples, first]
        rows: Array = np.concatenate([X[i, k] - tops[i], tops[at_zero]])
        return rows[np.any(rows != 0, axis=1)]

    def arrangement(self, X: Array) -> Array:
        """Max pooling adds the differences between the patches of a sample, pair by pair."""
        if self.pooling != "max":
            return super().arrangement(X)
        by_sample = X.reshape(-1, self.n_positions, X.shape[1])
        first, second = np.triu_indices(self.n_positions, 1)
        differences = by_sample[:, first] - by_sample[:, second]
        return np.concatenate([X, differences.reshape(-1, X.shape[1])])

    def masks_of(self, patterns: BoolArray, height: int) -> BoolArray:
        """The selected patch of every sample: on, and not below any other."""
        if self.pooling != "max":
            return super().masks_of(patterns, height)
        P, K = len(patterns), self.n_positions
        selected = patterns[:, :height].reshape(P, -1, K).copy()
        above = patterns[:, height:].reshape(P, selected.shape[1], -1)
        for pair, (k, other) in enumerate(zip(*np.triu_indices(K, 1), strict=True)):
            selected[:, :, k] &= above[:, :, pair]
            selected[:, :, other] &= ~above[:, :, pair]  # equal patches count as above: the first
        return selected.reshape(P, height)

    # -- untied filters ----------------------------------------------------------------------

    def restrict(self, U: Array, gate: IntArray) -> Array:
        return U if self.tied else U * self.supports[gate].T

    def draw_gates(self, rng: np.random.Generator, count: int) -> IntArray:
        if self.tied:
            return super().draw_gates(rng, count)
        return rng.integers(self.supports.shape[0], size=count).astype(np.intp)

    def gates_of(self, directions: Array) -> IntArray:
        if self.tied:
            return super().gates_of(directions)
        inside = directions**2 @ self.supports.T
        return inside.argmax(axis=1).astype(np.intp)

    def __repr__(self) -> str:
        default = Convolution().parameters
        changed = [f"{k}={v!r}" for k, v in self.parameters.items() if v != default[k]]
        return f"Convolution({', '.join(changed)})"


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def _sizes(filter_size: Any) -> tuple[int, ...] | None:
    if filter_size is None:
        return None
    sizes = (filter_size,) if isinstance(filter_size, Integral) else filter_size
    if (
        not isinstance(sizes, tuple | list)
        or len(sizes) not in (1, 2)
        or not all(_whole(size, 1) for size in sizes)
    ):
        raise ValueError(
            f"filter_size must be a whole number of at least 1 or a pair of them, got "
            f"{filter_size!r}"
        )
    return tuple(int(size) for size in sizes)
