"""The splits of a cross-validation: the user's own, or folds that are fair to rare classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from numbers import Integral
from typing import Any, TypeAlias

import numpy as np
from sklearn.model_selection import check_cv

from nogap._typing import AnyArray, Array, IntArray

Split: TypeAlias = tuple[IntArray, IntArray]

N_FOLDS = 5


class ShuffledFolds:
    """Folds of shuffled rows; every class is dealt out evenly, however rare it is.

    The only row of a class is trained on in all folds: it cannot be tested on, too.

    Parameters
    ----------
    count : int
        Number of folds; fewer where there are fewer rows.
    by_class : bool
        Whether y holds classes.
    seed : int
    """

    def __init__(self, count: int, *, by_class: bool, seed: int) -> None:
        self.count, self.by_class, self.seed = count, by_class, seed

    def split(self, X: Any, y: Any, **_: Any) -> Iterator[Split]:
        """Training and test rows of each fold."""
        n = X.shape[0]
        fold = folds(y if self.by_class else None, n, min(self.count, n), self.seed)
        for k in range(int(fold.max()) + 1):
            yield np.flatnonzero(fold != k), np.flatnonzero(fold == k)


def splitter(cv: Any, y: Any, *, by_class: bool, seed: int) -> Any:
    """What scikit-learn's ``check_cv`` gives; None and numbers give :class:`ShuffledFolds`."""
    if cv is None or isinstance(cv, Integral):
        return ShuffledFolds(int(cv or N_FOLDS), by_class=by_class, seed=seed)
    return check_cv(cv, y, classifier=by_class)


def check_splits(
    splits: Sequence[Split], y: AnyArray, weights: Array | None, *, by_class: bool
) -> None:
    """Refuse splits that leave nothing to train on, or nothing to test on.

    Raises
    ------
    ValueError
        The first split that does, and what to do; or there is none.
    """
    if not splits:
        raise ValueError(
            "every class has only one row, so that none is left to test on; use more rows"
        )
    n = len(y)
    for k, (train, test) in enumerate(splits):
        for rows in (train, test):
            if rows.dtype.kind != "b" and rows.size and not -n <= rows.min() <= rows.max() < n:
                raise ValueError(
                    f"split {k} of cv names row {rows[np.abs(rows).argmax()]}, but there are {n} "
                    "rows; numbers of rows go from 0"
                )
        tested = test if weights is None else test[weights[test] > 0]
        if not tested.size:
            raise ValueError(
                f"split {k} of cv has no row of positive weight to test on; use fewer folds"
            )
        rows = train if weights is None else train[weights[train] > 0]
        if by_class and np.unique(y[rows]).size < 2:
            raise ValueError(
                f"split {k} of cv has fewer than two classes to train on; use fewer folds, or a "
                "splitter that keeps the classes together"
            )
        if by_class and not np.isin(y[tested], y[rows]).any():
            raise ValueError(
                f"split {k} of cv tests only on classes that it does not train on; use a "
                "stratified splitter"
            )


def folds(classes: AnyArray | None, n: int, count: int, seed: int) -> IntArray:
    """Fold of each row, 0 to count - 1, or -1 for the only row of a class, int (n,).

    Examples
    --------
    >>> sorted(folds(np.array([0, 0, 0, 1, 1, 1]), 6, 3, seed=0)[3:].tolist())
    [0, 1, 2]
    """
    generator = np.random.default_rng(seed)
    labels = np.zeros(n, dtype=np.intp) if classes is None else classes
    of_class = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    dealt = [generator.permutation(rows) for rows in of_class if rows.size > 1]
    order = np.concatenate(dealt) if dealt else np.empty(0, dtype=np.intp)
    fold = np.full(n, -1, dtype=np.intp)
    fold[order] = np.arange(order.size) % count
    return fold
