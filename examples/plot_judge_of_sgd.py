"""
The judge: how far from the global optimum is a network trained by SGD?
=======================================================================

A PyTorch network is trained by stochastic gradient descent on the breast cancer data (569 samples,
30 columns). `nogap.certify` says how far its objective is from the best that *any* network of any
width can reach, and hands back a better network.

Weight decay of ``beta`` on both layers beside the *sum* of the losses is the penalty
``beta * sum_j ||u_j|| |a_j|`` once each neuron's two norms are equal. PyTorch's ``weight_decay``
belongs to the loss that is minimised: beside the *mean* over n samples it is ``beta / n``.
"""

# %%
# Train by SGD, three times, and ask
# ----------------------------------
# The objective that is judged is the network's own: summed logistic loss and penalty, hidden biases
# counted as weights of a ones column.

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale

import nogap

BLUE, ORANGE, GREY = "#2256c7", "#b8500f", "#8a93a3"

X, labels = load_breast_cancer(return_X_y=True)
X, y = scale(X), np.where(labels == 1, 1.0, -1.0)
n, beta = len(y), 2.0


def sgd(epochs, rate, seed=0, width=50):
    """A network trained by SGD with momentum, batches of 32."""
    torch.manual_seed(seed)
    net = torch.nn.Sequential(
        torch.nn.Linear(X.shape[1], width), torch.nn.ReLU(), torch.nn.Linear(width, 1)
    ).double()
    weights = [net[0].weight, net[0].bias, net[2].weight]
    optimiser = torch.optim.SGD(
        [{"params": weights, "weight_decay": beta / n}, {"params": [net[2].bias]}],
        lr=rate,
        momentum=0.9,
    )
    rows, targets = torch.from_numpy(X), torch.from_numpy(y)
    for _ in range(epochs):
        for batch in torch.randperm(n).split(32):
            optimiser.zero_grad()
            margins = targets[batch] * net(rows[batch])[:, 0]
            torch.nn.functional.softplus(-margins).mean().backward()
            optimiser.step()
    return net


epochs = (3, 10, 100)
verdicts = [
    nogap.certify(sgd(count, 0.05), X, y, beta=beta, loss="logistic", hidden_bias=True, max_time=8)
    for count in epochs
]
for count, verdict in zip(epochs, verdicts, strict=True):
    print(f"{count} epochs: {verdict}\n")

# %%
# What was proved, what is estimated
# ----------------------------------
# With 31 columns (the bias counts) and 569 rows nobody can go through all activation patterns. The
# estimate rests on a search; the proof, on an upper bound of the dual correlation by branch and
# bound.

found, positions = [], np.arange(len(epochs))
figure, panel = plt.subplots(figsize=(7, 3.6), layout="constrained")
objectives = [v.objective for v in verdicts]
panel.bar(positions, objectives, color=GREY, width=0.5, label="SGD")
for k, verdict in enumerate(verdicts):
    best = min(verdict.better_objective, verdict.objective)
    panel.plot([k - 0.35, k + 0.35], [best] * 2, color=BLUE, lw=2.5)
    panel.plot([k - 0.35, k + 0.35], [verdict.proved_lower_bound] * 2, color=ORANGE, lw=2.5)
    found.append(best)
panel.plot([], [], color=BLUE, lw=2.5, label="better network found")
panel.plot([], [], color=ORANGE, lw=2.5, label="proved: no network is below")
panel.set_xticks(positions, [f"{count} epochs" for count in epochs])
panel.set_ylabel("objective")
panel.set_ylim(0, None)
panel.spines[["top", "right"]].set_visible(False)
panel.legend(frameon=False)

better = verdicts[0].better_network
print(f"better network: {better}, pruned {better.prune(X)}")

# %%
# The same question where the answer is a proof
# ---------------------------------------------
# On the first 100 patients branch and bound closes the gap: the verdict is a theorem.

few, signs = X[:100], y[:100]
proved = nogap.certify(
    sgd(30, 0.05), few, signs, beta=beta, loss="logistic", hidden_bias=True, tol=0.01, max_time=20
)
print(proved)

plt.show()
