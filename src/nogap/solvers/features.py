"""The unit features of some neurons, part by part: kept where they are few, else computed anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

import numpy as np

from nogap._typing import Array
from nogap.problem import Problem
from nogap.solvers.neurons import Neurons
from nogap.units import Unit

FeaturePart: TypeAlias = tuple[slice, Problem, Array]

KEPT_ENTRIES = 4_000_000  # features that are kept in any case; beyond, a quarter of the data


class Features:
    """Iterates over (slice, problem, features (k q, m)) of the parts of the samples.

    Parameters
    ----------
    problem, unit, neurons : Problem, Unit, Neurons
    """

    def __init__(self, problem: Problem, unit: Unit, neurons: Neurons) -> None:
        self._parts: Callable[[], Iterable[FeaturePart]] = lambda: (
            (part, piece, neurons.features(piece, unit, part)) for part, piece in problem.parts
        )
        n, d = problem.rows.n, problem.rows.d
        if n * unit.readouts * neurons.count <= max(KEPT_ENTRIES, n * d // 4):
            kept = list(self._parts())
            self._parts = lambda: kept

    @classmethod
    def of_array(cls, problem: Problem, features: Array) -> Features:
        """Features (n q, m) that are there already."""
        self = cls.__new__(cls)
        q = features.shape[0] // problem.rows.n
        kept = [
            (part, piece, features[q * part.start : q * part.stop]) for part, piece in problem.parts
        ]
        self._parts = lambda: kept
        return self

    def __iter__(self) -> Iterator[FeaturePart]:
        return iter(self._parts())

    def whole(self) -> Array:
        """All features in one array (n q, m)."""
        return np.concatenate([Phi for _, _, Phi in self])
