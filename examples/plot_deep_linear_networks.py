"""
Deep networks with closed forms, and descent beside them
========================================================

Weight decay on L layers of a linear network is a Schatten quasi-norm of their product: layers of
equal norms, low rank, and for L >= 3 a problem with several local minima (Ergen and Pilanci 2021).

**Published:** optimal layers are aligned, rank-one sums with norms given by a closed form, which
holds by strong duality.
**Found:** the layers are as printed, but for three and more layers the norm solves a non-convex
problem in one unknown, the zero network is always a local minimum, and strong duality holds for
*parallel* networks only. For whitened data and ReLU, the class-wise network is the best that
descent finds for three and four layers; from five layers on there are better ones.
"""

# %%
# Rank against beta
# -----------------
# Whitened data and five outputs: each singular value is kept or dropped on its own. Two layers
# shrink them softly; more layers drop them at once.

import functools
import os
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from nogap.closed_form import deep_linear, deep_relu_whitened

COLOURS = {2: "#8a93a3", 3: "#2256c7", 4: "#b8500f", 5: "#2e7d4f"}

rng = np.random.default_rng(0)
X = np.linalg.qr(rng.standard_normal((30, 8)))[0]
Y = X @ np.diag([4, 3, 2.2, 1.5, 1, 0, 0, 0]) @ rng.standard_normal((8, 5)) / np.sqrt(5)
betas = np.geomspace(0.02, 10, 60)
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.5), layout="constrained")
for depth in (2, 3, 5):
    solutions = [deep_linear(X, Y, beta, depth) for beta in betas]
    products = [np.linalg.multi_dot(s.network.weights) for s in solutions]
    ranks = [np.linalg.matrix_rank(W, tol=1e-9) for W in products]
    left.step(betas, ranks, color=COLOURS[depth], where="post", label=f"{depth} layers")
    norms = np.array([[np.linalg.norm(W) for W in s.network.weights] for s in solutions])
    apart = (norms.max(axis=1) - norms.min(axis=1)).max()
    right.plot(betas, norms[:, 0], color=COLOURS[depth], label=f"{depth} layers")
    print(f"{depth} layers: the norms of the layers differ by {apart:.0e} at most")
left.set(xscale="log", xlabel="beta", ylabel="rank of the product", title="Rank of the layers")
right.set(xscale="log", xlabel="beta", ylabel="norm of every layer", title="Layers of equal norm")
for panel in (left, right):
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False)

# %%
# Stochastic gradient descent on the weights
# ------------------------------------------
# Batches of 70 % of the rows, momentum and a step that decreases, from ten initial points: ReLU
# networks of width 12 on whitened rows of six classes with one-hot labels. The line is the
# class-wise network. The rows are handwritten digits; set the environment variable ``NOGAP_DATA``
# to a folder with ``mnist.npz`` and ``cifar10_10class_6k.npz`` (images ``X``, labels ``y``) to see
# rows of MNIST and CIFAR-10 as well. Rows that are whitened only differ by a rotation, so that the
# class sizes decide all that the closed form says.


def sgd(X, Y, beta, depth, seed, steps=6000, rate=0.02, momentum=0.9, width=12, share=0.7):
    """Steps at which the objective is looked at, and the objectives there; batches are shares."""
    g = np.random.default_rng(seed)
    shapes = [X.shape[1], *[width] * (depth - 1), Y.shape[1]]
    W = [g.standard_normal((a, b)) * np.sqrt(2 / a) for a, b in pairwise(shapes)]
    speed = [np.zeros_like(w) for w in W]
    n = len(X)
    at = np.unique(np.geomspace(1, steps, 100).astype(int))
    values = []
    for step in range(1, steps + 1):
        if step == at[len(values)]:
            F = functools.reduce(lambda H, w: np.maximum(H @ w, 0), W[:-1], X) @ W[-1]
            decay = sum(np.sum(w**2) for w in W)
            values.append(0.5 * np.sum((F - Y) ** 2) + 0.5 * beta * decay)
        batch = g.permutation(n)[: round(share * n)]
        H = [X[batch]]
        for w in W[:-1]:
            H.append(np.maximum(H[-1] @ w, 0))
        G = (H[-1] @ W[-1] - Y[batch]) * (n / batch.size)
        for k in range(depth - 1, -1, -1):
            slope = H[k].T @ G + beta * W[k]
            G = (G @ W[k].T) * (H[k] > 0)
            speed[k] = momentum * speed[k] - rate * min(1, 2 - 2 * step / steps) * slope
            W[k] = W[k] + speed[k]
    return at, np.array(values)


def whitened_rows(images, classes):
    """Whitened rows of four to nine samples of six classes, in coordinates of their own span."""
    chosen = np.concatenate([np.flatnonzero(classes == k)[: k + 4] for k in range(6)])
    U, _, _ = np.linalg.svd(images[chosen].reshape(len(chosen), -1), full_matrices=False)
    return U, np.eye(6)[classes[chosen]]


digits = load_digits()
data = {"digits": whitened_rows(digits.data, digits.target)}
for name, file in (("MNIST", "mnist.npz"), ("CIFAR-10", "cifar10_10class_6k.npz")):
    path = Path(os.environ.get("NOGAP_DATA", "")) / file
    if path.is_file():
        with np.load(path) as archive:
            data[name] = whitened_rows(archive["X"][:500].astype(float), archive["y"][:500])
figure, grid = plt.subplots(
    len(data), 3, figsize=(11, 3.4 * len(data)), layout="constrained", squeeze=False
)
for panels, (name, (rows, labels)) in zip(grid, data.items(), strict=True):
    for panel, depth in zip(panels, (3, 4, 5), strict=True):
        solution = deep_relu_whitened(rows, labels, 0.05, depth)
        runs = [sgd(rows, labels, 0.05, depth, seed) for seed in range(10)]
        for at, values in runs:
            panel.plot(at, values, color=COLOURS[depth], linewidth=0.8, alpha=0.7)
        panel.axhline(solution.objective, color="black", linestyle="--", linewidth=1.2)
        panel.set(xscale="log", yscale="log", xlabel="step", title=f"{name}, {depth} layers")
        panel.spines[["top", "right"]].set_visible(False)
        best = min(values[-1] for _, values in runs)
        print(
            f"{name}, {depth} layers: class-wise {solution.objective:.5f} ({solution.status}), "
            f"best of ten runs {best:.5f}, nothing is below {solution.certificate.lower_bound:.5f}"
        )
    panels[0].set_ylabel("objective")

# %%
# Five layers: better than the closed form
# ----------------------------------------
# On the identity, where every class has one sample, a five-layer network with other hidden ranks
# beats the class-wise one. So the library calls that construction stationary, never optimal.

solution = deep_relu_whitened(np.eye(6), np.arange(6), 0.02, 5)
print(solution.status.sentence)
runs = [sgd(np.eye(6), np.eye(6), 0.02, 5, seed, rate=0.05, share=1.0) for seed in range(10)]
final = np.sort([values[-1] for _, values in runs])
figure, panel = plt.subplots(figsize=(7, 3.2), layout="constrained")
panel.plot(np.arange(1, 11), final, "o", color=COLOURS[5], label="ten runs, sorted")
panel.axhline(solution.objective, color="black", linestyle="--", linewidth=1.2, label="class-wise")
panel.set(xlabel="run", ylabel="objective", title="X = Y = I, five layers, beta = 0.02")
panel.set_yscale("log")
panel.spines[["top", "right"]].set_visible(False)
panel.legend(frameon=False)
below = int(np.sum(final < solution.objective - 1e-6))
print(f"class-wise {solution.objective:.4f}; {below} of ten runs below, the best {final[0]:.4f}")

plt.show()
