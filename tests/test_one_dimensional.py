"""One-dimensional data with free biases against the printed lasso, the cell program, and formulas."""

from __future__ import annotations

from time import process_time

import cvxpy as cp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from tests.reference import (
    CLASSIFICATION,
    LOSSES,
    loss_expression,
    loss_value,
    patterns_by_rays,
    solve,
)

from nogap import Network, Status, certify, train
from nogap.closed_form import one_dimensional


def sample(n, seed, loss="squared", repeated=False):
    g = np.random.default_rng(seed)
    x = g.integers(-3, 4, n).astype(float) if repeated else g.standard_normal(n)
    y = 2 * g.standard_normal(n) + 3 + 2 * x
    return x, (np.sign(y - np.median(y) + 1e-3) if loss in CLASSIFICATION else y)


def hinges(x):
    """The columns of the lasso: relu(x - x_j) and relu(x_j - x) for every j."""
    return np.hstack([np.maximum(x[:, None] - x, 0), np.maximum(x - x[:, None], 0)])


def lasso_optimum(x, y, beta, loss="squared", intercept=True):
    z = cp.Variable(2 * len(x))
    F = hinges(x) @ z + (cp.Variable() if intercept else 0.0)
    return solve(loss_expression(loss, F, y, np.ones(len(x))) + beta * cp.norm1(z), [])


def cell_optimum(x, y, beta):
    """The convex program over all cells of (x, 1), whose norms leave the bias out."""
    rows = np.column_stack([x, np.ones(len(x))])
    D = patterns_by_rays(rows).astype(float)
    V, W = cp.Variable((2, len(D))), cp.Variable((2, len(D)))
    F = cp.sum(cp.multiply(D.T, rows @ (V - W)), axis=1)
    signs = 2 * D.T - 1
    cones = [cp.multiply(signs, rows @ V) >= 0, cp.multiply(signs, rows @ W) >= 0]
    penalty = cp.norm1(V[0]) + cp.norm1(W[0])
    return solve(0.5 * cp.sum_squares(F - y) + beta * penalty, cones)


def own_objective(network, x, y, beta, loss):
    """From the weights alone; free biases cost nothing."""
    U, c, A = network.hidden_weights, network.hidden_bias, network.output_weights
    F = np.maximum(x[:, None] @ U.T + c, 0) @ A + network.intercept
    return loss_value(loss, F[:, 0], y) + beta * np.abs(U[:, 0]) @ np.abs(A[:, 0])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("beta", [0.03, 0.5, 4.0])
@pytest.mark.parametrize("repeated", [False, True])
def test_it_is_the_lasso_with_a_free_intercept(loss, beta, repeated):
    x, y = sample(14, 3, loss, repeated)
    solution = one_dimensional(x, y, beta, loss)
    assert_allclose(solution.objective, lasso_optimum(x, y, beta, loss), rtol=2e-8)
    assert_allclose(
        own_objective(solution.network, x, y, beta, loss), solution.objective, rtol=1e-9
    )
    assert solution.status is Status.OPTIMAL
    assert solution.certificate.kind == "exact"
    assert solution.certificate.relative_gap < 1e-6


@pytest.mark.parametrize("seed", range(3))
def test_the_lasso_is_the_program_over_all_cells(seed):
    x, y = sample(7, seed)
    solution = one_dimensional(x, y, 0.4)
    assert_allclose(solution.objective, cell_optimum(x, y, 0.4), rtol=1e-8)


def test_without_the_intercept_the_lasso_is_another_problem():
    x, y = sample(8, 0)
    assert lasso_optimum(x, y, 0.4, intercept=False) > one_dimensional(x, y, 0.4).objective * 1.01


def test_penalised_biases_are_another_problem_with_kinks_off_the_data():
    x, y = sample(12, 1)
    penalised = train(x[:, None], y, beta=0.4, hidden_bias=True, random_state=0)
    assert penalised.certificate.lower_bound > one_dimensional(x, y, 0.4).objective
    kinks = -penalised.network.hidden_bias / penalised.network.hidden_weights[:, 0]
    assert np.abs(kinks[:, None] - x).min(axis=1).max() > 5


def test_ten_thousand_points_in_two_seconds():
    g = np.random.default_rng(0)
    x = g.uniform(-1, 1, 10_000)
    y = np.sin(5 * x) + 0.3 * g.standard_normal(10_000)
    began = process_time()
    solution = one_dimensional(x, y, 2.0)
    assert process_time() - began < 2.0
    assert solution.certificate.relative_gap < 1e-6
    # the bound is re-derived here, from the dual point alone
    v = solution.certificate.dual
    assert abs(v.sum()) < 1e-8
    largest = max(np.abs(v @ np.maximum(x[:, None] - t, 0)).max() for t in np.split(x, 50))
    assert largest <= 2.0 * (1 + 1e-9)
    assert_allclose(v @ y - 0.5 * v @ v, solution.certificate.lower_bound, rtol=1e-9)


def test_points_that_nearly_coincide():
    g = np.random.default_rng(2)
    x = np.sort(g.standard_normal(200))
    x[1::2] = x[::2] * (1 + 1e-12)
    y = np.sign(x) + 0.1 * g.standard_normal(200)
    solution = one_dimensional(x, y, 0.01)
    assert solution.certificate.relative_gap < 1e-6


@pytest.mark.parametrize(("scale", "shift"), [(1e6, 0.0), (1e-6, 0.0), (1.0, 1e5)])
def test_units_of_x_do_not_matter(scale, shift):
    x, y = sample(20, 5)
    plain = one_dimensional(x, y, 0.3)
    moved = one_dimensional(x * scale + shift, y, 0.3 * scale)
    assert_allclose(moved.objective, plain.objective, rtol=1e-6)
    assert moved.status is Status.OPTIMAL


@pytest.mark.parametrize("seed", range(12))
def test_least_norm_interpolation_has_a_formula(seed):
    g = np.random.default_rng(seed)
    n = 2 + seed % 7
    x = g.standard_normal(n)
    y = g.standard_normal(n) + 5 * (seed % 2) * x
    solution = one_dimensional(x, y, 0)
    z, b = cp.Variable(2 * n), cp.Variable()
    reference = solve(cp.norm1(z), [hinges(x) @ z + b == y])
    slopes = np.diff(y[np.argsort(x)]) / np.diff(np.sort(x))
    variation = np.abs(np.diff(slopes)).sum()
    formula = max(variation, 0.5 * (variation + abs(slopes[0] + slopes[-1])))
    assert_allclose([solution.objective, formula], reference, rtol=1e-7)
    assert_allclose(solution.network.predict(x[:, None]), y, atol=1e-10 * np.abs(slopes).max())
    assert abs(solution.certificate.relative_gap) < 1e-8


def test_interpolation_of_repeated_points():
    same = one_dimensional([0.0, 1.0, 1.0, 2.0], [0.0, 1.0, 1.0, 5.0], 0)
    assert_allclose(same.objective, one_dimensional([0.0, 1.0, 2.0], [0.0, 1.0, 5.0], 0).objective)
    with pytest.raises(
        ValueError, match=r"rows 1 and 2 have the same x, 1, and the targets 1 and 3"
    ):
        one_dimensional([0.0, 1.0, 1.0, 2.0], [0.0, 1.0, 3.0, 5.0], 0)


@pytest.mark.parametrize("seed", range(4))
def test_least_norm_for_margins_is_the_linear_program_of_the_kernel(seed):
    """Ergen and Pilanci's classifier ``sign(K z + b)``, K the kernel of hinges, least ||z||_1."""
    x, y = sample(11, seed, "hinge", repeated=seed == 3)
    if seed == 3:
        x, first = np.unique(x, return_index=True)
        y = y[first]
    solution = one_dimensional(x, y, 0, "hinge")
    z, b = cp.Variable(2 * len(x)), cp.Variable()
    reference = solve(cp.norm1(z), [cp.multiply(y, hinges(x) @ z + b) >= 1])
    assert_allclose(solution.objective, reference, rtol=1e-8, atol=1e-12)
    assert np.min(y * solution.network.predict(x[:, None])) >= 1 - 1e-9
    assert abs(solution.certificate.relative_gap) < 1e-8


def test_margins_of_ten_thousand_points_and_of_one_class():
    x = np.random.default_rng(0).uniform(-3, 3, 10_000)
    solution = one_dimensional(x, np.sign(np.sin(3 * x)), 0, "hinge")
    assert solution.status is Status.OPTIMAL
    assert solution.certificate.relative_gap < 1e-8
    assert solution.network.n_neurons < 20
    assert one_dimensional([1.0, 2.0], [1.0, 1.0], 0, "hinge").objective == 0
    with pytest.raises(ValueError, match="no network fits: rows 0 and 1 have the same x, 1"):
        one_dimensional([1.0, 1.0], [1.0, -1.0], 0, "hinge")
    with pytest.raises(ValueError, match="the logistic loss falls forever"):
        one_dimensional([1.0, 2.0], [1.0, -1.0], 0, "logistic")


@pytest.mark.parametrize("loss", ["squared", "huber", "hinge"])
def test_points_that_all_coincide_leave_the_intercept(loss):
    y = [1.0, -1.0, 1.0, 1.0]
    solution = one_dimensional([2.0] * 4, y, 0.1, loss)
    assert solution.network.n_neurons == 0
    assert abs(solution.certificate.relative_gap) < 1e-9


def test_large_betas_leave_the_best_constant():
    x, y = sample(15, 1)
    solution = one_dimensional(x, y, 1e4)
    assert solution.network.n_neurons == 0
    assert_allclose(solution.network.intercept, y.mean(), rtol=1e-9)


def test_refusals():
    with pytest.raises(ValueError, match="x must have one column, got 2"):
        one_dimensional(np.ones((3, 2)), [1.0, 2.0, 3.0], 1.0)
    with pytest.raises(ValueError, match="serves one output, y has 2"):
        one_dimensional([1.0, 2.0], np.ones((2, 2)), 1.0)
    with pytest.raises(ValueError, match="x holds nan in row 1"):
        one_dimensional([1.0, np.nan], [1.0, 2.0], 1.0)
    with pytest.raises(ValueError, match="X has 2 rows but y has 3"):
        one_dimensional([1.0, 2.0], [1.0, 2.0, 3.0], 1.0)


# ---------------------------------------------------------------- networks with free biases


def test_a_network_with_free_biases_is_saved_and_pruned_as_such(tmp_path):
    x, y = sample(30, 4)
    solution = one_dimensional(x, y, 0.1)
    network = solution.network
    network.save(tmp_path / "spline.nogap")
    loaded = Network.load(tmp_path / "spline.nogap")
    assert loaded.free_bias
    value = loaded.objective(x[:, None], y, beta=0.1)
    assert_allclose(value, solution.objective, rtol=1e-12)
    # split every neuron, and add one that is nothing but a constant
    U = np.repeat(network.hidden_weights, 2, axis=0)
    split = Network(
        np.vstack([U, [[0.0]]]),
        np.vstack([0.5 * np.repeat(network.output_weights, 2, axis=0), [[2.0]]]),
        np.append(np.repeat(network.hidden_bias, 2), 1.5),
        network.intercept - 3.0,
        free_bias=True,
    )
    pruned = split.prune(x[:, None])
    assert pruned.free_bias
    assert pruned.n_neurons <= network.n_neurons
    assert_allclose(pruned.objective(x[:, None], y, beta=0.1), solution.objective, rtol=1e-9)


def test_certify_refuses_free_biases():
    x, y = sample(10, 4)
    network = one_dimensional(x, y, 0.1).network
    with pytest.raises(ValueError, match="hidden biases of this network are free"):
        certify(network, x[:, None], y, beta=0.1)
