"""Certificates: how far a network can be from the global optimum, and how that is known."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from nogap._typing import Array
from nogap.problem import Problem

if TYPE_CHECKING:
    from nogap.networks.two_layer import Network

Kind = Literal["exact", "bound", "search"]

# from the strongest claim to the weakest
KINDS: tuple[Kind, ...] = get_args(Kind)

# How far above the objective of a network rounding may put a lower bound: relatively, and at all
CREDIBLE, TINY = 1e-9, 1e-300

MEANING: dict[Kind, str] = {
    "exact": "proved; the dual correlation was computed over all activation patterns",
    "bound": "proved; a rigorous upper bound on the dual correlation was used",
    "search": "an estimate, not a proof; the dual correlation is the best value a search found",
}


@dataclass(frozen=True)
class Correlation:
    """A dual correlation q(V) and what is known of it.

    Attributes
    ----------
    value : float
        q(V), an upper bound on it, or the best value found: ``kind`` says which.
    kind : {"exact", "bound", "search"}
    """

    value: float
    kind: Kind


@dataclass(frozen=True)
class Certificate:
    """The distance of a network from the global optimum of its training problem.

    Attributes
    ----------
    objective : float
        Objective of the network.
    lower_bound : float
        No network has a smaller objective (kinds "exact" and "bound"); an estimate of that for
        the kind "search".
    kind : {"exact", "bound", "search"}
        How the dual correlation was obtained: over all activation patterns (or in closed form);
        as a rigorous upper bound; or as the best value that a search found. Only the first two
        are proofs.
    dual : array (n,) or (n, C)
        The feasible dual point that gives the bound.
    dual_correlation : float
        Largest correlation of a unit neuron with the negative loss gradient; at the optimum it
        is beta.
    beta : float
    proved_lower_bound : float
        The largest lower bound that is a theorem: ``lower_bound`` of the kinds "exact" and "bound";
        what was proved beside an estimate, which may be little (``-inf``: nothing).
    better_network : Network or None
        A network with a smaller objective that was met while certifying, and
    better_objective : float
        its objective (``inf`` without one).
    proof : str
        How the bound was obtained, in words, where the kind's own words do not say it.
    delta : float or None
        The certificate is about networks of penalty at most delta (:func:`nogap.frank_wolfe`):
        objective and bound are of the loss alone, and beta is what the penalty would weigh for
        this network to be optimal with it, the dual correlation at the network.
    """

    objective: float
    lower_bound: float
    kind: Kind
    dual: Array = field(repr=False)
    dual_correlation: float
    beta: float
    proved_lower_bound: float = -math.inf
    better_network: Network | None = field(default=None, repr=False)
    better_objective: float = math.inf
    proof: str = field(default="", repr=False)
    delta: float | None = None

    def __post_init__(self) -> None:
        if self.kind != "search":
            object.__setattr__(self, "proved_lower_bound", self.lower_bound)

    @property
    def gap(self) -> float:
        """``objective - lower_bound``."""
        return self.objective - self.lower_bound

    @property
    def relative_gap(self) -> float:
        """``gap / |objective|``."""
        if self.gap <= 0:
            return 0.0
        return self.gap / abs(self.objective) if self.objective != 0 else float("inf")

    @property
    def percent_above(self) -> float:
        """How far above the global optimum the objective can be, in percent of the optimum.

        Larger than ``100 * relative_gap``, whose base is the objective; infinite when the lower
        bound is not positive.
        """
        if self.gap <= 0:
            return 0.0
        return 100 * self.gap / self.lower_bound if self.lower_bound > 0 else float("inf")

    @property
    def proved(self) -> bool:
        """Whether the lower bound is a theorem."""
        return self.kind != "search"

    def __str__(self) -> str:
        verb = "is" if self.proved else "appears to be"
        distance = f"at most {rounded_up(self.percent_above)} % above the global optimum"
        if not np.isfinite(self.percent_above):
            distance = f"at most {self.gap:.3g} above the global optimum"
        if self.delta is not None:
            distance += f" of networks with penalty at most {self.delta:.6g}"
        meaning = self.proof or MEANING[self.kind]
        known = f"lower bound {self.lower_bound:.6g}, kind {self.kind}: {meaning}"
        sentences = [f"The objective {self.objective:.6g} {verb} {distance} ({known})."]
        if not self.proved and self.proved_lower_bound > 0:
            share = 100 * (self.objective / self.proved_lower_bound - 1)
            sentences.append(
                f"Proved is that it is at most {rounded_up(share)} % above "
                f"(lower bound {self.proved_lower_bound:.6g})."
            )
        if 0 < self.better_objective < self.objective:
            share = 100 * (self.objective / self.better_objective - 1)
            sentences.append(
                f"It is at least {rounded_down(share)} % above the global optimum: "
                f"better_network has the objective {self.better_objective:.6g}."
            )
        return " ".join(sentences)


def rounded_up(percent: float) -> str:
    """Two digits, never less than the figure: "at most" must stay true."""
    if not np.isfinite(percent) or percent <= 0:
        return f"{percent:g}"
    unit = 10.0 ** (math.floor(math.log10(percent)) - 1)
    return _shown(math.ceil(percent / unit * (1 - 1e-12)) * unit)


def rounded_down(percent: float) -> str:
    """Two digits, never more than the figure: "at least" must stay true."""
    if not np.isfinite(percent) or percent <= 0:
        return f"{percent:g}"
    unit = 10.0 ** (math.floor(math.log10(percent)) - 1)
    return _shown(math.floor(percent / unit * (1 + 1e-12)) * unit)


def _shown(figure: float) -> str:
    """Two digits, without an exponent where people write none."""
    return f"{figure:.0f}" if 100 <= figure < 1e6 else f"{figure:.2g}"


def certificate_from_dual(
    problem: Problem, objective: float, V: Array, correlation: Correlation
) -> Certificate:
    """Certificate from a balanced dual point V (n, C) and its dual correlation."""
    bound = problem.lower_bound(V, correlation.value)
    dual = bound.scale * V
    return Certificate(
        objective=objective,
        # an estimate above the objective only says that the search missed neurons
        lower_bound=min(bound.value, objective) if correlation.kind == "search" else bound.value,
        kind=correlation.kind,
        dual=dual[:, 0] if dual.shape[1] == 1 else dual,
        dual_correlation=correlation.value,
        beta=problem.beta,
    )


def certificate_in_ball(
    problem: Problem,
    delta: float,
    objective: float,
    V: Array,
    correlation: Correlation,
    proof: str = "",
) -> Certificate:
    """Certificate among networks of penalty at most delta, from the dual point V (n, C)."""
    bound = problem.lower_bound_in_ball(V, correlation.value, delta)
    dual = bound.scale * V
    return Certificate(
        objective=objective,
        lower_bound=min(bound.value, objective) if correlation.kind == "search" else bound.value,
        kind=correlation.kind,
        dual=dual[:, 0] if dual.shape[1] == 1 else dual,
        dual_correlation=correlation.value,
        beta=correlation.value,
        proof=proof,
        delta=delta,
    )


def about(certificate: Certificate, objective: float) -> Certificate:
    """The certificate for another network of the same problem, with that objective.

    A lower bound holds for all networks; an estimate above the objective is known to be wrong, and
    so is a proof that is above it by more than rounding.
    """
    lower, kind = _credible(certificate.lower_bound, certificate.kind, objective)
    beside = min(certificate.proved_lower_bound, objective) if kind == certificate.kind else -np.inf
    return replace(
        certificate, objective=objective, lower_bound=lower, kind=kind, proved_lower_bound=beside
    )


def _credible(bound: float, kind: Kind, objective: float) -> tuple[float, Kind]:
    """A bound that is not above the objective of a network, and what may be said of it.

    No network is below a theorem, so a bound that is further above one than rounding explains is
    none.
    """
    if bound <= objective:
        return bound, kind
    refuted = bound - objective > CREDIBLE * abs(objective) + TINY
    return objective, "search" if refuted else kind


def better(first: Certificate, second: Certificate) -> Certificate:
    """The certificate with the stronger claim: proofs first, then the larger lower bound."""
    if first.proved != second.proved:
        return first if first.proved else second
    return first if first.lower_bound >= second.lower_bound else second
