"""
The geometry of the optimal neurons
===================================

All outputs that one neuron can have on the data, ``relu(X u)`` with ``||u|| <= 1``, are a rectified
ellipsoid. Its convex hull (with the mirror image, for negative output weights) is the unit ball of
the norm that weight decay comes to, and optimal neurons are its extreme points in the direction of
the dual point (Ergen and Pilanci 2021).

**Published:** neurons are extreme points of the dual set; for spike-free data the rectified
ellipsoid stays inside the linear one, and one cone suffices; minimum-norm interpolation is the
limit of training as beta goes to zero; classification regions follow from a kernel matrix.
**Found:** all four hold. Whether data are spike-free is read off the inverse Gram matrix. In more
than one dimension the kernel is that of the optimal neurons themselves, and it has to know the data
points on which they switch.
"""

# %%
# Two samples: the rectified ellipsoid
# ------------------------------------

import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial import ConvexHull

import nogap
from nogap.closed_form import spike_free

BLUE, ORANGE, GREY = "#2256c7", "#b8500f", "#8a93a3"

angle = np.linspace(0, 2 * np.pi, 721)
U = np.column_stack([np.cos(angle), np.sin(angle)])
y = np.array([1.0, 0.55])
data = {
    "spike-free": np.array([[1.0, 0.0], [0.6, 0.7]]),
    "not spike-free": np.array([[1.0, 0.0], [-0.6, 0.7]]),
}
figure, panels = plt.subplots(
    1, 2, figsize=(9, 4.4), layout="constrained", sharex=True, sharey=True
)
for panel, (name, X) in zip(panels, data.items(), strict=True):
    linear, rectified = U @ X.T, np.maximum(U @ X.T, 0)
    both = np.concatenate([rectified, -rectified])
    hull = both[ConvexHull(both).vertices]
    panel.fill(*hull.T, color=BLUE, alpha=0.12)
    panel.plot(*linear.T, color=GREY, linewidth=1, label="X u, linear neurons")
    panel.plot(*rectified.T, color=BLUE, linewidth=2, label="relu(X u)")
    solution = nogap.interpolate(X, y)
    v = solution.certificate.dual
    network = solution.network
    units = network.hidden_weights / np.linalg.norm(network.hidden_weights, axis=1, keepdims=True)
    points = np.maximum(units @ X.T, 0) * np.sign(network.output_weights)
    panel.plot(*points.T, "o", color=ORANGE, label="optimal neurons")
    along = np.array([-v[1], v[0]]) / (v @ v) ** 0.5
    support = y / solution.objective + np.multiply.outer([-0.4, 0.4], along)
    panel.plot(*support.T, color=ORANGE, linestyle="--", linewidth=1.2, label="v'z = 1")
    panel.plot(*(y / solution.objective), "x", color="black", label="y / R")
    panel.set(aspect="equal", title=f"{name}: neurons {network.n_neurons}", xlabel="first sample")
    panel.spines[["top", "right"]].set_visible(False)
    inverse = np.linalg.inv(X @ X.T)
    print(f"{name}: off-diagonal entry of the inverse Gram matrix {inverse[0, 1]:+.3f}")
panels[0].set_ylabel("second sample")
panels[1].legend(frameon=False, fontsize=8, loc="lower right")

solution = spike_free(data["spike-free"], y, 0.01)
print(f"one cone: {solution.status}, {solution.network.n_neurons} neurons")
try:
    spike_free(data["not spike-free"], y, 0.01)
except ValueError as refusal:
    print(f"refused: {refusal}")

# %%
# Classification regions
# ----------------------
# Two classes, separated with margins of at least 1 by the network of least norm. Its neurons cut
# the plane into cells, on each of which it is linear: thin lines. Neurons switch on data points.

rng = np.random.default_rng(3)
X = rng.uniform(-1, 1, (14, 2))
labels = np.where(np.hypot(*X.T) > 0.75, 1.0, -1.0)
classifier = nogap.interpolate(X, labels, loss="hinge", hidden_bias=True)
machine = nogap.kernel_representation(
    X, labels, loss="hinge", hidden_bias=True, solution=classifier
)
regions = nogap.decision_regions(machine.network)
print(classifier)
print(regions)


def draw_regions(panel, regions):
    for label, corners in regions.polygons([-1.25, -1.25], [1.25, 1.25]):
        colour = BLUE if label > 0 else ORANGE
        panel.fill(*corners.T, facecolor=colour, alpha=0.2, linewidth=0)
        panel.fill(*corners.T, fill=False, edgecolor=GREY, linewidth=0.5)
    panel.set(xlim=(-1.25, 1.25), ylim=(-1.25, 1.25), aspect="equal")


figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
draw_regions(left, regions)
support = machine.coefficients != 0
for label, colour in ((1.0, BLUE), (-1.0, ORANGE)):
    left.plot(*X[(labels == label) & support].T, "o", color=colour)
    left.plot(*X[(labels == label) & ~support].T, "o", color=colour, fillstyle="none")
left.set_title(
    f"{len(regions.labels)} cells of {machine.sizes.size} neurons, norm {classifier.objective:.2f}"
)

# %%
# The kernel that the network has learned
# ---------------------------------------
# The same network is a support vector machine, without an intercept, of a kernel that its neurons
# make: filled points are its support vectors. Minimum-norm interpolation is kernel interpolation,
# and training with weight decay is kernel ridge regression with ridge beta. On the right the
# kernel of one data point (star): it is positive where the neurons that see the point are on.

side = np.linspace(-1.25, 1.25, 200)
grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
chosen = int(np.argmax(np.abs(machine.coefficients)))
section = machine.kernel(grid, X[chosen : chosen + 1]).reshape(200, 200)
limit = np.abs(section).max()
drawn = right.contourf(side, side, section, np.linspace(-limit, limit, 21), cmap="RdBu")
right.plot(*X.T, "o", color="black", markersize=3)
right.plot(*X[chosen], "*", color="black", markersize=13)
right.set(aspect="equal", title="kernel of one data point")
figure.colorbar(drawn, ax=right, shrink=0.8)
outputs = machine.network.predict(grid)
apart = np.abs(machine.predict(grid) - outputs).max() / np.abs(outputs).max()
print(f"{machine}, {np.sum(support)} support vectors; differs from its network by {apart:.0e}")
for panel in (left, right):
    panel.spines[["top", "right"]].set_visible(False)

decayed = nogap.kernel_representation(X, labels, beta=0.01, hidden_bias=True)
c = np.linalg.solve(decayed.gram + 0.01 * np.eye(len(X)), labels)  # kernel ridge regression
apart = np.abs(decayed.kernel(grid, X) @ c - decayed.network.predict(grid)).max()
print(f"kernel ridge regression with the learned kernel differs from the network by {apart:.0e}")

# %%
# The limit of training
# ---------------------
# ``p*(beta) = beta R - beta^2 / 2 ||v||^2`` to second order, for labels that are fitted exactly.

solution = nogap.interpolate(X, labels, hidden_bias=True)
betas = np.geomspace(1e-4, 1e-1, 10)
trained = [
    nogap.train(X, labels, beta=b, hidden_bias=True, random_state=0, tol=1e-4).objective
    for b in betas
]
v = solution.certificate.dual
figure, panel = plt.subplots(figsize=(6, 3.4), layout="constrained")
panel.plot(betas, np.array(trained) / betas, "o", color=BLUE, label="optimum / beta")
panel.plot(
    betas, solution.objective - 0.5 * betas * (v @ v), color=ORANGE, label="R - beta / 2 ||v||²"
)
panel.axhline(solution.objective, color=GREY, linestyle="--", linewidth=1, label="R")
panel.set(xscale="log", xlabel="beta", ylim=(0, 1.1 * solution.objective))
panel.legend(frameon=False)
panel.spines[["top", "right"]].set_visible(False)

plt.show()
