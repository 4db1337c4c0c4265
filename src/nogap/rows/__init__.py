"""Where the rows of the data live; solvers reach them through these few operations only."""

from nogap.rows.base import Rows, RowSource, height
from nogap.rows.geometry import Geometry
from nogap.rows.memory import MemoryRows
from nogap.rows.parquet import Parquet
from nogap.rows.patches import PatchRows
from nogap.rows.spectrum import largest_singular_value

__all__ = [
    "Geometry",
    "MemoryRows",
    "Parquet",
    "PatchRows",
    "RowSource",
    "Rows",
    "height",
    "largest_singular_value",
]
