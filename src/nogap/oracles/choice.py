"""Which oracle settles the dual correlation, and whether that is cheap; one output."""

from __future__ import annotations

from nogap.oracles.base import Oracle
from nogap.oracles.branch_and_bound import BranchAndBound
from nogap.oracles.exact import ExactOracle
from nogap.oracles.whitened import WhitenedOracle, are_whitened
from nogap.patterns import max_pattern_count
from nogap.rows import Rows

CHEAP_PATTERNS = 20_000  # patterns of half the rows that are listed without being asked for
FEW_PATTERNS = 12  # of half the rows
SIGNS_HELP = 5  # dimensions from which signs help to settle the last digits
CHEAP_ROWS = {1: 100_000, 2: 50_000, 3: 5_000, 4: 300, 5: 40}  # rows at which boxes take a second


def exact_oracle(rows: Rows, precision: float = 1e-10) -> Oracle:
    """Boxes of directions in up to five dimensions, otherwise a list of all patterns.

    So is a list where it is so short that each of its cells is solved at once; whitened rows have a
    closed form.
    """
    if are_whitened(rows):
        return WhitenedOracle(rows)
    few = max_pattern_count((rows.n + 1) // 2, min(rows.n, rows.d)) <= FEW_PATTERNS
    if min(rows.n, rows.d) <= max(CHEAP_ROWS) and not few:
        return BranchAndBound(rows, precision, signs=min(rows.n, rows.d) >= SIGNS_HELP)
    return ExactOracle(rows, precision=precision)


def exact_is_cheap(rows: Rows, n_outputs: int) -> bool:
    """Whether :func:`exact_oracle` takes about a second or less."""
    if n_outputs != 1:
        return False
    rank = min(rows.n, rows.d)
    if rank in CHEAP_ROWS:
        return rows.n <= CHEAP_ROWS[rank]
    return max_pattern_count(max((rows.n + 1) // 2, 1), rank) <= CHEAP_PATTERNS
