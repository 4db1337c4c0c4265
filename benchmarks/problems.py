"""The benchmark problems: families with a seed, reference files, best known objectives.

All have the squared loss, no hidden bias beyond the columns of X and no intercept:
``F = 1/2 ||sum_j relu(X u_j) a_j - y||^2 + beta sum_j ||u_j|| |a_j|`` with beta = rel * beta_max.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Data = tuple[Array, Array]

# Lowest objectives known, by rel; from the README of the reference files, except where noted there.
BEST_KNOWN: dict[str, dict[float, float]] = {
    "a": {0.01: 0.140814, 0.1: 1.189722},
    "b": {0.01: 1.985823, 0.1: 13.7867},
    "c": {0.01: 61.979, 0.1: 392.982},
    "d": {0.01: 610.68, 0.1: 3179.1},
    "e": {0.01: 3793.93},
    "f": {0.01: 38.83979, 0.1: 103.2084},
    "g": {0.01: 82.995, 0.1: 129.8472},
    "h": {0.01: 71.544, 0.1: 284.506},
}


@dataclass(frozen=True)
class Problem:
    """One training problem; ``best_known`` is None where nobody has written one down."""

    name: str
    X: Array  # (n, d)
    y: Array  # (n,)
    beta: float
    beta_max: float
    best_known: float | None = None

    @property
    def rel(self) -> float:
        return self.beta / self.beta_max

    def save(self, path: Path) -> None:
        """Write the problem to an .npz file."""
        best = np.nan if self.best_known is None else self.best_known
        np.savez(
            path,
            name=self.name,
            X=self.X,
            y=self.y,
            beta=self.beta,
            beta_max=self.beta_max,
            best_known=best,
        )

    @classmethod
    def load(cls, path: Path) -> Problem:
        """Read what :meth:`save` wrote."""
        with np.load(path) as file:
            best = float(file["best_known"])
            return cls(
                str(file["name"]),
                file["X"],
                file["y"],
                float(file["beta"]),
                float(file["beta_max"]),
                None if np.isnan(best) else best,
            )


@dataclass(frozen=True)
class Family:
    """A description that makes data from a seed; ``seed`` is the one of the reference problem."""

    letter: str
    title: str
    make: Callable[[int], Data]
    beta_max: float  # of the reference problem
    seed: int = 0
    seeded: bool = True  # False for fixed data


def teacher(n: int, d: int, k: int, noise: float, seed: int) -> Data:
    """Gaussian rows and the outputs of k random ReLU neurons.

    Hidden weights are N(0, 1/d), output weights -1 or 1; noise is a fraction of the signal's
    standard deviation.
    """
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    U = rng.standard_normal((k, d)) / np.sqrt(d)
    a = rng.choice([-1.0, 1.0], k)
    signal = np.zeros(n)
    for u, sign in zip(U, a, strict=True):  # one neuron at a time, for a million rows
        signal += sign * np.maximum(X @ u, 0)
    return X, signal + noise * signal.std() * rng.standard_normal(n)


def toy(seed: int) -> Data:
    """Five points on a line and a column of ones."""
    X = np.column_stack([[-2.0, -1.0, 0.0, 1.0, 2.0], np.ones(5)])
    return X, np.array([1.0, -1.0, 1.0, 1.0, -1.0])


def breast_cancer(seed: int) -> Data:
    """Standardised features and ones; labels -1 and 1."""
    from sklearn.datasets import load_breast_cancer

    X, y = load_breast_cancer(return_X_y=True)
    return _with_ones(_standardised(X)), 2.0 * y - 1.0


def diabetes(seed: int) -> Data:
    """Standardised features and ones; the standardised target."""
    from sklearn.datasets import load_diabetes

    X, y = load_diabetes(return_X_y=True)
    return _with_ones(_standardised(X)), _standardised(y)


def digits(seed: int) -> Data:
    """Pixels / 16 and ones; digits 0-4 (-1) against 5-9 (1)."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return _with_ones(X / 16), np.where(y >= 5, 1.0, -1.0)


FAMILIES: dict[str, Family] = {
    family.letter: family
    for family in (
        Family("a", "toy, one variable and ones", toy, 1.414213562373095, seeded=False),
        Family(
            "b",
            "teacher 50x5, 5 neurons, 5 % noise",
            lambda seed: teacher(50, 5, 5, 0.05, seed),
            51.38752453994453,
            seed=1,
        ),
        Family(
            "c",
            "teacher 500x20, 10 neurons, 10 % noise",
            lambda seed: teacher(500, 20, 10, 0.1, seed),
            618.0008884641874,
            seed=2,
        ),
        Family(
            "d",
            "teacher 2000x50, 20 neurons, 10 % noise",
            lambda seed: teacher(2000, 50, 20, 0.1, seed),
            3932.0174645076195,
            seed=3,
        ),
        Family(
            "e",
            "teacher 10000x50, 20 neurons, 10 % noise",
            lambda seed: teacher(10000, 50, 20, 0.1, seed),
            19712.983503610067,
            seed=4,
        ),
        Family("f", "breast cancer 569x31", breast_cancer, 876.2542673368271, seeded=False),
        Family("g", "diabetes 442x11", diabetes, 318.7714618980972, seeded=False),
        Family("h", "digits 0-4 against 5-9, 1797x65", digits, 331.4633383618166, seeded=False),
    )
}


def generate(letter: str, rel: float, seed: int | None = None) -> Problem:
    """A problem of a family: the reference problem without a seed, a fresh one with one."""
    family = FAMILIES[letter]
    if seed is None or not family.seeded:
        X, y = family.make(family.seed)
        best = BEST_KNOWN[letter].get(rel)
        return Problem(letter, X, y, rel * family.beta_max, family.beta_max, best)
    import nogap

    X, y = family.make(seed)
    beta_max = float(nogap.beta_max(X, y))
    return Problem(f"{letter} seed {seed}", X, y, rel * beta_max, beta_max)


def load_reference(folder: Path, letter: str, rel: float) -> Problem:
    """A reference problem from its file LETTER_REL.npz (keys X, y, beta, beta_max, rel)."""
    path = folder / f"{letter}_{rel:g}.npz"
    if not path.is_file():
        raise FileNotFoundError(f"there is no reference file {path}")
    with np.load(path) as file:
        X, y = file["X"], file["y"]
        beta, beta_max = float(file["beta"]), float(file["beta_max"])
    return Problem(letter, X, y, beta, beta_max, BEST_KNOWN.get(letter, {}).get(rel))


def _standardised(A: Array) -> Array:
    return np.asarray((A - A.mean(axis=0)) / A.std(axis=0))


def _with_ones(A: Array) -> Array:
    return np.column_stack([A, np.ones(A.shape[0])])
