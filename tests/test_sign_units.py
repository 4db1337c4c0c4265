"""Sign units (Bengio et al. 2006): oracles, masters, certificates, and the published figures."""

from __future__ import annotations

from fractions import Fraction

import cvxpy as cp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_breast_cancer, make_moons
from sklearn.preprocessing import scale
from tests.instances import KINDS
from tests.reference import loss_expression, patterns_by_rays, solve, with_ones

import nogap
from nogap.certificate import Correlation, about, certificate_from_dual
from nogap.formulation import formulate
from nogap.oracles.choice import exact_oracle
from nogap.oracles.classifiers import CLASSIFIERS
from nogap.oracles.sign_cells import SignCellOracle, sign_work
from nogap.oracles.sign_search import SignSearchOracle
from nogap.rows import MemoryRows
from nogap.solution import Status
from nogap.solvers.features import Features
from nogap.solvers.neurons import Neurons
from nogap.solvers.refit import refit_sizes
from nogap.units import Sign

LOSSES = ("squared", "logistic", "squared_hinge", "huber", "hinge")
# the recipe of the published figures: objective at lam = 2 (of (f - y)^2, which is beta = 1)
G = np.random.default_rng(7)
X = G.standard_normal((40, 2))
Y = np.where(X[:, 0] * X[:, 1] + 0.2 > 0, 1.0, -1.0)
PUBLISHED = {"hinge": (2, 6.0), "squared": (1, 5.432614555 / 2), "logistic": (2, 12.857161305)}


def train(X=X, y=Y, **options):
    return nogap.train(
        X, y, **{"unit": "sign", "hidden_bias": True, "random_state": 0, "beta": 1.0, **options}
    )


def dichotomies(rows):
    """All columns of signs (n, P), from an enumeration of another kind; 0 for zero rows."""
    signs = np.where(patterns_by_rays(rows), 1.0, -1.0)
    return (signs * np.any(rows != 0, axis=1)).T


def optimum_over(columns, y, beta, loss, fit_intercept=False):
    """The program over all dichotomies, by CVXPY."""
    w = cp.Variable(columns.shape[1])
    F = columns @ w + (cp.Variable() if fit_intercept else 0.0)
    ones = np.ones(len(y))
    return solve(loss_expression(loss, F, y, ones) + beta * cp.norm1(w), [])


# ---------------------------------------------------------------- training


@pytest.mark.parametrize("loss", PUBLISHED)
def test_the_published_optima_with_a_proof(loss):
    beta, value = PUBLISHED[loss]
    solution = train(beta=beta, loss=loss)
    assert solution.objective == pytest.approx(value, rel=1e-7)
    certificate = solution.certificate
    assert (certificate.kind, solution.status) == ("exact", Status.OPTIMAL)
    assert certificate.lower_bound == pytest.approx(value, rel=1e-7)
    assert certificate.lower_bound <= solution.objective
    network = solution.network
    assert network.objective(X, Y, beta=beta, loss=loss) == pytest.approx(value, rel=1e-7)
    assert network.penalty() == pytest.approx(np.abs(network.output_weights).sum(), rel=1e-15)
    assert np.all(np.abs(network.features(X)) == 1)  # strict witnesses: no row on a hyperplane
    assert np.all(network.output_weights != 0)
    assert network.n_neurons <= len(X)


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_program_over_all_dichotomies_has_the_same_optimum(loss, fit_intercept):
    A, b = X[:14], Y[:14] if loss != "huber" else X[:14, 0] + 2 * Y[:14]
    reference = optimum_over(dichotomies(with_ones(A, True)), b, 0.5, loss, fit_intercept)
    solution = train(A, b, beta=0.5, loss=loss, fit_intercept=fit_intercept)
    assert solution.certificate.kind == "exact"
    assert solution.objective == pytest.approx(reference, rel=1e-7)
    assert solution.certificate.lower_bound <= reference * (1 + 1e-7)
    if fit_intercept:
        assert abs(solution.certificate.dual.sum()) <= 1e-12 * len(b)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_master_over_fixed_columns_is_exact(loss):
    problem = formulate(X, Y, beta=2.0, loss=loss, hidden_bias=True, unit=Sign())
    directions = np.random.default_rng(0).standard_normal((30, 3))
    # both signs, as half a column each
    neurons = Neurons(
        np.concatenate([directions, directions]),
        np.repeat([[1.0], [-1.0]], 30, axis=0),
        np.zeros(60),
        np.zeros(1),
        np.zeros(60, dtype=np.intp),
    )
    fitted, V = refit_sizes(problem, neurons, Features(problem, Sign(), neurons))
    columns = fitted.features(problem, Sign()) * fitted.outputs[:, 0]
    correlations = columns.T @ V[:, 0]
    assert correlations.max() <= problem.beta * (1 + 1e-9)
    assert fitted.sizes.min() >= 0
    assert_allclose(correlations[fitted.sizes > 0], problem.beta, rtol=1e-9)
    value = problem.loss_value(columns @ fitted.sizes[:, None]) + 2.0 * fitted.penalty
    assert value == pytest.approx(problem.lower_bound(V, problem.beta).value, rel=1e-9)


def test_an_arbitrary_subgradient_of_the_hinge_loss_would_stop_early_or_never():
    """At the optimum q / beta is 1 for the multipliers of the program, and for nothing else."""
    rows = MemoryRows(X, hidden_bias=True)
    solution = train(loss="hinge", beta=2)
    margins = Y * solution.network.predict(X)
    on_the_kink = np.abs(margins - 1) <= 1e-9
    assert on_the_kink.any()
    ratios = []
    for active in (margins < 1 - 1e-9, (margins < 1) | on_the_kink):
        V = np.where(active, Y, 0.0)[:, None]
        ratios.append(SignCellOracle(rows).price(V, 1)[1].value / 2)
    assert ratios[0] < 0.5
    assert ratios[1] > 2
    assert solution.certificate.dual_correlation / 2 == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(("noise", "published"), [(0.1, 2.954), (0.2, 3.934)])
def test_the_double_moon(noise, published):
    """Means over ten seeds at (f - y)^2, lam = 1; a classifier alone ends at ten times as much."""
    exact, classifier = [], []
    for seed in range(10 if noise == 0.1 else 2):
        A, b = make_moons(100, noise=noise, random_state=seed)
        b = 2.0 * b - 1
        exact.append(2 * train(A, b, beta=0.5).objective)
        approximate = train(A, b, beta=0.5, oracle="logistic_regression")
        classifier.append(2 * approximate.objective)
        # what the classifier does not propose is judged by the exact oracle: no false optimum
        assert approximate.certificate.kind == "exact"
        assert approximate.status is Status.STALLED
        assert approximate.certificate.lower_bound <= exact[-1] / 2
    if noise == 0.1:
        assert np.mean(exact) == pytest.approx(published, abs=5e-4)
    assert np.all(np.array(classifier) > 5 * np.array(exact))


def test_several_outputs_weights_and_an_intercept():
    g = np.random.default_rng(0)
    A, B = g.standard_normal((15, 2)), g.standard_normal((15, 3))
    w = g.integers(0, 3, 15).astype(float)
    options = {"beta": 0.7, "fit_intercept": True}
    weighted = train(A, B, sample_weight=w, **options)
    repeated = train(np.repeat(A, w.astype(int), axis=0), np.repeat(B, w.astype(int), 0), **options)
    assert weighted.certificate.kind == repeated.certificate.kind == "exact"
    assert weighted.objective == pytest.approx(repeated.objective, rel=1e-6)
    searched = train(A, B, sample_weight=w, oracle="search", tol=0.05, **options)
    assert searched.certificate.kind == "search"
    assert searched.objective >= weighted.certificate.lower_bound


def test_limits_callbacks_and_warm_starts():
    A, b = make_moons(60, noise=0.2, random_state=0)
    b = 2.0 * b - 1
    best = train(A, b, beta=0.2)
    few = train(A, b, beta=0.2, max_neurons=3)
    assert few.network.n_neurons <= 3
    assert few.status is Status.NEURON_LIMIT
    assert few.certificate.lower_bound <= best.objective <= few.objective
    stopped = train(A, b, beta=0.2, callbacks=[lambda record: True])
    assert stopped.status is Status.INTERRUPTED
    brief = train(A, b, beta=0.2, max_time=1e-6)
    assert brief.status is Status.TIME_LIMIT
    assert brief.objective >= best.objective
    again = train(A, b, beta=0.2, warm_start=best)
    assert again.n_iter <= 2
    assert again.objective == pytest.approx(best.objective, rel=1e-9)
    assert [s.certificate.kind for s in nogap.path(A, b, n_betas=2, unit="sign")] == ["exact"] * 2
    twice = [
        train(A, b, beta=3.0, oracle="search", prove=False).network.hidden_weights for _ in range(2)
    ]
    assert np.array_equal(*twice)


@pytest.mark.parametrize("moved", [X + 1e5, X * [1e6, 1e-3]])
def test_offsets_and_units_of_the_columns_do_not_matter(moved):
    """Cells are then narrow: directions that differ in the sixth digit are different neurons."""
    solution = train(moved, beta=0.5)
    assert solution.certificate.kind == "exact"
    assert solution.certificate.relative_gap <= 1e-7
    assert solution.objective == pytest.approx(train(beta=0.5).objective, rel=1e-7)


def test_objectives_fall_and_proved_bounds_rise():
    history = train(beta=0.3).history
    values, bounds = (
        np.array([getattr(r, n) for r in history]) for n in ("objective", "lower_bound")
    )
    assert len(history) > 2
    assert np.all(np.diff(values) <= 1e-12)
    assert np.all(np.diff(bounds) >= -1e-12)


def test_in_thirty_dimensions_the_search_beats_every_classifier():
    A, b = load_breast_cancer(return_X_y=True)
    A, b = scale(A)[:300], 2.0 * b[:300] - 1
    options = {"beta": 2.0, "loss": "hinge"}
    classifiers = [train(A, b, oracle=name, **options).objective for name in CLASSIFIERS]
    below = [lambda record: record.objective < min(classifiers) - 1e-6]
    best = train(A, b, oracle="search", callbacks=below, max_time=60, **options)
    assert best.status is Status.INTERRUPTED  # long before its own end
    assert best.objective < min(classifiers)


# ---------------------------------------------------------------- oracles


def test_the_published_correlations():
    v = np.random.default_rng(8).standard_normal((40, 1))
    rows = MemoryRows(X, hidden_bias=True)
    assert SignCellOracle(rows).price(v, 1)[1].value == pytest.approx(19.071150347, abs=1e-9)
    found, largest = exact_oracle(rows).price(v, 40)
    assert largest.value == pytest.approx(7.740543297, abs=1e-8)
    signed = v[:, 0] @ np.maximum(with_ones(X, True) @ found.directions.T, 0)
    assert -signed.min() == pytest.approx(7.740543297, abs=1e-8)
    positive = exact_oracle(rows).price(np.maximum(v, 0), 1)[0]
    assert positive.values[0] > 7.254925008  # without the rows that push back


@pytest.mark.parametrize("n", [5, 12, 30])
def test_sweeps_subsets_and_all_dichotomies_agree_in_the_plane(n):
    """The rank 3 sweep, the same rows in rank 4 (subsets of two), and brute force."""
    g = np.random.default_rng(n)
    A, v = with_ones(g.standard_normal((n, 2)), True), g.standard_normal(n)
    columns = dichotomies(A)
    assert columns.shape[1] == {5: 22, 12: 134, 30: 872}[n]
    expected = np.abs(v @ columns).max()
    found, correlation = SignCellOracle(MemoryRows(A)).price(v[:, None], 3)
    assert correlation.value == pytest.approx(expected, abs=1e-10)
    assert found.best == pytest.approx(expected, abs=1e-10)
    lifted = np.concatenate([np.column_stack([A, np.zeros(n)]), np.eye(4)[3:]])
    weights = np.append(v, 0.0)[:, None]
    by_subsets = SignCellOracle(MemoryRows(lifted)).price(weights, 1)[1].value
    assert by_subsets == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("d", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_the_exact_oracle_on_rows_in_any_position(kind, d):
    g = np.random.default_rng(d)
    A = KINDS[kind](g, {1: 9, 2: 12, 3: 10, 4: 8}[d], d)
    columns = dichotomies(A)
    for C in (1, 2):
        V = g.standard_normal((len(A), C))
        expected = np.linalg.norm(columns.T @ V, axis=1).max()
        found, correlation = SignCellOracle(MemoryRows(A), C).price(V, 4)
        if correlation.kind == "bound":  # rows that are parallel up to rounding may differ in sign
            assert kind in ("rank_deficient", "nearly_parallel")
            assert correlation.value >= expected * (1 - 1e-12)
        else:
            assert correlation.kind == "exact"
            assert correlation.value == pytest.approx(expected, rel=1e-10)
        signs = np.sign(A @ found.directions.T)
        assert_allclose(np.linalg.norm(V.T @ signs, axis=0), found.values, rtol=1e-12)
        assert found.best == pytest.approx(expected, rel=1e-10)
        assert np.all(signs[np.any(A != 0, axis=1)] != 0)


NEARLY_EQUAL = {
    "inputs": ([[0.0], [1e-11], [1.0]], [1.0, -1.0, -1.0], True),
    "planes": ([[0.3, 0.4], [0.3 + 1e-9, 0.4], [1.0, -2.0], [-1.0, 0.5]], [1, -1, 1, -1], True),
    "multiples": ([[1.0, 2.0], [-3.0, -6.0 - 1e-11], [1.0, -1.0]], [1.0, 1.0, 1.0], False),
    "one_digit": ([[1.0], [1.0 + 2e-16], [3.0]], [1.0, -1.0, -1.0], True),
    "far": ([[1.0], [1.0 + 1e-13], [1.0 + 2e-13]], [1.0, -1.0, -1.0], True),
}


@pytest.mark.parametrize("loss", ["hinge", "squared", "logistic"])
@pytest.mark.parametrize("name", NEARLY_EQUAL)
def test_rows_that_are_nearly_equal_have_signs_of_their_own(name, loss):
    """One neuron classifies these rows: the bound must hold for it."""
    A, b, hidden_bias = NEARLY_EQUAL[name]
    A, b = np.array(A), np.array(b, dtype=float)
    reference = optimum_over(b[:, None], b, 0.05, loss)
    solution = train(A, b, beta=0.05, loss=loss, hidden_bias=hidden_bias)
    certificate = solution.certificate
    assert certificate.proved
    assert certificate.lower_bound <= reference * (1 + 1e-7)
    value = solution.network.objective(A, b, beta=0.05, loss=loss)
    assert certificate.lower_bound <= value


def test_neighbours_on_a_line_are_not_taken_for_nearly_equal_rows():
    """Of thousands of values many are close together, and all cells between them are seen."""
    g = np.random.default_rng(0)
    A, V = with_ones(g.standard_normal((5_000, 1)), True), g.standard_normal((5_000, 1))
    _, correlation = SignCellOracle(MemoryRows(A)).price(V, 3)
    order = np.argsort(A[:, 0])
    ahead = np.concatenate([[0.0], np.cumsum(V[order, 0])])
    assert correlation.kind == "exact"
    assert correlation.value == pytest.approx(np.abs(ahead[-1] - 2 * ahead).max(), rel=1e-8)


def _det(rows):
    a, b, c = rows
    cross = [b[1] * c[2] - b[2] * c[1], b[2] * c[0] - b[0] * c[2], b[0] * c[1] - b[1] * c[0]]
    return float(sum(x * y for x, y in zip(a, cross, strict=True)))


@pytest.mark.parametrize("offset", [1e-14, 1e-11, 1e-7])
def test_what_the_exact_oracle_does_not_know_is_a_bound(offset):
    """Four rows of rank 3 in two pairs: all dichotomies but two are there."""
    g = np.random.default_rng(0)
    half = g.standard_normal((2, 2))
    A = with_ones(np.concatenate([half, half + offset * g.standard_normal((2, 2))]), True)
    exact = [[Fraction(entry) for entry in row] for row in A]
    dependence = np.array([(-1) ** k * np.sign(_det(exact[:k] + exact[k + 1 :])) for k in range(4)])
    for seed in range(6):
        V = np.random.default_rng(seed).standard_normal((4, 1))
        found, correlation = SignCellOracle(MemoryRows(A)).price(V, 3)
        assert correlation.kind in ("exact", "bound")
        every = np.array(np.meshgrid(*[[1.0, -1.0]] * 4)).reshape(4, -1)
        there = np.abs(dependence @ every) < 4
        expected = np.abs(V[:, 0] @ every[:, there]).max()
        assert correlation.value >= expected * (1 - 1e-12)
        assert found.best <= expected * (1 + 1e-12)


def test_a_bound_above_the_objective_of_a_network_is_no_proof():
    problem = formulate(X, Y, beta=1.0, loss="hinge", hidden_bias=True, unit=Sign())
    V = np.where(Y > 0, 1.0, -1.0)[:, None]
    proof = certificate_from_dual(problem, 100.0, V, Correlation(1e-3, "exact"))
    assert proof.proved
    assert proof.lower_bound > 5
    later = about(proof, 5.0)
    assert (later.kind, later.lower_bound) == ("search", 5.0)
    assert later.proved_lower_bound == -np.inf
    rounded = about(proof, proof.lower_bound * (1 - 1e-14))
    assert rounded.proved
    assert rounded.gap == 0


@pytest.mark.parametrize(("factor", "hidden_bias"), [(1.0, True), (-2.0, False)])
def test_the_search_puts_no_neuron_between_parallel_rows(factor, hidden_bias):
    for seed in (1, 4, 5, 7):
        g = np.random.default_rng(seed)
        A, b = g.standard_normal((7, 3)), 2 * g.standard_normal(7)
        A[-1] = factor * A[0]
        options = {"beta": 0.5, "hidden_bias": hidden_bias}
        best = train(A, b, oracle="exact", **options)
        assert best.certificate.kind == "exact"
        assert train(A, b, oracle="search", **options).objective <= best.objective * (1 + 1e-3)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_outputs_that_are_fitted_already_leave_no_labels():
    for seed in (0, 4):
        g = np.random.default_rng(seed)
        A = g.standard_normal((6, 2))
        B = np.where(g.random((6, 2)) < 0.5, -1.0, 1.0)
        options = {"beta": 0.05, "loss": "hinge", "oracle": "search", "hidden_bias": False}
        assert np.isfinite(train(A, B, **options).objective)


def test_the_exact_oracle_in_five_dimensions_and_on_full_rank():
    g = np.random.default_rng(0)
    A, V = g.standard_normal((8, 5)), g.standard_normal((8, 1))
    expected = np.abs(V[:, 0] @ dichotomies(A)).max()
    assert SignCellOracle(MemoryRows(A)).price(V, 2)[1].value == pytest.approx(expected, rel=1e-10)
    square = g.standard_normal((6, 6))  # every dichotomy is there
    found, correlation = SignCellOracle(MemoryRows(square)).price(V[:6], 1)
    assert correlation.value == pytest.approx(np.abs(V[:6]).sum(), rel=1e-12)
    assert found.best == pytest.approx(np.abs(V[:6]).sum(), rel=1e-12)


def test_nothing_to_find():
    for A, V in ((np.zeros((3, 2)), np.ones((3, 1))), (X[:3], np.zeros((3, 1)))):
        for oracle in (
            SignCellOracle(MemoryRows(A)),
            SignSearchOracle(MemoryRows(A), np.random.default_rng(0)),
        ):
            found, correlation = oracle.price(V, 3)
            assert (found.best, correlation.value) == (0.0, 0.0)


def test_the_search_finds_the_best_sign_unit_in_the_plane():
    g = np.random.default_rng(0)
    hits = 0
    for _ in range(8):
        rows, V = MemoryRows(g.standard_normal((60, 2)), True), g.standard_normal((60, 2))
        expected = SignCellOracle(rows, 2).price(V, 1)[1].value
        found, correlation = SignSearchOracle(rows, g).price(V, 5)
        assert correlation.kind == "search"
        assert correlation.value <= expected * (1 + 1e-12)
        hits += found.best >= expected * (1 - 1e-9)
    assert hits >= 6


def test_an_exact_oracle_that_is_cut_short_does_not_call_itself_exact(monkeypatch):
    monkeypatch.setattr("nogap.oracles.sign_cells.BLOCK", 100)
    v = np.random.default_rng(8).standard_normal((40, 1))
    oracle = SignCellOracle(MemoryRows(X, hidden_bias=True))
    oracle.should_stop = lambda: True
    found, correlation = oracle.price(v, 3)
    assert oracle.cut_short
    assert correlation.kind == "search"
    assert correlation.value == found.best < 19.07
    oracle.should_stop = lambda: False
    assert oracle.price(v, 3)[1].kind == "exact"


def test_too_many_cells_are_refused_with_their_number():
    rows = MemoryRows(np.random.default_rng(0).standard_normal((200, 6)))
    assert sign_work(200, 6, 1) == 64_684_950 * 196
    with pytest.raises(ValueError, match=r"12,678,250,200 arcs .* use oracle='search'"):
        SignCellOracle(rows)
    with pytest.raises(ValueError, match="arcs"):
        nogap.train(rows.X, rows.X[:, 0], beta=1.0, unit="sign", oracle="exact")
    assert sign_work(2000, 3, 1) == 2000 * 1999  # O(n^2): no pairs, let alone triples, of rows


# ---------------------------------------------------------------- judging, and refusing


def test_certify_proves_how_far_a_sign_network_is():
    best = train(beta=0.5)
    proof = nogap.certify(best.network, X, Y, beta=0.5)
    assert proof.kind == "exact"
    assert proof.relative_gap <= 1e-6
    spoilt = nogap.Network(
        best.network.hidden_weights,
        0.7 * best.network.output_weights,
        best.network.hidden_bias,
        activation="sign",
    )
    certificate = nogap.certify(spoilt, X, Y, beta=0.5)
    assert certificate.lower_bound == pytest.approx(best.objective, rel=1e-6)
    assert certificate.better_objective == pytest.approx(best.objective, rel=1e-6)
    assert certificate.better_network.activation == "sign"
    assert nogap.certify(spoilt, X, Y, beta=0.5, method="search").kind == "search"
    with pytest.raises(ValueError, match="use method='exact' or 'search'"):
        nogap.certify(spoilt, X, Y, beta=0.5, method="bound")


def test_beta_max_is_where_the_network_empties():
    largest = nogap.beta_max(X, Y, unit="sign", hidden_bias=True)
    assert largest.kind == "exact"
    assert train(beta=largest * 1.001).network.n_neurons == 0
    assert train(beta=largest * 0.999).network.n_neurons > 0


def test_prune_save_and_load(tmp_path):
    network = train(beta=0.3).network
    doubled = nogap.Network(
        np.repeat(network.hidden_weights, 2, axis=0),
        np.repeat(network.output_weights, 2, axis=0) / 2,
        np.repeat(network.hidden_bias, 2),
        network.intercept,
        activation="sign",
    )
    pruned = doubled.prune(X)
    assert pruned.n_neurons == network.n_neurons
    assert_allclose(pruned.predict(X), network.predict(X), atol=1e-12)
    assert pruned.penalty() == pytest.approx(network.penalty(), rel=1e-12)
    pruned.save(tmp_path / "sign.nogap")
    loaded = nogap.Network.load(tmp_path / "sign.nogap")
    assert loaded.activation == "sign"
    assert np.array_equal(loaded.predict(X), pruned.predict(X))
    assert repr(loaded) == f"Network(2 inputs, {pruned.n_neurons} sign neurons, 1 output)"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"oracle": "magic"}, "oracle must be one of 'auto', 'exact'"),
        ({"patterns": 10}, "sign units are trained with patterns='adaptive' or 'all'"),
        ({"unit": "relu", "oracle": "perceptron"}, "proposes units that classify, sign and tanh"),
        ({"unit": "linear", "oracle": "search"}, "is a closed form"),
        ({"unit": "relu", "oracle": "search", "patterns": 5}, "leave patterns out"),
        ({"unit": "relu", "tune": False, "patterns": 5}, "leave tune=False out"),
        ({"unit": "tanh", "oracle": "exact"}, "tanh units have no exact oracle"),
    ],
)
def test_what_does_not_fit_together_is_refused_in_a_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        train(**options)


def test_classifiers_serve_one_output():
    with pytest.raises(ValueError, match="serves one output, y has 2"):
        train(y=np.column_stack([Y, Y]), oracle="linear_svm")


def test_a_relu_network_is_no_start_for_sign_units():
    network = nogap.Network([[1.0, 0.0]], [1.0], [0.5])
    with pytest.raises(ValueError, match="take unit='relu'"):
        train(warm_start=network)


def test_the_oracle_of_relu_units_can_be_chosen():
    A, b = X[:20], Y[:20]
    options = {"beta": 0.5, "random_state": 0}
    exact = nogap.train(A, b, oracle="exact", **options)
    searched = nogap.train(A, b, oracle="search", **options)
    assert (exact.certificate.kind, searched.certificate.kind) == ("exact", "search")
    assert searched.objective == pytest.approx(exact.objective, rel=2e-3)
    still = nogap.train(A, b, oracle="search", tune=False, **options)
    assert still.objective >= exact.certificate.lower_bound
