"""PyTorch, L-BFGS: full batch, width 200, float32, strong Wolfe line search."""

from __future__ import annotations

from benchmarks.problems import Problem
from benchmarks.rivals import torch_start
from benchmarks.trajectory import Recorder

HISTORY = 30  # on the reference problems 10 and 100 are no better, and float64 is slower
ITERATIONS_PER_STEP = 10


class TorchLBFGS:
    """One run; it ends early where float32 lets the line search move no more."""

    name = "torch_lbfgs"
    needs: tuple[str, ...] = ("torch",)

    def refuses(self, problem: Problem) -> str:
        return ""

    def run(self, problem: Problem, recorder: Recorder) -> str:
        import torch

        return torch_start.train(
            recorder,
            lambda parameters: torch.optim.LBFGS(
                parameters,
                max_iter=ITERATIONS_PER_STEP,
                history_size=HISTORY,
                line_search_fn="strong_wolfe",
            ),
            stalled=20,
        )
