"""``python -m benchmarks.constrained``: hard bounds at scale, beside penalties.

2,000 rows, 4-32-32-32-1 with tanh, targets that often leave [-1, 1]; the outputs must stay inside
at every row.  The rivals minimise the same squared loss with a penalty on the violations, for the
same number of CPU seconds on one thread.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from time import process_time

import numpy as np
import torch

from nogap.lifted import Bounds, parabolic

BOUND = 1.0
HIDDEN = (32, 32, 32)


@dataclass
class Result:
    """What a method reached: its loss, and how far its worst output is out of bounds."""

    name: str
    loss: float
    excess: float
    seconds: float
    remark: str = ""

    def row(self) -> str:
        met = "yes" if self.excess <= 1e-6 else "no"
        figures = f"{self.loss:.2f} | {self.excess:.1e} | {met} | {self.seconds:.0f}"
        return f"| {self.name} | {figures} | {self.remark} |"


def problem(n: int = 2000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    y = np.sin(2 * X[:, 0]) * X[:, 1] + 0.5 * np.tanh(3 * X[:, 2]) + 0.1 * rng.normal(size=n)
    return X, y


def judge(name: str, F: np.ndarray, y: np.ndarray, seconds: float, remark: str = "") -> Result:
    """Loss and excess from the predictions alone."""
    excess = max(float(np.abs(F).max()) - BOUND, 0.0)
    out = int(np.sum(np.abs(F) > BOUND + 1e-6))
    remark = f"{remark}, {out} rows out of bounds"
    return Result(name, 0.5 * float(np.sum((F - y) ** 2)), excess, seconds, remark)


def prox(X: np.ndarray, y: np.ndarray, seconds: float, warm_up: int) -> Result:
    begin = process_time()
    solution = parabolic(
        X, y, HIDDEN, "tanh", constraints=[Bounds(-BOUND, BOUND)], engine="prox",
        warm_up=warm_up, max_iter=10_000, random_state=0,
        callbacks=[lambda record: process_time() - begin > seconds],
    )  # fmt: skip
    spent = process_time() - begin
    taken = [record for record in solution.history[1:] if record.exact and record.accepted]
    worst = max((record.certificate for record in taken), default=0.0)
    remark = (
        f"{len(taken)} certified steps (largest ratio {worst:.2f}) from a loss of "
        f"{solution.history[0].objective:.2f}"
    )
    return judge(f"nogap, warm-up {warm_up}", solution.network.predict(X), y, spent, remark)


def network() -> torch.nn.Sequential:
    torch.manual_seed(0)
    widths = (4, *HIDDEN)
    layers: list[torch.nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.Tanh()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(widths[-1], 1)).double()


def penalised(X: np.ndarray, y: np.ndarray, rho: float) -> tuple[torch.nn.Module, Callable]:
    """The network, and its loss plus rho times the sum of all violations."""
    model, inputs, targets = network(), torch.from_numpy(X), torch.from_numpy(y)

    def objective() -> torch.Tensor:
        F = model(inputs)[:, 0]
        return 0.5 * ((F - targets) ** 2).sum() + rho * torch.relu(F.abs() - BOUND).sum()

    return model, objective


def adam(X: np.ndarray, y: np.ndarray, seconds: float, rho: float, rate: float) -> Result:
    model, objective = penalised(X, y, rho)
    optimiser = torch.optim.Adam(model.parameters(), lr=rate)
    begin, steps = process_time(), 0
    while process_time() - begin < seconds:
        optimiser.zero_grad()
        objective().backward()
        optimiser.step()
        steps += 1
    return _judge_torch(f"Adam, penalty {rho:g}", model, X, y, begin, f"{steps} steps")


def lbfgs(X: np.ndarray, y: np.ndarray, seconds: float, rho: float) -> Result:
    model, objective = penalised(X, y, rho)
    optimiser = torch.optim.LBFGS(
        model.parameters(), max_iter=20, history_size=20, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        value = objective()
        value.backward()
        return value

    begin, steps = process_time(), 0
    while process_time() - begin < seconds:
        optimiser.step(closure)
        steps += 20
    return _judge_torch(f"L-BFGS, penalty {rho:g}", model, X, y, begin, f"{steps} iterations")


def _judge_torch(
    name: str, model: torch.nn.Module, X: np.ndarray, y: np.ndarray, begin: float, remark: str
) -> Result:
    seconds = process_time() - begin
    with torch.no_grad():
        F = model(torch.from_numpy(X))[:, 0].numpy()
    return judge(name, F, y, seconds, remark)


def main() -> int:
    """Run all methods and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.constrained", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="CPU time for each method")
    parser.add_argument("--penalties", default="1,10", help="of the rivals, as in 0.1,1,10")
    options = parser.parse_args()
    torch.set_num_threads(1)
    X, y = problem()
    say(f"load average at the start: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    say("| method | loss | largest violation | met | seconds | |")
    say("|---|---|---|---|---|---|")
    for warm_up in (100, 500, 2000):
        say(prox(X, y, options.seconds, warm_up).row())
    for rho in map(float, options.penalties.split(",")):
        say(adam(X, y, options.seconds, rho, 0.003).row())
        say(lbfgs(X, y, options.seconds, rho).row())
    return 0


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
