"""Which rows train and which are held out: deterministic, and fair to rare classes and levels."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from nogap._typing import BoolArray, IntArray
from nogap.tabular.table import Table


def hold_out(classes: IntArray | None, n: int, fraction: float, seed: int) -> BoolArray:
    """Rows to keep for testing, bool (n,); the same seed, the same rows.

    Parameters
    ----------
    classes : int array (n,) or None
        Class of each row: every class gives its share, and keeps a row or more to train on.
    n : int
        Rows.
    fraction : float
        Share to hold out, at least 0 and less than 1.
    seed : int

    Examples
    --------
    >>> int(hold_out(None, 10, 0.2, seed=0).sum())
    2
    """
    generator = np.random.default_rng(seed)
    held = np.zeros(n, dtype=bool)
    labels = np.zeros(n, dtype=np.intp) if classes is None else classes
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        held[members[: min(round(fraction * members.size), members.size - 1)]] = True
    return held


def untrained_levels(table: Table, text_columns: Iterable[str], training: BoolArray) -> IntArray:
    """Rows to add to the training rows so that these show every level; their positions."""
    added: set[int] = set()
    for name in text_columns:
        cells = table.column(name)
        seen = {cell for cell, used in zip(cells, training, strict=True) if used}
        for i, cell in enumerate(cells):
            if cell not in seen:
                seen.add(cell)
                added.add(i)
    return np.array(sorted(added), dtype=np.intp)
