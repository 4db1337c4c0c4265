"""Certificates: the dual correlation by every oracle, and what is claimed from it."""

from __future__ import annotations

import functools
import itertools
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.optimize import minimize, minimize_scalar, nnls
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from nogap import (
    Certificate,
    Network,
    ReLUClassifier,
    ReLURegressor,
    Status,
    beta_max,
    certify,
    train,
)
from nogap.certificate import Correlation, better, certificate_from_dual
from nogap.formulation import formulate
from nogap.oracles import BranchAndBound, ExactOracle, SearchOracle
from nogap.oracles.patterns import GatedOracle, PatternOracle
from nogap.oracles.polish import Polisher
from nogap.patterns import enumerate_patterns
from nogap.rows import MemoryRows

EPS = np.finfo(float).eps
EXACT = (
    ExactOracle,
    functools.partial(BranchAndBound, boxes=True, signs=False),
    functools.partial(BranchAndBound, boxes=False, signs=True),
)
CLASSIFICATION = ("logistic", "hinge", "squared_hinge")

# ---------------------------------------------------------------- the judge


def brute_force(X, v):
    """q(v) and where it is attained: a projection on the cone of each of the 2^n patterns."""
    best, direction = 0.0, np.zeros(X.shape[1])
    for bits in itertools.product([0.0, 1.0], repeat=len(X)):
        on = np.array(bits)
        G = (2 * on - 1)[:, None] * X
        for sign in (1.0, -1.0):
            g = sign * (X.T @ (on * v))
            weights, size = nnls(G.T, -g)
            if size > best:
                best, direction = size, (g + G.T @ weights) / size
    return best, direction


def attained(X, v, u):
    """Correlation of the neuron u/||u|| with v, a value that no upper bound may undercut."""
    return abs(math.fsum(v * np.maximum(X @ u, 0.0))) / np.linalg.norm(u)


def instance(k):
    """Data (n, d) and a dual point; the kinds of degeneracy take turns."""
    rng = np.random.default_rng(k)
    n, d = int(rng.integers(1, 7)), int(rng.integers(1, 4))
    X, v = rng.normal(size=(n, d)), rng.normal(size=n)
    kind = k % 12
    if kind == 1:
        X[:, -1] = 1.0
    elif kind == 2:
        X = rng.integers(-1, 2, size=(n, d)).astype(float)
    elif kind == 3:
        X[n // 2 :] = X[: n - n // 2]  # duplicates
    elif kind == 4:
        X[0] = 0.0
    elif kind == 5:
        v = np.abs(v)
    elif kind == 6:
        v = -np.abs(v)
    elif kind == 7:
        v[rng.random(n) < 0.5] = 0.0
    elif kind == 8:
        X = X[:, :1]
    elif kind == 9:
        X[:, -1] = X[:, 0]  # rank deficient
    elif kind == 10:
        X[n // 2 :] = -2 * X[: n - n // 2]  # the same lines, the other way
    elif kind == 11:
        v = v - v.mean()  # balanced: figures that cancel
        X = np.column_stack([X[:, :2], np.ones(n)])
    return X, v


@pytest.mark.parametrize("exact", EXACT)
@pytest.mark.parametrize("group", range(12))
def test_exact_oracle_and_search_against_brute_force(exact, group):
    for k in range(group, 144, 12):
        X, v = instance(k)
        q, u = brute_force(X, v)
        found, claim = exact(MemoryRows(X)).price(v[:, None], 4)
        scale = float(np.abs(v) @ np.linalg.norm(X, axis=1))
        assert claim.kind == "exact"
        assert claim.value >= q * (1 - 1e-12)
        if q > 0:
            assert claim.value >= attained(X, v, u)
        assert claim.value <= q * (1 + 1e-9) + 1e-12 * scale
        # what it returns are unit neurons, best first, with the correlation they really have
        assert_allclose(np.linalg.norm(found.directions, axis=1), 1.0, atol=1e-12)
        assert np.all(np.diff(found.values) <= 0)
        for direction, value in zip(found.directions, found.values, strict=True):
            if value > 0:
                assert attained(X, v, direction) == pytest.approx(value, abs=1e-12 * (1 + scale))
        assert found.best == pytest.approx(q, rel=1e-9, abs=1e-12 * scale)
        # a search never finds more
        oracle = SearchOracle(MemoryRows(X), np.random.default_rng(k), 20)
        _, estimate = oracle.price(v[:, None], 4)
        assert estimate.value <= claim.value
        assert estimate.kind == ("search" if np.any(v) else "exact")


@pytest.mark.parametrize("exact", EXACT)
def test_nothing_correlates_with_zero(exact):
    X = np.random.default_rng(0).normal(size=(6, 2))
    for oracle in (
        exact(MemoryRows(X)),
        SearchOracle(MemoryRows(X), np.random.default_rng(0)),
    ):
        found, claim = oracle.price(np.zeros((6, 1)), 3)
        assert claim.value == 0.0
        assert found.best == 0.0
    _, claim = exact(MemoryRows(np.zeros((4, 2)))).price(np.ones((4, 1)), 3)
    assert claim.value == 0.0


@pytest.mark.parametrize("exact", EXACT)
@pytest.mark.parametrize("scale", [1e-100, 1e-30, 1e-6, 1e6, 1e30, 1e100])
def test_the_exact_oracle_is_homogeneous(exact, scale):
    X, v = np.random.default_rng(1).normal(size=(7, 3)), np.random.default_rng(2).normal(size=7)
    _, plain = exact(MemoryRows(X)).price(v[:, None], 3)
    _, scaled = exact(MemoryRows(X)).price(scale * v[:, None], 3)
    assert scaled.value == pytest.approx(scale * plain.value, rel=1e-9)
    _, scaled = exact(MemoryRows(scale * X)).price(v[:, None], 3)
    assert scaled.value == pytest.approx(scale * plain.value, rel=1e-9)


@pytest.mark.parametrize("exact", EXACT)
def test_a_hidden_bias_is_a_ones_column(exact):
    X, v = np.random.default_rng(3).normal(size=(7, 2)), np.random.default_rng(4).normal(size=7)
    _, arithmetic = exact(MemoryRows(X, hidden_bias=True)).price(v[:, None], 3)
    _, stored = exact(MemoryRows(np.column_stack([X, np.ones(7)]))).price(v[:, None], 3)
    assert arithmetic.value == pytest.approx(stored.value, rel=1e-12)


@pytest.mark.parametrize("exact", EXACT)
@pytest.mark.parametrize("seed", range(2))
def test_at_a_trained_residual_everything_cancels_and_the_bound_still_holds(exact, seed):
    """At an optimum q is beta, while the terms of the sum are a hundred times that."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.normal(size=(25, 2)), np.ones(25)])
    y = rng.normal(size=25) + 1
    v = y - train(X, y, beta=0.1, random_state=0).network.predict(X)
    found, claim = exact(MemoryRows(X)).price(v[:, None], 5)
    patterns = enumerate_patterns(X)
    best = 0.0
    centres = np.linalg.norm((patterns * v) @ X, axis=1)
    for k in np.argsort(-centres):
        if centres[k] <= best:  # no projection is longer than what is projected
            break
        on = patterns[k]
        for sign in (1.0, -1.0):
            g = sign * X.T @ (on * v)
            best = max(best, nnls(np.where(on, 1.0, -1.0) * X.T, -g, maxiter=3000)[1])
    assert claim.value >= best * (1 - 1e-12)
    assert claim.value == pytest.approx(best, rel=1e-8)
    assert found.best <= claim.value
    listed = PatternOracle(MemoryRows(X), patterns, kind="exact")
    assert listed.price(v[:, None], 5)[1].value == pytest.approx(best, rel=1e-8)
    assert listed.price(v[:, None], 5)[1].value >= best * (1 - 1e-12)


@pytest.mark.parametrize("exact", EXACT)
@pytest.mark.parametrize("apart", [1e-8, 1e-10, 1e-12])
def test_an_exact_figure_covers_rows_that_are_nearly_parallel(exact, apart):
    """Rows closer than the tolerance count as one line; what that neglects must be allowed for."""
    X, v = np.array([[1.0, 0.0], [1.0, apart], [1.0, apart / 2]]), np.array([1.0, 1.0, -2.0])
    _, claim = exact(MemoryRows(X)).price(v[:, None], 1)
    assert claim.value >= attained(X, v, np.array([-apart / 2, 1.0]))


def test_a_gated_correlation_is_a_singular_value():
    rng = np.random.default_rng(5)
    X, V = rng.normal(size=(8, 3)), rng.normal(size=(8, 2))
    patterns = rng.random((5, 8)) < 0.5
    _, claim = GatedOracle(MemoryRows(X), patterns).price(V, 3)
    expected = max(np.linalg.norm(X.T @ (on[:, None] * V), 2) for on in patterns)
    assert claim.kind == "exact"
    assert expected * (1 - 1e-14) <= claim.value <= expected * (1 + 1e-12)


def test_a_search_finds_the_largest_correlation_that_is_proved():
    rng = np.random.default_rng(0)
    X, V = rng.standard_normal((60, 6)), rng.standard_normal((60, 1))
    proved = BranchAndBound(MemoryRows(X), 1e-6).price(V, 1)[1]
    search = SearchOracle(MemoryRows(X), np.random.default_rng(0), 100)
    assert search.price(V, 5)[1].value == pytest.approx(proved.value, rel=1e-5)


@pytest.mark.parametrize("scale", [1.0, 1e-20])
def test_a_search_in_single_precision_states_values_of_double_precision(scale):
    """1e-20 has no squares in float32: that search is in float64 throughout."""
    rng = np.random.default_rng(0)
    X, V = scale * rng.normal(size=(1500, 20)), rng.normal(size=(1500, 1))
    found = SearchOracle(MemoryRows(X), rng, 20).rough(V, None, 20, 5)
    assert_allclose(np.linalg.norm(found.directions, axis=1), 1.0, rtol=1e-12)
    values = np.abs(V[:, 0] @ np.maximum(X @ found.directions.T, 0.0))
    assert_allclose(found.values, values, rtol=1e-12)


@pytest.mark.parametrize("exact", EXACT)
def test_several_outputs_are_searched_only(exact):
    X = np.random.default_rng(6).normal(size=(8, 2))
    V = np.random.default_rng(7).normal(size=(8, 3))
    with pytest.raises(ValueError, match="serves one output"):
        exact(MemoryRows(X)).price(V, 3)
    found, claim = SearchOracle(MemoryRows(X), np.random.default_rng(0), 50).price(V, 3)
    assert claim.kind == "search"
    correlations = np.linalg.norm(np.maximum(found.directions @ X.T, 0.0) @ V, axis=1)
    assert_allclose(found.values, correlations, rtol=1e-12)
    angles = np.linspace(0, 2 * np.pi, 20001)
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    best = np.linalg.norm(np.maximum(circle @ X.T, 0.0) @ V, axis=1).max()
    assert claim.value == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_polish_never_lowers_the_value(seed):
    rng = np.random.default_rng(seed)
    for trial in range(25):
        n, d = int(rng.integers(1, 40)), int(rng.integers(1, 6))
        X, v = rng.normal(size=(n, d)), rng.normal(size=n)
        if trial % 5 == 1:
            X = np.round(X)
        elif trial % 5 == 2:
            X[n // 2 :] = X[: n - n // 2]
        elif trial % 5 == 3:
            v = -np.abs(v)
        u = rng.normal(size=d)
        if trial % 3 == 0:
            u = u - X[0] * (X[0] @ u) / max(X[0] @ X[0], 1e-300)  # on a kink
        if not np.any(u):
            continue
        u /= np.linalg.norm(u)
        before = float(v @ np.maximum(X @ u, 0.0))
        (after_u,), (after,) = Polisher(X).polish(v, u[None])
        assert after >= before - 1e-12
        assert after == pytest.approx(float(v @ np.maximum(X @ after_u, 0.0)), abs=1e-12)
        if after > before + 1e-12:
            assert np.linalg.norm(after_u) == pytest.approx(1.0, abs=1e-12)


def test_polish_ends_at_a_local_maximum():
    rng = np.random.default_rng(9)
    for _ in range(20):
        X, v = rng.normal(size=(12, 3)), rng.normal(size=12)
        u = rng.normal(size=3)
        (u,), (value,) = Polisher(X).polish(v, u[None] / np.linalg.norm(u))
        if value <= 0:
            continue
        near = u[:, None] + 1e-4 * rng.normal(size=(3, 300))
        near /= np.linalg.norm(near, axis=0)
        assert (v @ np.maximum(X @ near, 0.0)).max() <= value + 1e-9


def test_maxima_do_not_depend_on_those_that_are_sought_beside_them():
    rng = np.random.default_rng(3)
    X = np.round(2 * rng.normal(size=(60, 20)))  # rows on several kinks at once
    X[40:] = X[:20]
    V, U = rng.normal(size=(25, 60)), rng.normal(size=(25, 20))
    U /= np.linalg.norm(U, axis=1, keepdims=True)
    directions, values = Polisher(X).polish(V, U)
    assert (values > 0).sum() > 8
    held = np.abs(directions[values > 0] @ X.T) < 1e-9
    assert held.sum(axis=1).max() > 8  # more than there is room for at first
    alone = [Polisher(X).polish(v, u[None])[1][0] for v, u in zip(V, U, strict=True)]
    assert_allclose(values, alone, rtol=1e-9)
    small = Polisher(X)
    small._together = 4
    assert_allclose(small.polish(V, U)[1], values, rtol=1e-9)


# ---------------------------------------------------------------- the reference instance


@pytest.fixture(scope="module")
def given():
    with np.load(Path(__file__).parent / "data" / "given_network.npz") as archive:
        return {name: archive[name] for name in archive.files}


def test_the_reference_instance(given):
    X, y, beta = given["X"], given["y"], float(given["beta"])
    network = Network(given["hidden_weights"], given["output_weights"])
    residual = y - network.predict(X)
    decay = (network.hidden_weights**2).sum() + (network.output_weights**2).sum()
    assert 0.5 * residual @ residual + 0.5 * beta * decay == pytest.approx(13.931037822, abs=1e-9)
    objective = network.objective(X, y, beta=beta)
    # the weights given are not quite balanced: the product form is a little smaller
    assert objective == pytest.approx(13.931037822, rel=1e-6)
    assert objective <= 13.931037822
    problem = formulate(X, y, beta=beta)
    V = problem.dual_point(network.decision(X))
    _, claim = ExactOracle(problem.rows).price(V, 5)
    # the reference is an upper bound too, to about 1e-7
    assert claim.value == pytest.approx(1.0511849295, rel=2e-7)
    assert claim.value >= 1.05118486173
    bound = problem.lower_bound(V, claim.value)
    assert bound.value == pytest.approx(9.803382529, rel=2e-7)
    certificate = certify(network, X, y, beta=beta)
    assert certificate.kind == "exact"
    assert certificate.objective == objective
    assert 9.8033825 <= certificate.lower_bound <= 13.7741539
    from_residual = certificate_from_dual(problem, objective, V, claim)
    assert better(certificate, from_residual) is certificate
    better_network = train(X, y, beta=beta, random_state=0)
    assert better_network.objective <= 13.774154 * (1 + 1e-4)
    assert better_network.certificate.lower_bound <= 13.7741540


# ---------------------------------------------------------------- what a certificate says


def certificate(kind, objective=10.0, lower_bound=8.0):
    return Certificate(objective, lower_bound, kind, np.zeros(3), 1.0, 0.5)


def test_figures_of_a_certificate():
    one = certificate("exact")
    assert one.gap == 2.0
    assert one.relative_gap == 0.2
    assert certificate("exact", 0.0, 0.0).relative_gap == 0.0
    assert certificate("exact", 0.0, -1.0).relative_gap == np.inf
    assert certificate("exact", 1.0, 1.0 + 1e-15).relative_gap == 0.0
    assert certificate("exact", -10.0, -12.0).relative_gap == 0.2
    assert [certificate(kind).proved for kind in ("exact", "bound", "search")] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize("kind", ["exact", "bound", "search"])
def test_the_words_of_a_certificate(kind):
    words = str(certificate(kind))
    assert kind in words
    assert ("estimate" in words) == (kind == "search")
    assert ("proved" in words) == (kind != "search")
    assert "10" in words
    assert "8" in words


@pytest.mark.parametrize(
    ("objective", "lower_bound"),
    [
        (10.0, 8.0),
        (13.931, 9.8034),
        (2.0, 1.0),
        (10.0, 0.1),
        (1.0, 0.98766),
        (3.0, 2.999),
        (1, 1e-30),
    ],
)
def test_at_most_x_percent_above_the_optimum_is_true(objective, lower_bound):
    """An optimum that equals the lower bound must not contradict the sentence."""
    words = str(certificate("exact", objective, lower_bound))
    stated = re.search(r"at most (\S+) % above the global optimum", words)
    if stated is None:  # said in other words: then no percentage above the optimum may be claimed
        assert "% above" not in words
        return
    assert objective <= lower_bound * (1 + float(stated[1]) / 100) * (1 + 1e-12)


def test_the_stronger_claim_wins():
    weak, strong = certificate("exact", lower_bound=7.0), certificate("exact", lower_bound=8.0)
    assert better(weak, strong) is strong
    assert better(strong, weak) is strong
    estimate = certificate("search", lower_bound=9.0)
    assert better(estimate, weak) is weak
    assert better(certificate("bound", lower_bound=7.5), weak).kind == "bound"


def test_an_estimate_is_never_above_the_objective_and_a_proof_is_not_cut():
    problem = formulate([[1.0], [2.0]], [1.0, 1.0], beta=0.1)
    V = np.array([[1.0], [1.0]])
    too_small = 0.01  # a search that missed the best neuron
    guess = certificate_from_dual(problem, 0.02, V, Correlation(too_small, "search"))
    assert guess.lower_bound == 0.02
    assert guess.relative_gap == 0.0
    proof = certificate_from_dual(problem, 0.9, V, Correlation(3.0, "exact"))
    scale = 0.1 / 3.0
    assert proof.lower_bound == pytest.approx(2 * scale - scale**2, rel=1e-9)
    assert_allclose(proof.dual, [scale, scale], rtol=1e-9)
    assert proof.dual.shape == (2,)


# ---------------------------------------------------------------- certify


@pytest.fixture(scope="module")
def small():
    rng = np.random.default_rng(20)
    X = rng.normal(size=(10, 2))
    return X, np.abs(X[:, 0]) - X[:, 1] + 0.2 * rng.normal(size=10)


OPTIMA = {}


def optimum(X, y, beta, **options):
    """The exact program, solved once for the same data and options."""
    key = (X.tobytes(), np.asarray(y).tobytes(), beta, *sorted(options.items()))
    if key not in OPTIMA:
        OPTIMA[key] = train(X, y, beta=beta, patterns="all", random_state=0, **options)
    return OPTIMA[key]


def check_claims(certificate, X, y, beta, **options):
    """The certificate against the optimum, and its dual point against brute force."""
    best = optimum(X, y, beta, **options)
    assert certificate.lower_bound <= best.objective * (1 + 1e-9)
    assert certificate.objective >= best.certificate.lower_bound * (1 - 1e-9)
    if certificate.kind == "exact" and not options.get("hidden_bias"):
        _, claim = ExactOracle(MemoryRows(X)).price(certificate.dual.reshape(len(X), -1), 1)
        assert claim.value <= beta * (1 + 1e-9)


def test_a_network_at_the_optimum_and_one_far_from_it(small):
    X, y = small
    best = optimum(X, y, 0.2)
    good = certify(best.network, X, y, beta=0.2)
    assert good.kind == "exact"
    assert good.relative_gap <= 1e-7
    assert good.objective == pytest.approx(best.objective, rel=1e-12)
    assert good.dual_correlation == pytest.approx(0.2, rel=1e-4)
    poor = certify(Network([[1.0, 1.0]], [3.0]), X, y, beta=0.2)
    assert poor.relative_gap > 0.1
    check_claims(poor, X, y, 0.2)
    empty = certify(Network(np.zeros((0, 2)), np.zeros(0)), X, y, beta=0.2)
    assert empty.objective == pytest.approx(0.5 * y @ y)
    check_claims(empty, X, y, 0.2)
    for certificate in (good, poor, empty):
        assert certificate.dual.shape == (10,)
        assert certificate.beta == 0.2


@pytest.mark.parametrize("loss", ["squared", "huber", *CLASSIFICATION])
@pytest.mark.parametrize("bias", [False, True])
def test_random_networks_are_never_certified_above_the_optimum(small, loss, bias):
    X, y = small
    y = np.sign(y) if loss in CLASSIFICATION else y
    options = {"loss": loss, "hidden_bias": bias, "fit_intercept": bias}
    reference = optimum(X, y, 0.3, **options)
    rng = np.random.default_rng(21)
    m = 3
    network = Network(
        rng.normal(size=(m, 2)),
        rng.normal(size=m),
        rng.normal(size=m) if bias else None,
        rng.normal() if bias else None,
    )
    # the flags follow from the network; little time, as any dual point must give a true bound
    found = certify(network, X, y, beta=0.3, loss=loss, max_time=0.1)
    assert found.proved
    assert found.objective == network.objective(X, y, beta=0.3, loss=loss)
    assert found.lower_bound <= reference.objective * (1 + 1e-9)
    assert found.objective >= reference.certificate.lower_bound


@pytest.mark.parametrize("loss", ["squared", "huber", *CLASSIFICATION])
@pytest.mark.parametrize("bias", [False, True])
def test_an_optimal_network_is_recognised(small, loss, bias):
    """Also for the hinge loss, where the multipliers of the own program are not unique."""
    X, y = small
    y = np.sign(y) if loss in CLASSIFICATION else y
    options = {"loss": loss, "hidden_bias": bias, "fit_intercept": bias}
    best = optimum(X, y, 0.3, **options)
    assert best.certificate.relative_gap <= 1e-6
    again = certify(best.network, X, y, beta=0.3, max_time=2.0, **options)
    assert again.lower_bound <= best.objective * (1 + 1e-9)
    assert again.relative_gap <= 1e-4


def test_methods(small):
    X, y = small
    network = Network([[1.0, -1.0], [0.5, 2.0]], [1.0, -0.5])
    exact = certify(network, X, y, beta=0.2, method="exact")
    search = certify(network, X, y, beta=0.2, method="search")
    assert exact.kind == "exact"
    assert search.kind == "search"
    assert exact.lower_bound <= search.lower_bound + 1e-12  # a search may claim too much only
    assert "estimate" in str(search)
    with pytest.raises(ValueError, match="method must be 'auto', 'exact', 'bound' or 'search'"):
        certify(network, X, y, beta=0.2, method="best")
    Y = np.column_stack([y, -y])
    several = Network([[1.0, -1.0]], [[1.0, 2.0]])
    assert certify(several, X, Y, beta=0.2).kind == "exact"  # by faces
    assert certify(several, X, Y, beta=0.2, method="search").kind == "search"
    wide = np.random.default_rng(0).normal(size=(60, 8))
    with pytest.raises(ValueError, match="60 distinct kinks in 8 dimensions"):
        certify(Network(np.eye(8), np.ones((8, 2))), wide, wide[:, :2], beta=0.2, method="exact")


def test_too_many_patterns_are_refused():
    X, v = np.random.default_rng(0).normal(size=(40, 4)), np.random.default_rng(1).normal(size=40)
    with pytest.raises(ValueError, match="patterns"):
        ExactOracle(MemoryRows(X), max_patterns=100).price(v[:, None], 1)


def test_several_outputs_and_classes(small):
    X, y = small
    Y = np.column_stack([y, np.abs(y), -y])
    solution = train(X, Y, beta=0.5, random_state=0)
    found = certify(solution.network, X, Y, beta=0.5)
    assert found.kind == "exact"
    assert found.dual.shape == (10, 3)
    assert found.relative_gap <= 2e-3
    classes = np.arange(10) % 3
    solution = train(X, classes, beta=0.2, loss="multinomial", fit_intercept=True, random_state=0)
    found = certify(solution.network, X, classes, beta=0.2, loss="multinomial", fit_intercept=True)
    assert found.kind == "exact"
    assert found.relative_gap <= 2e-3
    assert_allclose(found.dual.sum(axis=0), 0.0, atol=1e-9)
    assert_allclose(found.dual.sum(axis=1), 0.0, atol=1e-9)


def test_estimators_are_certified_in_their_own_terms(small):
    X, y = small
    model = ReLURegressor(alpha=0.02, tol=1e-6, random_state=0).fit(X, y)
    found = certify(model, X, y, beta=10 * 0.02)
    assert found.objective == pytest.approx(model.objective_, rel=1e-9)
    assert found.relative_gap <= 1e-4
    labels = np.where(y > 0, "yes", "no")
    classifier = ReLUClassifier(alpha=0.02, tol=1e-6, random_state=0).fit(X, labels)
    found = certify(classifier, X, labels, beta=10 * 0.02, loss="logistic")
    assert found.objective == pytest.approx(classifier.objective_, rel=1e-9)
    assert found.relative_gap <= 1e-4
    with pytest.raises(
        ValueError, match=r"cannot certify a ReLURegressor: pass .* a fitted estimator"
    ):
        certify(ReLURegressor(), X, y, beta=1.0)


def test_an_output_bias_that_happens_to_be_zero_is_an_intercept(small):
    X, y = small
    module = sequential(True)
    with torch.no_grad():
        module[-1].bias.zero_()
    found = certify(module, X, y, beta=0.3, max_time=2.0)
    same = certify(module, X, y, beta=0.3, hidden_bias=True, fit_intercept=True, max_time=2.0)
    assert found.lower_bound == pytest.approx(same.lower_bound, rel=1e-6)


def test_the_correlation_of_a_network_with_a_bad_intercept_is_its_own(small):
    X, y = small
    network = Network(np.eye(2), [1.0, -0.5], intercept=5.0)
    residual = y - network.predict(X)
    expected = max(brute_force(X, residual)[0], 0.0)
    found = certify(network, X, y, beta=0.3, max_time=2.0)
    assert found.dual_correlation == pytest.approx(expected, rel=1e-6)


def test_predictions_in_other_arrays_and_a_pipeline(small):
    X, y = small
    options = {"beta": 0.2, "objective": 0.5 * y @ y, "max_time": 0.1}
    found = certify(torch.zeros(10, dtype=torch.float64), X, y, **options)
    assert found.lower_bound == certify(np.zeros(10), X, y, **options).lower_bound
    with pytest.raises(ValueError, match="cannot certify a Pipeline: pass its last step"):
        certify(make_pipeline(StandardScaler(), ReLURegressor()), X, y, beta=0.2)


def test_predictions_cannot_cost_less_than_their_loss(small):
    X, y = small
    with pytest.raises(ValueError, match="the loss of the predictions alone"):
        certify(np.zeros(10), X, y, beta=0.2, objective=0.4 * y @ y)


def test_predictions_need_an_objective(small):
    X, y = small
    best = optimum(X, y, 0.2)
    predictions = best.network.predict(X)
    found = certify(predictions, X, y, beta=0.2, objective=best.objective)
    assert found.kind == "exact"
    assert found.relative_gap <= 1e-6
    check_claims(found, X, y, 0.2)
    same = certify(list(predictions), X, y, beta=0.2, objective=best.objective)
    assert same.lower_bound == pytest.approx(found.lower_bound, rel=1e-12)
    same = certify(predictions[:, None], X, y, beta=0.2, objective=best.objective)
    assert same.lower_bound == pytest.approx(found.lower_bound, rel=1e-12)
    with pytest.raises(ValueError, match="pass objective="):
        certify(predictions, X, y, beta=0.2)
    with pytest.raises(ValueError, match=r"predictions have shape \(9, 1\), the targets \(10, 1\)"):
        certify(predictions[1:], X, y, beta=0.2, objective=1.0)
    predictions[3] = np.nan
    with pytest.raises(ValueError, match="predictions hold NaN"):
        certify(predictions, X, y, beta=0.2, objective=1.0)


def test_predictions_of_a_model_with_an_intercept(small):
    X, y = small
    best = optimum(X, y + 10, 0.2, fit_intercept=True, hidden_bias=True)
    found = certify(
        best.network.predict(X),
        X,
        y + 10,
        beta=0.2,
        objective=best.objective,
        fit_intercept=True,
        hidden_bias=True,
    )
    assert found.relative_gap <= 1e-5
    assert found.dual.sum() == pytest.approx(0.0, abs=1e-10)


@pytest.mark.parametrize("objective", [np.nan, np.inf, "1.0", 1j])
def test_an_objective_that_is_no_figure_is_refused(small, objective):
    X, y = small
    with pytest.raises(ValueError, match="objective"):
        certify(np.zeros(10), X, y, beta=0.2, objective=objective)


def test_an_objective_below_the_proved_bound_is_refused(small):
    """No network has it, so beta, the loss or the figure is wrong; "0 % above" helps nobody."""
    X, y = small
    best = optimum(X, y, 0.2)
    with pytest.raises(ValueError, match="objective"):
        certify(best.network.predict(X), X, y, beta=0.2, objective=0.5 * best.objective)


# -- PyTorch


def sequential(biased, dtype=torch.float32, d=2, m=5, C=1):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(d, m, bias=biased), nn.ReLU(), nn.Linear(m, C, bias=biased)).to(
        dtype
    )


class Reversed(nn.Module):
    """Named from the output on, with a relu that is a function, and perhaps something after it."""

    def __init__(self, ends):
        super().__init__()
        self.last, self.first, self.ends = nn.Linear(5, 1), nn.Linear(2, 5), ends

    def forward(self, X):
        return self.ends(self.last(torch.relu(self.first(X))))


def test_torch_modules_are_read_by_what_they_compute(small):
    X, y = small
    torch.manual_seed(0)
    module = Reversed(lambda F: F)
    found = certify(module, X, y, beta=0.3, max_time=0.1)
    with torch.no_grad():
        F = module(torch.as_tensor(X, dtype=torch.float32)).numpy()[:, 0]
    penalty = found.objective - 0.5 * np.sum((F - y) ** 2)
    weights = torch.cat([module.first.weight, module.first.bias[:, None]], 1).norm(dim=1)
    expected = 0.3 * (weights @ module.last.weight[0].abs()).item()
    assert penalty == pytest.approx(expected, rel=1e-4)
    with pytest.raises(ValueError, match="computes something else"):
        certify(Reversed(lambda F: F.clamp(-50, 50)), X, y, beta=0.3)
    with torch.no_grad():
        module.first.weight[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        certify(module, X, y, beta=0.3)


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_torch_modules(small, biased, dtype):
    X, y = small
    module = sequential(biased, dtype)
    found = certify(module, X, y, beta=0.3, max_time=2.0)
    assert found.kind == "exact"
    with torch.no_grad():
        outputs = module(torch.tensor(X, dtype=dtype)).double().numpy()[:, 0]
        U = module[0].weight.double().numpy()
        if biased:
            U = np.column_stack([U, module[0].bias.double().numpy()])
        a = module[2].weight.double().numpy()[0]
    expected = 0.5 * ((outputs - y) ** 2).sum() + 0.3 * np.linalg.norm(U, axis=1) @ np.abs(a)
    rel = 1e-6 if dtype is torch.float32 else 1e-12
    assert found.objective == pytest.approx(expected, rel=rel)
    check_claims(found, X, y, 0.3, hidden_bias=biased, fit_intercept=biased)
    # the mode and wrapping layers without an effect change nothing
    wrapped = nn.Sequential(nn.Flatten(), nn.Identity(), module, nn.Dropout(0.5)).train()
    assert certify(wrapped, X, y, beta=0.3, max_time=0.1).objective == found.objective


def test_torch_modules_with_several_outputs(small):
    X, y = small
    found = certify(sequential(True, C=2), X, np.column_stack([y, -y]), beta=0.3, max_time=0.1)
    assert found.kind == "exact"
    assert found.dual.shape == (10, 2)


@pytest.mark.parametrize(
    ("module", "found"),
    [
        (nn.Linear(2, 1), "Linear"),
        (nn.Sequential(), "nothing|Sequential"),
        (nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)), "Linear-Tanh-Linear"),
        (
            nn.Sequential(nn.Linear(2, 3), nn.LeakyReLU(), nn.Linear(3, 1)),
            "Linear-LeakyReLU-Linear",
        ),
        (
            nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1), nn.Sigmoid()),
            "Linear-ReLU-Linear-Sigmoid",
        ),
        (
            nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 1)),
            "Linear-BatchNorm1d-ReLU-Linear",
        ),
        (
            nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1)),
            "Linear-ReLU-Linear-ReLU-Linear",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_torch_modules_are_refused(small, module, found):
    X, y = small
    with pytest.raises(ValueError, match=f"must be Linear-ReLU-Linear, found ({found})$"):
        certify(module, X, y, beta=0.3)


class Skip(nn.Module):
    """Linear, ReLU and Linear, and yet not their composition."""

    def __init__(self):
        super().__init__()
        self.first, self.relu, self.last = nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)

    def forward(self, x):
        return self.last(self.relu(self.first(x))) + x[:, :1]


def test_a_module_that_computes_something_else_is_refused(small):
    X, y = small
    with pytest.raises(ValueError, match="Linear-ReLU-Linear"):
        certify(Skip(), X, y, beta=0.3)


@pytest.mark.parametrize("model", [None, "model.pt", 3.0, {"a": 1}, object()])
def test_what_is_no_model_is_refused(small, model):
    X, y = small
    with pytest.raises(
        ValueError, match=r"cannot certify a .*: pass a Network, a fitted estimator"
    ):
        certify(model, X, y, beta=0.3)


# -- linear and gated networks


def test_linear_networks(small):
    X, y = small
    best = train(X, y, beta=0.2, unit="linear")
    found = certify(best.network, X, y, beta=0.2)
    assert found.kind == "exact"
    assert found.relative_gap <= 1e-7
    w = minimize(
        lambda w: 0.5 * ((X @ w - y) ** 2).sum() + 0.2 * np.linalg.norm(w), [0.1, 0.1], tol=1e-12
    )
    assert found.objective == pytest.approx(w.fun, rel=1e-8)
    assert (
        certify(Network([[3.0, 1.0]], [1.0], activation="linear"), X, y, beta=0.2).lower_bound
        <= w.fun
    )


@pytest.mark.parametrize("bias", [False, True])
def test_gated_networks_are_judged_among_those_with_their_gates(small, bias):
    X, y = small
    best = train(X, y, beta=0.2, unit="gated", patterns=20, hidden_bias=bias, random_state=0)
    assert best.network.activation == "gated"
    found = certify(best.network, X, y, beta=0.2)
    assert found.kind == "exact"
    assert found.relative_gap <= 1e-6


def test_the_bias_of_a_gate_counts_even_without_a_hidden_bias():
    """The gate is on for the second row alone; without its bias it would be on for both."""
    X, y = np.array([[0.2], [1.0]]), np.array([-0.045, 1.0])
    size = np.sqrt(0.99)
    network = Network([[size]], [size], activation="gated", gates=[[1.0]], gate_bias=[-0.5])
    assert_allclose(network.predict(X), [0.0, 0.99])
    # min over u of 1/2 (0.045^2 + (u - 1)^2) + 0.01 |u| is at u = 0.99: the network is optimal
    found = certify(network, X, y, beta=0.01)
    assert found.lower_bound <= found.objective
    assert found.relative_gap <= 1e-9


@pytest.mark.parametrize("loss", ["hinge", "logistic"])
@pytest.mark.parametrize("unit", ["linear", "gated"])
def test_what_was_trained_can_be_certified(small, loss, unit):
    X, y = small
    y = np.sign(y)
    best = train(X, y, beta=0.3, loss=loss, unit=unit, patterns=10, random_state=0)
    assert best.status is Status.OPTIMAL
    found = certify(best.network, X, y, beta=0.3, loss=loss)
    assert found.objective == pytest.approx(best.objective, rel=1e-9)


# ---------------------------------------------------------------- beta_max


@pytest.mark.parametrize("loss", ["squared", "huber", *CLASSIFICATION])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_beta_max_and_the_empty_network(loss, fit_intercept):
    rng = np.random.default_rng(30)
    X, y = rng.normal(size=(6, 2)), rng.normal(size=6) + 0.5
    if loss in CLASSIFICATION:
        y = np.array([1.0, -1.0, 1.0, -1.0, -1.0, 1.0])
    weights = np.array([1.0, 2.0, 0.5, 1.0, 0.5, 2.0])
    options = {"loss": loss, "fit_intercept": fit_intercept, "sample_weight": weights}
    largest = beta_max(X, y, **options)
    unique = loss != "hinge" or not fit_intercept  # else the dual point is not a gradient
    if unique:
        assert largest.kind == "exact"
        problem = formulate(X, y, beta=1.0, **options)
        if fit_intercept:
            b = minimize_scalar(lambda b: problem.loss_value(np.zeros((6, 1)) + b)).x
        else:
            b = 0.0
        v = problem.dual_point(np.zeros((6, 1)) + b)[:, 0]
        assert largest == pytest.approx(brute_force(X, v)[0], rel=1e-6)
    above = train(X, y, beta=float(largest) * (1 + 1e-9), random_state=0, **options)
    assert above.network.n_neurons == 0
    assert above.status is Status.OPTIMAL
    if unique:
        below = train(X, y, beta=float(largest) * 0.98, tol=1e-6, random_state=0, **options)
        assert below.network.n_neurons > 0
        assert below.objective < above.objective


def test_beta_max_of_the_hinge_loss_with_unequal_classes():
    """At the best constant the larger class has free multipliers: the best of them count."""
    X = np.array([[1.0, 2], [3, -1], [-1, 0.5], [0.3, -2], [-2, -2]])
    y = np.array([1.0, -1, 1, 1, -1])
    largest = beta_max(X, y, "hinge", fit_intercept=True)
    options = {"loss": "hinge", "fit_intercept": True, "random_state": 0}
    below = train(X, y, beta=float(largest) * 0.95, tol=1e-8, **options)
    # an optimal empty network below beta_max would refute "smallest beta"
    assert largest.kind != "exact" or below.network.n_neurons > 0


def test_beta_max_by_hand_and_its_kind():
    assert beta_max([[-1.0], [2.0]], [1.0, 3.0]) == pytest.approx(6.0)
    assert beta_max([[2.0]], [-3.0]) == pytest.approx(6.0)
    assert beta_max([[1.0], [1.0]], [1.0, 3.0], fit_intercept=True) == pytest.approx(1.0 * 0)
    assert beta_max([[1.0], [2.0]], [0.0, 0.0]) == 0.0
    assert beta_max([[0.0], [1.0]], [0.0, 1.0], hidden_bias=True) == pytest.approx(np.sqrt(2))
    X, y = np.random.default_rng(0).normal(size=(8, 2)), np.random.default_rng(1).normal(size=8)
    exact = beta_max(X, y, method="exact")
    search = beta_max(X, y, method="search")
    assert (exact.kind, search.kind) == ("exact", "search")
    assert search <= exact * (1 + 1e-12)
    assert beta_max(X, np.column_stack([y, -y])).kind == "exact"
    multinomial = beta_max(X, np.arange(8) % 3, "multinomial", fit_intercept=True)
    empty = train(
        X, np.arange(8) % 3, beta=multinomial * 1.001, loss="multinomial", fit_intercept=True
    )
    assert empty.network.n_neurons == 0


def test_beta_max_has_no_bound():
    with pytest.raises(ValueError, match="beta_max has no method 'bound'"):
        beta_max(np.eye(2), [1.0, 2.0], method="bound")


def test_beta_max_survives_a_pickle():
    import pickle

    value = beta_max([[-1.0], [2.0]], [1.0, 3.0])
    again = pickle.loads(pickle.dumps(value))
    assert (again, again.kind) == (value, value.kind)


def test_a_search_that_samples_rows_does_not_overlook_the_few_that_matter():
    """Where one row of V alone is not zero, a sample sees nothing, and that proves nothing."""
    X = np.random.default_rng(11).normal(size=(50_000, 2))
    V = np.zeros((50_000, 1))
    V[31_415] = 2.0
    found, claim = SearchOracle(MemoryRows(X), np.random.default_rng(0), 10).price(V, 3)
    assert claim.kind == "search"
    assert claim.value == pytest.approx(2 * np.linalg.norm(X[31_415]), rel=1e-3)
    assert found.best == pytest.approx(claim.value)
