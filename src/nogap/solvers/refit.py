"""Master on the output side: the best sizes of given unit neurons, a lasso with one-signed weights.

    min_{t >= 0, b}   L(sum_j t_j phi_j s_j' + b) + beta sum_j t_j

(or what a neuron with weights for every patch gives in place of ``phi_j s_j'``).

Newton steps on the loss, each a non-negative quadratic program solved exactly and damped where the
quadratic model promises more than it keeps; one step suffices for the squared loss.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nogap._typing import Array, BoolArray
from nogap.losses import Loss, Squared
from nogap.problem import Problem
from nogap.solvers.features import Features
from nogap.solvers.hinge_program import refit_sizes_hinge
from nogap.solvers.neurons import Neurons
from nogap.solvers.nonnegative import nonnegative_qp
from nogap.units.readout import columns

MAX_NEWTON_STEPS = 100
ROUNDING = 1e-15  # share of the value by which two sums of losses differ when they are equal
UNSEEN = 1e-14  # share of it from which a decrease says little
LEAST_DAMPING, MOST_DAMPING = 1e-12, 1e6  # as a share of the curvature of the squared loss


def refit_sizes(
    problem: Problem, neurons: Neurons, features: Features, tolerance: float = 1e-11
) -> tuple[Neurons, Array]:
    """Neurons with their best sizes and intercept, and the dual point V (n, C) there.

    ``tolerance`` is that of the quadratic programs: a smaller one separates neurons that are all
    but the same.
    """
    if not problem.loss.smooth:
        return refit_sizes_hinge(problem, neurons, features.whole())
    C = problem.n_outputs
    n_free = C if problem.fit_intercept else 0
    t = np.concatenate([neurons.sizes, neurons.intercept[:n_free]])
    free = np.arange(t.size) >= neurons.count
    price = np.where(free, 0.0, problem.beta)
    kind = _RankOne if neurons.outputs.shape[1] == C else _General
    atoms = kind(problem, features, neurons.outputs, n_free)
    floor = atoms.squares()  # the Hessian's diagonal at curvature 1 in every sample

    def value_at(t: Array, F: Array) -> float:
        return problem.loss_value(F) + float(price @ t)

    F = atoms.outputs(t)
    value = value_at(t, F)
    damping = 0.0
    for _ in range(MAX_NEWTON_STEPS):
        slope = atoms.moments(problem.dual_point(F)) - price
        H = atoms.hessian(F)
        while True:
            damped = H + damping * np.diag(floor)
            with np.errstate(over="ignore", invalid="ignore"):  # a loss without curvature: damped
                step = nonnegative_qp(damped, slope + damped @ t, t, free, tolerance) - t
                expected = float(slope @ step)
                F_trial = atoms.outputs(t + step)
                decrease = value - value_at(t + step, F_trial)
            if decrease >= 0.25 * expected or expected <= 1e-13 * abs(value):
                break
            # the loss is flatter here than where the step leads (Huber, squared hinge)
            damping = max(10.0 * damping, LEAST_DAMPING)
            if damping > MOST_DAMPING:
                return _finished(problem, neurons, t, F)
        done = isinstance(problem.loss, Squared)
        if decrease <= UNSEEN * abs(value):
            # a step too small to be seen in the value may still mend the dual point
            trial = atoms.moments(problem.dual_point(F_trial)) - price
            before, after = _violation(slope, t, free), _violation(trial, t + step, free)
            if decrease < -ROUNDING * abs(value) or after >= before:
                break
            done = done or after > 0.5 * before
        t, F, value = t + step, F_trial, value - decrease
        damping = 0.1 * damping if damping > LEAST_DAMPING else 0.0
        if done:
            break
    return _finished(problem, neurons, t, F)


def _violation(slope: Array, t: Array, free: BoolArray) -> float:
    """How far a point is from optimal: the slope where it may move, a rise where t is zero."""
    return float(np.where((t > 0) | free, np.abs(slope), np.maximum(slope, 0.0)).max(initial=0.0))


def _finished(problem: Problem, neurons: Neurons, t: Array, F: Array) -> tuple[Neurons, Array]:
    b = t[neurons.count :] if problem.fit_intercept else neurons.intercept
    return neurons.with_sizes(t[: neurons.count], b).knowing(problem, F), problem.dual_point(F)


class _RankOne:
    """The atoms phi_j s_j' and the constants of the intercept, as sums over parts of the rows."""

    def __init__(self, problem: Problem, features: Features, outputs: Array, n_free: int) -> None:
        self.problem, self.features, self.n_free = problem, features, n_free
        self.atoms = np.concatenate([outputs, np.eye(problem.n_outputs)[:n_free]])  # (m + C, C)
        self.products = self.atoms @ self.atoms.T

    def _parts(self) -> Iterator[tuple[slice, Problem, Array]]:
        for part, piece, Phi in self.features:
            ones = np.ones((Phi.shape[0], self.n_free))
            yield part, piece, np.concatenate([Phi, ones], axis=1) if self.n_free else Phi

    def outputs(self, t: Array) -> Array:
        """F (n, C) of the coefficients t (m + C,)."""
        F = np.empty_like(self.problem.Y)
        for part, _, Phi in self._parts():
            F[part] = Phi @ (t[:, None] * self.atoms)
        return F

    def moments(self, V: Array) -> Array:
        """Inner products of the atoms with V (n, C), (m + C,)."""
        total = np.zeros_like(self.atoms)
        for part, _, Phi in self._parts():
            total += Phi.T @ V[part]
        moments: Array = np.einsum("mc,mc->m", total, self.atoms)
        return moments

    def squares(self) -> Array:
        total = np.zeros(self.atoms.shape[0])
        for _, piece, Phi in self._parts():
            total += piece.weights @ Phi**2
        return total

    def hessian(self, F: Array) -> Array:
        """Hessian of the loss in the coefficients at outputs F (n, C)."""
        loss, C = self.problem.loss, self.atoms.shape[1]
        H = np.zeros((self.atoms.shape[0], self.atoms.shape[0]))
        for part, piece, Phi in self._parts():
            w = piece.weights[:, None]
            if C == 1 or isinstance(loss, Squared):
                scale = w * loss.curvature(F[part], piece.Y)[:, :1]
                H += Phi.T @ (scale * Phi) * self.products
                continue
            for root in _square_roots(loss, F[part], piece.Y, w):
                scaled = Phi * (root @ self.atoms.T)
                H += scaled.T @ scaled
        symmetric: Array = 0.5 * (H + H.T)
        return symmetric


def _square_roots(loss: Loss, F: Array, Y: Array, w: Array) -> Iterator[Array]:
    """Arrays (n, C), r of them, with the Hessian of sample i in the outputs ``sum_r r_i r_i'``."""
    C = F.shape[1]
    products = []
    for c in range(C):
        D = np.zeros_like(F)
        D[:, c] = 1.0
        products.append(w * loss.hessian_product(F, Y, D))
    sizes, vectors = np.linalg.eigh(np.stack(products, axis=2))
    roots = vectors * np.sqrt(np.maximum(sizes, 0.0))[:, None, :]
    return (roots[:, :, r] for r in range(C) if np.any(roots[:, :, r]))


class _General:
    """Atoms of neurons with weights for every patch: any matrix (n, C) each."""

    def __init__(self, problem: Problem, features: Features, outputs: Array, n_free: int) -> None:
        self.problem, self.features, self.weights, self.n_free = problem, features, outputs, n_free

    def _parts(self) -> Iterator[tuple[slice, Problem, Array]]:
        constants = np.eye(self.problem.n_outputs)[None, :, : self.n_free]
        for part, piece, Phi in self.features:
            each = columns(Phi, self.weights, piece.rows.n)  # (n, C, m)
            free = np.broadcast_to(constants, (each.shape[0], *constants.shape[1:]))
            yield part, piece, np.concatenate([each, free], axis=2)

    def outputs(self, t: Array) -> Array:
        F = np.empty_like(self.problem.Y)
        for part, _, each in self._parts():
            F[part] = each @ t
        return F

    def moments(self, V: Array) -> Array:
        total: Array = np.zeros(self.weights.shape[0] + self.n_free)
        for part, _, each in self._parts():
            total += np.tensordot(V[part], each, axes=2)
        return total

    def squares(self) -> Array:
        total: Array = np.zeros(self.weights.shape[0] + self.n_free)
        for _, piece, each in self._parts():
            total += piece.weights @ np.einsum("ncm,ncm->nm", each, each)
        return total

    def hessian(self, F: Array) -> Array:
        m = self.weights.shape[0] + self.n_free
        H = np.zeros((m, m))
        for part, piece, each in self._parts():
            w = piece.weights[:, None]
            for j in range(m):
                change = w * self.problem.loss.hessian_product(F[part], piece.Y, each[:, :, j])
                H[:, j] += np.tensordot(change, each, axes=2)
        symmetric: Array = 0.5 * (H + H.T)
        return symmetric
