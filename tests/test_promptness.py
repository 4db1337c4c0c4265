"""Ctrl-C and ``max_time`` act within a few passes over the data, wherever in a run they come.

Work is counted in place of seconds: multiplications in products with the rows.
"""

import signal
from types import SimpleNamespace

import numpy as np
import pytest

from nogap import Network, certify, plans, train
from nogap._interrupt import Stopped
from nogap.oracles import peaks, search
from nogap.oracles.polish import Polisher
from nogap.rows import MemoryRows, PatchRows
from nogap.solution import Status
from nogap.solvers import adaptive, explore
from nogap.solvers.lbfgs import minimise
from nogap.units import Convolution

WIDTH = 20  # neurons of the wide start; a pass is one product of them with all rows


class Meter:
    """Counts the multiplications; raises SIGINT once so many of them are done."""

    def __init__(self, monkeypatch):
        self.total, self.limit = 0, np.inf
        for rows in (MemoryRows, PatchRows):
            for name in ("forward", "adjoint"):
                monkeypatch.setattr(rows, name, self._counting(getattr(rows, name)))

    def _counting(self, product):
        def counted(rows, factor, **options):
            self.total += rows.n * rows.n_positions * rows.d * factor.shape[1]
            if self.total >= self.limit:
                self.limit = np.inf
                signal.raise_signal(signal.SIGINT)
            return product(rows, factor, **options)

        return counted


@pytest.fixture
def meter(monkeypatch):
    """A meter of runs that treat thousands of rows as if they were wide and very many."""
    few = {"LONG_WIDTH": WIDTH, "PATCH_WIDTH": WIDTH, "NEWCOMERS": (WIDTH, WIDTH), "SAMPLES": 50}
    for name, value in {**few, "MANY_SAMPLES": 300, "MANY_ENTRIES": 10}.items():
        monkeypatch.setattr(explore, name, value)
    for name, value in {"SINGLE_PRECISION_PRODUCTS": 10, "SEED_WORK": 500_000}.items():
        monkeypatch.setattr(search, name, value)
    monkeypatch.setattr(peaks, "POLISHED_ROWS", 10)
    monkeypatch.setattr(plans, "MANY_COLUMNS", 5)
    return Meter(monkeypatch)


def dense():
    g = np.random.default_rng(3)
    X = g.standard_normal((4_000, 6))
    y = np.maximum(X @ g.standard_normal((6, 5)), 0.0) @ g.choice([-1.0, 1.0], 5)
    return X, y, {"beta": 20.0}, X.size * WIDTH


def images():
    g = np.random.default_rng(4)
    X = g.standard_normal((1_200, 6, 6))
    y = np.abs(X[:, 2:5, 1:4]).max(axis=(1, 2)) + 0.1 * g.standard_normal(1_200)
    options = {"beta": 10.0, "unit": Convolution(3, pooling="max"), "fit_intercept": True}
    return X, y, options, 1_200 * 16 * 9 * WIDTH


@pytest.mark.parametrize("data", [dense, images])
@pytest.mark.parametrize("passes", [1, 20, 120])
def test_an_interrupt_costs_a_few_passes(meter, data, passes):
    X, y, options, one_pass = data()
    meter.limit = passes * one_pass
    solution = train(X, y, random_state=0, tol=1e-9, **options)
    assert solution.status is Status.INTERRUPTED
    assert meter.total / one_pass - passes <= 6.0


@pytest.mark.parametrize("data", [dense, images])
@pytest.mark.parametrize("limit", [40.0, 120.0])
def test_the_time_limit_is_kept(meter, data, limit, monkeypatch):
    X, y, options, one_pass = data()
    clock = SimpleNamespace(perf_counter=lambda: meter.total / one_pass)
    monkeypatch.setattr(adaptive, "time", clock)
    solution = train(X, y, random_state=0, tol=1e-9, max_time=limit, **options)
    assert solution.status is Status.TIME_LIMIT
    assert meter.total / one_pass <= 1.1 * limit


def test_a_function_may_end_a_descent():
    def function(x):
        if np.abs(x).max() < 0.5:
            raise Stopped
        return float(x @ x), 2 * x

    start = np.array([3.0, -1.0])
    found, value = minimise(function, start, 50)
    assert value == found @ found < 10.0
    last = 0.1 * start
    assert minimise(function, last, 50)[0] is last


def test_a_polish_that_is_stopped_is_no_worse():
    g = np.random.default_rng(0)
    X, v, u = g.standard_normal((40, 6)), g.standard_normal(40), g.standard_normal(6)
    u /= np.linalg.norm(u)
    asked = []

    def third_time():
        asked.append(None)
        return len(asked) >= 3

    _, values = Polisher(X, third_time).polish(v, u[None])
    assert 3 <= len(asked) <= 5
    assert values[0] >= v @ np.maximum(X @ u, 0.0)


@pytest.mark.parametrize(("max_time", "searches"), [(1e-9, 1), (60.0, 2)])
def test_a_certificate_costs_one_search_where_there_is_no_time_for_more(
    monkeypatch, max_time, searches
):
    X, y, options, _ = dense()
    network = Network(np.ones((1, 6)), [0.1])
    calls, price = [], search.SearchOracle.price

    def counted(oracle, V, count, starts=None):
        calls.append(oracle.n_seeds)
        return price(oracle, V, count, starts)

    monkeypatch.setattr(search.SearchOracle, "price", counted)
    certificate = certify(network, X, y, method="search", tol=1.0, max_time=max_time, **options)
    assert len(calls) == searches
    assert certificate.kind == "search"
