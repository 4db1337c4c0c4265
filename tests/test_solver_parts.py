"""The parts of the solvers: quadratic programs, sizes, local descent, Newton on kinks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import minimize, nnls

from nogap import train
from nogap.formulation import formulate
from nogap.losses import Huber, get_loss
from nogap.solvers import nonnegative
from nogap.solvers.barrier import barrier_point
from nogap.solvers.coordinates import Coordinates
from nogap.solvers.features import Features
from nogap.solvers.kink_newton import kink_newton
from nogap.solvers.lbfgs import minimise
from nogap.solvers.neurons import Neurons, objective
from nogap.solvers.nonnegative import nonnegative_qp
from nogap.solvers.refit import refit_sizes
from nogap.solvers.slide import WeightDecay, slide, weights_of
from nogap.solvers.smoothing import SMOOTHING_WIDTH, SmoothedHinge
from nogap.solvers.stochastic import stochastic_descent
from nogap.units import Convolution, ReLU

SMOOTH_LOSSES = ["squared", "huber", "logistic", "squared_hinge", "multinomial"]
RELU = ReLU()


def targets(loss, rng, n):
    if loss == "multinomial":
        return np.arange(n) % 3
    if get_loss(loss).classifies:
        return np.where(np.arange(n) % 2 == 0, -1.0, 1.0)
    return 2 * rng.normal(size=n)


def some_neurons(problem, rng, m, sizes=None):
    C, d = problem.n_outputs, problem.rows.d
    U, A = rng.normal(size=(m, d)), rng.normal(size=(m, C))
    sizes = rng.exponential(size=m) if sizes is None else sizes
    return Neurons(
        U / np.linalg.norm(U, axis=1, keepdims=True),
        A / np.linalg.norm(A, axis=1, keepdims=True),
        np.asarray(sizes, dtype=float),
        rng.normal(size=C) if problem.fit_intercept else np.zeros(C),
        np.zeros(m, dtype=np.intp),
    )


def a_problem(loss, seed, n=12, d=3, **options):
    rng = np.random.default_rng(seed)
    options = {"beta": 0.3, "loss": loss, **options}
    return formulate(rng.normal(size=(n, d)), targets(options["loss"], rng, n), **options), rng


# ---------------------------------------------------------------- non-negative quadratic programs


@given(
    seed=st.integers(0, 10**6),
    m=st.integers(1, 8),
    rows=st.integers(1, 10),
    warm=st.booleans(),
    twins=st.booleans(),
)
@settings(deadline=None, max_examples=80)
def test_nonnegative_qp_is_nonnegative_least_squares(seed, m, rows, warm, twins):
    rng = np.random.default_rng(seed)
    A, b = rng.normal(size=(rows, m)), rng.normal(size=rows)
    if twins:
        A[:, m // 2 :] = A[:, : m - m // 2]  # a singular Hessian
    _, expected = nnls(A, b)
    start = np.maximum(rng.normal(size=m), 0.0) if warm else np.zeros(m)
    t = nonnegative_qp(A.T @ A, A.T @ b, start, np.zeros(m, dtype=bool))
    assert t.min() >= 0
    assert np.linalg.norm(A @ t - b) == pytest.approx(expected, abs=1e-6)
    slope = A.T @ (b - A @ t)
    scale = 1 + np.abs(A.T @ b).max()
    assert slope.max() <= 1e-6 * scale
    assert np.abs(slope * t).max() <= 1e-6 * scale * (1 + t.max())


@given(seed=st.integers(0, 10**6), m=st.integers(1, 6), n_free=st.integers(0, 3))
@settings(deadline=None, max_examples=60)
def test_nonnegative_qp_with_free_variables(seed, m, n_free):
    """A free variable is the difference of two that have a sign."""
    rng = np.random.default_rng(seed)
    A, b = rng.normal(size=(9, m + n_free)), rng.normal(size=9)
    free = np.arange(m + n_free) >= m
    t = nonnegative_qp(A.T @ A, A.T @ b, np.zeros(m + n_free), free)
    _, expected = nnls(np.concatenate([A, -A[:, free]], axis=1), b)
    assert t[~free].min(initial=0.0) >= 0
    assert np.linalg.norm(A @ t - b) == pytest.approx(expected, abs=1e-8)
    assert_allclose((A.T @ (b - A @ t))[free], 0.0, atol=1e-8)


def test_nonnegative_qp_on_a_cone_program():
    cp = pytest.importorskip("cvxpy")
    rng = np.random.default_rng(0)
    A = rng.normal(size=(4, 9))  # rank 4 of 9
    H, c = A.T @ A, A.T @ rng.normal(size=4) - 0.1
    free = np.zeros(9, dtype=bool)
    t = nonnegative_qp(H, c, np.zeros(9), free)
    x = cp.Variable(9, nonneg=True)
    value = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(A @ x) - c @ x)).solve(
        cp.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11
    )
    assert 0.5 * t @ H @ t - c @ t == pytest.approx(value, abs=1e-7)


def many_like_neurons(dead=0, n_free=0):
    """The program of the sizes of 300 neurons on 80 rows, many of them all but the same."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3))
    U = np.repeat(rng.normal(size=(3, 60)), 5, axis=1)
    Phi = np.maximum(X @ (U + 0.01 * rng.normal(size=U.shape)), 0.0)
    Phi[:, :dead] = 0.0
    Phi = np.concatenate([Phi, np.ones((80, n_free))], axis=1)
    free = np.arange(Phi.shape[1]) >= 300
    y = np.abs(X[:, 0]) - np.maximum(X[:, 1], 0.2) + 0.1 * rng.normal(size=80)
    return Phi.T @ Phi, Phi.T @ y - np.where(free, 0.0, 0.5), free


def test_hundreds_of_neurons_leave_in_a_few_factorisations(monkeypatch):
    H, c, free = many_like_neurons()
    solved = []
    solve = nonnegative._solve
    monkeypatch.setattr(nonnegative, "_solve", lambda *a: solved.append(1) or solve(*a))
    t = nonnegative_qp(H, c, np.ones(300), free)
    slope = c - H @ t
    assert (t > 0).sum() < 60
    assert slope.max() <= 1e-9 * np.abs(c).max()
    assert_allclose(slope * t, 0.0, atol=1e-8 * np.abs(c).max())
    assert len(solved) < 100  # one for each that leaves would be 240 and more


@pytest.mark.parametrize(("dead", "n_free"), [(0, 0), (7, 0), (7, 1)])
def test_the_barrier_ends_near_the_minimum(dead, n_free):
    H, c, free = many_like_neurons(dead, n_free)
    near, exact = barrier_point(H, c, free), nonnegative_qp(H, c, np.zeros(c.size), free)
    value, least = (0.5 * t @ H @ t - c @ t for t in (near, exact))
    assert near[~free].min() >= 0
    assert not near[:dead].any()
    assert least - 1e-12 * abs(least) <= value <= least + 1e-6 * abs(least)


def test_the_barrier_without_gain_stays_at_zero():
    assert not barrier_point(np.eye(3), -np.ones(3), np.zeros(3, dtype=bool)).any()
    assert barrier_point(np.zeros((0, 0)), np.zeros(0), np.zeros(0, dtype=bool)).size == 0


def test_nonnegative_qp_without_variables_and_without_gain():
    none = nonnegative_qp(np.zeros((0, 0)), np.zeros(0), np.zeros(0), np.zeros(0, dtype=bool))
    assert none.shape == (0,)
    t = nonnegative_qp(np.eye(3), -np.ones(3), np.ones(3), np.zeros(3, dtype=bool))
    assert_allclose(t, 0.0)
    zero = nonnegative_qp(np.zeros((2, 2)), -np.ones(2), np.zeros(2), np.zeros(2, dtype=bool))
    assert_allclose(zero, 0.0)


# ---------------------------------------------------------------- sizes


def check_sizes(problem, neurons, tolerance=1e-6):
    """The optimality conditions of the lasso with one-signed weights."""
    features = neurons.features(problem, RELU)
    fitted, V = refit_sizes(problem, neurons, Features.of_array(problem, features))
    assert fitted.sizes.min() >= 0
    assert_allclose(V, problem.dual_point(fitted.outputs_at(features)), atol=1e-9)
    gain = np.einsum("mc,mc->m", features.T @ V, fitted.outputs)
    assert gain.max() <= problem.beta * (1 + tolerance)
    assert_allclose(gain[fitted.sizes > 1e-9], problem.beta, rtol=tolerance)
    if problem.fit_intercept:
        assert_allclose(V.sum(axis=0), 0.0, atol=tolerance * np.abs(V).sum())
    assert objective(problem, RELU, fitted) <= objective(problem, RELU, neurons) * (1 + 1e-14)
    return fitted


@pytest.mark.parametrize("loss", SMOOTH_LOSSES)
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("start", ["cold", "warm", "twins"])
def test_refit_sizes_is_optimal(loss, fit_intercept, start):
    for seed in range(4):
        problem, rng = a_problem(loss, seed, fit_intercept=fit_intercept)
        weights = rng.choice([0.0, 0.5, 1.0, 2.0], size=12, p=[0.1, 0.3, 0.3, 0.3])
        problem, rng = a_problem(
            loss, seed, fit_intercept=fit_intercept, sample_weight=weights + 0.01
        )
        neurons = some_neurons(problem, rng, 8, np.zeros(8) if start == "cold" else None)
        if start == "twins":
            neurons = neurons.joined(neurons)
        fitted = check_sizes(problem, neurons)
        again = refit_sizes(problem, fitted, Features(problem, RELU, fitted))[0]
        assert objective(problem, RELU, again) == pytest.approx(
            objective(problem, RELU, fitted), rel=1e-10
        )


@pytest.mark.parametrize("loss", SMOOTH_LOSSES)
def test_refit_without_neurons_fits_the_intercept(loss):
    problem, _ = a_problem(loss, 3, fit_intercept=True)
    F = np.zeros_like(problem.Y)
    none = Neurons.none(problem)
    fitted, V = refit_sizes(problem, none, Features(problem, RELU, none))
    centred = problem.best_intercept(F) - fitted.intercept
    if loss == "multinomial":  # a common shift changes nothing
        centred -= centred.mean()
    assert_allclose(centred, 0.0, atol=1e-6)
    assert_allclose(V.sum(axis=0), 0.0, atol=1e-6)


@pytest.mark.parametrize("target", [2.0, 5.0, 500.0, 1e6])
@pytest.mark.parametrize("delta", [0.1, 1.0])
def test_refit_where_the_huber_loss_has_no_curvature(target, delta):
    """Every residual is in the linear part, so the Hessian is zero; the optimum is far away."""
    problem = formulate([[1.0]], [target], beta=0.3 * delta, loss=Huber(delta))
    neuron = Neurons(np.ones((1, 1)), np.ones((1, 1)), np.zeros(1), np.zeros(1), np.zeros(1, int))
    fitted, _ = refit_sizes(problem, neuron, Features.of_array(problem, np.ones((1, 1))))
    assert fitted.sizes[0] == pytest.approx(target - 0.3 * delta, rel=1e-9)


@pytest.mark.parametrize("patterns", ["adaptive", "all"])
@pytest.mark.parametrize("target", [2.0, 50.0])
def test_one_row_far_out_is_fitted_under_the_huber_loss(target, patterns):
    solution = train([[1.0]], [target], beta=0.3, loss="huber", patterns=patterns, random_state=0)
    assert solution.status.converged
    assert solution.objective == pytest.approx(0.045 + 0.3 * (target - 0.3), rel=1e-3)


@pytest.mark.parametrize("far", [20.0, 60.0, 400.0])
def test_refit_of_a_saturated_logistic_loss(far):
    """Confident and wrong: the curvature at the start is exp(-far)."""
    problem = formulate([[1.0], [-1.0]], [1.0, -1.0], beta=0.1, loss="logistic")
    directions, outputs = np.array([[1.0], [1.0]]), np.array([[1.0], [-1.0]])
    start = Neurons(directions, outputs, np.array([0.0, far]), np.zeros(1), np.zeros(2, int))
    fitted, V = refit_sizes(problem, start, Features(problem, RELU, start))
    assert fitted.sizes[0] == pytest.approx(np.log(9), rel=1e-6)  # expit(-t) = 0.1
    assert fitted.sizes[1] == 0.0
    assert V[0, 0] == pytest.approx(0.1, rel=1e-6)


# ---------------------------------------------------------------- limited-memory BFGS


def rosenbrock(x):
    a, b = x[:-1], x[1:]
    gradient = np.zeros_like(x)
    gradient[:-1] += -400 * a * (b - a**2) - 2 * (1 - a)
    gradient[1:] += 200 * (b - a**2)
    return float((100 * (b - a**2) ** 2 + (1 - a) ** 2).sum()), gradient


@pytest.mark.parametrize("condition", [1.0, 1e2, 1e4])
def test_lbfgs_on_a_quadratic(condition):
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.normal(size=(30, 30)))[0]
    H = (Q * np.geomspace(1, condition, 30)) @ Q.T
    c = rng.normal(size=30)

    def quadratic(x):
        g = H @ x - c
        return float(0.5 * x @ (g - c)), g

    x, value = minimise(quadratic, np.zeros(30), 1000, relative_decrease=1e-15)
    assert value == pytest.approx(-0.5 * c @ np.linalg.solve(H, c), rel=1e-10)
    assert_allclose(x, np.linalg.solve(H, c), atol=1e-4)


@pytest.mark.parametrize("N", [2, 10])
def test_lbfgs_on_rosenbrock(N):
    start = np.tile([-1.2, 1.0], N // 2)
    x, value = minimise(rosenbrock, start.copy(), 500)
    assert value <= 1e-10
    assert_allclose(x, 1.0, atol=1e-4)


def test_lbfgs_never_rises_and_stops_when_asked():
    values = []

    def watched(x):
        value, gradient = rosenbrock(x)
        return value, gradient

    for steps in range(0, 40, 3):
        _, value = minimise(watched, np.array([-1.2, 1.0]), steps)
        values.append(value)
    assert np.all(np.diff(values) <= 0)
    assert values[0] == rosenbrock(np.array([-1.2, 1.0]))[0]
    x, _ = minimise(watched, np.array([-1.2, 1.0]), 100, should_stop=lambda: True)
    assert_allclose(x, [-1.2, 1.0])


def test_lbfgs_keeps_the_best_point_where_no_step_helps():
    """At a kink the gradient points nowhere useful; the value must not rise for that."""
    slopes = np.array([1.0, 7.0, 0.3])

    def kinked(x):
        return float(slopes @ np.abs(x)), slopes * np.sign(x)

    values = [
        minimise(kinked, np.array([1.0, -0.3, 1e-3]), steps, relative_decrease=0.0)[1]
        for steps in range(60)
    ]
    assert np.all(np.diff(values) <= 0)
    start = np.ones(3)
    x, value = minimise(lambda x: (float(x @ x), -2 * x), start.copy(), 20)  # a wrong gradient
    assert value == 3.0
    assert_allclose(x, start)


def test_lbfgs_in_single_precision_stays_there():
    x, value = minimise(lambda x: (float((x**2).sum()), 2 * x), np.ones(5, dtype=np.float32), 50)
    assert x.dtype == np.float32
    assert value <= 1e-10


@pytest.mark.parametrize("scale", [1e-30, 1e-22, 1e-8, 1e8, 1e15])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lbfgs_of_tiny_and_huge_figures(scale, dtype):
    """A gradient whose norm underflows is no reason to fail."""
    s = dtype(scale)

    def bowl(x):
        return float(0.5 * scale * ((x.astype(float) - 1) ** 2).sum()), s * (x - 1)

    _, value = minimise(bowl, np.zeros(3, dtype=dtype), 100)
    assert value <= 1.5 * scale


def test_lbfgs_at_a_minimum_and_on_a_kink():
    x, value = minimise(lambda x: (float(x @ x), 2 * x), np.zeros(3), 10)
    assert value == 0.0
    x, value = minimise(lambda x: (float(np.abs(x).sum()), np.sign(x)), np.array([1.0, -0.3]), 200)
    assert value <= 1e-2
    assert np.isfinite(x).all()


# ---------------------------------------------------------------- sliding


@pytest.mark.parametrize("loss", [*SMOOTH_LOSSES, "hinge"])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("single", [False, True])
def test_sliding_does_not_raise_the_objective(loss, fit_intercept, single):
    for seed in range(3):
        problem, rng = a_problem(loss, seed, fit_intercept=fit_intercept)
        neurons = some_neurons(problem, rng, 6)
        judged = problem
        if loss == "hinge":  # it descends on the smoothed loss
            from dataclasses import replace

            judged = replace(problem, loss=SmoothedHinge(SMOOTHING_WIDTH))
        before = objective(judged, RELU, neurons)
        for steps in (0, 1, 20):
            moved = slide(problem, RELU, neurons, steps, single=single)
            room = 1e-6 if single else 1e-13
            assert objective(judged, RELU, moved) <= before * (1 + room)
        assert objective(judged, RELU, moved) < 0.99 * before
        if not fit_intercept:
            assert_allclose(moved.intercept, 0.0)
        for unit in (moved.directions, moved.outputs):
            assert_allclose(np.linalg.norm(unit, axis=1), 1.0, atol=1e-12)


@pytest.mark.parametrize("soft", [0, 30])
def test_sliding_ends_near_a_stationary_point_of_the_true_objective(soft):
    """Also where its first steps go over rounded kinks, which only choose another valley."""
    problem, rng = a_problem("logistic", 0)
    moved = slide(problem, RELU, some_neurons(problem, rng, 4), 2000, soft=soft)
    best = refit_sizes(problem, moved, Features(problem, RELU, moved))[0]
    value = objective(problem, RELU, moved)
    assert value - objective(problem, RELU, best) <= 1e-5 * value


def patches_problem(pooling, n, loss="squared"):
    """Signals whose figures are nearly equal to their neighbours', and some filters."""
    rng = np.random.default_rng(0)
    X = np.cumsum(rng.normal(size=(n, 9)), axis=1)
    unit = Convolution(4, pooling=pooling).for_data(X, True)
    problem = formulate(X, targets(loss, rng, n), beta=0.3, loss=loss, hidden_bias=True, unit=unit)
    m, q = 5, unit.readouts
    U, A = rng.normal(size=(m, 5)), rng.normal(size=(m, q * problem.n_outputs))
    return problem, unit, Neurons.from_factors(U, A, np.zeros(problem.n_outputs), np.zeros(m, int))


@pytest.mark.parametrize("pooling", ["average", "max", None])
@pytest.mark.parametrize("loss", ["squared", "multinomial"])
def test_coordinates_of_a_descent(pooling, loss):
    problem, unit, neurons = patches_problem(pooling, 20, loss)
    at = Coordinates(problem, unit, neurons)
    x = weights_of(neurons, problem)
    z = at.of(x)
    assert_allclose(at.weights(z), x, atol=1e-12)
    function = WeightDecay(problem, unit, neurons)
    seen = at.seen_by(function)
    value, gradient = seen(z)
    assert_allclose(value, function(x)[0], rtol=1e-12)
    along = np.random.default_rng(1).normal(size=z.size)
    along[-problem.n_outputs :] = 0.0  # there is no intercept
    step = 1e-6 * np.linalg.norm(z) / np.linalg.norm(along)
    slope = (seen(z + step * along)[0] - seen(z - step * along)[0]) / (2 * step)
    assert_allclose(slope, gradient @ along, rtol=1e-4)


def test_coordinates_take_neighbouring_figures_apart():
    problem, unit, neurons = patches_problem("max", 400)
    function = WeightDecay(problem, unit, neurons)
    _, plain = minimise(function, weights_of(neurons, problem), 60)
    assert objective(problem, unit, slide(problem, unit, neurons, 30)) < plain


@pytest.mark.parametrize("loss", ["squared", "multinomial"])
@pytest.mark.parametrize("single", [False, True])
def test_a_stochastic_descent(loss, single):
    problem, unit, neurons = patches_problem("max", 400, loss)
    before = objective(problem, unit, neurons)

    def run(seed):
        rng = np.random.default_rng(seed)
        return stochastic_descent(problem, unit, neurons, rng, single=single, visits=40 * 128)

    assert objective(problem, unit, run(0)) < 0.7 * before
    assert_allclose(run(0).directions, run(0).directions, atol=0)
    stopped = stochastic_descent(
        problem, unit, neurons, np.random.default_rng(0), lambda: True, single=single
    )
    assert_allclose(objective(problem, unit, stopped), before, rtol=1e-5)


def test_sliding_nothing():
    problem, _ = a_problem("squared", 0)
    none = Neurons.none(problem)
    assert slide(problem, RELU, none, 10) is none


# ---------------------------------------------------------------- Newton on kinks


@pytest.mark.parametrize("loss", SMOOTH_LOSSES)
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_kink_newton_does_not_raise_the_objective(loss, fit_intercept):
    for seed in range(4):
        problem, rng = a_problem(loss, seed, fit_intercept=fit_intercept)
        neurons = some_neurons(problem, rng, 4)
        before = objective(problem, RELU, neurons)
        after = objective(problem, RELU, kink_newton(problem, neurons))
        assert after <= before * (1 + 1e-13)
        assert after < 0.999 * before


@pytest.mark.parametrize("distance", [0.0, 1e-12, 1e-9, 1e-7, 5e-7, 2e-6])
def test_kink_newton_next_to_a_kink_does_not_raise_the_objective(distance):
    """Neurons that start almost on kinks are put onto them; that too must not cost anything."""
    for seed in range(6):
        problem, rng = a_problem("squared", seed)
        neurons = some_neurons(problem, rng, 3)
        X = problem.rows.take(np.arange(12))
        U = neurons.directions.copy()
        for j in range(3):
            x = X[rng.integers(12)]
            x = x / np.linalg.norm(x)
            U[j] = U[j] - (U[j] @ x) * x
            U[j] = U[j] / np.linalg.norm(U[j]) + distance * x * (-1) ** j
        near = Neurons.from_factors(
            U * neurons.sizes[:, None], neurons.outputs, neurons.intercept, neurons.gate
        )
        before = objective(problem, RELU, near)
        for steps in (1, 40):
            after = objective(problem, RELU, kink_newton(problem, near, max_iter=steps))
            assert after <= before * (1 + 1e-12), (seed, steps)


def stationarity(problem, neurons, near=1e-7):
    """How far the hidden side is from optimal for fixed output directions, neuron by neuron.

    Minus the gradient of the rows that are on, less beta u, must be a sum of theta_i push_i x_i
    with 0 <= theta <= 1 over the rows on their kink.  Returns the largest residual norm.
    """
    from scipy.optimize import lsq_linear

    X = problem.rows.take(np.arange(problem.rows.n))
    Z = X @ neurons.directions.T
    push = problem.dual_point(neurons.outputs_at(np.maximum(Z, 0.0))) @ neurons.outputs.T
    worst = 0.0
    for j in range(neurons.count):
        kink = np.abs(Z[:, j]) <= near * np.linalg.norm(X, axis=1)
        on = (Z[:, j] > 0) & ~kink
        target = problem.beta * neurons.directions[j] - X[on].T @ push[on, j]
        if kink.any():
            solved = lsq_linear((X[kink] * push[kink, j, None]).T, target, bounds=(0, 1))
            target = target - (X[kink] * push[kink, j, None]).T @ solved.x
        worst = max(worst, np.linalg.norm(target))
    return worst


def newton_from_a_slide(loss, fit_intercept, seed):
    problem, rng = a_problem(loss, seed, n=16, fit_intercept=fit_intercept)
    rough = slide(problem, RELU, some_neurons(problem, rng, 6), 300)
    fine = kink_newton(problem, rough, max_iter=80)
    assert objective(problem, RELU, fine) <= objective(problem, RELU, rough) * (1 + 1e-13)
    return problem, fine.keep(fine.sizes > 1e-6)  # a neuron of no size has no condition


@pytest.mark.parametrize(
    ("loss", "fit_intercept", "seed"),
    [
        ("squared", False, 0),
        ("squared", True, 2),
        ("logistic", False, 0),
        ("logistic", True, 3),
        ("multinomial", False, 0),
        ("multinomial", True, 1),
    ],
)
def test_kink_newton_ends_with_multipliers_in_range(loss, fit_intercept, seed):
    problem, fine = newton_from_a_slide(loss, fit_intercept, seed)
    assert stationarity(problem, fine) <= 1e-6
    X = problem.rows.take(np.arange(16))
    distance = np.abs(X @ fine.directions.T) / np.linalg.norm(X, axis=1)[:, None]
    assert np.sum(distance <= 1e-10) >= 2  # else the example shows nothing
    V = problem.dual_point(fine.outputs_at(fine.features(problem, RELU)))
    if fit_intercept:
        assert_allclose(V.sum(axis=0), 0.0, atol=1e-6)


@pytest.mark.parametrize("loss", ["squared", "logistic", "multinomial"])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_kink_newton_ends_at_a_local_optimum_from_anywhere(loss, fit_intercept):
    """Neither a neuron that dies nor a row that is let go may stop the others."""
    missed = []
    for seed in range(4):
        problem, fine = newton_from_a_slide(loss, fit_intercept, seed)
        if stationarity(problem, fine) > 1e-4:
            missed.append(seed)
    assert missed == []


def test_kink_newton_leaves_the_hinge_loss_and_nothing_alone():
    problem, rng = a_problem("hinge", 0)
    neurons = some_neurons(problem, rng, 3)
    assert kink_newton(problem, neurons) is neurons
    problem, _ = a_problem("squared", 0)
    none = Neurons.none(problem)
    assert kink_newton(problem, none) is none


# ---------------------------------------------------------------- neurons


def test_neurons_in_unit_form():
    problem, rng = a_problem("multinomial", 0)
    U, A = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    U[1], A[3] = 0.0, 0.0
    neurons = Neurons.from_factors(U, A, np.zeros(3), np.arange(5))
    assert neurons.count == 3
    assert list(neurons.gate) == [0, 2, 4]
    X = problem.rows.take(np.arange(12))
    features = neurons.features(problem, RELU)
    assert_allclose(neurons.outputs_at(features), np.maximum(X @ U.T, 0) @ A, atol=1e-12)
    expected = np.linalg.norm(U, axis=1) @ np.linalg.norm(A, axis=1)
    assert neurons.penalty == pytest.approx(expected, rel=1e-14)
    value = problem.loss_value(np.maximum(X @ U.T, 0) @ A) + 0.3 * expected
    assert objective(problem, RELU, neurons) == pytest.approx(value, rel=1e-14)


def test_smoothed_hinge_is_below_and_close():
    loss, hinge = SmoothedHinge(0.01), get_loss("hinge")
    F = np.linspace(-3, 3, 1001)[:, None]
    Y = np.ones_like(F)
    difference = hinge.value(F, Y) - loss.value(F, Y)
    assert difference.min() >= 0
    assert difference.max() <= 0.005 + 1e-15
    gradient = np.diff(loss.value(F, Y)) / np.diff(F[:, 0])
    middle = loss.gradient((F[1:] + F[:-1]) / 2, Y[1:])[:, 0]
    assert_allclose(gradient, middle, atol=0.2)
    assert minimize(lambda f: loss.value(f[None], Y[:1])[0], [0.0]).fun <= 1e-8
