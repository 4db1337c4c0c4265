"""PyTorch, Adam: full batch, width 200, float32."""

from __future__ import annotations

from benchmarks.problems import Problem
from benchmarks.rivals import torch_start
from benchmarks.trajectory import Recorder

LEARNING_RATES = (3e-3, 1e-2, 3e-2)


class TorchAdam:
    """Each learning rate has the whole time limit, and its tuning costs nothing.

    At any time the best of the three counts, as if one had known which it would be.
    """

    name = "torch_adam"
    needs: tuple[str, ...] = ("torch",)

    def refuses(self, problem: Problem) -> str:
        return ""

    def run(self, problem: Problem, recorder: Recorder) -> str:
        import torch

        remarks = []
        for rate in LEARNING_RATES:
            recorder.setting = f"lr {rate:g}"
            remark = torch_start.train(
                recorder, lambda parameters, rate=rate: torch.optim.Adam(parameters, lr=rate)
            )
            if remark:
                remarks.append(f"lr {rate:g} {remark}")
        return "; ".join(remarks)
