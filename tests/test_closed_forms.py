"""Closed forms against independent references: CVXPY, multi-start L-BFGS, brute force."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import cvxpy as cp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from tests.deep_reference import best_of_starts, deep_objective
from tests.reference import linear_optimum, relu_optimum, solve

from nogap import Status, beta_max, certify, train
from nogap.closed_form import (
    deep_linear,
    deep_relu_rank_one,
    deep_relu_whitened,
    linear,
    parallel_penalty,
    rank_one,
    spike_free,
    weight_decay,
    whitened,
)
from nogap.closed_form.radius import minimise_over_radius, shrink_by_power
from nogap.networks.deep import DeepNetwork


def data(n, d, seed, C=None):
    g = np.random.default_rng(seed)
    X = g.standard_normal((n, d))
    return X, g.standard_normal(n if C is None else (n, C)) * 2


def orthonormal_rows(n, d, seed):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((d, n)))[0].T


def spike_free_rows(n, d, seed):
    """Rows with a Gram matrix whose inverse is an M-matrix."""
    g = np.random.default_rng(seed)
    M = -g.random((n, n))
    M = M + M.T
    M += np.diag(1 - M.sum(axis=1))
    return np.linalg.cholesky(np.linalg.inv(M)) @ orthonormal_rows(n, d, seed)


def own_deep_objective(network, X, Y, beta):
    return deep_objective(network.weights, X, Y.reshape(len(X), -1), beta, network.activation)[0]


# ---------------------------------------------------------------- linear networks


@pytest.mark.parametrize("beta", [0.01, 1.0, 10.0, 1e3])
@pytest.mark.parametrize("outputs", [None, 3])
def test_linear_network_is_the_nuclear_norm_program(beta, outputs):
    X, Y = data(12, 5, 0, outputs)
    solution = linear(X, Y, beta)
    assert solution.status is Status.OPTIMAL
    assert solution.certificate.kind == "exact"
    assert_allclose(solution.objective, linear_optimum(X, Y, beta), rtol=1e-8)
    assert_allclose(solution.network.objective(X, Y, beta=beta), solution.objective, rtol=1e-12)
    hidden = np.linalg.norm(solution.network.hidden_weights, axis=1)
    assert_allclose(hidden, np.linalg.norm(solution.network.output_weights, axis=1), rtol=1e-9)


def test_linear_network_with_one_output_shrinks_the_group_not_the_coordinates():
    X = orthonormal_rows(4, 9, 1).T
    y = data(9, 4, 1)[1]
    moments = X.T @ y
    w = (1 - 0.7 / np.linalg.norm(moments)) * moments
    solution = linear(X, y, 0.7)
    found = solution.network.hidden_weights.T @ solution.network.output_weights
    assert_allclose(found[:, 0], w, rtol=1e-9)
    assert linear(X, y, np.linalg.norm(moments) * 1.001).network.n_neurons == 0


def test_linear_network_of_badly_scaled_columns():
    g = np.random.default_rng(3)
    X = g.standard_normal((60, 12)) * 10 ** g.uniform(-2, 2, 12)
    Y = X @ g.standard_normal((12, 5)) + g.standard_normal((60, 5))
    solution = linear(X, Y, 1.0)
    assert solution.certificate.relative_gap < 1e-8


@pytest.mark.parametrize("outputs", [None, 3])
def test_least_norm_linear_interpolation(outputs):
    X, Y = data(4, 7, 5, outputs)
    solution = linear(X, Y, 0)
    assert_allclose(solution.network.predict(X), Y, atol=1e-11)
    norm = np.linalg.norm(np.linalg.pinv(X) @ Y.reshape(4, -1), "nuc")
    assert_allclose(solution.objective, norm, rtol=1e-10)
    assert abs(solution.certificate.relative_gap) < 1e-10
    with pytest.raises(ValueError, match=r"no linear network interpolates Y.*misses row"):
        linear(X.T, np.arange(7.0), 0)


# ---------------------------------------------------------------- deep linear networks


@pytest.mark.parametrize("depth", [3, 4])
@pytest.mark.parametrize("beta", [0.05, 0.5, 2.0])
def test_deep_linear_network_with_one_output_is_the_best_of_many_starts(depth, beta):
    X, y = data(8, 3, 2)
    solution = deep_linear(X, y, beta, depth)
    best, _ = best_of_starts(X, y[:, None], beta, (2,) * (depth - 1), "linear", starts=12)
    value = own_deep_objective(solution.network, X, y, beta)
    assert_allclose(solution.objective, value, rtol=1e-12)
    assert solution.status is Status.OPTIMAL_BY_REDUCTION
    assert value <= best * (1 + 1e-9)
    assert abs(solution.certificate.relative_gap) < 1e-9
    assert solution.certificate.lower_bound <= best
    if value < 0.5 * y @ y * (1 - 1e-9):
        assert_allclose(best, value, rtol=1e-9)
        norms = [np.linalg.norm(W) for W in solution.network.weights]
        assert_allclose(norms, norms[0], rtol=1e-9)


def test_zero_is_a_local_minimum_of_every_deep_linear_problem_and_is_compared():
    X, y = data(8, 3, 2)
    stuck = 0.5 * y @ y
    low, high = 0.5, 50.0  # the beta at which zero wins lies between
    for _ in range(30):
        beta = np.sqrt(low * high)
        zero = deep_linear(X, y, beta, 3).objective > stuck * (1 - 1e-12)
        low, high = (low, beta) if zero else (beta, high)
    empty = deep_linear(X, y, high * 1.001, 3)
    assert weight_decay(empty.network) == 0
    assert_allclose([empty.objective, empty.certificate.lower_bound], stuck)
    assert weight_decay(deep_linear(X, y, low * 0.999, 3).network) > 0.1
    # descent falls into zero now and then where zero is not the optimum, and never below it
    solution = deep_linear(X, y, 0.8 * low, 3)
    best, reached = best_of_starts(X, y[:, None], 0.8 * low, (2, 2), "linear", starts=30, seed=1)
    assert np.any(np.abs(reached - stuck) < 1e-6)
    assert_allclose(solution.objective, best, rtol=1e-9)
    assert solution.objective < stuck * 0.99


def test_the_radius_search_finds_the_global_minimum_among_several():
    X, y = data(40, 12, 7)
    X = X * 10 ** np.linspace(-2, 1, 12)
    from nogap.closed_form.linear import Ridge

    ridge = Ridge(X, y)
    for beta in (1e-3, 0.1, 1.0):
        found = minimise_over_radius(ridge.tangent, ridge.largest, beta, 3)
        grid = [ridge.tangent(r) for r in np.linspace(0, ridge.largest, 500)]
        values = [p.value + 1.5 * beta * p.radius ** (2 / 3) for p in grid]
        assert found.value <= min(values)
        assert found.lower_bound <= found.value
        assert found.value - found.lower_bound < 1e-11 * values[0]


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_shrinking_by_a_power_against_a_grid(depth):
    sizes = np.array([0.0, 0.3, 0.8, 1.0, 2.5])
    for beta in (0.01, 0.3, 1.0):
        shrunk = shrink_by_power(sizes, beta, depth)
        for s, g in zip(sizes, shrunk, strict=True):
            grid = np.linspace(0, max(s, 0.1), 20001)

            def value(t, s=s, beta=beta):
                return 0.5 * (t - s) ** 2 + 0.5 * beta * depth * t ** (2 / depth)

            assert value(g) <= value(grid).min() + 1e-13


@pytest.mark.parametrize("scale", [1.0, 2.5])
@pytest.mark.parametrize("tall", [True, False])
def test_deep_linear_network_of_whitened_data_shrinks_every_singular_value(scale, tall):
    Q = orthonormal_rows(3, 6, 4)
    X = scale * (Q.T if tall else Q)
    Y = data(len(X), 1, 3, 3)[1]
    solution = deep_linear(X, Y, 0.4, 3)
    best, _ = best_of_starts(X, Y, 0.4, (3, 3), "linear", starts=20)
    assert_allclose(own_deep_objective(solution.network, X, Y, 0.4), solution.objective, rtol=1e-12)
    assert_allclose(solution.objective, best, rtol=1e-9)
    assert abs(solution.certificate.relative_gap) < 1e-9


def test_parallel_linear_networks_are_convex_and_a_single_one_keeps_a_gap():
    X, Y = data(10, 4, 6, 3)
    solution = deep_linear(X, Y, 1.5, 4, parallel=True)
    assert_allclose(solution.objective, linear_optimum(X, Y, 1.5), rtol=1e-8)
    assert solution.status is Status.OPTIMAL
    R = Y - solution.network.predict(X)
    value = 0.5 * np.sum(R**2) + 1.5 * parallel_penalty(solution.network)
    assert_allclose(value, solution.objective, rtol=1e-12)
    single, _ = best_of_starts(X, Y, 1.5, (3, 3, 3), "linear", starts=10)
    assert single > solution.objective * 1.01


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_least_norm_deep_linear_interpolation(depth):
    X, y = data(4, 6, 8)
    norm = np.linalg.norm(np.linalg.pinv(X) @ y)
    solution = deep_linear(X, y, 0, depth)
    assert_allclose(solution.objective, depth / 2 * norm ** (2 / depth), rtol=1e-10)
    assert_allclose(solution.network.predict(X), y, atol=1e-11)


@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("parallel", [False, True])
def test_the_least_norm_of_ill_conditioned_data_is_not_overstated(depth, parallel):
    """Rational arithmetic knows the norm; float64 loses most of its digits at condition 4e9."""
    for k in range(6):
        X = np.array([[1.0, 1.0], [1.0, 1.0 + 1e-9 * (k + 1)]])
        y = np.array([1.0 + 0.1 * k, 1.0 + 0.1 * k + 1e-9])
        (a, b), (c, d) = [[Fraction(v) for v in row] for row in X]
        p, q = (Fraction(v) for v in y)
        det = a * d - b * c
        w = (p * d - b * q) / det, (a * q - c * p) / det
        norm = math.sqrt(w[0] ** 2 + w[1] ** 2)
        least = norm if parallel else depth / 2 * norm ** (2 / depth)
        certificate = deep_linear(X, y, 0, depth, parallel=parallel).certificate
        assert certificate.kind == "exact"
        assert 0.9 * least <= certificate.lower_bound <= least


@pytest.mark.parametrize(("depth", "beta"), [(6, 1e-7), (4, 1e-9)])
@pytest.mark.parametrize("least", [3e-16, 1e-17])
def test_a_network_may_fit_with_a_singular_value_that_counts_as_zero(depth, beta, least):
    X, y = np.diag([1.0, least]), np.array([0.0, 1.0])
    known = beta * depth / 2 * least ** (-2 / depth)  # of the network that interpolates
    for Y in (y, np.column_stack([y, y[::-1]])):
        solution = deep_linear(X, Y, beta, depth)
        more = 0.0 if Y.ndim == 1 else beta * depth / 2  # of the other output
        assert 0.01 * known < solution.certificate.lower_bound <= known + more
        assert solution.certificate.kind == "bound"
        assert solution.status is Status.BOUND
    # where beta is not that small, no network gains from the rounding
    solution = deep_linear(X, y, 0.01, depth)
    assert solution.status is Status.OPTIMAL_BY_REDUCTION
    assert solution.certificate.relative_gap < 1e-10


def test_a_tiny_beta_leaves_well_conditioned_and_exact_data_proved():
    X, y = data(8, 3, 2)
    ray = np.outer([1.0, 2.0, 3.0, 0.0], [1.0, 1.0])
    for rows, targets in ((X, y), (X.T, y[:3]), (ray, y[:4])):
        solution = deep_linear(rows, targets, 1e-7, 6)
        assert solution.status is Status.OPTIMAL_BY_REDUCTION
        assert solution.certificate.kind == "exact"
    solution = deep_relu_rank_one(ray, y[:4], 1e-9, 6)
    assert solution.status is Status.OPTIMAL_BY_REDUCTION
    assert solution.certificate.relative_gap < 1e-10


def test_deep_linear_refusals():
    X, Y = data(10, 4, 6, 3)
    with pytest.raises(ValueError, match=r"depth .* at least 2, got 1"):
        deep_linear(X, Y, 1.0, 1)
    with pytest.raises(ValueError, match=r"singular values of X range from .* to"):
        deep_linear(X, Y, 1.0, 3)
    with pytest.raises(ValueError, match="beta must be positive"):
        deep_linear(X, Y[:, 0], -1.0, 3)


# ---------------------------------------------------------------- two-layer ReLU closed forms


@pytest.mark.parametrize("beta", [0.1, 1.0, 5.0])
def test_rank_one_data_is_the_program_over_all_patterns(beta):
    g = np.random.default_rng(0)
    X, y = np.outer(g.standard_normal(7), g.standard_normal(3)), 2 * g.standard_normal(7)
    solution = rank_one(X, y, beta)
    assert_allclose(solution.objective, relu_optimum(X, y, beta), rtol=1e-8)
    assert_allclose(solution.network.objective(X, y, beta=beta), solution.objective, rtol=1e-12)
    assert solution.status is Status.OPTIMAL
    assert certify(solution.network, X, y, beta=beta).relative_gap < 1e-8


def test_rank_one_data_of_higher_rank_are_refused_by_how_much():
    X, y = data(6, 2, 0)
    with pytest.raises(ValueError, match=r"second singular value is .* times the first"):
        rank_one(X, y, 1.0)


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_whitened_rows_and_one_hot_labels(scale):
    X = scale * orthonormal_rows(6, 8, 2)
    labels = np.eye(3)[[0, 0, 0, 1, 1, 2]]
    counts = np.sqrt([3.0, 2.0, 1.0])
    for beta in (0.2, 1.2 * scale, 10.0):
        solution = whitened(X, labels, beta)
        b = beta / scale
        value = np.sum(0.5 * np.minimum(counts, b) ** 2 + b * np.maximum(counts - b, 0))
        assert_allclose(solution.objective, value, rtol=1e-10)
        assert solution.status is Status.OPTIMAL
        assert abs(solution.certificate.relative_gap) < 1e-10


def test_whitened_rows_and_one_output_are_spike_free():
    X, y = orthonormal_rows(5, 6, 3), data(5, 1, 3)[1]
    solution = whitened(X, y, 0.4)
    assert_allclose(solution.objective, relu_optimum(X, y, 0.4), rtol=1e-8)
    assert_allclose(solution.objective, spike_free(X, y, 0.4).objective, rtol=1e-8)


def test_whitened_rows_and_any_targets_are_a_bound_only():
    X, Y = np.eye(5), data(5, 1, 4, 3)[1]
    solution = whitened(X, Y, 0.3)
    assert solution.status is Status.BOUND
    assert solution.certificate.kind == "bound"
    sizes = np.linalg.svd(Y, compute_uv=False)
    nuclear = np.sum(0.5 * np.minimum(sizes, 0.3) ** 2 + 0.3 * np.maximum(sizes - 0.3, 0))
    assert_allclose(solution.certificate.lower_bound, nuclear, rtol=1e-9)
    trained = train(X, Y, beta=0.3, random_state=0)
    assert nuclear < trained.objective <= solution.objective * (1 + 1e-9)
    assert_allclose(solution.network.objective(X, Y, beta=0.3), solution.objective, rtol=1e-12)


def test_rows_that_are_not_whitened_are_refused_by_how_much():
    with pytest.raises(ValueError, match=r"off by 0\.5 \(relative\) at rows 0 and 1"):
        whitened([[1.0, 0.0], [0.5, 0.75**0.5]], [1.0, 2.0], 1.0)
    with pytest.raises(ValueError, match="at most as many rows as columns"):
        whitened(np.ones((3, 2)), np.ones(3), 1.0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_spike_free_data_need_one_cone(seed, loss):
    X, y = spike_free_rows(4, 5, seed), data(4, 1, seed + 10)[1]
    y = np.sign(y) if loss == "logistic" else y
    beta = 0.2 * beta_max(X, y, loss)
    solution = spike_free(X, y, beta, loss=loss)
    assert_allclose(solution.objective, relu_optimum(X, y, beta, loss), rtol=1e-8)
    assert solution.status is Status.OPTIMAL
    value = solution.network.objective(X, y, beta=beta, loss=loss)
    assert_allclose(value, solution.objective, rtol=1e-12)


def test_data_that_are_not_spike_free_need_more_and_are_refused():
    X = np.linalg.inv(spike_free_rows(4, 4, 1))  # the inverse Gram matrix is now positive
    X, y = X.T, np.array([2.0, -1.0, 1.5, -2.0])
    inverse = np.linalg.inv(X @ X.T)
    assert np.any(inverse - np.diag(np.diag(inverse)) > 0)
    one_cone = relu_optimum(X, y, 0.05, patterns=np.ones((1, 4), dtype=bool))
    assert one_cone > relu_optimum(X, y, 0.05) * (1 + 1e-4)
    with pytest.raises(ValueError, match=r"not spike-free.*rows . and . it has"):
        spike_free(X, y, 0.05)
    with pytest.raises(ValueError, match="3 rows of rank 2"):
        spike_free([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], np.ones(3), 1.0)


# ---------------------------------------------------------------- deep ReLU networks


@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize("outputs", [1, 2])
def test_deep_relu_network_on_a_ray_is_the_best_of_many_starts(depth, outputs):
    g = np.random.default_rng(3)
    X = np.outer(np.abs(g.standard_normal(6)), g.standard_normal(3))
    Y = g.standard_normal((6, outputs)) + 1
    solution = deep_relu_rank_one(X, Y, 0.3, depth)
    value = own_deep_objective(solution.network, X, Y, 0.3)
    assert_allclose(solution.objective, value, rtol=1e-12)
    best, _ = best_of_starts(X, Y, 0.3, (3,) * (depth - 1), "relu", starts=15)
    assert_allclose(value, best, rtol=1e-9)
    assert solution.certificate.lower_bound <= best * (1 + 1e-12)
    assert abs(solution.certificate.relative_gap) < 1e-10
    norms = [np.linalg.norm(W) for W in solution.network.weights]
    assert_allclose(norms, norms[0], rtol=1e-12)


@pytest.mark.parametrize(("depth", "beta"), [(2, 1e-11), (3, 1e-8), (4, 1e-6), (6, 1e-6)])
def test_a_network_may_fit_with_what_deviates_from_rank_one(depth, beta):
    X, y = np.array([[1.0, 0.0], [1.0, 1e-9]]), np.array([1.0, -1.0])
    sizes = np.array([1.0, 2e9]) ** (1 / depth)  # relu(x_1) - 2e9 relu(x_2)
    paths = [np.diag(sizes)] * (depth - 1) + [np.array([[sizes[0]], [-sizes[1]]])]
    known = deep_objective(paths, X, y[:, None], beta, "relu")[0]
    assert known < 0.1
    solution = deep_relu_rank_one(X, y, beta, depth)
    assert 0.9 * known < solution.certificate.lower_bound <= known
    assert solution.certificate.kind == "bound"
    assert solution.status is Status.BOUND
    assert not solution.status.converged
    proved = deep_relu_rank_one(X, y, 0.1, depth)
    assert proved.status is Status.OPTIMAL_BY_REDUCTION
    assert proved.certificate.relative_gap < 1e-8


def test_a_network_may_fit_with_a_row_that_points_the_other_way_a_little():
    X, y, beta = np.array([[1.0], [-1e-9]]), np.array([0.0, 1.0]), 1e-6
    solution = deep_relu_rank_one(X, y, beta, 6)
    known = beta * 3 * 1e9 ** (1 / 3)  # 1e9 relu(-x)
    assert 0.9 * known < solution.certificate.lower_bound <= known
    assert solution.status is Status.BOUND


def test_deep_relu_network_refuses_rays_of_both_signs():
    with pytest.raises(ValueError, match=r"row 1 points the other way, with 0\.5 times"):
        deep_relu_rank_one([[2.0], [-1.0]], [1.0, 1.0], 0.1, 3)
    flipped = deep_relu_rank_one([[-2.0], [-1.0]], [2.0, 1.0], 0.1, 3)
    assert_allclose(flipped.objective, deep_relu_rank_one([[2.0], [1.0]], [2, 1], 0.1, 3).objective)


@pytest.mark.parametrize(("depth", "classes"), [(3, 4), (4, 3)])
def test_class_wise_network_is_stationary_and_not_beaten_in_depths_three_and_four(depth, classes):
    X = labels = np.eye(classes)
    solution = deep_relu_whitened(X, labels, 0.02, depth)
    assert solution.status is Status.CONSTRUCTION
    assert solution.certificate.kind == "bound"
    value, gradients = deep_objective(solution.network.weights, X, labels, 0.02, "relu")
    assert_allclose(value, solution.objective, rtol=1e-12)
    assert max(np.abs(G).max() for G in gradients) < 1e-12
    best, _ = best_of_starts(X, labels, 0.02, (8,) * (depth - 1), "relu", starts=8)
    assert value <= best * (1 + 1e-9)
    assert solution.certificate.lower_bound <= best


def test_from_depth_five_on_the_class_wise_network_is_not_the_global_optimum():
    with np.load(Path(__file__).parent / "data" / "deep_whitened_counterexample.npz") as file:
        X, Y, beta = file["X"], file["Y"], float(file["beta"])
        better = DeepNetwork([file[f"W{k}"] for k in range(1, 6)])
    solution = deep_relu_whitened(X, Y, beta, 5)
    known = own_deep_objective(better, X, Y, beta)
    assert_allclose([solution.objective, known], [0.298785, 0.2740012], rtol=2e-6)
    assert solution.status is Status.CONSTRUCTION
    assert not solution.status.converged
    assert solution.certificate.lower_bound <= known


@pytest.mark.parametrize(
    ("depth", "classes", "printed"), [(5, 3, 0.1494), (5, 4, 0.1992), (6, 4, 0.2392)]
)
def test_class_wise_objectives_of_the_specification(depth, classes, printed):
    solution = deep_relu_whitened(np.eye(classes), np.arange(classes), 0.02, depth)
    assert_allclose(solution.objective, printed, atol=5e-5)
    assert solution.status is Status.CONSTRUCTION


def test_two_layers_of_the_class_wise_network_are_proved_and_so_is_zero():
    labels = np.array([0, 0, 1, 2, 2, 2])
    two = deep_relu_whitened(np.eye(6), labels, 0.4, 2)
    assert two.status is Status.OPTIMAL
    assert_allclose(
        two.objective, whitened(np.eye(6), np.eye(3)[labels], 0.4).objective, rtol=1e-10
    )
    zero = deep_relu_whitened(np.eye(6), labels, 50.0, 4)
    assert zero.status is Status.OPTIMAL
    assert_allclose(zero.objective, 3.0)


def test_deep_relu_whitened_refusals():
    with pytest.raises(ValueError, match="depth"):
        deep_relu_whitened(np.eye(2), [0, 1], 1.0, True)
    with pytest.raises(ValueError, match="one-hot"):
        deep_relu_whitened(np.eye(2), [[1.0, 1.0], [0.0, 1.0]], 1.0, 3)
    with pytest.raises(ValueError, match="multiple of the identity"):
        deep_relu_whitened([[1.0, 1.0], [0.0, 1.0]], [0, 1], 1.0, 3)


# ---------------------------------------------------------------- what the certificate says


def test_every_bound_says_how_it_was_proved():
    X, y = data(8, 3, 2)
    said = str(deep_linear(X, y, 0.1, 3))
    assert "the unknown that is left is enclosed" in said
    assert "strong duality fails" in said
    assert "activation patterns" not in said
    assert "not proved to be the global optimum" in str(
        deep_relu_whitened(np.eye(3), [0, 1, 2], 0.1, 3)
    )


def test_reference_nuclear_norm_by_another_formulation():
    """The reference itself: nuclear norm as half the squared factors, by a semidefinite program."""
    X, Y = data(6, 3, 1, 2)
    Z = cp.Variable((5, 5), PSD=True)
    W = Z[:3, 3:]
    value = solve(0.5 * cp.sum_squares(X @ W - Y) + 0.5 * cp.trace(Z), [])
    assert_allclose(linear(X, Y, 1.0).objective, value, rtol=1e-7)


@pytest.mark.parametrize(
    "solved",
    [
        lambda X, Y: linear(X, Y, 0.5),
        lambda X, Y: linear(X, Y[:, 0], 0.5),
        lambda X, Y: deep_linear(X, Y, 0.5, 3),
        lambda X, Y: deep_linear(X, Y[:, 0], 0.5, 3),
        lambda X, Y: deep_linear(X, Y, 0.5, 3, parallel=True),
        lambda X, Y: rank_one(X, Y, 0.5),
        lambda X, Y: deep_relu_rank_one(X, Y, 0.5, 3),
    ],
)
def test_data_of_zeros_leave_the_empty_network(solved):
    X, Y = np.zeros((3, 2)), np.eye(3)
    solution = solved(X, Y)
    assert solution.objective in (0.5, 1.5)
    assert abs(solution.certificate.relative_gap) < 1e-11
    assert not np.any(solution.network.predict(X))
