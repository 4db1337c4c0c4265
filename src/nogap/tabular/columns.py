"""From text columns to network inputs: standardised numbers and one-hot categories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nogap._typing import AnyArray, Array
from nogap.tabular.table import InputError, Table, parse_number, quoted, shown

MAX_LEVELS = 200
# A column of text with this share of numbers is a column of numbers with mistakes.
MOSTLY = 0.9

TRAINED = "and the model was trained with numbers in this column"


@dataclass(frozen=True)
class NumericColumn:
    """A column of numbers, standardised by the training rows.

    Attributes
    ----------
    name : str
    mean, scale : float
        Mean and standard deviation over the training rows.
    low, high : float
        Range over the training rows, in the column's own units.
    """

    name: str
    mean: float
    scale: float
    low: float
    high: float

    @property
    def feature_names(self) -> list[str]:
        return [self.name]

    def standardise(self, values: Array) -> Array:
        """Numbers in the column's own units to network inputs."""
        return (values - self.mean) / self.scale

    def encode(self, table: Table) -> Array:
        """Network inputs (n, 1)."""
        return self.standardise(required_numbers(table, self.name, TRAINED))[:, None]


@dataclass(frozen=True)
class CategoricalColumn:
    """A column of categories: one input of 0 or 1 for each level, levels sorted.

    Attributes
    ----------
    name : str
    levels : tuple of str
    """

    name: str
    levels: tuple[str, ...]

    @property
    def feature_names(self) -> list[str]:
        return [f"{self.name}={level}" for level in self.levels]

    def encode(self, table: Table) -> Array:
        """Network inputs (n, levels), each row with a single 1."""
        index = {level: k for k, level in enumerate(self.levels)}
        encoded = np.zeros((table.n_rows, len(self.levels)))
        for i, cell in enumerate(table.column(self.name)):
            if cell not in index:
                raise InputError(
                    f"{table.place(i, self.name)}: {shown(cell)} is none of the values that the "
                    f"model was trained with, {quoted(self.levels)}"
                )
            encoded[i, index[cell]] = 1.0
        return encoded


Column = NumericColumn | CategoricalColumn


def required_numbers(table: Table, name: str, why: str) -> Array:
    """The column as floats; the first cell that is not a number is an error."""
    values = table.numbers(name)
    if values is None:
        cells = table.column(name)
        wrong = next(i for i, cell in enumerate(cells) if parse_number(cell) is None)
        raise InputError(f"{_not_a_number(table, name, wrong)}, {why}")
    return values


def _not_a_number(table: Table, name: str, position: int) -> str:
    return f"{table.place(position, name)}: {shown(table.column(name)[position])} is not a number"


def mean_and_scale(values: Array) -> tuple[float, float]:
    """Mean and standard deviation; a scale of 0 says that the values do not vary."""
    mean = float(values.mean())
    largest = float(np.abs(values - mean).max())
    if largest <= 1e-14 * float(np.abs(values).max()):
        return mean, 0.0
    return mean, largest * float(np.std((values - mean) / largest))


def learn_columns(
    table: Table, numbers: Mapping[str, Array | None], training: AnyArray
) -> list[Column]:
    """Levels from all rows, mean and scale from the training rows alone.

    Columns that are constant over the training rows carry nothing and are left out.

    Parameters
    ----------
    table : Table
    numbers : mapping of str to array (n,) or None
        The feature columns: their numbers, or None for a column of text.
    training : bool array (n,)
        The rows that will be trained on.
    """
    columns: list[Column] = []
    for name, values in numbers.items():
        if values is None:
            levels = tuple(sorted(set(table.column(name))))
            if len(levels) > 1:
                columns.append(CategoricalColumn(name, levels))
            continue
        values = values[training]
        mean, scale = mean_and_scale(values)
        if scale > 0:
            low, high = float(values.min()), float(values.max())
            columns.append(NumericColumn(name, mean, scale, low, high))
    return columns


def check_text_columns(table: Table, names: Iterable[str]) -> None:
    """Refuse text columns that were meant as numbers, or that are identifiers."""
    for name in names:
        _refuse_spoiled_numbers(table, name)
        cells = table.column(name)
        count = len(set(cells))
        if count > MAX_LEVELS or (count > 10 and count > table.n_rows / 2):
            odd = next(cell for cell in cells if parse_number(cell) is None)
            raise InputError(
                f"{table.source}, column {name!r}: {count} different texts in {table.n_rows} rows "
                f"(such as {shown(odd)}) are too many for categories; leave the column out with "
                f"--drop {name!r}, or make it numeric"
            )


def _refuse_spoiled_numbers(table: Table, name: str) -> None:
    cells = table.column(name)
    wrong = next(i for i, cell in enumerate(cells) if parse_number(cell) is None)
    if all(parse_number(cell.replace(",", ".", 1)) is not None for cell in cells):
        raise InputError(
            f"{table.place(wrong, name)}: {shown(cells[wrong])} has a comma in it; write numbers "
            "with a decimal point and without separators of thousands"
        )
    numbers = [cell for cell in cells if parse_number(cell) is not None]
    if len(numbers) >= MOSTLY * len(cells) and len(set(numbers)) > 10:
        raise InputError(
            f"{_not_a_number(table, name, wrong)}, but {len(numbers)} of "
            f"{len(cells)} cells of the column are; correct it, or leave the column out with "
            f"--drop {name!r}"
        )


def design_matrix(columns: Sequence[Column], table: Table) -> Array:
    """Network inputs (n, d) of a table that has these columns."""
    names = [column.name for column in columns]
    table.require(names, "the model was trained with")
    table.require_values(names)
    return np.hstack([column.encode(table) for column in columns])


def columns_to_json(columns: Sequence[Column]) -> list[dict[str, Any]]:
    """Description of the columns for a model file."""
    return [
        {
            "kind": "numeric" if isinstance(column, NumericColumn) else "categorical",
            **asdict(column),
        }
        for column in columns
    ]


def columns_from_json(description: Sequence[dict[str, Any]]) -> list[Column]:
    """The columns that :func:`columns_to_json` described."""
    columns: list[Column] = []
    for entry in description:
        fields = {key: value for key, value in entry.items() if key != "kind"}
        if entry["kind"] == "numeric":
            columns.append(NumericColumn(**fields))
        else:
            columns.append(CategoricalColumn(fields["name"], tuple(fields["levels"])))
    return columns
