"""Programs over a list of patterns: ReLU inside given cells, gated ReLU, linear units."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from tests.instances import penalty_of, random_instance
from tests.reference import (
    CLASSIFICATION,
    LOSSES,
    NoReferenceError,
    dual_correlation,
    dual_value,
    gated_optimum,
    linear_optimum,
    loss_value,
    patterns_by_rays,
    relu_network_objective,
    relu_optimum,
    with_ones,
)

import nogap
from nogap import Status, sample_patterns, train
from nogap.units import GatedReLU

GATED_LOSSES = (*LOSSES, "multinomial")


def _some(patterns, share, seed):
    """A random part of the patterns, at least two."""
    g = np.random.default_rng(seed)
    count = max(2, int(share * len(patterns)))
    return patterns[np.sort(g.permutation(len(patterns))[:count])]


def _scale(instance):
    return loss_value(instance.loss, np.zeros(len(instance.y)), instance.y, instance.weights)


# ---------------------------------------------------------------- ReLU inside given cells


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("seed", range(2000, 2012))
def test_relu_program_over_given_patterns(seed, loss):
    instance = random_instance(seed, loss, rows=(3, 14))
    X, y, w = instance.X, instance.y, instance.weights
    every = patterns_by_rays(instance.rows)
    listed = _some(every, 0.4, seed)
    beta = penalty_of(instance, every)
    solution = train(X, y, patterns=listed, random_state=0, **instance.keywords(beta))
    certificate, zero = solution.certificate, _scale(instance)
    try:
        optimum = relu_optimum(X, y, beta, loss, patterns=listed, **instance.options)
        whole = relu_optimum(X, y, beta, loss, patterns=every, **instance.options)
    except NoReferenceError:  # Clarabel gives up on about one program in a hundred
        pytest.skip("no reference")
    where = f"{instance} {beta=}"
    assert solution.objective == pytest.approx(optimum, rel=1e-6, abs=1e-9 * zero), where
    own = relu_network_objective(solution.network, X, y, beta, loss, w)
    assert solution.objective == pytest.approx(own, rel=1e-9, abs=1e-12), where
    assert solution.status is Status.PROGRAM_OPTIMAL, where
    # the certificate is about the network, among all networks
    assert certificate.objective == solution.objective
    assert certificate.kind == "exact", where
    assert certificate.lower_bound <= whole * (1 + 1e-7) + 1e-9 * zero, where
    assert dual_correlation(instance.rows, certificate.dual, every) <= beta * (1 + 1e-8), where
    assert dual_value(loss, certificate.dual, y, w) >= certificate.lower_bound - 1e-9 * zero
    if instance.options.get("fit_intercept"):
        assert abs(certificate.dual.sum()) <= 1e-9 * (np.abs(certificate.dual).sum() + 1e-300)


@pytest.mark.parametrize("loss", LOSSES)
def test_all_patterns_in_an_array_are_the_exact_program(loss):
    instance = random_instance(2100, loss, rows=(8, 8), columns=(2, 2), kind="gaussian")
    every = patterns_by_rays(instance.rows)
    beta = penalty_of(instance, every)
    keywords = instance.keywords(beta)
    listed = train(instance.X, instance.y, patterns=every, **keywords)
    exact = train(instance.X, instance.y, patterns="all", **keywords)
    assert listed.objective == pytest.approx(exact.objective, rel=1e-7)
    assert listed.certificate.relative_gap <= 1e-6
    assert listed.network.n_neurons <= len(instance.y) + 1
    doubled = train(instance.X, instance.y, patterns=np.vstack([every[::-1], every]), **keywords)
    assert doubled.objective == pytest.approx(exact.objective, rel=1e-7)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("scale", [0.01, 30.0, 1000.0])
def test_flat_and_steep_parts_of_the_loss(loss, scale):
    """Outliers make a Huber loss linear, large margins make others flat: no curvature to step on."""
    g = np.random.default_rng(13)
    X, y = g.standard_normal((10, 2)), scale * g.standard_normal(10)
    if loss in CLASSIFICATION:
        X, y = scale * X, np.sign(y)
    every = patterns_by_rays(X)
    listed = _some(every, 0.5, 1)
    q = dual_correlation(X, np.clip(y, -1, 1) if loss == "huber" else y)
    for fraction in (0.6, 0.1, 0.002):
        optimum = relu_optimum(X, y, fraction * q, loss, patterns=listed)
        solution = train(X, y, beta=fraction * q, loss=loss, patterns=listed, random_state=0)
        zero = loss_value(loss, np.zeros(10), y)
        assert solution.objective == pytest.approx(optimum, rel=1e-6, abs=1e-9 * zero), fraction
        assert solution.status is Status.PROGRAM_OPTIMAL


def test_sampled_patterns_are_an_upper_bound_that_falls():
    """More patterns of the same seed: a smaller program optimum, never below the whole one."""
    g = np.random.default_rng(14)
    X, y = g.standard_normal((14, 3)), g.standard_normal(14)
    beta = 0.05 * float(nogap.beta_max(X, y))
    whole = relu_optimum(X, y, beta)
    values = []
    for count in (2, 8, 32, 128):
        solution = train(X, y, beta=beta, patterns=count, random_state=3)
        listed = sample_patterns(X, count, 3)
        assert solution.objective == pytest.approx(
            relu_optimum(X, y, beta, patterns=listed), rel=1e-6
        )
        assert solution.certificate.lower_bound <= whole * (1 + 1e-8)
        assert solution.status is Status.PROGRAM_OPTIMAL
        values.append(solution.objective)
    assert all(b <= a * (1 + 1e-7) for a, b in itertools.pairwise(values))
    assert values[-1] >= whole * (1 - 1e-8)


def test_a_sub_sample_is_not_mistaken_for_the_network_optimum():
    """Two of many cells: the program is solved, and the certificate still shows the distance."""
    g = np.random.default_rng(15)
    X, y = g.standard_normal((14, 3)), g.standard_normal(14)
    beta = 0.02 * float(nogap.beta_max(X, y))
    whole = relu_optimum(X, y, beta)
    solution = train(X, y, beta=beta, patterns=patterns_by_rays(X)[[3, 40]])
    assert solution.status is Status.PROGRAM_OPTIMAL
    assert solution.objective > 1.2 * whole
    assert solution.certificate.relative_gap >= 1 - whole / solution.objective - 1e-9
    assert "sub-sampled program" in str(solution)
    assert all(record.kind == "search" for record in solution.history)
    large = np.random.default_rng(16).standard_normal((200, 9))
    estimate = train(large, large[:, 0] ** 2, beta=5.0, patterns=30, random_state=0)
    assert estimate.status is Status.PROGRAM_OPTIMAL
    assert estimate.certificate.kind == "search"


def test_cells_that_do_not_exist_are_harmless():
    """A pattern without an interior only holds faces of other cells: an upper bound, no error."""
    X = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [-1.0, 0.5]])
    y = np.array([1.0, -0.5, 2.0, 0.3])
    listed = np.array([[True, True, False, True], [True, True, True, False]])
    solution = train(X, y, beta=0.1, patterns=listed)
    assert solution.objective == pytest.approx(relu_optimum(X, y, 0.1, patterns=listed), rel=1e-6)


@pytest.mark.parametrize(
    "patterns",
    [0, -3, "some", 2.5, True, None, [[1, 0, 1]], np.ones((2, 4), bool), np.ones(3, bool)],
    ids=repr,
)
def test_wrong_patterns_are_refused(patterns):
    with pytest.raises(ValueError, match=r"patterns|pattern") as refusal:
        train(np.eye(3), [1.0, 2.0, -1.0], beta=0.1, patterns=patterns)
    assert len(str(refusal.value)) < 200


# ---------------------------------------------------------------- gated ReLU


def _gated_problem(seed, loss, C, options):
    g = np.random.default_rng([seed, C])
    n, d = int(g.integers(5, 12)), int(g.integers(1, 4))
    X = g.standard_normal((n, d)) if seed % 3 else g.integers(-2, 3, (n, d)).astype(float)
    if loss == "multinomial":
        Y = np.eye(C)[np.concatenate([np.arange(C), g.integers(C, size=n - C)])]
    elif loss in CLASSIFICATION:
        Y = g.choice([-1.0, 1.0], (n, C))
        Y[:2] = [[1.0] * C, [-1.0] * C]  # both classes everywhere
    else:
        Y = g.standard_normal((n, C)) * (5.0 if loss == "huber" and seed % 2 else 1.0)
    chosen = {name: True for name in options if name != "sample_weight"}
    if "sample_weight" in options:
        chosen["sample_weight"] = g.choice([0.5, 1.0, 2.0], n)
    return X, Y[:, 0] if C == 1 else Y, chosen


def _gated_beta(X, Y, loss, fraction):
    v = np.clip(Y, -1, 1) if loss == "huber" else Y
    return fraction * float(np.linalg.norm(X.T @ np.atleast_2d(v.T).T, 2)) + 0.01


@pytest.mark.parametrize("loss", GATED_LOSSES)
@pytest.mark.parametrize(
    ("C", "options"),
    [
        (1, ()),
        (1, ("hidden_bias", "fit_intercept")),
        (1, ("sample_weight",)),
        (2, ()),
        (3, ("fit_intercept", "sample_weight")),
        (3, ("hidden_bias",)),
    ],
    ids=lambda value: ",".join(value) or "plain" if isinstance(value, tuple) else str(value),
)
@pytest.mark.parametrize("fraction", [0.3, 0.02])
def test_gated_program_over_given_patterns(loss, C, options, fraction):
    if loss == "multinomial" and C == 1:
        pytest.skip("several outputs by nature")
    X, Y, options = _gated_problem(int(100 * fraction) + C, loss, C, options)
    listed = _some(patterns_by_rays(with_ones(X, options.get("hidden_bias"))), 0.4, C)[:12]
    beta = _gated_beta(X, Y, loss, fraction)
    solution = train(
        X, Y, beta=beta, loss=loss, unit="gated", patterns=listed, random_state=0, **options
    )
    optimum = gated_optimum(X, Y, beta, loss, patterns=listed, **options)
    w = options.get("sample_weight")
    zero = loss_value(loss, np.zeros(Y.shape), Y, w)
    assert solution.objective == pytest.approx(optimum, rel=1e-6, abs=1e-9 * zero)
    assert solution.certificate.kind == "exact"
    assert solution.certificate.gap <= 1e-6 * optimum + 1e-9 * zero
    assert solution.certificate.lower_bound <= optimum * (1 + 1e-7) + 1e-9 * zero
    assert solution.status is Status.OPTIMAL
    # the network itself, on its own gates
    own = solution.network.objective(X, Y, beta=beta, loss=loss, sample_weight=w)
    assert own == pytest.approx(solution.objective, rel=1e-9)
    fit = loss_value(loss, solution.network.predict(X), Y, w)
    assert fit + beta * solution.network.penalty() == pytest.approx(own, rel=1e-12)


@pytest.mark.parametrize("patterns", ["all", 7], ids=str)
@pytest.mark.parametrize("C", [1, 2])
def test_gated_patterns_by_name_and_number(patterns, C):
    g = np.random.default_rng(17)
    X, Y = g.standard_normal((8, 2)), g.standard_normal((8, C))
    Y = Y[:, 0] if C == 1 else Y
    listed = patterns_by_rays(X) if patterns == "all" else sample_patterns(X, 7, 5)
    solution = train(X, Y, beta=0.3, unit=GatedReLU(), patterns=patterns, random_state=5)
    assert solution.objective == pytest.approx(gated_optimum(X, Y, 0.3, patterns=listed), rel=1e-6)
    assert solution.certificate.kind == "exact"
    assert solution.certificate.relative_gap <= 1e-6


@pytest.mark.parametrize("hidden_bias", [False, True])
@pytest.mark.parametrize("C", [1, 3])
def test_gates_of_ones_own(hidden_bias, C):
    g = np.random.default_rng(18)
    X, Y = g.standard_normal((10, 3)), g.standard_normal((10, C))
    Y = Y[:, 0] if C == 1 else Y
    gates = g.standard_normal((6, 3))
    gates[5] = gates[4]  # the same gate twice
    listed = X @ gates.T >= 0
    options = {"beta": 0.2, "unit": GatedReLU(gates), "hidden_bias": hidden_bias}
    solution = train(X, Y, random_state=0, **options)
    optimum = gated_optimum(X, Y, 0.2, patterns=listed.T, hidden_bias=hidden_bias)
    assert solution.objective == pytest.approx(optimum, rel=1e-6)
    assert solution.certificate.relative_gap <= 1e-6
    assert {tuple(row) for row in solution.network.gates} <= {tuple(row) for row in gates}
    assert solution.network.objective(X, Y, beta=0.2) == pytest.approx(optimum, rel=1e-6)
    with pytest.raises(ValueError, match="gates"):
        train(X[:, :1], Y, beta=0.2, unit=GatedReLU(gates))


def test_gated_is_a_lower_bound_of_relu_for_the_same_patterns():
    for seed in range(3):
        g = np.random.default_rng([19, seed])
        X, y = g.standard_normal((10, 3)), g.standard_normal(10)
        listed = _some(patterns_by_rays(X), 0.5, seed)
        beta = 0.05 * float(nogap.beta_max(X, y))
        gated = train(X, y, beta=beta, unit="gated", patterns=listed)
        relu = train(X, y, beta=beta, patterns=listed)
        assert gated.objective <= relu.objective * (1 + 1e-8)
        assert gated.objective < 0.99 * relu.objective  # and the distance is large
        vector = np.column_stack([y, y[::-1]])
        several = train(X, vector, beta=beta, unit="gated", patterns="all")
        several_relu = train(X, vector, beta=beta, random_state=0)
        assert several.objective <= several_relu.objective * (1 + 1e-8)


def test_large_penalties_empty_a_gated_network():
    g = np.random.default_rng(20)
    X, Y = g.standard_normal((9, 2)), g.standard_normal((9, 2))
    for C, loss in ((1, "squared"), (2, "squared"), (1, "hinge"), (1, "huber")):
        y = Y[:, 0] if C == 1 else Y
        y = np.sign(y) if loss == "hinge" else y
        solution = train(X, y, beta=1e4, loss=loss, unit="gated", patterns="all")
        assert solution.network.n_neurons == 0
        assert solution.objective == pytest.approx(loss_value(loss, np.zeros(y.shape), y))
        assert solution.certificate.relative_gap <= 1e-6
        assert solution.status is Status.OPTIMAL


def test_gated_degenerate_rows():
    X = np.array([[0.0, 0.0], [1.0, 2.0], [1.0, 2.0], [-2.0, -4.0], [0.0, 0.0], [3.0, 0.0]])
    y = np.array([1.0, -1.0, 2.0, 0.5, -2.0, 1.0])
    every = patterns_by_rays(X)
    for options in ({}, {"fit_intercept": True}):
        solution = train(X, y, beta=0.1, unit="gated", patterns="all", **options)
        optimum = gated_optimum(X, y, 0.1, patterns=every, **options)
        assert solution.objective == pytest.approx(optimum, rel=1e-6)
    empty = train(np.zeros((3, 2)), y[:3], beta=0.1, unit="gated", patterns="all")
    assert empty.objective == pytest.approx(0.5 * y[:3] @ y[:3])


# ---------------------------------------------------------------- linear units


@pytest.mark.parametrize("loss", GATED_LOSSES)
@pytest.mark.parametrize("C", [1, 3])
@pytest.mark.parametrize("options", [(), ("fit_intercept", "hidden_bias")], ids=str)
def test_linear_units_are_one_nuclear_norm(loss, C, options):
    if loss == "multinomial" and C == 1:
        pytest.skip("several outputs by nature")
    X, Y, options = _gated_problem(40 + C, loss, C, options)
    for fraction in (0.3, 0.01):
        beta = _gated_beta(X, Y, loss, fraction)
        solution = train(X, Y, beta=beta, loss=loss, unit="linear", random_state=0, **options)
        try:
            optimum = linear_optimum(X, Y, beta, loss, **options)
        except NoReferenceError:
            continue
        zero = loss_value(loss, np.zeros(Y.shape), Y)
        assert solution.objective == pytest.approx(optimum, rel=1e-6, abs=1e-9 * zero)
        assert solution.certificate.kind == "exact"
        assert solution.certificate.gap <= 1e-6 * optimum + 1e-9 * zero
        assert solution.status is Status.OPTIMAL
        assert solution.network.activation == "linear"
        own = solution.network.objective(X, Y, beta=beta, loss=loss)
        assert own == pytest.approx(solution.objective, rel=1e-9)
        assert np.linalg.matrix_rank(solution.network.hidden_weights) <= X.shape[1] + 1


def test_linear_units_have_closed_forms():
    g = np.random.default_rng(21)
    X, Y = g.standard_normal((12, 4)), g.standard_normal((12, 3))
    Q = np.linalg.qr(X)[0]  # Q'Q = I: singular values are soft-thresholded
    for beta in (0.2, 1.0):
        s = np.linalg.svd(Q.T @ Y, compute_uv=False)
        kept = np.maximum(s - beta, 0)
        optimum = 0.5 * np.sum(Y**2) - 0.5 * np.sum(kept**2)
        solution = train(Q, Y, beta=beta, unit="linear")
        assert solution.objective == pytest.approx(optimum, rel=1e-7)
    exceeding = float(np.linalg.norm(X.T @ Y, 2))
    assert train(X, Y, beta=1.001 * exceeding, unit="linear").network.n_neurons == 0
    assert train(X, Y, beta=0.98 * exceeding, unit="linear").network.n_neurons > 0
