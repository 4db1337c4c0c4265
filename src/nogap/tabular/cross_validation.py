"""Choosing alpha by cross-validation over a small grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import nogap
from nogap._typing import Array, IntArray
from nogap.losses import get_loss
from nogap.solution import Status
from nogap.tabular.split import folds

N_FOLDS = 5
# alpha / alpha_max, from nearly empty networks to nearly unpenalised ones
SHARES = (0.5, 0.25, 0.1, 0.05, 0.025, 0.01)
# Held-out losses need no fine gap.
TOL = 1e-2


@dataclass(frozen=True)
class Trial:
    """One alpha of the grid.

    Attributes
    ----------
    alpha : float
    loss : float
        Mean held-out loss over the folds, in the units of the loss (of standardised targets).
    error : float
        Standard error of that mean.
    """

    alpha: float
    loss: float
    error: float


def choose_alpha(
    X: Array,
    y: Array,
    *,
    loss: str,
    largest: float,
    classes: IntArray | None,
    seed: int,
    max_time: float | None = None,
    notify: Callable[[str], None] = lambda note: None,
) -> tuple[float, list[Trial]]:
    """Alpha of the smallest mean held-out loss, and all that were tried.

    Parameters
    ----------
    X : array (n, d)
    y : array (n,) or (n, C)
        As the loss takes it.
    loss : str
    largest : float
        The alpha above which the network is empty; the grid is given as shares of it.
    classes : int array (n,) or None
        Class of each row, dealt out evenly to the folds.
    seed : int
    max_time : float, optional
        Seconds for all fits together.
    notify : callable
        Gets a line of text for each fold and the outcome.
    """
    n = X.shape[0]
    count = min(N_FOLDS, n)
    fold = folds(classes, n, count, seed)
    limit = None if max_time is None else max_time / (count * len(SHARES))
    losses = np.empty((count, len(SHARES)))
    for k in range(count):
        notify(f"cross-validation: fold {k + 1} of {count}")
        train, test = fold != k, fold == k
        warm_start = None
        for j, share in enumerate(SHARES):
            solution = nogap.train(
                X[train],
                y[train],
                beta=share * largest * int(train.sum()),
                loss=loss,
                hidden_bias=True,
                fit_intercept=True,
                tol=TOL,
                max_time=limit,
                random_state=seed,
                warm_start=warm_start,
            )
            if solution.status is Status.INTERRUPTED:
                raise KeyboardInterrupt
            warm_start = solution
            resolved = get_loss(loss)
            outputs = solution.network.decision(X[test])
            losses[k, j] = resolved.value(outputs, resolved.encode(y[test])).mean()
    means = losses.mean(axis=0)
    errors = losses.std(axis=0, ddof=1) / np.sqrt(count)
    trials = [
        Trial(share * largest, float(m), float(e))
        for share, m, e in zip(SHARES, means, errors, strict=True)
    ]
    best = trials[int(np.argmin(means))]
    notify(f"alpha {best.alpha:.4g} has the smallest cross-validated loss, {best.loss:.4g}")
    return best.alpha, trials
