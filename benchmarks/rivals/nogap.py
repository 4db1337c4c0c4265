"""nogap's adaptive training, as its callbacks show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.limits import interrupt_after
from benchmarks.problems import Problem
from benchmarks.trajectory import Recorder, network_objective

if TYPE_CHECKING:
    from nogap import Record

TOLERANCE = 1e-4  # so that a run goes on where 0.1 % is not the end of the story
ROUNDING = 1e-9  # what a record may differ from the network that it speaks of


class Nogap:
    """One point a round, and one for the network returned, evaluated here."""

    name = "nogap"
    needs: tuple[str, ...] = ("nogap",)

    def refuses(self, problem: Problem) -> str:
        return ""

    def run(self, problem: Problem, recorder: Recorder) -> str:
        import nogap

        def note(record: Record) -> None:
            recorder.claim(record.objective, record.lower_bound, record.kind)

        recorder.begin("", grace=4.0)
        with interrupt_after(recorder.time_limit):
            solution = nogap.train(
                problem.X,
                problem.y,
                beta=problem.beta,
                tol=TOLERANCE,
                random_state=recorder.seed,
                callbacks=[note],
            )
        certificate = solution.certificate
        network = solution.network
        spent = recorder.elapsed
        with recorder.free():
            real = network_objective(problem, network.hidden_weights, network.output_weights[:, 0])
        recorder.claim(real, certificate.lower_bound, certificate.kind)
        remark = f"{solution.status} after {spent:.2f} s, {network.n_neurons} neurons"
        if abs(real - solution.objective) > ROUNDING * abs(real):
            remark += f"; CLAIMED {solution.objective!r}, IS {real!r}"
        return remark
