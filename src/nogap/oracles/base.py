"""What the outer loop asks of an oracle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nogap._typing import AnyArray, Array, IntArray
from nogap.certificate import Correlation


@dataclass(frozen=True)
class Candidates:
    """Unit neurons and their correlation with a dual point, best first.

    Attributes
    ----------
    directions : array (k, d)
        Hidden directions of norm 1.
    values : array (k,)
        ``||phi' V||_2`` of each, phi being the neuron's feature.
    gate : int array (k,)
        Which fixed gate or pattern each belongs to; zeros where there are none.
    """

    directions: Array
    values: Array
    gate: IntArray

    @property
    def best(self) -> float:
        return float(self.values[0]) if self.values.size else 0.0

    def take(self, index: AnyArray | slice) -> Candidates:
        return Candidates(self.directions[index], self.values[index], self.gate[index])

    def joined(self, other: Candidates) -> Candidates:
        """These and then the others."""
        return Candidates(
            np.concatenate([self.directions, other.directions]),
            np.concatenate([self.values, other.values]),
            np.concatenate([self.gate, other.gate]),
        )

    @classmethod
    def ungated(cls, directions: Array, values: Array) -> Candidates:
        return cls(directions, values, np.zeros(values.size, dtype=np.intp))


class Oracle(Protocol):
    """Finds the next neurons, and says how large the dual correlation is.

    Attributes
    ----------
    complete : bool
        It leaves out no neuron of the program that is solved: what it says of the dual correlation
        is a bound *for that program* (``Correlation.kind`` says what it is for the network).
    should_stop : callable
        Asked now and then while pricing; True ends it with what there is.
    cut_short : bool
        The last answer came too early to estimate the dual correlation.
    """

    complete: bool
    should_stop: Callable[[], bool]
    cut_short: bool

    def price(
        self, V: Array, count: int, starts: Array | None = None
    ) -> tuple[Candidates, Correlation]:
        """Up to ``count`` neurons with a large correlation with V (n, C), and what q(V) is.

        ``starts`` (m, d) are the directions of the active neurons.
        """


def never() -> bool:
    """The ``should_stop`` of an oracle that nobody hurries."""
    return False


def empty(d: int) -> Candidates:
    """No candidates in d dimensions."""
    return Candidates.ungated(np.zeros((0, d)), np.zeros(0))


def distinct(candidates: Candidates, count: int, tolerance: float = 1e-7) -> Candidates:
    """Best first, at most ``count``, no direction twice for the same gate."""
    order = np.argsort(-candidates.values, kind="stable")
    directions, gate = candidates.directions[order], candidates.gate[order]
    kept: list[int] = []
    left = np.arange(order.size)
    while left.size and len(kept) < count:
        first = left[0]
        kept.append(order[first])
        near = np.linalg.norm(directions[left] - directions[first], axis=1) <= tolerance
        near &= gate[left] == gate[first]
        near[0] = True
        left = left[~near]
    return candidates.take(np.array(kept, dtype=np.intp))
