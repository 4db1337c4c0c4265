"""Which parts a run is made of: unit, oracles, master and limits, for each kind of training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from nogap._typing import ArrayLike
from nogap.oracles.base import Oracle
from nogap.oracles.classifiers import CLASSIFIERS, ClassifierOracle
from nogap.oracles.faces import FaceOracle
from nogap.oracles.patterns import GatedOracle, PatternOracle
from nogap.oracles.sampled_sub_networks import SampledOracle, SubNetworkCells
from nogap.oracles.sub_network_search import SubNetworkSearch
from nogap.oracles.sub_networks import SubNetworkOracle
from nogap.oracles.unit_choice import (
    exact_is_cheap_for,
    exact_oracle_of,
    last_seeds,
    search_oracle_of,
)
from nogap.pattern_choice import dense_rows, listed_patterns, patterns_and_gates
from nogap.patterns import enumerate_patterns
from nogap.problem import Problem
from nogap.rows import height
from nogap.solvers.adaptive import Callback, ColumnGeneration, Limits
from nogap.solvers.cone_program import ConeMaster
from nogap.solvers.explore import Explorer
from nogap.solvers.masters import FreeMaster, Master, SizesMaster
from nogap.solvers.sub_networks import SampledMaster, SubNetworkMaster
from nogap.units import Convolution, GatedReLU, Linear, Sign, Tanh, ThreeLayer, Unit

Patterns: TypeAlias = str | int | ArrayLike
OracleName = Literal["auto", "exact", "search", "logistic_regression", "linear_svm", "perceptron"]

EXACT_TOLERANCE = 1e-7  # the program over all patterns is solved to this, whatever tol says
LISTED_TOLERANCE = 1e-6  # and this is what interior points reach on a list of patterns
PROVED_TOLERANCE = 1e-4  # where all patterns are cheap to list, adaptive training goes this far
TINY = 200  # entries of X up to which the exact oracle is quicker than a search
SHORT_SLIDE = 30
ENOUGH = 1e-2  # of the tolerance: what ten steps of a descent must gain in networks to compare
SEEDS = (600, 1000)  # of the search oracle, level by level; the last has more where they are cheap
SUB_NETWORK_SEEDS = (60, 200, 800)
# On patches and on very many columns, where a start costs as much as many on single short rows.
PATCH_SEEDS, WIDE_SEEDS = (30, 100, 300), (30, 200)
MANY_COLUMNS = 2_000


@dataclass(frozen=True)
class Plan:
    """The parts chosen for one run.

    Attributes
    ----------
    unit, oracles, master, limits, explorer
        See :class:`nogap.solvers.adaptive.ColumnGeneration`.
    sub_sampled : bool
        The oracle knows some patterns only: what it says is about the program, not the network.
    heuristic : bool
        The oracle proposes neurons, and nothing can be said of those that it does not.
    accepts_start : bool
        Whether the run may begin at given neurons.
    """

    unit: Unit
    oracles: list[Oracle]
    master: Master
    limits: Limits
    sub_sampled: bool = False
    heuristic: bool = False
    accepts_start: bool = True
    explorer: Explorer | None = None

    def without_tuning(self) -> Plan:
        """The plan with neurons that stay where the oracle found them."""
        if not isinstance(self.master, SizesMaster):
            raise ValueError(
                "a program over a list of patterns moves its neurons inside their cones; leave "
                "tune=False out, or use patterns='adaptive'"
            )
        master = SizesMaster(self.master.problem, self.unit)
        return replace(self, master=master, explorer=None)

    def run_on(self, problem: Problem, callbacks: list[Callback]) -> ColumnGeneration:
        """The loop, ready to run."""
        return ColumnGeneration(
            problem, self.unit, self.oracles, self.master, self.limits, callbacks, self.explorer
        )


def choose_plan(
    problem: Problem,
    unit: Unit,
    patterns: Patterns,
    limits: Limits,
    rng: np.random.Generator,
    oracle: OracleName = "auto",
) -> Plan:
    """The plan for a unit and for what ``patterns`` and ``oracle`` ask."""
    if isinstance(unit, Sign | Tanh):
        return _saturating(problem, unit, patterns, limits, rng, oracle)
    if oracle != "auto":
        _check_oracle_fits(unit, patterns, oracle)
        if not _has_closed_form(unit):
            return adaptive_plan(problem, unit, limits, rng, exact=oracle == "exact")
    if isinstance(unit, ThreeLayer):
        return _three_layer(problem, unit, patterns, limits, rng)
    if isinstance(unit, GatedReLU | Linear):
        return _gated(problem, unit, patterns, limits, rng)
    if isinstance(unit, Convolution) and unit.activation == "linear":
        return _linear_convolution(problem, unit, patterns, limits)
    if isinstance(patterns, str) and patterns == "adaptive":
        cheap = exact_is_cheap_for(problem.rows, unit, problem.n_outputs)
        return adaptive_plan(problem, unit, limits, rng, exact=cheap)
    if isinstance(patterns, str) and patterns == "all":
        return _all_patterns(problem, unit, limits, rng)
    return _sub_sampled(problem, unit, patterns, limits, rng)


def adaptive_plan(
    problem: Problem, unit: Unit, limits: Limits, rng: np.random.Generator, *, exact: bool
) -> Plan:
    """Neurons as they are needed; ``exact`` asks the exact oracle for the last word."""
    if isinstance(unit, ThreeLayer):
        return _sub_networks(problem, unit, limits, rng, exact=exact and limits.prove)
    if isinstance(unit, Sign):
        return _sign(problem, unit, limits, rng, exact=exact)
    oracles = _searches(problem, unit, rng, precise=limits.prove)
    if exact and limits.prove:
        limits = replace(limits, tol=min(limits.tol, PROVED_TOLERANCE), gap_tol=0.0)
        last_word = exact_oracle_of(problem.rows, unit, problem.n_outputs, 5e-3 * limits.tol)
        if height(problem.rows) * problem.rows.d <= TINY:
            return Plan(unit, [last_word], FreeMaster(problem, unit, SHORT_SLIDE), limits)
        oracles = _before(last_word, oracles[:1])
    elif not limits.prove:
        oracles = oracles[:1]
    return _free(problem, unit, oracles, limits, rng)


def _searches(
    problem: Problem, unit: Unit, rng: np.random.Generator, *, precise: bool = True
) -> list[Oracle]:
    rows = problem.rows
    wide = WIDE_SEEDS if rows.d > MANY_COLUMNS else SEEDS
    seeds = PATCH_SEEDS if rows.n_positions > 1 else wide
    levels = sorted({*seeds[:-1], last_seeds(rows, seeds[-1])})
    return [
        search_oracle_of(rows, unit, rng, count, problem.beta, precise=precise) for count in levels
    ]


def _free(
    problem: Problem,
    unit: Unit,
    oracles: list[Oracle],
    limits: Limits,
    rng: np.random.Generator,
) -> Plan:
    enough = (0.0, 0.0)
    if not limits.prove:
        enough = ENOUGH * limits.tol, ENOUGH * limits.gap_tol
    master = FreeMaster(problem, unit, enough=enough)
    if not unit.homogeneous:
        return Plan(unit, oracles, master, limits)
    return Plan(unit, oracles, master, limits, explorer=Explorer(problem, unit, master, rng))


def _all_patterns(problem: Problem, unit: Unit, limits: Limits, rng: np.random.Generator) -> Plan:
    limits = replace(limits, tol=min(limits.tol, EXACT_TOLERANCE))
    if not problem.loss.smooth:
        limits = replace(limits, tol=max(limits.tol, LISTED_TOLERANCE))
        if problem.n_outputs == 1 and not isinstance(unit, Convolution):
            listed = enumerate_patterns(dense_rows(problem))
            oracle = PatternOracle(problem.rows, listed, kind="exact")
            return Plan(unit, [oracle], ConeMaster(problem, listed), limits, accepts_start=False)
    last_word = exact_oracle_of(problem.rows, unit, problem.n_outputs)
    if height(problem.rows) * problem.rows.d <= TINY and problem.loss.smooth:
        return _free(problem, unit, [last_word], limits, rng)
    oracles = _before(last_word, _searches(problem, unit, rng)[:1])
    return _free(problem, unit, oracles, limits, rng)


def _before(last_word: Oracle, searches: list[Oracle]) -> list[Oracle]:
    """Searches and the oracle with the last word; going through faces is quicker than searching."""
    return [last_word] if isinstance(last_word, FaceOracle) else [*searches, last_word]


def _linear_convolution(
    problem: Problem, unit: Convolution, patterns: Patterns, limits: Limits
) -> Plan:
    """One nuclear norm (or, untied, one for each position): singular values settle it."""
    if not (isinstance(patterns, str) and patterns in ("adaptive", "all")):
        raise ValueError("a linear convolution has no patterns; leave patterns out")
    limits = replace(limits, tol=min(limits.tol, LISTED_TOLERANCE))
    oracle = exact_oracle_of(problem.rows, unit, problem.n_outputs)
    return Plan(unit, [oracle], FreeMaster(problem, unit), limits)


def _sign(
    problem: Problem, unit: Sign, limits: Limits, rng: np.random.Generator, *, exact: bool
) -> Plan:
    """Sizes of columns of signs: finitely many, so that an exact oracle ends with the optimum."""
    oracles = _searches(problem, unit, rng)
    if exact and limits.prove:
        finest = EXACT_TOLERANCE if problem.loss.smooth else LISTED_TOLERANCE
        limits = replace(limits, tol=min(limits.tol, finest))
        last_word = exact_oracle_of(problem.rows, unit, problem.n_outputs)
        cheap = exact_is_cheap_for(problem.rows, unit, problem.n_outputs)
        oracles = [last_word] if cheap else [oracles[0], last_word]
    elif not limits.prove:
        oracles = oracles[:1]
    return Plan(unit, oracles, SizesMaster(problem, unit), limits)


def _saturating(
    problem: Problem,
    unit: Sign | Tanh,
    patterns: Patterns,
    limits: Limits,
    rng: np.random.Generator,
    oracle: OracleName,
) -> Plan:
    """Sign and tanh units, found by any of the oracles."""
    every = isinstance(patterns, str) and patterns == "all"
    if not (isinstance(patterns, str) and patterns in ("adaptive", "all")):
        raise ValueError(
            f"{unit.name} units are trained with patterns='adaptive' or 'all', not with a list; "
            "leave patterns out"
        )
    if oracle in CLASSIFIERS:
        if problem.n_outputs > 1:
            raise ValueError(
                f"oracle={oracle!r} serves one output, y has {problem.n_outputs}; use "
                "oracle='search'"
            )
        found = ClassifierOracle(problem.rows, unit, oracle, rng)
        master = FreeMaster if isinstance(unit, Tanh) else SizesMaster
        return Plan(unit, [found], master(problem, unit), limits, heuristic=True)
    if every or oracle == "exact":
        return adaptive_plan(problem, unit, replace(limits, prove=True), rng, exact=True)
    cheap = exact_is_cheap_for(problem.rows, unit, problem.n_outputs)
    return adaptive_plan(problem, unit, limits, rng, exact=oracle == "auto" and cheap)


def check_oracle(oracle: Any) -> OracleName:
    """The name of an oracle, or a ValueError."""
    if isinstance(oracle, str) and oracle in get_args(OracleName):
        return oracle  # type: ignore[return-value]
    known = ", ".join(repr(name) for name in get_args(OracleName))
    raise ValueError(f"oracle must be one of {known}, got {oracle!r}")


def _has_closed_form(unit: Unit) -> bool:
    linear = isinstance(unit, Convolution) and unit.activation == "linear"
    return linear or isinstance(unit, GatedReLU | Linear)


def _check_oracle_fits(unit: Unit, patterns: Patterns, oracle: OracleName) -> None:
    if oracle in CLASSIFIERS:
        raise ValueError(
            f"oracle={oracle!r} proposes units that classify, sign and tanh; {unit.name} units are "
            "found by oracle='exact' or 'search'"
        )
    if _has_closed_form(unit):
        if oracle == "search":
            raise ValueError(
                f"the oracle of {unit!r} is a closed form, there is nothing to search; leave "
                "oracle out"
            )
        return
    if not (isinstance(patterns, str) and patterns == "adaptive"):
        raise ValueError(f"oracle={oracle!r} finds neurons as they are needed; leave patterns out")


def _sub_sampled(
    problem: Problem,
    unit: Unit,
    patterns: Patterns,
    limits: Limits,
    rng: np.random.Generator,
) -> Plan:
    if isinstance(unit, Convolution):
        raise ValueError(
            "convolutions are trained with patterns='adaptive' or, where patches have few figures, "
            f"patterns='all'; got {patterns!r}"
        )
    _refuse_several_outputs(problem)
    listed = listed_patterns(problem, patterns, rng)
    limits = replace(limits, tol=min(limits.tol, LISTED_TOLERANCE))
    return Plan(
        unit,
        [PatternOracle(problem.rows, listed)],
        ConeMaster(problem, listed),
        limits,
        sub_sampled=True,
        accepts_start=False,
    )


def _gated(
    problem: Problem,
    unit: GatedReLU | Linear,
    patterns: Patterns,
    limits: Limits,
    rng: np.random.Generator,
) -> Plan:
    limits = replace(limits, tol=min(limits.tol, LISTED_TOLERANCE))
    if isinstance(unit, Linear):
        listed = np.ones((1, problem.rows.n), dtype=bool)
        bound: Unit = unit
    else:
        gates, listed = patterns_and_gates(problem, unit, patterns, rng)
        bound = unit.bind(gates, listed)
    oracle = GatedOracle(problem.rows, listed)
    master: Master = FreeMaster(problem, bound)
    if not problem.loss.smooth and problem.n_outputs == 1:
        master = ConeMaster(problem, listed, bound)
    return Plan(bound, [oracle], master, limits, accepts_start=isinstance(unit, Linear))


def _three_layer(
    problem: Problem,
    unit: ThreeLayer,
    patterns: Patterns,
    limits: Limits,
    rng: np.random.Generator,
) -> Plan:
    """Sub-networks as they are needed, or all patterns of both layers, or some of them."""
    if problem.n_outputs > 1 or not problem.loss.smooth:
        raise ValueError(
            "three-layer sub-networks are trained for one output and a loss with a gradient, got "
            f"{problem.n_outputs} outputs and the loss {problem.loss.name}; use "
            "loss='squared_hinge' in place of the hinge loss, and one network an output"
        )
    if isinstance(patterns, str) and patterns == "adaptive":
        return adaptive_plan(
            problem, unit, limits, rng, exact=exact_is_cheap_for(problem.rows, unit, 1)
        )
    if isinstance(patterns, str) and patterns == "all":
        limits = replace(limits, tol=min(limits.tol, EXACT_TOLERANCE))
        return _sub_networks(problem, unit, limits, rng, exact=True)
    return _sampled_sub_networks(problem, unit, patterns, limits, rng)


def _sub_networks(
    problem: Problem, unit: ThreeLayer, limits: Limits, rng: np.random.Generator, *, exact: bool
) -> Plan:
    oracles: list[Oracle] = [
        SubNetworkSearch(problem.rows, unit, rng, count) for count in SUB_NETWORK_SEEDS
    ]
    if exact:
        oracles = [oracles[0], SubNetworkOracle(problem.rows, unit, threshold=problem.beta)]
        limits = replace(limits, tol=min(limits.tol, PROVED_TOLERANCE))
    elif not limits.prove:
        oracles = oracles[:-1]
    return Plan(unit, oracles, SubNetworkMaster(problem, unit), limits)


def _sampled_sub_networks(
    problem: Problem,
    unit: ThreeLayer,
    patterns: Patterns,
    limits: Limits,
    rng: np.random.Generator,
) -> Plan:
    if isinstance(patterns, bool) or not isinstance(patterns, int | np.integer) or patterns < 1:
        got = repr(patterns) if np.ndim(patterns) == 0 else "an array"
        raise ValueError(
            "patterns of three-layer sub-networks must be 'adaptive', 'all' or a count of at least "
            f"1, got {got}"
        )
    X = dense_rows(problem)
    sampled = SubNetworkCells.draw(X, unit, int(patterns), rng)
    return Plan(
        unit,
        [SampledOracle(X, unit, sampled, problem.beta)],
        SampledMaster(problem, unit, sampled),
        replace(limits, tol=min(limits.tol, LISTED_TOLERANCE)),
        sub_sampled=True,
        accepts_start=False,
    )


def _refuse_several_outputs(problem: Problem) -> None:
    if problem.n_outputs > 1:
        raise ValueError(
            f"ReLU programs over a list of patterns serve one output, y has {problem.n_outputs}; "
            "use patterns='adaptive', patterns='all', or unit='gated'"
        )
