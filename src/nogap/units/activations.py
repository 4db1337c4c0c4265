"""Units with one pre-activation a neuron: ReLU, gated ReLU and linear.

All three multiply the pre-activation by a 0/1 mask; they differ in where the mask comes from.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from nogap._typing import Array, ArrayLike, BoolArray, IntArray
from nogap._validation import numbers

ALL = slice(None)  # of the training rows


class Unit(ABC):
    """A unit: the mask of a neuron's pre-activations on the training rows.

    Attributes
    ----------
    name : str
        The name in ``train(unit=...)``, and the ``activation`` of the network.
    """

    name: ClassVar[str]

    @abstractmethod
    def mask(self, Z: Array, gate: IntArray, part: slice = ALL) -> BoolArray:
        """Where the pre-activations Z (k, m) of a part of the rows pass.

        ``gate`` (m,) numbers fixed gates.
        """


class ReLU(Unit):
    """``relu(x' u)``."""

    name = "relu"

    def mask(self, Z: Array, gate: IntArray, part: slice = ALL) -> BoolArray:
        return Z > 0

    def __repr__(self) -> str:
        return "ReLU()"


class Linear(Unit):
    """``x' u``."""

    name = "linear"

    def mask(self, Z: Array, gate: IntArray, part: slice = ALL) -> BoolArray:
        return np.ones(Z.shape, dtype=bool)

    def __repr__(self) -> str:
        return "Linear()"


class GatedReLU(Unit):
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


def get_unit(unit: str | Unit) -> Unit:
    """The unit of that name, or the object itself."""
    if isinstance(unit, Unit):
        return unit
    known: dict[str, type[Unit]] = {kind.name: kind for kind in (ReLU, GatedReLU, Linear)}
    if isinstance(unit, str) and unit in known:
        return known[unit]()
    raise ValueError(
        f"unknown unit {unit!r}; use one of {', '.join(sorted(known))} or a nogap.units object"
    )
