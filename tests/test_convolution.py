"""Convolutions: published optima, an independent judge by a sweep over all filters, PyTorch, ONNX, files."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from scipy.sparse import csr_array
from tests.onnx_runtime import onnx_outputs
from tests.reference import patterns_by_rays, solve

import nogap
from nogap import (
    ConvolutionalNetwork,
    Status,
    certify,
    circular_linear,
    circular_three_layer,
    train,
)
from nogap.formulation import formulate
from nogap.oracles.search import SearchOracle
from nogap.oracles.unit_choice import bound_oracle_of, exact_oracle_of
from nogap.solvers.features import Features
from nogap.solvers.neurons import Neurons
from nogap.solvers.refit import refit_sizes
from nogap.units import Convolution


def published():
    """The specification's recipe: patches (n, K, h) and targets, then two more data sets."""
    g = np.random.default_rng(0)
    patches, y = g.standard_normal((3, 6, 2)).transpose(1, 0, 2), g.standard_normal(6)
    linear = g.standard_normal((6, 5)), g.standard_normal(6)
    three_layer = g.standard_normal((6, 3)), g.standard_normal(6)
    return (patches, y), linear, three_layer


POOLINGS = [("sum", True), ("average", True), ("max", True), (None, True), (None, False)]
OPTIMA = {  # of the published patches; the last two are judged by the sweep below alone
    ("sum", True): (0.2, 1.129618968),
    ("average", True): (0.2 / 3, 1.129618968),
    ("max", True): (0.2, 1.459747352),
    (None, True): (0.2, None),
    (None, False): (0.2, None),
}


def feature(patches, u, pooling):
    """What a filter gives on patches (n, K, h), written down anew: (n, figures)."""
    Z = np.maximum(patches @ u, 0.0)
    if pooling is None:
        return Z
    return {"sum": Z.sum(1), "average": Z.mean(1), "max": Z.max(1)}[pooling][:, None]


def correlation_by_sweep(patches, v, pooling, tied):
    """max over unit filters in the plane of the correlation with v: all kinks, and a fine grid."""
    rows = patches.reshape(-1, 2)
    if pooling == "max":
        K = patches.shape[1]
        pairs = [patches[:, k] - patches[:, j] for k in range(K) for j in range(k)]
        rows = np.concatenate([rows, *pairs])
    kinks = np.concatenate([np.column_stack([-rows[:, 1], rows[:, 0]])] * 2)
    kinks[: len(rows)] *= -1
    angles = np.linspace(0, 2 * np.pi, 60_000)
    U = np.concatenate([kinks, np.column_stack([np.cos(angles), np.sin(angles)])])
    U = U[np.linalg.norm(U, axis=1) > 0]
    U /= np.linalg.norm(U, axis=1, keepdims=True)
    Z = np.maximum(np.einsum("nkh,mh->mnk", patches, U), 0.0)
    if pooling is None:
        each = np.einsum("mnk,n->mk", Z, v)
        return np.max(np.linalg.norm(each, axis=1) if tied else np.abs(each).max(axis=1))
    pooled = {"sum": Z.sum(2), "average": Z.mean(2), "max": Z.max(2)}[pooling]
    return np.max(np.abs(pooled @ v))


@pytest.mark.parametrize(("pooling", "tied"), POOLINGS)
@pytest.mark.parametrize("seed", [None, 1])
def test_exact_programs_of_small_filters(pooling, tied, seed):
    patches, y = published()[0]
    beta, optimum = OPTIMA[pooling, tied]
    if seed is not None:
        g = np.random.default_rng(seed)
        patches, y, optimum = g.standard_normal((5, 3, 2)), g.standard_normal(5), None
        patches[1] = patches[0][::-1]  # repeated patches, and one of zeros
        patches[2, 0] = 0.0
    unit = Convolution(pooling=pooling, tied=tied)
    solution = train(patches, y, beta=beta, unit=unit, patterns="all", random_state=0)
    assert solution.status is Status.OPTIMAL
    assert solution.certificate.kind == "exact"
    assert solution.certificate.relative_gap <= 1e-6
    if optimum is not None:
        assert_allclose(solution.objective, optimum, rtol=1e-6)

    # the network's own objective, from its weights alone
    network = solution.network
    U, A = network.hidden_weights, network.output_weights
    f = sum(feature(patches, u, pooling) @ a for u, a in zip(U, A, strict=True))
    penalty = np.linalg.norm(U, axis=1) @ np.linalg.norm(A, axis=1)
    assert_allclose(0.5 * np.sum((y - f) ** 2) + beta * penalty, solution.objective, rtol=1e-10)

    # the lower bound, from the residual and a sweep over all filters
    v = y - f
    q = correlation_by_sweep(patches, v, pooling, tied)
    t = min(beta / q, v @ y / (v @ v))
    below = t * v @ y - 0.5 * t**2 * v @ v
    assert_allclose(below, solution.objective, rtol=1e-5)
    assert solution.certificate.lower_bound <= solution.objective * (1 + 1e-12)
    assert q <= solution.certificate.dual_correlation * (1 + 1e-9)

    judged = certify(network, patches, y, beta=beta)
    assert judged.kind == "exact"
    assert_allclose(judged.lower_bound, solution.certificate.lower_bound, rtol=1e-6)


def pooled_optimum(patches, y, beta):
    """The program over all patterns of the patches with sum pooling, literally, by CVXPY."""
    n, K, h = patches.shape
    rows = patches.reshape(n * K, h)
    blocks, cones, penalty, f = [], [], 0, 0
    for D in patterns_by_rays(rows):
        A = (D[:, None] * rows).reshape(n, K, h).sum(axis=1)
        v, w = cp.Variable(h), cp.Variable(h)
        cones += [((2.0 * D[:, None] - 1) * rows) @ z >= 0 for z in (v, w)]
        f, penalty = f + A @ (v - w), penalty + cp.norm(v) + cp.norm(w)
        blocks += [v, w]
    return solve(0.5 * cp.sum_squares(f - y) + beta * penalty, cones)


def test_sum_pooling_against_the_literal_program_with_three_weights_a_filter():
    g = np.random.default_rng(5)
    patches, y = g.standard_normal((4, 2, 3)), g.standard_normal(4)
    solution = train(patches, y, beta=0.1, unit=Convolution(), patterns="all", random_state=0)
    assert_allclose(solution.objective, pooled_optimum(patches, y, 0.1), rtol=1e-6)


@pytest.mark.parametrize(("pooling", "tied"), [("max", True), (None, True)])
def test_no_descent_from_random_starts_goes_below(pooling, tied):
    g = np.random.default_rng(3)
    patches, y, beta, m = g.standard_normal((5, 3, 2)), g.standard_normal(5), 0.2, 6
    q = 3 if pooling is None else 1
    optimum = train(
        patches, y, beta=beta, unit=Convolution(pooling=pooling), patterns="all", random_state=0
    ).certificate.lower_bound

    def value(x):
        U, A = x[: 2 * m].reshape(m, 2), x[2 * m :].reshape(m, q)
        f = sum(feature(patches, u, pooling) @ a for u, a in zip(U, A, strict=True))
        return 0.5 * np.sum((y - f) ** 2) + 0.5 * beta * x @ x

    starts = g.standard_normal((2, m * (2 + q)))
    settings = {"maxiter": 60}
    reached = [minimize(value, x, method="L-BFGS-B", options=settings).fun for x in starts]
    assert min(reached) >= optimum - 1e-9
    assert min(reached) <= 1.2 * optimum


def test_the_two_programs_with_a_weight_for_each_patch_differ():
    (patches, y), _, _ = published()
    tied, untied = (
        train(patches, y, beta=0.2, unit=Convolution(pooling=None, tied=tied), patterns="all")
        for tied in (True, False)
    )
    assert 0.78 <= tied.objective / untied.objective <= 0.97


# ---------------------------------------------------------------- linear and circular


def nuclear_optimum(patches, y, beta):
    _, K, h = patches.shape
    Z = cp.Variable((h, K))
    f = sum(patches[:, k] @ Z[:, k] for k in range(K))
    return solve(0.5 * cp.sum_squares(f - y) + beta * cp.normNuc(Z), [])


def circular_patches(X, size):
    return np.stack([np.roll(X, -k, axis=1)[:, :size] for k in range(X.shape[1])], axis=1)


def test_linear_convolution_is_a_nuclear_norm():
    (patches, y), _, _ = published()
    unit = Convolution(pooling=None, activation="linear")
    solution = train(patches, y, beta=0.2, unit=unit)
    assert_allclose(solution.objective, 0.855494340, rtol=1e-6)
    assert_allclose(solution.objective, nuclear_optimum(patches, y, 0.2), rtol=1e-6)
    assert solution.certificate.kind == "exact"


def test_full_circular_convolution_is_an_l1_norm_of_frequencies():
    _, (X, y), _ = published()
    solution = circular_linear(X, y, beta=0.2)
    assert_allclose(solution.objective, 0.457611111, rtol=1e-6)
    assert solution.network.n_neurons == 1
    assert solution.certificate.relative_gap <= 1e-8
    assert_allclose(nuclear_optimum(circular_patches(X, 5), y, 0.2), solution.objective, rtol=1e-7)
    assert_allclose(solution.network.objective(X, y, beta=0.2), solution.objective, rtol=1e-12)
    assert certify(solution.network, X, y, beta=0.2).relative_gap <= 1e-7


def test_shorter_circular_filters_have_the_nuclear_norm():
    _, (X, y), _ = published()
    with pytest.raises(ValueError, match="nuclear norm: train"):
        circular_linear(X, y, beta=0.2, filter_size=2)
    unit = Convolution(2, padding="circular", pooling=None, activation="linear")
    solution = train(X, y, beta=0.2, unit=unit)
    assert_allclose(solution.objective, nuclear_optimum(circular_patches(X, 2), y, 0.2), rtol=1e-6)


@pytest.mark.parametrize(("norm", "optimum"), [("vector", 1.023925673), ("matrix", 1.429552507)])
def test_circular_three_layers(norm, optimum, tmp_path):
    torch = pytest.importorskip("torch")
    _, _, (X, y) = published()
    solution = circular_three_layer(X, y, beta=0.2, filter_norm=norm)
    network = solution.network
    assert_allclose(solution.objective, optimum, rtol=1e-6)
    assert solution.certificate.kind == "exact"
    assert solution.certificate.relative_gap <= 1e-7
    # the objective from the three layers' weights, with explicit circulant matrices
    d = X.shape[1]
    f = 0.0
    for u, w, a in zip(
        network.filters, network.hidden_weights, network.output_weights, strict=True
    ):
        C = u[(np.arange(d)[:, None] - np.arange(d)) % d]
        assert (np.linalg.norm(u) if norm == "vector" else np.linalg.norm(C)) <= 1 + 1e-12
        f = f + a * np.maximum(X @ C @ w, 0.0)
    decay = np.sum(network.hidden_weights**2) + np.sum(network.output_weights**2)
    assert_allclose(0.5 * np.sum((f - y) ** 2) + 0.1 * decay, solution.objective, rtol=1e-9)
    assert_allclose(network.to_torch()(torch.from_numpy(X)).detach()[:, 0], f, atol=1e-12)
    judged = certify(network, X, y, beta=0.2)
    assert_allclose(judged.lower_bound, solution.certificate.lower_bound, rtol=1e-8)
    network.save(tmp_path / "net")
    loaded = nogap.CircularNetwork.load(tmp_path / "net")
    assert_allclose(loaded.predict(X), f)
    assert loaded.filter_norm == norm


@pytest.mark.parametrize("beta", [1e-6, 1e-7, 1e-8])
def test_a_small_penalty_erases_no_circular_filter(beta):
    g = np.random.default_rng(0)
    X, y = g.standard_normal((30, 6)), g.standard_normal(30)
    least = 0.5 * np.sum((X @ np.linalg.lstsq(X, y)[0] - y) ** 2)  # without a penalty
    solution = circular_linear(X, y, beta=beta)
    assert solution.network.n_neurons == 1
    assert least <= solution.objective <= least * (1 + 10 * beta)
    assert solution.certificate.relative_gap <= 1e-6
    assert solution.status is Status.OPTIMAL
    assert solution.certificate.lower_bound <= solution.objective


@pytest.mark.parametrize("norm", ["vector", "matrix"])
def test_three_circular_layers_with_a_small_penalty(norm):
    g = np.random.default_rng(0)
    X, y = g.standard_normal((6, 3)), g.standard_normal(6)  # a network can interpolate
    values = []
    for beta in (1e-4, 1e-7, 1e-9):
        for scale in (1.0, 1e-4):
            solution = circular_three_layer(scale * X, y, beta=scale * beta, filter_norm=norm)
            assert solution.certificate.kind == "exact"
            assert solution.certificate.relative_gap <= 1e-6
            values.append(solution.objective / beta)
    assert_allclose(values[::2], values[1::2], rtol=1e-6)  # whatever the scale of the signals
    assert_allclose(values, values[-1], rtol=1e-3)  # the penalty of the least interpolant


def test_circular_networks_of_nothing_and_of_sparse_signals():
    X = np.random.default_rng(0).standard_normal((6, 3))
    for train_circular in (circular_linear, circular_three_layer):
        solution = train_circular(X, np.zeros(6), beta=0.1)
        assert solution.network.n_neurons == 0
        assert solution.certificate.relative_gap == 0
        assert solution.status is Status.OPTIMAL
        with pytest.raises(ValueError, match=r"dense signals; pass X\.toarray"):
            train_circular(csr_array(X), np.ones(6), beta=0.1)


def test_a_circular_network_is_judged_among_those_of_its_own_constraint():
    """Short filters are allowed under either norm, so they do not tell which one was meant."""
    _, _, (X, y) = published()
    d = X.shape[1]
    empty = nogap.CircularNetwork(np.zeros((1, d)), np.zeros((1, d)), [0.0])
    best = circular_three_layer(X, y, beta=0.2)
    assert certify(empty, X, y, beta=0.2).lower_bound <= best.objective
    narrow = nogap.CircularNetwork(np.zeros((1, d)), np.zeros((1, d)), [0.0], "matrix")
    assert certify(narrow, X, y, beta=0.2).lower_bound > best.objective * 1.01
    long = nogap.CircularNetwork(np.eye(d)[:1], np.eye(d)[:1], [1.0], "matrix")
    with pytest.raises(ValueError, match="filters must have norms of at most"):
        certify(long, X, y, beta=0.2)
    for other in ({"loss": "huber"}, {"fit_intercept": True}, {"hidden_bias": True}):
        with pytest.raises(ValueError, match="certified for the squared loss"):
            certify(empty, X, y, beta=0.2, **other)


# ---------------------------------------------------------------- real shapes


SHAPES = [((9,), 3), ((6, 5), (3, 2)), ((6, 5, 3), 2), ((4, 3), None)]


@pytest.mark.parametrize(("shape", "size"), SHAPES)
@pytest.mark.parametrize(("pooling", "tied"), POOLINGS)
def test_networks_in_pytorch_in_files_and_pruned(shape, size, pooling, tied, tmp_path):
    torch = pytest.importorskip("torch")
    g = np.random.default_rng(0)
    X = g.standard_normal((12, *shape))
    geometries = (
        [{}] if size is None else [{}, {"stride": 2, "padding": 1}, {"padding": "circular"}]
    )
    for more in geometries:
        unit = Convolution(size, pooling=pooling, **more).for_samples(shape, False)
        h, q = unit.geometry.n_weights, unit.readouts
        for m, bias in ((30, g.standard_normal(30)), (2, None), (0, None)):
            network = ConvolutionalNetwork(
                g.standard_normal((m, h)), g.standard_normal((m, 2 * q)), unit, shape, bias, [1, -1]
            )
            F = network.predict(X)
            assert_allclose(network.to_torch()(torch.from_numpy(X)).detach(), F, atol=1e-10)
            network.to_onnx(tmp_path / "net.onnx")
            (single,) = onnx_outputs(tmp_path / "net.onnx", X)
            assert_allclose(single, F, atol=1e-5 * max(1.0, np.abs(F).max()))
            network.save(tmp_path / "net")
            assert_allclose(ConvolutionalNetwork.load(tmp_path / "net").predict(X), F)
            pruned = network.prune(X)
            assert pruned.n_neurons <= min(m, 24)
            assert pruned.penalty() <= network.penalty() * (1 + 1e-9)
            assert_allclose(pruned.predict(X), F, atol=1e-8)


@pytest.mark.parametrize(("pooling", "tied"), POOLINGS)
def test_training_on_images_with_everything(pooling, tied):
    torch = pytest.importorskip("torch")
    g = np.random.default_rng(0)
    X, Y = g.standard_normal((8, 4, 4)), g.standard_normal((8, 2))
    unit = Convolution(3, stride=2, padding=1, pooling=pooling, tied=tied)
    beta = 0.7 * nogap.beta_max(X, Y, unit=unit, hidden_bias=True, fit_intercept=True)
    options = {"beta": beta, "hidden_bias": True, "fit_intercept": True}
    solution = train(X, Y, unit=unit, random_state=0, tol=0.03, **options)
    network, F = solution.network, solution.network.predict(X)
    assert network.n_neurons > 0
    assert solution.status is Status.SEARCH_OPTIMAL
    assert_allclose(network.to_torch()(torch.from_numpy(X)).detach(), F, atol=1e-10)
    assert_allclose(network.objective(X, Y, beta=beta), solution.objective, rtol=1e-12)
    judged = certify(network, X, Y, max_time=0.5, **options)
    assert judged.kind == "search"
    assert judged.relative_gap <= 0.04


def test_blocks_of_patches_give_the_same_network(monkeypatch):
    g = np.random.default_rng(0)
    X, y = g.standard_normal((12, 5, 5)), g.standard_normal(12)
    found = []
    for rows, kept in ((8192, 8_000_000), (100, 0)):
        monkeypatch.setattr("nogap.rows.patches.PATCH_ROWS", rows)
        monkeypatch.setattr("nogap.rows.patches.KEPT_ENTRIES", kept)
        unit = Convolution(3, pooling="max")
        found.append(train(X, y, beta=3.0, unit=unit, random_state=0, tol=0.02))
    assert found[0].network.n_neurons > 0
    assert_allclose(found[0].objective, found[1].objective, rtol=2e-2)
    F = found[0].network.predict(X)
    monkeypatch.undo()
    assert_allclose(found[0].network.predict(X), F, rtol=1e-12)


def test_patches_are_never_all_in_memory():
    from nogap.rows import PatchRows
    from nogap.units import get_unit

    X = np.zeros((400, 32, 32), dtype=np.float32)
    rows = get_unit(Convolution(7)).for_data(X, False).rows(X, False)
    assert isinstance(rows, PatchRows)
    for _, part in rows.parts:
        part.forward(np.ones((49, 2)))
    held = sum(block.size for block in rows.kept._blocks.values())
    assert held <= 8192 * 49 < rows.n * rows.n_positions * 49 / 25


@pytest.mark.parametrize(
    ("loss", "pooling"),
    [
        ("logistic", "sum"),
        ("squared_hinge", None),
        ("huber", "max"),
        ("hinge", "sum"),
        ("multinomial", None),
    ],
)
def test_every_loss(loss, pooling):
    g = np.random.default_rng(0)
    X = g.standard_normal((8, 2, 2))
    y = np.arange(8) % 3 if loss == "multinomial" else g.choice([-1.0, 1.0], 8)
    unit = Convolution(pooling=pooling)
    solution = train(X, y, beta=0.3, loss=loss, unit=unit, patterns="all", random_state=0)
    assert solution.network.n_neurons > 0
    assert solution.certificate.kind == "exact"
    assert solution.certificate.relative_gap <= 1e-5


def test_warm_starts_and_weights():
    g = np.random.default_rng(0)
    X, y, w = g.standard_normal((12, 6)), g.standard_normal(12), g.uniform(0.5, 2, 12)
    for tied in (True, False):
        unit = Convolution(3, pooling=None, tied=tied)
        options = {"beta": 1.0, "unit": unit, "sample_weight": w, "random_state": 0, "tol": 0.02}
        first = train(X, y, **options)
        again = train(X, y, warm_start=first, **options)
        assert again.objective <= first.objective * (1 + 1e-9)
        assert_allclose(
            first.network.objective(X, y, beta=1.0, sample_weight=w), first.objective, rtol=1e-10
        )


# ---------------------------------------------------------------- refusals

REFUSED = [
    (lambda X, y: train(X, y, beta=1, unit=Convolution(9)), "larger than the samples"),
    (lambda X, y: train(X, y, beta=1, unit=Convolution((2, 2, 2))), "a pair of them"),
    (lambda X, y: train(X[:, 0, 0], y, beta=1, unit=Convolution(2)), "signals"),
    (lambda X, y: train(X[:, 0], y, beta=1, unit=Convolution((2, 2))), "samples are signals"),
    (lambda X, y: train(X[:, 0], y, beta=1, unit=Convolution()), "ready patches"),
    (lambda X, y: train(X, y, beta=1, unit=Convolution(2, padding=2)), "zeros alone"),
    (lambda X, y: Convolution(2, pooling="sum", tied=False), "pooling=None with tied=False"),
    (lambda X, y: Convolution(2, pooling="max", activation="linear"), "max pooling of linear"),
    (lambda X, y: Convolution(2, stride=0), "stride"),
    (lambda X, y: train(csr_array(X[:, 0]), y, beta=1, unit=Convolution(2)), "toarray"),
    (lambda X, y: Convolution(2, padding=-1), "padding"),
    (lambda X, y: Convolution(2, pooling="mean"), "unknown pooling"),
    (lambda X, y: Convolution(padding=1), "pass filter_size"),
    (lambda X, y: train(X, y, beta=1, unit=Convolution(2), patterns=5), "patterns='adaptive'"),
    (
        lambda X, y: train(X, y, beta=1, unit=Convolution(5, pooling=None), patterns="all"),
        r"distinct kinks in 25 dimensions has up to [\d,]+ faces",
    ),
    (lambda X, y: circular_three_layer(X[:, 0], y, beta=1, filter_norm="l2"), "filter_norm"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_bad_input(number):
    call, message = REFUSED[number]
    g = np.random.default_rng(0)
    with pytest.raises(ValueError, match=message):
        call(g.standard_normal((20, 6, 6)), g.standard_normal(20))


def test_images_that_hold_nan_or_do_not_fit_the_network():
    g = np.random.default_rng(0)
    X, y = g.standard_normal((8, 5, 5)), g.standard_normal(8)
    network = ConvolutionalNetwork(np.ones((1, 4)), [1.0], Convolution(2), (5, 5))
    with pytest.raises(ValueError, match=r"shape \(5, 5\), got \(4, 5\)"):
        network.predict(X[:, :4])
    X[3, 2, 1] = np.nan
    with pytest.raises(ValueError, match="nan in row 3"):
        train(X, y, beta=1.0, unit=Convolution(2))


@pytest.mark.parametrize(
    "options",
    [
        {"pooling": "sum"},
        {"pooling": "average"},
        {"pooling": "max"},
        {"pooling": None, "tied": False},
        {"pooling": None, "stride": 2},
    ],
)
def test_branch_and_bound_proves_what_enumeration_proves(options):
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((8, 5)), rng.standard_normal(8)
    unit = Convolution(2, **options)
    network = train(X, y, beta=0.2, unit=unit, random_state=0).network
    exact = certify(network, X, y, beta=0.2, method="exact")
    bound = certify(network, X, y, beta=0.2, method="bound", tol=1e-3, max_time=20)
    assert bound.proved
    assert bound.lower_bound <= exact.objective * (1 + 1e-9)
    assert bound.relative_gap <= 2e-3


def test_a_search_on_a_sample_of_images_ranks_what_it_found_by_all(monkeypatch):
    """Where a filter has nearly as many weights as the sample images, its maxima are its own."""
    shares = []
    for seed in range(3):
        g = np.random.default_rng(seed)
        X, y = g.standard_normal((600, 8, 8)), g.standard_normal(600)
        unit = Convolution(6, pooling="max").for_data(X, False)
        problem = formulate(X, y, beta=20.0, unit=unit)
        V = problem.dual_point(np.zeros((600, 1)))
        starts = g.standard_normal((10, 36))
        starts /= np.linalg.norm(starts, axis=1)[:, None]
        values = []
        for most in (600, 40):
            for name in ("SAMPLE_ROWS", "FEWEST_SAMPLES"):
                monkeypatch.setattr(f"nogap.oracles.search.{name}", most)
            oracle = SearchOracle(problem.rows, np.random.default_rng(1), 30, unit=unit)
            values.append(oracle.price(V, 10, starts)[1].value)
        shares.append(values[1] / values[0])
    assert np.mean(shares) >= 0.87


def test_a_search_on_very_many_patches_sees_that_a_descent_was_stopped(monkeypatch):
    """Maximisers on a sample say little of all samples; the neurons themselves still rise."""
    for name in ("SAMPLE_ROWS", "FEWEST_SAMPLES"):
        monkeypatch.setattr(f"nogap.oracles.search.{name}", 4)
    g = np.random.default_rng(0)
    X = g.standard_normal((650, 86))
    y = X[:, 3::9].max(axis=1) + g.standard_normal(650)
    unit = Convolution(20, pooling="max").for_data(X, False)
    problem = formulate(X, y, beta=20.0, unit=unit, fit_intercept=True)
    U = g.standard_normal((4, 20))
    some = Neurons.from_factors(U, np.ones((4, 1)), np.zeros(1), np.zeros(4, dtype=int))
    some, V = refit_sizes(problem, some, Features(problem, unit, some))
    oracle = SearchOracle(problem.rows, g, 1, unit=unit)
    found = oracle.rough(V, some.directions, 0, 5)  # no step on the sample
    patches = np.lib.stride_tricks.sliding_window_view(X, 20, axis=1)

    def falling(u):
        Z, u = patches @ u, u / np.linalg.norm(u)
        best = np.take_along_axis(patches, Z.argmax(axis=1)[:, None, None], axis=1)[:, 0]
        pooled = np.maximum(best @ u, 0.0)
        return -float(V[:, 0] @ pooled), -(V[:, 0] * (pooled > 0)) @ best

    u = some.directions[int(some.sizes.argmax())]
    sign = -1.0 if falling(u)[0] > 0 else 1.0
    for _ in range(6):  # plain ascent on the sphere
        u = u - sign * 2e-3 * falling(u)[1]
        u /= np.linalg.norm(u)
    assert abs(falling(u)[0]) > 1.1 * problem.beta
    assert found.best >= 0.98 * abs(falling(u)[0])


@pytest.mark.parametrize("pooling", ["max", None])
def test_no_bound_is_below_what_enumeration_finds(pooling):
    for seed in range(15):
        rng = np.random.default_rng(seed)
        n, K, h = int(rng.integers(2, 5)), int(rng.integers(1, 3)), int(rng.integers(1, 3))
        C = int(rng.integers(1, 3)) if pooling or K == 1 else 1
        X, V = rng.standard_normal((n, K, h)), rng.standard_normal((n, C))
        X = np.round(X) + (seed % 5 == 1) if seed % 5 < 2 else X
        X[0] = 1.0
        if seed % 3 == 0:
            X[:, 0] = X[:, -1]
        unit = Convolution(pooling=pooling).for_data(X, False)
        rows = unit.rows(X, False)
        best, exact = exact_oracle_of(rows, unit, C).price(V, 3)
        found, bound = bound_oracle_of(rows, unit, 3e-2).price(V, 3)
        assert exact.kind == "exact"
        assert bound.value >= best.best
        assert found.best <= exact.value * (1 + 1e-9) + 1e-12
        assert bound.value <= 1.05 * exact.value + 1e-12


def test_where_no_bound_is_to_be_had():
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((8, 5)), rng.standard_normal(8)
    network = train(X, y, beta=0.5, unit=Convolution(2, activation="linear")).network
    with pytest.raises(ValueError, match="singular values settle it"):
        certify(network, X, y, beta=0.5, method="bound")
    X, unit = rng.standard_normal((16, 5, 5)), Convolution(4, pooling="max")
    network = ConvolutionalNetwork(np.ones((1, 16)), [0.1], unit, (5, 5))
    with pytest.raises(ValueError, match="at most 12 figures, these have 16"):
        certify(network, X, X[:, 0, 0], beta=0.5, method="bound")


def test_untied_filters_with_several_outputs_keep_their_supports():
    """A descent that mixes positions leaves weights outside of them, which are then lost."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((6, 4))
    rng.standard_normal(6)
    Y = rng.standard_normal((6, 2))
    unit = Convolution(1, pooling=None, tied=False)
    exact = train(X, Y, beta=0.3, unit=unit, patterns="all", random_state=0)
    # a convex program over the two patterns of each position, solved by CVXPY
    assert exact.objective == pytest.approx(4.589122, abs=1e-6)
    assert exact.certificate.relative_gap <= 1e-6
    adaptive = train(X, Y, beta=0.3, unit=unit, random_state=0)
    assert adaptive.objective == pytest.approx(exact.objective, rel=1e-3)
