"""What a set of trajectories says: best of all, times to it, who is ahead when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.trajectory import Point, Trajectory

CHECKPOINTS = (0.3, 1.0, 3.0, 10.0, 30.0)  # CPU seconds
LATE = 1.1  # times the limit: what comes later does not count
TIE = 1e-6  # relative difference below which two objectives are equal


@dataclass
class Comparison:
    """All rivals on one problem, in one run."""

    problem: str
    title: str
    rel: float
    seconds: float
    best_known: float | None
    trajectories: list[Trajectory] = field(default_factory=list)

    @property
    def label(self) -> str:
        return f"{self.problem}, rel {self.rel:g}"

    def curve(self, rival: str) -> list[Point]:
        """Lowest objectives of a rival by time, as far as they count."""
        for trajectory in self.trajectories:
            if trajectory.rival == rival:
                return [p for p in trajectory.envelope() if p.seconds <= LATE * self.seconds]
        return []

    def rivals(self) -> list[str]:
        return [trajectory.rival for trajectory in self.trajectories]

    def best(self) -> float:
        """The lowest objective of this run and of all known ones."""
        found = [
            p.objective for t in self.trajectories for p in t.envelope()
        ]  # here what came late counts too
        if self.best_known is not None:
            found.append(self.best_known)
        return min(found)

    def excess(self, objective: float) -> float:
        """Relative distance above the best."""
        best = self.best()
        return (objective - best) / abs(best)

    def final(self, rival: str) -> float | None:
        """A rival's last objective."""
        curve = self.curve(rival)
        return curve[-1].objective if curve else None

    def time_to(self, rival: str, objective: float) -> float | None:
        """First time at which a rival's objective is that low, up to rounding."""
        return first_time(self.curve(rival), objective + TIE * abs(objective))

    def time_within(self, rival: str, tolerance: float) -> float | None:
        """First time at which a rival is within a tolerance of the best of all."""
        best = self.best()
        return self.time_to(rival, best + tolerance * abs(best))

    def ahead(self, seconds: float) -> tuple[list[str], float] | None:
        """Who has the lowest objective at a time (several at a tie), and the objective."""
        values = {}
        for rival in self.rivals():
            reached = [p.objective for p in self.curve(rival) if p.seconds <= seconds]
            if reached:
                values[rival] = min(reached)
        if not values:
            return None
        lowest = min(values.values())
        limit = lowest + TIE * abs(lowest)
        return [rival for rival, value in values.items() if value <= limit], lowest


def first_time(curve: Sequence[Point], objective: float) -> float | None:
    """First time at which a curve is at or below an objective."""
    return next((p.seconds for p in curve if p.objective <= objective), None)


def last_gap(trajectory: Trajectory) -> tuple[float, str] | None:
    """The relative gap that a rival ends with, and its kind."""
    for point in reversed(trajectory.points):
        if point.lower_bound is not None:
            return (point.objective - point.lower_bound) / abs(point.objective), point.kind
    return None
