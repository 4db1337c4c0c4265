"""The prover: dual points and bounds of their correlation, by turns.

Any dual point gives a bound, so a proof takes two things: a good dual point, which is what training
on from the network finds, and an upper bound of its dual correlation, which is what branch and
bound finds.  Where the tree is too large for the time, dual points on the way to the relaxation's
(:mod:`.relaxed_dual`) have smaller ones.  Rounds of growing length do all by turns, so that
whoever stops earlier has what the rounds so far have proved.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass

import numpy as np

from nogap._interrupt import InterruptRequest
from nogap._typing import Array
from nogap.certificate import Certificate, Correlation, about, better, certificate_from_dual
from nogap.oracles.branch_and_bound import MOST_BOX_DIMENSIONS
from nogap.oracles.unit_choice import bound_oracle_of
from nogap.plans import adaptive_plan
from nogap.problem import Problem
from nogap.proofs.relaxed_dual import RelaxedDual
from nogap.rows import height
from nogap.solvers.adaptive import Limits
from nogap.solvers.neurons import Neurons, objective
from nogap.units import ReLU, Unit

FIRST_ROUND = 0.25  # seconds
TRAINED = 0.2  # of the tolerance: estimated gap at which training on has done its part
GROWTH = 3.0  # of the rounds' lengths
LONG, SHARE = 2.0, 0.2  # length of a round from which relaxing pays: seconds, or share of all
PROMISING = 10.0  # times the tolerance: a gap at the own dual point that more time will close
RELAXING = 0.5  # of a round's length
TRIES = 2  # dual points a round
NEAR = 0.75  # on the way to V, from where V itself is worth a try
BISECTIONS = 12
WIDEST = 4.0  # times the least correlation that could be proved


@dataclass(frozen=True)
class Verdict:
    """What was proved and what was met on the way.

    Attributes
    ----------
    proof, estimate : Certificate
        Both about the best objective known.
    neurons : Neurons
        The best network known, and
    value : float
        its objective.
    """

    proof: Certificate
    estimate: Certificate
    neurons: Neurons
    value: float


class Prover:
    """Proves a lower bound, starting from a network's neurons.

    Parameters
    ----------
    problem : Problem
    start : Neurons
    tol : float
        Relative gap between the best network known and the bound that satisfies.
    max_time : float
        Seconds.
    rng : Generator
    unit : Unit, optional
        ReLU by default; a convolution that has a bound.
    """

    def __init__(
        self,
        problem: Problem,
        start: Neurons,
        tol: float,
        max_time: float,
        rng: np.random.Generator,
        unit: Unit | None = None,
    ) -> None:
        self.unit = ReLU() if unit is None else unit
        self.problem, self.tol, self.rng = problem, tol, rng
        self.begin, self.max_time = time.perf_counter(), max_time
        self.interrupt = InterruptRequest()
        self.neurons = start
        self.value = objective(problem, self.unit, start)
        self.oracle = bound_oracle_of(problem.rows, self.unit, 0.5 * tol)
        # the relaxation is that of one output of dense ReLU units
        self.relaxes = problem.n_outputs == 1 and isinstance(self.unit, ReLU)
        rank = min(height(problem.rows), problem.rows.d)
        self.small = rank <= MOST_BOX_DIMENSIONS or not self.relaxes
        self.relaxed: RelaxedDual | None = None
        self.near = 0.0
        self.open = self.last = np.inf  # gaps: of the network's own dual point, of the last one
        self.proof: Certificate | None = None
        self.estimate: Certificate | None = None

    @property
    def left(self) -> float:
        return self.max_time - (time.perf_counter() - self.begin)

    def run(self, points: list[Array], estimate: Certificate) -> Verdict:
        """The strongest proof; ``points`` are balanced dual points to begin with (n, C)."""
        self.estimate = estimate
        # what was proved before a second Ctrl-C stays proved
        with self.interrupt, contextlib.suppress(KeyboardInterrupt):
            self._rounds(points)
        assert self.proof is not None
        return Verdict(self.proof, self.estimate, self.neurons, self.value)

    def prove_at(self, V: Array, value: float) -> Certificate:
        """The best proof from one dual point, for predictions whose objective is the value."""
        self.value = value
        with self.interrupt:
            self._prove(V, self.left)
        assert self.proof is not None
        return self.proof

    def _rounds(self, points: list[Array]) -> None:
        """Each round trains on and proves; the first has the points, and so there is a proof."""
        length = FIRST_ROUND
        trained = self._estimated_gap() <= TRAINED * self.tol
        for k, V in enumerate(points):
            self._prove(V, min(length, self.left) / (len(points) - k))
            self.open = min(self.open, self.last)
        V = points[0]
        while not self._over():
            if not trained:
                V = self._train(min(length, 0.5 * self.left))
                trained = self._estimated_gap() <= TRAINED * self.tol
            long = length >= min(LONG, SHARE * self.max_time)
            promising = self.open <= PROMISING * self.tol
            if long and self.relaxes and not promising and not self._over():
                self._prove_between(V, length)
            if not self._over() and (not long or self.small or promising or self.near >= NEAR):
                whole = trained and long and self.small
                if self._prove(V, self.left if whole else min(length, self.left)) and trained:
                    return  # what is open is open at the optimum's own dual point
                self.open = self.last
            length *= GROWTH

    def _prove_between(self, V: Array, length: float) -> None:
        """Proofs at dual points between V and the relaxation's, as near to V as trees end in time.

        ``self.near`` is how near, from 0 to 1.
        """
        if self.relaxed is None:
            self.relaxed = RelaxedDual(self.problem, self.neurons, V)
        end = time.perf_counter() + min(length, self.left) * RELAXING
        self.relaxed.improve(lambda: time.perf_counter() >= end or self.interrupt.pending)
        claim = Correlation(self.relaxed.correlation, "bound")
        self._keep(certificate_from_dual(self.problem, self.value, self.relaxed.V, claim))
        if self.small:
            return
        far = 1.0
        for _ in range(TRIES):
            if self._over():
                return
            middle = 0.5 * (self.near + far)
            point = middle * V + (1 - middle) * self.relaxed.V
            if self._prove(point, min(length, self.left)):
                self.near = middle
            else:
                far = middle

    def _over(self) -> bool:
        return self._closed() or self.left <= 0 or self.interrupt.pending

    def _estimated_gap(self) -> float:
        assert self.estimate is not None
        return about(self.estimate, self.value).relative_gap

    def _closed(self) -> bool:
        return self.proof is not None and about(self.proof, self.value).relative_gap <= self.tol

    def _train(self, seconds: float) -> Array:
        """Train on from the best network; the dual point there."""
        limits = Limits(tol=TRAINED * self.tol, max_time=seconds)
        plan = adaptive_plan(self.problem, self.unit, limits, self.rng, exact=False)
        outcome = plan.run_on(self.problem, [lambda _: self.interrupt.pending]).run(self.neurons)
        value = objective(self.problem, self.unit, outcome.neurons)
        if value <= self.value:
            self.neurons, self.value = outcome.neurons, value
        self.estimate = self.estimate if outcome.hasty else outcome.certificate
        V: Array = outcome.certificate.dual.reshape(self.problem.Y.shape)
        return V

    def _prove(self, V: Array, seconds: float) -> bool:
        """Bound the correlation of V, keep a stronger proof; whether the tree came to its end."""
        end = time.perf_counter() + seconds
        self.oracle.should_stop = lambda: time.perf_counter() >= end or self.interrupt.pending
        self.oracle.enough = largest_sufficient(self.problem, V, self.value, self.tol)
        _, correlation = self.oracle.price(V, 1, self.neurons.directions)
        proof = certificate_from_dual(self.problem, self.value, V, correlation)
        self.last = proof.relative_gap
        self._keep(proof)
        return not self.oracle.should_stop()

    def _keep(self, proof: Certificate) -> None:
        """The stronger of this proof and the strongest so far."""
        self.proof = proof if self.proof is None else better(about(self.proof, self.value), proof)


def largest_sufficient(problem: Problem, V: Array, value: float, tol: float) -> float:
    """The largest correlation of V that proves the value to be within tol; 0 if there is none."""
    goal = value - tol * abs(value)

    def suffices(correlation: float) -> bool:
        return problem.lower_bound(V, correlation).value >= goal

    low = problem.beta * (1 - tol)
    if not suffices(low):
        return 0.0
    high = WIDEST * problem.beta
    if suffices(high):
        return high
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if suffices(middle) else (low, middle)
    return low
