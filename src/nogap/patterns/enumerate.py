"""All activation patterns of a data matrix, and how many there are."""

from __future__ import annotations

import logging
import math
from bisect import bisect_right
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr

from nogap._typing import Array, ArrayLike, BoolArray
from nogap.patterns._lines import Lines, as_data, distinct_lines, unit_rows
from nogap.patterns._restriction import restriction_cells
from nogap.patterns._simple import NotSimpleError, is_simple, simple_cells
from nogap.patterns.packed import first_occurrences

_LOGGER = logging.getLogger(__name__)

_DEFAULT_BYTES = 1 << 34  # largest result without an explicit max_patterns
_BLOCK = 1 << 24  # bytes of the largest temporary array while the result is filled


class TooManyPatternsError(ValueError):
    """More cells than were allowed: how many, for callers whose users have no such limit to set.

    Attributes
    ----------
    cells : str
        "between 1,000 and 2,000"
    """

    def __init__(self, message: str, cells: str) -> None:
        super().__init__(message)
        self.cells = cells


def max_pattern_count(n_rows: int, rank: int) -> int:
    """Return the largest possible number of activation patterns, 2 * sum_{k<r} C(n - 1, k).

    Data in general position (every `rank` rows independent) attain it; repeated, parallel or
    otherwise dependent rows give fewer patterns.

    Parameters
    ----------
    n_rows : int
        Number n of samples, at least 0. Zero rows and parallel rows need not be counted.
    rank : int
        Rank r of the data, at least 0.

    Returns
    -------
    int
        The exact count, of any size; 2**n when n <= r, and 1 when n or r is 0.

    Raises
    ------
    ValueError
        If an argument is negative.

    References
    ----------
    R. O. Winder, "Partitions of N-space by hyperplanes", SIAM J. Appl. Math. 14 (1966);
    T. M. Cover, "Geometrical and statistical properties of systems of linear inequalities",
    IEEE Trans. Electronic Computers 14 (1965).

    Examples
    --------
    >>> from nogap.patterns import max_pattern_count
    >>> max_pattern_count(15, 3)
    212
    """
    if n_rows < 0 or rank < 0:
        raise ValueError(f"n_rows and rank must not be negative, but are {n_rows} and {rank}.")
    if n_rows == 0 or rank == 0:
        return 1
    total, term = 0, 1
    for k in range(min(rank, n_rows)):
        total += term
        term = term * (n_rows - 1 - k) // (k + 1)
    return 2 * total


def count_patterns(X: ArrayLike) -> int:
    """Count the activation patterns of `X` without storing them.

    For data in general position this is `max_pattern_count(lines, rank)` after a check of general
    position; for other data the cells are counted one by one.

    Parameters
    ----------
    X : array_like of shape (n, d)
        Data, one sample per row.

    Returns
    -------
    int
        The number of rows of `enumerate_patterns(X)`.

    Raises
    ------
    ValueError
        If `X` is not a finite, non-empty real matrix.

    Examples
    --------
    >>> from nogap.patterns import count_patterns
    >>> count_patterns([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    6
    """
    lines = distinct_lines(as_data(X))
    if len(lines) == 0:
        return 1
    if is_simple(lines.normals, lines.tolerance):
        return max_pattern_count(len(lines), lines.rank)
    return sum(len(block) for block in restriction_cells(lines.normals, lines.tolerance))


def enumerate_patterns(X: ArrayLike, max_patterns: int | None = None) -> BoolArray:
    """List the activation pattern 1[X u > 0] of every full-dimensional cell of {X u = 0}.

    These patterns make the convex program of a two-layer ReLU network exact. Any finite data are
    allowed: zero rows have their bit fixed to 1 (as 1[0 >= 0]), parallel rows share or complement
    a bit, and dependent rows are recognised with a relative tolerance of 1e-10, or with their
    rounding error where they are so nearly parallel that it is larger.
    The patterns of a subset of the samples are `enumerate_patterns(X[subset])`.

    Parameters
    ----------
    X : array_like of shape (n, d)
        Data, one sample per row; append a column of ones for hidden biases.
    max_patterns : int, optional
        Refuse, before long, to list more patterns than this. By default the result may take 16 GiB
        (n bytes a pattern).

    Returns
    -------
    ndarray of bool, shape (P, n)
        The patterns without repetition, in lexicographic order with False before True and sample 0
        first. The order does not depend on the platform or on random numbers.

    Raises
    ------
    ValueError
        If `X` is not a finite, non-empty real matrix, if `max_patterns` is not positive, or if
        there are more patterns than `max_patterns`.

    See Also
    --------
    sample_patterns : some of the patterns, for data with too many.
    max_pattern_count : how many to expect.
    find_gates : gate vectors of given patterns.

    Notes
    -----
    In general position cells correspond to subsets of rows, at a few microseconds a pattern. If
    that turns out not to be the data's position, the cells come from deletion and restriction [3]_
    at 2 to 50 microseconds a pattern. Memory is n bytes a pattern for the result and about n / 4
    more meanwhile. Cells narrower than the tolerance may be missing, and where rows are dependent
    up to an error near the tolerance a logged warning says so.

    References
    ----------
    .. [1] M. Pilanci, T. Ergen, "Neural networks are convex regularizers", ICML 2020.
    .. [2] T. M. Cover, IEEE Trans. Electronic Computers 14 (1965): the number of patterns.
    .. [3] T. Zaslavsky, "Facing up to arrangements", Memoirs of the AMS 154 (1975).

    Examples
    --------
    >>> from nogap.patterns import enumerate_patterns
    >>> enumerate_patterns([[1.0, 0.0], [0.0, 1.0], [-2.0, 0.0]]).astype(int)
    array([[0, 0, 1],
           [0, 1, 1],
           [1, 0, 0],
           [1, 1, 0]])
    """
    data = as_data(X)
    if max_patterns is not None and max_patterns < 1:
        raise ValueError(f"max_patterns must be at least 1, but it is {max_patterns}.")
    lines = distinct_lines(data)
    if len(lines) == 0:
        return np.ones((1, data.shape[0]), dtype=bool)
    _refuse_too_many(lines, max_patterns)
    return _all_samples(lines, _sorted_half(lines))


def _refuse_too_many(lines: Lines, max_patterns: int | None) -> None:
    """Raise a ValueError if there are more cells than allowed, at the cost of finding that many."""
    limit = max_patterns or max(1, _DEFAULT_BYTES // lines.zero.size)
    most = max_pattern_count(len(lines), lines.rank)
    if most <= limit:
        return
    least = _count_beyond(limit, lines)
    if least <= limit:
        return
    allowed = f"max_patterns={limit:,}" if max_patterns else f"the {limit:,} that fit into 16 GiB"
    exactly = " (exactly that many in general position)" if least < most else ""
    cells = f"between {_in_words(least)} and {_in_words(most)}"
    raise TooManyPatternsError(
        f"X has more activation patterns than {allowed}: its {len(lines):,} distinct hyperplanes "
        f"of rank {lines.rank:,} have {cells} cells"
        f"{exactly}. Raise max_patterns, or do without the full list: patterns=<an int> samples "
        'that many patterns and patterns="adaptive" finds neurons as they are needed.',
        cells,
    )


def _count_beyond(limit: int, lines: Lines) -> int:
    """Count the cells of all the `lines`, but no further than just beyond `limit`.

    Where s independent hyperplanes meet, the others leave cells in a space of s dimensions less;
    each is the edge of 2^s cells of all.  So the fewest dimensions that can have more cells than
    the limit allows are tried first: the more there are, the longer counting takes.
    """
    count, rank = len(lines), lines.rank
    # Each line beyond r independent ones cuts at least the 2^(r-1) cells that these leave on it.
    least = (count - rank + 2) << (rank - 1)
    if least > limit:
        return least
    for dimension in range(min(3, rank), rank):
        shared = rank - dimension
        if max_pattern_count(count - shared, dimension) << shared > limit:
            rows = _where_some_meet(lines, shared)
            least = _rows_beyond(limit >> shared, rows, lines.tolerance) << shared
            if least > limit:
                return least
    return _rows_beyond(limit, lines.normals, lines.tolerance)


def _where_some_meet(lines: Lines, shared: int) -> Array:
    """The hyperplanes, as unit rows, in the space in which `shared` independent ones meet."""
    _, order = qr(lines.normals.T, mode="r", pivoting=True)
    _, _, complement = np.linalg.svd(lines.normals[order[:shared]])
    restricted = lines.normals @ complement[shared:].T
    return unit_rows(restricted[np.linalg.norm(restricted, axis=1) > lines.tolerance])


def _rows_beyond(limit: int, normals: Array, tolerance: float) -> int:
    """Count the cells of unit rows `normals` (m, r), but no further than just beyond `limit`.

    Some of the hyperplanes have at most as many cells as all, so few of them are tried first.
    """
    count, rank = normals.shape
    if max_pattern_count(count, rank) <= limit:
        return 0
    sizes = range(rank, count + 1)
    tried = sizes[bisect_right(sizes, limit, key=lambda m: max_pattern_count(m, rank))]
    if is_simple(_spread(normals, tried), tolerance):
        return max_pattern_count(tried, rank)
    while True:
        total = 0
        for block in restriction_cells(_spread(normals, tried), tolerance):
            total += len(block)
            if total > limit:
                return total
        if tried == count:
            return total
        tried = min(2 * tried, count)


def _spread(rows: Array, count: int) -> Array:
    return rows[np.linspace(0, len(rows) - 1, count).astype(np.intp)]


def _in_words(count: int) -> str:
    return f"{count:,}" if count < 10**18 else f"10^{math.log10(count):.0f}"


def _sorted_half(lines: Lines) -> NDArray[np.uint8]:
    """Packed bits (P / 2, ceil(m / 8)) of the cells with bit 0 unset, in lexicographic order."""
    try:
        packed = _packed_half(simple_cells(lines.normals, lines.tolerance))
        return packed[first_occurrences(packed)]
    except NotSimpleError:
        packed = _packed_half(restriction_cells(lines.normals, lines.tolerance))
    half = packed[first_occurrences(packed)]
    if 2 * len(half) != len(packed):  # the rows yielded are as many as the cells
        _LOGGER.warning(
            "Some rows of X are dependent up to a relative error near %g, so that cells of about "
            "this width cannot be told from no cells: %d were counted, but %d are listed.",
            lines.tolerance,
            len(packed),
            2 * len(half),
        )
    return half


def _packed_half(blocks: Iterator[BoolArray]) -> NDArray[np.uint8]:
    return np.concatenate([np.packbits(bits ^ bits[:, :1], axis=1) for bits in blocks])


def _all_samples(lines: Lines, half: NDArray[np.uint8]) -> BoolArray:
    """Patterns (P, n) of all samples from the packed half of the cells, in lexicographic order.

    Line 0 is that of the first non-zero sample, and the order of complements is the reverse.
    """
    patterns = np.empty((2 * len(half), lines.zero.size), dtype=bool)
    step = max(1, _BLOCK // lines.zero.size)
    for start in range(0, len(half), step):
        stop = min(start + step, len(half))
        bits = np.unpackbits(half[start:stop], axis=1, count=len(lines)).view(np.bool_)
        patterns[start:stop] = lines.to_samples(bits)
        opposite = patterns[len(patterns) - stop : len(patterns) - start]
        opposite[:] = ~patterns[start:stop][::-1]
        opposite[:, lines.zero] = True
    return patterns
