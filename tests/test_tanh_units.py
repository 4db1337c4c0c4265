"""Tanh units: bounded hidden weights, joint descent, and what sign units prove about them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import approx_fprime, minimize
from sklearn.datasets import make_moons

import nogap
from nogap.certificate import Correlation
from nogap.formulation import formulate
from nogap.oracles.sign_cells import SignCellOracle
from nogap.rows import MemoryRows
from nogap.solution import Status
from nogap.solvers.neurons import Neurons, objective
from nogap.solvers.retune import _Bounded, retune
from nogap.units import Tanh

X, LABELS = make_moons(40, noise=0.2, random_state=0)
Y = 2.0 * LABELS - 1


def train(X=X, y=Y, **options):
    defaults = {"unit": Tanh(30), "hidden_bias": True, "random_state": 0, "beta": 0.5}
    return nogap.train(X, y, **{**defaults, **options})


@pytest.fixture(scope="module")
def trained():
    return train()


def drawn(problem, unit, m, seed=0):
    g = np.random.default_rng(seed)
    C = problem.n_outputs
    return Neurons.from_factors(
        g.uniform(-unit.bound, unit.bound, (m, problem.rows.d)),
        g.standard_normal((m, C)),
        g.standard_normal(C),
        np.zeros(m, dtype=np.intp),
        unit,
    )


def test_training_stays_within_the_bound_and_says_that_it_searched(trained):
    network = trained.network
    assert trained.certificate.kind == "search"
    assert trained.status is Status.SEARCH_OPTIMAL
    assert (network.activation, network.weight_bound) == ("tanh", 30.0)
    assert np.abs(network.augmented_weights()).max() <= 30.0
    assert network.penalty() == pytest.approx(np.abs(network.output_weights).sum(), rel=1e-15)
    assert network.objective(X, Y, beta=0.5) == pytest.approx(trained.objective, rel=1e-9)
    assert_allclose(
        network.features(X), np.tanh(X @ network.hidden_weights.T + network.hidden_bias)
    )


def test_no_network_found_otherwise_is_better(trained):
    """Multi-start descent over forty bounded neurons."""
    rows, m, d = np.column_stack([X, np.ones(len(X))]), 40, 3

    def value(x):
        V, a = x[: m * d].reshape(m, d), x[m * d :]
        T = np.tanh(rows @ V.T)
        r = T @ (a[:m] - a[m:]) - Y
        for_V = ((a[:m] - a[m:]) * (1 - T**2) * r[:, None]).T @ rows
        for_a = T.T @ r
        gradient = np.concatenate([for_V.ravel(), for_a + 0.5, 0.5 - for_a])
        return 0.5 * r @ r + 0.5 * a.sum(), gradient

    g = np.random.default_rng(0)
    bounds = [(-30, 30)] * (m * d) + [(0, None)] * (2 * m)
    for _ in range(3):
        start = np.concatenate([g.standard_normal(m * d) * 3, g.random(2 * m) / m])
        found = minimize(value, start, jac=True, bounds=bounds, options={"maxiter": 1000}).fun
        assert trained.objective <= found * (1 + 1e-3)


def test_a_grid_of_two_parameters_finds_no_better_neuron():
    """One input and a bias: all neurons within the bound, up to the step of the grid."""
    x = np.linspace(-2, 2, 15)[:, None]
    y = np.sin(2 * x[:, 0])
    solution = train(x, y, unit=Tanh(3), beta=0.1, tol=1e-6)
    v = np.linspace(-3, 3, 301)
    V, B = np.meshgrid(v, v)
    columns = np.tanh(x * V.ravel() + B.ravel())
    residual = y - solution.network.predict(x)
    assert np.abs(residual @ columns).max() <= 0.1 * (1 + 1e-4)
    # the dual point of the grid's own maximum bounds the optimum to the grid's accuracy
    assert solution.certificate.relative_gap <= 1e-6


def test_the_bound_is_what_keeps_the_optimum_away(trained):
    """A smaller bound costs; a larger one comes nearer to sign units, which are below them all."""
    values = [train(unit=Tanh(bound), tol=1e-2).objective for bound in (1, 5)]
    signs = train(unit="sign").objective
    assert values[0] > values[1] > trained.objective > signs


def test_the_joint_descent_has_the_right_gradient_and_never_climbs():
    g = np.random.default_rng(0)
    targets = g.standard_normal((12, 2))
    problem = formulate(
        X[:12], targets, beta=0.3, loss="huber", hidden_bias=True, fit_intercept=True, unit=Tanh(2)
    )
    neurons = drawn(problem, Tanh(2), 4)
    function = _Bounded(problem, Tanh(2), neurons)
    x = g.standard_normal(4 * (3 + 1 + 2) + 2)
    numeric = approx_fprime(x, lambda z: function(z)[0], 1e-7)
    assert_allclose(function(x)[1], numeric, rtol=1e-4, atol=1e-5)
    moved = retune(problem, Tanh(2), neurons, 50)
    assert objective(problem, Tanh(2), moved) < objective(problem, Tanh(2), neurons)
    assert np.abs(moved.directions).max() <= 2
    stopped = retune(problem, Tanh(2), neurons, 50, lambda: True)
    assert objective(problem, Tanh(2), stopped) > objective(problem, Tanh(2), moved)


def test_tuning_lowers_what_a_classifier_found():
    """Bengio et al.'s repair: joint descent after each approximate neuron."""
    still = train(oracle="logistic_regression", tune=False)
    tuned = train(oracle="logistic_regression")
    assert tuned.objective < 0.7 * still.objective


def test_every_tanh_neuron_is_a_mean_of_sign_neurons():
    """So no tanh neuron, bounded or not, has a larger correlation than the best sign neuron."""
    g = np.random.default_rng(0)
    rows, V = MemoryRows(X, hidden_bias=True), g.standard_normal((40, 1))
    limit = SignCellOracle(rows).price(V, 1)[1].value
    U = g.standard_normal((3, 5000)) * np.exp(g.uniform(-2, 5, 5000))
    values = np.abs(V[:, 0] @ np.tanh(rows.forward(U)))
    assert values.max() <= limit
    assert values.max() > 0.7 * limit


def test_sign_units_prove_how_far_a_tanh_network_is(trained):
    signs = train(unit="sign")
    options = {"beta": 0.5, "max_time": 1}
    proof = nogap.certify(trained.network, X, Y, method="bound", **options)
    assert proof.kind == "bound"
    assert proof.lower_bound == pytest.approx(signs.objective, rel=1e-3)
    assert proof.lower_bound <= signs.objective < trained.objective
    estimate = nogap.certify(trained.network, X, Y, **options)
    assert estimate.kind == "search"  # sign units are far below: the proof stands beside
    assert estimate.relative_gap < 2e-3
    assert estimate.proved_lower_bound == pytest.approx(signs.objective, rel=1e-3)
    worse = nogap.Network(
        trained.network.hidden_weights,
        0.2 * trained.network.output_weights,
        trained.network.hidden_bias,
        activation="tanh",
        weight_bound=30,
    )
    judged = nogap.certify(worse, X, Y, **options)
    assert judged.better_objective == pytest.approx(trained.objective, rel=1e-2)


def test_several_outputs_and_the_hinge_loss():
    targets = np.column_stack([Y, X[:, 0]])
    both = train(X[::2], targets[::2], beta=2.0, fit_intercept=True, tol=1e-2)
    assert both.network.n_outputs == 2
    assert both.certificate.relative_gap <= 1e-2
    hinge = train(loss="hinge", beta=3.0, unit=Tanh(5), tol=1e-2)
    assert hinge.certificate.kind == "search"
    assert hinge.objective < 40


def test_prune_save_and_load(trained, tmp_path):
    network = trained.network
    doubled = nogap.Network(
        np.repeat(network.hidden_weights, 2, axis=0),
        np.repeat(network.output_weights, 2, axis=0) / 2,
        np.repeat(network.hidden_bias, 2),
        network.intercept,
        activation="tanh",
        weight_bound=30,
    )
    pruned = doubled.prune(X)
    assert pruned.n_neurons == network.n_neurons
    assert pruned.weight_bound == 30
    assert_allclose(pruned.predict(X), network.predict(X), atol=1e-10)
    pruned.save(tmp_path / "tanh.nogap")
    loaded = nogap.Network.load(tmp_path / "tanh.nogap")
    assert loaded.weight_bound == 30
    assert np.array_equal(loaded.predict(X), pruned.predict(X))


def test_what_does_not_fit_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="bound must be a positive number"):
        Tanh(0)
    with pytest.raises(ValueError, match="a hidden weight of 2 is beyond the weight_bound 1"):
        nogap.Network([[2.0]], [1.0], activation="tanh", weight_bound=1)
    with pytest.raises(ValueError, match="weight_bound belongs to tanh units"):
        nogap.Network([[2.0]], [1.0], weight_bound=1)
    unbounded = nogap.Network([[2.0, 0.0]], [1.0], [0.0], activation="tanh")
    with pytest.raises(ValueError, match="without a bound on its hidden weights"):
        nogap.certify(unbounded, X, Y, beta=0.5)
    with pytest.raises(ValueError, match="tanh units have no exact oracle"):
        train(patterns="all")
    with pytest.raises(ValueError, match="and this problem relu units; take unit='tanh'"):
        nogap.train(X, Y, beta=0.5, hidden_bias=True, warm_start=unbounded)


def test_a_sign_oracle_that_was_cut_short_proves_no_more_than_it_knows(trained, monkeypatch):
    """What it found by then is no bound, whatever the method is called."""
    signs, price = train(unit="sign"), SignCellOracle.price

    def hurried(self, V, count, starts=None):
        found, _ = price(self, V, count, starts)
        return found, Correlation(0.1 * found.best, "search")

    monkeypatch.setattr(SignCellOracle, "price", hurried)
    proof = nogap.certify(trained.network, X, Y, method="bound", beta=0.5, max_time=1)
    assert proof.kind == "bound"
    assert proof.lower_bound <= signs.objective
