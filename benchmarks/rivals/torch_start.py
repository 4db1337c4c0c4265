"""What the PyTorch rivals share: the network, its balanced start and the weight-decay loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.problems import Problem
from benchmarks.trajectory import Recorder

WIDTH = 200
START_SCALE = 0.1  # of the targets' size: the best of 1, 0.1, 0.01 on the reference problems


def start(problem: Problem, seed: int) -> tuple[list[Any], Callable[[], Any]]:
    """Parameters [U, a] and the loss as a closure over them, in float32 on one thread.

    The loss is ``1/2 ||f - y||^2 + beta/2 (||U||^2 + ||a||^2)``, which is never below the problem's
    objective and equals it where ``||u_j|| = |a_j|``, as in this start.
    """
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    d = problem.X.shape[1]
    rng = np.random.default_rng(seed)
    U = rng.standard_normal((WIDTH, d))
    U /= np.linalg.norm(U, axis=1, keepdims=True)
    per_neuron = np.linalg.norm(problem.y) / np.linalg.norm(problem.X) * np.sqrt(2 * d / WIDTH)
    size = np.sqrt(START_SCALE * per_neuron)
    a = rng.choice([-size, size], WIDTH)
    parameters = [torch.tensor(size * U, dtype=torch.float32, requires_grad=True)]
    parameters.append(torch.tensor(a, dtype=torch.float32, requires_grad=True))
    X = torch.tensor(problem.X, dtype=torch.float32)
    y = torch.tensor(problem.y, dtype=torch.float32)

    def loss() -> Any:
        hidden, output = parameters
        residual = torch.relu(X @ hidden.T) @ output - y
        decay = hidden.square().sum() + output.square().sum()
        return 0.5 * residual.square().sum() + 0.5 * problem.beta * decay

    return parameters, loss


def train(recorder: Recorder, make: Callable[[list[Any]], Any], stalled: float = 0.0) -> str:
    """Steps of an optimiser until the time is over, or the loss has not moved for 20 steps."""
    parameters, loss = start(recorder.problem, recorder.seed)
    optimizer = make(parameters)
    recorder.begin(recorder.setting)

    def closure() -> Any:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    last, same = np.inf, 0
    while not recorder.over():
        value = float(optimizer.step(closure))
        if not np.isfinite(value):
            return "diverged"
        same = same + 1 if value >= last else 0
        last = min(value, last)
        if recorder.due():
            _note(recorder, parameters)
        if stalled and same > stalled:
            _note(recorder, parameters)
            return f"stalled after {recorder.elapsed:.2f} s"
    _note(recorder, parameters)
    return ""


def _note(recorder: Recorder, parameters: list[Any]) -> None:
    with recorder.free():
        U, a = (parameter.detach().numpy() for parameter in parameters)
    recorder.network(U, a)
