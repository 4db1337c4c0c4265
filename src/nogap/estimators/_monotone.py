"""Points along features that the output must be monotone in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nogap._typing import Array, IntArray

LINES = 8  # training rows through which each monotone feature is varied
QUANTILES = 5  # of the feature along each line, where the data are,
EVEN = 25  # and evenly spaced points, where there are few


def monotone_signs(given: Any, d: int, names: list[str] | None) -> IntArray:
    """The sign of every feature, (d,), from a sequence or a mapping by name."""
    if given is None:
        return np.zeros(d, dtype=np.intp)
    if isinstance(given, Mapping):
        unknown = [name for name in given if names is None or name not in names]
        if unknown:
            known = "X has no feature names" if names is None else f"the features are {names}"
            raise ValueError(f"monotonic_cst names the feature {unknown[0]!r}, but {known}")
        given = [given.get(name, 0) for name in names or []]
    signs = np.asarray(given)
    if signs.shape != (d,) or not np.all(np.isin(signs, (-1, 0, 1))):
        raise ValueError(
            f"monotonic_cst must hold -1, 0 or 1 for each of the {d} features, got {given!r}"
        )
    return signs.astype(np.intp)


def monotone_chains(X: Array, signs: IntArray, rng: np.random.Generator) -> tuple[Array, IntArray]:
    """Points (k, d) and pairs (below, above) of them that the signs order.

    Each line starts from a training row and sets one feature to points over its range.
    """
    points, pairs, start = [np.zeros((0, X.shape[1]))], [np.zeros((0, 2), dtype=np.intp)], 0
    for feature in np.flatnonzero(signs):
        values = X[:, feature]
        quantiles = np.quantile(values, np.linspace(0.0, 1.0, QUANTILES))
        even = np.linspace(values.min(), values.max(), EVEN)
        grid = np.unique(np.concatenate([quantiles, even]))
        if grid.size == 1:
            continue
        rows = rng.choice(X.shape[0], size=min(LINES, X.shape[0]), replace=False)
        lines = np.repeat(X[rows], grid.size, axis=0)
        lines[:, feature] = np.tile(grid, rows.size)
        index = start + np.arange(lines.shape[0]).reshape(rows.size, grid.size)
        low, high = index[:, :-1].ravel(), index[:, 1:].ravel()
        ordered = (low, high) if signs[feature] > 0 else (high, low)
        points.append(lines)
        pairs.append(np.column_stack(ordered))
        start += lines.shape[0]
    return np.vstack(points), np.vstack(pairs)
