"""What a run leaves behind: the objective of its network against the CPU time spent on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.limits import die_after
from benchmarks.problems import Problem


def network_objective(problem: Problem, U: ArrayLike, a: ArrayLike) -> float:
    """Objective in float64 of the network with hidden weights U (m, d), output weights a (m,)."""
    hidden = np.asarray(U, dtype=np.float64)
    output = np.asarray(a, dtype=np.float64)
    residual = np.maximum(problem.X @ hidden.T, 0) @ output - problem.y
    penalty = np.linalg.norm(hidden, axis=1) @ np.abs(output)
    return float(0.5 * residual @ residual + problem.beta * penalty)


@dataclass(frozen=True)
class Point:
    """A network at a time; ``kind`` says what its lower bound is worth, ``setting`` whose it is."""

    seconds: float  # CPU
    objective: float
    lower_bound: float | None = None
    kind: str = ""
    setting: str = ""


@dataclass
class Trajectory:
    """All points of one rival on one problem, and why there are no more of them."""

    rival: str
    problem: str
    points: list[Point] = field(default_factory=list)
    remark: str = ""

    def envelope(self) -> list[Point]:
        """The lowest objective so far over all settings, by time."""
        lowest: list[Point] = []
        for point in sorted(self.points, key=lambda point: point.seconds):
            better = not lowest or point.objective < lowest[-1].objective
            if better and np.isfinite(point.objective):
                lowest.append(point)
        return lowest

    def to_json(self) -> dict[str, Any]:
        """Plain data for a JSON file."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Trajectory:
        """Read what :meth:`to_json` gave."""
        points = [Point(**point) for point in data["points"]]
        return cls(data["rival"], data["problem"], points, data["remark"])


class Recorder:
    """Clock and notebook of a rival: CPU seconds, without those that the evaluation takes.

    Parameters
    ----------
    problem : Problem
    time_limit : float
        CPU seconds that each setting of the rival may take.
    sink : callable
        Gets every point at once, so that a run that has to be killed leaves its points.
    seed : int
    """

    def __init__(
        self, problem: Problem, time_limit: float, sink: Callable[[Point], None], seed: int = 0
    ) -> None:
        self.problem, self.time_limit, self.sink, self.seed = problem, time_limit, sink, seed
        self.begin("")

    def begin(self, setting: str, grace: float = 2.0) -> None:
        """Start the clock for one setting; the process dies at ``grace`` times the limit."""
        self.setting = setting
        self.paused = 0.0
        self.start = time.process_time()
        self.next_due = 0.0
        die_after(grace * self.time_limit + 1)

    @property
    def elapsed(self) -> float:
        return time.process_time() - self.start - self.paused

    def over(self) -> bool:
        return self.elapsed >= self.time_limit

    def due(self) -> bool:
        """Whether enough time has passed for another point: a twentieth more, 5 ms at least."""
        return self.elapsed >= self.next_due

    def network(self, U: ArrayLike, a: ArrayLike) -> float:
        """Evaluate and note the network as it is now."""
        seconds = self.elapsed
        with self.free():
            objective = network_objective(self.problem, U, a)
            self._note(Point(seconds, objective, setting=self.setting))
        return objective

    def claim(self, objective: float, lower_bound: float | None = None, kind: str = "") -> None:
        """Note what a rival says of its network; the adapter has to check it at the end."""
        seconds = self.elapsed
        with self.free():
            self._note(Point(seconds, objective, lower_bound, kind, self.setting))

    @contextmanager
    def free(self) -> Iterator[None]:
        """A stretch that is not charged."""
        stopped = time.process_time()
        try:
            yield
        finally:
            self.paused += time.process_time() - stopped

    def _note(self, point: Point) -> None:
        self.next_due = max(1.05 * point.seconds, point.seconds + 5e-3)
        self.sink(point)
