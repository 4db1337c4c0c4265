"""What training returns: the network, how good it is, and how the run ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic

from nogap.certificate import Certificate
from nogap.networks.two_layer import Network

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    # what most solutions hold need not be said: Solution is Solution[Network]
    NetworkT = TypeVar("NetworkT", default=Network, covariant=True)
else:
    from typing import TypeVar

    NetworkT = TypeVar("NetworkT", covariant=True)


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
    OPTIMAL_BY_REDUCTION = (
        "optimal_by_reduction",
        (
            "The global optimum: the training problem reduces to one unknown (a norm or a singular "
            "value), whose global minimum is enclosed from both sides; no dual point can prove it, "
            "because strong duality fails for weight decay on three and more layers."
        ),
    )
    CONSTRUCTION = (
        "construction",
        (
            "A stationary construction of the literature, not proved to be the global optimum; "
            "from depth 5 on networks with a lower objective are known."
        ),
    )
    BOUND = (
        "bound",
        (
            "No closed form is known for these data: the lower bound is proved, and the network "
            "is the one that comes with it, not the best one."
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
    STATIONARY = (
        "stationary",
        "The steps no longer improve the network: a local solution, not the global optimum.",
    )
    INTERPOLATED = (
        "interpolated",
        "The network's equations hold with the targets as its outputs, to the tolerance.",
    )
    INEXACT = (
        "inexact",
        "No further step could be shown to be exact; the last network that was is returned.",
    )
    CONSTRAINTS_NOT_MET = (
        "constraints_not_met",
        "The returned network does not meet the hard constraints; excess says by how much.",
    )

    def __init__(self, label: str, sentence: str) -> None:
        self.label = label
        self.sentence = sentence

    @property
    def converged(self) -> bool:
        """Whether the run ended because its own stopping test was met."""
        return self in (
            Status.OPTIMAL,
            Status.OPTIMAL_BY_REDUCTION,
            Status.SEARCH_OPTIMAL,
            Status.PROGRAM_OPTIMAL,
            Status.STATIONARY,
            Status.INTERPOLATED,
        )

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
class Solution(Generic[NetworkT]):
    """A trained network with its certificate.

    Attributes
    ----------
    network : Network or DeepNetwork
    objective : float
        The network's own objective, evaluated in float64 on its predictions.
    certificate : Certificate
    status : Status
    history : list of Record
    n_iter : int
        Rounds of the outer loop, exploration included: the length of ``history``.
    """

    network: NetworkT
    objective: float
    certificate: Certificate
    status: Status
    history: list[Record] = field(default_factory=list, repr=False)
    n_iter: int = 0

    def __str__(self) -> str:
        network: Any = self.network
        counted = getattr(network, "counted", "neurons")
        return (
            f"{network.n_neurons} {counted}, objective {self.objective:.6g}. "
            f"{self.certificate} {self.status.sentence}"
        )
