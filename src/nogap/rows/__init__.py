"""Where the rows of the data live; solvers reach them through these few operations only."""

from nogap.rows.base import Rows
from nogap.rows.memory import MemoryRows

__all__ = ["MemoryRows", "Rows"]
