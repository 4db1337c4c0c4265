"""The loop of Frank-Wolfe: price, certify, step; on all rows or on batches of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nogap._typing import Array, IntArray
from nogap.certificate import Certificate, Correlation, certificate_in_ball
from nogap.conditional_gradient.batches import Batches
from nogap.conditional_gradient.steps import Ball, Point, Step, repeated
from nogap.losses import Squared
from nogap.oracles.base import Candidates, Oracle
from nogap.problem import EPS, Problem
from nogap.rows import Rows, largest_singular_value
from nogap.solution import Record, Status
from nogap.solvers.adaptive import Callback, Clock, Outcome, heard
from nogap.solvers.neurons import Neurons, correlations, outputs, with_best_outputs

INTERPOLATED = 1e-12  # share of the empty network's loss below which nothing is left to fit
MOST_IDLE = 3  # steps without a descent, each after a new search
LEAST_DESCENT = 1e-16


@dataclass(frozen=True)
class Iterate(Record):
    """One iterate of Frank-Wolfe.

    Attributes
    ----------
    time, objective, kind, n_neurons
        As in :class:`nogap.Record`; the objective is the loss.
    lower_bound : float
        ``objective - gap``: what this iterate alone says of the optimum.
    gap : float
        The Frank-Wolfe gap ``max_s <V, s> - <V, f>`` over the ball.
    batch_size : int
        Rows that were looked at. Where they are not all of them, objective and gap are estimates
        from the batch, and certify nothing.
    """

    gap: float
    batch_size: int


@dataclass(frozen=True)
class Claim:
    """What is known at an iterate on all rows."""

    point: Point
    objective: float
    gap: float
    V: Array
    correlation: Correlation

    @property
    def lower_bound(self) -> float:
        return self.objective - self.gap


@dataclass(frozen=True)
class Limits:
    """When to stop other than by a small gap."""

    tol: float
    max_iter: int
    max_time: float | None


class FrankWolfe:
    """One run.

    Parameters
    ----------
    ball : Ball
    step : Step
    oracles : callable
        The oracles of some rows, cheapest first: the next one is asked only when the one before
        finds the gap closed.
    batches : Batches
    limits : Limits
    callbacks : callables
        Each gets every :class:`Iterate`; one that returns True stops the run.
    proof : str
        How the dual correlation is estimated, where it is not by the search.
    """

    def __init__(
        self,
        ball: Ball,
        step: Step,
        oracles: Callable[[Rows], Sequence[Oracle]],
        batches: Batches,
        limits: Limits,
        callbacks: Sequence[Callback] = (),
        proof: str = "",
    ) -> None:
        self.ball, self.step, self.oracles, self.batches = ball, step, oracles, batches
        self.limits, self.callbacks, self.proof = limits, list(callbacks), proof
        self.clock = Clock(limits.max_time)
        self.history: list[Record] = []
        self.whole: Sequence[Oracle] | None = None  # oracles of all rows
        self.point = Point(Neurons.none(ball.problem, ball.unit), None)
        self.best: Claim | None = None  # with the lowest objective
        self.strongest: Claim | None = None  # with the largest lower bound that is proved
        self.idle = 0
        self.n, self.loss = ball.problem.rows.n, ball.problem.loss
        self.empty_loss = ball.problem.loss_value(np.zeros_like(ball.problem.Y))

    def run(self) -> Outcome:
        """From the empty network to the end; an interrupt keeps the best network so far."""
        with self.clock.interrupt:
            try:
                status = self._iterate()
            except KeyboardInterrupt:
                status = Status.INTERRUPTED
            if self.best is None or self.point.F is None:  # a batch certifies nothing
                self._claim(self._known(self.point))
        assert self.best is not None
        return Outcome(self.best.point.neurons, self._certificate(), status, self.history)

    def _iterate(self) -> Status:
        for t in range(1, self.limits.max_iter + 1):
            last = t == self.limits.max_iter
            index = None if last else self.batches.draw(t)
            if index is None:
                self.point = self._known(self.point)
                atom, claim = self._claim(self.point)
            else:
                self.point = Point(self.point.neurons, None)
                atom, claim = self._estimate(index)
            if self.clock.late() and self.history:  # the search was cut short
                return self._out_of_time()
            stopped = self._announce(claim, self.n if index is None else index.size)
            status = self._ending(claim) if index is None else None
            if stopped:
                return Status.INTERRUPTED
            if status is not None:
                return status
            if self.clock.over():
                return self._out_of_time()
            if atom is None and index is None:
                return Status.STALLED
            if atom is not None and not last:  # a batch that is fitted moves nothing
                self.point = self.step.take(self.point, claim.V, atom, t)
        return Status.ITERATION_LIMIT

    def _out_of_time(self) -> Status:
        return Status.INTERRUPTED if self.clock.interrupt.pending else Status.TIME_LIMIT

    def _ending(self, claim: Claim) -> Status | None:
        """How the run ends here, if it does."""
        assert self.best is not None
        tol = self.limits.tol
        if self.strongest is not None:
            if self.best.objective - self.strongest.lower_bound <= tol * abs(self.best.objective):
                return Status.OPTIMAL
        elif claim.gap <= tol * abs(claim.objective):
            return Status.SEARCH_OPTIMAL
        if claim.objective <= INTERPOLATED * self.empty_loss and isinstance(self.loss, Squared):
            return Status.INTERPOLATED
        return Status.STALLED if self.step.descends and self.idle >= MOST_IDLE else None

    # -- what is known at a point --------------------------------------------------------------

    def _known(self, point: Point) -> Point:
        """The point with its outputs on all rows."""
        if point.F is not None:
            return point
        return replace(point, F=outputs(self.ball.problem, self.ball.unit, point.neurons))

    def _claim(self, point: Point) -> tuple[Neurons | None, Claim]:
        """Price on all rows and remember what is best."""
        if self.whole is None:
            self.whole = self._hurried(self.ball.problem.rows)
        assert point.F is not None
        atom, claim = self._price(self.ball.problem, point, point.F, self.whole)
        if any(oracle.cut_short for oracle in self.whole):  # such a search would claim too much
            if self.best is not None:
                return atom, claim
            claim = self._without_search(claim)
        elif atom is None and np.any(claim.V) and claim.correlation.kind == "search":
            claim = self._without_search(claim)  # an oracle that finds nothing at all says nothing
        before = np.inf if self.best is None else self.best.objective
        self.idle = 0 if claim.objective < before - LEAST_DESCENT * abs(before) else self.idle + 1
        if claim.objective < before:
            self.best = claim
        if claim.correlation.kind != "search" and (
            self.strongest is None or claim.lower_bound > self.strongest.lower_bound
        ):
            self.strongest = claim
        return atom, claim

    def _without_search(self, claim: Claim) -> Claim:
        """The claim with what is true of any features: ``q(V) <= sigma_max(X) ||V||``."""
        sigma = largest_singular_value(self.ball.problem.rows)
        largest = sigma * float(np.linalg.norm(claim.V)) * (1 + 64 * EPS)
        gap = claim.gap + self.ball.delta * (largest - claim.correlation.value)
        return replace(claim, gap=gap, correlation=Correlation(largest, "bound"))

    def _estimate(self, index: IntArray) -> tuple[Neurons | None, Claim]:
        """What a batch says, scaled to all rows."""
        start = self.clock.elapsed
        batch = self.ball.problem.subset(index)
        F = outputs(batch, self.ball.unit, self.point.neurons)
        atom, claim = self._price(batch, self.point, F, self._hurried(batch.rows))
        share = self.n / index.size
        self.clock.keep(share * (self.clock.elapsed - start))  # for the last word, on all rows
        correlation = Correlation(share * claim.correlation.value, "search")
        scaled = Claim(
            claim.point, share * claim.objective, share * claim.gap, claim.V, correlation
        )
        return atom, scaled

    def _hurried(self, rows: Rows) -> Sequence[Oracle]:
        oracles = self.oracles(rows)
        for oracle in oracles:
            oracle.should_stop = self.clock.late
        return oracles

    def _price(
        self, problem: Problem, point: Point, F: Array, oracles: Sequence[Oracle]
    ) -> tuple[Neurons | None, Claim]:
        """The best neuron, if any was found, and what it says of these rows."""
        V, objective = problem.dual_point(F), problem.loss_value(F)
        here = float(np.sum(V * F))
        for oracle in oracles:
            found, correlation = oracle.price(V, 1, point.neurons.directions)
            gap = self.ball.delta * correlation.value - here
            if gap > self.limits.tol * abs(objective) or self.clock.late():
                break
        claim = Claim(point, objective, gap, V, correlation)
        return self._atom(problem, point.neurons, found, claim), claim

    def _atom(
        self, problem: Problem, neurons: Neurons, found: Candidates, claim: Claim
    ) -> Neurons | None:
        """The neuron to step to: the one found, or one of the iterate's own."""
        unit, directions, gate = self.ball.unit, found.directions, found.gate
        if claim.correlation.kind == "search" and claim.correlation.value > found.best:
            directions, gate = neurons.directions, neurons.gate
        if not len(directions):
            return None
        new = with_best_outputs(problem, unit, directions, gate, neurons, claim.V)
        if new.count > 1:
            moments = correlations(problem, unit, new, claim.V)
            best = int(np.argmax(np.linalg.norm(moments, axis=1)))
            new = new.keep(np.array([best]))
        k = repeated(neurons, new)
        return new if k is None else neurons.keep(np.array([k]))

    # -- the end -------------------------------------------------------------------------------

    def _announce(self, claim: Claim, batch_size: int) -> bool:
        """Write and send the record; whether a callback wants to stop."""
        record = Iterate(
            time=self.clock.elapsed,
            objective=claim.objective,
            lower_bound=claim.lower_bound,
            kind=claim.correlation.kind,
            n_neurons=claim.point.neurons.count,
            gap=claim.gap,
            batch_size=batch_size,
        )
        self.history.append(record)
        return heard(self.callbacks, record)

    def _certificate(self) -> Certificate:
        """The strongest bound that was proved, else the estimate at the best network."""
        assert self.best is not None
        source = self.strongest or self.best
        certificate = certificate_in_ball(
            self.ball.problem,
            self.ball.delta,
            self.best.objective,
            source.V,
            source.correlation,
            self.proof if source.correlation.kind == "search" else "",
        )
        own = self.best.correlation.value  # whichever dual point gave the bound
        return replace(certificate, dual_correlation=own, beta=own)
