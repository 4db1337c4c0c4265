"""scikit-learn's callback protocol: every round of training is a task of the fit.

It came with scikit-learn 1.9; in older releases estimators have no ``set_callbacks``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from nogap.solution import Record

__all__ = ["CallbackSupportMixin", "rounds_as_tasks", "with_callbacks"]

Method = TypeVar("Method", bound=Callable[..., Any])

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands in for the one of scikit-learn."""

    def with_callbacks(method: Method) -> Method:
        """Leave the method as it is."""
        return method


@contextmanager
def rounds_as_tasks(estimator: Any) -> Iterator[list[Callable[[Record], bool]]]:
    """Callbacks for ``train`` that tell those of scikit-learn; one of them may stop the fit."""
    listening = hasattr(estimator, "_skl_callbacks") or hasattr(estimator, "_parent_callback_ctx")
    if not listening or not hasattr(estimator, "_init_callback_context"):
        yield []
        return
    fit = estimator._init_callback_context(max_subtasks=None)
    fit.call_on_fit_task_begin(estimator=estimator)

    def tell(record: Record) -> bool:
        task = fit.subcontext(task_name="round")
        task.call_on_fit_task_begin(estimator=estimator)
        return bool(task.call_on_fit_task_end(estimator=estimator))

    yield [tell]
    fit.call_on_fit_task_end(estimator=estimator)
