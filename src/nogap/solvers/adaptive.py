"""The outer loop, written once: price, certify, add, re-fit, until the gap closes.

Exact, sub-sampled and adaptive training differ only in the oracles and in how the master may move
the neurons.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from nogap._interrupt import InterruptRequest
from nogap._typing import Array
from nogap.certificate import Certificate, about, better, certificate_from_dual
from nogap.oracles.base import Candidates, Oracle
from nogap.problem import Problem
from nogap.rows import height
from nogap.solution import Record, Status
from nogap.solvers.explore import Explorer
from nogap.solvers.masters import ROUNDING, Master
from nogap.solvers.neurons import Neurons, objective, outputs, with_best_outputs
from nogap.units import Unit

Callback = Callable[[Record], object]
WIDE_START_BELOW = 0.3  # of beta_max
EXPLORATION_STEPS = 4
EXPLORATION_PAYS = 0.1  # of the tolerance: decrease of those steps below which they end
MOST_IDLE_ROUNDS = 50
RESERVE = (0.15, 0.3)  # least and most of max_time that is kept for the last pricing
FINISH = 0.4  # of the reserve, at most, is for what has to follow when a pricing is stopped:
SECONDS_PER_PRODUCT = 2e-10  # the outputs of the network, and the correlations with the rows
WIDER = 2.5  # times the seconds of a search are often enough for the next wider one
SAME_DIRECTION = 1e-12  # squared distance below which a candidate repeats an active neuron


@dataclass(frozen=True)
class Limits:
    """When to stop other than by an optimal certificate.

    Without ``prove``, networks are only to be compared: no proof, and no search of the widest kind.
    """

    tol: float
    max_time: float | None = None
    max_neurons: int | None = None
    prove: bool = True
    gap_tol: float = 0.0
    max_rounds: int = 500
    new_neurons: int = 20

    def met_by(self, certificate: Certificate) -> bool:
        """Whether the gap is small enough, relatively or by itself."""
        return certificate.relative_gap <= self.tol or certificate.gap <= self.gap_tol


@dataclass
class Outcome:
    """Where the loop ended.

    ``hasty`` says that every search was cut short, so that the certificate claims too much.
    """

    neurons: Neurons
    certificate: Certificate
    status: Status
    history: list[Record] = field(default_factory=list)
    hasty: bool = False


class Clock:
    """Seconds since the start, and whether the run has to end (time is over, or Ctrl-C).

    Attributes
    ----------
    reserve : float
        Seconds that are kept for the last pricing, so that the certificate speaks of the network
        that is returned.
    finish : float
        Seconds of it that are needed when a pricing was stopped.
    """

    def __init__(self, max_time: float | None) -> None:
        self.start = time.perf_counter()
        self.max_time = max_time
        self.reserve, self.finish = 0.0, 0.0
        self.keep(0.0)
        self.interrupt = InterruptRequest()

    @property
    def elapsed(self) -> float:
        return time.perf_counter() - self.start

    @property
    def left(self) -> float:
        """Seconds until ``max_time``."""
        return np.inf if self.max_time is None else self.max_time - self.elapsed

    def over(self) -> bool:
        """Whether improving the network has to end."""
        return self._past(self.reserve) or self.interrupt.pending

    def late(self) -> bool:
        """Whether everything has to end."""
        return self._past(min(self.finish, FINISH * self.reserve)) or self.interrupt.pending

    def _past(self, reserve: float) -> bool:
        return self.max_time is not None and self.elapsed >= self.max_time - reserve

    def keep(self, seconds: float) -> None:
        """Keep as much for the last pricing, within bounds that are shares of the whole."""
        if self.max_time is not None:
            least, most = (share * self.max_time for share in RESERVE)
            self.reserve = min(max(1.2 * seconds, least), most)


def heard(callbacks: Sequence[Callback], record: Record) -> bool:
    """Send the record to every callback; whether one of them wants to stop."""
    answers = [callback(record) for callback in callbacks]
    return any(isinstance(answer, bool | np.bool_) and bool(answer) for answer in answers)


class ColumnGeneration:
    """One run of the loop.

    Parameters
    ----------
    problem, unit : Problem, Unit
    oracles : sequence of Oracle
        Cheapest first; the next one is asked only when the one before finds nothing more, and
        what the last one says of the dual correlation is the run's claim.
    master : Master
    limits : Limits
    callbacks : callables
        Each gets every :class:`Record`; one that returns True stops the run.
    explorer : Explorer, optional
        Finds most neurons cheaply before the oracles are asked for the rest.
    """

    def __init__(
        self,
        problem: Problem,
        unit: Unit,
        oracles: Sequence[Oracle],
        master: Master,
        limits: Limits,
        callbacks: Sequence[Callback] = (),
        explorer: Explorer | None = None,
    ) -> None:
        self.explorer = explorer
        self.exploring = explorer is not None
        self.problem, self.unit, self.master = problem, unit, master
        self.oracles, self.limits, self.callbacks = list(oracles), limits, list(callbacks)
        self.clock = Clock(limits.max_time)
        for oracle in self.oracles:
            oracle.should_stop = self._pricing_ends
        self.history: list[Record] = []
        self.pricing_was_stopped = False
        self.certificate: Certificate | None = None
        self.strongest: Certificate | None = None  # of the oracles that leave no neuron out

    def _pricing_ends(self) -> bool:
        """For the oracles; Ctrl-C gives up a pricing, which changes no network, where it can."""
        if self.clock.interrupt.pending and self.certificate is not None:
            raise KeyboardInterrupt
        late = self.clock.late()
        self.pricing_was_stopped = self.pricing_was_stopped or late
        return late

    def run(self, start: Neurons) -> Outcome:
        """From the given neurons to the end; an interrupt keeps the best network so far."""
        self.best = self.neurons = self._at_most(start)
        self.V = self.problem.dual_point(outputs(self.problem, self.unit, self.neurons))
        self.value = self.best_value = objective(self.problem, self.unit, self.neurons)
        # networks of a path are often optimal once re-fitted: they go to the widest search at once
        self.level = 0 if start.count == 0 or self.oracles[-1].complete else len(self.oracles) - 1
        self.certificate = None
        self.hasty = False
        self.pricing_seconds = 0.0
        with self.clock.interrupt:
            status = self._run_interruptibly(start)
            final = self._final_certificate(status)
        return Outcome(self.best, final, status, self.history, self.hasty)

    def _at_most(self, start: Neurons) -> Neurons:
        """The largest of the given neurons, as many as there may be."""
        most = self.limits.max_neurons
        if most is None or start.count <= most:
            return start
        return start.keep(np.sort(np.argsort(-start.sizes, kind="stable")[:most]))

    def _run_interruptibly(self, start: Neurons) -> Status:
        try:
            if start.count or not self.problem.loss.smooth:
                self._set(self.master.improve(self.neurons, self.clock.over))
            if start.count == 0 and self.explorer is not None and self._start_wide(start):
                return Status.INTERRUPTED
            return self._rounds()
        except KeyboardInterrupt:
            return Status.INTERRUPTED

    def _rounds(self) -> Status:
        refined, idle = False, 0
        for _ in range(self.limits.max_rounds):
            if self.exploring and self._gap_is_open() and self._explore():
                return Status.INTERRUPTED
            found, certificate = self._price()
            if self._announce(certificate):
                return Status.INTERRUPTED
            if self.limits.met_by(certificate):
                if self._escalate():
                    continue
                if certificate.proved:
                    return Status.OPTIMAL
                if not self.pricing_was_stopped:
                    return Status.SEARCH_OPTIMAL
            if self.clock.over():
                return Status.INTERRUPTED if self.clock.interrupt.pending else Status.TIME_LIMIT
            fresh = self._fresh(found)
            if fresh.count == 0:
                if not refined:
                    refined = self._refine()
                    continue
                if self._escalate():
                    continue
                return self._no_way_on()
            before = self.best_value
            self._set(self.master.improve(self.neurons.joined(fresh), self.clock.over))
            if self.best_value < before - 1e-13 * abs(before):
                self.exploring = self.exploring or (self.level > 0 and self.explorer is not None)
                self.level, refined, idle = 0, False, 0
            elif not self.problem.loss.smooth and idle < MOST_IDLE_ROUNDS:
                idle += 1  # a column that is not used still narrows the dual
            elif refined and not self._escalate():
                return Status.STALLED
            else:
                refined = refined or self._refine()
        return Status.ITERATION_LIMIT

    def _start_wide(self, empty: Neurons) -> bool:
        """Begin with a wide random network, unless the penalty is so large that few neurons do.

        Returns whether a callback wants to stop.
        """
        assert self.explorer is not None
        if self.limits.max_neurons is not None:
            return False
        glance = self.explorer.glance(self.V, self.clock.over)
        if self.problem.beta >= WIDE_START_BELOW * glance.value:
            return False
        V = self.problem.feasible_direction(self.V)
        certificate = certificate_from_dual(self.problem, self.best_value, V, glance)
        self.certificate, self.hasty = certificate, True
        if self._announce(certificate):
            return True
        if self.clock.over():
            return False
        for started in self.explorer.start(empty, self.V, glance.value, self.clock.over):
            if objective(self.problem, self.unit, started[0]) < self.value:
                self._set(started)
            if self._announce(about(certificate, self.best_value)):
                return True
        return False

    def _explore(self) -> bool:
        """Steps of exploration while they pay; the certificate's rounds come between.

        Returns whether a callback wants to stop.
        """
        assert self.certificate is not None
        if self.explorer is None or self.limits.max_neurons is not None:
            return False
        before = self.value
        for _ in range(EXPLORATION_STEPS):
            if self.clock.over():
                return False
            last = self.value
            self._set(self.explorer.step(self.neurons, self.V, self.clock.over))
            if self._announce(about(self.certificate, self.best_value)):
                return True
            if not self._pays(last):
                break
        self.exploring = self._pays(before)
        return False

    def _pays(self, before: float) -> bool:
        """Whether the value has come down from ``before`` by enough to go on exploring."""
        tolerated = max(self.limits.tol * abs(self.value), self.limits.gap_tol)
        return before - self.value > EXPLORATION_PAYS * tolerated

    def _gap_is_open(self) -> bool:
        return self.certificate is not None and not self.limits.met_by(self.certificate)

    def _no_way_on(self) -> Status:
        full = self.limits.max_neurons is not None and (
            self.neurons.count >= self.limits.max_neurons
        )
        return Status.NEURON_LIMIT if full else Status.STALLED

    def _set(self, fitted: tuple[Neurons, Array]) -> None:
        """Go on from there; the best so far stays the best when a solver's last digits are off."""
        self.neurons, self.V = fitted
        self.value = objective(self.problem, self.unit, self.neurons)
        simpler = self.neurons.count < self.best.count
        if self.value <= self.best_value * (1 + (ROUNDING if simpler else 0.0)):
            self.best, self.best_value = self.neurons, self.value

    def _refine(self) -> bool:
        """Take the master to its last digits; True when that changed nothing."""
        before = self.best_value
        self._set(self.master.refine(self.neurons, self.clock.over))
        return not self.best_value < before - 1e-12 * abs(before)

    def _escalate(self) -> bool:
        if self.level + 1 >= len(self.oracles):
            return False
        self.level += 1
        return True

    def _price(self) -> tuple[Candidates, Certificate]:
        oracle, before = self.oracles[self.level], self.clock.elapsed
        self.pricing_was_stopped = False
        entries = height(self.problem.rows) * self.problem.rows.d
        products = entries * (self.neurons.count + self.limits.new_neurons)
        self.clock.finish = SECONDS_PER_PRODUCT * products
        V = self.problem.feasible_direction(self.V)
        found, correlation = oracle.price(V, self.limits.new_neurons, self.neurons.directions)
        self.pricing_seconds = self.clock.elapsed - before
        self.clock.keep(self.pricing_seconds)
        if self.certificate is not None and oracle.cut_short:
            # a search that was cut short would claim too much; an older bound stays what it is
            self.certificate = about(self.certificate, self.best_value)
            return found, self.certificate
        self.hasty = oracle.cut_short
        certificate = certificate_from_dual(self.problem, self.best_value, V, correlation)
        if oracle.complete:  # its bounds stay true, so the best of them is kept
            if self.strongest is not None:
                certificate = better(certificate, self.strongest)
            self.strongest = certificate
        self.certificate = about(certificate, self.best_value)
        return found, self.certificate

    def _announce(self, certificate: Certificate) -> bool:
        record = Record(
            time=self.clock.elapsed,
            objective=certificate.objective,
            lower_bound=certificate.lower_bound,
            kind=certificate.kind,
            n_neurons=self.best.count,
        )
        self.history.append(record)
        return heard(self.callbacks, record)

    def _fresh(self, found: Candidates) -> Neurons:
        """Candidates that violate the dual constraint and are not active already, at size 0."""
        found = found.take(np.flatnonzero(found.values > self.problem.beta * (1 + 1e-10)))
        new = with_best_outputs(
            self.problem, self.unit, found.directions, found.gate, self.neurons, self.V
        )
        kept = [k for k in range(new.count) if not self._is_active(new, k)]
        if self.limits.max_neurons is not None:
            kept = kept[: max(self.limits.max_neurons - self.neurons.count, 0)]
        return new.keep(np.array(kept, dtype=np.intp))

    def _is_active(self, new: Neurons, k: int) -> bool:
        old = self.neurons
        apart = np.sum((old.directions - new.directions[k]) ** 2, axis=1)
        apart += np.sum((old.outputs - new.outputs[k]) ** 2, axis=1)
        # cells of sign units may be narrow; their master finds equal columns by itself
        nearest = SAME_DIRECTION if self.unit.homogeneous else 0.0
        return bool(np.any((old.gate == new.gate[k]) & (apart <= nearest)))

    def _final_certificate(self, status: Status) -> Certificate:
        """The last claim, or an earlier one that is stronger, about the best network."""
        hurry = self.clock.interrupt.pending and self.certificate is not None
        stale = self.certificate is None or self.certificate.objective != self.best_value
        try:
            if stale and not hurry:
                self.level = 0
                self._price()
            if status is Status.TIME_LIMIT:
                self._look_wider()
        except KeyboardInterrupt:
            if self.certificate is None:
                raise
        assert self.certificate is not None
        final = self.certificate
        if self.strongest is not None:
            final = better(final, self.strongest)
        return about(final, self.best_value)

    def _look_wider(self) -> None:
        """Spend what is left of the time on wider searches, since narrow ones estimate low."""
        while self.level + 1 < len(self.oracles) and not self.oracles[self.level + 1].complete:
            if self.clock.left < WIDER * self.pricing_seconds:
                return
            narrow = self.certificate
            self.level += 1
            _, wide = self._price()
            if narrow is not None and narrow.lower_bound < wide.lower_bound:
                self.certificate = narrow  # it found what the wide one overlooked
