"""Choosing alpha for a table: the estimators' cross-validation, told line by line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nogap._typing import AnyArray, Array, IntArray
from nogap.estimators._base import ReLUEstimator
from nogap.estimators._folds import N_FOLDS, ShuffledFolds, check_splits
from nogap.estimators._selection import INTERRUPTED, N_ALPHAS, alpha_grid, select_alpha
from nogap.estimators.classifier import ReLUClassifier
from nogap.estimators.regressor import ReLURegressor
from nogap.tabular.table import InputError


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
        Standardised targets; not used where there are classes.
    classes : int array (n,) or None
        Class of each row, dealt out evenly to the folds.
    seed : int
    max_time : float, optional
        Seconds for all fits together.
    notify : callable
        Gets a line of text for each alpha and the outcome.
    """
    model: ReLUEstimator
    labels: AnyArray
    if classes is None:
        model, labels = ReLURegressor(random_state=seed), y
    else:
        model, labels = ReLUClassifier(random_state=seed), classes
    source = ShuffledFolds(N_FOLDS, by_class=classes is not None, seed=seed)
    splits = list(source.split(X, labels))
    try:
        check_splits(splits, labels, None, by_class=classes is not None)
    except ValueError as error:
        raise InputError(
            f"the training rows are too few to choose alpha by cross-validation ({error}); give "
            "--alpha, or more rows"
        ) from None
    selection = select_alpha(
        model,
        X,
        labels,
        None,
        splits=splits,
        alphas=alpha_grid(model, model._encode(X, labels, None), N_ALPHAS),
        max_time=max_time,
        notify=notify,
    )
    if selection.cut_short == INTERRUPTED:
        raise KeyboardInterrupt
    columns = zip(selection.alphas, -selection.mean, selection.error, strict=True)
    trials = [Trial(*(float(value) for value in row)) for row in columns]
    return selection.alpha, trials
