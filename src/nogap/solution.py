"""What training returns: the network, how good it is, and how the run ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from nogap.certificate import Certificate
from nogap.network import Network


class Status(Enum):
    """How a run ended; ``status.sentence`` says it to a human."""

    OPTIMAL = "optimal", "The proved relative gap is within the tolerance."
    SEARCH_OPTIMAL = (
        "search_optimal",
        (
            "The search finds no neuron that would improve the network by more than the "
            "tolerance; this is an estimate, not a proof."
        ),
    )
    PROGRAM_OPTIMAL = (
        "program_optimal",
        (
            "The sub-sampled program is solved to its tolerance; the certificate speaks of the "
            "network, not of the program."
        ),
    )
    RELAXED = (
        "relaxed",
        "The relaxation is solved; its bound leaves a gap to the network that was rounded from it.",
    )
    TIME_LIMIT = "time_limit", "max_time was reached; the best network so far is returned."
    NEURON_LIMIT = (
        "neuron_limit",
        "max_neurons was reached; more neurons would lower the objective.",
    )
    ITERATION_LIMIT = (
        "iteration_limit",
        "The limit on rounds was reached before the gap closed.",
    )
    STALLED = (
        "stalled",
        "No step lowers the objective any more, yet the gap is above the tolerance.",
    )
    INTERRUPTED = "interrupted", "Training was interrupted; the best network so far is returned."

    def __init__(self, label: str, sentence: str) -> None:
        self.label = label
        self.sentence = sentence

    @property
    def converged(self) -> bool:
        """Whether the run ended because its own stopping test was met."""
        return self in (Status.OPTIMAL, Status.SEARCH_OPTIMAL, Status.PROGRAM_OPTIMAL)

    def __str__(self) -> str:
        return self.label


@dataclass(frozen=True)
class Record:
    """One round of training.

    Attributes
    ----------
    time : float
        Seconds since the start.
    objective : float
        Objective of the network at that time.
    lower_bound : float
        For the kinds "exact" and "bound" the best that has been proved so far; for "search" the
        current estimate, which falls again when the search finds a better neuron.
    kind : str
        "exact", "bound" or "search".
    n_neurons : int
    """

    time: float
    objective: float
    lower_bound: float
    kind: str
    n_neurons: int


@dataclass(frozen=True)
class Solution:
    """A trained network with its certificate.

    Attributes
    ----------
    network : Network
    objective : float
        The network's own objective, evaluated in float64 on its predictions.
    certificate : Certificate
    status : Status
    history : list of Record
    n_iter : int
        Rounds of the outer loop, exploration included: the length of ``history``.
    """

    network: Network
    objective: float
    certificate: Certificate
    status: Status
    history: list[Record] = field(default_factory=list, repr=False)
    n_iter: int = 0

    def __str__(self) -> str:
        return (
            f"{self.network.n_neurons} neurons, objective {self.objective:.6g}. "
            f"{self.certificate} {self.status.sentence}"
        )
