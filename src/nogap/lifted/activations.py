"""Activations as differences of convex functions, ``h = p - q``, with the least curvature.

The minimal choice is ``p'' = max(h'', 0)`` and ``q'' = max(-h'', 0)``; a convex function added
to both would only loosen the relaxation (Zohrizadeh et al., "Convex relaxation for training
neural networks", section on activations; the split of softsign is ours).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from nogap._typing import Array


class Parts(NamedTuple):
    """The convex functions p and q at some points, and their derivatives there.

    At a kink the derivative is a subgradient.  For an activation that is convex itself, q is zero
    and not computed.
    """

    p: Array
    p_slope: Array
    q: Array | None = None
    q_slope: Array | None = None

    @property
    def value(self) -> Array:
        """The activation itself."""
        return self.p if self.q is None else self.p - self.q

    @property
    def slope(self) -> Array:
        """Its derivative."""
        return self.p_slope if self.q_slope is None else self.p_slope - self.q_slope


@dataclass(frozen=True)
class Split:
    """An activation ``h = p - q`` with p and q convex.

    Attributes
    ----------
    name : str
    parts : callable
        p, p', q and q' at once: they share their expensive function.
    curvature : callable
        ``p'' + q'' = |h''|``.
    smooth : bool
        Whether p' and q' are Lipschitz.
    convex : bool
        Whether q is zero.
    """

    name: str
    parts: Callable[[Array], Parts]
    curvature: Callable[[Array], Array]
    smooth: bool = True
    convex: bool = False

    def value(self, Z: Array) -> Array:
        """The activation itself."""
        return self.parts(Z).value


def _sigmoid(Z: Array) -> Parts:
    S = expit(Z)
    bell = S * (1.0 - S)
    left = Z < 0
    line = -0.25 * Z - 0.5
    return Parts(
        np.where(left, S + line, 0.0),
        np.where(left, bell - 0.25, 0.0),
        np.where(left, line, -S),
        np.where(left, -0.25, -bell),
    )


def _tanh(Z: Array) -> Parts:
    T = np.tanh(Z)
    left = Z < 0
    squared = T * T
    return Parts(
        np.where(left, T - Z, 0.0),
        np.where(left, -squared, 0.0),
        np.where(left, -Z, -T),
        np.where(left, -1.0, squared - 1.0),
    )


def _softplus(Z: Array) -> Parts:
    return Parts(np.logaddexp(0.0, Z), expit(Z))


def _relu(Z: Array) -> Parts:
    return Parts(np.maximum(Z, 0.0), (Z > 0).astype(np.float64))


def _hardtanh(Z: Array) -> Parts:
    return Parts(
        np.maximum(Z, -1.0),
        (Z > -1.0).astype(np.float64),
        np.maximum(Z - 1.0, 0.0),
        (Z > 1.0).astype(np.float64),
    )


def _softsign(Z: Array) -> Parts:
    inverse = 1.0 / (1.0 + np.abs(Z))
    left, ratio, slope = Z < 0, Z * inverse, inverse * inverse
    return Parts(
        np.where(left, ratio - Z, 0.0),
        np.where(left, slope - 1.0, 0.0),
        np.where(left, -Z, -ratio),
        np.where(left, -1.0, -slope),
    )


def _sigmoid_curvature(Z: Array) -> Array:
    S = expit(Z)
    curvature: Array = S * (1.0 - S) * np.abs(1.0 - 2.0 * S)
    return curvature


def _tanh_curvature(Z: Array) -> Array:
    T = np.tanh(Z)
    curvature: Array = 2.0 * np.abs(T) * (1.0 - T * T)
    return curvature


def _softplus_curvature(Z: Array) -> Array:
    S = expit(Z)
    curvature: Array = S * (1.0 - S)
    return curvature


SPLITS: dict[str, Split] = {
    split.name: split
    for split in (
        Split("sigmoid", _sigmoid, _sigmoid_curvature),
        Split("tanh", _tanh, _tanh_curvature),
        Split("softplus", _softplus, _softplus_curvature, convex=True),
        Split("relu", _relu, np.zeros_like, smooth=False, convex=True),
        Split("hardtanh", _hardtanh, np.zeros_like, smooth=False),
        Split("softsign", _softsign, lambda Z: 2.0 * (1.0 + np.abs(Z)) ** -3.0),
    )
}


def get_split(name: str) -> Split:
    """The difference-of-convex form of the activation of that name."""
    if isinstance(name, str) and name in SPLITS:
        return SPLITS[name]
    raise ValueError(f"unknown activation {name!r}; use one of {', '.join(sorted(SPLITS))}")
