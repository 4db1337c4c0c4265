"""``python -m benchmarks.proofs``: how far rigorous certificates reach, on one thread.

Gaussian rows, targets of a ten-neuron teacher with 10 % noise or of noise alone, at beta = 0.05
beta_max.  Each network is trained, then ``certify(method="bound", tol=0.01)`` has 1, 10 and 60
seconds to prove its objective to within 1 %; shown is the gap that it proves, and when it is done.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.problems import Data, teacher
from benchmarks.runner import ONE_THREAD, ROOT
from benchmarks.tables import markdown

REL = 0.05
NOISE = 0.1
NEURONS = 10
TOLERANCE = 1e-2
TRAINING = 20.0  # seconds
NEEDED = ((3000, 3), (1000, 4), (300, 5), (100, 6), (60, 10), (60, 20), (100, 100))
GOAL = ((10_000, 3), (3000, 4), (1000, 5), (300, 6), (100, 8), (100, 10), (100, 20), (200, 200))
BEYOND = ((300, 10), (300, 20), (1000, 20), (1000, 100), (10_000, 20), (10_000, 100))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the table; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.proofs", description=__doc__)
    add = parser.add_argument
    add("--seconds", default="1,10,60", help="time limits")
    add("--shapes", default="", help="such as 60x10,100x6; all by default")
    add("--targets", default="teacher,noise")
    add("--seed", type=int, default=0)
    add("--point", default="", help=argparse.SUPPRESS)
    add("--out", type=Path, default=ROOT / "benchmarks" / "results" / "tmp")
    options = parser.parse_args(arguments)
    limits = [float(s) for s in options.seconds.split(",")]
    if options.point:
        n, d, targets = options.point.split(",")
        sys.stdout.write(json.dumps(measure(int(n), int(d), targets, options.seed, limits)))
        return 0
    shapes = [*NEEDED, *GOAL, *BEYOND]
    if options.shapes:
        shapes = [(int(n), int(d)) for n, d in (s.split("x") for s in options.shapes.split(","))]
    header = ["rows x columns", "targets", "neurons", "estimated gap"]
    header += [f"proved in {s:g} s" for s in limits]
    rows = []
    for n, d in shapes:
        for targets in options.targets.split(","):
            rows.append(_point(n, d, targets, options))
            sys.stdout.write(markdown(header, rows[-1:]).splitlines()[-1] + "\n")
            sys.stdout.flush()
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "proofs.md").write_text(markdown(header, rows) + "\n")
    return 0


def problem(n: int, d: int, targets: str, seed: int) -> Data:
    """Rows and targets."""
    if targets == "teacher":
        return teacher(n, d, NEURONS, NOISE, seed)
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal(n)


def measure(n: int, d: int, targets: str, seed: int, limits: Sequence[float]) -> list[str]:
    """Cells of one row: the network, and the gaps that are proved."""
    import nogap

    X, y = problem(n, d, targets, seed)
    beta = REL * float(nogap.beta_max(X, y, method="search"))
    solution = nogap.train(
        X, y, beta=beta, tol=0.1 * TOLERANCE, max_time=TRAINING, random_state=seed
    )
    cells = [str(solution.network.n_neurons), f"{solution.certificate.relative_gap:.1e}"]
    for limit in limits:
        start = time.perf_counter()
        found = nogap.certify(
            solution.network, X, y, beta=beta, method="bound", tol=TOLERANCE, max_time=limit
        )
        spent = time.perf_counter() - start
        closed = found.relative_gap <= TOLERANCE * 1.1  # the network is not quite the best known
        cells.append(f"{found.relative_gap:.2%}" + (f" after {spent:.2g} s" if closed else ""))
    return cells


def _point(n: int, d: int, targets: str, options: argparse.Namespace) -> list[str]:
    """One row, measured in a process with one thread."""
    command = [sys.executable, "-m", "benchmarks.proofs", "--point", f"{n},{d},{targets}"]
    command += ["--seconds", options.seconds, "--seed", str(options.seed)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **ONE_THREAD}, capture_output=True, text=True
    )
    cells = json.loads(done.stdout) if done.returncode == 0 else [done.stderr.strip()[-80:]]
    return [f"{n} x {d}", targets, *cells]


if __name__ == "__main__":
    sys.exit(main())
