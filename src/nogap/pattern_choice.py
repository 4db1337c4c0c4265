"""The list of activation patterns, and of gates, that a run over given patterns works with."""

from __future__ import annotations

from typing import Any

import numpy as np

from nogap._typing import Array, ArrayLike, BoolArray
from nogap._validation import as_array
from nogap.patterns import enumerate_patterns, find_gates, sample_patterns
from nogap.problem import Problem
from nogap.units import GatedReLU

DEFAULT_GATES = 200


def patterns_and_gates(
    problem: Problem,
    unit: GatedReLU,
    patterns: str | int | ArrayLike,
    rng: np.random.Generator,
) -> tuple[Array, BoolArray]:
    """Gates (P, d) and their patterns (P, n): the unit's own, sampled, or found for patterns."""
    X = dense_rows(problem)
    if unit.gates is not None:
        gates = unit.gates
        if gates.shape[1] == X.shape[1] - 1 and getattr(problem.rows, "hidden_bias", False):
            gates = np.column_stack([gates, np.zeros(gates.shape[0])])
        if gates.shape[1] != X.shape[1]:
            raise ValueError(f"gates have {gates.shape[1]} columns, X has {X.shape[1]}")
        return gates, gates @ X.T >= 0
    if isinstance(patterns, str) and patterns == "adaptive":
        patterns = DEFAULT_GATES
    if isinstance(patterns, int | np.integer) and not isinstance(patterns, bool):
        listed, gates = sample_patterns(X, _at_least_one(patterns), rng, return_gates=True)
        return gates, listed
    listed = listed_patterns(problem, patterns, rng)
    return find_gates(X, listed), listed


def listed_patterns(
    problem: Problem, patterns: str | int | ArrayLike, rng: np.random.Generator
) -> BoolArray:
    """The list of patterns that ``patterns`` asks for, bool (P, n)."""
    X = dense_rows(problem)
    if isinstance(patterns, str):
        if patterns == "all":
            return enumerate_patterns(X)
        raise ValueError(
            f"patterns must be 'adaptive', 'all', a count or a bool array (P, n), got {patterns!r}"
        )
    if isinstance(patterns, int | np.integer) and not isinstance(patterns, bool):
        return sample_patterns(X, _at_least_one(patterns), rng)
    listed = as_array(patterns, "patterns")
    if listed.dtype != np.bool_ or listed.ndim != 2 or listed.shape[1] != X.shape[0]:
        raise ValueError(
            f"an array of patterns must be bool with shape (P, {X.shape[0]}), "
            f"got {listed.dtype} {listed.shape}"
        )
    if listed.shape[0] == 0:
        raise ValueError("the array of patterns is empty; give at least one, or a count")
    return np.unique(listed, axis=0)


def _at_least_one(patterns: Any) -> int:
    count = int(patterns)
    if count < 1:
        raise ValueError(f"the number of sampled patterns must be at least 1, got {count}")
    return count


def dense_rows(problem: Problem) -> Array:
    """All rows as one dense array (n, d)."""
    return problem.rows.take(np.arange(problem.rows.n))
