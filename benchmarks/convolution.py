"""Pooled convolutional networks on 10,000 images: adaptive training beside Adam at equal CPU time.

    NOGAP_DATA=folder python -m benchmarks.convolution [--filter 5] [--stride 3] [--pooling average]

reads ``cifar10_bird_ship.npz`` (X of shape (n, 3, 32, 32), y) from the folder that the environment
variable names, and prints the objective of both on the same problem, the search gap, and the test
accuracy beside that of a dense network.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np

import nogap
from nogap.units import Convolution

FILE = "cifar10_bird_ship.npz"
FRACTION = 0.01  # of beta_max
BATCH, WIDTH = 128, 100
RATES = (3e-3, 1e-2)


def images(n_train: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Standardised images with channels last and labels -1 and 1: training and test."""
    folder = os.environ.get("NOGAP_DATA")
    if folder is None or not (Path(folder) / FILE).exists():
        raise SystemExit(f"set NOGAP_DATA to the folder that holds {FILE}")
    with np.load(Path(folder) / FILE) as data:
        X, y = data["X"].transpose(0, 2, 3, 1).astype(np.float32), data["y"]
    X = (X - X[:n_train].mean(axis=(0, 1, 2))) / X[:n_train].std()
    labels = np.where(y == y.max(), 1.0, -1.0)
    return X[:n_train], labels[:n_train], X[n_train:], labels[n_train:]


def accuracy(f: np.ndarray, y: np.ndarray) -> float:
    return float(np.mean(np.sign(f) == y))


def with_nogap(data, beta: float, unit, seconds: float, **options) -> dict[str, float]:
    """Adaptive training until the CPU seconds are over."""
    X, y, X_test, y_test = data
    start = time.process_time()
    solution = nogap.train(
        X,
        y,
        beta=beta,
        unit=unit,
        fit_intercept=True,
        random_state=0,
        tol=1e-3,
        callbacks=[lambda record: time.process_time() - start > seconds],
        **options,
    )
    return {
        "seconds": time.process_time() - start,
        "objective": solution.objective,
        "gap (search)": solution.certificate.relative_gap,
        "neurons": solution.network.n_neurons,
        "test accuracy": accuracy(solution.network.predict(X_test), y_test),
    }


def with_adam(
    data, beta: float, unit: Convolution, seconds: float, rate: float
) -> dict[str, float]:
    """Adam on the same objective: squared loss and weight decay on filters and output weights."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    X, y, X_test, y_test = data
    size, pool = unit.filter_size[0], unit.pooling
    to_torch = [
        torch.from_numpy(np.ascontiguousarray(Z.transpose(0, 3, 1, 2))) for Z in (X, X_test)
    ]
    targets = torch.from_numpy(y.astype(np.float32))
    convolution = torch.nn.Conv2d(X.shape[3], WIDTH, size, stride=unit.stride)
    output = torch.nn.Linear(WIDTH, 1)
    pooling = {"average": torch.mean, "max": torch.amax, "sum": torch.sum}[pool]

    def predict(images):
        hidden = pooling(torch.relu(convolution(images)), dim=(2, 3))
        return output(hidden)[:, 0]

    def penalty():
        weights = (convolution.weight, convolution.bias, output.weight)
        return 0.5 * beta * sum((w**2).sum() for w in weights)

    parameters = [*convolution.parameters(), *output.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=rate)
    start, n = time.process_time(), len(y)
    while (elapsed := time.process_time() - start) < seconds:
        for group in optimiser.param_groups:  # linear decay, which helps Adam at the end
            group["lr"] = rate * max(1 - elapsed / seconds, 0.01)
        for batch in torch.randperm(n).split(BATCH)[:20]:
            optimiser.zero_grad()
            loss = 0.5 * ((predict(to_torch[0][batch]) - targets[batch]) ** 2).sum()
            (loss * (n / len(batch)) + penalty()).backward()
            optimiser.step()
    elapsed = time.process_time() - start
    with torch.no_grad():
        f = torch.cat([predict(part) for part in to_torch[0].split(500)])
        hidden = torch.sqrt((convolution.weight**2).sum(dim=(1, 2, 3)) + convolution.bias**2)
        product = float((hidden * output.weight[0].abs()).sum())  # balanced weights have this
        value = 0.5 * float(((f - targets) ** 2).sum()) + beta * product
        guessed = torch.cat([predict(part) for part in to_torch[1].split(500)]).numpy()
    return {"seconds": elapsed, "objective": value, "test accuracy": accuracy(guessed, y_test)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--filter", type=int, default=5)
    parser.add_argument("--stride", type=int, default=3)
    parser.add_argument("--pooling", choices=("average", "max", "sum"), default="average")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--dense", action="store_true", help="a dense network as well")
    chosen = parser.parse_args()
    data = images(chosen.images)
    unit = Convolution(chosen.filter, stride=chosen.stride, pooling=chosen.pooling)
    beta = FRACTION * nogap.beta_max(
        data[0], data[1], unit=unit, hidden_bias=True, fit_intercept=True
    )
    first = with_nogap(data, beta, unit, chosen.seconds, hidden_bias=True)
    report("nogap", first)
    for rate in RATES:  # for as long as nogap really took: it stops between rounds
        report(f"Adam, rate {rate:g}", with_adam(data, beta, unit, first["seconds"], rate))
    if chosen.dense:
        flat = [Z.reshape(len(Z), -1) if Z.ndim > 1 else Z for Z in data]
        dense = FRACTION * nogap.beta_max(flat[0], flat[1], fit_intercept=True)
        report("nogap, dense", with_nogap(flat, dense, "relu", chosen.seconds))


def report(name: str, figures: dict[str, float]) -> None:
    print(f"{name}: " + ", ".join(f"{k} {v:.5g}" for k, v in figures.items()), flush=True)


if __name__ == "__main__":
    main()
