"""
Three spirals: several outputs, solved exactly
==============================================

One hidden layer that is shared by C outputs, with weight decay, is a convex program with a
cone-constrained nuclear norm on every activation pattern (Sahiner, Ergen, Pauly and Pilanci, ICLR
2021).  **The published claim**: the program, its copositive form and its relaxations have the
optimum of training as their value or as a lower bound, where stochastic gradient descent may end
above it.

**What was found**: on three spirals the exact program closes its gap to 1e-7 in seconds, and no run
of gradient descent goes below it.  The lower bounds come in their order (Frobenius, nuclear, doubly
non-negative), but at so small a penalty they are loose: a fifth and two thirds of the optimum.
"""

# %%
# The data: ten points on each of three spirals, one-hot targets, a hidden bias.
import time

import matplotlib.pyplot as plt
import numpy as np

import nogap

COLOURS = ("#2256c7", "#b8500f", "#3a7d44")
g = np.random.default_rng(0)
n, C = 10, 3
radius = np.linspace(0.25, 1.0, n)
points, classes = [], []
for c in range(C):
    angle = 2 * np.pi * c / C + 2.6 * radius + 0.05 * g.standard_normal(n)
    points.append(radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)]))
    classes += [c] * n
plane, Y = np.concatenate(points), np.eye(C)[classes]
X = np.column_stack([plane, np.ones(len(plane))])
beta = 0.02

# %%
# The exact program: neurons are generated until no face of the arrangement of the 30 points holds a
# better one.  The certificate is a proof.
start = time.perf_counter()
exact = nogap.train(X, Y, beta=beta, patterns="all", random_state=0)
seconds = time.perf_counter() - start
print(f"{seconds:.1f} s: {exact}")

# %%
# Lower bounds that need no neurons at all, each with the network that is rounded from it.
chain = {}
for kind in ("gated_frobenius", "gated_nuclear", "doubly_nonnegative"):
    relaxed = nogap.relax(X, Y, beta=beta, kind=kind)
    chain[kind] = (relaxed.certificate.lower_bound, relaxed.objective)
    print(f"{kind}: {chain[kind][0]:.5f} <= optimum, rounded network {chain[kind][1]:.5f}")


# %%
# Gradient descent with momentum from five random starts, on the same objective: width 100, weight
# decay on both layers.
def descent(seed, width=100, steps=6000, rate=2e-3, momentum=0.9):
    g = np.random.default_rng(seed)
    U = g.standard_normal((3, width)) / np.sqrt(3)
    A = g.standard_normal((width, C)) / np.sqrt(width)
    speed_U, speed_A, trace = np.zeros_like(U), np.zeros_like(A), []
    for step in range(steps):
        Z = np.maximum(X @ U, 0.0)
        R = Z @ A - Y
        if step % 20 == 0:
            penalty = np.linalg.norm(U, axis=0) @ np.linalg.norm(A, axis=1)
            trace.append(0.5 * np.sum(R**2) + beta * penalty)
        gradient_U = X.T @ ((Z > 0) * (R @ A.T)) + beta * U
        speed_U = momentum * speed_U - rate * gradient_U
        speed_A = momentum * speed_A - rate * (Z.T @ R + beta * A)
        U, A = U + speed_U, A + speed_A
    return trace


traces = [descent(seed) for seed in range(5)]
best = min(trace[-1] for trace in traces)
print(f"gradient descent: best {best:.5f}, {best / exact.objective - 1:.2%} above the optimum")

# %%
# Left: the regions of the exact network.  Right: five runs above the optimum, the bounds below it.
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
grid = np.linspace(-1.25, 1.25, 240)
first, second = np.meshgrid(grid, grid)
corners = np.column_stack([first.ravel(), second.ravel(), np.ones(first.size)])
region = exact.network.predict(corners).argmax(axis=1).reshape(first.shape)
left.contourf(first, second, region, levels=[-0.5, 0.5, 1.5, 2.5], colors=COLOURS, alpha=0.2)
for c, colour in enumerate(COLOURS):
    left.scatter(*points[c].T, color=colour, s=28, edgecolor="white", linewidth=0.6)
left.set(title=f"Exact network, {exact.network.n_neurons} neurons", xticks=[], yticks=[])
left.set_aspect("equal")

steps = 20 * np.arange(len(traces[0]))
for k, trace in enumerate(traces):
    right.semilogy(steps, trace, color="#8a93a3", lw=1, label=None if k else "gradient descent")
right.axhline(exact.objective, color=COLOURS[0], lw=2, label="optimum (proved)")
styles = {"doubly_nonnegative": "-", "gated_nuclear": "--", "gated_frobenius": ":"}
for kind, style in styles.items():
    label = kind.replace("_", " ") + " bound"
    right.axhline(chain[kind][0], color=COLOURS[1], ls=style, lw=1.4, label=label)
right.set(xlabel="steps", ylabel="objective", title="From above and from below")
right.set_ylim(0.8 * chain["gated_frobenius"][0], 3 * exact.objective)
right.legend(frameon=False, fontsize=9, loc="upper right")
right.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# On real data the exact program is out of reach and the adaptive default takes over; its
# certificate is then an estimate, and says so.  Ten classes of handwritten digits, for ten seconds:
from sklearn.datasets import load_digits  # noqa: E402

images, labels = load_digits(return_X_y=True)
images, targets = images / 16.0, np.eye(10)[labels]
beta = 0.01 * nogap.beta_max(images, targets, hidden_bias=True)
digits = nogap.train(images, targets, beta=beta, hidden_bias=True, max_time=10, random_state=0)
print(digits)
