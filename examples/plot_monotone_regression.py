"""
A regression that must be monotone and bounded
==============================================

A dose-response curve may not fall with the dose, and a physical quantity has bounds. A network
that is fitted by minimising an error knows nothing of this, and a penalty only discourages
violations. Here both are hard constraints: they hold at every point at which they are set, or the
fit says by how much they do not.
"""

# %%
# Data
# ----
# Response of 80 patients to a dose, with noise and an age effect; the response is a fraction. There
# are few data at high doses, and by chance they fall.

from __future__ import annotations

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from nogap import ConstrainedMLPRegressor

rng = np.random.default_rng(4)
dose = rng.beta(1.2, 3.0, size=80)
age = rng.uniform(-1, 1, size=80)
truth = 1 / (1 + np.exp(-12 * (dose - 0.35)))
response = np.clip(truth - 0.1 * age + 0.15 * rng.normal(size=80), 0, 1)
X = np.column_stack([(dose - 0.3) / 0.2, age])

# %%
# Three fits
# ----------
# The same network, 2-6-1 with tanh: without constraints; with the bounds 0 and 1 and an output that
# may only rise with the dose (set along lines through 8 of the patients); and scikit-learn's.

constrained = ConstrainedMLPRegressor(
    (6,), lower=0.0, upper=1.0, monotonic_cst=[1, 0], warm_up=20, max_iter=40
)
models = {
    "no constraints": ConstrainedMLPRegressor((6,), warm_up=20, max_iter=40),
    "bounded and monotone": constrained,
    "scikit-learn's MLP (L-BFGS)": MLPRegressor(
        hidden_layer_sizes=(6,), activation="tanh", solver="lbfgs", max_iter=300, random_state=0
    ),
}
COLOURS = ["#b8500f", "#2256c7", "#8a93a3"]
grid = np.linspace(dose.min(), dose.max(), 201)
figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
axes[0].plot(dose, response, ".", color="#444444", alpha=0.5, label="patients")
for (name, model), colour in zip(models.items(), COLOURS, strict=True):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, response)
    curve = model.predict(np.column_stack([(grid - 0.3) / 0.2, np.zeros_like(grid)]))
    axes[0].plot(grid, curve, color=colour, linewidth=2, label=name)
    falls = np.maximum(-np.diff(curve), 0).sum()
    error = np.mean((curve - 1 / (1 + np.exp(-12 * (grid - 0.35)))) ** 2) ** 0.5
    print(
        f"{name:28s} error against the truth {error:.3f}, falls by {falls:.3f} in all, "
        f"range [{curve.min():.3f}, {curve.max():.3f}]"
    )
axes[0].axhline(0, color="#cccccc", linewidth=1)
axes[0].axhline(1, color="#cccccc", linewidth=1)
axes[0].set(xlabel="dose", ylabel="response", ylim=(-0.15, 1.6))
axes[0].legend(frameon=False, fontsize=8, loc="upper left")

# %%
# Every step is on record
# -----------------------
# Every convex step is taken only if its certificate is at most 1 (then its relaxation was exact:
# the program's solution is a network) and if the loss with the penalty of all violations does not
# rise. Steps that fail are repeated with larger proximal weights. Above, a short plain descent came
# first; here the steps start from random weights.

stepwise = ConstrainedMLPRegressor(
    (6,), lower=0.0, upper=1.0, monotonic_cst=[1, 0], warm_up=0, max_iter=40, tol=1e-6
).fit(X, response)
taken = [record for record in stepwise.history_[1:] if record.accepted]
steps = np.arange(1, len(taken) + 1)
axes[1].plot(steps, [r.objective for r in taken], "o-", color=COLOURS[1], markersize=4)
axes[1].set(xlabel="convex step", ylabel="loss")
other = axes[1].twinx()
other.plot(steps, [r.certificate for r in taken], "s", color=COLOURS[0], markersize=4)
other.axhline(1.0, color=COLOURS[0], linewidth=1, linestyle=":")
other.set(ylim=(0, 1.3))
other.set_ylabel("certificate (exact up to 1)", color=COLOURS[0])
other.spines["top"].set_visible(False)
for axis in axes:
    axis.spines[["top", "right"]].set_visible(False)
plt.show()
print(f"status: {constrained.status_.sentence} Largest excess: {constrained.excess_:.1e}")

# %%
# The constraints are set at the training rows (bounds) and at points along lines through some of
# them (monotonicity and bounds). Between these points nothing is proved; more points cost time.
