"""What may be asked of a certificate, and which oracle has the word."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np

from nogap._typing import Array
from nogap.certificate import Certificate, about, certificate_from_dual
from nogap.oracles.base import Oracle
from nogap.oracles.sub_network_search import SubNetworkSearch
from nogap.oracles.unit_choice import (
    exact_is_cheap_for,
    exact_oracle_of,
    last_seeds,
    search_oracle_of,
)
from nogap.problem import Problem
from nogap.proofs import Verdict, tanh
from nogap.units import Convolution, ReLU, Sign, Tanh, ThreeLayer, Unit

Method = Literal["auto", "exact", "bound", "search"]
SEARCH_SEEDS = 500  # of a search that has the last word, at least
PATCH_SEARCH_SEEDS = 100  # where a start costs as much as many on single rows
WEAK_PROOF = 0.1  # relative gap above which an estimate is the answer, with the proof beside it
MUCH_WEAKER = 2.0  # unless the estimate is little better
MOST_ENTRIES = 3_000_000  # of X, for which a proof is tried without being asked for


def check_method(method: Any) -> Method:
    """The method of the dual correlation, or a ValueError."""
    if isinstance(method, str) and method in get_args(Method):
        return method  # type: ignore[return-value]
    raise ValueError(f"method must be 'auto', 'exact', 'bound' or 'search', got {method!r}")


def certify_dual(
    problem: Problem,
    objective: float,
    V: Array,
    method: Method,
    rng: np.random.Generator,
    starts: Array | None = None,
    unit: Unit | None = None,
) -> Certificate:
    """Certificate of a network of ReLU units, or of ``unit``, from a balanced dual point V (n, C).

    ``starts`` (m, d) are the network's own directions, for the search to begin at.
    """
    oracle = judge(problem, ReLU() if unit is None else unit, method, rng)
    _, correlation = oracle.price(V, 10, starts)
    return certificate_from_dual(problem, objective, V, correlation)


def judge(problem: Problem, unit: Unit, method: Method, rng: np.random.Generator) -> Oracle:
    """The oracle whose word on the dual correlation a method takes: exact, or a search."""
    rows = problem.rows
    if is_exact(problem, unit, method):
        return exact_oracle_of(rows, unit, problem.n_outputs)
    if isinstance(unit, ThreeLayer):
        return SubNetworkSearch(rows, unit, rng, SEARCH_SEEDS)
    seeds = SEARCH_SEEDS if rows.n_positions == 1 else PATCH_SEARCH_SEEDS
    return search_oracle_of(rows, unit, rng, last_seeds(rows, seeds))


def is_exact(problem: Problem, unit: Unit, method: Method) -> bool:
    """Whether the method means the exact oracle here."""
    return method == "exact" or (
        method == "auto" and exact_is_cheap_for(problem.rows, unit, problem.n_outputs)
    )


def provable(problem: Problem, unit: Unit, method: Method) -> bool:
    """Whether a proof by bounds is tried; a ValueError where one is asked for and none is known."""
    if isinstance(unit, Sign | ThreeLayer):
        if method == "bound":
            raise ValueError(
                "branch and bound serves two-layer ReLU networks; use method='exact' or 'search' "
                "for sign units and three-layer networks"
            )
        return False
    if isinstance(unit, Convolution):
        return method == "bound"
    if isinstance(unit, Tanh):
        return method == "bound" or tanh.is_cheap(problem)
    return method == "bound" or problem.rows.n * problem.rows.d <= MOST_ENTRIES


def answer_of(verdict: Verdict, method: Method, objective: float) -> Certificate:
    """The proof, or the estimate with the proof beside it where the proof says little."""
    proof, estimate = verdict.proof, verdict.estimate
    # a bad network leaves much open whatever is proved: what counts is the best one known
    open_by_proof, open_by_estimate = (
        about(one, verdict.value).relative_gap for one in (proof, estimate)
    )
    if method == "bound" or open_by_proof <= max(WEAK_PROOF, MUCH_WEAKER * open_by_estimate):
        return about(proof, objective)
    return replace(about(estimate, objective), proved_lower_bound=min(proof.lower_bound, objective))
