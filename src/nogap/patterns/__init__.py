"""Activation patterns of a data matrix: all of them, some of them, their gates, and their storage.

A pattern is the row of bits 1[X u > 0] of a full-dimensional cell of the hyperplane arrangement
{u : x_i^T u = 0, i = 1..n}; the convex program of a two-layer ReLU network has one block for each.
"""

from nogap.patterns._lines import numerical_rank
from nogap.patterns.enumerate import count_patterns, enumerate_patterns, max_pattern_count
from nogap.patterns.gates import find_gates
from nogap.patterns.packed import PackedPatterns
from nogap.patterns.sample import sample_patterns

__all__ = [
    "PackedPatterns",
    "count_patterns",
    "enumerate_patterns",
    "find_gates",
    "max_pattern_count",
    "numerical_rank",
    "sample_patterns",
]
