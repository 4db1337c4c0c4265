"""A budget of error for every class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp

from nogap._typing import Array, ArrayLike, IntArray
from nogap._validation import as_float, check_weights
from nogap.lifted.constraints import OutputConstraint
from nogap.losses import Squared

# |r| is replaced by sqrt(r^2 + d^2) >= |r|: what is met then is met with |r| too.  The width d is
# this share of half the range of the labels, at most.
SMOOTHING = 1e-3


class ClassErrorBudget(OutputConstraint):
    """A budget of absolute error for every class.

    For every class c, ``sum over its rows of ||output - label||_1 <= budget_c * (rows of c)``;
    rows count by their weight.

    Parameters
    ----------
    labels : array (n,) or (n, C)
        The numbers that the outputs should take; rows with the same label form a class.  With
        labels -1 and 1 an output of 0 has an error of 1; with labels 0 and 1 the constant 1/2
        meets a budget of 1/2, so the coding of the labels matters.
    budget : float or mapping from label to float
        Mean absolute error that a class may have; classes that a mapping leaves out are free.
    sample_weight : array (n,), optional
        How much each row counts; rows of weight zero are free.

    Raises
    ------
    ValueError
        A budget that is not positive, an unknown label in the mapping, labels that are not numbers.

    Notes
    -----
    Zohrizadeh et al., "Convex relaxation for training neural networks", experiment on imbalanced
    classes.

    Examples
    --------
    >>> import numpy as np
    >>> budget = ClassErrorBudget([-1.0, -1.0, 1.0], budget=0.5)
    >>> budget.values(np.array([[-1.0], [0.5], [0.8]]))
    array([ 0.5, -0.3])
    """

    def __init__(
        self,
        labels: ArrayLike,
        budget: float | Mapping[float, float] = 0.5,
        sample_weight: ArrayLike | None = None,
    ) -> None:
        self.labels = Squared().encode(labels)  # (n, C)
        n = self.labels.shape[0]
        counts = check_weights(sample_weight, n)
        classes, codes = np.unique(self.labels, axis=0, return_inverse=True)
        budgets = _budgets(classes, budget)
        kept = [k for k in range(len(budgets)) if np.isfinite(budgets[k])]
        members = [np.flatnonzero((codes.ravel() == k) & (counts > 0)) for k in kept]
        present = [k for k, rows in enumerate(members) if rows.size]
        self.members: list[IntArray] = [members[k] for k in present]
        self.classes = classes[[kept[k] for k in present]]
        self.budgets = budgets[[kept[k] for k in present]]
        self.counts = [counts[rows][:, None] for rows in self.members]  # each (rows of c, 1)
        self.totals = np.array([float(part.sum()) for part in self.counts])
        self.half_range = 0.5 * float(np.ptp(self.labels, axis=0).max())
        finest = np.minimum(self.budgets, self.half_range or np.inf)
        self.size = self.totals * finest
        self.equality = np.zeros(len(self.members), dtype=bool)

    def bind(self, n: int, n_outputs: int) -> OutputConstraint:
        if self.labels.shape != (n, n_outputs):
            raise ValueError(
                f"the labels of ClassErrorBudget have shape {self.labels.shape}, but there are {n} "
                f"rows and {n_outputs} outputs"
            )
        return self

    def _smoothing(self) -> Array:
        widest = SMOOTHING * (self.half_range or np.inf)
        width: Array = np.minimum(widest, 0.01 * self.budgets) / self.labels.shape[1]
        return width

    def values(self, F: Array, *, smooth: bool = False) -> Array:
        sums = np.empty(len(self.members))
        for k, (rows, counts, width) in enumerate(self._classes()):
            R = F[rows] - self.labels[rows]
            sums[k] = np.sum(counts * (np.sqrt(R * R + width * width) if smooth else np.abs(R)))
        return sums - self.budgets * self.totals

    def _classes(self) -> Iterator[tuple[IntArray, Array, float]]:
        """Rows, their weights and the width of the smoothing, class by class."""
        return zip(self.members, self.counts, self._smoothing().tolist(), strict=True)

    def pull(self, F: Array, multipliers: Array) -> Array:
        G = np.zeros_like(F)
        for (rows, counts, width), weight in zip(self._classes(), multipliers, strict=True):
            R = F[rows] - self.labels[rows]
            G[rows] = weight * counts * R / np.sqrt(R * R + width * width)
        return G

    def jacobian(self, F: Array) -> Any:
        signs = self.pull(F, np.ones(len(self.members))).ravel()
        C = F.shape[1]
        columns = [(rows[:, None] * C + np.arange(C)).ravel() for rows in self.members]
        lines = np.repeat(np.arange(len(columns)), [part.size for part in columns])
        index = np.concatenate(columns) if columns else np.zeros(0, dtype=np.intp)
        return sp.csr_array((signs[index], (lines, index)), shape=(len(columns), F.size))

    def curvature(self, F: Array, multipliers: Array) -> Array:
        bend = np.zeros_like(F)
        for (rows, counts, width), weight in zip(self._classes(), multipliers, strict=True):
            R = F[rows] - self.labels[rows]
            bend[rows] = weight * counts * width**2 * (R * R + width * width) ** -1.5
        return bend

    def expression(self, cp: Any, F: Any) -> Any:
        return cp.hstack(
            [
                cp.sum(cp.multiply(counts, cp.abs(F[rows] - self.labels[rows]))) - budget * size
                for rows, counts, budget, size in zip(
                    self.members, self.counts, self.budgets, self.totals, strict=True
                )
            ]
        )


def _budgets(classes: Array, budget: float | Mapping[float, float]) -> Array:
    """The budget of every class, infinite for classes that are free."""
    if isinstance(budget, Mapping):
        if classes.shape[1] != 1:
            raise ValueError("a budget for each label needs labels (n,); pass one number instead")
        known = classes[:, 0].tolist()
        for label in budget:
            if as_float(label) not in known:
                raise ValueError(f"budget names the label {label!r}; the labels are {known}")
        given = [budget.get(label, np.inf) for label in known]
    else:
        given = [budget] * len(classes)
    budgets = np.array([as_float(value) for value in given])
    if not np.all(budgets > 0):
        raise ValueError(f"budget must be positive for every class, got {budget!r}")
    return budgets
