"""
The geometry of the optimal neurons
===================================

All outputs that one neuron can have on the data, ``relu(X u)`` with ``||u|| <= 1``, are a rectified
ellipsoid. Its convex hull (with the mirror image, for negative output weights) is the unit ball of
the norm that weight decay comes to, and optimal neurons are its extreme points in the direction of
the dual point (Ergen and Pilanci 2021).

**Published:** neurons are extreme points of the dual set; for spike-free data the rectified
ellipsoid stays inside the linear one, and one cone suffices; minimum-norm interpolation is the
limit of training as beta goes to zero.
**Found:** all three hold. Whether data are spike-free is read off the inverse Gram matrix.
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
# Minimum-norm interpolation as a classifier
# ------------------------------------------
# Labels of two classes, fitted exactly with the least norm. Grey lines are where neurons switch:
# most go through data points.

rng = np.random.default_rng(3)
X = rng.uniform(-1, 1, (14, 2))
labels = np.where(np.hypot(*X.T) > 0.75, 1.0, -1.0)
solution = nogap.interpolate(X, labels, hidden_bias=True)
network = solution.network
print(solution)
side = np.linspace(-1.25, 1.25, 240)
first, second = np.meshgrid(side, side)
heights = network.predict(np.column_stack([first.ravel(), second.ravel()])).reshape(first.shape)
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
left.contourf(first, second, heights, levels=[-99, 0, 99], colors=[ORANGE, BLUE], alpha=0.18)
for u, c in zip(network.hidden_weights, network.hidden_bias, strict=True):
    normal = u / (u @ u)
    ends = -c * normal[:, None] + np.multiply.outer([-u[1], u[0]], [-3, 3]) / np.linalg.norm(u)
    left.plot(*ends, color=GREY, linewidth=0.7)
for label, colour in ((1.0, BLUE), (-1.0, ORANGE)):
    left.plot(*X[labels == label].T, "o", color=colour)
left.set(xlim=(-1.25, 1.25), ylim=(-1.25, 1.25), aspect="equal")
left.set_title(f"{network.n_neurons} neurons, norm {solution.objective:.2f} ({solution.status})")

# %%
# The limit of training
# ---------------------
# ``p*(beta) = beta R - beta^2 / 2 ||v||^2`` to second order.

betas = np.geomspace(1e-4, 1e-1, 10)
trained = [
    nogap.train(X, labels, beta=b, hidden_bias=True, random_state=0, tol=1e-4).objective
    for b in betas
]
v = solution.certificate.dual
right.plot(betas, np.array(trained) / betas, "o", color=BLUE, label="optimum / beta")
right.plot(
    betas, solution.objective - 0.5 * betas * (v @ v), color=ORANGE, label="R - beta / 2 ||v||²"
)
right.axhline(solution.objective, color=GREY, linestyle="--", linewidth=1, label="R")
right.set(xscale="log", xlabel="beta", ylim=(0, 1.1 * solution.objective))
right.legend(frameon=False)
for panel in (left, right):
    panel.spines[["top", "right"]].set_visible(False)

plt.show()
