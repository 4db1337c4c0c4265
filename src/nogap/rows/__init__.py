"""Where the rows of the data live; solvers reach them through these few operations only."""

from nogap.rows.memory import MemoryRows, Rows

__all__ = ["MemoryRows", "Rows"]
