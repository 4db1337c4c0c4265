"""Which oracle settles the dual correlation of a unit, and whether that is cheap."""

from __future__ import annotations

import numpy as np

from nogap.oracles.base import Oracle
from nogap.oracles.choice import exact_is_cheap, exact_oracle
from nogap.oracles.faces import CHEAP_WORK, FaceOracle, face_count
from nogap.oracles.outputs import OutputBound
from nogap.oracles.pooled_cones import PooledBound
from nogap.oracles.positions import StackedOracle, UntiedOracle
from nogap.oracles.search import SearchOracle
from nogap.oracles.sign_cells import CHEAP_WORK as CHEAP_SIGN_WORK
from nogap.oracles.sign_cells import SignCellOracle, sign_work
from nogap.oracles.sign_search import SignSearchOracle
from nogap.oracles.singular import SingularOracle
from nogap.oracles.sub_networks import SubNetworkOracle, patterns_are_few
from nogap.oracles.whitened import are_whitened
from nogap.rows import MemoryRows, Rows, height
from nogap.units import Convolution, ReLU, Sign, Tanh, ThreeLayer, Unit

# The last search has to meet rare maxima: it has more seeds where figures of X are few.
LAST_WORK, MOST_SEEDS = 150_000_000, 4_000  # figures times seeds, and seeds
LARGEST_LIST = 5_000_000  # figures of all patches that an exact oracle may hold at once


def search_oracle_of(
    rows: Rows,
    unit: Unit,
    rng: np.random.Generator,
    n_seeds: int,
    threshold: float = np.inf,
    *,
    precise: bool = True,
) -> Oracle:
    """The oracle that searches for neurons of a unit; the rest as for `SearchOracle`."""
    if isinstance(unit, Sign):
        return SignSearchOracle(rows, rng, n_seeds)
    return SearchOracle(rows, rng, n_seeds, threshold, unit, precise)


def last_seeds(rows: Rows, least: int) -> int:
    """Seeds of a search that has the last word: more where they are cheap."""
    return max(min(LAST_WORK // (height(rows) * rows.d), MOST_SEEDS), least)


def exact_oracle_of(rows: Rows, unit: Unit, n_outputs: int, precision: float = 1e-10) -> Oracle:
    """The oracle that settles q(V): of a ReLU or sign unit, a convolution or a sub-network.

    Raises
    ------
    ValueError
        Too many patterns or faces; the sentence says how many. A tanh unit.
    """
    if isinstance(unit, ThreeLayer):
        return SubNetworkOracle(rows, unit)
    if isinstance(unit, Tanh):
        raise ValueError(
            "tanh units have no exact oracle, their correlation is smooth and not concave; use "
            "oracle='search', or unit='sign'"
        )
    if isinstance(unit, Sign):
        return SignCellOracle(rows, n_outputs)
    if isinstance(unit, Convolution) and unit.activation == "linear":
        return SingularOracle(rows, unit)
    if not isinstance(unit, Convolution):
        return exact_oracle(rows, precision) if n_outputs == 1 else FaceOracle(rows, unit)
    if not unit.tied:
        return UntiedOracle(
            [
                exact_oracle_of(part, ReLU(), n_outputs, precision)
                for part in _positions(rows, unit)
            ],
            unit,
        )
    if _stacks(unit) and n_outputs == 1:
        return StackedOracle(exact_oracle(_stacked(rows), precision), unit, height(rows))
    _check_size(rows)
    return FaceOracle(rows, unit)


def bound_oracle_of(
    rows: Rows, unit: Unit, precision: float
) -> OutputBound | StackedOracle | UntiedOracle:
    """The oracle that bounds q(V) from above, of a ReLU unit or a convolution.

    Raises
    ------
    ValueError
        A linear convolution, too many patches, or filters too large for max pooling.
    """
    if not isinstance(unit, Convolution):
        return OutputBound(rows, precision)
    if unit.activation == "linear":
        raise ValueError(
            "a linear convolution needs no branch and bound, singular values settle it; use "
            "method='exact'"
        )
    if not unit.tied:
        bounds = [OutputBound(part, precision) for part in _positions(rows, unit)]
        return UntiedOracle(bounds, unit)
    patches = _stacked(rows)
    if unit.pooling == "max":
        pooled = PooledBound(patches, unit.n_positions)
        return OutputBound(rows, precision, scalar=pooled, unit=unit)
    return StackedOracle(OutputBound(patches, precision), unit, height(rows))


def _stacked(rows: Rows) -> MemoryRows:
    """All patches as rows."""
    _check_size(rows)
    return MemoryRows(rows.take(np.arange(rows.n)))


def _positions(rows: Rows, unit: Convolution) -> list[MemoryRows]:
    """The figures that each position sees, as rows."""
    _check_size(rows)
    X = rows.take(np.arange(rows.n))
    return [MemoryRows(X[:, support]) for support in unit.supports]


def _check_size(rows: Rows) -> None:
    if height(rows) * rows.d > LARGEST_LIST:
        raise ValueError(
            f"{height(rows):,} patches of {rows.d} figures are too many to list their patterns; "
            "use patterns='adaptive'"
        )


def exact_is_cheap_for(rows: Rows, unit: Unit, n_outputs: int) -> bool:
    """Whether :func:`exact_oracle_of` takes about a second or less."""
    if isinstance(unit, ThreeLayer):
        return patterns_are_few(rows)
    if isinstance(unit, Convolution) and unit.activation == "linear":
        return True
    rank, n_rows = min(height(rows), rows.d), height(rows)
    if isinstance(unit, Tanh):
        return False
    if isinstance(unit, Sign):
        return sign_work(n_rows, rank, n_outputs) <= CHEAP_SIGN_WORK
    if not isinstance(unit, Convolution):
        if n_outputs > 1:
            return _few_faces(n_rows, rank, n_rows)
        return exact_is_cheap(rows, 1) or are_whitened(rows)
    if not unit.tied:
        rank, K = int(unit.supports.sum(axis=1).max()), len(unit.supports)
        if n_outputs > 1:
            return _few_faces(rows.n, rank, K * rows.n)
        return exact_is_cheap(_Shape(K * rows.n, rank), 1)
    if _stacks(unit) and n_outputs == 1:
        return exact_is_cheap(_Shape(n_rows, rank), 1)
    pairs = rows.n_positions * (rows.n_positions - 1) // 2 if unit.pooling == "max" else 0
    return _few_faces(n_rows + rows.n * pairs, rank, n_rows)


def _few_faces(n_lines: int, rank: int, n_rows: int) -> bool:
    return rank <= 3 and face_count(n_lines, rank) * n_rows <= CHEAP_WORK


def _stacks(unit: Convolution) -> bool:
    """Whether the correlation is that of a dense layer on all patches."""
    return unit.pooling in ("sum", "average")


class _Shape(MemoryRows):
    """Rows of which only the shape is known."""

    def __init__(self, n: int, d: int) -> None:
        self.n, self.d = n, d
