"""Master of three-layer sub-networks: sizes, all weights together, then the cells' program.

The last step is the convex program of Ergen and Pilanci (ICML 2021), corrected, over the patterns
that the sub-networks have: with blocks ``w_j`` in the cones of patterns ``D_j``, signs ``I_j`` and
``h = sum_j I_j D_j X w_j``, the second layer's cone ``(2 D2 - 1) h >= 0`` is one joint constraint
for the blocks of both signs.  (The print, equation 42, has one for each sign, which leaves nothing
but two-layer networks.)
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp

from nogap._typing import Array, IntArray
from nogap.oracles.box_distance import active_signs
from nogap.oracles.sampled_sub_networks import SubNetworkCells
from nogap.problem import Problem
from nogap.solvers.cone_program import ConeProgram
from nogap.solvers.features import Features
from nogap.solvers.lbfgs import minimise
from nogap.solvers.masters import ShouldStop
from nogap.solvers.neurons import Neurons, objective
from nogap.solvers.refit import refit_sizes
from nogap.units.three_layer import ThreeLayer

SLIDE_STEPS = 200
REFINE_STEPS = 1000
QUICK_UNKNOWNS = 150  # of a cells' program that is worth its time after every slide
MOST_UNKNOWNS = 600
MOST_CONE_ROWS = 60_000


class SubNetworkMaster:
    """Sub-networks move freely, and to the optimum of their own patterns."""

    def __init__(self, problem: Problem, unit: ThreeLayer) -> None:
        self.problem, self.unit = problem, unit

    def improve(self, neurons: Neurons, should_stop: ShouldStop) -> tuple[Neurons, Array]:
        """Best sizes, a descent on all weights, and the cells' program where that is quick."""
        return self._improve(neurons, should_stop, SLIDE_STEPS, QUICK_UNKNOWNS)

    def refine(self, neurons: Neurons, should_stop: ShouldStop) -> tuple[Neurons, Array]:
        return self._improve(neurons, should_stop, REFINE_STEPS, MOST_UNKNOWNS)

    def _improve(
        self, neurons: Neurons, should_stop: ShouldStop, steps: int, most: int
    ) -> tuple[Neurons, Array]:
        neurons, V = self._sizes(neurons)
        if neurons.count == 0 or should_stop():
            return neurons, V
        slid = slide_sub_networks(self.problem, self.unit, neurons, steps, should_stop)
        neurons, V = self._best(neurons, V, slid)
        n, d = self.problem.rows.n, self.problem.rows.d
        blocks = neurons.count * self.unit.width
        if blocks * d > most or blocks * n > MOST_CONE_ROWS or should_stop():
            return neurons, V
        X = self.problem.rows.take(np.arange(n))
        return self._best(
            neurons, V, within_cells(self.problem, self.unit, X, neurons, should_stop)
        )

    def _best(self, old: Neurons, V: Array, moved: Neurons) -> tuple[Neurons, Array]:
        """What was moved, re-fitted; the old sub-networks if that is not better."""
        new, new_V = self._sizes(moved)
        if objective(self.problem, self.unit, new) < objective(self.problem, self.unit, old):
            return new, new_V
        return old, V

    def _sizes(self, neurons: Neurons) -> tuple[Neurons, Array]:
        fitted, V = refit_sizes(self.problem, neurons, Features(self.problem, self.unit, neurons))
        return fitted.keep(fitted.sizes > 0), V


class SampledMaster:
    """Sub-networks stay in their cells (``gate`` numbers them): one cells' program a round."""

    def __init__(self, problem: Problem, unit: ThreeLayer, sampled: SubNetworkCells) -> None:
        self.problem, self.unit, self.sampled = problem, unit, sampled
        self.X = problem.rows.take(np.arange(problem.rows.n))

    def improve(self, neurons: Neurons, should_stop: ShouldStop) -> tuple[Neurons, Array]:
        """The program over the cells of the sub-networks given, then their exact sizes."""
        if neurons.count:
            outer = np.where(neurons.outputs[:, 0] < 0, -1, 1)
            pairs, owner = np.unique(
                np.column_stack([neurons.gate, outer]), axis=0, return_inverse=True
            )
            gate = pairs[:, 0].astype(np.intp)
            W1, w2 = scaled(self.unit, neurons)
            blocks = (W1 * np.abs(w2)[:, None]).transpose(0, 2, 1)
            start = np.zeros((len(pairs), *blocks.shape[1:]))
            np.add.at(start, owner.ravel(), blocks)
            chosen = SubNetworkCells(*(array[gate] for array in self.sampled.arrays))
            outer = pairs[:, 1].astype(np.float64)
            neurons = solve_cells(
                self.problem,
                self.unit,
                self.X,
                chosen,
                outer,
                start,
                neurons.intercept,
                should_stop,
                gate,
            )
        features = Features(self.problem, self.unit, neurons)
        fitted, V = refit_sizes(self.problem, neurons, features)
        return fitted.keep(fitted.sizes > 0), V

    def refine(self, neurons: Neurons, should_stop: ShouldStop) -> tuple[Neurons, Array]:
        return self.improve(neurons, should_stop)


def of_blocks(
    unit: ThreeLayer,
    W1: Array,
    w2: Array,
    signs: Array,
    intercept: Array,
    gate: IntArray | None = None,
) -> Neurons:
    """``f = sum_k signs_k relu(relu(X W1_k) w2_k) + b`` as sub-networks with sizes."""
    W1, w2, norms = unit.balanced(W1, w2)
    alive = norms > 0
    return Neurons(
        unit.join(W1, w2)[alive],
        signs[alive, None],
        norms[alive],
        intercept,
        np.zeros(int(alive.sum()), dtype=np.intp) if gate is None else gate[alive],
    )


def scaled(unit: ThreeLayer, neurons: Neurons) -> tuple[Array, Array]:
    """W1 (m, d, width) and w2 (m, width) with all of the sizes in them, balanced."""
    W1, w2 = unit.weights(neurons.directions)
    root = np.sqrt(neurons.sizes)
    return root[:, None, None] * W1, root[:, None] * w2


# -- all weights together ------------------------------------------------------------------------


def slide_sub_networks(
    problem: Problem,
    unit: ThreeLayer,
    neurons: Neurons,
    max_iter: int,
    should_stop: Callable[[], bool],
) -> Neurons:
    """Sub-networks after at most ``max_iter`` L-BFGS steps; the outer signs stay."""
    m, signs = neurons.count, neurons.outputs[:, 0]
    W1, w2 = scaled(unit, neurons)
    k = W1.size

    def unpacked(x: Array) -> tuple[Array, Array, Array]:
        return x[:k].reshape(W1.shape), x[k:-1].reshape(m, -1), x[-1:]

    def function(x: Array) -> tuple[float, Array]:
        A, B, b = unpacked(x)
        value, for_A, for_B = _penalty(unit, A, B)
        value, for_A, for_B = problem.beta * value, problem.beta * for_A, problem.beta * for_B
        for_b = np.zeros(1)
        for _, piece in problem.parts:
            first, H = unit.layers(piece.rows, A, B)
            F = (np.maximum(H, 0.0) @ signs)[:, None] + b
            V = piece.dual_point(F)
            value += piece.loss_value(F)
            pushed = V * (H > 0) * signs  # (n, m)
            for_B -= np.einsum("nm,nmj->mj", pushed, first)
            back = (pushed[:, :, None] * (first > 0)).reshape(len(F), -1)
            products = piece.rows.adjoint(back).reshape(A.shape[1], m, -1).transpose(1, 0, 2)
            for_A -= products * B[:, None]
            for_b -= V.sum(axis=0) * problem.fit_intercept
        return value, np.concatenate([for_A.ravel(), for_B.ravel(), for_b])

    start = np.concatenate([W1.ravel(), w2.ravel(), neurons.intercept])
    found, _ = minimise(function, start, max_iter, should_stop)
    A, B, b = unpacked(found)
    return of_blocks(unit, A, B, signs, b)


def _penalty(unit: ThreeLayer, A: Array, B: Array) -> tuple[float, Array, Array]:
    """Penalty and its gradients; weight decay stands in for the sum of norms, which has kinks."""
    if unit.regularization == "weights":
        return 0.5 * float(np.sum(A * A) + np.sum(B * B)), A.copy(), B.copy()
    squares = np.sum(A * A, axis=1)  # (m, width)
    norms = np.sqrt(np.sum(squares * B * B, axis=1))
    share = 1.0 / np.maximum(norms, 1e-300)[:, None]
    for_A: Array = A * (B * B * share)[:, None]
    return float(norms.sum()), for_A, B * squares * share


# -- the program over the patterns of both layers ------------------------------------------------


def within_cells(
    problem: Problem, unit: ThreeLayer, X: Array, neurons: Neurons, should_stop: ShouldStop
) -> Neurons:
    """The best sub-networks that have the patterns, on both layers, of those given."""
    W1, w2 = scaled(unit, neurons)
    first, H = unit.layers(problem.rows, W1, w2)
    return solve_cells(
        problem,
        unit,
        X,
        SubNetworkCells((first > 0).transpose(1, 2, 0), np.where(w2 < 0, -1.0, 1.0), (H > 0).T),
        neurons.outputs[:, 0],
        (W1 * np.abs(w2)[:, None]).transpose(0, 2, 1),
        neurons.intercept,
        should_stop,
    )


def solve_cells(
    problem: Problem,
    unit: ThreeLayer,
    X: Array,
    cells: SubNetworkCells,
    outer: Array,
    start: Array,
    intercept: Array,
    should_stop: ShouldStop,
    gate: IntArray | None = None,
) -> Neurons:
    """The corrected program over given cells, K of them.

    Parameters
    ----------
    cells : SubNetworkCells
        Patterns of both layers, and the signs of w2.
    outer : array (K,)
        Signs of w3.
    start : array (K, width, d)
        Blocks to begin with.
    """
    patterns, inner = cells.patterns, cells.inner
    K, width, n = patterns.shape
    d = X.shape[1]
    maps = inner[:, :, None] * patterns  # (K, width, n): from X w_j to h
    masks = outer[:, None, None] * cells.second[:, None] * maps
    sides = active_signs(cells.second)[:, None] * maps
    joint = sp.block_diag(
        [(side[:, :, None] * X).transpose(1, 0, 2).reshape(n, width * d) for side in sides],
        format="csr",
    )
    program = ConeProgram(
        problem,
        X,
        masks.reshape(-1, n),
        patterns.reshape(-1, n),
        start.reshape(-1, d),
        intercept,
        group=1 if unit.regularization == "weights" else width,
        joint=joint,
    )
    x, _ = program.solve(should_stop)
    blocks, b = program.parts(x)
    return of_blocks(unit, blocks.reshape(K, width, d).transpose(0, 2, 1), inner, outer, b, gate)
