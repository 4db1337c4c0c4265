"""From a table to a trained, certified model: what ``nogap fit`` and ``nogap certify`` do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import nogap
from nogap._typing import Array, BoolArray
from nogap.certificate import Certificate
from nogap.estimators._selection import sufficient_gap
from nogap.solution import Record, Solution
from nogap.tabular.cross_validation import Trial, choose_alpha
from nogap.tabular.model import TabularModel, fingerprint
from nogap.tabular.options import FitOptions, require_positive
from nogap.tabular.preparation import Prepared, prepare
from nogap.tabular.quality import (
    Quality,
    class_baselines,
    class_scores,
    regression_baselines,
    regression_scores,
)
from nogap.tabular.table import InputError, Table
from nogap.tabular.target import ClassTarget, Target

# alpha / alpha_max when the user names no alpha: in between what noisy regression and
# well-separated classes want.
DEFAULT_SHARE = 0.025
# Below this, alpha_max is rounding error: targets are of the order of one.
NOTHING = 1e-12

Notify = Callable[[str], None]
Callback = Callable[[Record], object]


@dataclass(frozen=True)
class FitResult:
    """A model with all that a report on it needs.

    Attributes
    ----------
    model : TabularModel
    solution : Solution
    data : Prepared
    options : FitOptions
    largest_alpha : float or None
        Where the network becomes empty; None when nobody asked.
    trials : list of Trial
        Cross-validation, one for each alpha tried; empty without it.
    quality : Quality
        On the held-out rows; on the training rows when none are held out.
    training_scores : (float, float)
        The network's two measures on the training rows.
    """

    model: TabularModel
    solution: Solution
    data: Prepared
    options: FitOptions
    largest_alpha: float | None
    trials: list[Trial]
    quality: Quality
    training_scores: tuple[float, float]


def fit_table(
    table: Table,
    options: FitOptions,
    *,
    callbacks: Iterable[Callback] = (),
    notify: Notify = lambda note: None,
) -> FitResult:
    """Train a network on a table, and measure it on the rows held out.

    Parameters
    ----------
    table : Table
    options : FitOptions
    callbacks : iterable of callables
        Each gets the :class:`nogap.solution.Record` of every round of training.
    notify : callable
        Gets one line of text for everything that the user should know.

    Raises
    ------
    InputError
        The table or an option does not fit.
    """
    data = prepare(table, options)
    for note in data.notes:
        notify(note)
    training = ~data.held_out
    X, y = data.X[training], data.y[training]
    n, loss = X.shape[0], data.target.loss
    alpha, largest, trials = _alpha(data, options, notify)
    solution = nogap.train(
        X,
        y,
        beta=alpha * n,
        loss=loss,
        hidden_bias=True,
        fit_intercept=True,
        tol=options.tol,
        gap_tol=_gap_tol(options.tol, trials, n),
        max_time=options.max_time,
        max_neurons=options.max_neurons,
        random_state=options.seed,
        callbacks=list(callbacks),
    )
    model = TabularModel(
        network=solution.network,
        columns=data.columns,
        target=data.target,
        alpha=alpha,
        certificate=solution.certificate,
        status=solution.status,
        held_out=data.held_out,
        fingerprint=fingerprint(data.X, data.y),
    )
    return FitResult(
        model,
        solution,
        data,
        options,
        largest,
        trials,
        measure(model, data),
        scores(model, data, training),
    )


def _gap_tol(tol: float, trials: list[Trial], n: int) -> float | None:
    """What is gap enough after a cross-validation."""
    if not trials:
        return None
    best = min(trials, key=lambda trial: trial.loss)
    return sufficient_gap(tol, trials[0].loss, best.error, n)


def _alpha(
    data: Prepared, options: FitOptions, notify: Notify
) -> tuple[float, float | None, list[Trial]]:
    if options.alpha is not None:
        return options.alpha, None, []
    training = ~data.held_out
    X, y = data.X[training], data.y[training]
    beta_max = nogap.beta_max(X, y, loss=data.target.loss, hidden_bias=True, fit_intercept=True)
    largest = float(beta_max) / X.shape[0]
    if largest < NOTHING:
        raise InputError(
            f"{data.table.source}: the columns say nothing about the target; every alpha gives an "
            "empty network"
        )
    if not options.cv:
        alpha = DEFAULT_SHARE * largest
        notify(
            f"alpha {alpha:.4g}: {100 * DEFAULT_SHARE:g} % of {largest:.4g}, where the network is "
            "empty (--alpha sets another, --cv chooses one)"
        )
        return alpha, largest, []
    classes = None if data.classes is None else data.classes[training]
    alpha, trials = choose_alpha(
        X,
        y,
        classes=classes,
        seed=options.seed,
        max_time=options.max_time,
        notify=notify,
    )
    return alpha, largest, trials


def scores(model: TabularModel, data: Prepared, rows: BoolArray) -> tuple[float, float]:
    """The network's two measures on some rows of its table."""
    outputs = model.network.decision(data.X[rows])
    if isinstance(model.target, ClassTarget):
        assert data.classes is not None
        return class_scores(data.classes[rows], model.target.probabilities(outputs))
    return regression_scores(_own_units(model.target, data.y[rows]), model.target.decode(outputs))


def measure(model: TabularModel, data: Prepared) -> Quality:
    """Held-out quality beside the baselines; on the training rows where none are held out."""
    held = bool(data.held_out.any())
    training = ~data.held_out
    rows = data.held_out if held else training
    result = {"network": scores(model, data, rows)}
    X_train, X = data.X[training], data.X[rows]
    if isinstance(model.target, ClassTarget):
        assert data.classes is not None
        result |= class_baselines(
            X_train, data.classes[training], X, data.classes[rows], len(model.target.classes)
        )
    else:
        y = _own_units(model.target, data.y)
        result |= regression_baselines(X_train, y[training], X, y[rows])
    return Quality(model.target.task, int(rows.sum()), held, result)


def _own_units(target: Target, y: Array) -> Array:
    assert not isinstance(target, ClassTarget)
    return target.decode(y[:, None])


def certify_table(
    model: TabularModel,
    table: Table,
    *,
    alpha: float | None = None,
    max_time: float | None = None,
    notify: Notify = lambda note: None,
) -> Certificate:
    """Certificate of a model's network on a table, for its own alpha or another.

    On the table that it was trained on, the rows that were held out then are left out again, so
    that this is the training problem; on any other table all rows count.

    Raises
    ------
    InputError
        A column or the target is missing, or a value does not fit the model.
    """
    require_positive(alpha, "alpha")
    require_positive(max_time, "max_time")
    X, y = model.encode(table), model.target.encode(table)
    if fingerprint(X, y) == model.fingerprint:
        kept = ~model.held_out
        X, y = X[kept], y[kept]
        left_out = f" ({model.held_out.sum()} were held out)" if model.held_out.any() else ""
        notify(f"the data that the model was trained on: its {kept.sum()} training rows{left_out}")
    else:
        notify(f"other data than the model was trained on: {table.n_rows} rows, all of them used")
    weight = model.alpha if alpha is None else alpha
    notify(f"alpha {weight:.4g}" + (", the model's own" if alpha is None else ""))
    return nogap.certify(
        model.network,
        X,
        y,
        beta=weight * X.shape[0],
        loss=model.target.loss,
        hidden_bias=True,
        fit_intercept=True,
        max_time=max_time,
    )
