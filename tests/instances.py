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
OPTIONS = (
    (),
    ("fit_intercept",),
    ("hidden_bias",),
    ("sample_weight",),
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
    d = (
        min(d, 2) if "hidden_bias" in options else d
    )  # rank 3 is as far as the references go cheaply
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


# ---------------------------------------------------------------- the hundred of adaptive training

ADAPTIVE_ROWS = (5, 40)

# (seed, loss): beta, optimum.  Computed once with train(patterns="all") and closed from below with
# dual_correlation() and dual_value() of tests.reference: every optimum is within 4e-8 (relative).
ADAPTIVE = {
    (1000, "squared"): (0.0548689, 0.528899765098),
    (1001, "squared"): (0.0601425, 9.81433102001),
    (1002, "squared"): (0.0177369, 19.6799016413),
    (1003, "squared"): (4.48845, 7.10929627498),
    (1004, "squared"): (20.8598, 15.7131096543),
    (1005, "squared"): (0.522725, 16.7420798856),
    (1006, "squared"): (0.292576, 8.97809690327),
    (1007, "squared"): (0.373451, 10126.4623399),
    (1008, "squared"): (0.955589, 1.40508219974),
    (1009, "squared"): (9.12901, 20.3208844129),
    (1010, "squared"): (0.732255, 8.41693797769),
    (1011, "squared"): (0.063913, 9.09050358816),
    (1012, "squared"): (0.112461, 17.0414176093),
    (1013, "squared"): (0.0616351, 237.149267351),
    (1014, "squared"): (0.0310344, 0.00231691004453),
    (1015, "squared"): (1.08767, 15.3529995398),
    (1016, "squared"): (0.00829281, 0.552915379728),
    (1017, "squared"): (0.00203294, 0.00170664010979),
    (1018, "squared"): (0.677003, 17.796045177),
    (1019, "squared"): (0.0282381, 14.5599036897),
    (1000, "logistic"): (1.55247, 12.9074851478),
    (1001, "logistic"): (0.976188, 8.60158119276),
    (1002, "logistic"): (0.000141421, 13.8629436112),
    (1003, "logistic"): (3.12771, 11.0416016593),
    (1004, "logistic"): (0.099415, 1.75260679822),
    (1005, "logistic"): (5.21301, 14.9607911377),
    (1006, "logistic"): (0.00431773, 1.44156347769),
    (1007, "logistic"): (1.25, 6.52394288306),
    (1008, "logistic"): (0.00958876, 1.53273994315),
    (1009, "logistic"): (0.296514, 3.36505833505),
    (1010, "logistic"): (0.00271824, 0.03334504306),
    (1011, "logistic"): (7.60681, 18.3412249042),
    (1012, "logistic"): (0.361176, 14.647391145),
    (1013, "logistic"): (0.00399592, 3.29796101439),
    (1014, "logistic"): (0.0722488, 6.38572688839),
    (1015, "logistic"): (0.0198075, 9.74159042201),
    (1016, "logistic"): (0.626894, 9.89773752188),
    (1017, "logistic"): (0.0145, 0.124709460059),
    (1018, "logistic"): (1.90394, 15.050937035),
    (1019, "logistic"): (0.0543979, 14.8961939678),
    (1000, "hinge"): (1.18184, 10.1274005502),
    (1001, "hinge"): (1.72265, 31.2498608766),
    (1002, "hinge"): (0.00225416, 0.431044834767),
    (1003, "hinge"): (0.024937, 2.65564539164),
    (1004, "hinge"): (0.75, 41.0),
    (1005, "hinge"): (0.0861853, 0.524986067562),
    (1006, "hinge"): (0.00101752, 6.93716989533),
    (1007, "hinge"): (4.98183, 30.7826324911),
    (1008, "hinge"): (0.0494205, 0.0494205),
    (1009, "hinge"): (0.0897218, 0.135761299229),
    (1010, "hinge"): (1.80278, 7.50000524349),
    (1011, "hinge"): (0.009, 35.009),
    (1012, "hinge"): (15.5, 15.5),
    (1013, "hinge"): (4.17168, 34.0),
    (1014, "hinge"): (3.15387, 20.0),
    (1015, "hinge"): (0.00950013, 0.045900086165),
    (1016, "hinge"): (9.25216, 9.25216),
    (1017, "hinge"): (6.60761, 1.0),
    (1018, "hinge"): (0.0223955, 0.272369517036),
    (1019, "hinge"): (0.0817302, 7.01159614174),
    (1000, "squared_hinge"): (1.65519, 25.5564487808),
    (1001, "squared_hinge"): (0.142903, 13.8839433417),
    (1002, "squared_hinge"): (0.0137502, 1.87704753314),
    (1003, "squared_hinge"): (6.7669, 8.77319587629),
    (1004, "squared_hinge"): (65.2064, 17.8019997542),
    (1005, "squared_hinge"): (2.82843, 5.33333333333),
    (1006, "squared_hinge"): (0.0594419, 4.82034142528),
    (1007, "squared_hinge"): (0.017003, 6.7096477051),
    (1008, "squared_hinge"): (90.2102, 17.1690270627),
    (1009, "squared_hinge"): (0.00437081, 12.0364783678),
    (1010, "squared_hinge"): (0.00487004, 17.9305724792),
    (1011, "squared_hinge"): (25.9657, 16.5227866893),
    (1012, "squared_hinge"): (0.00424264, 1.60179909971),
    (1013, "squared_hinge"): (0.0627295, 13.9659881814),
    (1014, "squared_hinge"): (0.401852, 12.8508652649),
    (1015, "squared_hinge"): (14.1427, 1.83333333333),
    (1016, "squared_hinge"): (4.31361, 12.5972629295),
    (1017, "squared_hinge"): (0.0110454, 10.0426287401),
    (1018, "squared_hinge"): (0.00300788, 0.187898741497),
    (1019, "squared_hinge"): (0.0632015, 15.3383014772),
    (1000, "huber"): (0.990323, 17.6811778867),
    (1001, "huber"): (0.0103985, 0.0154555854151),
    (1002, "huber"): (2.78593, 486.385335363),
    (1003, "huber"): (0.0128735, 46.6940919036),
    (1004, "huber"): (1.1275, 9.21386029315),
    (1005, "huber"): (0.0252369, 0.00922858089858),
    (1006, "huber"): (27.1146, 15.1291640198),
    (1007, "huber"): (0.0196202, 1008.624163),
    (1008, "huber"): (1.06248, 17.4211345965),
    (1009, "huber"): (0.927313, 12.949090726),
    (1010, "huber"): (0.0132815, 0.935367959444),
    (1011, "huber"): (0.708428, 11.8081515204),
    (1012, "huber"): (0.577152, 0.617707577942),
    (1013, "huber"): (0.00248158, 7.20331766513),
    (1014, "huber"): (0.00700598, 0.0761316345761),
    (1015, "huber"): (0.181674, 3.38768415345),
    (1016, "huber"): (0.00913804, 2.95817202385),
    (1017, "huber"): (0.0252935, 0.0651031673879),
    (1018, "huber"): (5.68252, 7.44574984727),
    (1019, "huber"): (0.00656481, 6.40880713082),
}


def adaptive_instance(seed, loss):
    """Instance, beta and optimum of one of the hundred (n 5..40, d 1..3)."""
    return random_instance(seed, loss, rows=ADAPTIVE_ROWS), *ADAPTIVE[seed, loss]
