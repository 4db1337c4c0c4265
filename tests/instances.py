"""Random training instances, the degenerate ones among them, and the published ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from tests.reference import CLASSIFICATION, dual_correlation, with_ones


@dataclass(frozen=True)
class Instance:
    """Data, loss and options of one training problem; beta comes as a fraction of beta_max."""

    name: str
    X: np.ndarray
    y: np.ndarray
    loss: str
    fraction: float
    options: dict = field(default_factory=dict)

    def __str__(self) -> str:
        options = ",".join(sorted(self.options)) or "plain"
        return f"{self.name}-{self.loss}-{self.fraction:g}-{options}"

    @cached_property
    def rows(self):
        """The data with its ones column, where there is one."""
        return with_ones(self.X, self.options.get("hidden_bias", False))

    @property
    def weights(self):
        return self.options.get("sample_weight")

    def keywords(self, beta):
        """What train() gets beside X and y."""
        return {"beta": beta, "loss": self.loss, **self.options}


# ---------------------------------------------------------------- data matrices, by kind


def _gaussian(g, n, d):
    return g.standard_normal((n, d))


def _duplicate_rows(g, n, d):
    return g.standard_normal((n, d))[g.integers(max(n // 2, 1), size=n)]


def _zero_rows(g, n, d):
    X = g.standard_normal((n, d))
    X[g.random(n) < 0.4] = 0.0
    return X


def _opposite_rows(g, n, d):
    half = g.standard_normal(((n + 1) // 2, d))
    return np.concatenate([half, -half * g.choice([1.0, 2.0], (len(half), 1))])[:n]


def _rank_deficient(g, n, d):
    return g.standard_normal((n, max(d - 1, 1))) @ g.standard_normal((max(d - 1, 1), d))


def _ones_column(g, n, d):
    X = g.standard_normal((n, d))
    X[:, -1] = 1.0
    return X


def _integer_grid(g, n, d):
    return g.integers(-2, 3, (n, d)).astype(float)


def _grid_with_ones(g, n, d):
    X = g.integers(0, 4, (n, d)).astype(float)
    X[:, -1] = 1.0
    return X


def _constant_columns(g, n, d):
    X = np.full((n, d), 2.0)
    X[:, 0] = g.standard_normal(n)
    return X


def _one_signed(g, n, d):
    return np.abs(g.standard_normal((n, d)))


def _uneven_scales(g, n, d):
    rows, columns = 10.0 ** g.uniform(-2, 2, (n, 1)), 10.0 ** g.uniform(-1, 1, d)
    return g.standard_normal((n, d)) * rows * columns


def _nearly_parallel(g, n, d):
    X = g.standard_normal((n, d))
    X[1::2] = X[::2][: len(X[1::2])] * (1 + 1e-6 * g.standard_normal((len(X[1::2]), d)))
    return X


KINDS = {
    "gaussian": _gaussian,
    "duplicate_rows": _duplicate_rows,
    "zero_rows": _zero_rows,
    "opposite_rows": _opposite_rows,
    "rank_deficient": _rank_deficient,
    "ones_column": _ones_column,
    "integer_grid": _integer_grid,
    "grid_with_ones": _grid_with_ones,
    "constant_columns": _constant_columns,
    "one_signed": _one_signed,
    "uneven_scales": _uneven_scales,
    "nearly_parallel": _nearly_parallel,
}
DEGENERATE = tuple(kind for kind in KINDS if kind not in ("gaussian", "one_signed"))

# ---------------------------------------------------------------- targets


def _real_targets(g, X, kind):
    n = len(X)
    if kind == "noise":
        return g.standard_normal(n)
    if kind == "teacher":
        return np.maximum(X @ g.standard_normal((X.shape[1], 3)), 0.0) @ g.standard_normal(3)
    if kind == "one_sign":
        return np.abs(g.standard_normal(n)) + 0.1
    if kind == "large":
        return 30.0 * g.standard_normal(n)
    if kind == "ties":
        return g.integers(-2, 3, n).astype(float)
    raise ValueError(kind)


def _labels(g, X, kind):
    n = len(X)
    if kind == "one_sign":
        return np.full(n, g.choice([-1.0, 1.0]))
    if kind == "teacher":
        return np.where(X @ g.standard_normal(X.shape[1]) > 0.1, 1.0, -1.0)
    return g.choice([-1.0, 1.0], n)


TARGETS = ("noise", "teacher", "noise", "large", "noise", "ties", "noise", "one_sign")
FRACTIONS = (0.5, 0.1, 0.01, 0.001)
OPTIONS = ((), ("fit_intercept",), ("hidden_bias",), ("sample_weight",)) + (
    ("fit_intercept", "hidden_bias"),
    ("fit_intercept", "sample_weight"),
)


def random_instance(
    seed, loss, *, rows=(3, 12), columns=(1, 3), kind=None, fraction=None, options=None, target=None
):
    """Instance number ``seed``: everything that is not given is drawn."""
    g = np.random.default_rng([seed, sum(map(ord, loss))])
    kind = kind or list(KINDS)[int(g.integers(len(KINDS)))]
    fraction = fraction or FRACTIONS[int(g.integers(len(FRACTIONS)))]
    options = OPTIONS[int(g.integers(len(OPTIONS)))] if options is None else options
    target = target or TARGETS[int(g.integers(len(TARGETS)))]
    n, d = int(g.integers(rows[0], rows[1] + 1)), int(g.integers(columns[0], columns[1] + 1))
    d = min(d, 2) if "hidden_bias" in options else d  # rank 3 is as far as the references go cheaply
    X = KINDS[kind](g, n, d)
    if loss in CLASSIFICATION:
        y = _labels(g, X, target)
        if "fit_intercept" in options and abs(y.sum()) == len(y):
            y[0] = -y[0]  # one class alone has no best intercept
    else:
        y = _real_targets(g, X, target)
    chosen = {name: True for name in options if name != "sample_weight"}
    if "sample_weight" in options:
        w = g.choice([0.5, 1.0, 3.0, 0.0], n, p=[0.3, 0.3, 0.3, 0.1])
        if loss in CLASSIFICATION or not w.any():
            w = np.maximum(w, 0.25)
        chosen["sample_weight"] = w
    return Instance(f"{seed}-{kind}-{target}-{n}x{d}", X, y, loss, fraction, chosen)


def penalty_of(instance, patterns=None):
    """beta: the fraction of the dual correlation of the zero network, or of a thousandth of its scale.

    The floor matters where the targets cancel on parallel rows and every correlation is about zero.
    """
    y, w = instance.y, 1.0 if instance.weights is None else instance.weights
    if instance.loss == "huber":
        v = np.clip(y, -1.0, 1.0)
    else:
        v = 0.5 * y if instance.loss == "logistic" else y
    scale = float(np.linalg.norm(instance.rows, axis=1) @ np.abs(w * v))
    largest = dual_correlation(instance.rows, w * v, patterns)
    return instance.fraction * max(largest, 1e-3 * scale) or 1.0


# ---------------------------------------------------------------- published instances


def published(n, d, seed):
    """The specification's recipe ``inst(n, d, s)``: five ReLU neurons and noise."""
    g = np.random.default_rng(seed)
    X = g.standard_normal((n, d))
    A, b = g.standard_normal((d, 5)), g.standard_normal(5)
    return X, np.maximum(X @ A, 0.0) @ b + 0.3 * g.standard_normal(n)


# (n, d, seed, fraction): beta_max, optimum
PUBLISHED = {
    (20, 2, 11, 0.1): (36.10501360, 15.615505821),
    (60, 2, 12, 0.01): (98.35617272, 7.816340446),
    (40, 3, 13, 0.01): (49.68008248, 4.612285817),
    (60, 3, 14, 0.001): (69.84882144, 1.543551325),
    (25, 4, 15, 0.01): (86.23431827, 5.325235693),
    (20, 3, 1, 0.1): (13.562480540, 3.813891735),
}
