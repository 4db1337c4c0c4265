"""Oracles: given a dual point V, find neurons with a large correlation, or bound the largest.

``oracle.price(V, count, starts)`` returns the neurons found and the dual correlation q(V) with what
it rests on: every pattern, a bound, or a search.
"""

from nogap.oracles.base import Candidates, Oracle
from nogap.oracles.branch_and_bound import BranchAndBound
from nogap.oracles.exact import ExactOracle
from nogap.oracles.search import SearchOracle

__all__ = ["BranchAndBound", "Candidates", "ExactOracle", "Oracle", "SearchOracle"]
