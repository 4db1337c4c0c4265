"""The neurons that a master works on: sizes times unit hidden and output directions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from nogap._typing import AnyArray, Array, IntArray
from nogap.problem import Problem
from nogap.rows import Rows
from nogap.units import ReLU, Unit
from nogap.units.activations import ALL
from nogap.units.readout import moments, read


@dataclass(frozen=True)
class Neurons:
    """``f = sum_j size_j act(X u_j) s_j' + b`` with ``||s_j|| = 1`` and ``size_j >= 0``.

    A unit that is a sub-network has all of its weights in u_j, in the norm of its penalty.

    Attributes
    ----------
    directions : array (m, d)
        Of norm 1, or whatever hidden weights a unit that is not homogeneous allows.
    outputs : array (m, q C)
        q is 1 unless every patch has output weights of its own.
    sizes : array (m,)
    intercept : array (C,)
    gate : int array (m,)
        Which fixed gate or position each neuron has; zeros for units without either.
    """

    directions: Array
    outputs: Array
    sizes: Array
    intercept: Array
    gate: IntArray

    @classmethod
    def none(cls, problem: Problem, unit: Unit | None = None) -> Neurons:
        """No neurons (ReLU units by default), and the best constant where there is an intercept."""
        d, C = problem.rows.d, problem.n_outputs
        if unit is not None:
            d, C = unit.direction_size(d), C * unit.readouts
        b = problem.best_intercept(np.zeros_like(problem.Y))
        return cls(np.zeros((0, d)), np.zeros((0, C)), np.zeros(0), b, np.zeros(0, dtype=np.intp))

    @classmethod
    def from_factors(
        cls, U: Array, A: Array, intercept: Array, gate: IntArray, unit: Unit | None = None
    ) -> Neurons:
        """From hidden weights U (m, d) and output weights A (m, C); empty neurons are dropped.

        ``unit`` need not be given where it is homogeneous.
        """
        directions, hidden = (ReLU() if unit is None else unit).split(U)
        output = np.linalg.norm(A, axis=1)
        alive = (hidden > 0) & (output > 0)
        hidden, output = hidden[alive], output[alive]
        return cls(
            directions[alive],
            A[alive] / output[:, None],
            hidden * output,
            intercept,
            gate[alive],
        )

    @property
    def count(self) -> int:
        return int(self.sizes.size)

    @cached_property
    def hidden(self) -> Array:
        """All of the size on the hidden side: v_j = size_j u_j, (m, d)."""
        return self.directions * self.sizes[:, None]

    @property
    def penalty(self) -> float:
        return float(self.sizes.sum())

    def features(self, problem: Problem, unit: Unit, part: slice = ALL) -> Array:
        """Unit features (k q, m) of a problem that has these of the training rows."""
        return unit.features(problem.rows, self.directions.T, self.gate, part)

    def outputs_at(self, features: Array) -> Array:
        """F (n, C) from the unit features (n q, m)."""
        q = self.outputs.shape[1] // self.intercept.size
        n = features.shape[0] // q
        F: Array = read(features, self.sizes[:, None] * self.outputs, n) + self.intercept
        return F

    def with_sizes(self, sizes: Array, intercept: Array) -> Neurons:
        return replace(self, sizes=sizes, intercept=intercept)

    def keep(self, index: AnyArray) -> Neurons:
        return Neurons(
            self.directions[index],
            self.outputs[index],
            self.sizes[index],
            self.intercept,
            self.gate[index],
        )

    def used(self) -> Neurons:
        """Those that have a size, which is all that the outputs are made of."""
        used = self.keep(self.sizes > 0)
        if "known" in self.__dict__:
            used.__dict__["known"] = self.known
        return used

    def knowing(self, rows: Rows, F: Array) -> Neurons:
        """These neurons, which remember that their outputs on those rows are F (n, C).

        Objective, dual point and re-fit ask for them in turn, and on large data each time that
        they are computed takes as long as a step of a descent.
        """
        F.flags.writeable = False
        self.__dict__["known"] = (rows, F)
        return self

    @cached_property
    def known(self) -> tuple[Rows | None, Array]:
        """Rows and the outputs on them, see :meth:`knowing`."""
        return None, np.empty(0)

    def joined(self, other: Neurons) -> Neurons:
        """These and then the others; the intercept of these stays."""
        return Neurons(
            np.concatenate([self.directions, other.directions]),
            np.concatenate([self.outputs, other.outputs]),
            np.concatenate([self.sizes, other.sizes]),
            self.intercept,
            np.concatenate([self.gate, other.gate]),
        )


def with_best_outputs(
    problem: Problem, unit: Unit, directions: Array, gate: IntArray, like: Neurons, V: Array
) -> Neurons:
    """New neurons of size 0 with the output directions that the dual point V (n, C) prefers."""
    k = directions.shape[0]
    width = problem.n_outputs * unit.readouts
    blank = Neurons(directions, np.zeros((k, width)), np.zeros(k), like.intercept, gate)
    S = correlations(problem, unit, blank, V)
    norms = np.linalg.norm(S, axis=1, keepdims=True)
    S = np.where(norms > 0, S / np.where(norms > 0, norms, 1.0), width**-0.5)
    return replace(blank, outputs=S)


def objective(problem: Problem, unit: Unit, neurons: Neurons) -> float:
    """Objective of the network in float64."""
    return problem.loss_value(outputs(problem, unit, neurons)) + problem.beta * neurons.penalty


def outputs(problem: Problem, unit: Unit, neurons: Neurons) -> Array:
    """Outputs F (n, C) of the network on the training rows."""
    if neurons.known[0] is not problem.rows:
        F = np.empty_like(problem.Y)
        for part, piece in problem.parts:
            F[part] = neurons.outputs_at(neurons.features(piece, unit, part))
        neurons.knowing(problem.rows, F)
    return neurons.known[1]


def correlations(problem: Problem, unit: Unit, neurons: Neurons, V: Array) -> Array:
    """``phi_j' V`` of each neuron's feature with a dual point V (n, C), (m, q C)."""
    total = np.zeros((neurons.count, V.shape[1] * unit.readouts))
    for part, piece in problem.parts:
        total += moments(neurons.features(piece, unit, part), V[part])
    return total
