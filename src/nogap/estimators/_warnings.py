"""Warnings that point at the user's own line, whatever wraps ``fit``."""

from __future__ import annotations

import sys
import warnings

from sklearn.exceptions import ConvergenceWarning

INSIDE = ("nogap", "sklearn", "joblib")


def warn_not_converged(message: str) -> None:
    """A ConvergenceWarning at the call from outside nogap and scikit-learn."""
    level, frame = 1, sys._getframe(0)
    while frame.f_back is not None and _is_inside(frame.f_globals.get("__name__", "")):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, ConvergenceWarning, stacklevel=level)


def _is_inside(module: str) -> bool:
    return module.partition(".")[0] in INSIDE
