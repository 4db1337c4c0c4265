"""What a warm-started path of 30 penalties costs beside one fit, and beside 30 of them.

    python -m benchmarks.path

On two tables that scikit-learn ships, from beta_max to a hundredth of it, as cross-validation
compares networks (``prove=False``), to a gap of 1 %, and to the default one.  The one fit is that
of the smallest penalty, from nothing, as are the 30.  CPU seconds; run with one BLAS thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes

import nogap

N_BETAS, SMALLEST = 30, 1e-2
MODES = {
    "tol=0.015, prove=False": {"tol": 0.015, "prove": False},
    "tol=1e-2": {"tol": 1e-2},
    "tol=1e-3, the default": {},
}


def tables() -> dict[str, tuple[np.ndarray, np.ndarray, str]]:
    found = {}
    for name, load, loss in (
        ("diabetes", load_diabetes, "squared"),
        ("breast cancer", load_breast_cancer, "logistic"),
    ):
        X, y = load(return_X_y=True)
        X = (X - X.mean(axis=0)) / X.std(axis=0)
        y = (y - y.mean()) / y.std() if loss == "squared" else 2.0 * y - 1.0
        found[name] = X, y, loss
    return found


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def row(name: str, label: str, X: np.ndarray, y: np.ndarray, **options: object) -> str:
    """A line of the table."""
    largest = float(nogap.beta_max(X, y, **options))
    betas = largest * np.geomspace(1.0, SMALLEST, N_BETAS)
    path = seconds(lambda: nogap.path(X, y, betas, **options, **MODES[label]))
    fits = [
        seconds(lambda b=b: nogap.train(X, y, beta=b, **options, **MODES[label])) for b in betas
    ]
    one, all_of_them = fits[-1], sum(fits)
    return (
        f"| {name} {X.shape} | {label} | {path:.1f} s | {one:.1f} s | {path / one:.1f} | "
        f"{all_of_them:.1f} s | {all_of_them / path:.1f} |"
    )


def main() -> None:
    print("| table | training | path of 30 | one fit | path / one | 30 fits | 30 fits / path |")
    print("|---|---|---|---|---|---|---|")
    for name, (X, y, loss) in tables().items():
        options = {"loss": loss, "hidden_bias": True, "fit_intercept": True, "random_state": 0}
        for label in MODES:
            print(row(name, label, X, y, **options), flush=True)


if __name__ == "__main__":
    main()
