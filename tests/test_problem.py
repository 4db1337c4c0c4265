"""The problem: lower bounds that are below the optimum, their scale, intercepts, sample weights."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize, minimize_scalar, nnls

from nogap import Status, train
from nogap.formulation import formulate
from nogap.losses import Huber, get_loss

SCALAR_LOSSES = ["squared", "huber", "logistic", "squared_hinge", "hinge"]
ALL_LOSSES = [*SCALAR_LOSSES, "multinomial"]


def targets(loss, rng, n):
    if loss == "multinomial":
        return np.arange(n) % 3
    if get_loss(loss).classifies:
        return np.where(np.arange(n) % 3 == 0, -1.0, 1.0)
    return 2 * rng.normal(size=n)


def correlation_by_brute_force(X, v):
    """q(v) by a projection on the cone of each of the 2^n patterns; most cones are just {0}."""
    best = 0.0
    for bits in itertools.product([0.0, 1.0], repeat=len(X)):
        on = np.array(bits)
        G = (2 * on - 1)[:, None] * X
        for sign in (1.0, -1.0):
            best = max(best, nnls(G.T, -sign * (X.T @ (on * v)))[1])
    return best


def optimum_by_cvxpy(problem):
    """Value of the convex program over all 2^n patterns (superfluous cones do no harm)."""
    import cvxpy as cp

    X = problem.rows.take(np.arange(problem.rows.n))
    y, w = problem.Y[:, 0], problem.weights
    n, d = X.shape
    f, penalty, constraints = 0, 0, []
    for bits in itertools.product([0.0, 1.0], repeat=n):
        on = np.array(bits)
        for sign in (1.0, -1.0):
            u = cp.Variable(d)
            f += sign * cp.multiply(on, X @ u)
            penalty += cp.norm(u, 2)
            constraints.append(cp.multiply(2 * on - 1, X @ u) >= 0)
    if problem.fit_intercept:
        f += cp.Variable()
    loss = {
        "squared": lambda: 0.5 * cp.square(f - y),
        "huber": lambda: 0.5 * cp.huber(f - y, 1.0),
        "logistic": lambda: cp.logistic(-cp.multiply(y, f)),
        "squared_hinge": lambda: 0.5 * cp.square(cp.pos(1 - cp.multiply(y, f))),
        "hinge": lambda: cp.pos(1 - cp.multiply(y, f)),
    }[problem.loss.name]()
    program = cp.Problem(cp.Minimize(w @ loss + problem.beta * penalty), constraints)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program.solve(cp.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    assert program.status in ("optimal", "optimal_inaccurate")
    return program.value


def dual_value(problem, V):
    """``-L*(-V)``, written out anew."""
    total = 0.0
    for v, y, w in zip(V, problem.Y, problem.weights, strict=True):
        if w > 0:
            total -= w * problem.loss.conjugate(-v[None] / w, y[None])[0]
        else:
            assert_array_equal(v, 0.0)
    return total


# ---------------------------------------------------------------- lower bounds


@pytest.mark.parametrize("loss", SCALAR_LOSSES)
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_no_dual_point_gives_a_bound_above_the_optimum(loss, fit_intercept):
    rng = np.random.default_rng(SCALAR_LOSSES.index(loss))
    X = rng.normal(size=(4, 2))
    weights = np.array([1.0, 0.5, 2.0, 0.0])
    y = np.array([1.0, -1.0, -1.0, 1.0]) if get_loss(loss).classifies else targets(loss, rng, 4)
    problem = formulate(
        X, y, beta=0.3, loss=loss, fit_intercept=fit_intercept, sample_weight=weights
    )
    optimum = optimum_by_cvxpy(problem)
    room = 1e-8 * (1 + abs(optimum))
    best = -np.inf
    trained = train(
        X,
        y,
        beta=0.3,
        loss=loss,
        fit_intercept=fit_intercept,
        sample_weight=weights,
        tol=1e-6,
        random_state=0,
    )
    assert trained.objective >= optimum - room
    assert trained.certificate.lower_bound <= optimum + room
    points = [problem.dual_point(size * rng.normal(size=(4, 1))) for size in (0.0, 0.3, 1, 3, 10)]
    points += [trained.certificate.dual[:, None], problem.dual_point(trained.network.decision(X))]
    for V in points:
        balanced = problem.feasible_direction(V)
        q = correlation_by_brute_force(X, balanced[:, 0])
        bound = problem.lower_bound(balanced, q)
        assert bound.value <= optimum + room
        assert bound.scale * q <= problem.beta
        best = max(best, bound.value)
        # a larger figure for q is a weaker claim
        assert problem.lower_bound(balanced, 1.5 * q).value <= bound.value + 1e-12
    assert best >= optimum * (1 - 1e-3)  # the trained dual point makes it tight


def test_no_multinomial_dual_point_gives_a_bound_above_a_network():
    rng = np.random.default_rng(7)
    X, y = rng.normal(size=(6, 2)), targets("multinomial", rng, 6)
    for fit_intercept in (False, True):
        options = {"beta": 0.2, "loss": "multinomial", "fit_intercept": fit_intercept}
        problem = formulate(X, y, **options)
        trained = train(X, y, **options, tol=1e-5, random_state=0)
        assert trained.status.converged
        for size in (0.0, 0.5, 1.0, 3.0, 30.0):
            V = problem.feasible_direction(problem.dual_point(size * rng.normal(size=(6, 3))))
            q = np.linalg.norm([correlation_by_brute_force(X, v) for v in V.T])  # at least q(V)
            bound = problem.lower_bound(V, q)
            assert np.isfinite(bound.value)
            assert bound.value <= trained.objective * (1 + 1e-12)
        V = problem.feasible_direction(problem.dual_point(trained.network.decision(X)))
        at_optimum = problem.lower_bound(V, problem.beta).value
        assert at_optimum == pytest.approx(trained.objective, rel=1e-4)


@pytest.mark.parametrize("loss", ALL_LOSSES)
@pytest.mark.parametrize("share", [0.0, 1e-3, 0.3, 1.0, 3.0])
def test_the_scale_is_the_best_one(loss, share):
    rng = np.random.default_rng(11)
    X, y = rng.normal(size=(6, 2)), targets(loss, rng, 6)
    problem = formulate(X, y, beta=1.0, loss=loss, sample_weight=rng.uniform(0.2, 2, size=6))
    for size in (0.0, 1.0, 4.0):
        V = problem.dual_point(size * rng.normal(size=problem.Y.shape))
        q = share if share else 0.0  # any figure will do: only beta / q matters here
        bound = problem.lower_bound(V, q)
        limit = 1 / q if q else np.inf
        domain = problem.loss.largest_scale(-V / problem.weights[:, None], problem.Y)
        limit = min(limit, domain)
        assert 0 <= bound.scale <= limit
        grid = np.concatenate([np.linspace(0, min(limit, 50.0), 80)[:-1], [bound.scale]])
        values = [dual_value(problem, t * V) for t in grid]
        assert bound.value >= max(values) - 1e-9 * (1 + abs(max(values)))
        assert bound.value <= dual_value(problem, bound.scale * V)


def test_the_scale_of_the_squared_loss_in_closed_form():
    X, y = np.array([[1.0], [2.0], [-1.0]]), np.array([1.0, 3.0, 2.0])
    problem = formulate(X, y, beta=0.5)
    V = np.array([[0.5], [1.0], [1.0]])
    free = V[:, 0] @ y / (V[:, 0] @ V[:, 0])
    for q in (1e-9, 0.1, 0.5 / free, 1.0, 10.0):
        scale = min(0.5 / q, free)
        value = scale * V[:, 0] @ y - 0.5 * scale**2 * V[:, 0] @ V[:, 0]
        bound = problem.lower_bound(V, q)
        assert bound.value == pytest.approx(value, rel=1e-12)
        assert bound.scale == pytest.approx(scale, rel=1e-6)
    away = problem.lower_bound(-V, 1.0)  # points the wrong way: zero is the best scale
    assert away.scale == pytest.approx(0.0, abs=1e-9)
    assert away.value == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("loss", SCALAR_LOSSES)
@pytest.mark.parametrize("ratio", [1e3, 1e8, 1e14, 1e20, 1e40])
def test_a_penalty_far_above_beta_max_does_not_spoil_the_bound(loss, ratio):
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(5, 2)), targets(loss, rng, 5)
    problem = formulate(X, y, beta=ratio, loss=loss)
    V = problem.dual_point(np.zeros_like(problem.Y))
    bound = problem.lower_bound(V, correlation_by_brute_force(X, V[:, 0]))
    assert bound.value == pytest.approx(problem.loss_value(np.zeros_like(problem.Y)), rel=1e-9)


@pytest.mark.parametrize("loss", ALL_LOSSES)
def test_nothing_to_learn_gives_a_bound_of_zero(loss):
    """A vanishing dual point: the loss is zero, or the network fits."""
    y = [1.0, -1.0, 1.0] if loss != "multinomial" else [0, 1, 1]
    problem = formulate(np.ones((3, 1)), y, beta=1.0, loss=loss)
    bound = problem.lower_bound(np.zeros_like(problem.Y), 0.0)
    assert bound.value == 0.0


def test_rounding_is_subtracted_from_the_bound():
    """Large offsets cancel in the dual objective; the figure must stay below the true one."""
    from fractions import Fraction

    rng = np.random.default_rng(5)
    y = 1e8 + rng.normal(size=40)
    problem = formulate(rng.normal(size=(40, 2)), y, beta=1.0, fit_intercept=True)
    V = problem.feasible_direction(rng.normal(size=(40, 1)))
    bound = problem.lower_bound(V, 1.0)
    v = [Fraction(float(x)) for x in bound.scale * V[:, 0]]
    exact = sum(a * Fraction(float(b)) - a * a / 2 for a, b in zip(v, y, strict=True))
    assert Fraction(bound.value) <= exact
    assert float(exact) - bound.value <= 1e-4


# ---------------------------------------------------------------- intercepts


def best_intercept_by_scipy(problem, F):
    if problem.n_outputs == 1:
        y, f = problem.Y[:, 0], F[:, 0]
        reach = np.abs(y).max() + np.abs(f).max() + 50
        best = minimize_scalar(
            lambda b: problem.loss_value(F + b),
            bounds=(-reach, reach),
            method="bounded",
            options={"xatol": 1e-10, "maxiter": 2000},
        )
        return best.fun
    return minimize(
        lambda b: problem.loss_value(F + b),
        np.zeros(problem.n_outputs),
        jac=lambda b: -problem.dual_point(F + b).sum(axis=0),
        tol=1e-12,
    ).fun


@pytest.mark.parametrize("loss", ALL_LOSSES)
@pytest.mark.parametrize("size", [0.0, 0.5, 20.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_best_intercept(loss, size, weighted):
    rng = np.random.default_rng(13)
    for _ in range(3):
        n = 9
        y = targets(loss, rng, n)
        w = rng.choice([0.1, 1.0, 3.0], size=n) if weighted else None
        problem = formulate(
            np.ones((n, 1)), y, beta=1.0, loss=loss, fit_intercept=True, sample_weight=w
        )
        F = size * rng.normal(size=problem.Y.shape)
        b = problem.best_intercept(F)
        assert b.shape == (problem.n_outputs,)
        found, best = problem.loss_value(F + b), best_intercept_by_scipy(problem, F)
        assert found <= best + 1e-9 * (1 + abs(best))
        if problem.loss.smooth:  # stationary
            V = problem.dual_point(F + b)
            assert_allclose(V.sum(axis=0), 0.0, atol=1e-7 * (1 + np.abs(V).sum()))


@pytest.mark.parametrize("far", [100.0, 1e4, 1e6])
def test_the_best_intercept_of_a_flat_huber_loss(far):
    """No residual of the first guess is in the quadratic part: Newton's step has no curvature."""
    y = np.array([far, far + 0.1, far - 0.2, far + 300, far + 301])
    problem = formulate(np.ones((5, 1)), y, beta=1.0, loss=Huber(1.0), fit_intercept=True)
    b = problem.best_intercept(np.zeros((5, 1)))
    slope = problem.dual_point(np.zeros((5, 1)) + b).sum()
    assert slope == pytest.approx(0.0, abs=1e-8)


def test_the_best_intercept_of_rare_classes():
    y = np.ones(1000)
    y[0] = -1.0
    problem = formulate(np.ones((1000, 1)), y, beta=1.0, loss="logistic", fit_intercept=True)
    assert problem.best_intercept(np.zeros((1000, 1)))[0] == pytest.approx(np.log(999), rel=1e-8)
    y = np.zeros(1000, dtype=int)
    y[:3] = [1, 2, 2]
    problem = formulate(np.ones((1000, 1)), y, beta=1.0, loss="multinomial", fit_intercept=True)
    b = problem.best_intercept(np.zeros((1000, 3)))
    assert_allclose(b - b[0], np.log([1, 1 / 997, 2 / 997]), rtol=1e-8)


def test_the_best_intercept_needs_few_passes_over_the_data(monkeypatch):
    y = np.zeros(100, dtype=int)
    y[:3] = [1, 2, 2]
    problem = formulate(np.ones((100, 1)), y, beta=1.0, loss="multinomial", fit_intercept=True)
    calls = []
    value = type(problem.loss).value
    monkeypatch.setattr(
        type(problem.loss), "value", lambda self, F, Y: (calls.append(1), value(self, F, Y))[1]
    )
    problem.best_intercept(np.zeros((100, 3)))
    assert len(calls) <= 100


def test_the_best_intercept_by_hand():
    y = np.array([1.0, 2.0, 6.0])
    problem = formulate(np.ones((3, 1)), y, beta=1.0, fit_intercept=True)
    assert_allclose(problem.best_intercept(np.zeros((3, 1))), [3.0], rtol=1e-14)
    assert_allclose(problem.best_intercept(y[:, None] - 5), [5.0], rtol=1e-14)
    without = formulate(np.ones((3, 1)), y, beta=1.0)
    assert_array_equal(without.best_intercept(np.zeros((3, 1))), [0.0])
    Y = np.array([[1.0, 10.0], [3.0, 20.0]])
    problem = formulate(np.ones((2, 1)), Y, beta=1.0, fit_intercept=True)
    assert_allclose(problem.best_intercept(np.zeros((2, 2))), [2.0, 15.0], rtol=1e-14)


# ---------------------------------------------------------------- sample weights


@pytest.mark.parametrize("loss", ALL_LOSSES)
def test_whole_weights_are_repeated_rows(loss):
    rng = np.random.default_rng(17)
    X, y = rng.normal(size=(6, 2)), targets(loss, rng, 6)
    times = np.array([1, 3, 2, 0, 1, 2])
    rows = np.repeat(np.arange(6), times)
    weighted = formulate(X, y, beta=0.4, loss=loss, sample_weight=times, fit_intercept=True)
    repeated = formulate(X[rows], np.asarray(y)[rows], beta=0.4, loss=loss, fit_intercept=True)
    F = rng.normal(size=weighted.Y.shape)
    assert weighted.loss_value(F) == pytest.approx(repeated.loss_value(F[rows]), rel=1e-13)
    V, many = weighted.dual_point(F), repeated.dual_point(F[rows])
    for i in range(6):
        assert_allclose(many[rows == i].sum(axis=0), V[i], atol=1e-13)
    assert_array_equal(V[3], 0.0)
    # the same bound
    once = weighted.lower_bound(weighted.feasible_direction(V), 2.0)
    again = repeated.lower_bound(repeated.feasible_direction(many), 2.0)
    assert once.value == pytest.approx(again.value, rel=1e-8, abs=1e-9)
    # the best intercept of a piecewise linear loss is not unique, its value is
    b, c = weighted.best_intercept(F), repeated.best_intercept(F[rows])
    assert weighted.loss_value(F + b) == pytest.approx(repeated.loss_value(F[rows] + c), rel=1e-9)


@pytest.mark.parametrize("loss", ["squared", "logistic", "hinge"])
def test_training_with_weights_is_training_on_repeated_rows(loss):
    rng = np.random.default_rng(19)
    X, y = rng.normal(size=(7, 2)), np.asarray(targets(loss, rng, 7))
    times = np.array([1, 3, 2, 0, 1, 2, 1])
    rows = np.repeat(np.arange(7), times)
    kept = times > 0
    options = {"beta": 0.4, "loss": loss, "tol": 1e-4, "random_state": 0, "max_time": 10}
    solutions = [
        train(X, y, sample_weight=times, **options),
        train(X[rows], y[rows], **options),
        train(X[kept], y[kept], sample_weight=times[kept], **options),
    ]
    for solution in solutions:
        assert solution.status is Status.OPTIMAL
        assert solution.objective == pytest.approx(solutions[0].objective, rel=2e-4)
        assert solution.certificate.lower_bound <= solutions[0].objective * (1 + 1e-9)
    own = solutions[0].network.objective(X, y, beta=0.4, loss=loss, sample_weight=times)
    assert own == pytest.approx(solutions[0].objective, rel=1e-12)


def test_the_hinge_loss_on_repeated_rows_ends():
    """Repeated rows make the dual of the linear program degenerate; that must not go in circles."""
    rng = np.random.default_rng(12)
    X, y = rng.normal(size=(7, 2)), targets("hinge", rng, 7)
    rows = np.repeat(np.arange(7), [1, 3, 2, 0, 1, 2, 1])
    options = {"beta": 0.4, "loss": "hinge", "tol": 1e-6, "random_state": 0, "max_time": 5}
    solution = train(X[rows], y[rows], **options)
    assert solution.status is Status.OPTIMAL


@pytest.mark.parametrize(
    ("loss", "factor"), [("squared", 1e-6), ("squared", 1e6), ("logistic", 1e-3), ("logistic", 1e3)]
)
def test_weights_and_penalty_may_be_scaled_together(loss, factor):
    rng = np.random.default_rng(23)
    X, y = rng.normal(size=(6, 2)), targets(loss, rng, 6)
    plain = train(X, y, beta=0.2, loss=loss, random_state=0)
    scaled = train(
        X, y, beta=0.2 * factor, loss=loss, sample_weight=np.full(6, factor), random_state=0
    )
    assert scaled.objective == pytest.approx(factor * plain.objective, rel=2e-4)
    assert scaled.status is plain.status


@pytest.mark.parametrize("loss", ["logistic", "multinomial"])
def test_conjugates_keep_their_digits_beside_heavy_weights(loss):
    """Near a perfect fit the dual variables per unit of weight are tiny, and 1 - s rounds."""
    s = np.array([[1e-3], [1e-9], [1e-15]])
    if loss == "logistic":
        values = get_loss(loss).conjugate(-s, np.ones_like(s))
    else:
        values = get_loss(loss).conjugate(np.hstack([-s, s]), np.tile([1.0, 0.0], (3, 1)))
    expected = [x * math.log(x) + (1 - x) * math.log1p(-x) for x in s[:, 0]]
    assert_allclose(values, expected, rtol=1e-14)
