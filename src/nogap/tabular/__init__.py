"""Networks for tables: CSV files in, a model file with its columns and scaling out.

>>> from nogap.tabular import Table
>>> table = Table("t.csv", ("x", "y"), (("1", "2"), ("3", "4")), rows=(1, 2), lines=(2, 3))
>>> table.numbers("y")
array([3., 4.])
"""

from nogap.tabular.fitting import FitResult, certify_table, fit_table
from nogap.tabular.foreign import FOREIGN, certify_foreign
from nogap.tabular.model import TabularModel
from nogap.tabular.options import FitOptions
from nogap.tabular.quality import Quality
from nogap.tabular.table import InputError, Table, read_table

__all__ = [
    "FOREIGN",
    "FitOptions",
    "FitResult",
    "InputError",
    "Quality",
    "Table",
    "TabularModel",
    "certify_foreign",
    "certify_table",
    "fit_table",
    "read_table",
]
