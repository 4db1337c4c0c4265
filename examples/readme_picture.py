"""Draws the picture of the README: a fitted function with its neurons, and how its gap closed."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import StandardScaler

import nogap

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "readme.png"
BLUE, ORANGE, GREY = "#2256c7", "#b8500f", "#8a93a3"


def main() -> None:
    """Train on one column (proved) and on all ten (estimated), and draw both."""
    data = load_diabetes(scaled=False)
    progression = (data.target - data.target.mean()) / data.target.std()
    scaler = StandardScaler().fit(data.data)
    X = scaler.transform(data.data)
    bmi = X[:, [2]]
    one = nogap.train(
        bmi, progression, beta=2.0, hidden_bias=True, fit_intercept=True, random_state=0
    )
    ten = nogap.train(
        X, progression, beta=5.0, hidden_bias=True, fit_intercept=True, random_state=0
    )
    print(one, ten, sep="\n")

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    draw_function(left, bmi[:, 0] * scaler.scale_[2] + scaler.mean_[2], bmi, progression, one)
    draw_gap(right, ten)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=150)


def draw_function(axes, values, bmi, progression, solution) -> None:
    """Data, the fitted function, and the kink of each neuron."""
    order = np.argsort(values)
    network = solution.network
    axes.plot(values, progression, ".", color=GREY, markersize=4, alpha=0.6)
    axes.plot(values[order], network.predict(bmi)[order], color=BLUE, linewidth=2.5)
    kinks = -network.hidden_bias / network.hidden_weights[:, 0]
    scale = (values[order[-1]] - values[order[0]]) / (bmi[order[-1], 0] - bmi[order[0], 0])
    inside = (kinks > bmi.min()) & (kinks < bmi.max())
    at = values[order[0]] + scale * (kinks[inside] - bmi[order[0], 0])
    axes.plot(at, network.predict(kinks[inside][:, None]), "o", color=ORANGE)
    axes.set(xlabel="body mass index", ylabel="progression (standardised)")
    percent = 100 * solution.certificate.relative_gap
    axes.set_title(
        f"{network.n_neurons} neurons, at most {percent:.1g} % above the optimum (proved)",
        fontsize=10,
    )


def draw_gap(axes, solution) -> None:
    """The gap that each round stated, beside its distance to the objective of the end."""
    rounds, last = solution.history, solution.objective
    time = [r.time for r in rounds]
    stated = [100 * (r.objective - r.lower_bound) / r.objective for r in rounds]
    above = [100 * (r.objective - last) / last for r in rounds]
    axes.semilogy(time, stated, "s--", color=ORANGE, label="gap stated (estimate by search)")
    axes.semilogy(time, above, "o-", color=BLUE, label="objective above its last value")
    axes.set_yscale("log", nonpositive="mask")
    axes.set(xlabel="seconds", ylabel="% of the training objective")
    axes.legend(frameon=False)
    axes.set_title(f"All ten columns: {solution.network.n_neurons} neurons", fontsize=10)


if __name__ == "__main__":
    main()
