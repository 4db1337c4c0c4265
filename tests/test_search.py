"""How the search finds what it finds: its starts, its rounded kinks, its way from peak to peak."""

import numpy as np
from numpy.testing import assert_allclose

from nogap.oracles import search
from nogap.oracles.search import SearchOracle
from nogap.oracles.starts import MIRRORED, around, beside
from nogap.rows import MemoryRows
from nogap.units import Convolution, ReLU
from nogap.units.softened import Softened


def what_a_linear_fit_leaves(rng, n, d):
    """Rows and a dual point that is orthogonal to them."""
    X, V = rng.standard_normal((n, d)), rng.standard_normal((n, 1))
    return X, V - X @ np.linalg.lstsq(X, V, rcond=None)[0]


def test_starts_lie_around_the_neurons_and_across_from_them():
    rng = np.random.default_rng(0)
    active = np.linalg.qr(rng.standard_normal((8, 3)))[0].T * np.array([[1.0], [2.0], [5.0]])
    U, of = around(active, 1000, rng)
    lengths = np.linalg.norm(active, axis=1)[of]
    cosines = np.einsum("kd,kd->k", U, active[of]) / lengths / np.linalg.norm(U, axis=1)
    # of the mirror images those that moved the least are nearly there
    assert MIRRORED / 2 <= np.mean(cosines < -0.85) <= MIRRORED
    assert 0.3 <= np.mean(cosines > 0.7) <= 0.9
    assert_allclose(np.linalg.norm(U, axis=1), lengths)
    assert np.mean(cosines > 0.98) < 0.01  # those would lead back to the neurons
    apart = np.linalg.norm(beside(active, 5, rng) - np.repeat(active, 5, axis=0), axis=1)
    assert 0.1 <= apart.min() <= apart.max() <= 0.3


def test_what_lies_across_from_a_neuron_is_found():
    """Where V is orthogonal to the data, -u is as good as u: few starts will do."""
    X, V = what_a_linear_fit_leaves(np.random.default_rng(0), 300, 30)
    best = SearchOracle(MemoryRows(X), np.random.default_rng(0), 200).price(V, 1)[0]
    for seed in range(3):
        few = SearchOracle(MemoryRows(X), np.random.default_rng(seed), 15)
        found, _ = few.price(V, 20, best.directions)
        across = found.directions @ best.directions[0] < -0.95
        assert found.values[across].max() > 0.999 * best.best


def test_higher_peaks_are_found_beside_those_that_ascents_end_on(monkeypatch):
    higher, joined = 0, SearchOracle._joined_by_neighbours
    for seed in range(12):
        X, V = what_a_linear_fit_leaves(np.random.default_rng(seed), 400, 30)
        claims = []
        for neighbours in (lambda self, V, found: found, joined):
            monkeypatch.setattr(SearchOracle, "_joined_by_neighbours", neighbours)
            oracle = SearchOracle(MemoryRows(X), np.random.default_rng(seed), 10)
            found, claim = oracle.price(V, 4)
            assert_allclose(
                found.values, np.abs(V[:, 0] @ np.maximum(X @ found.directions.T, 0)), rtol=1e-12
            )
            claims.append(claim.value)
        assert claims[1] >= claims[0]
        higher += claims[1] > claims[0] * (1 + 1e-6)
    assert higher >= 2


def test_starts_beside_a_peak_stay_within_the_support_of_their_filter(monkeypatch):
    """A polish puts that right where it goes to its end; one that is stopped does not."""
    rng = np.random.default_rng(0)
    unit = Convolution(4, pooling=None, tied=False).for_data(np.empty((60, 12)), False)
    oracle = SearchOracle(unit.rows(rng.standard_normal((60, 12)), False), rng, 20, unit=unit)
    begun = []

    def stopped(V, U, gate):
        begun.extend(zip(U, gate, strict=True))
        return U, np.ones(len(U))

    monkeypatch.setattr(oracle._peaks, "near", stopped)
    found, _ = oracle.price(rng.standard_normal((60, 1)), 5)
    assert len(begun) > found.values.size + search.FOOTHOLDS
    for u, gate in begun:
        assert_allclose(u[~unit.supports[gate].astype(bool)], 0.0)
        assert_allclose(np.linalg.norm(u), 1.0)


def test_rounded_kinks_are_smooth_and_meet_the_relu_beyond_their_width():
    z = np.linspace(-2, 2, 401)[:, None] * np.ones(2)
    widths, gate, h = np.array([0.5, 1e-3]), np.zeros(2, dtype=int), 1e-6
    unit = Softened(ReLU(), widths)
    values, ahead = z.copy(), z + h
    slopes, _ = unit.activate(values, gate), unit.activate(ahead, gate)
    outside = np.abs(z) >= widths
    assert_allclose(values[outside], np.maximum(z, 0)[outside], atol=1e-15)
    assert np.all((values - np.maximum(z, 0) >= 0) & (values - np.maximum(z, 0) <= widths / 4))
    smooth = np.abs(np.abs(z) - widths) > 2 * h
    assert_allclose(((ahead - values) / h)[smooth], slopes[smooth], atol=2e-3)
    assert_allclose(((ahead - values) / h)[:, 0], slopes[:, 0], atol=1e-5)
