"""
Descent from ten initial points against the convex optimum
==========================================================

Pilanci and Ergen (2020): five samples in one dimension with a bias, and stochastic gradient descent
on networks with few and with many neurons.

**Published:** with few neurons some initial points end in a local minimum; with many, all reach the
optimum of the convex program.
**Found:** the same. How many end above the optimum is printed below for 5, 15 and 50 neurons, and
no run goes below it. At larger n the sub-sampled program stays above, the adaptive one does not.
"""

# %%
# Five samples
# ------------

import time

import matplotlib.pyplot as plt
import numpy as np

import nogap

BLUE, ORANGE, GREY = "#2256c7", "#b8500f", "#8a93a3"

X = np.column_stack([[-2.0, -1.0, 0.0, 1.0, 2.0], np.ones(5)])
y = np.array([1.0, -1.0, 1.0, 1.0, -1.0])
beta = 0.02
optimum = nogap.train(X, y, beta=beta, patterns="all", random_state=0)
print(optimum)


def sgd(m, starts=10, steps=60_000, rate=0.008, batch=2):
    """Objectives (steps, starts) of stochastic gradient descent, all initial points at once."""
    g = np.random.default_rng(m)
    U = 0.6 * g.standard_normal((starts, 2, m))
    a = g.standard_normal((starts, m, 1)) / np.sqrt(m)
    at = np.unique(np.geomspace(1, steps, 150).astype(int))
    values = []
    for step in range(1, steps + 1):
        if step == at[len(values)]:
            F = np.maximum(X @ U, 0) @ a - y[:, None]
            decay = np.sum(U**2, axis=(1, 2)) + np.sum(a**2, axis=(1, 2))
            values.append(0.5 * np.sum(F**2, axis=(1, 2)) + 0.5 * beta * decay)
        rows = g.integers(5, size=(starts, batch))
        x, target = X[rows], y[rows][:, :, None]
        Z = x @ U
        H = np.maximum(Z, 0)
        r = (H @ a - target) * (5 / batch)
        speed = rate / (1 + step / 20_000)
        step_a = H.transpose(0, 2, 1) @ r + beta * a
        U = U - speed * (x.transpose(0, 2, 1) @ ((r @ a.transpose(0, 2, 1)) * (Z > 0)) + beta * U)
        a = a - speed * step_a
    return at, np.array(values)


figure, panels = plt.subplots(1, 3, figsize=(11, 3.5), sharey=True, layout="constrained")
for panel, m in zip(panels, (5, 15, 50), strict=True):
    at, values = sgd(m)
    final = values[-1]
    panel.plot(at, values, color=BLUE, linewidth=0.8, alpha=0.7)
    panel.axhline(optimum.objective, color=ORANGE, linestyle="--", linewidth=1.5)
    panel.set(xscale="log", yscale="log", xlabel="step", title=f"{m} neurons")
    panel.spines[["top", "right"]].set_visible(False)
    stuck = int(np.sum(final > 1.1 * optimum.objective))
    print(
        f"{m} neurons: {stuck} of 10 end more than 10 % above the optimum "
        f"{optimum.objective:.6f}; the best {final.min():.6f}"
    )
panels[0].set_ylabel("objective")
panels[0].plot([], [], color=BLUE, label="descent, ten initial points")
panels[0].plot([], [], color=ORANGE, linestyle="--", label="optimum, proved")
panels[0].legend(frameon=False, fontsize=8)

# %%
# More samples: exact, sub-sampled and adaptive
# ---------------------------------------------
# Sixty samples in three dimensions. A sub-sampled program is optimal among the patterns that it has
# seen; the adaptive one needs none in advance and carries a proof.

g = np.random.default_rng(1)
X = g.standard_normal((60, 3))
y = np.sin(2 * X[:, 0]) + X[:, 1] * (X[:, 2] > 0) + 0.1 * g.standard_normal(60)
runs = []
for name, patterns in (
    ("exact", "all"),
    ("adaptive", "adaptive"),
    *[(f"{p}", p) for p in (20, 60, 180)],
):
    began = time.perf_counter()
    solution = nogap.train(X, y, beta=0.5, patterns=patterns, random_state=0)
    runs.append((name, solution, time.perf_counter() - began))
best = max(solution.certificate.lower_bound for _, solution, _ in runs)
figure, panel = plt.subplots(figsize=(7, 3.3), layout="constrained")
for k, (name, solution, seconds) in enumerate(runs):
    above = max(100 * (solution.objective / best - 1), 1e-8)
    sampled = name.isdigit()
    panel.bar(k, above, color=ORANGE if sampled else BLUE)
    print(f"{name:9s} objective {solution.objective:.6f}, {seconds:.1f} s, {solution.status}")
labels = [f"{name} patterns" if name.isdigit() else name for name, _, _ in runs]
panel.set_xticks(range(len(runs)), labels)
panel.set(yscale="log", ylabel="percent above the proved bound")
panel.spines[["top", "right"]].set_visible(False)

plt.show()
