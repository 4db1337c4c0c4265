"""The regularisation path: the penalties, warm starts, certificates, limits."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

import nogap
from nogap import path, train


@pytest.fixture(scope="module")
def data():
    g = np.random.default_rng(0)
    X = g.standard_normal((30, 3))
    return X, np.maximum(X[:, 0], 0) - X[:, 1] + 0.1 * g.standard_normal(30)


def test_from_the_empty_network_down_each_with_its_certificate(data):
    X, y = data
    largest = float(nogap.beta_max(X, y))
    solutions = path(X, y, n_betas=6, smallest=1e-2, random_state=0)
    betas = [solution.certificate.beta for solution in solutions]
    np.testing.assert_allclose(betas, largest * np.geomspace(1, 1e-2, 6))
    assert solutions[0].network.n_neurons == 0
    assert all(s.certificate.relative_gap <= 1e-3 for s in solutions)
    losses = [s.objective - s.certificate.beta * s.network.penalty() for s in solutions]
    assert all(b <= a * (1 + 1e-3) for a, b in itertools.pairwise(losses))
    for solution in solutions:
        beta = solution.certificate.beta
        assert solution.network.objective(X, y, beta=beta) == pytest.approx(solution.objective)
        alone = train(X, y, beta=beta, random_state=0)
        assert solution.objective == pytest.approx(alone.objective, rel=1e-3)


def test_penalties_may_be_given_in_any_order_or_counted(data):
    X, y = data
    solutions = path(X, y, [0.5, 4.0, 1.0], random_state=0)
    assert [s.certificate.beta for s in solutions] == [4.0, 1.0, 0.5]
    assert len(path(X, y, 2, random_state=0)) == len(path(X, y, n_betas=2, random_state=0)) == 2


@pytest.mark.parametrize("unit", ["relu", "gated", "linear"])
@pytest.mark.parametrize("loss", ["squared", "logistic", "multinomial"])
def test_units_and_losses(data, unit, loss):
    X, y = data
    y = {"squared": y, "logistic": np.sign(y), "multinomial": (y > 0) + 1 * (y > 1)}[loss]
    options = {"loss": loss, "unit": unit, "fit_intercept": True, "hidden_bias": True}
    solutions = path(X, y, n_betas=3, smallest=0.1, random_state=0, **options)
    assert len(solutions) == 3
    assert solutions[-1].network.n_neurons > 0


@pytest.mark.parametrize(("pooling", "tied"), [("max", True), (None, False)])
def test_convolutions_have_paths_too(pooling, tied):
    g = np.random.default_rng(0)
    X, y = g.standard_normal((12, 4)), g.standard_normal(12)
    unit = nogap.units.Convolution(2, stride=2, pooling=pooling, tied=tied)
    solutions = path(X, y, n_betas=3, smallest=0.1, unit=unit, null_tol=1e-2, random_state=0)
    largest = nogap.beta_max(X, y, unit=unit)
    assert [s.certificate.beta / largest for s in solutions] == pytest.approx([1, 0.1**0.5, 0.1])
    assert solutions[0].network.n_neurons == 0
    assert solutions[0].network.predict(X) == pytest.approx(np.zeros(12))
    for solution in solutions:
        beta = solution.certificate.beta
        assert solution.network.objective(X, y, beta=beta) == pytest.approx(solution.objective)
    alone = train(X, y, beta=solutions[-1].certificate.beta, unit=unit, random_state=0)
    slack = 1e-2 * 0.5 * float(y @ y)
    assert abs(solutions[-1].objective - alone.objective) <= 1.1 * slack


def test_gates_that_were_given_have_paths_too(data):
    X, y = data
    unit = nogap.units.GatedReLU(np.eye(3))
    assert len(path(X, y, n_betas=2, smallest=0.1, unit=unit)) == 2


def test_programs_over_patterns_have_paths_too(data):
    X, y = data
    for patterns in ("all", 20):
        solutions = path(X[:12], y[:12], n_betas=3, smallest=0.1, patterns=patterns, random_state=0)
        assert len(solutions) == 3


def test_the_whole_path_has_a_time_limit():
    g = np.random.default_rng(1)
    X = g.standard_normal((400, 20))
    start = time.perf_counter()
    solutions = path(X, g.standard_normal(400), n_betas=40, max_time=1.0, random_state=0)
    assert 1 <= len(solutions) < 40
    assert time.perf_counter() - start < 5.0


def test_what_a_path_refuses(data):
    X, y = data
    for wrong, words in (
        ({"betas": [1.0, -1.0]}, "positive"),
        ({"betas": []}, "list of penalties"),
        ({"betas": [1.0], "n_betas": 2}, "leave n_betas out"),
        ({"betas": 3, "n_betas": 2}, "once"),
        ({"n_betas": 0}, "n_betas"),
        ({"smallest": 2.0}, "between 0 and 1"),
        ({"beta": 1.0}, "betas="),
        ({"warm_start": "network"}, "warm_start"),
        ({"null_tol": -1.0}, "null_tol"),
        ({"tol": 0.0}, "tol"),
        ({"betas": "many"}, "numeric"),
    ):
        with pytest.raises(ValueError, match=words):
            path(X, y, **wrong)
    with pytest.raises(ValueError, match="no path"):
        path(X, np.zeros(30))


def test_a_path_can_go_on_where_another_ended(data):
    X, y = data
    betas = np.geomspace(4.0, 0.5, 4)
    whole = path(X, y, betas, random_state=0)
    first = path(X, y, betas[:2], random_state=0)
    rest = path(X, y, betas[2:], warm_start=first[-1], random_state=0)
    for one, other in zip(whole, [*first, *rest], strict=True):
        assert one.objective == other.objective
        np.testing.assert_array_equal(one.network.predict(X), other.network.predict(X))


def test_a_gap_measured_by_the_empty_network_ends_small_penalties_early():
    g = np.random.default_rng(2)
    X, y = g.standard_normal((50, 8)), g.standard_normal(50)
    options = {"n_betas": 4, "smallest": 0.02, "hidden_bias": True, "fit_intercept": True}
    null = 0.5 * float(np.sum((y - y.mean()) ** 2))
    fine = path(X, y, tol=1e-2, random_state=0, **options)
    coarse = path(X, y, tol=1e-2, null_tol=1e-2, random_state=0, **options)
    for one, other in zip(fine, coarse, strict=True):
        assert other.certificate.gap <= 1e-2 * null * (1 + 1e-9)
        assert abs(other.objective - one.objective) <= 2e-2 * null
    assert coarse[-1].certificate.relative_gap > 1e-2  # it did end earlier
    assert sum(s.n_iter for s in coarse) < sum(s.n_iter for s in fine)
    resumed = path(X, y, [coarse[-1].certificate.beta], tol=1e-2, null_tol=1e-2, random_state=0,
                   hidden_bias=True, fit_intercept=True, warm_start=coarse[-2])  # fmt: skip
    assert resumed[0].certificate.gap <= 1e-2 * null * (1 + 1e-9)


def test_rough_training_finds_nearly_the_same_networks(data):
    X, y = data
    options = {"beta": 0.02 * float(nogap.beta_max(X, y)), "random_state": 0}
    fine, rough = train(X, y, tol=1e-4, **options), train(X, y, tol=1e-2, prove=False, **options)
    assert fine.certificate.lower_bound <= rough.objective <= 1.02 * fine.objective
    assert rough.certificate.kind == "search"


def test_a_gap_may_be_given_in_units_of_the_objective():
    g = np.random.default_rng(3)
    X, y = g.standard_normal((40, 12)), g.standard_normal(40)
    options = {"beta": 0.02 * float(nogap.beta_max(X, y)), "random_state": 0}
    solution = train(X, y, tol=1e-6, gap_tol=1.0, **options)
    assert solution.status.converged
    assert solution.certificate.relative_gap > 1e-6
    assert solution.certificate.gap <= 1.0
    with pytest.raises(ValueError, match="gap_tol"):
        train(X, y, gap_tol=-1.0, **options)
