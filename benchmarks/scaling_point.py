"""One point of :mod:`benchmarks.scaling`; prints its measurement as JSON."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import nogap
from benchmarks.limits import die_after, interrupt_after, peak_memory
from benchmarks.problems import Problem


def main() -> None:
    """Train to a gap of 1 % and say what it took."""
    file, seconds, seed = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    before = peak_memory()
    problem = Problem.load(file)
    die_after(4 * seconds + 5)
    start = time.process_time()
    with interrupt_after(seconds):
        solution = nogap.train(problem.X, problem.y, beta=problem.beta, tol=1e-2, random_state=seed)
    spent = time.process_time() - start
    result = {
        "seconds": spent,
        "memory": peak_memory() - before,
        "gap": solution.certificate.relative_gap,
        "neurons": solution.network.n_neurons,
        "reached": solution.status.converged,
        "remark": str(solution.status),
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
