"""The contract of a unit, and the dense ones that have a mask: ReLU, gated ReLU and linear.

A unit says what becomes of its pre-activations, and which hidden weights a neuron may have.  Most
units multiply by a 0/1 mask; they differ in where the mask comes from, and in what becomes of the
pre-activations of a sample's patches, where it has several.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from nogap._typing import AnyArray, Array, ArrayLike, BoolArray, IntArray
from nogap._validation import check_matrix, numbers
from nogap.rows import MemoryRows, Rows

ALL = slice(None)  # of the training rows


class Unit(ABC):
    """A unit: what a neuron makes of its pre-activations on the training rows.

    Attributes
    ----------
    name : str
        The name in ``train(unit=...)``, and the ``activation`` of the network.
    tied : bool
        Whether the hidden weights of all neurons see the same figures of a sample.
    homogeneous : bool
        Whether twice the hidden weights give twice the feature. Then the penalty counts their norm,
        and a direction has norm 1; else the penalty counts the output weights alone, and a
        "direction" is whatever hidden weights the unit allows.
    """

    name: ClassVar[str]
    tied: bool = True
    homogeneous: bool = True

    @abstractmethod
    def activate(self, Z: Array, gate: IntArray, part: slice = ALL) -> AnyArray:
        """Make activations of the pre-activations Z (k K, m) of a part of the samples, in place.

        ``gate`` (m,) numbers fixed gates, or the position of a filter that is tied to one. Returns
        the slopes, the derivatives of the activations (k K, m).
        """

    def alike(self, Z: Array, gate: IntArray, part: slice = ALL) -> BoolArray | None:
        """What must be equal (k, m) for neurons to add up to one neuron; None if they never do.

        Where it is, hidden weights add up with those of homogeneous units, and sizes with others.
        """
        return None

    # -- which hidden weights a neuron may have ----------------------------------------------

    def split(self, U: Array) -> tuple[Array, Array]:
        """Directions (m, d) of hidden weights U (m, d), and the size (m,) that each leaves."""
        norms = np.linalg.norm(U, axis=1)
        return U / np.where(norms > 0, norms, 1.0)[:, None], norms

    def project(self, U: Array) -> Array:
        """Columns U (d, k), none of them zero, as directions."""
        projected: Array = U / np.linalg.norm(U, axis=0)
        return projected

    def tangent(self, U: Array, G: Array) -> Array:
        """The part of the gradients G (d, k) along which directions U (d, k) can move."""
        along: Array = G - U * np.sum(U * G, axis=0)
        return along

    def seeds(self, U: Array, fresh: BoolArray, rng: np.random.Generator, scale: float) -> Array:
        """Directions for a search to start at, near the columns U (d, k), none of them zero.

        The ``fresh`` (k,) ones have any size. ``scale`` is the typical norm of a row of the data.
        """
        return self.project(U)

    def for_data(self, X: Any, hidden_bias: bool) -> Unit:
        """The unit for samples such as those of X; itself where all samples are alike to it."""
        return self

    def rows(self, X: Any, hidden_bias: bool) -> Rows:
        """The checked data as rows."""
        return MemoryRows(check_matrix(X), hidden_bias=hidden_bias)

    @property
    def sums_relus(self) -> bool:
        """Whether features are ``relu`` of every pre-activation, or sums of those."""
        return False

    @property
    def readouts(self) -> int:
        """Figures q of a neuron's feature a sample, each with output weights of its own."""
        return 1

    def direction_size(self, d: int) -> int:
        """Weights of a neuron before its output weights, on rows with d columns."""
        return d

    def features(self, rows: Rows, U: Array, gate: IntArray, part: slice = ALL) -> Array:
        """Features (k q, m) of neurons with weights U (D, m) on a part of the rows."""
        Z = rows.forward(U)
        self.activate(Z, gate, part)
        return self.pool(Z, rows.n)

    def pool(self, Z: Array, n: int) -> Array:
        """Features (n q, m) from the masked pre-activations Z (n K, m) of n samples."""
        return Z

    def spread(self, G: Array, height: int) -> Array:
        """The adjoint of :meth:`pool`: (height, m) from (n q, m)."""
        return G

    def creases(self, X: Array, z: Array, near: Array) -> Array:
        """Linear forms (k, d) whose zeros are kinks of the feature that come near to a direction.

        X (n K, d) has the pre-activations z (n K,); those within ``near`` (n K,) count as zero.
        """
        rows: Array = X[(np.abs(z) <= near) & np.any(X != 0, axis=1) & self.sums_relus]
        return rows

    def arrangement(self, X: Array) -> Array:
        """All linear forms (R, d) whose zeros can be kinks of a feature on the rows X (n K, d)."""
        return X if self.sums_relus else X[:0]

    def masks_of(self, patterns: BoolArray, height: int) -> BoolArray:
        """Masks (P, height) of the cells that have these patterns (P, R) on the arrangement."""
        return patterns if self.sums_relus else np.ones((len(patterns), height), dtype=bool)

    def restrict(self, U: Array, gate: IntArray) -> Array:
        """Hidden weights U (d, m) without what lies outside their neuron's support."""
        return U

    def draw_gates(self, rng: np.random.Generator, count: int) -> IntArray:
        """Gates (count,) for random neurons."""
        return np.zeros(count, dtype=np.intp)

    def gates_of(self, directions: Array) -> IntArray:
        """Gates (m,) of hidden directions (m, d) that do not come with theirs."""
        return np.zeros(directions.shape[0], dtype=np.intp)


class MaskUnit(Unit):
    """A unit that multiplies its pre-activations by a 0/1 mask."""

    @abstractmethod
    def mask(self, Z: Array, gate: IntArray, part: slice = ALL) -> BoolArray:
        """Where the pre-activations Z (k K, m) of a part of the samples pass."""

    def activate(self, Z: Array, gate: IntArray, part: slice = ALL) -> AnyArray:
        mask = self.mask(Z, gate, part)
        Z *= mask
        return mask

    def alike(self, Z: Array, gate: IntArray, part: slice = ALL) -> BoolArray | None:
        return self.mask(Z, gate, part)


class ReLU(MaskUnit):
    """``relu(x' u)``."""

    name = "relu"
    sums_relus = True

    def mask(self, Z: Array, gate: IntArray, part: slice = ALL) -> BoolArray:
        return Z > 0

    def __repr__(self) -> str:
        return "ReLU()"


class Linear(MaskUnit):
    """``x' u``."""

    name = "linear"

    def mask(self, Z: Array, gate: IntArray, part: slice = ALL) -> BoolArray:
        return np.ones(Z.shape, dtype=bool)

    def __repr__(self) -> str:
        return "Linear()"


class GatedReLU(MaskUnit):
    """``1[x' g >= 0] x' u`` with fixed gates g (Mishkin, Sahiner and Pilanci 2022).

    Parameters
    ----------
    gates : array (P, d), optional
        One gate a row; sampled from the data when None. With a hidden bias the gates may have
        d + 1 columns, the last being the gate's own bias (zero otherwise).
    """

    name = "gated"

    def __init__(self, gates: ArrayLike | None = None) -> None:
        self.gates = None if gates is None else _checked(gates)
        self.patterns: BoolArray | None = None

    def bind(self, gates: Array, patterns: BoolArray) -> GatedReLU:
        """A copy with its patterns (P, n) on the training rows."""
        bound = GatedReLU(gates)
        bound.patterns = patterns
        return bound

    def mask(self, Z: Array, gate: IntArray, part: slice = ALL) -> BoolArray:
        assert self.patterns is not None, "bind the gates to the rows first"
        chosen: BoolArray = self.patterns[gate, part].T
        return chosen

    def __repr__(self) -> str:
        return "GatedReLU()" if self.gates is None else f"GatedReLU({self.gates.shape[0]} gates)"


def _checked(gates: ArrayLike) -> Array:
    G = numbers(gates, "gates").copy()
    if G.ndim != 2 or G.size == 0:
        raise ValueError(f"gates must be (P, d) and not empty, got shape {G.shape}")
    if not np.all(np.isfinite(G)):
        raise ValueError("gates hold NaN or infinite values; remove such gates")
    return G
