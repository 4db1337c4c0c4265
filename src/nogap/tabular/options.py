"""The options of ``nogap fit``, checked."""

from __future__ import annotations

from dataclasses import dataclass

from nogap.tabular.table import InputError


@dataclass(frozen=True)
class FitOptions:
    """What to fit and how; the options of ``nogap fit``.

    Attributes
    ----------
    target : str
        Column to predict.
    task : {"auto", "regression", "classification"}
    alpha : float or None
        Weight of the penalty beside the mean loss; None takes 2.5 % of the smallest alpha at
        which the network is empty.
    cv : bool
        Choose alpha by five-fold cross-validation on the training rows.
    drop : tuple of str
        Columns to leave out.
    test_fraction : float
        Share of the rows to hold out, in [0, 1).
    seed : int
    tol : float
        Relative gap at which training stops.
    max_time : float or None
        Seconds of training; cross-validation may take as long again.
    max_neurons : int or None
    """

    target: str
    task: str = "auto"
    alpha: float | None = None
    cv: bool = False
    drop: tuple[str, ...] = ()
    test_fraction: float = 0.2
    seed: int = 0
    tol: float = 1e-3
    max_time: float | None = None
    max_neurons: int | None = None

    def __post_init__(self) -> None:
        if self.task not in ("auto", "regression", "classification"):
            raise InputError(
                f"the task must be auto, regression or classification, got {self.task!r}"
            )
        require_positive(self.alpha, "alpha")
        require_positive(self.tol, "tol")
        require_positive(self.max_time, "max_time")
        if self.cv and self.alpha is not None:
            raise InputError("give either an alpha or cv, not both")
        if not 0 <= self.test_fraction < 1:
            raise InputError(
                f"test_fraction must be at least 0 and less than 1, got {self.test_fraction:g}"
            )
        if self.seed < 0:
            raise InputError(f"seed must not be negative, got {self.seed}")
        if self.max_neurons is not None and self.max_neurons < 1:
            raise InputError(f"max_neurons must be at least 1, got {self.max_neurons}")


def require_positive(value: float | None, name: str) -> None:
    """Refuse a number that is neither positive nor None."""
    if value is not None and not 0 < value < float("inf"):
        raise InputError(f"{name} must be a positive number, got {value:g}")
