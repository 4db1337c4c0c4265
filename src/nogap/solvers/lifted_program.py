"""The copositive program of ReLU networks, relaxed to doubly non-negative matrices.

A neuron with output weights a and hidden weights u has, on the rows X, the vector
``z = (a, u, p)`` with ``p = relu(X u)``.  Over all neurons ``Z = sum z z'`` is completely positive
on a cone; kept of that are positive semidefiniteness and, with ``m = p - X u = relu(-X u)``,

    P P >= 0,   M M >= 0,   P M >= 0,   diag(P M) = 0     (entrywise)

so the optimum is a lower bound that knows nothing of activation patterns.  With one output, neurons
of positive and of negative output weight have a matrix each, where ``P a >= 0`` and ``M a >= 0``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from nogap._typing import Array
from nogap.problem import EPS, Problem

TOLERANCE = 1e-10


@dataclass(frozen=True)
class Lifted:
    """What the program gives.

    Attributes
    ----------
    V : array (n, C)
        Its dual point.
    dual_correlation : float
        A rigorous upper bound on q(V).
    moments : list of array (N, N)
        The matrices Z, one or (with one output) two, for scaled rows and targets.
    signs : list of float
        Of the output weights; with several outputs a single 1.
    """

    V: Array
    dual_correlation: float
    moments: list[Array]
    signs: list[float]


@dataclass(frozen=True)
class _Forms:
    """Bilinear forms ``a' Z b`` as rows on the scaled upper triangle of Z."""

    rows: Any  # sparse (k, N (N + 1) / 2)
    pairs: list[tuple[Array, Array]]
    size: int  # N

    def combination(self, weights: Array) -> Array:
        """``sum_k weights_k (a_k b_k' + b_k a_k') / 2``."""
        N = self.size
        A = np.array([a for a, _ in self.pairs]).reshape(-1, N)
        B = np.array([b for _, b in self.pairs]).reshape(-1, N)
        S: Array = A.T @ (weights[:, None] * B)
        return 0.5 * (S + S.T)


def solve_lifted(problem: Problem, X: Array) -> Lifted:
    """Solve the relaxation for the squared loss on rows X (n, d) of a moderate number.

    Rows and targets are scaled to norms near 1: the solver stops at an absolute accuracy, and what
    its multipliers miss counts the more, the larger the rows are.
    """
    x_scale, y_scale = _power_of_two(np.linalg.norm(X, 2)), _power_of_two(np.linalg.norm(problem.Y))
    scaled = _solve(X / x_scale, problem.Y / y_scale, problem.beta / x_scale / y_scale)
    return replace(
        scaled,
        V=y_scale * scaled.V,
        dual_correlation=x_scale * y_scale * scaled.dual_correlation,
    )


def _power_of_two(norm: Any) -> float:
    """The nearest one: dividing by it rounds nothing, so that bounds hold for what was given."""
    return float(2.0 ** np.round(np.log2(norm))) if norm > 0 else 1.0


def _solve(X: Array, Y: Array, beta: float) -> Lifted:
    import clarabel

    (n, d), C = X.shape, Y.shape[1]
    N = C + d + n
    p = np.eye(N)[C + d :]
    m = p.copy()
    m[:, C : C + d] -= X
    alpha = np.eye(N)[:C]
    upper = [(i, j) for i in range(n) for j in range(i + 1, n)]
    off = [(i, j) for i in range(n) for j in range(n) if i != j]
    pairs = [(p[i], p[j]) for i, j in upper] + [(m[i], m[j]) for i, j in upper]
    pairs += [(p[i], m[j]) for i, j in off]
    signs = [1.0]
    if C == 1:
        signs = [1.0, -1.0]
        pairs += [(row, alpha[0]) for row in np.concatenate([p, m])]
    inside = _forms(pairs, N)
    zero = _forms([(p[i], m[i]) for i in range(n)], N)
    outputs = _forms([(p[i], alpha[c]) for i in range(n) for c in range(C)], N)

    K, size = len(signs), N * (N + 1) // 2
    cost = np.zeros(N)
    cost[: C + d] = 0.5 * beta
    trace = np.zeros(size)
    trace[np.cumsum(np.arange(1, N + 1)) - 1] = cost
    n_var = K * size + n * C
    P = sp.diags_array(np.repeat([0.0, 1.0], [K * size, n * C]), format="csc")
    q = np.concatenate([np.tile(trace, K), np.zeros(n * C)])
    blank = sp.csc_array((1, n * C))
    fit = sp.hstack([*[s * outputs.rows for s in signs], sp.eye_array(n * C)])
    parts: list[Any] = [fit, _blocks(zero.rows, K, blank), _blocks(-inside.rows, K, blank)]
    parts.append(_blocks(-sp.eye_array(size), K, blank))
    cones = [
        clarabel.ZeroConeT(n * C + K * n),
        clarabel.NonnegativeConeT(K * len(pairs)),
        *[clarabel.PSDTriangleConeT(N)] * K,
    ]
    A = sp.csc_matrix(sp.vstack(parts))
    bounds = np.zeros(A.shape[0])
    bounds[: n * C] = Y.ravel()
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.max_threads = 1
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = TOLERANCE
    solved: Any = clarabel.DefaultSolver(sp.csc_matrix(P), q, A, bounds, cones, settings).solve()
    x, z = np.array(solved.x), np.array(solved.z)
    if not (np.all(np.isfinite(x)) and np.all(np.isfinite(z)) and x.size == n_var):
        raise RuntimeError(f"the interior-point solver failed: {solved.status}")
    V = x[K * size :].reshape(n, C)
    multipliers = z[n * C :]
    equal = multipliers[: K * n].reshape(K, n)
    positive = np.maximum(multipliers[K * n : K * (n + len(pairs))], 0.0).reshape(K, -1)
    largest = 0.0
    for sign, free, bounded in zip(signs, equal, positive, strict=True):
        S = np.diag(cost) - sign * outputs.combination(V.ravel())
        S += zero.combination(free) - inside.combination(bounded)
        largest = max(largest, _excess(S, X, C))
    return Lifted(
        V,
        beta + largest,
        [_unpacked(x[k * size : (k + 1) * size], N) for k in range(K)],
        signs,
    )


def _excess(S: Array, X: Array, C: int) -> float:
    """How far the correlation can be above beta when S is not quite positive semidefinite.

    Every neuron has ``||p||^2 <= sigma(X)^2 ||u||^2``, so with eigenvalues of at least -e
    ``<V, p a'> <= (beta / 2 + e (1 + sigma(X)^2)) (||a||^2 + ||u||^2)``.
    """
    size = float(np.abs(S).sum(axis=1).max())
    least = float(np.linalg.eigvalsh(S)[0]) - 8 * EPS * len(S) * size
    sigma = float(np.linalg.norm(X, 2))
    return 2.0 * max(-least, 0.0) * (1.0 + sigma**2) * (1 + 1e-12)


def _forms(pairs: list[tuple[Array, Array]], N: int) -> _Forms:
    columns, rows = np.triu_indices(N)[::-1], None
    # column by column: (0, 0), (0, 1), (1, 1), (0, 2), ...
    order = np.lexsort((columns[1], columns[0]))
    j, i = columns[0][order], columns[1][order]
    position = np.zeros((N, N), dtype=np.intp)
    position[i, j] = position[j, i] = np.arange(i.size)
    scale = np.where(np.eye(N, dtype=bool), 1.0, np.sqrt(0.5))
    none = np.zeros(0)  # a single row has no pairs
    data, which, where = [none], [none.astype(np.intp)], [none.astype(np.intp)]
    for k, (a, b) in enumerate(pairs):
        ia, ib = np.flatnonzero(a), np.flatnonzero(b)
        product = np.outer(a[ia], b[ib])
        data.append((product * scale[np.ix_(ia, ib)]).ravel())
        where.append(position[np.ix_(ia, ib)].ravel())
        which.append(np.full(product.size, k))
    rows = sp.csc_array(
        (np.concatenate(data), (np.concatenate(which), np.concatenate(where))),
        shape=(len(pairs), i.size),
    )
    return _Forms(rows, pairs, N)


def _blocks(rows: Any, K: int, blank: Any) -> Any:
    """The same rows for each of K matrices, and nothing for the residual."""
    stacked = sp.block_diag([rows] * K)
    return sp.hstack([stacked, sp.csc_array((stacked.shape[0], blank.shape[1]))])


def _unpacked(triangle: Array, N: int) -> Array:
    Z = np.zeros((N, N))
    k = 0
    for j in range(N):
        Z[: j + 1, j] = triangle[k : k + j + 1]
        k += j + 1
    Z = np.where(np.eye(N, dtype=bool), Z, np.sqrt(0.5) * Z)
    result: Array = Z + np.triu(Z, 1).T
    return result
