"""Limits in CPU seconds, and the memory that a process has needed."""

from __future__ import annotations

import resource
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def interrupt_after(cpu_seconds: float) -> Iterator[None]:
    """Ctrl-C after so much CPU time: ``max_time`` counts the time of other programs too."""

    def interrupt(number: int, frame: object) -> None:
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGPROF, interrupt)
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def die_after(cpu_seconds: float) -> None:
    """End the process, wherever it is, after so many more CPU seconds (whole ones, rounded up)."""
    used = time.process_time()
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (int(used + cpu_seconds) + 1, hard))


def peak_memory() -> int:
    """Most bytes that this process has held.

    Linux hands the peak of the parent on to ``ru_maxrss`` of a child that it starts; ``VmHWM`` is
    the process's own.
    """
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    except OSError:
        pass
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
