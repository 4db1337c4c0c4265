"""Rows of a Parquet file, read group by group as they are needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nogap._typing import AnyArray, Array
from nogap.rows.base import RowSource


class Parquet(RowSource):
    """Numeric columns of a Parquet file as a matrix that stays on disk.

    Pass it as X to :func:`nogap.train`, :func:`nogap.certify` or :meth:`nogap.Network.predict`.
    One row group is in memory at a time, so files with groups of 10,000 to 100,000 rows serve best.

    Parameters
    ----------
    path : str or Path
    columns : sequence of str, optional
        The inputs, in this order; all columns by default.

    Raises
    ------
    ImportError
        pyarrow is missing.
    ValueError
        A column that the file does not have, or that is not numeric.

    Examples
    --------
    >>> source = Parquet("flights.parquet", ["distance", "hour"])  # doctest: +SKIP
    >>> nogap.train(source, source.column("delay"), beta=10.0)  # doctest: +SKIP
    """

    def __init__(self, path: str | Path, columns: Sequence[str] | None = None) -> None:
        try:
            import pyarrow.parquet
            import pyarrow.types
        except ImportError:
            raise ImportError("Parquet files need pyarrow: pip install 'nogap[parquet]'") from None
        self.path = Path(path)
        self._file: Any = pyarrow.parquet.ParquetFile(self.path)
        schema = self._file.schema_arrow
        self.columns = list(schema.names if columns is None else columns)
        for name in self.columns:
            if name not in schema.names:
                raise ValueError(f"{self.path.name} has no column {name!r}")
            kind = schema.field(name).type
            if not (pyarrow.types.is_floating(kind) or pyarrow.types.is_integer(kind)):
                raise ValueError(f"column {name!r} of {self.path.name} is not numeric: {kind}")
        metadata = self._file.metadata
        sizes = [metadata.row_group(g).num_rows for g in range(metadata.num_row_groups)]
        self.starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.intp)
        self.shape = (int(self.starts[-1]), len(self.columns))
        self._group: tuple[int, Array] | None = None

    def column(self, name: str) -> Array:
        """One column (n,), such as the target, in memory."""
        return Parquet(self.path, [name])[0 : self.shape[0]][:, 0]

    def __getitem__(self, index: slice | AnyArray) -> Array:
        """Rows (k, d) of a slice or of an array of positions."""
        rows = np.arange(self.shape[0])[index]
        groups = np.searchsorted(self.starts, rows, side="right") - 1
        found = np.empty((rows.size, self.shape[1]))
        for g in np.unique(groups):
            here = groups == g
            found[here] = self._read(int(g))[rows[here] - self.starts[g]]
        return found

    def _read(self, g: int) -> Array:
        if self._group is None or self._group[0] != g:
            table = self._file.read_row_group(g, columns=self.columns)
            arrays = [table.column(name).to_numpy() for name in self.columns]
            self._group = (g, np.column_stack(arrays).astype(np.float64))
        return self._group[1]

    def __repr__(self) -> str:
        return f"Parquet({str(self.path)!r}, {len(self.columns)} columns)"
