"""Where the rows of the data live; solvers reach them through these few operations only."""

from nogap.rows.base import Rows, RowSource
from nogap.rows.memory import MemoryRows
from nogap.rows.parquet import Parquet

__all__ = ["MemoryRows", "Parquet", "RowSource", "Rows"]
