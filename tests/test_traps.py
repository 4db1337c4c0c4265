"""What has fooled solvers of this problem before: one test for each trap."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from nogap import Network, Status, beta_max, enumerate_patterns, train
from nogap.formulation import formulate
from nogap.oracles import SearchOracle
from nogap.rows import MemoryRows
from nogap.solvers.neurons import Neurons
from nogap.solvers.slide import slide
from nogap.units import ReLU


def teacher(n, d, seed=0):
    g = np.random.default_rng(seed)
    X = g.standard_normal((n, d))
    y = np.maximum(X[:, 0], 0) - np.maximum(X[:, 1] + X[:, 0], 0) + 0.1 * g.standard_normal(n)
    return X, y


def power_iteration(X, v, starts):
    """u <- X'(v 1[Xu > 0]) from random starts, for both signs: what stalls at kinks."""
    best = 0.0
    for sign in (1.0, -1.0):
        U = starts.copy()
        for _ in range(60):
            U = X.T @ ((sign * v)[:, None] * (X @ U > 0))
            U /= np.maximum(np.linalg.norm(U, axis=0), 1e-300)
        best = max(best, float((sign * v @ np.maximum(X @ U, 0)).max()))
    return best


def test_kinks_hide_most_of_the_correlation_on_the_digits():
    """Power-type ascent finds 331 where 596 exists: the maximiser sits on kinks of other digits."""
    X, y = load_digits(return_X_y=True)
    X, v = np.column_stack([X / 16, np.ones(len(X))]), np.where(y >= 5, 1.0, -1.0)
    stalled = power_iteration(X, v, np.random.default_rng(0).standard_normal((65, 100)))
    assert stalled == pytest.approx(331.463, abs=1e-2)
    oracle = SearchOracle(MemoryRows(X), np.random.default_rng(0), 50)
    found, claim = oracle.price(v[:, None], 10)
    assert claim.value == pytest.approx(595.941, abs=1e-2)
    assert abs(v @ np.maximum(X @ found.directions[0], 0)) == pytest.approx(found.best, rel=1e-9)


def test_duplicate_neurons_are_merged():
    X, y = teacher(60, 4)
    one = train(X, y, beta=3.0, tol=1e-6, random_state=0).network
    twice = Network(
        np.vstack([one.hidden_weights / np.sqrt(2)] * 2),
        np.vstack([one.output_weights / np.sqrt(2)] * 2),
    )
    assert twice.objective(X, y, beta=3.0) == pytest.approx(one.objective(X, y, beta=3.0))
    solution = train(X, y, beta=3.0, tol=1e-6, warm_start=twice, random_state=0)
    assert solution.network.n_neurons <= one.n_neurons
    U = solution.network.hidden_weights * np.sign(solution.network.output_weights)
    U = U / np.linalg.norm(U, axis=1, keepdims=True)
    same_output = solution.network.output_weights[:, 0][:, None] * solution.network.output_weights.T
    close = (U @ U.T > 1 - 1e-9) & (same_output > 0)
    assert close.sum() == solution.network.n_neurons  # each is close to itself alone


def test_noise_of_interior_points_is_no_violation_and_leaves_no_ghosts():
    """The program over all patterns ends after few rounds, with neurons that weigh something."""
    X, y = teacher(14, 2)
    beta = 0.02 * float(beta_max(X, y))
    solution = train(X, y, beta=beta, patterns=enumerate_patterns(X), random_state=0)
    assert solution.status is Status.PROGRAM_OPTIMAL
    assert solution.n_iter <= 20
    network = solution.network
    sizes = np.linalg.norm(network.hidden_weights, axis=1) * np.abs(network.output_weights[:, 0])
    assert sizes.min() > 1e-7 * sizes.sum()
    assert network.n_neurons <= 14


def test_no_denormal_numbers_come_out_of_a_descent():
    """A GEMM with denormal numbers is a hundred times as slow; dying neurons are full of them."""
    X, y = teacher(80, 5)
    problem = formulate(X, y, beta=20.0)
    g = np.random.default_rng(1)
    U = g.standard_normal((50, 5))
    many = Neurons(
        U / np.linalg.norm(U, axis=1, keepdims=True),
        np.sign(g.standard_normal((50, 1))),
        np.geomspace(1e-44, 1.0, 50),
        np.zeros(1),
        np.zeros(50, dtype=np.intp),
    )
    for single in (False, True):
        slid = slide(problem, ReLU(), many, 60, single=single)
        root = np.sqrt(slid.sizes)[:, None]
        weights = np.concatenate([(root * slid.directions).ravel(), (root * slid.outputs).ravel()])
        alive = np.abs(weights[weights != 0])
        assert alive.size
        assert alive.min() > np.finfo(np.float32).tiny


@pytest.mark.parametrize("loss", ["squared", "logistic", "squared_hinge", "huber"])
def test_beta_above_beta_max_gives_the_empty_network_and_says_so(loss):
    X, y = teacher(50, 3)
    y = y if loss in ("squared", "huber") else np.where(y > 0, 1.0, -1.0)
    largest = float(beta_max(X, y, loss))
    for factor in (1.0000001, 10.0, 1e6):
        solution = train(X, y, beta=factor * largest, loss=loss, random_state=0)
        assert solution.network.n_neurons == 0
        assert solution.status is Status.OPTIMAL
        assert solution.certificate.relative_gap <= 1e-6
    below = train(X, y, beta=0.9 * largest, loss=loss, random_state=0)
    assert below.network.n_neurons > 0


@pytest.mark.parametrize("loss", ["squared", "logistic", "squared_hinge", "huber"])
def test_a_tiny_beta_is_trained_without_a_false_claim(loss):
    X, y = teacher(25, 3)
    y = y if loss in ("squared", "huber") else np.where(y > 0, 1.0, -1.0)
    beta = 1e-7 * float(beta_max(X, y, loss))
    solution = train(X, y, beta=beta, loss=loss, random_state=0, max_time=3)
    own = solution.network.objective(X, y, beta=beta, loss=loss)
    assert own == pytest.approx(solution.objective, rel=1e-9)
    assert solution.certificate.lower_bound <= own * (1 + 1e-12)
    zero = Network(np.zeros((0, 3)), np.zeros((0, 1))).objective(X, y, beta=beta, loss=loss)
    assert own <= 1e-3 * zero  # 25 rows in 3 dimensions can nearly be fitted
