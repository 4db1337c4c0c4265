"""Several outputs: the exact program, its relaxations in their order, and what judges them."""

from __future__ import annotations

from pathlib import Path

import cvxpy as cp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from tests.reference import loss_value, patterns_by_rays, relu_network_objective, solve

import nogap
from nogap import Status, certify, relax, semi_nmf, train

GIVEN = Path(__file__).parent / "data" / "vector_output_rank2.npz"
OPTIMUM, NUCLEAR, FROBENIUS, ONE_VS_ALL, DOUBLY = (
    5.448479495,
    2.663238129,
    2.440313161,
    5.693798198,
    5.245358478,
)


@pytest.fixture(scope="module")
def given():
    with np.load(GIVEN) as data:
        return data["X"], data["Y"], float(data["beta"])


def correlation(X, V):
    """max ||V' relu(X u)|| over unit u in the plane: every kink, and a fine grid of angles."""
    angles = np.linspace(0, 2 * np.pi, 40_000)
    kinks = np.column_stack([-X[:, 1], X[:, 0]])
    U = np.concatenate([kinks, -kinks, np.column_stack([np.cos(angles), np.sin(angles)])])
    U = U[np.linalg.norm(U, axis=1) > 0]
    U /= np.linalg.norm(U, axis=1, keepdims=True)
    return np.linalg.norm(np.maximum(U @ X.T, 0.0) @ V, axis=1).max()


def completely_positive_optimum(X, Y, beta):
    """The copositive form, exact in the plane: u = R z with the two rays R of a cell and z >= 0.

    Moments of (z, g) are completely positive on z, which for two figures is positive semidefinite
    with a non-negative entry off the diagonal.
    """
    (_, d), C = X.shape, Y.shape[1]
    F, cost, constraints = 0, 0, []
    for D in patterns_by_rays(X):
        rays = []
        for row in X:
            for ray in (np.array([-row[1], row[0]]), np.array([row[1], -row[0]])):
                inside = np.all((2.0 * D - 1) * (X @ ray) >= -1e-9 * np.abs(X @ ray).max())
                if inside and not any(abs(np.cross(ray, r)) < 1e-9 for r in rays):
                    rays.append(ray / np.linalg.norm(ray))
        R = np.array(rays).T
        Z = cp.Variable((2 + C, 2 + C), PSD=True)
        constraints.append(Z[0, 1] >= 0)
        F = F + (D[:, None] * X @ R) @ Z[:2, 2:]
        cost = cost + cp.trace(R @ Z[:2, :2] @ R.T) + cp.trace(Z[2:, 2:])
    assert d == 2
    return solve(0.5 * cp.sum_squares(F - Y) + 0.5 * beta * cost, constraints)


# ---------------------------------------------------------------- the exact program


def test_the_given_instance(given):
    X, Y, beta = given
    solution = train(X, Y, beta=beta, patterns="all", random_state=0)
    assert solution.status is Status.OPTIMAL
    assert solution.certificate.kind == "exact"
    assert_allclose(solution.objective, OPTIMUM, rtol=1e-7)
    assert_allclose(
        relu_network_objective(solution.network, X, Y, beta), solution.objective, rtol=1e-12
    )
    V = Y - solution.network.predict(X)
    assert_allclose(correlation(X, V), beta, rtol=1e-5)
    assert_allclose(solution.certificate.dual_correlation, beta, rtol=1e-5)
    judged = certify(solution.network, X, Y, beta=beta)
    assert judged.kind == "exact"
    assert judged.relative_gap <= 1e-6


@pytest.mark.filterwarnings("ignore:.*2-dimensional vectors:DeprecationWarning")
@pytest.mark.parametrize("seed", range(2))
def test_rank_two_against_the_copositive_program(seed):
    g = np.random.default_rng(seed)
    X, Y = g.standard_normal((6, 2)), g.standard_normal((6, 2))
    beta = 0.2 * correlation(X, Y)
    solution = train(X, Y, beta=beta, patterns="all", random_state=0)
    assert_allclose(solution.objective, completely_positive_optimum(X, Y, beta), rtol=1e-6)


@pytest.mark.parametrize("fraction", [0.1, 0.01])
def test_forty_rows_of_rank_two_with_three_outputs(fraction):
    g = np.random.default_rng(1)
    X, Y = g.standard_normal((40, 2)), g.standard_normal((40, 3))
    beta = fraction * correlation(X, Y)
    solution = train(X, Y, beta=beta, patterns="all", random_state=0)
    assert solution.certificate.kind == "exact"
    assert solution.certificate.relative_gap <= 1e-6
    # the bound, anew: the residual scaled by a correlation that is swept
    V = Y - solution.network.predict(X)
    t = min(beta / correlation(X, V), 1.0)
    assert_allclose(t * np.sum(V * Y) - 0.5 * t**2 * np.sum(V**2), solution.objective, rtol=1e-5)
    assert solution.network.n_neurons <= 120


@pytest.mark.parametrize("loss", ["squared", "multinomial", "squared_hinge", "huber"])
def test_rank_three_with_every_loss(loss):
    g = np.random.default_rng(2)
    X = np.column_stack([g.standard_normal((8, 2)), np.ones(8)])
    classes = np.eye(3)[np.arange(8) % 3]
    Y = g.standard_normal((8, 3))
    if loss == "squared_hinge":
        Y = 2 * classes - 1
    elif loss == "multinomial":
        Y = classes
    solution = train(X, Y, beta=0.2, loss=loss, patterns="all", random_state=0)
    assert solution.certificate.kind == "exact"
    assert solution.certificate.relative_gap <= 1e-6

    def value(x):
        U, A = x[:24].reshape(8, 3), x[24:].reshape(8, 3)
        return loss_value(loss, np.maximum(X @ U.T, 0) @ A, Y) + 0.1 * x @ x

    starts = g.standard_normal((2, 48))
    settings = {"maxiter": 40}
    reached = [minimize(value, x, method="L-BFGS-B", options=settings).fun for x in starts]
    assert min(reached) >= solution.certificate.lower_bound - 1e-9


def test_one_output_by_faces_is_the_program_of_one_output():
    from nogap.oracles.choice import exact_oracle
    from nogap.oracles.faces import FaceOracle
    from nogap.rows import MemoryRows
    from nogap.units import ReLU

    g = np.random.default_rng(0)
    for k in range(12):
        n, d = int(g.integers(1, 9)), 1 + k % 4
        X, v = g.standard_normal((n, d)), g.standard_normal((n, 1))
        if k % 3 == 1:
            X[:, -1] = X[:, 0]
        if k % 3 == 2:
            X = g.integers(-1, 2, (n, d)).astype(float)
        rows = MemoryRows(X)
        found, known = FaceOracle(rows, ReLU()).price(v, 3)
        _, expected = exact_oracle(rows).price(v, 3)
        assert_allclose(known.value, expected.value, rtol=1e-8, atol=1e-12)
        assert found.best <= known.value * (1 + 1e-12)


def test_too_many_faces_are_counted():
    g = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"60 distinct kinks in 8 dimensions has up to [\d,]+"):
        train(g.standard_normal((60, 8)), g.standard_normal((60, 2)), beta=1.0, patterns="all")


# ---------------------------------------------------------------- relaxations


def test_the_chain_of_bounds(given):
    X, Y, beta = given
    kinds = ("gated_frobenius", "gated_nuclear", "doubly_nonnegative")
    solutions = [relax(X, Y, beta=beta, kind=kind) for kind in kinds]
    bounds = [solution.certificate.lower_bound for solution in solutions]
    assert_allclose(bounds, [FROBENIUS, NUCLEAR, DOUBLY], rtol=1e-6)
    for solution in solutions:
        assert solution.certificate.kind == "bound"
        assert solution.status is Status.RELAXED
        assert OPTIMUM * (1 - 1e-8) <= solution.objective <= 1.2 * OPTIMUM
        assert_allclose(
            relu_network_objective(solution.network, X, Y, beta), solution.objective, rtol=1e-12
        )
    one_vs_all = sum(train(X, y, beta=beta, patterns="all", random_state=0).objective for y in Y.T)
    assert_allclose(one_vs_all, ONE_VS_ALL, rtol=1e-6)
    assert bounds[0] < bounds[1] < bounds[2] < OPTIMUM < one_vs_all


@pytest.mark.parametrize(("n", "d", "C"), [(8, 2, 1), (8, 3, 1), (7, 2, 2), (6, 6, 2), (4, 1, 1)])
def test_relaxed_bounds_are_bounds_on_other_data(n, d, C):
    g = np.random.default_rng(10 * n + d)
    X, Y = g.standard_normal((n, d)), g.standard_normal((n, C))
    Y = Y[:, 0] if C == 1 else Y
    beta = 0.2
    best = train(X, Y, beta=beta, random_state=0).objective
    relaxed = relax(X, Y, beta=beta)
    # the dual point that comes with the bound satisfies its constraint
    V = relaxed.certificate.dual.reshape(n, C)
    U = g.standard_normal((20_000, d))
    U /= np.linalg.norm(U, axis=1, keepdims=True)
    assert np.linalg.norm(np.maximum(U @ X.T, 0) @ V, axis=1).max() <= beta * (1 + 1e-9)
    value = np.sum(V * Y.reshape(n, C)) - 0.5 * np.sum(V**2)
    assert_allclose(relaxed.certificate.lower_bound, value, rtol=1e-8)
    assert 0.7 * best <= relaxed.certificate.lower_bound <= best * (1 + 1e-9)
    assert relaxed.objective <= 1.1 * best


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1e4, 1e6])
def test_bounds_do_not_depend_on_the_units_of_rows_and_targets(scale):
    g = np.random.default_rng(0)
    X, Y = g.standard_normal((6, 2)), g.standard_normal((6, 2))
    bound = relax(X, Y, beta=0.5).certificate.lower_bound
    rows = relax(scale * X, Y, beta=0.5 * scale).certificate.lower_bound
    targets = relax(X, scale * Y, beta=0.5 * scale).certificate.lower_bound
    assert_allclose([rows, targets / scale**2], bound, rtol=1e-6)
    weaker = [
        relax(scale * X, Y, beta=0.5 * scale, kind=kind).certificate.lower_bound
        for kind in ("gated_frobenius", "gated_nuclear")
    ]
    assert weaker[0] < weaker[1] < rows


@pytest.mark.parametrize("C", [1, 2])
def test_relaxations_of_one_row_and_of_nothing(C):
    g = np.random.default_rng(0)
    X, Y = g.standard_normal((6, 2)), g.standard_normal((6, C))
    one = relax(X[:1], Y[:1], beta=0.5)
    best = train(X[:1], Y[:1], beta=0.5, random_state=0)
    assert_allclose([one.objective, one.certificate.lower_bound], best.objective, rtol=1e-6)
    for kind in ("gated_frobenius", "gated_nuclear", "doubly_nonnegative"):
        nothing = relax(X, 0.0 * Y, beta=0.5, kind=kind)
        assert nothing.network.n_neurons == 0
        assert nothing.certificate.relative_gap == 0
        assert nothing.status is Status.OPTIMAL


def test_whitened_rows_are_a_semi_non_negative_factorisation():
    g = np.random.default_rng(0)
    X = np.linalg.qr(g.standard_normal((7, 5)))[0].T  # X X' = I
    classes = np.eye(2)[[0, 0, 1, 1, 1]]
    beta = 0.3
    solution = train(X, classes, beta=beta, random_state=0, tol=1e-6)
    sizes = np.sqrt(classes.sum(axis=0))
    closed = np.sum(0.5 * np.minimum(sizes, beta) ** 2 + beta * np.maximum(sizes - beta, 0))
    assert_allclose(solution.objective, closed, rtol=1e-5)
    Z, G = semi_nmf(solution.network, X)
    assert Z.min() >= 0
    assert_allclose(Z @ G, solution.network.predict(X), atol=1e-12)


def test_relax_refuses():
    g = np.random.default_rng(0)
    X, Y = g.standard_normal((70, 6)), g.standard_normal((70, 2))
    with pytest.raises(ValueError, match="up to 60 samples, X has 70"):
        relax(X, Y, beta=1.0)
    with pytest.raises(ValueError, match=r"[\d,]+ activation patterns"):
        relax(X, Y, beta=1.0, kind="gated_nuclear")
    with pytest.raises(ValueError, match="kind must be"):
        relax(X[:5], Y[:5], beta=1.0, kind="copositive")
    with pytest.raises(ValueError, match="ReLU network without intercept"):
        semi_nmf(nogap.Network([[1.0]], [1.0], intercept=2.0), [[1.0]])
