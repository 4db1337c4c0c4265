"""Digits with ten outputs: adaptive training beside L-BFGS of width 200 at equal CPU time.

    python -m benchmarks.outputs [--fractions 0.01 0.001] [--seeds 2]

Both minimise the same objective, in one process with one thread, one after the other: nogap until
its search gap is 0.1 % or the seconds are over, then SciPy's L-BFGS for as many CPU seconds, from
each of several random starts.  L-BFGS's objective is counted in the product form, which is never
above the weight decay that it minimises.  It descends on a hinge loss that is rounded over a width
of 0.01, and is counted with the hinge loss itself.
"""

from __future__ import annotations

import argparse
import contextlib
import time

import numpy as np
from scipy.optimize import minimize
from sklearn.datasets import load_digits

import nogap

WIDTH = 200
LOSSES = ("squared", "multinomial", "hinge")
ROUNDED = 0.01  # width of the hinge loss that has a gradient


class TimeIsOver(Exception):
    pass


def loss_and_slope(F: np.ndarray, Y: np.ndarray, loss: str) -> tuple[float, np.ndarray]:
    if loss == "squared":
        return 0.5 * float(np.sum((F - Y) ** 2)), F - Y
    if loss == "hinge":
        short = np.maximum(1.0 - Y * F, 0.0)
        inner = np.minimum(short, ROUNDED)
        return float(np.sum(inner * (short - 0.5 * inner))) / ROUNDED, -Y * inner / ROUNDED
    shifted = F - F.max(axis=1, keepdims=True)
    total = np.exp(shifted).sum(axis=1, keepdims=True)
    value = float(np.sum(np.log(total)) - np.sum(shifted * Y))
    return value, np.exp(shifted) / total - Y


def lbfgs(X: np.ndarray, Y: np.ndarray, beta: float, loss: str, seconds: float, seed: int) -> float:
    """Lowest objective within the CPU seconds; hidden bias penalised, intercept free."""
    g = np.random.default_rng(seed)
    data = np.column_stack([X, np.ones(len(X))])
    d, C = data.shape[1], Y.shape[1]
    U = g.standard_normal((d, WIDTH)) / np.sqrt(d)
    A = g.standard_normal((WIDTH, C)) / np.sqrt(WIDTH)
    best, start = np.inf, time.process_time()

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal best
        if time.process_time() - start > seconds:
            raise TimeIsOver
        U = x[: d * WIDTH].reshape(d, WIDTH)
        A, b = x[d * WIDTH : -C].reshape(WIDTH, C), x[-C:]
        H = np.maximum(data @ U, 0.0)
        F = H @ A + b
        value, G = loss_and_slope(F, Y, loss)
        counted = float(np.maximum(1.0 - Y * F, 0.0).sum()) if loss == "hinge" else value
        product = np.linalg.norm(U, axis=0) @ np.linalg.norm(A, axis=1)
        best = min(best, counted + beta * float(product))
        slopes = data.T @ ((G @ A.T) * (H > 0)) + beta * U
        gradient = np.concatenate([slopes.ravel(), (H.T @ G + beta * A).ravel(), G.sum(axis=0)])
        return value + 0.5 * beta * float(x[:-C] @ x[:-C]), gradient

    first = np.concatenate([U.ravel(), A.ravel(), np.zeros(C)])
    options = {"maxiter": 10**6, "maxfun": 10**6, "maxcor": 20, "ftol": 0.0, "gtol": 0.0}
    with contextlib.suppress(TimeIsOver):
        minimize(objective, first, jac=True, method="L-BFGS-B", options=options)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fractions", type=float, nargs="+", default=[0.01, 0.001])
    parser.add_argument("--losses", nargs="+", choices=LOSSES, default=LOSSES)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seeds", type=int, default=2)
    chosen = parser.parse_args()
    X, labels = load_digits(return_X_y=True)
    X, classes = X / 16.0, np.eye(10)[labels]
    for loss in chosen.losses:
        Y = 2.0 * classes - 1.0 if loss == "hinge" else classes
        common = {"loss": loss, "hidden_bias": True, "fit_intercept": True, "random_state": 0}
        largest = nogap.beta_max(X, Y, **common)
        for fraction in chosen.fractions:
            beta, start = fraction * largest, time.process_time()

            def over(record: nogap.Record, start: float = start) -> bool:
                return time.process_time() - start > chosen.seconds

            solution = nogap.train(X, Y, beta=beta, tol=1e-3, callbacks=[over], **common)
            seconds = time.process_time() - start
            rivals = [lbfgs(X, Y, beta, loss, seconds, seed) for seed in range(chosen.seeds)]
            lead = ", ".join(f"{v:.5f} ({v / solution.objective - 1:+.2%})" for v in rivals)
            print(
                f"{loss}, {fraction:g} beta_max: {seconds:.1f} CPU s each; nogap "
                f"{solution.objective:.5f} ({solution.network.n_neurons} neurons, search gap "
                f"{solution.certificate.relative_gap:.2%}); L-BFGS {lead}",
                flush=True,
            )


if __name__ == "__main__":
    main()
