"""Progress of training on a terminal: a live table with rich, plain lines without it."""

from __future__ import annotations

import time
from typing import IO, Any

from nogap.solution import Record

# Seconds between plain lines.
PAUSE = 1.0
# Rounds that the live table shows.
N_SHOWN = 8


def bound_label(kind: str) -> str:
    """What a lower bound of that kind may be called."""
    return "lower bound (estimate)" if kind == "search" else "lower bound (proved)"


def relative_gap(record: Record) -> float:
    """Gap over the objective's size; ``inf`` where that is zero."""
    gap = max(record.objective - record.lower_bound, 0.0)
    if gap == 0:
        return 0.0
    return gap / abs(record.objective) if record.objective != 0 else float("inf")


class SilentProgress:
    """Shows nothing."""

    def __enter__(self) -> SilentProgress:
        return self

    def __call__(self, record: Record) -> None:
        """Show a round of training."""

    def note(self, text: str) -> None:
        """Show a line of text."""

    def __exit__(self, *error: object) -> None:
        pass


class PlainProgress:
    """A line of text every second or so; used as a context and as a callback of training.

    Parameters
    ----------
    stream : text file
    """

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream
        self._printed = float("-inf")
        self._last: Record | None = None
        self._pending = False

    def __enter__(self) -> PlainProgress:
        return self

    def __call__(self, record: Record) -> None:
        """Show a round of training."""
        self._last, self._pending = record, True
        if time.monotonic() - self._printed >= PAUSE:
            self._print()

    def note(self, text: str) -> None:
        """Show a line of text."""
        self.stream.write(f"{text}\n")
        self.stream.flush()

    def _print(self) -> None:
        record = self._last
        if record is None or not self._pending:
            return
        neurons = "1 neuron" if record.n_neurons == 1 else f"{record.n_neurons} neurons"
        self.stream.write(
            f"{record.time:7.1f} s  objective {record.objective:.6g}  {bound_label(record.kind)} "
            f"{record.lower_bound:.6g}  gap {100 * relative_gap(record):.2g} %  {neurons}\n"
        )
        self.stream.flush()
        self._printed, self._pending = time.monotonic(), False

    def __exit__(self, *error: object) -> None:
        self._print()


class LiveProgress:
    """A table of the last rounds that updates in place; needs rich.

    Parameters
    ----------
    stream : text file
        A terminal.
    """

    def __init__(self, stream: IO[str]) -> None:
        from rich.console import Console
        from rich.live import Live

        self._records: list[Record] = []
        self._running = True
        self._start = time.monotonic()
        self._live = Live(
            get_renderable=self._table,
            console=Console(file=stream),
            refresh_per_second=4,
            transient=False,
        )

    def __enter__(self) -> LiveProgress:
        self._start = time.monotonic()
        return self

    def __call__(self, record: Record) -> None:
        """Show a round of training."""
        self._records = [*self._records[1 - N_SHOWN :], record]
        self._live.start()  # does nothing when it has started

    def note(self, text: str) -> None:
        """Show a line of text above the table."""
        self._live.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _table(self) -> Any:
        from rich import box
        from rich.table import Table

        table = Table(
            box=box.SIMPLE_HEAD,
            title=f"training, {time.monotonic() - self._start:.0f} s",
            caption="Ctrl-C stops and keeps the best network so far" if self._running else None,
            title_justify="left",
            caption_justify="left",
        )
        for name in ("time", "objective", "lower bound", "which is", "gap", "neurons"):
            table.add_column(name, justify="right")
        for record in self._records:
            table.add_row(
                f"{record.time:.1f} s",
                f"{record.objective:.6g}",
                f"{record.lower_bound:.6g}",
                "an estimate" if record.kind == "search" else "proved",
                f"{100 * relative_gap(record):.2g} %",
                str(record.n_neurons),
            )
        return table

    def __exit__(self, *error: object) -> None:
        self._running = False
        self._live.stop()


def progress(stream: IO[str]) -> SilentProgress | PlainProgress | LiveProgress:
    """The display that suits the stream: live on a terminal where rich is installed."""
    if stream.isatty():
        try:
            return LiveProgress(stream)
        except ImportError:
            pass
    return PlainProgress(stream)
