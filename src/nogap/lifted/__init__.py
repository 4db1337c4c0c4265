"""Deep networks by sequences of convex programs: hard constraints, and rank constraints.

Both methods are local.  What they offer is hard constraints on the outputs, merits that never rise,
and steps that are each shown to be exact.
"""

from nogap.lifted.constraints import (
    Affine,
    Bounds,
    ClassErrorBudget,
    Modelled,
    Order,
    OutputConstraint,
)
from nogap.lifted.parabolic import parabolic
from nogap.lifted.sequence import LiftedRecord
from nogap.lifted.solution import LiftedSolution

__all__ = [
    "Affine",
    "Bounds",
    "ClassErrorBudget",
    "LiftedRecord",
    "LiftedSolution",
    "Modelled",
    "Order",
    "OutputConstraint",
    "parabolic",
]
