"""The regularisation path: networks from large to small beta, each started at the one before."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from nogap._typing import Array, ArrayLike
from nogap._validation import (
    as_float,
    check_optional_count,
    check_optional_positive,
    check_positive,
    numbers,
)
from nogap.formulation import formulate
from nogap.networks.two_layer import Network
from nogap.regularization import beta_max
from nogap.solution import Solution, Status
from nogap.solvers.neurons import Neurons
from nogap.training import train
from nogap.units import GatedReLU, Linear
from nogap.units.choice import get_unit

N_BETAS = 20
OF_PROBLEM = ("loss", "hidden_bias", "fit_intercept", "sample_weight")
OF_BETA_MAX = (*OF_PROBLEM, "unit", "random_state")


def path(
    X: Any,
    y: ArrayLike,
    betas: ArrayLike | int | None = None,
    *,
    n_betas: int | None = None,
    smallest: float = 1e-3,
    tol: float = 1e-3,
    null_tol: float | None = None,
    max_time: float | None = None,
    warm_start: Network | Solution | None = None,
    **options: Any,
) -> list[Solution]:
    """Train along a sequence of penalties, from the largest to the smallest, with warm starts.

    Parameters
    ----------
    X : array or sparse matrix (n, d)
        Or whatever the unit takes: signals, images or patches for a convolution.
    y : array (n,) or (n, C)
    betas : array, int or None
        The penalties, in any order; a number of them, or None, spaces that many geometrically
        between :func:`nogap.beta_max` and ``smallest`` times it.
    n_betas : int, optional
        The number of penalties, where ``betas`` is None; 20 by default.
    smallest : float
        Smallest penalty as a share of ``beta_max``, where the penalties are chosen here.
    tol : float
        Relative gap at which each fit stops.
    null_tol : float, optional
        A fit stops, too, when its gap is at most this share of the objective of the empty network.
        At small penalties, where the network follows the noise and its objective is small, that
        is much earlier; it is precise enough to compare networks on held-out data.
    max_time : float, optional
        Seconds for the whole path. The path ends early when they are over; the solution that was
        under way is its last.
    warm_start : Network or Solution, optional
        Where the first fit starts, to go on with a path.
    **options
        Passed to :func:`nogap.train`: loss, unit, patterns, hidden_bias, fit_intercept,
        sample_weight, max_neurons, random_state, callbacks.

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
    limit = check_optional_positive(max_time, "max_time")
    tol, null_tol = check_positive(tol, "tol"), check_optional_positive(null_tol, "null_tol")
    penalties = _penalties(X, y, betas, n_betas, smallest, options)
    patterns, unit = options.get("patterns", "adaptive"), get_unit(options.get("unit", "relu"))
    adaptive = isinstance(patterns, str) and patterns == "adaptive"
    warm = adaptive and not isinstance(unit, GatedReLU)
    slack = None if null_tol is None else null_tol * null_objective(X, y, options) or None
    start = warm_start
    solutions: list[Solution] = []
    end = None if limit is None else time.perf_counter() + limit
    for beta in penalties:
        left = None if end is None else end - time.perf_counter()
        if left is not None and left <= 0 and solutions:
            break
        solution = train(
            X,
            y,
            beta=beta,
            tol=tol,
            gap_tol=slack,
            max_time=left,
            warm_start=start,
            **options,
        )
        solutions.append(solution)
        start = solution if warm else None
        if solution.status is Status.INTERRUPTED:
            break
    return solutions


def null_objective(X: Any, y: ArrayLike, options: dict[str, Any]) -> float:
    """Objective of the empty network: the best constant, where there is an intercept."""
    chosen = {k: v for k, v in options.items() if k in OF_PROBLEM}
    unit = get_unit(options.get("unit", "relu"))
    bound = unit.for_data(X, chosen.get("hidden_bias", False))
    problem = formulate(X, y, beta=1.0, unit=bound, **chosen)
    return problem.loss_value(np.zeros_like(problem.Y) + Neurons.none(problem).intercept)


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
    chosen = {k: v for k, v in options.items() if k in OF_BETA_MAX}
    if isinstance(get_unit(chosen.get("unit", "relu")), GatedReLU | Linear):
        del chosen["unit"]  # whose largest penalty is that of ReLU units, about
    largest = beta_max(X, y, **chosen)
    if not largest > 0:
        raise ValueError("the empty network is optimal for every beta; there is no path")
    return [float(b) for b in largest * np.geomspace(1.0, share, count or N_BETAS)]
