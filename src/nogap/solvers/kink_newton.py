"""Newton's method on the hidden side that lives with kinks: the last digits of the master.

At an optimum most neurons have zero pre-activations, up to d - 1 of them.  With the output
directions fixed, the objective in v_j = size_j u_j is smooth except where x_i' v_j = 0; such a kink
holds a minimiser only if turning the row on costs loss (push_ij < 0).  Each neuron keeps a set of
rows that sit on their kink; Newton steps are taken for all neurons together inside those null
spaces, rows whose multiplier leaves [0, 1] are released to the side it points to, and a step that
would cross a holding kink stops there and catches it.  Other kinks are crossed freely: the
objective is the true one, not that of a cell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, qr

from nogap._typing import Array, BoolArray, IntArray
from nogap.problem import Problem
from nogap.solvers.neurons import Neurons

SNAP = 1e-6  # relative pre-activation below which a holding kink is caught at the start
MULTIPLIER_SLACK = 1e-9
DAMPINGS = (1e-12, 1e-6, 1e-3, 1e-1)  # tried in turn until a step lowers the objective
MOST_RETURNS = 5  # times that released rows are put back because they would move the wrong way
MOST_HALVINGS = 12
NEARLY_GONE = 1e-6  # of the largest size


@dataclass
class _State:
    """V (m, d) with rows v_j, the intercept, what is on, what sits on its kink."""

    V: Array
    b: Array
    on: BoolArray  # (n, m), false on kinks
    kink: BoolArray  # (n, m)
    F: Array
    value: float


def kink_newton(
    problem: Problem,
    neurons: Neurons,
    max_iter: int = 40,
    should_stop: Callable[[], bool] = lambda: False,
    tolerance: float = 1e-15,
) -> Neurons:
    """Neurons at a local optimum of the hidden side for fixed output directions (ReLU units)."""
    if neurons.count == 0 or not problem.loss.smooth:
        return neurons
    X = problem.rows.take(np.arange(problem.rows.n))
    S = neurons.outputs
    state = _start(problem, X, neurons)
    for _ in range(max_iter):
        if should_stop():
            break
        new = _iterate(problem, X, S, state)
        if new is None:
            break
        decrease, released_or_caught = state.value - new.value, _changed(state, new)
        state = new
        if decrease <= tolerance * abs(state.value) and not released_or_caught:
            break
    return Neurons.from_factors(state.V, S, state.b, neurons.gate)


def _changed(old: _State, new: _State) -> bool:
    return bool(np.any(old.kink != new.kink))


def _start(problem: Problem, X: Array, neurons: Neurons) -> _State:
    """Catch the kinks that already hold a neuron up to rounding-sized distances."""
    V = neurons.hidden.copy()
    Z = X @ V.T
    F = np.maximum(Z, 0.0) @ neurons.outputs + neurons.intercept
    push = problem.dual_point(F) @ neurons.outputs.T
    sizes = np.linalg.norm(X, axis=1)[:, None] * np.linalg.norm(V, axis=1)
    near = (np.abs(Z) <= SNAP * sizes) & (push < 0)
    kink = np.zeros_like(near)
    for j in range(neurons.count):
        rows = np.flatnonzero(near[:, j])
        if rows.size:
            rows = rows[np.argsort(np.abs(Z[rows, j]), kind="stable")][: X.shape[1] - 1]
            basis = null_space(X[rows])
            V[j] = basis @ (basis.T @ V[j])
            kink[rows, j] = True
    on = (X @ V.T > 0) & ~kink
    F, value = _evaluate(problem, X, V, neurons.outputs, neurons.intercept)
    return _State(V, neurons.intercept, on, kink, F, value)


def null_space(rows: Array) -> Array:
    """Orthonormal basis (d, d - rank) of the directions orthogonal to the given rows."""
    if rows.shape[0] == 0:
        return np.eye(rows.shape[1])
    Q, R, _ = qr(rows.T, pivoting=True)
    diagonal = np.abs(np.diag(R))
    rank = int(np.sum(diagonal > 1e-11 * max(float(diagonal.max(initial=0.0)), 1e-300)))
    basis: Array = Q[:, rank:]
    return basis


def _evaluate(problem: Problem, X: Array, V: Array, S: Array, b: Array) -> tuple[Array, float]:
    F = np.maximum(X @ V.T, 0.0) @ S + b
    penalty = problem.beta * float(np.linalg.norm(V, axis=1).sum())
    return F, problem.loss_value(F) + penalty


def _iterate(problem: Problem, X: Array, S: Array, state: _State) -> _State | None:
    """Release, Newton direction, step with catching; None when no step lowers the objective."""
    push = problem.dual_point(state.F) @ S.T  # (n, m): gain in loss of raising z_ij
    sizes = np.linalg.norm(state.V, axis=1)
    units = state.V / np.where(sizes > 0, sizes, 1.0)[:, None]
    force = (X.T @ (state.on * push)).T - problem.beta * units  # minus gradient, (m, d)
    on, kink = _release(X, push, force, state, sizes)
    everyone = np.flatnonzero(sizes > 0)
    sizeable = np.flatnonzero(sizes > NEARLY_GONE * sizes.max())
    found = _newton_step(problem, X, S, state, on, kink, push, everyone)
    if found is None and sizeable.size < everyone.size:
        # a neuron of nearly no size turns at once, which spoils a direction made for all together
        found = _without(problem, X, S, state, sizes <= NEARLY_GONE * sizes.max())
        found = found or _newton_step(problem, X, S, state, on, kink, push, sizeable)
    return found


def _newton_step(
    problem: Problem,
    X: Array,
    S: Array,
    state: _State,
    on: BoolArray,
    kink: BoolArray,
    push: Array,
    alive: IntArray,
) -> _State | None:
    """A step of the neurons ``alive`` that lowers the objective, as little damped as it can be."""
    for damping in DAMPINGS:
        moves = _kept_sides(problem, X, S, state, on, kink, push, alive, damping)
        found = _line_search(problem, X, S, state, push, moves)
        if found is not None:
            return found
    return None


def _without(problem: Problem, X: Array, S: Array, state: _State, gone: BoolArray) -> _State | None:
    """The state without some neurons, if they are not missed."""
    V, kink = state.V.copy(), state.kink.copy()
    V[gone], kink[:, gone] = 0.0, False
    F, value = _evaluate(problem, X, V, S, state.b)
    if value >= state.value:
        return None
    return _State(V, state.b, (X @ V.T > 0) & ~kink, kink, F, value)


@dataclass
class _Moves:
    """A direction for the hidden weights and the intercept, with the rows it lets go of."""

    direction: Array
    db: Array
    on: BoolArray
    kink: BoolArray


def _kept_sides(
    problem: Problem,
    X: Array,
    S: Array,
    state: _State,
    on: BoolArray,
    kink: BoolArray,
    push: Array,
    alive: IntArray,
    damping: float,
) -> _Moves:
    """A Newton direction in which every released row moves to the side it was released to.

    Only the neurons in ``alive`` (all of positive size) move.
    """
    sizes = np.linalg.norm(state.V, axis=1)
    units = state.V / np.where(sizes > 0, sizes, 1.0)[:, None]
    released = state.kink & ~kink
    for _ in range(MOST_RETURNS):
        force = (X.T @ (on * push)).T - problem.beta * units
        bases = [null_space(X[kink[:, j]]) for j in alive]
        direction, db = _newton_direction(
            problem, X, S, state, on, alive, bases, force, sizes, damping
        )
        dZ = X @ direction.T
        wrong = released & ~kink & (push < 0) & np.where(on, dZ < 0, dZ > 0)
        if not wrong.any():
            break
        on, kink = on & ~wrong, kink | wrong
    return _Moves(direction, db, on, kink)


def _release(
    X: Array, push: Array, force: Array, state: _State, sizes: Array
) -> tuple[BoolArray, BoolArray]:
    """Let go of the worst row of each neuron whose multiplier lies outside [0, 1]."""
    on, kink = state.on.copy(), state.kink.copy()
    for j in np.flatnonzero(sizes > 0):
        rows = np.flatnonzero(kink[:, j])
        if rows.size == 0:
            continue
        # force_j + sum_i theta_i push_ij x_i = 0 in the span of the kink rows
        theta_push = np.linalg.lstsq(X[rows].T, -force[j], rcond=1e-12)[0]
        # theta in [0, 1] means theta * push between push (the row wants on) and 0 (off)
        over = np.maximum(theta_push, push[rows, j] - theta_push)
        k = int(np.argmax(over))
        if over[k] > MULTIPLIER_SLACK * float(np.abs(push[:, j]).max()):
            kink[rows[k], j] = False
            on[rows[k], j] = bool(theta_push[k] < push[rows[k], j] or push[rows[k], j] > 0)
    return on, kink


def _newton_direction(
    problem: Problem,
    X: Array,
    S: Array,
    state: _State,
    on: BoolArray,
    alive: IntArray,
    bases: list[Array],
    force: Array,
    sizes: Array,
    damping: float,
) -> tuple[Array, Array]:
    """Solve the reduced Newton system of all neurons (and the intercept) together."""
    C = S.shape[1]
    blocks = [(on[:, j, None] * X) @ N for j, N in zip(alive, bases, strict=True)]
    widths = [N.shape[1] for N in bases]
    n_free = C if problem.fit_intercept else 0
    A = np.concatenate([*blocks, np.ones((X.shape[0], n_free))], axis=1)
    owner = np.concatenate([np.repeat(S[alive], widths, axis=0), np.eye(C)[:n_free]])  # (R, C)
    H = _reduced_hessian(problem, state.F, A, owner)
    g = np.concatenate(
        [N.T @ force[j] for j, N in zip(alive, bases, strict=True)]
        + [problem.dual_point(state.F).sum(axis=0)[:n_free]]
    )
    start = 0
    for j, N, width in zip(alive, bases, widths, strict=True):
        part = slice(start, start + width)
        u = N.T @ state.V[j] / sizes[j]
        H[part, part] += problem.beta / sizes[j] * (np.eye(width) - np.outer(u, u))
        start += width
    # damped by the curvature of the squared loss, which flat stretches of the others lack
    floor = np.einsum("nr,nr,n->r", A, A, problem.weights) + 1e-300
    for extra in (1.0, 1e3, 1e6, 1e9):
        try:
            step = cho_solve(cho_factor(H + np.diag(extra * damping * floor)), g)
            break
        except LinAlgError:
            step = g
    direction = np.zeros_like(state.V)
    start = 0
    for j, N, width in zip(alive, bases, widths, strict=True):
        direction[j] = N @ step[start : start + width]
        start += width
    db = step[start:] if n_free else np.zeros(C)
    return direction, db


def _reduced_hessian(problem: Problem, F: Array, A: Array, owner: Array) -> Array:
    """Hessian of the loss in the coefficients of columns A_k with output directions owner_k."""
    w = problem.weights[:, None]
    if owner.shape[1] == 1:
        H: Array = (A.T @ (A * (w * problem.loss.curvature(F, problem.Y)))) * (owner @ owner.T)
        return H
    H = np.empty((A.shape[1], A.shape[1]))
    for k in range(A.shape[1]):
        change = w * problem.loss.hessian_product(F, problem.Y, A[:, k : k + 1] * owner[k])
        H[:, k] = np.einsum("rc,rc->r", A.T @ change, owner)
    return 0.5 * (H + H.T)


def _line_search(
    problem: Problem,
    X: Array,
    S: Array,
    state: _State,
    push: Array,
    moves: _Moves,
) -> _State | None:
    """Backtrack on a common length; a neuron that meets a holding kink stops and catches it."""
    on, kink, direction = moves.on, moves.kink, moves.direction
    Z, dZ = X @ state.V.T, X @ direction.T
    # rows just released from a kink have Z = 0: they do not count as crossing
    signed = np.where(on, Z, -Z)
    closing = np.where(on, -dZ, dZ)
    holding = (push < 0) & ~kink & (closing > 0) & (signed > 0)
    reach = np.divide(signed, closing, out=np.full(Z.shape, np.inf), where=holding)
    first = reach.min(axis=0)
    rows = reach.argmin(axis=0)
    room = (kink.sum(axis=0) < X.shape[1] - 1) & np.isfinite(first)
    length = 1.0
    for _ in range(MOST_HALVINGS):
        caught = room & (first < length)
        steps = np.where(caught, first, length)
        V, b = state.V + steps[:, None] * direction, state.b + length * moves.db
        new = _moved(problem, X, S, state.V, V, b, kink, rows, caught)
        if new.value < state.value:
            return new
        length *= 0.5
    return None


def _moved(
    problem: Problem,
    X: Array,
    S: Array,
    before: Array,
    V: Array,
    b: Array,
    kink: BoolArray,
    rows: IntArray,
    caught: BoolArray,
) -> _State:
    """The state at V and b, with row ``rows[j]`` on its kink for the neurons j that were caught."""
    gone = np.einsum("jd,jd->j", V, before) <= 0  # past the origin: the penalty stops it there
    V[gone] = 0.0
    F, value = _evaluate(problem, X, V, S, b)
    new_kink = kink.copy()
    new_kink[rows[caught], np.flatnonzero(caught)] = True
    new_kink[:, gone] = False
    return _State(V, b, (X @ V.T > 0) & ~new_kink, new_kink, F, value)
