"""Gate vectors that realise given activation patterns."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from nogap._typing import Array, ArrayLike, BoolArray
from nogap.patterns._lines import (
    as_data,
    distinct_lines,
    scaled_rows,
    unit_rows,
)
from nogap.patterns.packed import as_patterns, first_occurrences


def find_gates(X: ArrayLike, patterns: ArrayLike) -> Array:
    """Find a gate vector for every pattern, strictly inside its cell.

    Gate g realises pattern S if x_i^T g > 0 where S_i is True and x_i^T g < 0 where it is False,
    for all non-zero rows x_i; zero rows count as on (1[0 >= 0] = 1). Gates turn patterns into gated
    ReLU networks that can predict for other samples.

    Parameters
    ----------
    X : array_like of shape (n, d)
        Data, one sample per row.
    patterns : array_like of bool, shape (P, n)
        Activation patterns, such as `enumerate_patterns` or `sample_patterns` give.

    Returns
    -------
    ndarray of shape (P, d)
        Gates of norm 1 in the row space of `X` (0 if all rows are zero). Each has a large margin:
        it maximises min_i |z_i^T g| / ||g||_1, z_i the rows in whitened coordinates, scaled to
        norm 1.

    Raises
    ------
    ValueError
        If `X` or `patterns` have a wrong shape or type, or if no gate realises one of the patterns;
        the sentence names the first such pattern.

    Notes
    -----
    One linear program for each pair of opposite patterns, 2 to 3 ms each.
    A gated network with such gates is that of A. Mishkin, A. Sahiner, M. Pilanci, "Fast convex
    optimization for two-layer ReLU networks", ICML 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from nogap.patterns import enumerate_patterns, find_gates
    >>> X = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> patterns = enumerate_patterns(X)
    >>> bool(((find_gates(X, patterns) @ X.T > 0) == patterns).all())
    True
    """
    data = as_data(X)
    masks = as_patterns(patterns)
    if masks.shape[1] != data.shape[0]:
        raise ValueError(
            f"Patterns must have one bit per row of X: X has {data.shape[0]} rows, but the "
            f"patterns have {masks.shape[1]} bits."
        )
    lines = distinct_lines(data)
    bits = masks[:, lines.representatives]  # (P, m)
    inconsistent = (lines.to_samples(bits) != masks).any(axis=1)
    stop = int(inconsistent.argmax()) if inconsistent.any() else len(masks)
    gates = np.zeros((len(masks), data.shape[1]))
    if len(lines):
        gates[:stop] = _line_gates(lines.normals, bits[:stop]) @ lines.lift.T
    gates = _unit(gates)
    heights = gates[:stop] @ scaled_rows(data).T  # (P, n)
    strict = np.where(masks[:stop], heights > 0, heights < 0) | lines.zero
    failed = np.append(~strict.all(axis=1), stop < len(masks))
    if failed.any():
        raise ValueError(
            f"No gate realises pattern {int(failed.argmax())}: no vector u gives 1[X u > 0] these "
            "bits (zero rows of X must have bit 1, and parallel rows equal or opposite bits)."
        )
    return gates


def _line_gates(normals: Array, bits: BoolArray) -> Array:
    """Gates (P, r) of the bits (P, m) of lines (m, r); zeros where there is none."""
    signs = np.where(bits, 1.0, -1.0)
    signs *= signs[:, :1]
    packed = np.packbits(signs > 0, axis=1)
    firsts = first_occurrences(packed)
    gates = np.zeros((len(bits), normals.shape[1]))
    position = {packed[first].tobytes(): first for first in firsts}
    for first in np.sort(firsts):
        gates[first] = _largest_margin(signs[first][:, None] * normals)
        if not gates[first].any():
            break
    which = [position[row.tobytes()] for row in packed]
    return gates[which] * np.where(bits[:, :1], 1.0, -1.0)


def _largest_margin(rows: Array) -> Array:
    """Return the g (r,) of least ||g||_1 with rows @ g >= 1, or zeros if there is none."""
    # Asking for height 1 and a small g, not for a large height of a bounded g, keeps thin cells
    # above the absolute tolerances of the solver.
    size = rows.shape[1]
    solution = linprog(
        np.ones(2 * size),
        A_ub=np.hstack([-rows, rows]),
        b_ub=-np.ones(len(rows)),
        bounds=(0, None),
        method="highs",
    )
    if solution.x is None:
        return np.zeros(size)
    gate: Array = solution.x[:size] - solution.x[size:]
    return gate


def _unit(gates: Array) -> Array:
    """Scale to norm 1; the largest entry first, so that squares neither overflow nor vanish."""
    largest = np.abs(gates).max(axis=1, keepdims=True)
    return unit_rows(np.divide(gates, largest, out=np.zeros_like(gates), where=largest > 0))
