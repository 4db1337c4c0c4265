"""
A gradient without the mask
===========================

The squared error of one ReLU neuron, ``f(u) = 1/2 ||relu(X u) - y||^2``, has local minima: rows on
which the neuron is dead do not pull. Leaving the mask out of the gradient makes them pull, and what
descends then is a convex surrogate, ``f(u) + y' relu(-X u)`` (Ergen and Pilanci 2019).

**Published:** for non-negative targets the surrogate has only global minima, and descent on it
finds a planted neuron; with several neurons the modified gradient is that of a convex function, and
converges to the global optimum.
**Found:** for one neuron it holds, although the neuron found is the planted one only where the
minimiser is unique. For several neurons the potential is neither convex nor continuous; what does
hold is that a vanishing modified gradient means a fit if the rows are linearly independent. There
descent always arrived. With more rows than columns it is as lost as plain gradient descent.
"""

# %%
# One neuron: the error, the surrogate, and their descents
# --------------------------------------------------------
# Six rows in the plane, planted targets (the cross). Both descents have the same starts and steps;
# on the error some end where the rows with positive targets are dead, and nothing pulls.

import warnings

import matplotlib.pyplot as plt
import numpy as np

import nogap
from nogap.surrogate import modified_gradients, surrogate_value

BLUE, ORANGE, GREY = "#2256c7", "#b8500f", "#8a93a3"
warnings.simplefilter("ignore")  # where there is no guarantee the library says so


def error(X, y, U):
    return 0.5 * np.sum((np.maximum(X @ U.T, 0).sum(axis=1) - y) ** 2)


def descent(X, y, U, masked=True, steps=2000):
    """Plain gradient descent on the error, or along the modified gradient: all iterates."""
    length = 1 / (len(U) * np.linalg.norm(X, 2) ** 2)
    path = [U]
    for _ in range(steps):
        Z = X @ U.T
        R = np.maximum(Z, 0).sum(axis=1) - y
        step = ((Z >= 0) * R[:, None]).T @ X if masked else modified_gradients(X, y, U)
        if np.abs(step).max() <= 1e-12 * np.abs(y).max():
            break
        U = U - length * step
        path.append(U)
    return np.array(path)


rng = np.random.default_rng(38)
X, neuron = rng.standard_normal((6, 2)), np.array([0.9, 0.5])
y = np.maximum(X @ neuron, 0)
side = np.linspace(-2, 2, 161)
grid = np.stack(np.meshgrid(side, side), axis=-1)
heights = {
    "the error": np.array([[error(X, y, u[None]) for u in row] for row in grid]),
    "the surrogate": np.array([[surrogate_value(X, y, u) for u in row] for row in grid]),
}
starts = np.array([[-1.7, -1.2], [-1.5, 1.4], [0.4, -1.8], [-0.3, -1.0], [1.8, 1.7]])
figure, panels = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained", sharey=True)
for panel, (name, height) in zip(panels, heights.items(), strict=True):
    levels = np.unique(np.quantile(height, np.linspace(0, 1, 16)))
    panel.contour(side, side, height, levels=levels, colors=GREY, linewidths=0.6)
    for start in starts:
        path = descent(X, y, start[None], masked=name == "the error")[:, 0]
        panel.plot(*path.T, color=BLUE, linewidth=1.2)
        panel.plot(*path[0], "o", color=BLUE, markersize=4)
        panel.plot(*path[-1], "s", color=BLUE, markersize=5)
    panel.plot(*neuron, "x", color=ORANGE, markersize=11, markeredgewidth=3, zorder=5)
    panel.set(aspect="equal", title=f"Descent on {name}", xlabel="first weight")
    panel.spines[["top", "right"]].set_visible(False)
panels[0].set_ylabel("second weight")

# %%
# How often planted targets are fitted
# ------------------------------------
# Over random starts and data: one neuron for n > d and n <= d, then two and three neurons.

shapes = [(40, 10, 1, 30), (12, 10, 1, 30), (8, 10, 1, 30), (10, 12, 2, 20), (20, 25, 3, 20)]
shapes += [(30, 12, 3, 10), (60, 10, 3, 10)]
counts = []
for n, d, m, runs in shapes:
    fitted, plain, recovered = 0, 0, 0
    steps = 10_000 if m == 1 or n <= d else 3000
    for seed in range(runs):
        g = np.random.default_rng(seed)
        X, teacher = g.standard_normal((n, d)), g.standard_normal((m, d))
        y = np.maximum(X @ teacher.T, 0).sum(axis=1)
        start = g.standard_normal((m, d)) / np.sqrt(d)
        solution = nogap.modified_gradient(X, y, m, start, max_iter=steps, tol=1e-6)
        fitted += solution.objective <= 1e-9 * y @ y
        recovered += m == 1 and np.allclose(solution.network.hidden_weights, teacher, atol=1e-3)
        plain += error(X, y, descent(X, y, start)[-1]) <= 1e-9 * y @ y
    counts.append((fitted / runs, plain / runs))
    extra = f", the planted neuron {recovered}" if m == 1 else ""
    print(
        f"{n} rows, {d} columns, {m} neurons: modified gradient {fitted} of {runs}{extra}; "
        f"plain gradient descent {plain} of {runs}"
    )
figure, panel = plt.subplots(figsize=(9, 3.6), layout="constrained")
places, shares = np.arange(len(shapes)), np.array(counts)
panel.bar(places - 0.2, shares[:, 0], 0.38, color=BLUE, label="modified gradient")
panel.bar(places + 0.2, shares[:, 1], 0.38, color=ORANGE, label="plain gradient descent")
panel.set_xticks(
    places, [f"{n} x {d}\n{m} neuron{'s' if m > 1 else ''}" for n, d, m, _ in shapes], fontsize=9
)
panel.set(ylabel="share of starts that fit", ylim=(0, 1.05))
panel.spines[["top", "right"]].set_visible(False)
panel.legend(frameon=False, loc="upper right")

# %%
# What it refuses, and what it warns of
# -------------------------------------

warnings.simplefilter("default")
try:
    nogap.modified_gradient([[1.0], [2.0]], [1.0, -3.0])
except ValueError as refusal:
    print("refused:", refusal)
cases = {"negative targets": ([[1.0], [-1.0], [2.0]], [-1.0, 1.0, 2.0], 1)}
cases["more rows than columns"] = (np.ones((3, 1)), np.ones(3), 2)
cases["many minimisers"] = (np.eye(3), [1.0, 0.0, 0.0], 1)
for name, (X, y, m) in cases.items():
    with warnings.catch_warnings(record=True) as caught:
        nogap.modified_gradient(X, y, m, random_state=0)
    for warning in caught:
        print(f"{name}: {warning.message}")

plt.show()
