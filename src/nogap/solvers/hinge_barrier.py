"""Interior points for the linear program of the hinge loss, where margins are many and neurons few.

    min_{t >= 0, b}  sum_ic w_i below_ic + beta sum_j t_j,   below - above = 1 - y f,   both >= 0

Every step is a system in the sizes alone, whatever the number of margins, and twenty or thirty do;
a general solver factorises the margins too.  The multipliers are in the middle of those that are
optimal, not at a vertex, so that they move little when a neuron joins.  Mehrotra's method (1992).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from nogap._typing import Array, BoolArray
from nogap.problem import Problem
from nogap.solvers.atoms import Atoms
from nogap.solvers.barrier import room
from nogap.solvers.vertices import towards_vertex

MOST_STEPS = 80
PRECISION = 1e-10  # of the gap between the program and its dual, as a share of the value
ROUGH, PATIENCE = 1e-6, 2  # gaps from which rounding may be all that is left, and such steps
ROUNDING = 1e-10  # of a value, that a vertex may be higher
RIDGE = 1e-14
INSIDE = 0.1  # how far from the boundary the start is, in units of margins and of beta
FAINT = 1e-6  # of the largest sum of squares: atoms that are all but zero count as this large
LEAST_WEIGHT = 1e-13  # of the largest: samples of weight zero keep an inside


def hinge_barrier(
    problem: Problem, atoms: Atoms, start: Array, should_stop: Callable[[], bool] = lambda: False
) -> tuple[Array, Array, Array]:
    """Best sizes and intercept t (m + C,), multipliers alpha (n, C) and outputs F (n, C).

    No worse than ``start`` (m + C,), which comes back where a step is not finished when told to
    stop; the multipliers are feasible for the neurons given whenever it ends.
    """
    if start.size == 0:  # every margin falls short
        weights = np.broadcast_to(problem.weights[:, None], problem.Y.shape)
        return start, weights, np.zeros_like(problem.Y)
    program = _Program(problem, atoms)
    point = program.inner(start)
    idle, gap = 0, np.inf
    for _ in range(MOST_STEPS):
        last, gap = gap, program.gap(point)
        idle = idle + 1 if gap > 0.5 * last and last < ROUGH else 0
        if gap <= PRECISION or idle > PATIENCE or should_stop():
            break
        further = program.step(point)
        if further is None:
            break
        point = further
    inner = program.nearest(point)
    tried = [inner]
    if not should_stop():
        tried.append(towards_vertex(problem, atoms, inner, program.signed, should_stop))
    best, F = start, atoms.outputs(start)
    for t in tried:
        F_t = atoms.outputs(t)
        if program.value(t, F_t) <= program.value(best, F) * (1 + ROUNDING):
            best, F = t, F_t
    return best, program.feasible(point), F


@dataclass(frozen=True)
class _Point:
    """Sizes and intercept t, what margins lack or exceed, and the multipliers of their signs.

    ``lack`` goes with ``rest``, which is the weight less ``alpha``; ``excess`` with ``alpha``; and
    t with ``z``.  ``gain`` is the correlation of every atom with the dual point.
    """

    t: Array
    lack: Array
    excess: Array
    alpha: Array
    rest: Array
    z: Array
    short: Array  # 1 - y f
    gain: Array


class _Program:
    """The program of one problem and its atoms: value, residuals and steps."""

    def __init__(self, problem: Problem, atoms: Atoms) -> None:
        self.Y, self.atoms, self.problem = problem.Y, atoms, problem
        squares = atoms.squares()
        m = squares.size
        squares = np.maximum(squares, FAINT * squares.max(initial=0.0) + 1e-300)
        self.unit = np.sqrt(self.Y.shape[0] / squares)  # sizes that give outputs of about one
        self.signed: BoolArray = np.arange(m) < m - atoms.n_free
        self.price = np.where(self.signed, problem.beta, 0.0)
        w = np.maximum(problem.weights, LEAST_WEIGHT * problem.weights.max())
        self.weights = np.broadcast_to(w[:, None], self.Y.shape)
        self.pairs = 2 * self.Y.size + int(self.signed.sum())

    def value(self, t: Array, F: Array) -> float:
        return self.problem.loss_value(F) + float(self.price @ t)

    def inner(self, start: Array) -> _Point:
        """A point well inside, near the start."""
        t = np.where(self.signed, np.maximum(start, INSIDE / start.size * self.unit), start)
        short, alpha = 1.0 - self.Y * self.atoms.outputs(t), 0.5 * self.weights
        gain = self.atoms.moments(self.Y * alpha)
        z = np.where(self.signed, np.maximum(self.price - gain, INSIDE * self.problem.beta), 0.0)
        lack, excess = np.maximum(short, 0.0) + INSIDE, np.maximum(-short, 0.0) + INSIDE
        return _Point(t, lack, excess, alpha, self.weights - alpha, z, short, gain)

    def feasible(self, at: _Point) -> Array:
        """The multipliers, no atom's correlation above its price."""
        largest = float(at.gain[self.signed].max(initial=0.0))
        shrunk = at.alpha * min(1.0, self.problem.beta / largest if largest > 0 else 1.0)
        alpha: Array = np.minimum(shrunk, self.problem.weights[:, None])
        return alpha

    def gap(self, at: _Point) -> float:
        """Between the program and its dual, as a share of the value; or how far from balanced."""
        value = self.problem.loss_value((1.0 - at.short) * self.Y) + float(self.price @ at.t)
        total = float(self.feasible(at).sum())
        unbalanced = float(np.abs(at.gain[~self.signed]).max(initial=0.0))
        return max(value - total, unbalanced) / max(value, 1e-300)

    def nearest(self, at: _Point) -> Array:
        """The sizes, those that are smaller than their multipliers at zero."""
        small = self.signed & (at.t * self.problem.beta <= at.z * self.unit)
        return np.where(small, 0.0, at.t)

    def step(self, at: _Point) -> _Point | None:
        """A predictor and a corrector step; nothing where rounding spoils them."""
        D = 1.0 / (at.lack / at.rest + at.excess / at.alpha)
        t = np.where(self.signed, at.t, 1.0)
        H = self.atoms.gram(D)
        H[np.diag_indices_from(H)] += at.z / t
        sizes = np.sqrt(np.maximum(np.diag(H), 1e-300))
        H = H / np.outer(sizes, sizes)
        H[np.diag_indices_from(H)] += RIDGE
        try:
            factor = cho_factor(H, check_finite=False)
        except LinAlgError:
            return None
        products = at.excess * at.alpha, at.lack * at.rest, at.t * at.z
        mean = _total(products) / self.pairs
        ahead = self._direction(at, factor, sizes, D, products)
        primal, dual = self._rooms(at, ahead)
        moved = self._moved(at, ahead, primal, dual)
        left = _total((moved.excess * moved.alpha, moved.lack * moved.rest, moved.t * moved.z))
        centre = (max(left / self.pairs, 0.0) / mean) ** 3 * mean
        corrected = (
            products[0] + ahead.excess * ahead.alpha - centre,
            products[1] + ahead.lack * ahead.rest - centre,
            np.where(self.signed, products[2] + ahead.t * ahead.z - centre, 0.0),
        )
        change = self._direction(at, factor, sizes, D, corrected)
        new = self._moved(at, change, *self._rooms(at, change))
        return new if np.all(np.isfinite(new.t)) and np.all(np.isfinite(new.alpha)) else None

    def _direction(
        self, at: _Point, factor: Any, sizes: Array, D: Array, products: tuple[Array, Array, Array]
    ) -> _Point:
        """The change that removes the residuals and, to first order, the products."""
        t = np.where(self.signed, at.t, 1.0)
        of_excess, of_lack, of_sizes = products
        residual = at.short - at.lack + at.excess - of_excess / at.alpha + of_lack / at.rest
        unpaid = self.price - at.gain - np.where(self.signed, at.z, 0.0)
        pull = self.atoms.moments(self.Y * (D * residual)) - of_sizes / t - unpaid
        dt = cho_solve(factor, pull / sizes, check_finite=False) / sizes
        less = self.Y * self.atoms.outputs(dt)
        alpha = D * (residual - less)
        return _Point(
            t=dt,
            lack=(at.lack * alpha - of_lack) / at.rest,
            excess=-(at.excess * alpha + of_excess) / at.alpha,
            alpha=alpha,
            rest=-alpha,
            z=np.where(self.signed, -(at.z * dt + of_sizes) / t, 0.0),
            short=-less,
            gain=self.atoms.moments(self.Y * alpha),
        )

    def _rooms(self, at: _Point, change: _Point) -> tuple[float, float]:
        """How far variables and multipliers stay positive along the change, at most 1."""
        primal = (at.t[self.signed], change.t[self.signed]), (at.lack, change.lack)
        dual = (at.z[self.signed], change.z[self.signed]), (at.alpha, change.alpha)
        return (
            min(room(*pair) for pair in (*primal, (at.excess, change.excess))),
            min(room(*pair) for pair in (*dual, (at.rest, change.rest))),
        )

    def _moved(self, at: _Point, change: _Point, primal: float, dual: float) -> _Point:
        far = {"alpha": dual, "rest": dual, "z": dual, "gain": dual}
        names = at.__dataclass_fields__
        return replace(
            at,
            **{k: getattr(at, k) + far.get(k, primal) * getattr(change, k) for k in names},
        )


def _total(products: tuple[Array, ...]) -> float:
    return float(sum(product.sum() for product in products))
