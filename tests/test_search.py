"""How the search finds what it finds: its starts, its rounded kinks, its way from peak to peak."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from nogap.oracles import search
from nogap.oracles.ascent import FEWEST_STEPS, Ascent, _Climb
from nogap.oracles.search import SearchOracle
from nogap.oracles.secants import PAIRS, Secants
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


def concave_quadratics(rng, d, k):
    """Hessians (k, d, d) of condition 100, and maximisers (d, k)."""
    Q = np.linalg.qr(rng.standard_normal((k, d, d)))[0]
    return np.einsum("kde,e,kfe->kdf", Q, np.geomspace(1, 100, d), Q), rng.standard_normal((d, k))


def climb(H, peaks, U, steps):
    """Steps along the directions of secants, each of the best length."""
    secants = Secants(np.full(U.shape[1], 0.01))
    for _ in range(steps):
        uphill = np.einsum("kde,ek->dk", H, peaks - U)
        move = secants.direction(uphill)
        along = np.einsum("dk,kde,ek->k", move, H, move)
        move *= np.einsum("dk,dk->k", move, uphill) / np.maximum(along, 1e-300)
        then = np.einsum("kde,ek->dk", H, peaks - U - move)
        lengths = np.linalg.norm(then, axis=0)
        secants.learn(move, uphill - then, np.ones(U.shape[1], dtype=bool), lengths)
        U = U + move
    return np.linalg.norm(U - peaks, axis=0)


def test_secants_lead_to_maxima_side_by_side():
    H, peaks = concave_quadratics(np.random.default_rng(0), 12, 5)
    assert climb(H, peaks, np.zeros_like(peaks), 60).max() < 1e-6
    gradients_alone = climb(H[:1], peaks[:, :1], np.zeros((12, 1)), 1)
    assert gradients_alone.min() > 0.1


def test_one_ascent_learns_nothing_from_another():
    rng = np.random.default_rng(1)
    H, peaks = concave_quadratics(rng, 8, 6)
    together = climb(H, peaks, np.zeros_like(peaks), PAIRS + 1)
    for k in range(6):
        one = slice(k, k + 1)
        alone = climb(H[one], peaks[:, one], np.zeros((8, 1)), PAIRS + 1)
        assert_allclose(together[one], alone, rtol=1e-6, atol=1e-9)


def test_a_step_down_or_without_curvature_is_not_remembered():
    secants = Secants(np.full(2, 0.5))
    step, nothing = np.eye(2), np.zeros((2, 2))
    secants.learn(step, nothing, np.array([True, False]), np.ones(2))
    uphill = np.array([[1.0, 2.0], [3.0, 4.0]])
    # only the step that was taken says that there is room for a longer one
    assert_allclose(secants.direction(uphill), uphill * [0.7, 0.5])


def along_gradients(X, V, U, steps):
    """The plain ascent: steps along the gradient on the sphere, longer after each success."""

    def seen(U):
        Z = X @ U
        values, G = V[:, 0] @ np.maximum(Z, 0), X.T @ ((Z > 0) * V)
        return np.abs(values), np.sign(values) * G

    (values, G), lengths = seen(U), np.full(U.shape[1], 0.5)
    for _ in range(steps):
        tangent = G - U * np.sum(U * G, axis=0)
        trial = U + lengths * tangent / np.linalg.norm(tangent, axis=0)
        trial /= np.linalg.norm(trial, axis=0)
        new, new_G = seen(trial)
        better = new > values
        U, G = np.where(better, trial, U), np.where(better, new_G, G)
        values, lengths = np.where(better, new, values), lengths * np.where(better, 1.6, 0.4)
    return values


def test_ascents_end_higher_than_along_gradients():
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X, V = what_a_linear_fit_leaves(rng, 500, 30)
        U = rng.standard_normal((30, 200))
        U /= np.linalg.norm(U, axis=0)
        gate = np.zeros(200, dtype=int)
        top, values, done = Ascent(MemoryRows(X), ReLU(), lambda: False).run(V, U, gate, 40)
        assert done
        assert_allclose(np.linalg.norm(top, axis=0), 1.0)
        assert_allclose(values, np.abs(V[:, 0] @ np.maximum(X @ top, 0.0)), rtol=1e-12)
        plain = along_gradients(X, V, U, 40)
        assert values.max() >= plain.max() * (1 - 1e-9)
        assert np.mean(values) > 1.02 * np.mean(plain)


def test_a_stopped_ascent_states_values_over_the_kinks():
    rng = np.random.default_rng(0)
    X, V = what_a_linear_fit_leaves(rng, 100, 8)
    U, gate = np.linalg.qr(rng.standard_normal((8, 5)))[0], np.zeros(5, dtype=int)
    for allowed in (0, 3, FEWEST_STEPS + 1):
        left = [allowed]

        def over(left=left):
            left[0] -= 1
            return left[0] < 0

        top, values, done = Ascent(MemoryRows(X), ReLU(), over).run(V, U, gate, 40)
        assert_allclose(values, np.abs(V[:, 0] @ np.maximum(X @ top, 0.0)), rtol=1e-12)
        assert done == (allowed > FEWEST_STEPS)


def test_no_start_leads_nowhere():
    X, V = what_a_linear_fit_leaves(np.random.default_rng(0), 20, 3)
    ascent = Ascent(MemoryRows(X), ReLU(), lambda: False)
    top, values, done = ascent.run(V, np.zeros((3, 0)), np.zeros(0, dtype=int), 10)
    assert top.shape == (3, 0)
    assert values.size == 0
    assert done


@pytest.mark.parametrize("outputs", [1, 3])
def test_rounding_is_no_way_up(outputs):
    """Rows on a line: every direction's gradient points along it or back, its tangent is rounding."""
    for seed in range(30):
        rng = np.random.default_rng(seed)
        X = rng.integers(-3, 4, size=(7, 1)) * np.ones((1, 2))
        V = rng.standard_normal((7, outputs))
        U = np.concatenate([X.T, rng.standard_normal((2, 6))], axis=1)
        U = U[:, np.any(U != 0, axis=0)]
        U /= np.linalg.norm(U, axis=0)
        gate = np.zeros(U.shape[1], dtype=int)
        top, values, _ = Ascent(MemoryRows(X), ReLU(), lambda: False).run(V, U, gate, 40)
        assert_allclose(np.linalg.norm(top, axis=0), 1.0)
        best = max(np.linalg.norm(V.T @ np.maximum(X @ u, 0)) for u in ([1, 1], [-1, -1]))
        assert_allclose(values.max(), best / np.sqrt(2), rtol=1e-9)


def test_a_tangent_that_is_rounding_is_none():
    rng = np.random.default_rng(0)
    U = rng.standard_normal((2, 50))
    U /= np.linalg.norm(U, axis=0)
    ascent = Ascent(MemoryRows(np.ones((3, 2))), ReLU(), lambda: False)
    climb = _Climb(ascent, np.ones((3, 1)), U, np.zeros(50, dtype=int), 0.5)
    along = 1e3 * U * rng.uniform(-1, 1, 50)  # the rounding of the tangents is some 1e-13
    assert np.any(ReLU().tangent(U, along))
    assert not np.any(climb._uphill(ReLU(), U, along))
    across = along + 1e-9 * U[::-1]
    assert_allclose(climb._uphill(ReLU(), U, across), ReLU().tangent(U, across))
