"""When the surrogate has a minimum, when only one, and when several neurons have a guarantee."""

from __future__ import annotations

import numpy as np
from scipy.linalg import null_space
from scipy.optimize import nnls

from nogap._typing import Array

TOLERANCE = 1e-8  # relative


def refuse_unbounded(X: Array, y: Array) -> None:
    """A ValueError where the surrogate falls forever.

    It is bounded below if and only if ``X'y = X'z`` for some ``z >= 0``; otherwise, by Farkas'
    lemma, there is a direction p with ``X p <= 0`` and ``y'X p > 0``: the neuron is dead along it,
    and the surrogate falls.
    """
    if y.min() >= 0:  # z = y
        return
    target = X.T @ y
    size = float(np.linalg.norm(target))
    _, distance = nnls(X.T, target, maxiter=30 * len(X))
    if distance > TOLERANCE * size:
        row = int(np.argmin(y))
        raise ValueError(
            "the surrogate has no minimum: X'y must be X'z for some z >= 0, and the nearest is "
            f"{distance / size:.2g} away (relative); the negative targets, such as y = {y[row]:g} "
            f"in row {row}, pull a dead neuron on without end: use nogap.train, whose output "
            "weights have both signs"
        )


def is_unique(X: Array, y: Array, u: Array) -> bool:
    """Whether the surrogate has no other minimiser than u, (d,).

    All minimisers have the same positive outputs and the same ``y'X u``; so the others are
    ``u + h`` with ``x_i'h = 0`` on active rows, ``x_i'h <= 0`` on rows at their kink, and
    ``y'X h = 0``.
    """
    z = X @ u
    near = 1e-6 * (np.linalg.norm(X, axis=1) * np.linalg.norm(u) + np.abs(y))
    equations = np.concatenate([X[z > near], (y @ X)[None]])
    N = null_space(equations, rcond=TOLERANCE)
    if N.shape[1] == 0:
        return True
    B = X[np.abs(z) <= near] @ N
    if not len(B) or np.linalg.matrix_rank(B) < N.shape[1]:
        return False
    # {c: B c <= 0} is {0} if and only if B'lam = 0 for some lam >= 1 (Stiemke)
    target = -B.sum(axis=0)
    _, distance = nnls(B.T, target, maxiter=30 * len(B))
    return bool(distance <= TOLERANCE * max(float(np.linalg.norm(B)), 1e-300))


def row_rank(X: Array) -> int:
    """The rank of X, which is n where several neurons have their guarantee."""
    return int(np.linalg.matrix_rank(X))
