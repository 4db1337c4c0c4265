"""
Every optimal network of one problem
====================================

Optimal predictions are unique, optimal networks need not be. The possible neurons are few (one a
cell of the data and sign, at most), and the optimal networks are a polytope of their sizes:
vertices with independent neurons, and mixtures of those (Mishkin and Pilanci 2023; Wang, Lacotte
and Pilanci 2022).

**Published:** the optimal set is a polytope; between any two optimal networks there is a path of
optimal ones; minimal networks are vertices and have at most n neurons.
**Found:** so it is; the fewest neurons are found by integer programming, and every network on the
path has the optimal objective to the last digits.
"""

# %%
# Smallest and largest
# --------------------
# Rows on a grid, so that neurons of different cells can stand in for each other.

import matplotlib.pyplot as plt
import numpy as np

import nogap

BLUE, ORANGE, GREY = "#2256c7", "#b8500f", "#8a93a3"

rng = np.random.default_rng(2)
X = rng.integers(-1, 2, (12, 2)).astype(float)
y = rng.integers(-2, 3, 12).astype(float)
found = nogap.optimal_set(X, y, beta=0.1)
smallest, largest = found.minimal(), found.largest()
print(found)
print(f"fewest neurons {smallest.n_neurons}, most {largest.n_neurons}, unique: {found.is_unique()}")

figure, panels = plt.subplots(
    1, 2, figsize=(9, 4.2), layout="constrained", sharex=True, sharey=True
)
for panel, network, name in ((panels[0], smallest, "smallest"), (panels[1], largest, "largest")):
    for u, s, size in zip(found.directions, found.signs, found.sizes(network), strict=True):
        tip = size * u
        panel.plot(*u, ".", color=GREY, markersize=4)
        if size > 0:
            colour = BLUE if s > 0 else ORANGE
            panel.annotate(
                "", tip, (0, 0), arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 2}
            )
    angle = np.linspace(0, 2 * np.pi, 200)
    panel.plot(np.cos(angle), np.sin(angle), color=GREY, linewidth=0.6)
    panel.set(aspect="equal", title=f"{name}: {network.n_neurons} neurons", xlabel="first weight")
    panel.set(xlim=(-2.2, 2.2), ylim=(-2.2, 2.2))
    panel.spines[["top", "right"]].set_visible(False)
panels[0].set_ylabel("second weight")
panels[0].plot([], [], color=BLUE, label="output weight positive")
panels[0].plot([], [], color=ORANGE, label="output weight negative")
panels[0].legend(frameon=False, loc="lower left", fontsize=8)

# %%
# A path between two of them
# --------------------------
# All mixtures of two vertices are optimal: their sizes move in a straight line. A straight line
# between the weights themselves leaves the set. Here the predictions are the same everywhere, not
# only at the data, whose directions fix a function with these kinks.

vertices = found.vertices()
first, last = found.sizes(vertices[0]), found.sizes(vertices[-1])
steps = np.linspace(0, 1, 41)
sizes = np.array([(1 - t) * first + t * last for t in steps])
path = [found.network(a) for a in sizes]
straight = [found.network(((1 - t) * first**0.5 + t * last**0.5) ** 2) for t in steps]
excess, above = (
    np.array([n.objective(X, y, beta=0.1) / found.objective - 1 for n in networks])
    for networks in (path, straight)
)
print(f"{len(vertices)} vertices; largest relative excess on the path {np.abs(excess).max():.0e}")
apart = np.abs(vertices[0].predict(10 * X + 1) - vertices[-1].predict(10 * X + 1)).max()
print(f"largest difference of the two functions away from the data {apart:.0e}")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
for k in range(sizes.shape[1]):
    left.plot(steps, sizes[:, k], color=BLUE if found.signs[k] > 0 else ORANGE, linewidth=1.8)
left.set(xlabel="along the path", ylabel="size of each neuron", title="Neurons come and go")
right.plot(steps, 100 * excess, color=BLUE, linewidth=2, label="sizes mixed")
right.plot(steps, 100 * above, color=ORANGE, linewidth=2, label="weights mixed")
right.set(xlabel="along the path", ylabel="percent above the optimum", title="Objective")
right.legend(frameon=False)
for panel in (left, right):
    panel.spines[["top", "right"]].set_visible(False)

# %%
# How many a problem has
# ----------------------
# Generic data have one optimal network. Random points of the polytope come from ``sample``.

for seed in range(6):
    g = np.random.default_rng(seed)
    rows, target = g.integers(-1, 2, (12, 2)).astype(float), g.integers(-2, 3, 12).astype(float)
    other = nogap.optimal_set(rows, target, beta=0.1)
    print(
        f"seed {seed}: {other.signs.size} possible neurons, {len(other.vertices())} vertices, "
        f"from {other.minimal().n_neurons} to {other.largest().n_neurons} neurons"
    )

plt.show()
