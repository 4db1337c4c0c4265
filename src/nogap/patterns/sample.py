"""Activation patterns of random gates."""

from __future__ import annotations

from typing import Literal, overload

import numpy as np
from numpy.typing import NDArray

from nogap._typing import Array, ArrayLike, BoolArray, RandomState
from nogap._validation import generator
from nogap.patterns._lines import as_data, scaled_rows
from nogap.patterns.enumerate import max_pattern_count
from nogap.patterns.packed import first_occurrences

_BLOCK = 1 << 21  # numbers in the largest array of a block of draws
_FRUITLESS = 4096  # draws without a new pattern before giving up, at least


@overload
def sample_patterns(
    X: ArrayLike,
    count: int,
    random_state: RandomState = None,
    return_gates: Literal[False] = False,
) -> BoolArray: ...
@overload
def sample_patterns(
    X: ArrayLike,
    count: int,
    random_state: RandomState = None,
    *,
    return_gates: Literal[True],
) -> tuple[BoolArray, Array]: ...
def sample_patterns(
    X: ArrayLike,
    count: int,
    random_state: RandomState = None,
    return_gates: bool = False,
) -> BoolArray | tuple[BoolArray, Array]:
    """Sample distinct activation patterns 1[X g >= 0] of Gaussian gates g ~ N(0, I).

    Parameters
    ----------
    X : array_like of shape (n, d)
        Data, one sample per row.
    count : int
        How many patterns to find, at least 1.
    random_state : int, Generator, RandomState or None, default None
        Source of the gates. The same int gives the same patterns, and a larger `count` then gives
        the same patterns first. A generator moves on; None draws afresh each time.
    return_gates : bool, default False
        Whether to return the gates too.

    Returns
    -------
    patterns : ndarray of bool, shape (P, n)
        Distinct patterns in the order in which they were first drawn. P <= count: sampling ends
        early when the data cannot have more patterns, and when max(4096, 4 P) gates in a row gave
        nothing new. Patterns of thin cells are easily missed: only `enumerate_patterns` lists all.
    gates : ndarray of shape (P, d)
        The gate of each pattern; only with `return_gates=True`.

    Raises
    ------
    ValueError
        If `X` is not a finite, non-empty real matrix, if `count` is smaller than 1, or if
        `random_state` is not one of the types above.

    References
    ----------
    M. Pilanci, T. Ergen, "Neural networks are convex regularizers", ICML 2020, Remark 3.3.

    Examples
    --------
    >>> from nogap.patterns import sample_patterns
    >>> sample_patterns([[1.0], [-2.0]], 10, random_state=0).shape
    (2, 2)
    """
    data = as_data(X)
    if count < 1:
        raise ValueError(f"count must be at least 1, but it is {count}.")
    source = generator(random_state)
    rows = scaled_rows(data)
    n, d = rows.shape
    target = min(count, max_pattern_count(int(rows.any(axis=1).sum()), min(n, d)))
    bits = np.zeros((0, -(-n // 8)), dtype=np.uint8)
    gates = np.zeros((0, d))
    fruitless = 0
    while len(bits) < target and fruitless < max(_FRUITLESS, 4 * len(bits)):
        draws = min(max(1, _BLOCK // n), 2 * (target - len(bits)) + 16, _FRUITLESS)
        block = source.standard_normal((draws, d))
        candidates = np.packbits(block @ rows.T >= 0, axis=1)
        new = np.sort(first_occurrences(np.concatenate([bits, candidates])))[len(bits) :] - len(
            bits
        )
        fruitless = fruitless + draws if new.size == 0 else draws - 1 - int(new[-1])
        bits = np.concatenate([bits, candidates[new]])
        gates = np.concatenate([gates, block[new]])
    patterns = _unpack(bits[:count], n)
    return (patterns, gates[:count]) if return_gates else patterns


def _unpack(bits: NDArray[np.uint8], n: int) -> BoolArray:
    return np.unpackbits(bits, axis=1, count=n).view(np.bool_)
