"""The regularisation path: networks from large to small beta, each started at the one before."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from nogap._typing import Array, ArrayLike
from nogap._validation import as_float, check_optional_count, check_optional_positive, numbers
from nogap.regularization import beta_max
from nogap.solution import Solution, Status
from nogap.training import train

N_BETAS = 20
OF_BETA_MAX = ("loss", "hidden_bias", "fit_intercept", "sample_weight", "random_state")


def path(
    X: Any,
    y: ArrayLike,
    betas: ArrayLike | int | None = None,
    *,
    n_betas: int | None = None,
    smallest: float = 1e-3,
    max_time: float | None = None,
    **options: Any,
) -> list[Solution]:
    """Train along a sequence of penalties, from the largest to the smallest, with warm starts.

    Parameters
    ----------
    X : array or sparse matrix (n, d)
    y : array (n,) or (n, C)
    betas : array, int or None
        The penalties, in any order; a number of them, or None, spaces that many geometrically
        between :func:`nogap.beta_max` and ``smallest`` times it.
    n_betas : int, optional
        The number of penalties, where ``betas`` is None; 20 by default.
    smallest : float
        Smallest penalty as a share of ``beta_max``, where the penalties are chosen here.
    max_time : float, optional
        Seconds for the whole path. The path ends early when they are over; the solution that was
        under way is its last.
    **options
        Passed to :func:`nogap.train`: loss, unit, patterns, hidden_bias, fit_intercept,
        sample_weight, tol, max_neurons, random_state, callbacks.

    Returns
    -------
    list of Solution
        One for each penalty, from the largest to the smallest, each with its own certificate
        (``solution.certificate.beta`` is the penalty).

    Raises
    ------
    ValueError
        Penalties that are not positive, or what :func:`nogap.train` refuses.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.column_stack([[-2.0, -1.0, 0.0, 1.0, 2.0], np.ones(5)])
    >>> solutions = path(X, [1.0, -1.0, 1.0, 1.0, -1.0], n_betas=4, random_state=0)
    >>> [solution.network.n_neurons for solution in solutions][0]
    0
    """
    if "beta" in options:
        raise ValueError("path chooses beta along the way: pass the penalties as betas=")
    if "warm_start" in options:
        raise ValueError("path starts each network at the one before; leave warm_start out")
    limit = check_optional_positive(max_time, "max_time")
    penalties = _penalties(X, y, betas, n_betas, smallest, options)
    warm = options.get("patterns", "adaptive") == "adaptive" and options.get("unit") != "gated"
    solutions: list[Solution] = []
    end = None if limit is None else time.perf_counter() + limit
    for beta in penalties:
        left = None if end is None else end - time.perf_counter()
        if left is not None and left <= 0 and solutions:
            break
        start = solutions[-1] if warm and solutions else None
        solution = train(X, y, beta=beta, max_time=left, warm_start=start, **options)
        solutions.append(solution)
        if solution.status is Status.INTERRUPTED:
            break
    return solutions


def _penalties(
    X: Any,
    y: ArrayLike,
    betas: ArrayLike | int | None,
    n_betas: int | None,
    smallest: float,
    options: dict[str, Any],
) -> list[float]:
    """From the largest to the smallest."""
    count = check_optional_count(n_betas, "n_betas")
    if isinstance(betas, int | np.integer) and not isinstance(betas, bool):
        if count is not None:
            raise ValueError("pass the number of penalties once: as betas or as n_betas")
        count, betas = check_optional_count(betas, "betas"), None
    if betas is not None:
        if count is not None:
            raise ValueError("betas are given: leave n_betas out")
        given: Array = numbers(betas, "betas")
        if given.ndim != 1 or not given.size:
            raise ValueError(f"betas must be a list of penalties, got shape {given.shape}")
        if not np.all(np.isfinite(given)) or given.min() <= 0:
            raise ValueError("betas must be positive numbers")
        return sorted((float(beta) for beta in given), reverse=True)
    share = as_float(smallest)
    if not 0 < share < 1:
        raise ValueError(f"smallest must lie between 0 and 1, got {smallest!r}")
    largest = beta_max(X, y, **{k: v for k, v in options.items() if k in OF_BETA_MAX})
    if not largest > 0:
        raise ValueError("the empty network is optimal for every beta; there is no path")
    return [float(b) for b in largest * np.geomspace(1.0, share, count or N_BETAS)]
