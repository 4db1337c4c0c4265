"""Sub-networks of two hidden layers as units: parallel three-layer networks.

One unit is ``relu(relu(x' W1) w2)`` with W1 (d, width) and w2 (width,).  It is positively
homogeneous in every column of W1 and in every entry of w2, so with ``u_j = |w2_j| W1_j`` and the
signs I_j of w2 it is ``relu(sum_j I_j relu(x' u_j))``, and its least penalty over all scalings is a
norm of the blocks u_j: their sum of norms where the first layer is constrained to
``||W1||_F <= 1`` and the others decay, and their Frobenius norm for the path regulariser
(Ergen and Pilanci, *Global optimality beyond two layers*, ICML 2021).
"""

from __future__ import annotations

from numbers import Integral
from typing import Any, Literal, get_args

import numpy as np

from nogap._typing import Array, BoolArray, IntArray
from nogap.rows import Rows
from nogap.units.activations import ALL, MaskUnit

SubNetworkPenalty = Literal["weights", "path"]


class ThreeLayer(MaskUnit):
    """``relu(relu(x' W1) w2)``, a sub-network of a parallel three-layer network.

    Parameters
    ----------
    width : int
        Neurons of the first layer of every sub-network.
    regularization : {"weights", "path"}
        "weights": ``||W1||_F <= 1``, and weight decay ``beta / 2 (||w2||^2 + w3^2)``, which is
        ``beta ||W1||_F ||w2||_2 |w3|`` over all scalings; "path":
        ``beta (sum_j ||W1_j||^2 w2_j^2)^(1/2) |w3|``.

    Raises
    ------
    ValueError
        A width that is no whole number of at least 1, or another regularisation.

    Examples
    --------
    >>> import numpy as np, nogap
    >>> g = np.random.default_rng(0)
    >>> X, y = g.standard_normal((5, 2)), g.standard_normal(5)
    >>> unit = ThreeLayer(2)
    >>> solution = nogap.train(X, y, beta=0.3, unit=unit, patterns="all", random_state=0)
    >>> solution.certificate.kind, solution.certificate.relative_gap < 1e-6
    ('exact', True)
    """

    name = "three_layer"
    width: int
    regularization: SubNetworkPenalty

    def __init__(self, width: int, regularization: SubNetworkPenalty = "weights") -> None:
        if not isinstance(width, Integral) or isinstance(width, bool) or int(width) < 1:
            raise ValueError(f"width must be a whole number of at least 1, got {width!r}")
        self.width = int(width)
        self.regularization = check_sub_network_penalty(regularization)

    # -- sub-networks as directions ----------------------------------------------------------

    def direction_size(self, d: int) -> int:
        return (d + 1) * self.width

    def join(self, W1: Array, w2: Array) -> Array:
        """Directions (m, (d + 1) width) of sub-networks W1 (m, d, width), w2 (m, width)."""
        return np.concatenate([W1.reshape(len(W1), W1.shape[1] * self.width), w2], axis=1)

    def weights(self, directions: Array) -> tuple[Array, Array]:
        """The W1 (m, d, width) and w2 (m, width) of directions (m, (d + 1) width)."""
        W1, w2 = np.split(directions, [directions.shape[1] - self.width], axis=1)
        return W1.reshape(len(W1), W1.shape[1] // self.width, self.width), w2

    def norms(self, W1: Array, w2: Array) -> Array:
        """The norm (m,) of every sub-network, which its penalty multiplies by ``|w3|``."""
        return self.block_norms(np.linalg.norm(W1, axis=1) * w2)

    def block_norms(self, sizes: Array) -> Array:
        """The same from the sizes (m, width) of the blocks u_j, whatever their signs."""
        if self.regularization == "weights":
            total: Array = np.abs(sizes).sum(axis=1)
            return total
        norms: Array = np.linalg.norm(sizes, axis=1)
        return norms

    def balanced(self, W1: Array, w2: Array) -> tuple[Array, Array, Array]:
        """The sub-networks with norm 1 and ``||W1_j|| = |w2_j|``, and the norms (m,) they had."""
        lengths = np.linalg.norm(W1, axis=1)
        sizes, norms = lengths * np.abs(w2), self.norms(W1, w2)
        each = np.sqrt(sizes / np.where(norms > 0, norms, 1.0)[:, None])
        scale = np.divide(each, lengths, out=np.zeros_like(each), where=lengths > 0)
        return W1 * scale[:, None], np.sign(w2) * each, norms

    # -- what a sub-network computes ---------------------------------------------------------

    def layers(self, rows: Rows, W1: Array, w2: Array) -> tuple[Array, Array]:
        """First layer (n, m, width) and pre-activations of the second (n, m)."""
        m, d, width = W1.shape
        Z = rows.forward(np.ascontiguousarray(W1.transpose(1, 0, 2)).reshape(d, m * width))
        first = np.maximum(Z, 0.0, out=Z).reshape(len(Z), m, width)
        return first, np.einsum("nmj,mj->nm", first, w2)

    def mask(self, Z: Array, gate: IntArray, part: slice = ALL) -> BoolArray:
        """Where the second layer's pre-activations Z (k, m) pass."""
        return Z > 0

    def features(self, rows: Rows, U: Array, gate: IntArray, part: slice = ALL) -> Array:
        _, H = self.layers(rows, *self.weights(U.T))
        return np.maximum(H, 0.0)

    def __repr__(self) -> str:
        kind = "" if self.regularization == "weights" else f", {self.regularization!r}"
        return f"ThreeLayer({self.width}{kind})"


def check_sub_network_penalty(regularization: Any) -> SubNetworkPenalty:
    """The penalty of a sub-network, or a ValueError."""
    if isinstance(regularization, str) and regularization in get_args(SubNetworkPenalty):
        return regularization  # type: ignore[return-value]
    raise ValueError(f"regularization must be 'weights' or 'path', got {regularization!r}")
