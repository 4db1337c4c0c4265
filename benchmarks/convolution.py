"""Networks on 10,000 images, convolutional and dense: training beside Adam at equal CPU time.

    NOGAP_DATA=folder python -m benchmarks.convolution [--filters 3 5 7] [--pooling average max]

reads ``cifar10_bird_ship.npz`` (X of shape (n, 3, 32, 32), y) from the folder that the environment
variable names.  For every filter and pooling, and for a dense layer on the same figures, it prints
the objective of both on the same problem after the same CPU seconds (nogap is interrupted when they
are over), the test accuracy, and the search gap of nogap's network, which is found afterwards.
"""

from __future__ import annotations

import argparse
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import nogap
from nogap.units import Convolution

FILE = "cifar10_bird_ship.npz"
FRACTION = 0.01  # of beta_max
BATCH, WIDTH = 128, 100
RATES = (3e-3, 1e-2)
DENSE_RATES = (1e-3, 3e-3)


def images(n_train: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Standardised images with channels last and labels -1 and 1: training and test."""
    folder = os.environ.get("NOGAP_DATA")
    if folder is None or not (Path(folder) / FILE).exists():
        raise SystemExit(f"set NOGAP_DATA to the folder that holds {FILE}")
    with np.load(Path(folder) / FILE) as data:
        X, y = data["X"].transpose(0, 2, 3, 1).astype(np.float32), data["y"]
    X = np.ascontiguousarray((X - X[:n_train].mean(axis=(0, 1, 2))) / X[:n_train].std())
    labels = np.where(y == y.max(), 1.0, -1.0)
    return X[:n_train], labels[:n_train], X[n_train:], labels[n_train:]


def accuracy(f: np.ndarray, y: np.ndarray) -> float:
    return float(np.mean(np.sign(f) == y))


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """Ctrl-C after so many CPU seconds: training hands back the best network so far."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    signal.signal(signal.SIGPROF, lambda *_: signal.raise_signal(signal.SIGINT))
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def with_nogap(data, beta: float, unit, seconds: float, **options) -> dict[str, float]:
    """Adaptive training until the CPU seconds are over; the search gap is found afterwards."""
    X, y, X_test, y_test = data
    start = time.process_time()
    with interrupted_after(seconds):
        solution = nogap.train(
            X, y, beta=beta, unit=unit, fit_intercept=True, random_state=0, tol=1e-3, **options
        )
    figures = {
        "seconds": time.process_time() - start,
        "objective": solution.objective,
        "neurons": solution.network.n_neurons,
        "test accuracy": accuracy(solution.network.predict(X_test), y_test),
    }
    start = time.process_time()
    certificate = nogap.certify(
        solution.network, X, y, beta=beta, fit_intercept=True, method="search", max_time=1.0
    )
    searched = time.process_time() - start
    return {**figures, "gap (search)": certificate.relative_gap, "found in": searched}


def with_adam(data, beta: float, unit, seconds: float, rate: float) -> dict[str, float]:
    """Adam on the same objective: squared loss, weight decay on filters and output weights."""
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    X, y, X_test, y_test = data
    dense = not isinstance(unit, Convolution)
    if not dense:  # channels first
        X, X_test = (np.ascontiguousarray(Z.transpose(0, 3, 1, 2)) for Z in (X, X_test))
    to_torch = [torch.from_numpy(Z) for Z in (X, X_test)]
    targets = torch.from_numpy(y.astype(np.float32))
    if dense:
        hidden_layer = torch.nn.Linear(X.shape[1], WIDTH, bias=False)
        pool = torch.nn.Identity()
    else:
        size, pooling = unit.filter_size[0], unit.pooling
        hidden_layer = torch.nn.Conv2d(X.shape[1], WIDTH, size, stride=unit.stride)
        take = {"average": torch.mean, "max": torch.amax, "sum": torch.sum}[pooling]

        def pool(Z):
            return take(Z, dim=(2, 3))

    output = torch.nn.Linear(WIDTH, 1)

    def predict(images):
        return output(pool(torch.relu(hidden_layer(images))))[:, 0]

    def penalty():
        weights = (*hidden_layer.parameters(), output.weight)
        return 0.5 * beta * sum((w**2).sum() for w in weights)

    parameters = [*hidden_layer.parameters(), *output.parameters()]
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
        hidden = sum(
            (w.flatten(1) if w.ndim > 1 else w[:, None]).square().sum(dim=1)
            for w in hidden_layer.parameters()
        ).sqrt()
        product = float((hidden * output.weight[0].abs()).sum())  # balanced weights have this
        value = 0.5 * float(((f - targets) ** 2).sum()) + beta * product
        guessed = torch.cat([predict(part) for part in to_torch[1].split(500)]).numpy()
    return {"seconds": elapsed, "objective": value, "test accuracy": accuracy(guessed, y_test)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--filters", type=int, nargs="+", default=[3, 5, 7])
    parser.add_argument("--stride", type=int, default=3)
    parser.add_argument("--pooling", nargs="+", default=["average", "max"])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--rates", type=float, nargs="+", default=RATES, help="of Adam")
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--no-dense", action="store_true", help="leave the dense network out")
    chosen = parser.parse_args()
    data = images(chosen.images)
    for pooling in chosen.pooling:
        for size in chosen.filters:
            unit = Convolution(size, stride=chosen.stride, pooling=pooling)
            compare(data, unit, chosen.seconds, chosen.rates)
    if not chosen.no_dense:
        flat = [Z.reshape(len(Z), -1) if Z.ndim > 1 else Z for Z in data]
        compare(flat, "relu", chosen.seconds, DENSE_RATES)


def compare(data, unit, seconds: float, rates: Sequence[float]) -> None:
    """Both on one problem, nogap first."""
    dense = not isinstance(unit, Convolution)
    n = 1000 if dense else len(data[0])  # of dense rows a tenth has about a tenth of the largest
    beta = (
        FRACTION
        * len(data[0])
        / n
        * nogap.beta_max(
            data[0][:n],
            data[1][:n],
            unit=unit,
            hidden_bias=not dense,
            fit_intercept=True,
            method="search",
        )
    )
    name = "dense" if dense else f"{unit.filter_size[0]} x {unit.filter_size[0]}, {unit.pooling}"
    first = with_nogap(data, beta, unit, seconds, hidden_bias=not dense)
    report(f"{name}: nogap", first)
    for rate in rates:  # for as long as nogap really took: it stops between steps
        report(f"{name}: Adam {rate:g}", with_adam(data, beta, unit, first["seconds"], rate))


def report(name: str, figures: dict[str, float]) -> None:
    print(f"{name}: " + ", ".join(f"{k} {v:.5g}" for k, v in figures.items()), flush=True)


if __name__ == "__main__":
    main()
