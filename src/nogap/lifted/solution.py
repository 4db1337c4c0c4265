"""The solution of a lifted method."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nogap._typing import Array
from nogap.certificate import Certificate
from nogap.networks.deep import DeepNetwork
from nogap.solution import Solution, Status

MET = 1e-6  # relative excess up to which a hard constraint counts as met


@dataclass(frozen=True)
class LiftedSolution(Solution):
    """A network trained by a sequence of convex programs.

    The methods are local: ``certificate`` holds the only bound known, what no outputs at all can
    beat (for the squared loss, zero).  What is proved step by step is in ``history``.

    Attributes
    ----------
    network : DeepNetwork
    objective : float
        The network's own loss, evaluated on its predictions.
    certificate : Certificate
    status : Status
    history : list of LiftedRecord
        One record a convex program, refused ones included; the first is the start.
    n_iter : int
        Accepted steps.
    excess : float
        Largest violation of a hard constraint by the network's own outputs, relative to the size
        of the constraint; zero when all hold (or none were asked).
    forward_error : float
        Relative error ``||f(X) - Y|| / ||Y||`` of the network's own outputs.
    """

    network: DeepNetwork  # type: ignore[assignment]
    excess: float = 0.0
    forward_error: float = float("nan")

    @property
    def feasible(self) -> bool:
        """Whether the network meets the hard constraints, to a relative excess of 1e-6."""
        return self.excess <= MET

    def __str__(self) -> str:
        text = f"{self.network!r}, loss {self.objective:.6g}. {self.status.sentence}"
        if not self.feasible:
            text += f" The largest excess is {self.excess:.3g} of the constraint's size."
        return text


def trivial_certificate(objective: float, least: float, shape: tuple[int, int]) -> Certificate:
    """The certificate of the dual point zero: what no outputs at all can beat."""
    return Certificate(
        objective=objective,
        lower_bound=least,
        kind="bound",
        dual=np.zeros(shape if shape[1] > 1 else shape[0]),
        dual_correlation=0.0,
        beta=0.0,
    )


def relative_error(F: Array, Y: Array) -> float:
    """``||F - Y|| / ||Y||`` (Frobenius), or the plain error when Y is zero."""
    scale = float(np.linalg.norm(Y))
    return float(np.linalg.norm(F - Y)) / (scale if scale > 0 else 1.0)


def with_constraints(solution: LiftedSolution) -> LiftedSolution:
    """Constraints that are not met outrank every other ending."""
    return solution if solution.feasible else replace(solution, status=Status.CONSTRAINTS_NOT_MET)
