"""The optimal set: against brute force on the polytope, trained networks, and hand-made cases."""

from __future__ import annotations

import itertools
import sys
from time import process_time

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import linprog
from tests.reference import dual_correlation, patterns_by_rays, relu_network_objective, relu_optimum

from nogap import Network, optimal_set, train
from nogap.closed_form import deep_linear


def random_problem(n, d, seed):
    g = np.random.default_rng(seed)
    X = g.standard_normal((n, d))
    return X, np.maximum(X @ g.standard_normal((d, 3)), 0) @ g.standard_normal(
        3
    ) + 0.3 * g.standard_normal(n)


def many_optima(seed=2):
    """Rows on an integer grid: neurons of different cells with dependent features."""
    g = np.random.default_rng(seed)
    return g.integers(-1, 2, (12, 2)).astype(float), g.integers(-2, 3, 12).astype(float), 0.1


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("seed", range(3))
def test_directions_attain_beta_and_no_other_cell_does(loss, seed):
    X, y = random_problem(9, 2, seed)
    y = np.where(y > np.median(y), 1.0, -1.0) if loss == "logistic" else y
    found = optimal_set(X, y, beta=0.2, loss=loss)
    assert_allclose(found.features.T @ found.dual, 0.2, rtol=1e-9)
    assert_allclose(np.linalg.norm(found.directions, axis=1), 1.0)
    assert dual_correlation(X, found.dual) <= 0.2 * (1 + 1e-8)
    assert_allclose(found.objective, relu_optimum(X, y, 0.2, loss), rtol=1e-8)
    # brute force: one projection a cell, by the reference
    for D in patterns_by_rays(X):
        if dual_correlation(X, found.dual, patterns=[D]) > 0.2 * (1 - 1e-7):
            z = np.where(D, 1.0, -1.0)[:, None] * (X @ found.directions.T)
            assert np.any(np.all(z >= -1e-9, axis=0))


def test_a_generic_problem_has_one_optimal_network_and_training_finds_it():
    X, y = random_problem(20, 2, 0)
    found = optimal_set(X, y, beta=0.5)
    assert found.is_unique()
    low, high = found.ranges()
    assert_allclose(low, high, rtol=1e-7)
    assert len(found.vertices()) == 1
    trained = train(X, y, beta=0.5, patterns="all", tol=1e-9, random_state=1)
    assert found.contains(trained.network)
    assert found.contains(found.minimal())
    worse = train(X, y, beta=0.6, patterns="all", random_state=1).network
    assert not found.contains(worse)


def test_every_network_of_a_set_with_many_is_optimal():
    X, y, beta = many_optima()
    found = optimal_set(X, y, beta=beta)
    assert not found.is_unique()
    networks = [
        found.minimal(),
        found.largest(),
        *found.vertices(),
        found.sample(0),
        found.sample(1),
    ]
    for network in networks:
        value = relu_network_objective(network, X, y, beta)
        assert_allclose(value, found.objective, rtol=1e-9)
        assert_allclose(network.predict(X), found.fit, atol=1e-8)
        assert_allclose(network.penalty(), found.penalty, rtol=1e-8)
        assert found.contains(network)
    assert_allclose(found.objective, relu_optimum(X, y, beta), rtol=1e-8)
    a, b = found.sizes(found.vertices()[0]), found.sizes(found.vertices()[1])
    path = [found.network((1 - t) * a + t * b) for t in np.linspace(0, 1, 5)]
    values = [relu_network_objective(network, X, y, beta) for network in path]
    assert_allclose(values, found.objective, rtol=1e-9)


def test_vertices_and_the_sparsest_network_by_brute_force():
    X, y, beta = many_optima()
    found = optimal_set(X, y, beta=beta)
    Phi, fit = found.features, found.fit
    rank = np.linalg.matrix_rank(Phi, tol=1e-8)
    supports = set()
    for subset in itertools.combinations(range(Phi.shape[1]), rank):
        columns = Phi[:, subset]
        if np.linalg.matrix_rank(columns, tol=1e-8) < rank:
            continue
        a = np.linalg.lstsq(columns, fit, rcond=None)[0]
        if np.linalg.norm(columns @ a - fit) < 1e-7 and np.all(a > -1e-8):
            supports.add(frozenset(np.array(subset)[a > 1e-7].tolist()))
    vertices = {frozenset(np.flatnonzero(found.sizes(v)).tolist()) for v in found.vertices()}
    assert vertices == supports
    assert found.minimal().n_neurons == min(map(len, supports))
    assert len(found.vertices(max_vertices=2)) == 2
    assert found.minimal().n_neurons <= found.largest().n_neurons


def test_ranges_are_linear_programs():
    X, y, beta = many_optima()
    found = optimal_set(X, y, beta=beta)
    low, high = found.ranges()
    left, sizes, right = np.linalg.svd(found.features)
    kept = sizes > 1e-9
    rows, target = sizes[kept, None] * right[: kept.sum()], (left.T @ found.fit)[: kept.sum()]
    for k in range(low.size):
        c = np.eye(low.size)[k]
        assert_allclose(low[k], linprog(c, A_eq=rows, b_eq=target).fun, atol=1e-7)
        assert_allclose(high[k], -linprog(-c, A_eq=rows, b_eq=target).fun, atol=1e-7)


def test_samples_are_reproducible_and_differ():
    X, y, beta = many_optima()
    found = optimal_set(X, y, beta=beta)
    first, again, other = (found.sizes(found.sample(seed)) for seed in (3, 3, 4))
    assert_allclose(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_splitting_and_permuting_does_not_matter_and_scaling_does_not_either():
    X, y, beta = many_optima()
    found = optimal_set(X, y, beta=beta)
    net = found.largest()
    order = np.random.default_rng(0).permutation(2 * net.n_neurons)
    U = np.repeat(net.hidden_weights, 2, axis=0)[order]
    A = 0.5 * np.repeat(net.output_weights, 2, axis=0)[order]
    assert found.contains(Network(U, A))
    assert found.contains(Network(7 * U, A / 7))
    assert not found.contains(Network(U, 1.01 * A))
    assert not found.contains(Network(U, A, np.full(len(U), 0.1)))
    assert not found.contains(Network(U, A, intercept=0.1))


def test_pruning_ends_at_a_vertex():
    """Pruning shares its code with the vertices: independent features, the same fit and penalty."""
    X, y, beta = many_optima()
    found = optimal_set(X, y, beta=beta)
    pruned = found.largest().prune(X)
    features = pruned.features(X)
    assert np.linalg.matrix_rank(features, tol=1e-8) == pruned.n_neurons
    assert found.contains(pruned)


def test_hidden_biases_are_part_of_the_directions():
    X, y = random_problem(8, 1, 4)
    found = optimal_set(X, y, beta=0.1, hidden_bias=True)
    assert found.directions.shape[1] == 2
    network = found.minimal()
    assert network.hidden_bias is not None
    trained = train(X, y, beta=0.1, hidden_bias=True, patterns="all", tol=1e-9, random_state=0)
    assert found.contains(network)
    assert found.contains(trained.network)
    passed = optimal_set(X, y, beta=0.1, hidden_bias=True, solution=trained)
    assert_allclose(passed.objective, found.objective, rtol=1e-9)


def test_above_beta_max_the_optimal_set_is_the_empty_network():
    X, y = random_problem(8, 2, 4)
    found = optimal_set(X, y, beta=1e3)
    assert found.is_unique()
    assert found.minimal().n_neurons == 0
    assert found.sample(0).n_neurons == 0
    assert len(found.vertices()) == 1
    assert found.contains(Network(np.zeros((0, 2)), np.zeros((0, 1))))
    assert not found.contains(Network([[1.0, 0.0]], [1.0]))


def test_two_hundred_rows_in_three_dimensions_in_ten_seconds():
    X, y = random_problem(200, 3, 0)
    began = process_time()
    found = optimal_set(X, y, beta=5.0)
    assert process_time() - began < 10
    assert_allclose(found.features.T @ found.dual, 5.0, rtol=1e-8)
    assert found.contains(train(X, y, beta=5.0, tol=1e-9, random_state=1).network, tolerance=1e-3)
    assert found.contains(found.minimal())


def test_refusals():
    X, y = random_problem(8, 2, 0)
    with pytest.raises(ValueError, match="the loss huber may have several optimal predictions"):
        optimal_set(X, y, beta=1.0, loss="huber")
    with pytest.raises(ValueError, match="serves one output, y has 2"):
        optimal_set(X, np.column_stack([y, y]), beta=1.0)
    rough = train(X, y, beta=0.01, patterns=1, random_state=0)
    with pytest.raises(
        ValueError, match=r"the solution has a relative gap of .* train it to 1e-06"
    ):
        optimal_set(X, y, beta=0.01, solution=rough)
    with pytest.raises(ValueError, match=r"sizes must be .* non-negative numbers"):
        optimal_set(X, y, beta=0.5).network([1.0] * 99)


def test_solutions_of_other_problems_are_refused():
    X, y = random_problem(10, 2, 0)
    solution = train(X, y, beta=0.2, patterns="all", tol=1e-9, random_state=0)
    assert_allclose(
        optimal_set(X, y, beta=0.2, solution=solution).objective, solution.objective, rtol=1e-9
    )
    for beta in (0.1, 5.0):
        with pytest.raises(ValueError, match=r"the solution is for beta = 0\.2, and beta is"):
            optimal_set(X, y, beta=beta, solution=solution)
    other, _ = random_problem(10, 2, 1)
    labels = np.sign(y)
    for rows, targets, loss in ((other, y, "squared"), (X, -y, "squared"), (X, labels, "logistic")):
        with pytest.raises(ValueError, match=r"of another problem: it states the objective"):
            optimal_set(rows, targets, beta=0.2, loss=loss, solution=solution)
    with pytest.raises(ValueError, match=r"has no hidden biases .* hidden_bias=True"):
        optimal_set(X, y, beta=0.2, hidden_bias=True, solution=solution)
    with pytest.raises(ValueError, match=r"solution must be what nogap\.train returned.* got str"):
        optimal_set(X, y, beta=0.2, solution="x")
    with pytest.raises(ValueError, match="two-layer ReLU network"):
        optimal_set(X, y, beta=0.2, solution=deep_linear(X, y, 0.2, 3))


def test_own_training_that_falls_short_is_not_put_on_the_user(monkeypatch):
    X, y = random_problem(8, 2, 0)
    rough = train(X, y, beta=0.01, patterns=1, random_state=0)
    monkeypatch.setattr(sys.modules[optimal_set.__module__], "train", lambda *_, **__: rough)
    with pytest.raises(ValueError, match=r"training within optimal_set fell short"):
        optimal_set(X, y, beta=0.01)


def test_too_many_patterns_are_refused_before_training():
    X, y = random_problem(200, 6, 0)
    began = process_time()
    with pytest.raises(ValueError, match=r"all activation patterns, 1,000,000 at most") as refused:
        optimal_set(X, y, beta=1.0)
    assert process_time() - began < 10
    assert "max_patterns" not in str(refused.value)
