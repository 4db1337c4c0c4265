"""Which candidates of a search are refined."""

import numpy as np
from numpy.testing import assert_array_equal

import nogap
from nogap.oracles.base import Candidates
from nogap.oracles.search import SearchOracle
from nogap.oracles.wanted import DISTINCT, NEAR, NEAR_SHARE, Wanted
from nogap.plans import SEEDS
from nogap.rows import MemoryRows
from nogap.solvers import adaptive


def directions(angles):
    return np.column_stack([np.cos(angles), np.sin(angles)])


def test_without_active_neurons_the_best_candidates_are_wanted():
    found = Candidates.ungated(directions([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 2.0]))
    assert_array_equal(Wanted.away_from(None, 2).best(found).values, [3.0, 2.0])
    assert_array_equal(Wanted.away_from(np.zeros((0, 2)), 2).best(found).values, [3.0, 2.0])


def test_few_of_those_on_the_hills_of_active_neurons_are_wanted():
    on_the_hill = np.linspace(-0.9 * NEAR, 0.9 * NEAR, 6)
    elsewhere = np.linspace(1.0, 3.0, 10)
    angles = np.concatenate([on_the_hill, elsewhere])
    values = np.linspace(2.0, 1.0, angles.size)  # the hill has the highest
    active = 7.0 * directions([0.0])  # any length
    order = Wanted.away_from(active, 10).order(3.0 * directions(angles), values)
    assert np.sum(order < 6) == NEAR_SHARE * 10
    assert order.size == 10
    assert_array_equal(order, np.sort(order))  # best first


def test_the_hills_serve_where_there_is_nothing_else():
    angles = np.linspace(-0.1, 0.1, 6)
    wanted = Wanted.away_from(directions([0.0]), 5)
    assert wanted.order(directions(angles), np.arange(6.0)).size == 5
    assert_array_equal(wanted.order(directions(angles), np.arange(6.0)), [5, 4, 3, 2, 1])


def test_no_two_wanted_candidates_are_alike():
    angles = np.concatenate([[1.0, 1.0 + 0.5 * DISTINCT], [2.0]])
    found = Candidates.ungated(directions(angles), np.array([3.0, 2.0, 1.0]))
    for active in (None, directions([0.0])):
        assert_array_equal(Wanted.away_from(active, 3).best(found).values, [3.0, 1.0])


def teacher_problem():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 8))
    y = np.maximum(X @ rng.standard_normal((8, 6)), 0).sum(axis=1) + rng.standard_normal(300)
    return X, y, 0.01 * nogap.beta_max(X, y)


def test_a_search_everywhere_keeps_away_from_the_hills_of_active_neurons():
    X, y, beta = teacher_problem()
    trained = nogap.train(X, y, beta=beta, tol=1e-3, random_state=0)
    active = trained.network.hidden_weights
    units = active / np.linalg.norm(active, axis=1, keepdims=True)

    def share_on_hills(everywhere):
        rng = np.random.default_rng(1)
        oracle = SearchOracle(MemoryRows(X), rng, 200, beta, everywhere=everywhere)
        found = oracle.rough(trained.certificate.dual.reshape(-1, 1), active, 40, 20)
        assert found.values.size == 20
        return np.mean((found.directions @ units.T).max(axis=1) > 1 - 0.5 * NEAR**2)

    assert share_on_hills(False) > 0.5
    assert share_on_hills(True) <= NEAR_SHARE


def test_what_is_left_of_max_time_goes_to_a_wider_search(monkeypatch):
    X, y, beta = teacher_problem()
    seeds = []
    price = SearchOracle.price

    def recorded(self, *arguments):
        seeds.append(self.n_seeds)
        return price(self, *arguments)

    monkeypatch.setattr(SearchOracle, "price", recorded)
    monkeypatch.setattr(adaptive, "WIDER", 0.0)  # however little is left
    solution = nogap.train(X, y, beta=beta, tol=1e-9, max_time=1.0, random_state=0)
    assert solution.status is nogap.solution.Status.TIME_LIMIT
    assert seeds[-1] > SEEDS[0]  # the last word
    assert min(seeds) == SEEDS[0]


def test_a_gap_whose_last_search_was_stopped_is_not_called_optimal(monkeypatch):
    """However small it is: the search that had to agree did not end."""
    X, y, beta = teacher_problem()
    met = nogap.train(X, y, beta=beta, tol=0.5, random_state=0)
    assert met.status is nogap.solution.Status.SEARCH_OPTIMAL
    price, widest = SearchOracle.price, []

    def begun(self, *arguments):
        if self.n_seeds > SEEDS[0]:
            widest.append(self)
        return price(self, *arguments)

    # time is over as soon as the widest search begins
    monkeypatch.setattr(SearchOracle, "price", begun)
    monkeypatch.setattr(adaptive.Clock, "_past", lambda self, reserve: bool(widest))
    stopped = nogap.train(X, y, beta=beta, tol=0.5, max_time=60.0, random_state=0)
    assert widest
    assert stopped.certificate.relative_gap <= 0.5
    assert stopped.status is nogap.solution.Status.TIME_LIMIT
