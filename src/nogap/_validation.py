"""Checks of what users pass in; every refusal is one sentence with the place and the remedy."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
import scipy.sparse as sp

from nogap._typing import AnyArray, Array


def check_matrix(X: Any, name: str = "X", *, columns: int | None = None) -> Any:
    """X as a finite float64 array (n, d), or CSR when it is sparse.

    Raises
    ------
    ValueError
        Not two-dimensional, empty, not numeric, NaN or infinite (with row and column), or not
        the expected number of columns.
    """
    sparse: Any = sp  # SciPy's stubs know no array of unknown dtype
    M: Any
    if sparse.issparse(X):
        M = sparse.csr_array(X, dtype=np.float64)
        values = M.data
    else:
        try:
            M = np.asarray(X, dtype=np.float64)
        except (TypeError, ValueError):
            raise ValueError(
                f"{name} must be numeric; encode text and categories as numbers first"
            ) from None
        values = M
    if M.ndim != 2:
        hint = f"; reshape it with {name}.reshape(-1, 1)" if M.ndim == 1 else ""
        raise ValueError(f"{name} must have two dimensions (n, d), got shape {M.shape}{hint}")
    if 0 in M.shape:
        raise ValueError(f"{name} is empty: its shape is {M.shape}")
    if columns is not None and M.shape[1] != columns:
        raise ValueError(f"{name} has {M.shape[1]} columns where {columns} are expected")
    if not np.all(np.isfinite(values)):
        row, column, value = _first_bad(M)
        raise ValueError(
            f"{name} holds {value} in row {row}, column {column}; "
            "remove or fill missing and infinite values before training"
        )
    return M


def _first_bad(M: Any) -> tuple[int, int, float]:
    sparse: bool = sp.issparse(M)  # kept apart: the stubs would narrow M to a type without methods
    if sparse:
        entries = M.tocoo()
        k = int(np.argmax(~np.isfinite(entries.data)))
        return int(entries.row[k]), int(entries.col[k]), float(entries.data[k])
    row, column = np.argwhere(~np.isfinite(M))[0]
    return int(row), int(column), float(M[row, column])


def check_rows_match(n: int, Y: AnyArray, name: str = "y") -> None:
    if Y.shape[0] != n:
        raise ValueError(f"X has {n} rows but {name} has {Y.shape[0]}; they must be the same")


def check_positive(value: Any, name: str) -> float:
    if not isinstance(value, Real) or isinstance(value, bool) or not np.isfinite(float(value)):
        raise ValueError(f"{name} must be a positive number, got {value!r}")
    if float(value) <= 0:
        raise ValueError(
            f"{name} must be positive, got {value!r}; the convex program needs the penalty "
            "(use a small value for a nearly unpenalised fit)"
        )
    return float(value)


def check_optional_positive(value: Any, name: str) -> float | None:
    if value is None:
        return None
    if not isinstance(value, Real) or isinstance(value, bool) or not float(value) > 0:
        raise ValueError(f"{name} must be a positive number or None, got {value!r}")
    return float(value)


def check_optional_count(value: Any, name: str) -> int | None:
    if value is None:
        return None
    if not isinstance(value, Integral) or isinstance(value, bool) or int(value) < 1:
        raise ValueError(f"{name} must be a whole number of at least 1 or None, got {value!r}")
    return int(value)


def check_weights(sample_weight: Any, n: int) -> Array:
    """Sample weights (n,): non-negative, finite, not all zero; ones when None."""
    if sample_weight is None:
        return np.ones(n)
    w = np.asarray(sample_weight, dtype=np.float64)
    if w.ndim == 0:
        w = np.full(n, float(w))
    if w.shape != (n,):
        raise ValueError(f"sample_weight must have shape ({n},), got {w.shape}")
    if not np.all(np.isfinite(w)) or w.min() < 0:
        raise ValueError("sample_weight must be finite and non-negative")
    if w.sum() == 0:
        raise ValueError("sample_weight is zero for every sample; nothing is left to fit")
    return w


def generator(random_state: Any) -> np.random.Generator:
    """A Generator for an int, a Generator, a RandomState or None; equal seeds, equal streams."""
    if isinstance(random_state, np.random.Generator):
        return random_state
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(2**31, size=4))
    if random_state is None or isinstance(random_state, Integral):
        return np.random.default_rng(None if random_state is None else int(random_state))
    raise ValueError(
        f"random_state must be None, an int, a Generator or a RandomState, got {random_state!r}"
    )
