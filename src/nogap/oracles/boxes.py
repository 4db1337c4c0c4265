"""Upper bounds of the correlation on boxes of directions.

With ``relu(t) = (t + |t|) / 2`` the correlation of a direction u and of its opposite, with V and
with -V, are the four functions

    +-h(u) and +-h(-u),    h(+-u) = (a(u) +- c'u) / 2,    a(u) = sum_i w_i |x_i' u|,

so that one half of the sphere and bounds of a from both sides serve them all.  A box holds the
directions ``u = (1, s)``, in some order of the coordinates, with every s_k within ``half_k`` of its
centre.  On it a pre-activation t stays within ``reach`` of its value t0 at the centre, and

    |t| <= t + C (t - w)^2         for t0 >= 0: it touches the one branch at w, and the other,
    |t| >= (t^2 - t0 t) / reach    which goes through the kink and both ends,

where t changes its sign in the box; elsewhere |t| is linear.  The sum of these parabolas is a
quadratic form.  Its linear and mixed terms are largest at a corner of the box, and so is their
quotient with a linear lower bound of ``||u||``; the squares are bounded one by one.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from nogap._typing import Array, BoolArray, IntArray
from nogap.oracles.row_space import Side
from nogap.problem import EPS

SIDES = np.array([0, 0, 1, 1])  # V or -V, for each of the four functions
TURNS = np.array([1.0, -1.0, -1.0, 1.0])  # u or -u
TOO_SHORT = 1e-300


@dataclass(frozen=True)
class Boxes:
    """Boxes of the same size around neighbouring centres.

    Attributes
    ----------
    order : int array (r,)
        Of the coordinates: the first one is 1.
    centres : array (N, r - 1)
        Of the others.
    half : array (r - 1,)
        Half the widths.
    sides : tuple of int
        Of which signs of the dual point the correlation is still open: 0 for V, 1 for -V.
    """

    order: IntArray
    centres: Array
    half: Array
    sides: tuple[int, ...] = (0, 1)

    def bisected(self) -> Boxes:
        """Every box as two neighbours, halves along the longest edge."""
        k = int(np.argmax(self.half))
        half = self.half.copy()
        half[k] /= 2
        centres = np.repeat(self.centres, 2, axis=0)
        centres[0::2, k] -= half[k]
        centres[1::2, k] += half[k]
        return Boxes(self.order, centres, half, self.sides)

    def take(self, index: slice | BoolArray, sides: tuple[int, ...] | None = None) -> Boxes:
        kept = self.sides if sides is None else sides
        return Boxes(self.order, self.centres[index], self.half, kept)

    def directions(self) -> Array:
        """The centres as directions (N, r), in the order of the rows' coordinates."""
        u = np.ones((self.centres.shape[0], self.order.size))
        u[:, self.order[1:]] = self.centres
        return u

    def __len__(self) -> int:
        return int(self.centres.shape[0])


@dataclass(frozen=True)
class Bounded:
    """What is known of the four functions on N boxes.

    Attributes
    ----------
    upper : array (N, 4)
        Zero for those of a side that is not open.
    centre : array (N, 4)
        Values at the centres.
    lines : int array (k,)
        The lines that are undecided on some of the boxes, those of positive weight first.
    above : bool array (N, k)
        Which of these are on at each centre,
    open : bool array (N, k)
        and which change their sign in each box.
    decided : bool array (m,)
        Which of all lines are on at the centres, right for those that are not among ``lines``.
    """

    upper: Array
    centre: Array
    lines: IntArray
    above: BoolArray
    open: BoolArray
    decided: BoolArray


class BoxBound:
    """Bounds for one dual point, both signs.

    Parameters
    ----------
    side : Side
    scale : array (r,)
        By which coordinates are divided to make the rows white: boxes are boxes in those.
    """

    def __init__(self, side: Side, scale: Array) -> None:
        self.white = side.normals / scale
        self.halves = side.weights / 2
        self.linear = side.base / scale + self.halves @ self.white
        self.inverse = 1.0 / scale
        r = scale.size
        self.corners = np.array(list(itertools.product((-1.0, 1.0), repeat=r - 1)))
        self.corners = self.corners.reshape(2 ** (r - 1), r - 1)
        self.first, self.second = np.triu_indices(r - 1, 1)
        ones = np.ones((self.corners.shape[0], 1))
        mixed = self.corners[:, self.first] * self.corners[:, self.second]
        self.features = np.concatenate([ones, self.corners, mixed], axis=1).T.copy()
        self.figures = np.abs(self.halves) @ np.abs(self.white) + np.abs(self.linear)
        self.rounding = 8 * EPS * (side.weights.size + r)
        self.work = _Workspace()

    def whole_sphere(self) -> list[Boxes]:
        """Boxes that hold every direction or its opposite."""
        r = self.inverse.size
        orders = [np.roll(np.arange(r), -k) for k in range(r)]
        return [Boxes(order, np.zeros((1, r - 1)), np.ones(r - 1)) for order in orders]

    def bound(self, boxes: Boxes) -> Bounded:
        """Upper bounds of the four functions on each box."""
        order, half, s = boxes.order, boxes.half, boxes.centres
        X, linear = self.white[:, order], self.linear[order]
        low, high = s.min(axis=0) - half, s.max(axis=0) + half
        middle = X[:, 0] + X[:, 1:] @ ((low + high) / 2)
        is_open = np.abs(middle) < np.abs(X[:, 1:]) @ ((high - low) / 2)
        positive = self.halves > 0
        pulls = np.flatnonzero(is_open & positive)
        lines = np.concatenate([pulls, np.flatnonzero(is_open & ~positive)])
        p, sure = pulls.size, ~is_open
        slope = (self.halves[sure] * np.sign(middle[sure])) @ X[sure]
        A, g = X[lines], self.halves[lines]
        edges = A[:, 1:] * half
        reach = np.abs(edges).sum(axis=1)
        work = self.work
        t = np.matmul(s, A[:, 1:].T, out=work("t", (len(boxes), lines.size)))
        t += A[:, 0]
        spread = np.einsum("kd,kd->k", edges, edges)

        u = np.concatenate([np.ones((len(boxes), 1)), s], axis=1)
        lengths, norms = self._lengths(u, order, half)
        widths = np.concatenate([[0.0], half])
        error = self.rounding * ((np.abs(u) + widths) @ self.figures[order])
        constant, tilt = u @ slope, slope[1:] * half
        squares = np.concatenate([edges**2, 2 * edges[:, self.first] * edges[:, self.second]], 1)
        tables = (g, g[:, None] * edges, g[:, None] * squares)
        along, odd = u @ linear, linear[1:] * half
        upper = np.zeros((len(boxes), 4))
        for side in boxes.sides:
            sign = (1.0, -1.0)[side]
            # a from above where the line's weight has the side's sign, from below elsewhere
            up, down = (slice(0, p), slice(p, None))[:: (1, -1)[side]]
            over = _above(t[:, up], reach[up], spread[up], work)
            under = _below(t[:, down], reach[down], work)
            form = [
                sign * (one @ table[up] + other @ table[down])
                for one, other, table in zip(over, under, tables, strict=True)
            ]
            form[0] += sign * constant + error
            form[1] += sign * tilt
            for k in np.flatnonzero(side == SIDES):
                turn = sign * TURNS[k]
                values = self._at_corners(form[0] + turn * along, form[1] + turn * odd, form[2])
                values /= lengths
                upper[:, k] = np.maximum(values.max(axis=1), 0.0)
        upper[(lengths == TOO_SHORT).any(axis=1)] = np.inf
        size = np.abs(t, out=work("size", t.shape))
        total = size @ g + constant
        signs = np.array([1.0, 1.0, -1.0, -1.0])
        centre = signs * (total[:, None] + TURNS * along[:, None]) / norms[:, None]
        return Bounded(upper, centre, lines, t > 0, size < reach, middle > 0)

    def _lengths(self, u: Array, order: IntArray, half: Array) -> tuple[Array, Array]:
        """Lower bounds of ``||u||`` at the corners (N, 2^(r-1)), of its tangent; and at centres."""
        scaled = u * self.inverse[order]
        norms = np.linalg.norm(scaled, axis=1)
        tilt = scaled[:, 1:] * (self.inverse[order[1:]] * half) / norms[:, None]
        error = self.rounding * (norms + np.abs(tilt).sum(axis=1))
        lengths = (norms - error)[:, None] + tilt @ self.corners.T
        return np.maximum(lengths, TOO_SHORT), norms

    def _at_corners(self, constant: Array, tilt: Array, squares: Array) -> Array:
        """At each corner, an upper bound (N, 2^(r-1)) that is linear along every edge."""
        q = tilt.shape[1]
        own = squares[:, :q]
        bent = np.minimum(own, 0.0)
        # what bends down lies below its tangents; the best one touches where the sum is largest
        touch = np.divide(tilt, -2 * bent, out=np.zeros_like(tilt), where=bent < 0)
        pull = bent * np.clip(touch, -1.0, 1.0, out=touch)
        constant = constant + np.maximum(own, 0.0).sum(axis=1) - np.einsum("nq,nq->n", pull, touch)
        whole = np.concatenate([constant[:, None], tilt + 2 * pull, squares[:, q:]], axis=1)
        values: Array = whole @ self.features
        return values


class _Workspace:
    """Arrays that are used again: fresh ones of this size cost more than what is done with them."""

    def __init__(self) -> None:
        self.flat: dict[str, Array] = {}

    def __call__(self, name: str, shape: tuple[int, int]) -> Array:
        size = shape[0] * shape[1]
        if name not in self.flat or self.flat[name].size < size:
            self.flat[name] = np.empty(max(size, 1))
        return self.flat[name][:size].reshape(shape)


def _above(t: Array, reach: Array, spread: Array, work: _Workspace) -> tuple[Array, Array, Array]:
    """Parabolas above |t| on the boxes: value at the centre, slope and curvature, (N, k) each.

    ``t`` (N, k) are the values at the centres; those in the box differ by at most ``reach`` (k,),
    by ``spread`` (k,) in the mean of the squares over the corners.
    """
    size = np.abs(t, out=work("size", t.shape))
    touch = np.multiply(t, t, out=work("touch", t.shape))
    touch += spread
    np.sqrt(touch, out=touch)
    # it touches t where t = touch, and -t where -t = touch or at the end of the box
    other = np.subtract(reach, size, out=work("slope above", t.shape))
    np.maximum(other, 0.0, out=other)
    np.minimum(other, touch, out=other)
    curve = np.add(touch, other, out=work("curve above", t.shape))
    np.maximum(curve, 1e-150, out=curve)
    curve *= curve
    np.divide(other, curve, out=curve)
    curve *= 2.0
    apart = np.subtract(size, touch, out=touch)
    slope = np.multiply(curve, apart, out=other)
    value = np.multiply(slope, apart, out=apart)
    value += size
    slope *= 2.0
    slope += 1.0
    slope *= np.sign(t, out=size)
    return value, slope, curve


def _below(t: Array, reach: Array, work: _Workspace) -> tuple[Array, Array, Array]:
    """Parabolas below |t| on the boxes: value at the centre, slope and curvature, (N, k) each."""
    value = np.abs(t, out=work("value below", t.shape))
    undecided = value < reach
    curve = np.maximum(value, reach, out=work("curve below", t.shape))
    np.maximum(curve, 1e-300, out=curve)
    slope = np.divide(t, curve, out=work("slope below", t.shape))
    np.divide(undecided, curve, out=curve)
    np.copyto(value, 0.0, where=undecided)
    return value, slope, curve
