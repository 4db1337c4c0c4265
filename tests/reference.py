"""A slow, obviously right reference: activation patterns by rays, training programs by CVXPY and Clarabel.

Nothing here uses nogap's code.  The convex program over a list of patterns is written down
literally (Pilanci and Ergen 2020), with every pattern, both signs and every cone row.
"""

from __future__ import annotations

import itertools
import warnings

import cvxpy as cp
import numpy as np
from scipy.optimize import linprog, nnls
from scipy.special import xlogy

RANK_TOLERANCE = 1e-9
LOSSES = ("squared", "logistic", "hinge", "squared_hinge", "huber")
CLASSIFICATION = ("logistic", "hinge", "squared_hinge")

# ---------------------------------------------------------------- activation patterns


def patterns_by_linear_programs(X):
    """All patterns of full-dimensional cells: every sign vector, one linear program each (n <= 9)."""
    X = np.asarray(X, dtype=float)
    used = np.flatnonzero(np.abs(X).max(axis=1) > 0)
    found = []
    for signs in itertools.product([1.0, -1.0], repeat=used.size):
        rows = np.array(signs)[:, None] * X[used]
        rows = rows / np.abs(rows).max(axis=1, keepdims=True)
        solved = linprog(
            np.append(np.zeros(X.shape[1]), -1.0),
            A_ub=np.column_stack([-rows, np.ones(used.size)]),
            b_ub=np.zeros(used.size),
            bounds=[(-1, 1)] * X.shape[1] + [(None, 1)],
            method="highs",
        )
        if used.size == 0 or -solved.fun > 1e-7:
            pattern = np.ones(len(X), dtype=bool)
            pattern[used] = np.array(signs) > 0
            found.append(pattern)
    return np.unique(np.array(found), axis=0)


def patterns_by_rays(X):
    """All patterns of full-dimensional cells: every cell has a ray; around each ray, recurse.

    In coordinates of the row space (rank r) every closed cell is a pointed cone, and its rays are
    the null vectors of r - 1 independent rows.  Near a ray only the rows that vanish on it can have
    either sign, and those form an arrangement of rank r - 1.  Zero rows count as on.
    """
    X = np.asarray(X, dtype=float)
    used = np.flatnonzero(np.abs(X).max(axis=1) > 0)
    patterns = np.ones((1, len(X)), dtype=bool)
    if used.size:
        rows = X[used] / np.linalg.norm(X[used], axis=1, keepdims=True)
        cells = _cells(_row_space_coordinates(rows))
        patterns = np.ones((len(cells), len(X)), dtype=bool)
        patterns[:, used] = cells
    return np.unique(patterns, axis=0)


def _row_space_coordinates(rows):
    _, sizes, Vt = np.linalg.svd(rows, full_matrices=False)
    rank = int(np.sum(sizes > RANK_TOLERANCE * sizes[0]))
    return rows @ Vt[:rank].T


def _cells(rows):
    """Bool (P, n) for non-zero rows (n, r) that span R^r."""
    n, r = rows.shape
    if r == 1:
        return np.array([rows[:, 0] > 0, rows[:, 0] < 0])
    norms = np.linalg.norm(rows, axis=1)
    found, seen = [], set()
    for subset in itertools.combinations(range(n), r - 1):
        _, sizes, Vt = np.linalg.svd(rows[list(subset)] / norms[list(subset), None])
        if sizes[-1] <= RANK_TOLERANCE:
            continue
        z = rows @ Vt[-1]
        vanishing = np.abs(z) <= RANK_TOLERANCE * norms
        key = vanishing.tobytes()  # fixes the ray up to its sign
        if key in seen:
            continue
        seen.add(key)
        local = _cells(_row_space_coordinates(rows[vanishing]))
        for side in (z, -z):
            block = np.tile(side > 0, (len(local), 1))
            block[:, vanishing] = local
            found.append(block)
    return np.unique(np.concatenate(found), axis=0)


# ---------------------------------------------------------------- the programs


def with_ones(X, hidden_bias):
    X = np.asarray(X, dtype=float)
    return np.column_stack([X, np.ones(len(X))]) if hidden_bias else X


def loss_expression(loss, F, y, weights):
    """The weighted sum of losses at a CVXPY expression F, (n,) or (n, C)."""
    if loss == "multinomial":
        return weights @ (cp.log_sum_exp(F, axis=1) - cp.sum(cp.multiply(y, F), axis=1))
    each = {
        "squared": lambda: 0.5 * cp.square(F - y),
        "huber": lambda: 0.5 * cp.huber(F - y, 1.0),
        "logistic": lambda: cp.logistic(-cp.multiply(y, F)),
        "hinge": lambda: cp.pos(1 - cp.multiply(y, F)),
        "squared_hinge": lambda: 0.5 * cp.square(cp.pos(1 - cp.multiply(y, F))),
    }[loss]()
    return cp.sum(weights @ each)


def relu_optimum(
    X,
    y,
    beta,
    loss="squared",
    *,
    patterns=None,
    hidden_bias=False,
    fit_intercept=False,
    sample_weight=None,
):
    """Optimal value over two-layer ReLU networks whose neurons lie in the given cells (all: None)."""
    X = with_ones(X, hidden_bias)
    D = (patterns_by_rays(X) if patterns is None else np.asarray(patterns)).astype(float)
    P, d = len(D), X.shape[1]
    V, W = cp.Variable((d, P)), cp.Variable((d, P))
    F = cp.sum(cp.multiply(D.T, X @ (V - W)), axis=1)
    if fit_intercept:
        F = F + cp.Variable()
    penalty = cp.sum(cp.norm(V, 2, axis=0)) + cp.sum(cp.norm(W, 2, axis=0))
    signs = 2 * D.T - 1
    cones = [cp.multiply(signs, X @ V) >= 0, cp.multiply(signs, X @ W) >= 0]
    weights = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    return solve(loss_expression(loss, F, np.asarray(y, float), weights) + beta * penalty, cones)


def gated_optimum(
    X,
    y,
    beta,
    loss="squared",
    *,
    patterns,
    hidden_bias=False,
    fit_intercept=False,
    sample_weight=None,
):
    """Optimal value over gated ReLU networks: a group lasso, or nuclear norms for y (n, C)."""
    X, Y = with_ones(X, hidden_bias), np.asarray(y, dtype=float)
    C = 1 if Y.ndim == 1 else Y.shape[1]
    Y = Y.reshape(len(Y), C)
    blocks = [cp.Variable((X.shape[1], C)) for _ in patterns]
    F = sum(np.asarray(D, float)[:, None] * X @ W for D, W in zip(patterns, blocks, strict=True))
    if fit_intercept:
        F = F + np.ones((len(X), 1)) @ cp.Variable((1, C))
    penalty = sum(cp.norm(W, "fro") if C == 1 else cp.normNuc(W) for W in blocks)
    weights = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    return solve(loss_expression(loss, F, Y, weights) + beta * penalty, [])


def linear_optimum(X, y, beta, loss="squared", **options):
    """Optimal value over two-layer linear networks: one nuclear norm."""
    return gated_optimum(X, y, beta, loss, patterns=np.ones((1, len(X)), dtype=bool), **options)


class NoReferenceError(RuntimeError):
    """Clarabel could not solve this program well enough to judge anything by it."""


def solve(objective, constraints):
    """Minimum to eight digits at least, as far as Clarabel gets; it is asked for eleven first."""
    problem = cp.Problem(cp.Minimize(objective), constraints)
    for tolerance in (1e-11, 1e-10, 1e-9, 1e-8):
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # "may be inaccurate": then the next tolerance is asked for
            try:
                problem.solve(
                    solver=cp.CLARABEL,
                    tol_gap_abs=tolerance,
                    tol_gap_rel=tolerance,
                    tol_feas=tolerance,
                    max_threads=1,
                )
            except cp.SolverError:
                continue
        if problem.status == cp.OPTIMAL:
            return float(problem.value)
    raise NoReferenceError(f"Clarabel says {problem.status}")


# ---------------------------------------------------------------- networks, judged from outside


def loss_value(loss, F, y, weights=None):
    """Weighted sum of losses at predictions F, (n,) or (n, C), by NumPy."""
    F, y = np.asarray(F, float), np.asarray(y, float)
    if loss == "multinomial":
        top = F.max(axis=1)
        each = top + np.log(np.exp(F - top[:, None]).sum(axis=1)) - (F * y).sum(axis=1)
    else:
        each = {
            "squared": lambda: 0.5 * (F - y) ** 2,
            "huber": lambda: np.where(np.abs(F - y) <= 1, 0.5 * (F - y) ** 2, np.abs(F - y) - 0.5),
            "logistic": lambda: np.logaddexp(0.0, -y * F),
            "hinge": lambda: np.maximum(0.0, 1 - y * F),
            "squared_hinge": lambda: 0.5 * np.maximum(0.0, 1 - y * F) ** 2,
        }[loss]()
        each = each if each.ndim == 1 else each.sum(axis=1)
    return float(each.sum() if weights is None else np.asarray(weights, float) @ each)


def relu_network_objective(network, X, y, beta, loss="squared", weights=None):
    """Objective of a ReLU network from its weight arrays alone."""
    U, A, c = network.hidden_weights, network.output_weights, network.hidden_bias
    X = np.asarray(X, dtype=float)
    if c is not None:
        X, U = np.column_stack([X, np.ones(len(X))]), np.column_stack([U, c])
    F = np.maximum(X @ U.T, 0.0) @ A + network.intercept
    F = F[:, 0] if np.ndim(y) == 1 and F.shape[1] == 1 else F
    penalty = float(np.linalg.norm(U, axis=1) @ np.linalg.norm(A, axis=1))
    return loss_value(loss, F, y, weights) + beta * penalty


def dual_value(loss, v, y, weights=None):
    """``-L*(-v)`` from the table of Fenchel duals, one output; minus infinity outside the domain."""
    v, y = np.asarray(v, float), np.asarray(y, float)
    w = np.ones(len(y)) if weights is None else np.asarray(weights, float)
    if np.any((w == 0) & (v != 0)):
        return -np.inf
    v, y, w = v[w > 0] / w[w > 0], y[w > 0], w[w > 0]
    a, slack = v * y, 1e-12
    if loss in ("squared", "huber"):
        inside = loss == "squared" or np.all(np.abs(v) <= 1 + slack)
        return float(w @ (v * y - 0.5 * v**2)) if inside else -np.inf
    if np.any(a < -slack) or (loss != "squared_hinge" and np.any(a > 1 + slack)):
        return -np.inf
    if loss == "squared_hinge":
        return float(w @ (a - 0.5 * a**2))
    a = np.clip(a, 0.0, 1.0)
    return float(w @ (a if loss == "hinge" else -xlogy(a, a) - xlogy(1 - a, 1 - a)))


def dual_correlation(X, v, patterns=None):
    """``max_{||u|| <= 1} |v' relu(X u)|`` by one projection (NNLS) a pattern and sign."""
    X, v = np.asarray(X, float), np.asarray(v, float)
    best = 0.0
    for D in patterns_by_rays(X) if patterns is None else patterns:
        cone = (2.0 * D[:, None] - 1.0) * X
        for sign in (1.0, -1.0):
            centre = sign * X.T @ (D * v)
            lam, _ = nnls(cone.T, -centre, maxiter=100 * len(X))
            best = max(best, float(np.linalg.norm(centre + cone.T @ lam)))
    return best
