"""Tables of text cells: CSV files read so that every complaint can name row, line and column."""

from __future__ import annotations

import csv
import io
import math
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np

from nogap._typing import AnyArray, Array

# What counts as a missing value, in any case.
MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "?"})

# Above this not every whole number has a float64 of its own.
LARGEST_WHOLE_NUMBER = 2**53
# Squares of larger numbers overflow in the standard deviation.
LARGEST_NUMBER = 1e150


class InputError(ValueError):
    """Something is wrong with a user's file or option; the message is one clear sentence."""


@dataclass(frozen=True)
class Table:
    """Named columns of text cells, with the place of each row in the file.

    Attributes
    ----------
    source : str
        What messages call the table: the path of its file.
    names : tuple of str
        Column names, in the order of the file.
    cells : tuple of tuple of str
        One tuple a column.
    rows : tuple of int
        Number of each row in the file, from 1, without the header.
    lines : tuple of int
        Line of the file on which each row ends.
    """

    source: str
    names: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    rows: tuple[int, ...]
    lines: tuple[int, ...]

    @property
    def n_rows(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> tuple[str, ...]:
        """Cells of the column of that name."""
        return self.cells[self.names.index(name)]

    def select(self, rows: AnyArray) -> Table:
        """The rows that a bool mask or an array of positions picks."""
        kept = np.arange(self.n_rows)[rows].tolist()
        return Table(
            self.source,
            self.names,
            tuple(tuple(column[i] for i in kept) for column in self.cells),
            tuple(self.rows[i] for i in kept),
            tuple(self.lines[i] for i in kept),
        )

    def place(self, position: int, name: str) -> str:
        """Where a cell stands, for a message: ``data.csv, row 3 (line 4), column 'age'``."""
        row, line = self.rows[position], self.lines[position]
        return f"{self.source}, row {row} (line {line}), column {name!r}"

    def require(self, names: Iterable[str], purpose: str) -> None:
        """Refuse the table unless it has these columns."""
        missing = [name for name in names if name not in self.names]
        if missing:
            raise InputError(
                f"{self.source} has no column {quoted(missing)}, which {purpose}; "
                f"its columns are {quoted(self.names)}"
            )

    def require_values(self, names: Sequence[str]) -> None:
        """Refuse the table when a value of these columns is missing."""
        missing = {
            name: [i for i, cell in enumerate(self.column(name)) if cell.lower() in MISSING]
            for name in names
        }
        missing = {name: rows for name, rows in missing.items() if rows}
        if not missing:
            return
        first, name = min((rows[0], name) for name, rows in missing.items())
        cell = self.column(name)[first]
        what = f"({cell})" if cell else "(an empty cell)"
        count = len({i for rows in missing.values() for i in rows})
        total = f"{count} rows lack" if count > 1 else "1 row lacks"
        raise InputError(
            f"{self.place(first, name)}: the value is missing {what}; fill it in or remove the "
            f"row ({total} a value, in {quoted(missing)})"
        )

    def numbers(self, name: str) -> Array | None:
        """The column as finite floats, or None when a cell is not a number.

        Raises
        ------
        InputError
            All cells are numbers, but one is infinite or too large to compute with.
        """
        cells = self.column(name)
        values = [parse_number(cell) for cell in cells]
        if any(value is None for value in values):
            return None
        for i, (cell, value) in enumerate(zip(cells, values, strict=True)):
            assert value is not None
            problem = _problem_with_number(cell, value)
            if problem:
                raise InputError(f"{self.place(i, name)}: {cell} {problem}")
        return np.array(values, dtype=np.float64)


def quoted(names: Iterable[str], limit: int = 30) -> str:
    """Names for a message: ``'a', 'b', 'c'``; a long list is cut short."""
    names = list(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(repr(name) for name in names[:limit]) + more


def shown(cell: str, limit: int = 60) -> str:
    """A cell for a message, in quotes; a long one is cut short."""
    return repr(cell if len(cell) <= limit else cell[: limit - 1] + "…")


def parse_number(text: str) -> float | None:
    """The float that a cell spells out (possibly infinite), or None.

    Examples
    --------
    >>> parse_number("1e3"), parse_number("12 cm")
    (1000.0, None)
    """
    if "_" in text:  # Python reads 1_000 as a number, a table does not mean it as one
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return None if math.isnan(value) else value


def _problem_with_number(cell: str, value: float) -> str:
    if "inf" in cell.lower():
        return "is not a finite number; replace it or remove the row"
    if abs(value) > LARGEST_WHOLE_NUMBER and cell.lstrip("+-").isdigit():
        return (
            "is too large a whole number to be held exactly (the limit is 2^53); if it is an "
            "identifier, leave the column out with --drop, otherwise write it as a decimal number"
        )
    if abs(value) > LARGEST_NUMBER:
        return "is too large to compute with; rescale the column"
    return ""


def read_table(path: str | PathLike[str]) -> Table:
    """Read a CSV file with a header line, in UTF-8.

    The separator is the comma, unless the header line has none: then a semicolon or a tab.
    Spaces around cells and empty lines are ignored.

    Raises
    ------
    InputError
        No such file, not UTF-8, empty, a header without rows, an unnamed or repeated column, a
        row that is longer or shorter than the header, or wrong quoting.
    """
    source = os.fspath(path)
    text = _read_text(source)
    header_line = text.lstrip().partition("\n")[0]
    if not header_line.strip():
        raise InputError(f"{source} is empty; expected a header line and at least one row")
    separator = next((s for s in ",;\t" if s in header_line), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    names: tuple[str, ...] = ()
    records: list[list[str]] = []
    lines: list[int] = []
    try:
        for record in reader:
            cells = [cell.strip() for cell in record]
            if not any(cells) and (len(cells) <= 1 or not names):
                continue
            if not names:
                names = _check_header(source, cells)
                continue
            if len(cells) != len(names):
                raise InputError(
                    f"{source}, row {len(records) + 1} (line {reader.line_num}): "
                    f"{len(cells)} cells where the header names {len(names)} columns"
                )
            records.append(cells)
            lines.append(reader.line_num)
    except csv.Error as error:
        raise InputError(f"{source}, line {reader.line_num}: wrong quoting ({error})") from None
    if not records:
        raise InputError(f"{source} has a header line but no rows")
    rows = tuple(range(1, len(records) + 1))
    return Table(source, names, tuple(zip(*records, strict=True)), rows, tuple(lines))


def _read_text(source: str) -> str:
    try:
        content = Path(source).read_bytes()
    except FileNotFoundError:
        raise InputError(f"{source}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{source} is a folder, not a CSV file") from None
    except OSError as error:
        raise InputError(f"{source} cannot be read: {error.strerror}") from None
    if b"\0" in content:
        raise InputError(f"{source} is not a CSV file in UTF-8 (it holds zero bytes)")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{source}, line {line}: byte 0x{content[error.start]:02x} is not UTF-8 text; "
            "save the file as UTF-8 first"
        ) from None


def _check_header(source: str, names: list[str]) -> tuple[str, ...]:
    for number, name in enumerate(names, start=1):
        if not name:
            raise InputError(f"{source}: column {number} of the header has no name")
        if name in names[: number - 1]:
            raise InputError(
                f"{source}: the header names the column {name!r} twice "
                f"(columns {names.index(name) + 1} and {number}); rename one of them"
            )
    return tuple(names)


def check_writable(path: str | PathLike[str], *, inputs: Iterable[str | PathLike[str]]) -> None:
    """Refuse, before any work is done, a place where a result cannot be written."""
    target = Path(path)
    if target.is_dir():
        raise InputError(f"{target} is a folder; name a file to write to")
    if not target.parent.is_dir():
        raise InputError(f"cannot write {target}: there is no folder {target.parent}")
    if not os.access(target.parent, os.W_OK):
        raise InputError(f"cannot write {target}: the folder {target.parent} is read-only")
    if any(target.exists() and Path(p).exists() and target.samefile(p) for p in inputs):
        raise InputError(f"writing {target} would overwrite an input file; choose another name")


def write_text(path: str | PathLike[str], text: str) -> None:
    """Write a text file; an existing one is replaced only once the new one is complete."""
    target = Path(path)
    handle, name = tempfile.mkstemp(
        dir=target.parent, prefix=f".{target.name}.", suffix=".unfinished"
    )
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)  # a temporary file is private; a result is not
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as CSV text; floats are written so that they read back unchanged."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([repr(float(v)) if isinstance(v, float) else v for v in row] for row in rows)
    return buffer.getvalue()
