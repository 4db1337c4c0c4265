"""Where a network decides for which class: the cells that its neurons cut, and the label of each.

On a cell, a set of inputs on which the same neurons are active, a ReLU network is linear.  With the
inputs as ``z = (x, 1)`` the cells are those of a central arrangement on the side where the last
coordinate is positive, so that the enumeration of activation patterns lists them, with neurons in
the place of data.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nogap._typing import Array, BoolArray, IntArray
from nogap._validation import check_matrix, numbers
from nogap.networks.two_layer import Network
from nogap.oracles.box_distance import active_signs, cone_projection
from nogap.patterns import enumerate_patterns
from nogap.patterns.enumerate import TooManyPatternsError

CHANGES = 1e-9  # share of a piece's slope below which what it reaches counts as rounding
MOST_CELLS = 200_000


def decision_regions(network: Network) -> DecisionRegions:
    """The cells of a ReLU network with one output, its linear pieces, and where it is positive.

    Parameters
    ----------
    network : Network
        A classifier of labels -1 and 1 by the sign of its output.

    Returns
    -------
    DecisionRegions

    Raises
    ------
    ValueError
        A network of several outputs or of other units, or one with too many cells to list.

    Examples
    --------
    >>> corner = Network([[1.0, 0.0], [0.0, 1.0]], [1.0, 1.0], intercept=-1.0)
    >>> found = decision_regions(corner)
    >>> found
    DecisionRegions(4 cells of 2 neurons: 3 with a boundary, 0 positive, 1 negative)
    >>> found.classify([[2.0, 0.0], [0.5, 0.25]])
    array([ 1, -1])
    """
    if not isinstance(network, Network) or network.activation != "relu" or network.n_outputs != 1:
        raise ValueError(
            "decision_regions serves two-layer ReLU networks with one output; of several classes "
            "take the difference of two outputs"
        )
    bias = np.zeros(network.n_neurons) if network.hidden_bias is None else network.hidden_bias
    planes = np.column_stack([network.hidden_weights, bias])  # (m, d + 1)
    forward = np.zeros((1, planes.shape[1]))
    forward[0, -1] = 1.0
    try:
        listed = enumerate_patterns(np.concatenate([planes, forward]), max_patterns=2 * MOST_CELLS)
    except TooManyPatternsError as error:
        raise ValueError(
            f"the network has too many cells to list: its {network.n_neurons:,} neurons and the "
            f"plane at infinity cut space into {error.cells} cones, half of them cells of inputs, "
            f"and {MOST_CELLS:,} cells are the most; take a network of fewer neurons (a larger "
            "beta, or network.prune) or of fewer inputs"
        ) from None
    patterns = listed[listed[:, -1], :-1] & planes.any(axis=1)  # a zero neuron is never active
    pieces = patterns @ (planes * network.output_weights)
    pieces[:, -1] += network.intercept[0]
    return DecisionRegions(network, planes, patterns, pieces)


class DecisionRegions:
    """Cells, pieces and labels of a network; :func:`decision_regions` makes them.

    Attributes
    ----------
    patterns : bool array (k, m)
        The neurons that are active in each cell.
    weights : array (k, d)
    offsets : array (k,)
        ``f(x) = weights @ x + offset`` in the cell.
    labels : int array (k,)
        1 or -1 where the output has that sign all over the cell, 0 where it changes there.
    """

    def __init__(self, network: Network, planes: Array, patterns: BoolArray, pieces: Array) -> None:
        self.network, self.planes, self.patterns = network, planes, patterns
        self.weights: Array = pieces[:, :-1]
        self.offsets: Array = pieces[:, -1]
        self.labels: IntArray = np.array(
            [self._label(D, g) for D, g in zip(patterns, pieces, strict=True)], dtype=np.intp
        )
        self._cell = {D.tobytes(): k for k, D in enumerate(np.packbits(patterns, axis=1))}

    def _label(self, pattern: BoolArray, piece: Array) -> int:
        """Which signs ``piece' z`` takes on the cone of the cell: projections tell."""
        forward = np.zeros((1, piece.size))
        forward[0, -1] = 1.0
        cone = np.concatenate([active_signs(pattern)[:, None] * self.planes, forward])
        lengths = np.linalg.norm(cone, axis=1)
        cone = cone[lengths > 0] / lengths[lengths > 0, None]
        floor = CHANGES * float(np.linalg.norm(piece))
        above, below = (
            float(np.linalg.norm(cone_projection(s * piece, cone))) > floor for s in (1.0, -1.0)
        )
        return int(above) - int(below)

    # -- points ------------------------------------------------------------------------------

    def locate(self, X: Any) -> IntArray:
        """The number of the cell (n,) of each row of X (n, d).

        On a line where a neuron switches that is the cell on its inactive side, and -1 where such
        lines meet so that no cell is inactive for all of them.
        """
        X = check_matrix(X, columns=self.weights.shape[1])
        active = np.asarray(X @ self.planes[:, :-1].T) + self.planes[:, -1] > 0
        keys = np.packbits(active, axis=1)
        return np.array([self._cell.get(key.tobytes(), -1) for key in keys], dtype=np.intp)

    def classify(self, X: Any) -> IntArray:
        """1 or -1 for each row of X (n, d), and 0 on a boundary: the sign of the output."""
        return np.sign(self.network.predict(X)).astype(np.intp)

    # -- drawing -----------------------------------------------------------------------------

    def polygons(self, low: Any, high: Any) -> list[tuple[int, Array]]:
        """The regions of two inputs within a box, as polygons; cells are split at the boundary.

        Parameters
        ----------
        low, high : array (2,)
            Corners of the box.

        Returns
        -------
        list of (int, array (p, 2))
            Label 1 or -1 (0 where f vanishes on a whole cell), and the corners in order.
        """
        low, high = numbers(low, "low"), numbers(high, "high")
        if self.weights.shape[1] != 2 or low.shape != (2,) or high.shape != (2,):
            raise ValueError(
                f"polygons are for two inputs, and low and high for two numbers each; the network "
                f"has {self.weights.shape[1]} inputs"
            )
        if not np.all(low < high):
            raise ValueError(f"low must lie below high, got {low} and {high}")
        box = np.array([low, [high[0], low[1]], high, [low[0], high[1]]])
        found: list[tuple[int, Array]] = []
        for k, pattern in enumerate(self.patterns):
            corners = box
            for side in active_signs(pattern)[:, None] * self.planes:
                corners = _clipped(corners, side)
            piece = np.append(self.weights[k], self.offsets[k])
            parts = [(int(self.labels[k]), corners)]
            if self.labels[k] == 0 and piece.any():
                parts = [(1, _clipped(corners, piece)), (-1, _clipped(corners, -piece))]
            found += [(label, part) for label, part in parts if len(part) > 2]
        return found

    def __repr__(self) -> str:
        cut, above, below = (int(np.sum(self.labels == label)) for label in (0, 1, -1))
        return (
            f"DecisionRegions({len(self.labels)} cells of {len(self.planes)} neurons: {cut} with a "
            f"boundary, {above} positive, {below} negative)"
        )


def _clipped(corners: Array, side: Array) -> Array:
    """The part of a convex polygon (p, 2) where ``side' (x, 1) >= 0``, corner by corner."""
    heights = corners @ side[:2] + side[2]
    kept: list[Array] = []
    for here, there, a, b in zip(
        corners, np.roll(corners, -1, axis=0), heights, np.roll(heights, -1), strict=True
    ):
        if a >= 0:
            kept.append(here)
        if a * b < 0:
            kept.append(here + a / (a - b) * (there - here))
    return np.array(kept).reshape(-1, 2)
