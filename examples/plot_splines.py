"""
One-dimensional data: the optimal network is a spline
=====================================================

With one input and free hidden biases, a two-layer ReLU network of any width is a linear spline,
and weight decay is the total variation of its slope (Savarese, Evron, Soudry and Srebro 2019).
Ergen and Pilanci (2021) write the training problem as a lasso whose columns have their kinks at the
data points.

**Published:** the optimal kinks lie at data points, and the problem is that lasso.
**Found:** so it is, *if the lasso has a free intercept*, which the printed program leaves out. With
a bias that is penalised the kinks move off the data.
"""

# %%
# A spline for each beta
# ----------------------
# Every fit below is the global optimum, proved by its dual point; the dots are all its kinks.

import time

import matplotlib.pyplot as plt
import numpy as np

import nogap
from nogap.closed_form import one_dimensional

BLUE, ORANGE, GREY = "#2256c7", "#b8500f", "#8a93a3"

rng = np.random.default_rng(0)
x = np.sort(rng.uniform(-3, 3, 120))
y = np.sin(2 * x) * np.exp(-0.1 * x**2) + 0.2 * rng.standard_normal(x.size)


def kinks_of(network):
    """Where the neurons of a network with one input switch, inside the data."""
    at = -network.hidden_bias / network.hidden_weights[:, 0]
    return np.unique(at[(at > x[0] + 1e-9) & (at < x[-1] - 1e-9)].round(9))


figure, panels = plt.subplots(1, 3, figsize=(11, 3.4), sharey=True, layout="constrained")
for panel, beta in zip(panels, (0.05, 0.5, 5.0), strict=True):
    solution = one_dimensional(x, y, beta)
    kinks = kinks_of(solution.network)
    panel.plot(x, y, ".", color=GREY, markersize=4)
    panel.plot(x, solution.network.predict(x[:, None]), color=BLUE, linewidth=2)
    panel.plot(kinks, solution.network.predict(kinks[:, None]), "o", color=ORANGE)
    nearest = np.abs(kinks[:, None] - x).min(axis=1).max()
    panel.set_title(
        f"beta = {beta:g}: {kinks.size} kinks, gap {solution.certificate.relative_gap:.0e}"
    )
    panel.set_xlabel("x")
    panel.spines[["top", "right"]].set_visible(False)
    print(f"beta {beta:g}: {solution.status}, kinks at most {nearest:.0e} from a data point")

# %%
# A hidden bias that is penalised, as a ones column of the data is, gives another problem.

penalised = nogap.train(x[:, None], y, beta=0.5, hidden_bias=True, random_state=0)
moved = np.abs(kinks_of(penalised.network)[:, None] - x).min(axis=1)
print(f"penalised biases: kinks up to {moved.max():.2g} from the nearest data point")

# %%
# The dual point shows why
# ------------------------
# The correlation of a kink at t with the residual, ``v' relu(x - t)``, stays within plus and minus
# beta, and kinks sit where it touches. It is linear between data points, so it touches there.

solution = one_dimensional(x, y, 0.5)
v = solution.certificate.dual
correlation = np.array([v @ np.maximum(x - t, 0) for t in x])
kinks = kinks_of(solution.network)
figure, panel = plt.subplots(figsize=(7, 3.2), layout="constrained")
panel.plot(x, correlation, color=BLUE, label="v' relu(x - t)")
panel.axhline(0.5, color=GREY, linestyle="--", linewidth=1)
panel.axhline(-0.5, color=GREY, linestyle="--", linewidth=1, label="plus and minus beta")
panel.plot(kinks, np.interp(kinks, x, correlation), "o", color=ORANGE, label="kinks of the network")
panel.set(xlabel="t", ylabel="correlation")
panel.spines[["top", "right"]].set_visible(False)
panel.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.17), ncols=3)

# %%
# Ten thousand points
# -------------------
# The program is solved on a few knots; one pass over the data prices all kinks, and the violated
# ones join.

x = rng.uniform(-3, 3, 10_000)
y = np.sin(2 * x) * np.exp(-0.1 * x**2) + 0.2 * rng.standard_normal(x.size)
labels = np.where(y > 0, 1.0, -1.0)
for loss, target in (("squared", y), ("huber", y), ("logistic", labels), ("hinge", labels)):
    began = time.perf_counter()
    solution = one_dimensional(x, target, 5.0, loss)
    print(
        f"{loss:8s} {time.perf_counter() - began:.2f} s, {solution.network.n_neurons} neurons, "
        f"relative gap {solution.certificate.relative_gap:.0e} ({solution.certificate.kind})"
    )

plt.show()
