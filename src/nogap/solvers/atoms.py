"""What sizes multiply: each neuron's part of the outputs, and the constants of the intercept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

from nogap._typing import Array, BoolArray
from nogap.losses import Loss, Squared
from nogap.problem import Problem
from nogap.solvers.features import Features
from nogap.solvers.neurons import Neurons
from nogap.units.readout import columns


def atoms_of(problem: Problem, neurons: Neurons, features: Features) -> Atoms:
    """The atoms of these neurons: outer products, unless every patch has its own weights."""
    kind = RankOne if neurons.outputs.shape[1] == problem.n_outputs else General
    return kind(problem, features, neurons.outputs)


class RankOne:
    """The atoms phi_j s_j' and the constants of the intercept, as sums over parts of the rows."""

    def __init__(self, problem: Problem, features: Features, outputs: Array) -> None:
        self.problem, self.features = problem, features
        self.n_free = problem.n_outputs if problem.fit_intercept else 0
        constants = np.eye(problem.n_outputs)[: self.n_free]
        self.atoms = np.concatenate([outputs, constants])  # (m + C, C)
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

    def rows(self, mask: BoolArray) -> Array:
        """What the atoms give in some outputs of some samples, marked in (n, C): (k, m + C)."""
        found = [
            Phi[i] * self.atoms[:, c].T
            for part, _, Phi in self._parts()
            for i, c in [np.nonzero(mask[part])]
        ]
        return np.concatenate(found)

    def gram(self, D: Array) -> Array:
        """``sum_ic D_ic a_j,ic a_k,ic`` over the samples and outputs, (m + C, m + C)."""
        H = np.zeros((self.atoms.shape[0], self.atoms.shape[0]))
        for part, _, Phi in self._parts():
            for root, s in zip(np.sqrt(np.maximum(D[part], 0.0)).T, self.atoms.T, strict=True):
                on = np.flatnonzero(root)  # a hinge that is smoothed bends in few samples
                scaled = (Phi if on.size == root.size else Phi[on]) * (root[on, None] * s)
                H += scaled.T @ scaled
        return H

    def hessian(self, F: Array) -> Array:
        """Hessian of the loss in the coefficients at outputs F (n, C)."""
        problem, loss = self.problem, self.problem.loss
        if not (loss.couples_outputs or isinstance(loss, Squared)):
            return self.gram(problem.weights[:, None] * loss.curvature(F, problem.Y))
        H = np.zeros((self.atoms.shape[0], self.atoms.shape[0]))
        for part, piece, Phi in self._parts():
            w = piece.weights[:, None]
            if isinstance(loss, Squared):  # bends alike in all outputs
                scaled = np.sqrt(w) * Phi
                H += scaled.T @ scaled * self.products
                continue
            for root in _square_roots(loss, F[part], piece.Y, w):
                scaled = Phi * (root @ self.atoms.T)
                H += scaled.T @ scaled
        symmetric: Array = 0.5 * (H + H.T)
        return symmetric


class General:
    """Atoms of neurons with weights for every patch: any matrix (n, C) each."""

    def __init__(self, problem: Problem, features: Features, outputs: Array) -> None:
        self.problem, self.features, self.weights = problem, features, outputs
        self.n_free = problem.n_outputs if problem.fit_intercept else 0

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

    def rows(self, mask: BoolArray) -> Array:
        return np.concatenate([each[mask[part]] for part, _, each in self._parts()])

    def gram(self, D: Array) -> Array:
        m = self.weights.shape[0] + self.n_free
        H = np.zeros((m, m))
        for part, _, each in self._parts():
            scaled = np.sqrt(np.maximum(D[part], 0.0)).reshape(-1, 1) * each.reshape(-1, m)
            H += scaled.T @ scaled
        return H

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


Atoms: TypeAlias = RankOne | General


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
