"""CVXPY and Clarabel: the convex program over P randomly sampled activation patterns."""

from __future__ import annotations

import numpy as np

from benchmarks.problems import Array, Problem
from benchmarks.trajectory import Recorder

COUNTS = (10, 20, 50, 100, 200, 500, 1000)
MOST_ENTRIES = 40_000_000  # of the cone rows of both signs, 2 P n d: about 4 GB in the solver


class CvxpySampled:
    """Each P is a run of its own with one point at its end, and may take the whole time limit.

    At any time the best P counts, as if one had known which it would be.
    """

    name = "cvxpy_sampled"
    needs: tuple[str, ...] = ("cvxpy", "clarabel")

    def refuses(self, problem: Problem) -> str:
        if 2 * COUNTS[0] * problem.X.size > MOST_ENTRIES:
            return "the program would not fit in memory"
        return ""

    def run(self, problem: Problem, recorder: Recorder) -> str:
        solved = "none"
        for count in COUNTS:
            if 2 * count * problem.X.size > MOST_ENTRIES:
                return f"solved P = {solved}; the next would not fit in memory"
            recorder.begin(f"P {count}", grace=1.05)
            try:
                U, a = _solve(problem, count, recorder)
            except TimeoutError:
                return f"solved P = {solved}"
            recorder.network(U, a)
            solved = str(count)
        return f"solved P = {solved}"


def _solve(problem: Problem, count: int, recorder: Recorder) -> tuple[Array, Array]:
    """Hidden and output weights of the optimal network over ``count`` patterns."""
    import cvxpy as cp

    d = problem.X.shape[1]
    rng = np.random.default_rng(recorder.seed)
    patterns = np.unique(problem.X @ rng.standard_normal((d, count)) >= 0, axis=1)  # (n, P)
    V, W = (cp.Variable((d, patterns.shape[1])) for _ in range(2))
    X = problem.X
    residual = cp.sum(cp.multiply(patterns, X @ (V - W)), axis=1) - problem.y
    penalty = cp.sum(cp.norm(V, 2, axis=0)) + cp.sum(cp.norm(W, 2, axis=0))
    signs = 2.0 * patterns - 1.0
    program = cp.Problem(
        cp.Minimize(0.5 * cp.sum_squares(residual) + problem.beta * penalty),
        [cp.multiply(signs, X @ V) >= 0, cp.multiply(signs, X @ W) >= 0],
    )
    # Clarabel's limit is wall-clock time, twice what is left so that others may use the machine;
    # past it, and where it does not look at the clock, the process is ended by its CPU time.
    remaining = max(recorder.time_limit - recorder.elapsed, 0.01)
    program.solve(solver=cp.CLARABEL, time_limit=2 * remaining, max_threads=1)
    if V.value is None or recorder.elapsed > 1.05 * recorder.time_limit:
        raise TimeoutError
    U = np.vstack([V.value.T, W.value.T])
    a = np.repeat([1.0, -1.0], patterns.shape[1])
    return U, a
