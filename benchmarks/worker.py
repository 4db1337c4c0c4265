"""One rival on one problem in a process of its own: ``python -m benchmarks.worker`` (see runner).

Prints one JSON object a line: ``{"point": ...}`` as they come, and ``{"remark": ...}`` at the end.
The interpreter may be another one than the parent's: nothing but NumPy and the rival is needed.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.problems import Problem
from benchmarks.rivals import RIVALS
from benchmarks.trajectory import Point, Recorder


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.worker")
    parser.add_argument("rival", choices=sorted(RIVALS))
    parser.add_argument("problem", type=Path)
    parser.add_argument("seconds", type=float)
    parser.add_argument("seed", type=int)
    arguments = parser.parse_args()

    # a shell that starts a command in the background has it ignore Ctrl-C, which ends nogap's run
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def sink(point: Point) -> None:
        _say({"point": asdict(point)})

    rival = RIVALS[arguments.rival]
    for module in rival.needs:  # not charged
        __import__(module)
    problem = Problem.load(arguments.problem)
    recorder = Recorder(problem, arguments.seconds, sink, arguments.seed)
    _say({"remark": rival.run(problem, recorder)})


def _say(message: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
