"""Oracles: given a dual point V, find neurons with a large correlation, or bound the largest.

An oracle has ``find(V, count, starts)`` returning :class:`Candidates`; an oracle that can prove
something also has ``bound(V)`` returning a :class:`nogap.certificate.Correlation`.
"""

from nogap.oracles.base import Candidates, Oracle
from nogap.oracles.exact import ExactOracle
from nogap.oracles.search import SearchOracle

__all__ = ["Candidates", "ExactOracle", "Oracle", "SearchOracle"]
