"""Local descent on hidden and output weights together, from the balanced point.

The weight-decay form ``L + beta/2 sum (||u||^2 + ||a||^2)`` is smooth away from kinks and equals
the product form at the balanced point, so L-BFGS never has to know about the penalty's kink.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nogap._interrupt import Stopped
from nogap._typing import Array
from nogap.problem import Problem
from nogap.rows import height
from nogap.solvers.coordinates import Coordinates, bends_unevenly
from nogap.solvers.lbfgs import Objective, minimise, pairs_for
from nogap.solvers.neurons import Neurons
from nogap.solvers.retune import retune
from nogap.solvers.smoothing import smoothed
from nogap.units import Tanh, Unit
from nogap.units.readout import moments, push, read
from nogap.units.softened import Softened

SOFT_WIDTH = 0.1  # of rounded kinks, as a share of a neuron's root mean square pre-activation
TINY = 1e-15  # weights below this are set to zero: denormal numbers slow a GEMM a hundredfold


def slide(
    problem: Problem,
    unit: Unit,
    neurons: Neurons,
    max_iter: int,
    should_stop: Callable[[], bool] = lambda: False,
    *,
    single: bool = False,
    enough: tuple[float, float] = (0.0, 0.0),
    soft: int = 0,
) -> Neurons:
    """Neurons after at most ``max_iter`` L-BFGS steps, in float32 if ``single``.

    The first ``soft`` of them go over rounded kinks, and may raise the objective. Fewer when ten
    steps together lower it by no more than ``enough``: a share of it, or that much. The neurons
    themselves, the same object, where no step was taken.
    """
    if isinstance(unit, Tanh):
        return retune(problem, unit, neurons, max_iter, should_stop)
    if neurons.count == 0:
        return neurons
    problem = smoothed(problem)
    problem = problem.in_single_precision() if single else problem
    start = x = weights_of(neurons, problem)
    share = max(enough[0], 1e-6 if single else 1e-12)
    at = Coordinates(problem, unit, neurons) if bends_unevenly(problem) else None
    pairs = pairs_for(x)
    for seen, steps in _stages(problem, unit, neurons, soft, max_iter):
        objective: Objective = WeightDecay(problem, seen, neurons, should_stop)
        if at is None:
            x, _ = minimise(objective, x, steps, should_stop, share, enough[1], pairs)
            continue
        z = at.of(x)
        found, _ = minimise(at.seen_by(objective), z, steps, should_stop, share, enough[1], pairs)
        x = x if found is z else at.weights(found)
    return neurons if x is start else neurons_of(x, problem, unit, neurons)


def _stages(
    problem: Problem, unit: Unit, neurons: Neurons, soft: int, max_iter: int
) -> list[tuple[Unit, int]]:
    """What the steps of a descent see, and how many of them."""
    if not (soft and unit.sums_relus):
        return [(unit, max_iter)]
    return [(_softened(problem, unit, neurons), soft), (unit, max_iter - soft)]


def _softened(problem: Problem, unit: Unit, neurons: Neurons) -> Unit:
    """The unit with rounded kinks, as wide as fits the balanced weights of these neurons."""
    total = np.zeros(neurons.count)
    directions = neurons.directions.T.astype(problem.Y.dtype)
    for _, piece in problem.parts:
        Z = piece.rows.forward(directions)
        total += np.einsum("im,im->m", Z, Z)
    mean_square = neurons.sizes * total / height(problem.rows)
    return Softened(unit, SOFT_WIDTH * np.sqrt(mean_square))


def weights_of(neurons: Neurons, problem: Problem) -> Array:
    """The balanced weights (U (d, m), A (m, q C), b (C,)) as one vector."""
    root = np.sqrt(neurons.sizes)[:, None]
    U, A = (root * neurons.directions).T, root * neurons.outputs
    x: Array = np.concatenate([U.ravel(), A.ravel(), neurons.intercept])
    return x.astype(problem.Y.dtype)


def neurons_of(x: Array, problem: Problem, unit: Unit, like: Neurons) -> Neurons:
    """The neurons of such a vector; those without weights are dropped."""
    m, d, C = like.count, problem.rows.d, problem.n_outputs
    width = C * unit.readouts
    x = x.astype(np.float64)
    U, A = x[: m * d].reshape(d, m).T, x[m * d : m * (d + width)].reshape(m, width)
    return Neurons.from_factors(U, A, x[-C:], like.gate)


class WeightDecay:
    """Value and gradient at the vector (U (d, m), A (m, q C), b (C,)).

    Raises ``Stopped`` when told to stop between two parts of the rows: on wide data and on patches
    one evaluation takes seconds.
    """

    def __init__(
        self,
        problem: Problem,
        unit: Unit,
        neurons: Neurons,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.problem, self.unit, self.gate = problem, unit, neurons.gate
        self.should_stop = should_stop
        self.m = neurons.count
        self.beta = problem.Y.dtype.type(problem.beta)
        # one array for all parts and all calls: fresh memory costs more than the products
        most = max(height(piece.rows) for _, piece in problem.parts)
        self.workspace = np.empty((most, self.m), dtype=problem.Y.dtype)

    def __call__(self, x: Array) -> tuple[float, Array]:
        problem, unit, m, C = self.problem, self.unit, self.m, self.problem.n_outputs
        x[np.abs(x) < TINY] = 0.0
        U = x[: m * problem.rows.d].reshape(-1, m)
        A = x[m * problem.rows.d : -C].reshape(m, -1)
        single = A.shape[1] == 1
        gradient = np.zeros_like(x)
        for_U = gradient[: U.size].reshape(U.shape)
        for_A = gradient[U.size : -C].reshape(A.shape)
        weights = x[:-C].astype(np.float64)
        value = 0.5 * problem.beta * float(weights @ weights)
        for part, piece in problem.parts:
            if self.should_stop():
                raise Stopped
            Z = piece.rows.forward(U, out=self.workspace[: height(piece.rows)])
            slopes = unit.activate(Z, self.gate, part)
            Phi = unit.pool(Z, piece.rows.n)
            F = read(Phi, A, piece.rows.n) + x[-C:]
            V = piece.dual_point(F)
            value += piece.loss_value(F)
            for_A -= moments(Phi, V)
            # one column is scaled by A after the sum; Z has served, its memory takes the product
            pushed = unit.spread(V if single else push(V, A), Z.shape[0])
            for_U -= piece.rows.adjoint(np.multiply(slopes, pushed, out=Z))
            if problem.fit_intercept:
                gradient[-C:] -= V.sum(axis=0)
        if single:
            for_U *= A[:, 0]
        for_U[...] = unit.restrict(for_U, self.gate)
        for_U += self.beta * U
        for_A += self.beta * A
        return value, gradient
