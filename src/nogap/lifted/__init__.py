"""Deep networks by sequences of convex programs: hard constraints, and rank constraints.

Both methods are local.  What they offer is hard constraints on the outputs, merits that never rise,
and steps that are each shown to be exact.
"""

from nogap.lifted.affine import Affine, Bounds, Order
from nogap.lifted.budget import ClassErrorBudget
from nogap.lifted.constraints import OutputConstraint
from nogap.lifted.modelled import AtRows, Modelled
from nogap.lifted.parabolic import parabolic
from nogap.lifted.rank import rank_constrained
from nogap.lifted.sequence import LiftedRecord
from nogap.lifted.solution import LiftedSolution

__all__ = [
    "Affine",
    "AtRows",
    "Bounds",
    "ClassErrorBudget",
    "LiftedRecord",
    "LiftedSolution",
    "Modelled",
    "Order",
    "OutputConstraint",
    "parabolic",
    "rank_constrained",
]
