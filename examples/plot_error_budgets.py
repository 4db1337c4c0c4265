"""
A budget of error for every class
=================================

With ten samples of a rare class and a hundred of a frequent one, a network that minimises the total
error gives up the rare class. Weighting the classes is the usual remedy. A hard budget is another:
*every class must keep its mean absolute error on the training rows below one half* (Zohrizadeh et
al., "Convex relaxation for training neural networks", who report large gains over Adam on pairs of
classes of the Yeast data).

Labels are coded as -1 and 1. The coding matters: with 0 and 1, the constant one half meets the
budget and the constraint does nothing.

If the environment variable ``NOGAP_DATA`` names a folder with ``yeast.npz`` (arrays ``X``, ``y``
and ``class_names``, with NUC and MIT among them), the original data are used; otherwise breast
cancer data that ship with scikit-learn, blurred by noise so that the classes overlap.
"""

# %%
# Data and networks
# -----------------

from __future__ import annotations

import os
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler

from nogap import ConstrainedMLPClassifier

SPLITS, RATIOS, RARE = 4, (2, 5, 10), 10
HIDDEN = (6, 6)


def load() -> tuple[str, np.ndarray, np.ndarray]:
    """Name, features, and whether a row belongs to the class that will be rare."""
    path = Path(os.environ.get("NOGAP_DATA", "")) / "yeast.npz"
    if os.environ.get("NOGAP_DATA") and path.is_file():
        with np.load(path) as archive:
            X, y = archive["X"].astype(np.float64), archive["class_names"][archive["y"]]
        pair = np.isin(y, ["NUC", "MIT"])
        return "Yeast, MIT (rare) against NUC", X[pair], y[pair] == "MIT"
    data = load_breast_cancer()
    X = StandardScaler().fit_transform(data.data[:, :8])
    noise = 1.5 * np.random.default_rng(0).normal(size=X.shape)
    return "Breast cancer with noise, malignant rare", X + noise, data.target == 0


def split(X, rare, ratio: int, seed: int):
    """RARE rows of the rare class, ``ratio`` times as many others; a balanced test set."""
    rng = np.random.default_rng(seed)
    one, other = rng.permutation(np.flatnonzero(rare)), rng.permutation(np.flatnonzero(~rare))
    train = np.concatenate([one[:RARE], other[: ratio * RARE]])
    size = min(one.size - RARE, other.size - ratio * RARE, 100)
    test = np.concatenate([one[RARE:][:size], other[ratio * RARE :][:size]])
    scaler = StandardScaler().fit(X[train])
    coded = np.where(rare, 1.0, -1.0)
    return scaler.transform(X[train]), coded[train], scaler.transform(X[test]), coded[test]


# %%
# The rivals are the same network trained by Adam with the squared error: plain, with the classes
# weighted by their frequency, and with random class weights. Weights are given as repeated rows.
# Each runs for 2000 full-batch steps, long enough to over-train on a few rows, and for 200: where
# Adam stops decides much, and no rule for it was fixed by the original.


def adam(X, y, factor: int, steps: int, seed: int):
    rows = np.concatenate([np.flatnonzero(y < 0), np.repeat(np.flatnonzero(y > 0), factor)])
    model = MLPRegressor(
        hidden_layer_sizes=HIDDEN, activation="tanh", solver="adam", learning_rate_init=0.01,
        batch_size=rows.size, max_iter=steps, tol=0.0, n_iter_no_change=steps, alpha=0.0,
        random_state=seed,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X[rows], y[rows])


def budget(X, y, value, seed: int):
    model = ConstrainedMLPClassifier(
        HIDDEN, error_budget=value, warm_up=0, max_iter=30, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y)


def methods(ratio: int, seed: int):
    weight = int(np.random.default_rng(seed).integers(1, 2 * ratio + 1))
    return {
        "budget 1/2": lambda X, y: budget(X, y, 0.5, seed),
        "no budget": lambda X, y: budget(X, y, None, seed),
        "Adam 2000": lambda X, y: adam(X, y, 1, 2000, seed),
        "Adam weighted 2000": lambda X, y: adam(X, y, ratio, 2000, seed),
        "Adam random weights 2000": lambda X, y: adam(X, y, weight, 2000, seed),
        "Adam weighted 200": lambda X, y: adam(X, y, ratio, 200, seed),
    }


name, X, rare = load()
errors = {method: np.zeros((len(RATIOS), SPLITS)) for method in methods(1, 0)}
held = []
for i, ratio in enumerate(RATIOS):
    for seed in range(SPLITS):
        train_X, train_y, test_X, test_y = split(X, rare, ratio, seed)
        for method, fit in methods(ratio, seed).items():
            model = fit(train_X, train_y)
            outputs = getattr(model, "decision_function", model.predict)(test_X)
            errors[method][i, seed] = np.mean((outputs > 0) != (test_y > 0))
            if method == "budget 1/2":
                held.append(model.excess_ <= 1e-6)

# %%
# What was found
# --------------
# Test error on the balanced test sets, with the standard error over the splits.

print(f"{name}; the budgets held in {sum(held)} of {len(held)} runs")
figure, axis = plt.subplots(figsize=(8, 4), layout="constrained")
colours = ["#2256c7", "#7aa2f0", "#8a93a3", "#b8500f", "#e0a070", "#5a4632"]
for k, (method, values) in enumerate(errors.items()):
    mean, spread = values.mean(axis=1), values.std(axis=1, ddof=1) / np.sqrt(SPLITS)
    places = np.arange(len(RATIOS)) + 0.13 * (k - 2.5)
    axis.bar(places, mean, 0.12, yerr=spread, color=colours[k], label=method, capsize=2)
    print(
        f"{method:26s}", "  ".join(f"{m:.3f} ({s:.3f})" for m, s in zip(mean, spread, strict=True))
    )
axis.set_xticks(range(len(RATIOS)), [f"{ratio} : 1" for ratio in RATIOS])
axis.set(xlabel="imbalance of the training rows", ylabel="test error (balanced)", title=name)
axis.set_ylim(0, 0.65)
axis.legend(frameon=False, fontsize=8, ncols=3, loc="upper left")
axis.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# The budget improves on the same network without it where the imbalance is strong, and it holds on
# the training rows (or the fit says that it does not), which no weighting promises. On the Yeast
# data we found errors of 0.249, 0.246 and 0.233 for the ratios 2, 5 and 10 (standard errors below
# 0.01; the budgets held in 11 of 12 runs, and the twelfth said so), against 0.251, 0.293 and 0.429
# without budgets, 0.284, 0.345 and 0.393 for weighted Adam after 2000 steps, and 0.264, 0.325 and
# 0.325 after 200. Against Adam the comparison hangs on when it stops: the published advantage is
# over baselines trained for very long, and with early stopping chosen on the test set we have seen
# weighted Adam come as low as the budget.
