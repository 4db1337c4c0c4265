"""Newton's method on hidden and output weights together, in the creases that hold the neurons.

For several outputs, for convolutions and for linear units, whose output directions move with the
hidden ones.  The weight-decay form ``L + beta / 2 sum (||u||^2 + ||a||^2)`` is smooth where no mask
changes; a neuron that sits on kinks (``x' u = 0``, or two patches that tie under max pooling) keeps
to them.  Letting go of a kink is left to pricing, which then offers a better neuron beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, block_diag, cho_factor, cho_solve

from nogap._typing import Array
from nogap.problem import Problem
from nogap.solvers.kink_newton import null_space
from nogap.solvers.neurons import Neurons
from nogap.units import Unit
from nogap.units.readout import columns, moments, read

SNAP = 1e-6  # relative pre-activation below which a kink holds
MOST_HALVINGS = 12
DAMPINGS = (0.0, 1e-6, 1e-4, 1e-2, 1.0, 1e2)  # of beta, tried in turn


def crease_newton(
    problem: Problem,
    unit: Unit,
    neurons: Neurons,
    max_iter: int = 30,
    should_stop: Callable[[], bool] = lambda: False,
    tolerance: float = 1e-15,
) -> Neurons:
    """Neurons at a stationary point for the kinks they sit on; a smooth loss."""
    if neurons.count == 0 or not problem.loss.smooth:
        return neurons
    state = _State(problem, unit, neurons)
    for _ in range(max_iter):
        if should_stop():
            break
        decrease = state.step()
        if decrease <= tolerance * abs(state.value):
            break
    return state.neurons()


@dataclass
class _Point:
    """Reduced hidden weights of all neurons one after the other, output weights, intercept."""

    w: Array
    A: Array
    b: Array


class _State:
    def __init__(self, problem: Problem, unit: Unit, neurons: Neurons) -> None:
        self.problem, self.unit, self.gate = problem, unit, neurons.gate
        self.X = problem.rows.take(np.arange(problem.rows.n))
        norms = np.linalg.norm(self.X, axis=1)
        self.bases = []
        for u, g in zip(neurons.directions, neurons.gate, strict=True):
            inside = unit.restrict(np.ones((u.size, 1)), np.array([g]))[:, 0] > 0
            creases = unit.creases(self.X[:, inside], self.X @ u, SNAP * norms)
            basis = np.zeros((u.size, 0))
            held = null_space(creases)
            basis = np.zeros((u.size, held.shape[1]))
            basis[inside] = held
            self.bases.append(basis)
        self.splits = np.cumsum([basis.shape[1] for basis in self.bases])[:-1]
        root = np.sqrt(neurons.sizes)[:, None]
        hidden = root * neurons.directions
        w = np.concatenate([N.T @ u for N, u in zip(self.bases, hidden, strict=True)])
        self.point = _Point(w, root * neurons.outputs, neurons.intercept)
        self.value = self._value(self.point)

    def _hidden(self, w: Array) -> Array:
        pieces = np.split(w, self.splits)
        return np.stack([N @ piece for N, piece in zip(self.bases, pieces, strict=True)])

    def _features(self, U: Array) -> tuple[Array, Array]:
        Z = self.X @ U.T
        mask = self.unit.activate(Z, self.gate)
        return self.unit.pool(Z, self.problem.rows.n), mask

    def _value(self, at: _Point) -> float:
        Phi, _ = self._features(self._hidden(at.w))
        F = read(Phi, at.A, self.problem.rows.n) + at.b
        weights = float(at.w @ at.w) + float(np.sum(at.A**2))
        return self.problem.loss_value(F) + 0.5 * self.problem.beta * weights

    def neurons(self) -> Neurons:
        at = self.point
        return Neurons.from_factors(self._hidden(at.w), at.A, at.b, self.gate)

    def step(self) -> float:
        """One damped Newton step; the decrease of the objective, 0 if there is none."""
        J, cross, V = self._derivatives()
        at, beta = self.point, self.problem.beta
        x = np.concatenate([at.w, at.A.ravel()])
        penalised = np.arange(J.shape[2]) < x.size
        gradient = -np.einsum("ncp,nc->p", J, V)
        gradient[penalised] += beta * x
        H = self._loss_hessian(J)
        k = at.w.size
        H[:k, k : x.size] -= cross
        H[k : x.size, :k] -= cross.T
        H[penalised, penalised] += beta
        floor = np.mean(np.abs(np.diag(H))) + beta
        for damping in DAMPINGS:
            try:
                factor = cho_factor(H + damping * floor * np.eye(len(H)))
            except LinAlgError:
                continue
            direction = -cho_solve(factor, gradient)
            length = 1.0
            for _ in range(MOST_HALVINGS):
                new = self._moved(length * direction)
                value = self._value(new)
                if value < self.value:
                    decrease, self.point, self.value = self.value - value, new, value
                    return decrease
                length *= 0.5
        return 0.0

    def _moved(self, step: Array) -> _Point:
        at, k = self.point, self.point.w.size
        size = k + at.A.size
        b = at.b + step[size:] if self.problem.fit_intercept else at.b
        return _Point(at.w + step[:k], at.A + step[k:size].reshape(at.A.shape), b)

    def _derivatives(self) -> tuple[Array, Array, Array]:
        """Derivatives of the outputs (n, C, p), mixed second ones times V, and V."""
        at, n = self.point, self.problem.rows.n
        m, width = at.A.shape
        C = self.problem.n_outputs
        Phi, mask = self._features(self._hidden(at.w))
        V = self.problem.dual_point(read(Phi, at.A, n) + at.b)
        by_hidden, mixed = [], []
        for j, N in enumerate(self.bases):
            B = self.unit.pool((mask[:, j, None] * self.X) @ N, n)  # (n q, k)
            by_hidden.append(columns(B, np.repeat(at.A[j : j + 1], B.shape[1], axis=0), n))
            mixed.append(moments(B, V))
        q = width // C
        by_output = np.zeros((n, C, m, q, C))
        for c in range(C):
            by_output[:, c, :, :, c] = Phi.reshape(n, q, m).transpose(0, 2, 1)
        parts = [*by_hidden, by_output.reshape(n, C, m * width)]
        if self.problem.fit_intercept:
            parts.append(np.broadcast_to(np.eye(C), (n, C, C)))
        self.F = read(Phi, at.A, n) + at.b
        return np.concatenate(parts, axis=2), block_diag(*mixed), V

    def _loss_hessian(self, J: Array) -> Array:
        problem, p = self.problem, J.shape[2]
        w = problem.weights[:, None]
        H = np.empty((p, p))
        for k in range(p):
            change = w * problem.loss.hessian_product(self.F, problem.Y, J[:, :, k])
            H[:, k] = np.einsum("ncp,nc->p", J, change)
        symmetric: Array = 0.5 * (H + H.T)
        return symmetric
