"""The array types that every signature uses; shapes are given in comments and docstrings."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

# of floats: float64, or float32 inside the fast descent (mypy could only tell by overloads)
Array: TypeAlias = npt.NDArray[Any]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
IntArray: TypeAlias = npt.NDArray[np.intp]
ArrayLike: TypeAlias = npt.ArrayLike
RandomState: TypeAlias = int | np.random.Generator | np.random.RandomState | None
AnyArray: TypeAlias = npt.NDArray[Any]
