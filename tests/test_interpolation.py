"""Minimum-norm interpolation against the program over all cells, and its place as beta goes to 0."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from tests.reference import dual_correlation, patterns_by_rays, relu_optimum, solve

from nogap import Status, interpolate
from nogap.closed_form import linear


def least_norm(X, y):
    """The convex program over all patterns, with equations in place of the loss."""
    D = patterns_by_rays(X).astype(float)
    V, W = cp.Variable((X.shape[1], len(D))), cp.Variable((X.shape[1], len(D)))
    F = cp.sum(cp.multiply(D.T, X @ (V - W)), axis=1)
    signs = 2 * D.T - 1
    constraints = [y == F, cp.multiply(signs, X @ V) >= 0, cp.multiply(signs, X @ W) >= 0]
    return solve(cp.sum(cp.norm(V, 2, axis=0)) + cp.sum(cp.norm(W, 2, axis=0)), constraints)


def data(n, d, seed):
    g = np.random.default_rng(seed)
    return g.standard_normal((n, d)), g.standard_normal(n)


@pytest.mark.parametrize(("n", "d", "seed"), [(6, 2, 12), (8, 3, 1), (5, 8, 2), (7, 2, 3)])
def test_it_is_the_program_over_all_cells(n, d, seed):
    X, y = data(n, d, seed)
    solution = interpolate(X, y)
    assert_allclose(solution.network.predict(X), y, atol=1e-10)
    assert_allclose(solution.objective, least_norm(X, y), rtol=1e-6)
    assert_allclose(solution.network.penalty(), solution.objective, rtol=1e-12)
    assert solution.status is Status.OPTIMAL
    certificate = solution.certificate
    assert certificate.kind == "exact"
    assert -1e-9 < certificate.relative_gap < 1e-6
    # the bound, re-derived from the dual point alone
    assert dual_correlation(X, certificate.dual) <= 1 + 1e-9
    assert_allclose(certificate.dual @ y, certificate.lower_bound, rtol=1e-9)


def test_hidden_biases_are_a_ones_column():
    x, y = data(6, 1, 4)
    solution = interpolate(x, y, hidden_bias=True)
    assert_allclose(solution.objective, least_norm(np.column_stack([x, np.ones(6)]), y), rtol=1e-6)
    assert_allclose(solution.network.predict(x), y, atol=1e-9)


def test_training_tends_to_it_at_the_stated_rate():
    """``p*(beta) = beta R - beta^2 / 2 ||v||^2 + o(beta^2)`` (specification, A.4)."""
    X, y = data(6, 2, 0)
    solution = interpolate(X, y)
    v, R = solution.certificate.dual, solution.objective
    for beta in (1e-3, 1e-4):
        value = relu_optimum(X, y, beta)
        assert_allclose(value, beta * R - 0.5 * beta**2 * v @ v, rtol=20 * beta**1.5 + 2e-7)


def test_relu_networks_need_no_less_than_half_of_what_linear_ones_need():
    """A linear neuron is two ReLU neurons of opposite directions: R <= 2 ||X^+ y||."""
    X, y = data(4, 6, 1)
    assert interpolate(X, y).objective <= 2 * linear(X, y, 0).objective * (1 + 1e-6)


def test_repeated_rows_with_equal_or_proportional_targets_are_welcome():
    X, y = data(5, 2, 1)
    doubled = interpolate(np.vstack([X, 2 * X[:2], X[3:]]), np.concatenate([y, 2 * y[:2], y[3:]]))
    assert_allclose(doubled.objective, interpolate(X, y).objective, rtol=2e-6)


def test_contradictions_are_named_by_their_rows():
    with pytest.raises(
        ValueError, match=r"rows 0 and 2 of X have the same x, and the targets 1 and 3"
    ):
        interpolate([[1.0], [2.0], [1.0]], [1.0, 2.0, 3.0], hidden_bias=True)
    with pytest.raises(
        ValueError, match=r"rows 0 and 1 of X are one direction in the ratio 1 : 2,"
    ):
        interpolate([[1.0, 1.0], [2.0, 2.0]], [1.0, 3.0])
    with pytest.raises(ValueError, match=r"row 1 of X is zero.*its target is 2; pass hidden_bias"):
        interpolate([[1.0], [0.0]], [1.0, 2.0])
    with pytest.raises(ValueError, match="serves one output, y has 2"):
        interpolate([[1.0], [2.0]], np.ones((2, 2)))


def test_opposite_rows_can_contradict_each_other_together():
    """relu(z) - relu(-z) = z: differences on opposite rows are linear in the row."""
    X = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [-1, -1]])
    free = np.array([1.0, 3.0, -2.0, 0.5, 2.0, 1.0])
    consistent = free.copy()
    consistent[4] = consistent[5] + (free[0] - free[1]) + (free[2] - free[3])
    assert interpolate(X, consistent).status is Status.OPTIMAL
    with pytest.raises(ValueError, match=r"rows . and . are opposite"):
        interpolate(X, free)


def test_time_limit_returns_what_there_is():
    X, y = data(30, 3, 0)
    solution = interpolate(X, y, max_time=1e-6)
    assert solution.status is Status.TIME_LIMIT
    assert solution.certificate.lower_bound < solution.objective
    assert solution.certificate.kind == "exact"


def test_few_rounds_are_enough_where_cells_are_solved():
    """Cutting planes alone took 22 rounds here: a smooth constraint is met by ever closer planes."""
    X, y = data(24, 3, 1)
    solution = interpolate(X, y)
    assert solution.status is Status.OPTIMAL
    assert solution.certificate.relative_gap <= 1e-7
    assert solution.n_iter <= 12


def least_norm_with_margins(X, y):
    """The convex program over all patterns, with margins of at least 1."""
    D = patterns_by_rays(X).astype(float)
    V, W = cp.Variable((X.shape[1], len(D))), cp.Variable((X.shape[1], len(D)))
    F = cp.sum(cp.multiply(D.T, X @ (V - W)), axis=1)
    signs = 2 * D.T - 1
    constraints = [cp.multiply(y, F) >= 1, cp.multiply(signs, X @ V) >= 0]
    constraints.append(cp.multiply(signs, X @ W) >= 0)
    return solve(cp.sum(cp.norm(V, 2, axis=0)) + cp.sum(cp.norm(W, 2, axis=0)), constraints)


@pytest.mark.parametrize(
    ("n", "d", "scale", "loss"),
    [(7, 2, 1.0, "hinge"), (6, 4, 1e4, "hinge"), (8, 1, 1.0, "squared_hinge")],
)
def test_least_norm_for_margins_is_the_program_over_all_cells(n, d, scale, loss):
    X, y = data(n, d, n)
    X, y = scale * X, np.sign(y)
    solution = interpolate(X, y, loss=loss, hidden_bias=True)
    rows = np.column_stack([X, np.ones(n)])
    assert np.min(y * solution.network.predict(X)) >= 1 - 1e-12
    assert_allclose(solution.objective, least_norm_with_margins(rows, y), rtol=1e-6)
    assert solution.status is Status.OPTIMAL
    v = solution.certificate.dual
    assert np.all(y * v >= 0)
    assert dual_correlation(rows, v) <= 1 + 1e-9
    assert_allclose(y @ v, solution.certificate.lower_bound, rtol=1e-9)


def test_hinge_training_tends_to_margins():
    X, y = data(6, 2, 0)
    y = np.sign(y)
    assert_allclose(
        relu_optimum(X, y, 1e-3, "hinge"),
        1e-3 * interpolate(X, y, loss="hinge").objective,
        rtol=1e-5,
    )


def test_labels_that_contradict_each_other():
    with pytest.raises(
        ValueError, match=r"no network classifies all rows: rows 0 and 1 of X are one"
    ):
        interpolate([[1.0], [2.0]], [1.0, -1.0], loss="hinge")
    assert interpolate([[1.0], [2.0]], [1.0, 1.0], loss="hinge").objective == pytest.approx(1.0)
    opposite = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [-2, -2]])
    with pytest.raises(ValueError, match=r"rows . and . are opposite"):
        interpolate(opposite, [1.0, -1, 1, -1, -1, 1], loss="hinge")
    fine = interpolate(opposite, [1.0, -1, 1, 1, 1, -1], loss="hinge")
    assert fine.status is Status.OPTIMAL
    with pytest.raises(ValueError, match="the logistic loss falls forever"):
        interpolate([[1.0]], [1.0], loss="logistic")


@pytest.mark.parametrize("X", [[[0.0], [1.0]], [[0.0, 0.0], [1.0, 1.0]]])
def test_two_rows_with_a_bias(X):
    """The multipliers of the cells in use are not unique, and may violate one that is known."""
    solution = interpolate(np.array(X), np.array([0.0, 1.0]), hidden_bias=True)
    assert solution.status is Status.OPTIMAL
    assert solution.objective == pytest.approx(1 / np.linalg.norm(X[1]), rel=1e-9)
    assert solution.certificate.relative_gap <= 1e-6
