"""A table made ready for training: task, target, columns and held-out rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nogap._typing import Array, BoolArray, IntArray
from nogap.tabular.columns import (
    CategoricalColumn,
    Column,
    check_text_columns,
    design_matrix,
    learn_columns,
)
from nogap.tabular.options import FitOptions
from nogap.tabular.split import hold_out, untrained_levels
from nogap.tabular.table import InputError, Table, quoted
from nogap.tabular.target import ClassTarget, Target, choose_task, learn_target

# With fewer rows than this none are held out.
FEWEST_ROWS_TO_SPLIT = 10


@dataclass(frozen=True)
class Prepared:
    """A table made ready: its columns and target learned, its rows split."""

    table: Table
    columns: list[Column]
    target: Target
    X: Array  # (n, d), all rows
    y: Array  # (n,) or (n, classes), as the loss takes it
    classes: IntArray | None  # (n,) class numbers
    held_out: BoolArray  # (n,)
    notes: list[str]


def prepare(table: Table, options: FitOptions) -> Prepared:
    """Check a table, choose the task, learn columns and target, split the rows.

    Raises
    ------
    InputError
        The table or an option does not fit; one sentence says what and where.
    """
    table.require([options.target], "is to be predicted")
    table.require(options.drop, "is to be left out")
    if options.target in options.drop:
        raise InputError(f"the target {options.target!r} cannot be left out with --drop")
    features = [n for n in table.names if n != options.target and n not in options.drop]
    if not features:
        raise InputError(f"{table.source} has no column left beside the target {options.target!r}")
    if table.n_rows < 2:
        raise InputError(f"{table.source} has one row; training needs two or more")
    table.require_values([*features, options.target])

    task, reason = choose_task(table, options.target)
    notes = [f"{table.source}: {table.n_rows} rows, {len(features)} columns to learn from"]
    if options.task == "auto":
        notes.append(f"task: {task}, because {reason} (--task changes it)")
    elif options.task == "regression":
        task = "regression"
    else:
        task = "classification"
    everything = np.ones(table.n_rows, dtype=bool)
    target = learn_target(table, options.target, task, everything)
    classes = target.indices(table) if isinstance(target, ClassTarget) else None

    numbers = {name: table.numbers(name) for name in features}
    text_columns = [name for name, values in numbers.items() if values is None]
    check_text_columns(table, text_columns)
    held = _split(table, options, classes, text_columns, notes)
    target = learn_target(table, options.target, task, ~held)
    columns = learn_columns(table, numbers, ~held)
    _note_columns(table, features, columns, notes)
    X = design_matrix(columns, table)
    notes.extend(_repetitions(X, columns))
    return Prepared(table, columns, target, X, target.encode(table), classes, held, notes)


def _split(
    table: Table,
    options: FitOptions,
    classes: IntArray | None,
    text_columns: list[str],
    notes: list[str],
) -> BoolArray:
    n = table.n_rows
    if options.test_fraction == 0 or n < FEWEST_ROWS_TO_SPLIT:
        if options.test_fraction > 0:
            notes.append(f"{n} rows are too few to hold any out: all are trained on")
        return np.zeros(n, dtype=bool)
    held = hold_out(classes, n, options.test_fraction, options.seed)
    held[untrained_levels(table, text_columns, ~held)] = False
    notes.append(
        f"{n - held.sum()} rows to train on, {held.sum()} held out to measure the quality "
        f"(seed {options.seed})"
    )
    return held


def _note_columns(
    table: Table, features: list[str], columns: list[Column], notes: list[str]
) -> None:
    used = {column.name for column in columns}
    constant = [name for name in features if name not in used]
    if not used:
        raise InputError(
            f"{table.source}: every column beside the target is constant; there is nothing to "
            "learn from"
        )
    if constant:
        notes.append(f"left out, because constant: {quoted(constant)}")
    text = [c for c in columns if isinstance(c, CategoricalColumn)]
    if text:
        levels = ", ".join(f"{c.name!r} ({len(c.levels)} values)" for c in text)
        notes.append(f"categories: {levels}")


def _repetitions(X: Array, columns: list[Column]) -> list[str]:
    """What repeats itself, in words: harmless, but worth knowing."""
    notes = []
    first: dict[bytes, str] = {}
    position = 0
    for column in columns:
        width = len(column.feature_names)
        content = X[:, position : position + width].tobytes()
        position += width
        if content in first:
            notes.append(f"column {column.name!r} repeats column {first[content]!r}; both are kept")
        first.setdefault(content, column.name)
    repeated = X.shape[0] - len({row.tobytes() for row in X})
    if repeated:
        notes.append(f"{repeated} rows repeat the columns of an earlier row; they are kept")
    return notes
