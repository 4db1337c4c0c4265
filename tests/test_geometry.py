"""The learned kernel against kernel machines, and decision regions against sign vectors."""

from __future__ import annotations

import itertools
from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linprog
from sklearn.kernel_ridge import KernelRidge
from tests.reference import relu_optimum, solve

import nogap
from nogap import Network, decision_regions, interpolate, kernel_representation


def data(n, d, seed):
    g = np.random.default_rng(seed)
    return g.standard_normal((n, d)), g.standard_normal(n), g.standard_normal((40, d))


def masked_kernel(network, X, A, B):
    """The kernel by its definition, from a network's weights and the rows it is trained on."""
    if network.hidden_bias is not None:
        X, A, B = (np.column_stack([Z, np.ones(len(Z))]) for Z in (X, A, B))
    K = np.zeros((len(A), len(B)))
    for u, a in zip(network.augmented_weights(), network.output_weights[:, 0], strict=True):
        switching = X[np.abs(X @ u) <= 1e-9 * np.linalg.norm(X, axis=1) * np.linalg.norm(u)]
        P = np.eye(u.size) - np.linalg.pinv(switching) @ switching
        K += np.linalg.norm(u) * abs(a) * np.outer(A @ u > 1e-12, B @ u > 1e-12) * (A @ P @ B.T)
    return K


@pytest.mark.parametrize(
    ("n", "d", "hidden_bias"), [(6, 2, False), (9, 3, False), (5, 9, False), (7, 1, True)]
)
def test_interpolation_is_that_of_its_own_kernel(n, d, hidden_bias):
    X, y, new = data(n, d, n)
    solution = interpolate(X, y, hidden_bias=hidden_bias)
    found = kernel_representation(X, y, hidden_bias=hidden_bias, solution=solution)
    network = found.network
    assert_allclose(network.predict(X), y, atol=1e-10)
    assert_allclose(network.penalty(), solution.objective, rtol=1e-6)
    assert_allclose(found.squared_norm, network.penalty(), rtol=1e-9)
    assert_allclose(found.predict(new), network.predict(new), atol=1e-10)
    assert_allclose(found.kernel(new, X), masked_kernel(network, X, new, X), atol=1e-8)
    assert np.linalg.eigvalsh(found.gram).min() > -1e-10
    # the interpolation of least norm in the space of the kernel, found without the network
    c = np.linalg.lstsq(found.gram, y, rcond=1e-13)[0]
    assert_allclose(found.kernel(new, X) @ c, network.predict(new), atol=1e-8)


@pytest.mark.parametrize("beta", [0.02, 0.3])
def test_training_is_ridge_regression_with_the_learned_kernel(beta):
    X, y, new = data(7, 2, 1)
    found = kernel_representation(X, y, beta=beta, hidden_bias=True)
    ridge = KernelRidge(alpha=beta, kernel="precomputed").fit(found.gram, y)
    assert_allclose(
        ridge.predict(found.kernel(new, X)), found.network.predict(new), rtol=1e-8, atol=1e-10
    )
    best = relu_optimum(X, y, beta, hidden_bias=True)
    assert_allclose(found.network.objective(X, y, beta=beta), best, rtol=1e-7)


@pytest.mark.parametrize("loss", ["logistic", "squared_hinge", "huber"])
def test_other_losses_are_kernel_machines_too(loss):
    X, y, new = data(8, 2, 5)
    y = y if loss == "huber" else np.sign(y)
    found = kernel_representation(X, y, beta=0.1, loss=loss)
    f = cp.Variable(8)
    each = {
        "logistic": cp.logistic(-cp.multiply(y, f)),
        "squared_hinge": 0.5 * cp.square(cp.pos(1 - cp.multiply(y, f))),
        "huber": 0.5 * cp.huber(f - y, 1.0),
    }[loss]
    c = cp.Variable(8)
    root = np.linalg.cholesky(found.gram + 1e-13 * np.eye(8))
    solve(cp.sum(each) + 0.05 * cp.sum_squares(root.T @ c), [f == found.gram @ c])
    assert_allclose(f.value, found.network.predict(X), atol=1e-6)
    assert_allclose(found.predict(new), found.network.predict(new), atol=1e-10)


def test_margins_are_the_support_vector_machine_of_the_learned_kernel():
    X, y, new = data(14, 2, 2)
    y = np.where(X[:, 0] > 0.3 * y, 1.0, -1.0)
    found = kernel_representation(X, y, loss="hinge", hidden_bias=True)
    assert 0 < np.count_nonzero(found.coefficients) < 14
    assert np.all(found.coefficients * y >= 0)
    c = cp.Variable(14)
    root = np.linalg.cholesky(found.gram + 1e-12 * np.eye(14))
    solve(cp.sum_squares(root.T @ c), [cp.multiply(y, found.gram @ c) >= 1])
    outputs = found.network.predict(new)
    assert_allclose(found.kernel(new, X) @ c.value, outputs, atol=1e-4 * np.abs(outputs).max())


def test_zero_is_the_empty_kernel():
    X, y, new = data(5, 2, 3)
    found = kernel_representation(X, y, beta=100.0)
    assert found.sizes.size == 0
    assert_array_equal(found.predict(new), 0.0)


def test_kernel_refusals():
    X, y, _ = data(6, 2, 0)
    with pytest.raises(
        ValueError, match="a loss with a gradient; got 1 outputs and the loss hinge"
    ):
        kernel_representation(X, np.sign(y), beta=0.1, loss="hinge")
    with pytest.raises(ValueError, match="got 2 outputs"):
        kernel_representation(X, np.column_stack([y, y]))
    other = nogap.train(X, y, beta=2.0, random_state=0)
    with pytest.raises(ValueError, match=r"the solution is for beta = 2, and beta is 0.1 here"):
        kernel_representation(X, y, beta=0.1, solution=other)
    random = Network(np.random.default_rng(0).standard_normal((3, 2)), [1.0, -1.0, 1.0])
    with pytest.raises(ValueError, match=r"misses the equations of an optimum by .*smaller tol"):
        kernel_representation(X, y, beta=2.0, solution=replace(other, network=random))


# ---------------------------------------------------------------- decision regions


def signs_by_linear_programs(network, box=1e3):
    """Every sign vector of the neurons that some x has, with the signs that f takes there."""
    U, c = network.hidden_weights, np.zeros(network.n_neurons)
    c = c if network.hidden_bias is None else network.hidden_bias
    d, found = network.n_features_in, {}
    for signs in itertools.product([1.0, -1.0], repeat=network.n_neurons):
        s = np.array(signs)
        active = s > 0
        g = (active * network.output_weights[:, 0]) @ U
        h = (active * network.output_weights[:, 0]) @ c + network.intercept[0]
        cell = {"A_ub": np.column_stack([-s[:, None] * U, U.any(axis=1)]), "b_ub": s * c}
        bounds = [(-box, box)] * d
        if np.any((s > 0) & ~(U.any(axis=1) | (c != 0))):
            continue  # a neuron without weights is never active
        inner = linprog(np.append(np.zeros(d), -1.0), **cell, bounds=[*bounds, (None, 1.0)])
        if inner.status != 0 or -inner.fun <= 1e-9:
            continue
        cell = {"A_ub": -s[:, None] * U, "b_ub": s * c, "bounds": bounds}
        low, high = linprog(g, **cell).fun + h, h - linprog(-g, **cell).fun
        found[active.tobytes()] = int(high > 1e-9) - int(low < -1e-9)
    return found


@pytest.mark.parametrize(
    ("m", "d", "biased"), [(5, 2, True), (4, 3, True), (6, 1, True), (5, 2, False)]
)
def test_regions_are_all_sign_vectors(m, d, biased):
    g = np.random.default_rng(10 * m + d)
    U = np.round(2 * g.standard_normal((m, d))) / 2  # parallel neurons, and some that meet
    U[0] = 1.0
    c = np.round(g.standard_normal(m)) if biased else None
    network = Network(U, g.standard_normal(m), c, intercept=0.3)
    found = decision_regions(network)
    listed = {
        D.tobytes(): int(label) for D, label in zip(found.patterns, found.labels, strict=True)
    }
    expected = signs_by_linear_programs(network)
    assert listed == expected


def test_regions_of_a_minimum_norm_classifier():
    g = np.random.default_rng(3)
    X = g.uniform(-1, 1, (12, 2))
    y = np.where(np.hypot(*X.T) > 0.75, 1.0, -1.0)
    network = interpolate(X, y, loss="hinge", hidden_bias=True).network
    found = decision_regions(network)
    assert_array_equal(found.classify(X), y)
    low, high = [-1.5, -1.5], [1.5, 1.5]
    grid = np.stack(np.meshgrid(*[np.linspace(-1.49, 1.49, 60)] * 2), axis=-1).reshape(-1, 2)
    cell = found.locate(grid)
    assert np.all(cell >= 0)
    pieces = np.sum(grid * found.weights[cell], axis=1) + found.offsets[cell]
    assert_allclose(pieces, network.predict(grid), atol=1e-9)
    total = np.zeros(3)
    for label, corners in found.polygons(low, high):
        x, v = corners.T
        area = 0.5 * abs(x @ np.roll(v, -1) - v @ np.roll(x, -1))
        total[label] += area
        assert area < 1e-9 or np.sign(network.predict(corners.mean(axis=0)[None])[0]) == label
    assert_allclose(total.sum(), 9.0, rtol=1e-9)
    share = np.mean(network.predict(grid) > 0)
    assert_allclose(total[1] / 9, share, atol=0.02)


def test_region_refusals():
    with pytest.raises(ValueError, match="two-layer ReLU networks with one output"):
        decision_regions(Network([[1.0]], [[1.0, 2.0]]))
    with pytest.raises(ValueError, match="polygons are for two inputs"):
        decision_regions(Network([[1.0]], [1.0])).polygons([0, 0], [1, 1])
    with pytest.raises(ValueError, match="low must lie below high"):
        decision_regions(Network([[1.0, 0.0]], [1.0])).polygons([0, 1], [1, 1])
    g = np.random.default_rng(0)
    wide = Network(g.standard_normal((60, 5)), g.standard_normal(60), g.standard_normal(60))
    with pytest.raises(ValueError, match=r"too many cells to list: its 60 neurons") as refused:
        decision_regions(wide)
    assert "patterns" not in str(refused.value)
