"""The outer loop of both lifted methods: a sequence of convex programs, each around the last point.

A scheme proposes the next point by solving a convex program around the centre and says, by a test
of its own, whether the proposal may be trusted; the loop accepts it if the merit does not rise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Generic, Protocol, TypeVar

from nogap._interrupt import InterruptRequest
from nogap.solution import Record, Status
from nogap.solvers.adaptive import heard

Centre = TypeVar("Centre")


@dataclass(frozen=True)
class LiftedRecord(Record):
    """One convex program of a lifted method.

    Attributes
    ----------
    time, objective, lower_bound, kind, n_neurons
        As in :class:`nogap.Record`; the objective is the true loss of the network proposed.
    merit : float
        What must not rise: loss plus penalty of the violations, on the network's own outputs.
    relaxed : float
        Value of the convex program.
    gap : float
        Largest violation of the network's equations by the program's solution, relative.
    certificate : float
        Parabolic relaxation: largest ratio of the certificate; at most 1 proves exactness.
    exact : bool
        Whether the step passed its engine's test of exactness.
    excess : float
        Largest violation of a hard constraint by the network's outputs, relative.
    damping : float
        Factor of the proximal weights (parabolic), or scale of the blocks (rank-constrained).
    penalty : float
        Weight of the violations in the merit.
    solver : str
        What the solver said of itself.
    accepted : bool
        Whether the proposal became the next centre.
    """

    merit: float = float("nan")
    relaxed: float = float("nan")
    gap: float = float("nan")
    certificate: float = float("nan")
    exact: bool = False
    excess: float = 0.0
    damping: float = float("nan")
    penalty: float = float("nan")
    solver: str = ""
    accepted: bool = False


@dataclass(frozen=True)
class Proposal(Generic[Centre]):
    """A point that a scheme proposes.

    Attributes
    ----------
    centre : object
        What the next program is built around.
    merit : float
    trusted : bool
        Whether the scheme's own test, not the solver, vouches for it.
    facts : dict
        Fields of its :class:`LiftedRecord`.
    """

    centre: Centre
    merit: float
    trusted: bool
    facts: dict[str, Any] = field(repr=False)


class Scheme(Protocol[Centre]):
    """What a method tells the loop."""

    def propose(self, centre: Centre, should_stop: Callable[[], bool]) -> Proposal[Centre]:
        """Solve the convex program around a centre."""

    def allowance(self, merit: float) -> float:
        """By how much the merit may rise and still count as not rising."""

    def accepted(self, new: Proposal[Centre], old: Proposal[Centre]) -> Proposal[Centre]:
        """Adapt to a step that was taken; the proposal, its merit restated if its rule changed."""

    def refused(self, new: Proposal[Centre], old: Proposal[Centre]) -> Status | None:
        """Adapt to a refusal; how the run ends when nothing is left to try."""

    def better(self, new: Proposal[Centre], best: Proposal[Centre]) -> bool:
        """Which of two accepted points to return."""

    def ending(self, merits: list[float], latest: Proposal[Centre]) -> Status | None:
        """Whether the method has come to its end, given the merits of the accepted points."""


@dataclass(frozen=True)
class Outcome(Generic[Centre]):
    """How a run ended."""

    best: Proposal[Centre]
    status: Status
    history: list[LiftedRecord]
    n_accepted: int


def run_sequence(
    scheme: Scheme[Centre],
    begin: Callable[[Callable[[], bool]], Proposal[Centre]],
    *,
    max_iter: int,
    max_time: float | None,
    callbacks: list[Callable[[Record], Any]],
) -> Outcome[Centre]:
    """Accept proposals until the scheme, a limit, a callback or Ctrl-C ends the run.

    Parameters
    ----------
    scheme : Scheme
    begin : callable
        The first point; given a function that says whether time is up.
    max_iter : int
        Most accepted steps.
    max_time : float or None
        Seconds.
    callbacks : list of callables
        Each gets every record; returning True stops the run.
    """
    clock = perf_counter()
    deadline = clock + (float("inf") if max_time is None else max_time)
    history: list[LiftedRecord] = []
    n_accepted = 0
    status: Status | None = None

    def tell(proposal: Proposal[Centre], accepted: bool) -> bool:
        seconds = perf_counter() - clock
        history.append(LiftedRecord(time=seconds, accepted=accepted, **proposal.facts))
        return heard(callbacks, history[-1])

    with InterruptRequest() as interrupt:

        def should_stop() -> bool:
            return interrupt.pending or perf_counter() > deadline

        latest = best = begin(should_stop)
        merits = [latest.merit]
        try:
            stopped = tell(latest, True)
            while status is None:
                if stopped or interrupt.pending:
                    status = Status.INTERRUPTED
                    break
                if perf_counter() > deadline:
                    status = Status.TIME_LIMIT
                    break
                if n_accepted == max_iter:
                    status = Status.ITERATION_LIMIT
                    break
                proposal = scheme.propose(latest.centre, should_stop)
                rise = proposal.merit - latest.merit
                accepted = proposal.trusted and rise <= scheme.allowance(latest.merit)
                stopped = tell(proposal, accepted)
                if accepted:
                    restated = scheme.accepted(proposal, latest)
                    merits = [*merits, restated.merit]
                    if restated.merit != proposal.merit:
                        merits = [restated.merit]
                    latest = restated
                    n_accepted += 1
                    if scheme.better(latest, best):
                        best = latest
                    status = scheme.ending(merits, latest)
                elif not should_stop():
                    status = scheme.refused(proposal, latest)
        except KeyboardInterrupt:
            status = Status.INTERRUPTED
    assert status is not None
    return Outcome(best, status, history, n_accepted)
