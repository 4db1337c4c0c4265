"""BLAS threads: many small products on two threads of a busy machine run ten times slower."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from threadpoolctl import threadpool_limits

LARGE = 5_000_000  # entries of X from which a product is worth several threads


def blas_threads(entries: int) -> AbstractContextManager[Any]:
    """One BLAS thread for small data; the user's own setting for large data."""
    return nullcontext() if entries >= LARGE else threadpool_limits(limits=1, user_api="blas")
