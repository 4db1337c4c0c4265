"""Runs rivals on problems, one after the other, each in a fresh process with one thread."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.problems import Problem
from benchmarks.rivals import RIVALS
from benchmarks.trajectory import Point, Trajectory

ROOT = Path(__file__).resolve().parents[1]
ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "RAYON_NUM_THREADS",
    ),
    "1",
)
PYSCNN_PYTHON = "NOGAP_BENCH_PYSCNN_PYTHON"
SETTINGS_AT_MOST = 10  # runs within one run of an adapter, for the limit of last resort


@dataclass(frozen=True)
class Runner:
    """How rivals are started.

    Parameters
    ----------
    seconds : float
        CPU seconds for each rival on each problem.
    interpreters : dict
        Python interpreters of rivals that live in an environment of their own.
    """

    seconds: float
    interpreters: dict[str, str] = field(default_factory=dict)

    def missing(self, name: str) -> str:
        """What keeps a rival from running at all; empty if nothing does."""
        modules = RIVALS[name].needs
        check = subprocess.run(
            [self._python(name), "-c", "; ".join(f"import {module}" for module in modules)],
            capture_output=True,
            cwd=ROOT,
            text=True,
        )
        if check.returncode == 0:
            return ""
        return (check.stderr.strip().splitlines() or ["it cannot be imported"])[-1]

    def run(self, name: str, problem: Problem, seed: int) -> Trajectory:
        """The trajectory of one rival on one problem, whatever becomes of it."""
        refusal = RIVALS[name].refuses(problem)
        if refusal:
            return Trajectory(name, problem.name, remark=refusal)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "problem.npz"
            problem.save(file)
            arguments = [name, str(file), str(self.seconds), str(seed)]
            command = [self._python(name), "-m", "benchmarks.worker", *arguments]
            worker = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **ONE_THREAD},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            try:
                output, errors = worker.communicate(timeout=60 + 20 * self._most_seconds())
            except subprocess.TimeoutExpired:
                worker.kill()
                output, errors = worker.communicate()
            except BaseException:
                worker.kill()
                raise
        return _read(name, problem.name, output, errors, worker.returncode)

    def _most_seconds(self) -> float:
        return SETTINGS_AT_MOST * self.seconds

    def _python(self, name: str) -> str:
        return self.interpreters.get(name, sys.executable)


def interpreters_from_environment() -> dict[str, str]:
    """The interpreter for pyscnn, if the environment names one."""
    named = os.environ.get(PYSCNN_PYTHON)
    return {"pyscnn": named} if named else {}


def _read(rival: str, problem: str, output: str, errors: str, status: int) -> Trajectory:
    points: list[Point] = []
    remark = ""
    for line in output.splitlines():
        message = json.loads(line) if line.startswith("{") else {}
        if "point" in message:
            points.append(Point(**message["point"]))
        remark = message.get("remark", remark)
    if status == -signal.SIGXCPU:
        remark = "ended for its CPU time while at work"
    elif status != 0:
        remark = "failed: " + (errors.strip().splitlines() or [f"status {status}"])[-1]
    return Trajectory(rival, problem, points, remark)
