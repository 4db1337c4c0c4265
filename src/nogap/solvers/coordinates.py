"""Coordinates for a descent in which its objective bends about equally in all directions.

Figures beside each other in an image are nearly equal, so patches vary a thousand times more along
some filters than along others, and L-BFGS spends most of its steps on finding that out.  The
Gauss-Newton matrix of neuron j is about ``size_j G + beta I`` with one matrix G for all neurons:
its eigenvectors, and a scale for each of them and each neuron, make coordinates in which half of
the steps go as far.  Coordinates change no objective, so a few samples and neurons do for G.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nogap._typing import Array
from nogap.problem import Problem
from nogap.rows import height
from nogap.solvers.neurons import Neurons
from nogap.units import Unit

SAMPLES, NEURONS = 300, 20  # that G is the mean of
MOST_COLUMNS = 500  # of a matrix worth its eigenvectors; beyond, scales alone


def bends_unevenly(problem: Problem) -> bool:
    """Whether coordinates pay: for patches and for several outputs; one output needs none."""
    several = problem.rows.n_positions > 1 or problem.n_outputs > 1
    return several and problem.rows.d <= MOST_COLUMNS


class Coordinates:
    """Linear coordinates z of the weights x = (U (d, m), A (m, q C), b (C,)) of neurons.

    Parameters
    ----------
    problem : Problem
    unit : Unit
    neurons : Neurons
        Where the descent starts.
    """

    def __init__(self, problem: Problem, unit: Unit, neurons: Neurons) -> None:
        n, m, d = problem.rows.n, neurons.count, problem.rows.d
        index = np.unique(np.linspace(0, n - 1, min(n, SAMPLES)).astype(np.intp))
        sample, share = problem.subset(index), n / index.size
        G, squares, bend = _moments(sample, unit, neurons)
        values, self.basis = _eigenvectors(share * G)
        for_U = np.maximum(values, 0.0)[:, None] * neurons.sizes + problem.beta
        for_A = np.repeat(share * squares * neurons.sizes + problem.beta, neurons.outputs.shape[1])
        for_b = np.full(problem.n_outputs, share * bend + problem.beta)
        bends = np.concatenate([for_U.ravel(), for_A, for_b])
        self.scales = 1.0 / np.sqrt(bends)
        self.shape = d, m

    def of(self, x: Array) -> Array:
        """The coordinates z of the weights x."""
        z = self._turned(x, back=True)
        z /= self.scales
        return z

    def weights(self, z: Array) -> Array:
        """The weights x that have the coordinates z."""
        return self._turned(self._scales(z) * z)

    def seen_by(
        self, function: Callable[[Array], tuple[float, Array]]
    ) -> Callable[[Array], tuple[float, Array]]:
        """Value and gradient in z of a function with value and gradient in x."""

        def seen(z: Array) -> tuple[float, Array]:
            value, gradient = function(self.weights(z))
            return value, self._scales(z) * self._turned(gradient, back=True)

        return seen

    def _turned(self, x: Array, back: bool = False) -> Array:
        turned = x.copy()
        if self.basis is not None:
            d, m = self.shape
            basis = self.basis.astype(x.dtype, copy=False)
            U = x[: d * m].reshape(d, m)
            turned[: d * m] = ((basis.T if back else basis) @ U).ravel()
        return turned

    def _scales(self, like: Array) -> Array:
        scales: Array = self.scales.astype(like.dtype, copy=False)
        return scales


def _eigenvectors(G: Array) -> tuple[Array, Array | None]:
    """Eigenvalues and eigenvectors, those of a diagonal being the unit vectors (None)."""
    return np.linalg.eigh(G) if G.ndim == 2 else (G, None)


def _moments(problem: Problem, unit: Unit, neurons: Neurons) -> tuple[Array, Array, float]:
    """G (d, d) of neurons of size 1, squared norms (m,) of their features, and the sum of weights.

    All with the loss's curvature in the samples. Of very many columns G is the diagonal only; so
    it is where filters are untied, whose weights have to stay in their supports.
    """
    n = problem.rows.n
    X = problem.rows.take(np.arange(n)).astype(np.float64, copy=False)
    Z = X @ neurons.directions.T
    mask = unit.activate(Z, neurons.gate)
    Phi = unit.pool(Z, n)
    q = Phi.shape[0] // n
    F = neurons.outputs_at(Phi)
    bend = problem.weights * problem.loss.curvature(F, problem.Y).mean(axis=1)
    squares = np.einsum("im,i->m", Phi**2, np.repeat(bend, q)) / q
    d = X.shape[1]
    G = np.zeros((d, d) if d <= MOST_COLUMNS and unit.tied else d)
    largest = np.argsort(-neurons.sizes, kind="stable")[:NEURONS]
    for j in largest:
        each = np.linalg.norm(neurons.outputs[j].reshape(q, -1), axis=1)  # 1 where it is pooled
        B = unit.pool(mask[:, j, None] * X, n)
        weight = np.repeat(bend, q) * np.tile(each**2, n)
        G += B.T @ (weight[:, None] * B) if G.ndim == 2 else weight @ B**2
    assert height(problem.rows) == X.shape[0]
    return G / max(largest.size, 1), squares, float(bend.sum())
