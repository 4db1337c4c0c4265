"""
Batches for Frank-Wolfe
=======================

Frank-Wolfe with gradients from random rows. A step of Frank-Wolfe does not forgive a wrong
direction as a gradient step does: it goes all the way to a vertex, scaled by 2 / (t + 1). So the
batches have to grow.

**Published:** batches of ``m_t = ceil((G (t + 1) / (L D))^2)`` rows keep the rate of the full
method (Hazan and Luo 2016).
**Found:** so they do, with L the smoothness of the loss, G the size of the stochastic gradients and
D the diameter of the feasible set; with L and G exchanged, as the schedule is sometimes printed, it
changes with the units of the targets. A fixed batch stops at a distance that its size sets, single
rows do not converge. A sum of losses soon asks for all rows: the schedule saves only the first
iterates.
"""

# %%
# A teacher of ten neurons
# ------------------------
# The optimum comes from fully corrective steps on all rows.

import matplotlib.pyplot as plt
import numpy as np

import nogap

BLUE, ORANGE, GREEN, RED, GREY = "#2256c7", "#b8500f", "#2e7d4f", "#c2262e", "#8a93a3"

rng = np.random.default_rng(0)
n, d = 200, 4
X = rng.standard_normal((n, d))
U, a = rng.standard_normal((10, d)) / np.sqrt(d), rng.choice([-1.0, 1.0], 10)
y = np.maximum(X @ U.T, 0) @ a
delta = 0.5 * float(np.linalg.norm(U, axis=1).sum())  # half of what the teacher needs
best = nogap.frank_wolfe(
    X, y, delta=delta, variant="fully_corrective", oracle="search", tol=1e-6, random_state=0
)
print(best)

schedules = {
    "1 row": (1, GREY),
    "10 rows": (10, ORANGE),
    "50 rows": (50, RED),
    "growing schedule": ("schedule", BLUE),
    "t² / 4 rows": (lambda t: 1 + t * t // 4, GREEN),
    "all rows": (None, "black"),
}


def losses(batch_size, seed):
    """Loss on all rows after T iterates, for several T, and the rows looked at until then."""
    values, looked = [], []
    for stop in marks:
        solution = nogap.frank_wolfe(
            X, y, delta=delta, batch_size=batch_size, max_iter=stop, random_state=seed,
            oracle="search", tol=1e-9,
        )  # fmt: skip
        values.append(solution.history[-1].objective)
        looked.append(sum(record.batch_size for record in solution.history[:-1]))
    return np.array(values), np.array(looked)


# %%
# Loss by iterates, and by rows
# -----------------------------
# The loss of an iterate on all rows is known only where it is asked for: each mark is a run of its
# own that ends there (equal seeds draw equal batches).

marks = [4, 8, 16, 32, 64]
figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4.2), layout="constrained", sharey=True)
for name, (batch_size, colour) in schedules.items():
    values, looked = losses(batch_size, 0)
    above = (values - best.objective) / (0.5 * y @ y)
    left.plot(marks, above, "o-", color=colour, markersize=3.5, label=name)
    right.plot(looked, above, "o-", color=colour, markersize=3.5)
    print(
        f"{name:>17}: {above[-1]:.4f} of the empty network's loss above the optimum after "
        f"{marks[-1]} iterates and {looked[-1]:,} rows"
    )
left.set(
    xscale="log", yscale="log", xlabel="iterate", ylabel="above the optimum / empty network's loss"
)
right.set(xscale="log", xlabel="rows looked at")
left.set_xticks(marks, marks, minor=False)
left.set_xticks([], minor=True)
left.legend(frameon=False, fontsize=8)
for panel in (left, right):
    panel.spines[["top", "right"]].set_visible(False)

# %%
# The schedule has no units
# -------------------------
# Targets and budget in other units, the same batches.

for scale in (1.0, 1000.0):
    run = nogap.frank_wolfe(
        X,
        scale * y,
        delta=scale * delta,
        batch_size="schedule",
        max_iter=8,
        oracle="search",
        random_state=0,
    )
    print(f"targets times {scale:g}:", [record.batch_size for record in run.history])

# %%
# What is certified
# -----------------
# Objective and gap of a batch are estimates and enter no certificate; the last iterate is priced on
# all rows. By a search here, so that this certificate is an estimate too.

run = nogap.frank_wolfe(
    X, y, delta=delta, batch_size="schedule", max_iter=40, oracle="search", random_state=0
)
figure, panel = plt.subplots(figsize=(7, 3.4), layout="constrained")
iterates = np.arange(1, run.n_iter + 1)
batch = np.array([record.batch_size < n for record in run.history])
objective = np.array([record.objective for record in run.history])
gap = np.array([record.gap for record in run.history])
panel.plot(iterates, objective, color=BLUE, label="loss")
panel.plot(iterates, gap, color=ORANGE, label="gap")
panel.plot(
    iterates[batch], objective[batch], "o", color=BLUE, fillstyle="none", label="from a batch"
)
panel.plot(iterates[batch], gap[batch], "o", color=ORANGE, fillstyle="none")
panel.set(yscale="log", xlabel="iterate", title="Estimates from batches, then all rows")
panel.spines[["top", "right"]].set_visible(False)
panel.legend(frameon=False)
print(run.certificate)

plt.show()
