"""Checks of what users pass in; every refusal is one sentence with the place and the remedy."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np
import scipy.sparse as sp

from nogap._typing import AnyArray, Array
from nogap.rows.base import RowSource, slices

LARGEST = 1e100  # sums of squares of larger figures, and products of such sums, overflow

CHECKED = 100_000  # rows (or entries of sparse data) that are looked at at once


def as_array(value: Any, name: str) -> AnyArray:
    """An array of whatever kind and shape; lists whose rows differ in length are refused."""
    try:
        return np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} must be rectangular; give all its rows the same length") from None


def numbers(value: Any, name: str) -> Array:
    """The float64 array (of any shape) of what a user passed as real numbers.

    Raises
    ------
    ValueError
        Complex numbers, dates, text or other objects, rows of different lengths.
    """
    raw = as_array(value, name)
    if raw.dtype.kind == "c":
        raise ValueError(f"{name} must be real, got complex numbers; pass their real parts")
    if raw.dtype.kind in "mM":
        raise ValueError(f"{name} must be numeric, got dates; count days or seconds instead")
    try:
        with np.errstate(over="ignore"):  # long doubles may become infinite, and are found later
            # tables of mixed columns know best how their missing values turn into NaN
            source = value if raw.dtype.kind == "O" else raw
            return np.asarray(source, dtype=np.float64)
    except OverflowError:
        raise ValueError(f"{name} holds a number beyond float64; rescale the data") from None
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} must be numeric; encode text and categories as numbers first"
        ) from None


def check_matrix(
    X: Any, name: str = "X", *, columns: int | None = None, largest: float = LARGEST
) -> Any:
    """X as a finite float64 array (n, d), or CSR when it is sparse.

    Raises
    ------
    ValueError
        Not two-dimensional, empty, not numeric, an entry that is NaN, infinite or larger than
        ``largest`` (with row and column), or not the expected number of columns.
    """
    sparse: Any = sp  # SciPy's stubs know no array of unknown dtype
    M: Any
    if sparse.issparse(X):
        M = sparse.csr_array(X)
        values = numbers(M.data, name)
        M = sparse.csr_array((values, M.indices, M.indptr), shape=M.shape)
    elif _stays_as_it_is(X):
        M = values = X
    else:
        M = values = numbers(X, name)
    if M.ndim != 2:
        hint = f"; reshape it with {name}.reshape(-1, 1)" if M.ndim == 1 else ""
        raise ValueError(f"{name} must have two dimensions (n, d), got shape {M.shape}{hint}")
    if 0 in M.shape:
        raise ValueError(f"{name} is empty: its shape is {M.shape}")
    if columns is not None and M.shape[1] != columns:
        raise ValueError(f"{name} has {M.shape[1]} columns where {columns} are expected")
    if not all(_all_usable(values[s], largest) for s in slices(values.shape[0], CHECKED)):
        row, column, value = _first_bad(M, largest)
        raise ValueError(f"{name} holds {value} in row {row}, column {column}; {remedy(value)}")
    return M


def _stays_as_it_is(X: Any) -> bool:
    """Data on disk, and float32 data, which are likely to be large, are not copied."""
    if isinstance(X, np.ndarray):
        return X.dtype == np.float32 or (isinstance(X, np.memmap) and X.dtype.kind in "fiu")
    return isinstance(X, RowSource)


def usable(values: Array, largest: float = LARGEST) -> AnyArray:
    """Which values are finite and not too large to be squared and multiplied."""
    within: AnyArray = np.abs(values) <= np.float64(largest)
    return within


def _all_usable(values: Array, largest: float) -> bool:
    """The same of all of them: without arrays in between, ten times as fast on wide data."""
    low, high = float(values.min()), float(values.max())  # NaN if there is one
    return -largest <= low and high <= largest


def remedy(value: float) -> str:
    """What to do about an entry that is not usable."""
    if np.isfinite(value):
        return f"rescale the data so that no entry is beyond {LARGEST:g}"
    return "remove or fill missing and infinite values before training"


def _first_bad(M: Any, largest: float) -> tuple[int, int, float]:
    sparse: bool = sp.issparse(M)  # kept apart: the stubs would narrow M to a type without methods
    if sparse:
        entries = M.tocoo()
        k = int(np.argmax(~usable(entries.data, largest)))
        return int(entries.row[k]), int(entries.col[k]), float(entries.data[k])
    for part in slices(M.shape[0], CHECKED):
        wrong = np.argwhere(~usable(M[part], largest))
        if wrong.size:
            row, column = wrong[0]
            return part.start + int(row), int(column), float(M[part][row, column])
    raise AssertionError("called for a matrix without a bad entry")


def check_rows_match(n: int, Y: AnyArray, name: str = "y") -> None:
    if Y.shape[0] != n:
        raise ValueError(f"X has {n} rows but {name} has {Y.shape[0]}; they must be the same")


def as_float(value: Any) -> float:
    """A real number as a float; NaN, which no comparison lets pass, for anything else."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return math.nan
    number: Any = value  # mypy would compare a Real with nothing
    try:
        return float(number)
    except OverflowError:  # a whole number or fraction beyond float64
        return math.inf if number > 0 else -math.inf


def check_positive(value: Any, name: str) -> float:
    number = as_float(value)
    if not 0 < number < np.inf:
        raise ValueError(f"{name} must be a positive number, got {reprlib.repr(value)}")
    return number


def check_beta(beta: Any) -> float:
    if -np.inf < as_float(beta) <= 0:
        raise ValueError(
            f"beta must be positive, got {reprlib.repr(beta)}; the convex program needs the "
            "penalty (use a small value for a nearly unpenalised fit)"
        )
    return check_positive(beta, "beta")


def check_optional_positive(value: Any, name: str) -> float | None:
    if value is None:
        return None
    number = as_float(value)
    if not number > 0:
        raise ValueError(f"{name} must be a positive number or None, got {reprlib.repr(value)}")
    return number


def check_optional_count(value: Any, name: str) -> int | None:
    if value is None:
        return None
    if not isinstance(value, Integral) or isinstance(value, bool) or int(value) < 1:
        raise ValueError(
            f"{name} must be a whole number of at least 1 or None, got {reprlib.repr(value)}"
        )
    return int(value)


def check_callbacks(callbacks: Any) -> list[Any]:
    """A list of callables; empty when None."""
    if callbacks is None:
        return []
    listed = list(callbacks) if isinstance(callbacks, Iterable) else [None]
    if not all(callable(callback) for callback in listed):
        raise ValueError(
            f"callbacks must be a list of functions of a Record, got {reprlib.repr(callbacks)}"
        )
    return listed


def check_weights(sample_weight: Any, n: int) -> Array:
    """Sample weights (n,): non-negative, finite, not all zero; ones when None."""
    if sample_weight is None:
        return np.ones(n)
    w = numbers(sample_weight, "sample_weight")
    if w.ndim == 0:
        w = np.full(n, float(w))
    if w.shape != (n,):
        raise ValueError(f"sample_weight must have shape ({n},), got {w.shape}")
    if not np.all(np.isfinite(w)) or w.min() < 0:
        raise ValueError("sample_weight must be finite and non-negative")
    if w.max() > LARGEST:
        raise ValueError(
            f"sample_weight holds {w.max()}; rescale the weights and beta so that no weight is "
            f"beyond {LARGEST:g}"
        )
    if w.max() == 0:
        raise ValueError("sample_weight is zero for every sample; nothing is left to fit")
    return w


def generator(random_state: Any) -> np.random.Generator:
    """A Generator for an int, a Generator, a RandomState or None; equal seeds, equal streams."""
    if isinstance(random_state, np.random.Generator):
        return random_state
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(2**31, size=4))
    if random_state is None:
        return np.random.default_rng()
    if isinstance(random_state, Integral) and int(random_state) >= 0:
        return np.random.default_rng(int(random_state))
    raise ValueError(
        "random_state must be None, an int of at least 0, a Generator or a RandomState, "
        f"got {reprlib.repr(random_state)}"
    )
