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


# The halves come from the parts of Z and h(Z) on either side of zero: no branches, which would cost
# more than the exponentials.


def _sigmoid(Z: Array) -> Parts:
    S, left = expit(Z), np.minimum(Z, 0.0)
    below, above = np.minimum(S, 0.5), np.maximum(S, 0.5)
    line = -0.25 * left
    return Parts(
        below + line - 0.5,
        below * (1.0 - below) - 0.25,
        line - above,
        above * (above - 1.0),
    )


def _tanh(Z: Array) -> Parts:
    T, left = np.tanh(Z), np.minimum(Z, 0.0)
    below, above = np.minimum(T, 0.0), np.maximum(T, 0.0)
    return Parts(below - left, -below * below, -left - above, above * above - 1.0)


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
    ratio, left = Z / (1.0 + np.abs(Z)), np.minimum(Z, 0.0)
    below, above = np.minimum(ratio, 0.0), np.maximum(ratio, 0.0)
    return Parts(
        below - left,
        (2.0 + below) * below,
        -left - above,
        -((1.0 - above) ** 2),
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
