"""Parallel three-layer networks: the published instance, literal programs, oracles, networks."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize
from tests.reference import patterns_by_rays
from tests.three_layer_reference import blocks_of, optimum

import nogap
from nogap import ParallelNetwork, Status, certify, train
from nogap.oracles.exact import ExactOracle
from nogap.oracles.sampled_sub_networks import SubNetworkCells
from nogap.oracles.sub_network_search import SubNetworkSearch
from nogap.oracles.sub_networks import SubNetworkOracle
from nogap.rows import MemoryRows
from nogap.units import ThreeLayer

TWO_LAYERS = 2.4304172  # the optimum of two layers on the published instance
BOTH = pytest.mark.parametrize("regularization", ["weights", "path"])


@pytest.fixture(scope="module")
def published():
    with np.load(Path(__file__).parent / "data" / "three_layer.npz") as data:
        return data["X"], data["y"], float(data["beta"]), int(data["width"])


@pytest.fixture(scope="module")
def solved(published):
    X, y, beta, width = published
    start = time.perf_counter()
    solution = train(X, y, beta=beta, unit=ThreeLayer(width), patterns="all", random_state=0)
    return solution, time.perf_counter() - start


def on_a_line(seed=23, n=4):
    """One input and a ones column, where three layers are better than two."""
    g = np.random.default_rng(seed)
    return np.column_stack([np.sort(g.standard_normal(n)), np.ones(n)]), g.standard_normal(n)


def small(seed, n=5, d=2):
    g = np.random.default_rng(seed)
    return g.standard_normal((n, d)), g.standard_normal(n)


def smooth_objective(X, y, beta, K, width):
    """Weight decay on all blocks: never below the penalty, and equal to it where balanced."""
    d = X.shape[1]

    def function(x):
        A, b, s = np.split(x, [K * d * width, K * (d + 1) * width])
        A, b = A.reshape(d, K, width), b.reshape(K, width)
        Z = np.maximum(np.einsum("nd,dkj->nkj", X, A), 0)
        H = np.einsum("nkj,kj->nk", Z, b)
        r = np.maximum(H, 0) @ s - y
        back = r[:, None] * (H > 0) * s
        for_A = np.einsum("nk,kj,nkj,nd->dkj", back, b, Z > 0, X)
        norms = np.linalg.norm(A, axis=(0, 2)) * np.linalg.norm(b, axis=1)
        value = 0.5 * r @ r + beta * norms @ np.abs(s)
        wA = np.linalg.norm(A, axis=(0, 2)) + 1e-300
        wb = np.linalg.norm(b, axis=1) + 1e-300
        for_A += beta * A * (wb * np.abs(s) / wA)[:, None]
        for_b = np.einsum("nk,nkj->kj", back, Z) + beta * b * (wA * np.abs(s) / wb)[:, None]
        for_s = np.maximum(H, 0).T @ r + beta * norms * np.sign(s)
        return value, np.concatenate([for_A.ravel(), for_b.ravel(), for_s])

    return function


# -- the optimum ---------------------------------------------------------------------------------


def test_the_published_instance(solved, published):
    X, y, beta, _ = published
    solution, seconds = solved
    assert 2.2990423 <= solution.objective <= 2.2990439
    assert solution.certificate.kind == "exact"
    assert solution.certificate.relative_gap <= 1e-7
    assert solution.status is Status.OPTIMAL
    assert seconds < 30
    two = train(X, y, beta=beta, patterns="all", random_state=0)
    assert two.objective == pytest.approx(TWO_LAYERS, rel=1e-6)
    assert solution.objective < two.certificate.lower_bound


def test_the_network_has_the_objective_of_the_program(solved, published):
    X, y, beta, _ = published
    network = solved[0].network
    assert network.objective(X, y, beta=beta) == pytest.approx(solved[0].objective, rel=1e-12)
    W1, w2, w3 = network.first_weights, network.second_weights, network.output_weights
    np.testing.assert_allclose(np.linalg.norm(W1, axis=(1, 2)), 1.0, rtol=1e-12)
    F = sum(c * np.maximum(np.maximum(X @ A, 0) @ b, 0) for A, b, c in zip(W1, w2, w3, strict=True))
    decay = 0.5 * (np.sum(w2**2) + np.sum(w3**2))
    value = 0.5 * np.sum((F - y) ** 2) + beta * decay
    assert value == pytest.approx(solved[0].objective, rel=1e-8)
    assert network.n_neurons <= len(y)


def test_descent_from_many_points_is_never_below(solved, published):
    X, y, beta, width = published
    g = np.random.default_rng(0)
    values = []
    for K in (2, 5, 5, 15, 15):
        function = smooth_objective(X, y, beta, K, width)
        x = g.standard_normal(K * (X.shape[1] + 2) * width - K * (width - 1))
        found = minimize(function, x, jac=True, method="L-BFGS-B", options={"maxiter": 500})
        values.append(found.fun)
    assert min(values) >= solved[0].certificate.lower_bound
    assert max(values) > solved[0].objective * 1.001  # and does end in worse points


@BOTH
def test_against_the_literal_program(regularization):
    X, y = small(3, n=3)
    path = regularization == "path"
    blocks = list(blocks_of(patterns_by_rays(X), 2, 3, repeated=path))
    reference = optimum(X, y, 0.1, blocks, path=path)
    unit = ThreeLayer(2, regularization)
    solution = train(X, y, beta=0.1, unit=unit, patterns="all", random_state=0)
    assert solution.objective == pytest.approx(reference, rel=2e-6)
    assert solution.certificate.kind == "exact"


def test_the_printed_cones_leave_two_layers():
    """One cone for each inner sign (equation 42) instead of one joint cone: nothing is gained."""
    X, y = on_a_line()
    three = train(X, y, beta=0.1, unit=ThreeLayer(2), patterns="all", random_state=0)
    two = train(X, y, beta=0.1, patterns="all", random_state=0)
    assert three.objective < 0.8 * two.objective
    W1, w2 = three.network.first_weights, three.network.second_weights
    used = [
        (np.array(X @ W1[k] > 0).T, np.where(w2[k] < 0, -1.0, 1.0))
        for k in range(three.network.n_neurons)
    ]
    both = [(np.array([D, D]), np.array([1.0, -1.0])) for D in patterns_by_rays(X)]
    seconds = [np.array(bits, dtype=bool) for bits in itertools.product((0, 1), repeat=4)][1:]
    blocks = [(D, inner, D2, s) for D, inner in used + both for D2 in seconds for s in (1.0, -1.0)]
    assert optimum(X, y, 0.1, blocks) == pytest.approx(three.objective, rel=1e-6)
    printed = optimum(X, y, 0.1, blocks, printed=True)
    assert printed == pytest.approx(two.objective, rel=1e-6)


def test_paths_are_never_above_two_layers_with_a_smaller_penalty(published):
    """Equal copies of a neuron gain sqrt(width): the published identity is an upper bound."""
    X, y, beta, width = published
    paths = train(X, y, beta=beta, unit=ThreeLayer(width, "path"), patterns="all", random_state=0)
    assert paths.certificate.kind == "exact"
    options = {"beta": beta / width**0.5, "patterns": "all", "random_state": 0}
    two, three = train(X, y, **options), train(X, y, unit=ThreeLayer(width), **options)
    assert three.certificate.lower_bound <= paths.objective <= two.objective * (1 + 1e-9)
    X, y = small(3, n=4)  # where three layers are of no use, they are equal
    paths = train(X, y, beta=0.2, unit=ThreeLayer(2, "path"), patterns="all", random_state=0)
    two = train(X, y, beta=0.2 / 2**0.5, patterns="all", random_state=0)
    assert paths.objective == pytest.approx(two.objective, rel=1e-7)


@pytest.mark.parametrize("loss", ["logistic", "huber", "squared_hinge"])
def test_other_losses_with_bias_and_intercept(loss):
    X, y = on_a_line(n=5)
    x = X[:, :1]
    y = y if loss == "huber" else np.array([1.0, -1.0, 1.0, 1.0, -1.0])
    solution = train(
        x,
        y,
        beta=0.05,
        loss=loss,
        unit=ThreeLayer(2),
        hidden_bias=True,
        fit_intercept=True,
        tol=1e-5,
        random_state=0,
    )
    network = solution.network
    assert network.hidden_bias is not None
    assert solution.certificate.kind == "exact"
    assert solution.certificate.relative_gap <= 1e-5
    assert abs(solution.certificate.dual.sum()) <= 1e-9
    assert network.objective(x, y, beta=0.05, loss=loss) == pytest.approx(
        solution.objective, rel=1e-10
    )


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_odd_data(scale):
    X, y = small(5, n=3)
    unit = ThreeLayer(2)
    plain = train(X, y, beta=0.1, unit=unit, random_state=0).objective
    repeated = np.vstack([X, 0 * X[:1], X])  # a zero row, and equal rows
    weights = [0.5, 0.25, 1, 1, 0.5, 0.75, 0]
    solution = train(
        sp.csr_array(scale * repeated),
        np.concatenate([y, [0], y]),
        beta=0.1 * scale,
        unit=unit,
        sample_weight=weights,
        random_state=0,
    )
    assert solution.objective == pytest.approx(plain, rel=1e-6)
    assert solution.certificate.kind == "exact"
    assert train(X, 0 * y, beta=0.1, unit=unit).network.n_neurons == 0
    one = train(X[:1], y[:1], beta=0.1, unit=unit)  # a group lasso of one unknown
    assert one.objective == pytest.approx(train(X[:1], y[:1], beta=0.1).objective, rel=1e-6)
    assert "sub-networks, objective" in str(one)


# -- oracles -------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("width", [1, 2, 3])
def test_the_exact_oracle_bounds_what_a_search_finds(regularization, width):
    X, _ = small(width)
    X[4] = X[3] * 2  # parallel rows
    unit, rows = ThreeLayer(width, regularization), MemoryRows(X)
    oracle = SubNetworkOracle(rows, unit)
    g = np.random.default_rng(width)
    search = SubNetworkSearch(rows, unit, g, 150)
    for V in (g.standard_normal((5, 1)), np.abs(g.standard_normal((5, 1)))):
        found, correlation = oracle.price(V, 5)
        assert correlation.kind == "exact"
        assert found.best <= correlation.value <= found.best * (1 + 1e-8)
        W1, w2 = unit.weights(found.directions[:1])
        phi = np.maximum(np.maximum(X @ W1[0], 0) @ w2[0], 0)
        assert abs(float(V[:, 0] @ phi)) == pytest.approx(found.best, rel=1e-9)
        assert unit.norms(W1, w2)[0] == pytest.approx(1.0, rel=1e-9)
        assert found.best * 0.97 <= search.price(V, 5)[1].value <= correlation.value * (1 + 1e-12)
        if width == 1:
            two = ExactOracle(rows).price(V, 1)[1].value
            assert correlation.value == pytest.approx(two, rel=1e-8)


def test_a_call_that_is_stopped_gives_a_bound():
    X, y = small(8, n=8)
    oracle = SubNetworkOracle(MemoryRows(X), ThreeLayer(2))
    exact = oracle.price(y[:, None], 1)[1]
    oracle.should_stop = lambda: True
    found, correlation = oracle.price(y[:, None], 1)
    assert correlation.kind == "bound"
    assert correlation.value >= exact.value
    assert found.values.size == 0


# -- sampled and adaptive ------------------------------------------------------------------------


@BOTH
def test_the_sub_sampled_program(regularization):
    X, y = small(11)
    unit = ThreeLayer(2, regularization)
    solution = train(X, y, beta=0.2, unit=unit, patterns=12, random_state=7)
    cells = SubNetworkCells.draw(X, unit, 12, np.random.default_rng(7))
    blocks = [(*cell, s) for cell in zip(*cells.arrays, strict=True) for s in (1.0, -1.0)]
    reference = optimum(X, y, 0.2, blocks, path=regularization == "path")
    assert solution.objective == pytest.approx(reference, rel=1e-5)
    assert solution.status is Status.PROGRAM_OPTIMAL
    best = train(X, y, beta=0.2, unit=unit, patterns="all", random_state=0)
    assert solution.certificate.lower_bound <= best.objective * (1 + 1e-9)
    assert best.certificate.lower_bound <= solution.objective


def test_adaptive_training_of_more_rows():
    g = np.random.default_rng(0)
    X = g.standard_normal((24, 2))
    y = g.standard_normal(24)
    options = {"beta": 0.5, "unit": ThreeLayer(3), "tol": 1e-2}
    solution = train(X, y, random_state=0, **options)
    assert solution.certificate.kind == "search"
    assert solution.status is Status.SEARCH_OPTIMAL
    two = train(X, y, beta=0.5, random_state=0)
    assert solution.objective < two.certificate.lower_bound
    again = train(X, y, random_state=0, **options)
    np.testing.assert_array_equal(again.network.first_weights, solution.network.first_weights)
    warm = train(X, y, random_state=1, warm_start=solution, **options)
    assert warm.objective <= solution.objective * (1 + 1e-12)
    with pytest.raises(ValueError, match="24 rows have up to 2\\^24 second-layer patterns"):
        train(X, y, beta=0.5, unit=ThreeLayer(3), patterns="all")
    judged = certify(solution.network, X, y, beta=0.5, max_time=0.5)
    assert judged.kind == "search"
    with pytest.raises(ValueError, match="use method='exact' or 'search'"):
        certify(solution.network, X, y, beta=0.5, method="bound")


def test_certify_paths_and_beta_max(published, solved):
    X, y, beta, width = published
    g = np.random.default_rng(1)
    network = ParallelNetwork(g.standard_normal((2, 2, 3)), g.standard_normal((2, 3)), [0.5, -0.5])
    certificate = certify(network, X, y, beta=beta)
    assert certificate.kind == "exact"
    assert certificate.lower_bound == pytest.approx(solved[0].objective, rel=1e-4)
    assert certificate.lower_bound <= solved[0].objective
    assert certificate.better_objective == pytest.approx(solved[0].objective, rel=1e-4)
    largest = nogap.beta_max(X, y, unit=ThreeLayer(width))
    assert largest.kind == "exact"
    penalties = [0.3 * largest, 1.001 * largest]
    solutions = nogap.path(X, y, penalties, unit=ThreeLayer(width), random_state=0)
    assert [s.network.n_neurons > 0 for s in solutions] == [False, True]
    assert all(s.certificate.kind == "exact" for s in solutions)


# -- networks ------------------------------------------------------------------------------------


def test_networks_are_saved_pruned_and_exported(tmp_path):
    g = np.random.default_rng(2)
    W1, w2, w3 = g.standard_normal((9, 2, 3)), g.standard_normal((9, 3)), g.standard_normal(9)
    network = ParallelNetwork(W1, w2, w3, g.standard_normal((9, 3)), 0.3, "path")
    X = g.standard_normal((5, 2))
    network.save(tmp_path / "net")
    loaded = ParallelNetwork.load(tmp_path / "net")
    np.testing.assert_array_equal(loaded.predict(X), network.predict(X))
    assert loaded.penalty() == network.penalty()
    pruned = network.prune(X)
    np.testing.assert_allclose(pruned.predict(X), network.predict(X), atol=1e-9)
    assert pruned.n_neurons <= 5
    assert pruned.penalty() <= network.penalty() * (1 + 1e-12)
    torch = pytest.importorskip("torch")
    outputs = network.to_torch()(torch.from_numpy(X)).detach().numpy()[:, 0]
    np.testing.assert_allclose(outputs, network.predict(X), atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda X, y: ThreeLayer(0), "width must be a whole number of at least 1"),
        (lambda X, y: ThreeLayer(2, "decay"), "regularization must be 'weights' or 'path'"),
        (lambda X, y: train(X, np.sign(y), beta=1, unit=ThreeLayer(2), loss="hinge"), "a gradient"),
        (lambda X, y: train(X, X, beta=1, unit=ThreeLayer(2)), "got 2 outputs"),
        (lambda X, y: train(X, y, beta=1, unit=ThreeLayer(2), patterns=0), "at least 1, got 0"),
        (
            lambda X, y: train(X, y, beta=1, unit=ThreeLayer(2), patterns="some"),
            "'adaptive', 'all'",
        ),
        (lambda X, y: train(X, y, beta=1, unit=ThreeLayer(2), patterns=X > 0), "got an array"),
        (lambda X, y: ParallelNetwork(X, y, y), "must be \\(K, d, width\\)"),
        (lambda X, y: ParallelNetwork([X], y, y), "second_weights must be"),
        (lambda X, y: ParallelNetwork([X], [[1, np.nan]], [1]), "holds NaN"),
        (
            lambda X, y: train(
                X, y, beta=1, warm_start=ParallelNetwork([X.T], [[1] * 5], [1]), unit=ThreeLayer(2)
            ),
            "sub-networks of width 5, the unit only 2",
        ),
        (
            lambda X, y: train(X, y, beta=1, warm_start=ParallelNetwork([X.T], [[1] * 5], [1])),
            "belongs to unit=ThreeLayer",
        ),
    ],
)
def test_bad_input(call, message):
    X, y = small(0)
    with pytest.raises(ValueError, match=message):
        call(X, y)
