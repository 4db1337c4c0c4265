"""Choosing alpha by cross-validation over a small grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import nogap
from nogap._typing import Array, BoolArray, IntArray
from nogap.losses import get_loss
from nogap.solution import Solution, Status
from nogap.tabular.split import folds

N_FOLDS = 5
# alpha / alpha_max, from nearly empty networks to nearly unpenalised ones
SHARES = (0.5, 0.25, 0.1, 0.05, 0.025, 0.01, 0.005)
# The grid ends early when so many alphas in a row are worse than the best.
PATIENCE = 2
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

    The grid goes from large to small alphas, and ends early when the loss keeps rising.

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
        Gets a line of text for each alpha and the outcome.
    """
    n = X.shape[0]
    count = min(N_FOLDS, n)
    fold = folds(classes, n, count, seed)
    limit = None if max_time is None else max_time / (count * len(SHARES))
    fits = [_Fold(X, y, fold == k, loss=loss, seed=seed, max_time=limit) for k in range(count)]
    trials: list[Trial] = []
    for share in SHARES:
        losses = np.array([fit.loss_at(share * largest) for fit in fits])
        error = float(losses.std(ddof=1) / np.sqrt(count))
        trials.append(Trial(share * largest, float(losses.mean()), error))
        notify(
            f"cross-validation: alpha {trials[-1].alpha:.4g}, mean held-out loss "
            f"{trials[-1].loss:.4g} ± {error:.2g}"
        )
        if min(range(len(trials)), key=lambda j: trials[j].loss) <= len(trials) - 1 - PATIENCE:
            break
    best = min(trials, key=lambda trial: trial.loss)
    notify(f"alpha {best.alpha:.4g} has the smallest mean held-out loss")
    return best.alpha, trials


class _Fold:
    """One split, fitted along the grid; each fit starts from the one before."""

    def __init__(
        self, X: Array, y: Array, test: BoolArray, *, loss: str, seed: int, max_time: float | None
    ) -> None:
        self.train, self.test = (X[~test], y[~test]), (X[test], y[test])
        self.loss, self.seed, self.max_time = get_loss(loss), seed, max_time
        self.last: Solution | None = None

    def loss_at(self, alpha: float) -> float:
        """Mean held-out loss of the network for this alpha."""
        X, y = self.train
        self.last = nogap.train(
            X,
            y,
            beta=alpha * X.shape[0],
            loss=self.loss,
            hidden_bias=True,
            fit_intercept=True,
            tol=TOL,
            max_time=self.max_time,
            random_state=self.seed,
            warm_start=self.last,
        )
        if self.last.status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        X, y = self.test
        losses = self.loss.value(self.last.network.decision(X), self.loss.encode(y))
        return float(losses.mean())
