"""
Three layers: descent on parallel sub-networks against the convex optimum
=========================================================================

Ergen and Pilanci (2021): five samples in two dimensions, K parallel sub-networks
``relu(relu(X W1) w2) w3`` with three neurons in their first layers, and gradient descent with
K = 2, 5 and 15 against the convex program.

**Published:** descent with few sub-networks ends in local minima; with more it comes near to the
optimum of the convex program.
**Found:** the same, and no run goes below the proved optimum. But the program as printed (its
equation 42, a second-layer cone for each inner sign) has only the two-layer optimum: one joint
cone, which mixes blocks of both signs, gives the three-layer one. Below both are drawn.
"""

# %%
# The optimum
# -----------
# All patterns of both layers are settled in about a second: a sub-network's largest correlation
# comes from convex problems over the second layer's positive rows, and most of these are dropped by
# projections alone.

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize

import nogap
from nogap.units import ThreeLayer

BLUE, ORANGE, GREY = "#2256c7", "#b8500f", "#8a93a3"
X = np.array(
    [
        [1.82201136, -1.32043097],
        [-0.66152802, 0.93504999],
        [0.04905461, 2.00239258],
        [0.18851919, -0.63319409],
        [-0.37756351, -1.09114612],
    ]
)
y = np.array([-1.91652025, 0.94561724, 0.87174872, 1.94183823, -1.13190869])
beta, width = 0.2, 3
three = nogap.train(X, y, beta=beta, unit=ThreeLayer(width), patterns="all", random_state=0)
two = nogap.train(X, y, beta=beta, patterns="all", random_state=0)
print(three)
print(f"two layers, and the program as printed: {two.objective:.6f}")

# %%
# Stochastic gradient descent
# ---------------------------
# Ten initial points at once, batches of two samples, ``||W1||_F <= 1`` by projection, weight decay
# on w2 and w3. L-BFGS runs on the same networks show that the optimisation is not to blame.


def outputs(A, b, c):
    """First layer, second pre-activations and outputs (starts, n), of weights with a start axis."""
    H = np.maximum(np.einsum("nd,skdj->snkj", X, A), 0)
    Z = np.einsum("snkj,skj->snk", H, b)
    return H, Z, np.einsum("snk,sk->sn", np.maximum(Z, 0), c)


def objective(A, b, c):
    r = outputs(A, b, c)[2] - y
    decay = np.sum(b**2, axis=(1, 2)) + np.sum(c**2, axis=1)
    return 0.5 * np.sum(r**2, axis=1) + 0.5 * beta * decay


def gradients(A, b, c, weights):
    """Of the loss, samples weighted (starts, n)."""
    H, Z, F = outputs(A, b, c)
    r = (F - y) * weights
    back = r[:, :, None] * (Z > 0) * c[:, None]
    inner = back[:, :, :, None] * b[:, None] * (H > 0)
    for_A = np.einsum("nd,snkj->skdj", X, inner)
    for_b = np.einsum("snk,snkj->skj", back, H)
    return for_A, for_b, np.einsum("sn,snk->sk", r, np.maximum(Z, 0))


def projected(A):
    return A / np.maximum(np.linalg.norm(A, axis=(2, 3), keepdims=True), 1)


def start(K, g, starts):
    A = projected(g.standard_normal((starts, K, 2, width)))
    return A, g.standard_normal((starts, K, width)), g.standard_normal((starts, K)) / K**0.5


def sgd(K, starts=10, steps=20_000, rate=0.02, batch=2):
    g = np.random.default_rng(K)
    A, b, c = start(K, g, starts)
    at = np.unique(np.geomspace(1, steps, 120).astype(int))
    values = []
    for step in range(1, steps + 1):
        if step == at[len(values)]:
            values.append(objective(A, b, c))
        weights = np.zeros((starts, 5))
        np.put_along_axis(weights, g.random((starts, 5)).argsort(axis=1)[:, :batch], 5 / batch, 1)
        for_A, for_b, for_c = gradients(A, b, c, weights)
        speed = rate / (1 + step / 4000)
        A = projected(A - speed * for_A)
        b, c = b - speed * (for_b + beta * b), c - speed * (for_c + beta * c)
    return at, np.array(values)


def lbfgs(K, starts=20):
    """Best objectives by L-BFGS; the constraint enters as the norm of W1 in the penalty."""
    g = np.random.default_rng(100 + K)
    shapes = [(1, K, 2, width), (1, K, width), (1, K)]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])

    def unpacked(x):
        return [p.reshape(s) for p, s in zip(np.split(x, ends[:-1]), shapes, strict=True)]

    def function(x):
        A, b, c = unpacked(x)
        for_A, for_b, for_c = gradients(A, b, c, np.ones((1, 5)))
        s = np.sum(A**2, axis=(2, 3))  # ||W1|| ||w2|| |w3| <= (||W1||^2 ||w2||^2 + w3^2) / 2
        decay = np.sum(s[:, :, None] * b**2) + np.sum(c**2)
        r = outputs(A, b, c)[2] - y
        for_A += beta * A * np.sum(b**2, axis=2)[:, :, None, None]
        for_b += beta * s[:, :, None] * b
        value = 0.5 * np.sum(r**2) + 0.5 * beta * decay
        return value, np.concatenate([p.ravel() for p in (for_A, for_b, for_c + beta * c)])

    values = []
    for _ in range(starts):
        x = np.concatenate([p.ravel() for p in start(K, g, 1)])
        options = {"maxiter": 2000}
        values.append(minimize(function, x, jac=True, method="L-BFGS-B", options=options).fun)
    return np.array(values)


figure, panels = plt.subplots(1, 3, figsize=(11, 3.6), sharey=True, layout="constrained")
for panel, K in zip(panels, (2, 5, 15), strict=True):
    at, values = sgd(K)
    polished = lbfgs(K)
    panel.plot(at, values, color=BLUE, linewidth=0.8, alpha=0.7)
    panel.axhline(two.objective, color=GREY, linestyle=":", linewidth=1.5)
    panel.axhline(three.objective, color=ORANGE, linestyle="--", linewidth=1.5)
    panel.set(xscale="log", yscale="log", xlabel="step", title=f"{K} sub-networks")
    panel.spines[["top", "right"]].set_visible(False)
    best = min(values.min(), polished.min())
    assert best >= three.certificate.lower_bound
    print(
        f"K = {K}: descent ends at {values[-1].min():.4f} to {values[-1].max():.4f}, L-BFGS at "
        f"{polished.min():.6f} to {polished.max():.4f}; the optimum is {three.objective:.6f}, "
        f"the best run is {100 * (best / three.objective - 1):.2g} % above it"
    )
panels[0].set_ylabel("objective")
panels[0].plot([], [], color=BLUE, label="SGD, ten initial points")
panels[0].plot([], [], color=GREY, linestyle=":", label="two layers; the program as printed")
panels[0].plot([], [], color=ORANGE, linestyle="--", label="three layers, proved")
panels[0].legend(frameon=False, fontsize=8)
panels[0].set_ylim(2.1, 12)
ticks = [2.3, 3, 4, 6, 10]
panels[0].set_yticks(ticks, [f"{tick:g}" for tick in ticks])
panels[0].minorticks_off()

plt.show()
