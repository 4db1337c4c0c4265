"""``train(patterns="all")`` against the convex program in CVXPY, judged from outside."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from tests.instances import (
    KINDS,
    PUBLISHED,
    Instance,
    penalty_of,
    published,
    random_instance,
)
from tests.reference import (
    CLASSIFICATION,
    LOSSES,
    NoReferenceError,
    dual_correlation,
    dual_value,
    linear_optimum,
    loss_value,
    patterns_by_linear_programs,
    patterns_by_rays,
    relu_network_objective,
    relu_optimum,
)

import nogap
from nogap import Status, train
from nogap.formulation import formulate

# 40 of each loss, and some that were hard once: hinge losses whose multipliers are not unique, flat
# parts of the Huber loss, targets that cancel, slow ends
SEEDS = [(seed, loss) for seed in range(40) for loss in LOSSES]
SEEDS += [(seed, "hinge") for seed in (44, 54, 66, 91, 98, 135, 144, 151, 156, 157, 263, 316)]
SEEDS += [(50, "squared"), (127, "squared"), (129, "squared"), (85, "squared_hinge")]
SEEDS += [(98, "huber"), (163, "huber")]


# ---------------------------------------------------------------- the judge is judged


def test_the_two_enumerations_agree_with_each_other_and_with_nogap():
    g = np.random.default_rng(0)
    for k in range(36):
        n, d = int(g.integers(1, 7)), int(g.integers(1, 5))
        X = list(KINDS.values())[k % len(KINDS)](g, n, d)
        by_programs, by_rays = patterns_by_linear_programs(X), patterns_by_rays(X)
        if list(KINDS)[k % len(KINDS)] != "nearly_parallel":  # cells of width 1e-6
            np.testing.assert_array_equal(by_programs, by_rays)
        np.testing.assert_array_equal(np.unique(nogap.enumerate_patterns(X), axis=0), by_rays)


# ---------------------------------------------------------------- what one solution must be


def flaws(instance, beta, solution, patterns):
    """Everything that is wrong with a solution of patterns="all", reference apart."""
    X, y, loss, w = instance.X, instance.y, instance.loss, instance.weights
    certificate, network = solution.certificate, solution.network
    own = relu_network_objective(network, X, y, beta, loss, w)
    size = abs(own) + 1e-9 * loss_value(loss, np.zeros(len(y)), y, w)
    scaled = np.abs(certificate.dual).sum() + 1e-300
    checks = {
        "status": solution.status is Status.OPTIMAL,
        "kind": certificate.kind == "exact",
        "relative gap": certificate.gap <= 1e-6 * size,
        "reported objective": abs(solution.objective - own) <= 1e-9 * size,
        "certificate's objective": certificate.objective == solution.objective,
        "Network.objective": abs(
            network.objective(X, y, beta=beta, loss=loss, sample_weight=w) - own
        )
        <= 1e-12 * size,
        "lower bound above objective": certificate.lower_bound <= own + 1e-9 * size,
        "neurons": network.n_neurons <= len(y) + 1,
        "intercept": instance.options.get("fit_intercept") or not network.intercept.any(),
        "hidden bias": (network.hidden_bias is not None)
        == bool(instance.options.get("hidden_bias")),
        # the certificate's dual point, checked without nogap
        "dual feasible": dual_correlation(instance.rows, certificate.dual, patterns)
        <= beta * (1 + 1e-8),
        "dual balanced": not instance.options.get("fit_intercept")
        or abs(certificate.dual.sum()) <= 1e-10 * scaled,
        "dual value": dual_value(loss, certificate.dual, y, w)
        >= certificate.lower_bound - 1e-10 * size,
    }
    wrong = [name for name, fine in checks.items() if not fine]
    return [
        f"{name}: {solution.objective=} {own=} {certificate=} {solution.status=} "
        f"neurons {network.n_neurons}"
        for name in wrong
    ]


@pytest.mark.parametrize(("seed", "loss"), SEEDS)
def test_optimum_of_the_convex_program(seed, loss):
    instance = random_instance(seed, loss)
    patterns = patterns_by_rays(instance.rows)
    beta = penalty_of(instance, patterns)
    solution = train(
        instance.X, instance.y, patterns="all", random_state=0, **instance.keywords(beta)
    )
    wrong = flaws(instance, beta, solution, patterns)
    try:
        optimum = relu_optimum(
            instance.X, instance.y, beta, loss, patterns=patterns, **instance.options
        )
    except (
        NoReferenceError
    ):  # an exponential cone that Clarabel gives up on: the certificate stands
        optimum = solution.objective
    zero = loss_value(loss, np.zeros(len(instance.y)), instance.y, instance.weights)
    allowed = 1e-6 * abs(optimum) + 1e-9 * zero + 1e-10  # what Clarabel calls equal
    if abs(solution.objective - optimum) > allowed:
        wrong.append(f"objective {solution.objective} but CVXPY has {optimum}")
    if solution.certificate.lower_bound > optimum + 0.1 * allowed:
        wrong.append(f"lower bound {solution.certificate.lower_bound} > optimum {optimum}")
    assert not wrong, f"{instance}, beta={beta!r}\n" + "\n".join(wrong)


# ---------------------------------------------------------------- large penalties


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("factor", [1 + 1e-9, 1.5, 1e3, 1e8])
def test_from_beta_max_on_the_network_is_empty(loss, fit_intercept, factor):
    g = np.random.default_rng(3)
    X = g.standard_normal((7, 2))
    y = np.where(X[:, 0] > 0.3, 1.0, -1.0) if loss in CLASSIFICATION else g.standard_normal(7)
    largest = nogap.beta_max(X, y, loss, fit_intercept=fit_intercept)
    if loss != "hinge" or not fit_intercept:  # there the dual point at the constant is not unique
        assert largest.kind == "exact"
    options = {"loss": loss, "fit_intercept": fit_intercept, "random_state": 0}
    solution = train(X, y, beta=factor * largest, patterns="all", **options)
    constant = minimize_scalar(
        lambda b: loss_value(loss, np.full(7, b), y), bounds=(-5, 5), options={"xatol": 1e-12}
    ).fun
    expected = constant if fit_intercept else loss_value(loss, np.zeros(7), y)
    assert solution.network.n_neurons == 0
    assert solution.objective == pytest.approx(expected, rel=1e-8)
    assert solution.certificate.kind == "exact"
    assert solution.certificate.relative_gap <= 1e-6
    assert solution.status is Status.OPTIMAL


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_just_below_beta_max_the_network_is_not_empty(loss, fit_intercept):
    g = np.random.default_rng(4)
    X = g.standard_normal((7, 2))
    y = np.where(X[:, 0] > 0.3, 1.0, -1.0) if loss in CLASSIFICATION else g.standard_normal(7)
    largest = nogap.beta_max(X, y, loss, fit_intercept=fit_intercept)
    beta = 0.99 * float(largest)
    options = {"loss": loss, "fit_intercept": fit_intercept, "random_state": 0}
    solution = train(X, y, beta=beta, patterns="all", **options)
    optimum = relu_optimum(X, y, beta, loss, fit_intercept=fit_intercept)
    assert solution.objective == pytest.approx(optimum, rel=1e-7)
    if loss != "hinge" or not fit_intercept:
        assert solution.network.n_neurons > 0


@pytest.mark.parametrize("loss", LOSSES)
def test_beta_max_is_the_dual_correlation_of_the_zero_network(loss):
    for seed in range(5):
        instance = random_instance(500 + seed, loss, options=())
        v = {"logistic": 0.5 * instance.y, "huber": np.clip(instance.y, -1, 1)}
        expected = dual_correlation(instance.X, v.get(loss, instance.y))
        largest = nogap.beta_max(instance.X, instance.y, loss)
        scale = np.linalg.norm(instance.X, axis=1) @ np.abs(instance.y)
        assert float(largest) == pytest.approx(expected, rel=1e-8, abs=1e-12 * scale)


# ---------------------------------------------------------------- smallest and emptiest data


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    "X",
    [
        np.array([[2.0]]),
        np.array([[0.0]]),
        np.array([[-1.0], [3.0]]),
        np.array([[1.0, -2.0, 0.5]]),
        np.zeros((4, 2)),
        np.ones((4, 1)),
        np.array([[1.0, 2.0]] * 4),
        np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0], [2.0, 0.0]]),
    ],
    ids=lambda X: f"{X.shape[0]}x{X.shape[1]}",
)
@pytest.mark.parametrize("hidden_bias", [False, True])
def test_smallest_and_emptiest_data(loss, X, hidden_bias):
    y = np.array([1.0, -1.0, -1.0, 1.0])[: len(X)]
    instance = Instance("tiny", X, y, loss, 0.1, {"hidden_bias": hidden_bias})
    patterns = patterns_by_rays(instance.rows)
    for beta in (0.05, 50.0):
        solution = train(X, y, patterns="all", random_state=0, **instance.keywords(beta))
        optimum = relu_optimum(X, y, beta, loss, hidden_bias=hidden_bias)
        assert solution.objective == pytest.approx(optimum, rel=1e-6)
        assert not flaws(instance, beta, solution, patterns)


@pytest.mark.parametrize("loss", ["squared", "huber"])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_targets_that_are_zero_or_constant(loss, fit_intercept):
    X = np.random.default_rng(5).standard_normal((6, 2))
    for value in (0.0, 2.5):
        y = np.full(6, value)
        options = {"loss": loss, "fit_intercept": fit_intercept, "random_state": 0}
        solution = train(X, y, beta=0.1, patterns="all", **options)
        optimum = relu_optimum(X, y, 0.1, loss, fit_intercept=fit_intercept)
        assert solution.objective == pytest.approx(optimum, rel=1e-6, abs=1e-9)
        assert solution.certificate.kind == "exact"
        assert solution.certificate.gap <= 1e-6 * solution.objective + 1e-12
        assert solution.network.n_neurons == 0 or not (fit_intercept or value == 0)


# ---------------------------------------------------------------- published values


@pytest.mark.parametrize(("n", "d", "seed", "fraction"), list(PUBLISHED))
def test_published_values(n, d, seed, fraction):
    X, y = published(n, d, seed)
    expected_beta, expected = PUBLISHED[n, d, seed, fraction]
    largest = nogap.beta_max(X, y)
    assert float(largest) == pytest.approx(expected_beta, rel=1e-8)
    assert largest.kind == "exact"
    beta = fraction * float(largest)
    solution = train(X, y, beta=beta, patterns="all", random_state=0)
    assert solution.objective == pytest.approx(expected, rel=1e-7)
    own = relu_network_objective(solution.network, X, y, beta)
    assert own == pytest.approx(solution.objective, rel=1e-9)
    assert solution.certificate.kind == "exact"
    assert solution.certificate.relative_gap <= 1e-6
    objectives = [record.objective for record in solution.history]
    assert all(b <= a * (1 + 1e-13) for a, b in itertools.pairwise(objectives))


# ---------------------------------------------------------------- what cannot change the optimum


def _base(loss, seed=6):
    g = np.random.default_rng(seed)
    X = g.standard_normal((8, 2))
    y = g.choice([-1.0, 1.0], 8) if loss in CLASSIFICATION else g.standard_normal(8)
    return g, X, y, 0.2 * float(nogap.beta_max(X, y, loss))


def _optimum(X, y, beta, loss, **options):
    solution = train(X, y, beta=beta, loss=loss, patterns="all", random_state=0, **options)
    assert solution.certificate.kind == "exact"
    assert solution.certificate.relative_gap <= 1e-6
    return solution.objective


@pytest.mark.parametrize("loss", LOSSES)
def test_equivalent_data_have_the_same_optimum(loss):
    g, X, y, beta = _base(loss)
    optimum = _optimum(X, y, beta, loss)
    rotation = np.linalg.qr(g.standard_normal((2, 2)))[0]
    order = g.permutation(8)
    others = {
        "rotated": _optimum(X @ rotation, y, beta, loss),
        "reordered": _optimum(X[order], y[order], beta, loss),
        "large": _optimum(1e6 * X, y, 1e6 * beta, loss),
        "small": _optimum(1e-6 * X, y, 1e-6 * beta, loss),
        "zero column": _optimum(np.column_stack([X, np.zeros(8)]), y, beta, loss),
        "mirrored": _optimum(X, -y, beta, loss),
        "split column": _optimum(
            np.column_stack([0.6 * X[:, 0], 0.8 * X[:, 0], X[:, 1]]), y, beta, loss
        ),
    }
    for name, value in others.items():
        assert value == pytest.approx(optimum, rel=1e-7), name


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_a_weight_counts_rows_and_zero_leaves_them_out(loss, fit_intercept):
    _, X, y, beta = _base(loss)
    counts = np.array([2, 1, 0, 3, 1, 1, 0, 2])
    weighted = _optimum(X, y, beta, loss, sample_weight=counts, fit_intercept=fit_intercept)
    repeated = _optimum(
        np.repeat(X, counts, axis=0), np.repeat(y, counts), beta, loss, fit_intercept=fit_intercept
    )
    assert weighted == pytest.approx(repeated, rel=1e-7)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_hidden_bias_is_a_ones_column(loss):
    _, X, y, beta = _base(loss)
    options = {"beta": beta, "loss": loss, "patterns": "all", "random_state": 0}
    biased = train(X, y, hidden_bias=True, **options)
    explicit = train(np.column_stack([X, np.ones(8)]), y, **options)
    assert biased.objective == pytest.approx(explicit.objective, rel=1e-7)
    assert biased.network.hidden_weights.shape[1] == 2
    assert explicit.network.hidden_bias is None


def test_squared_loss_scales_with_the_targets():
    _, X, y, beta = _base("squared")
    optimum = _optimum(X, y, beta, "squared")
    for scale in (1e-8, 1e-3, 1e5):
        value = _optimum(X, scale * y, scale * beta, "squared")
        assert value == pytest.approx(scale**2 * optimum, rel=1e-7), scale


# ---------------------------------------------------------------- the bound's own arithmetic


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("room", [1e-6, 0.3, 1.0, 7.0, 1e4, 1e9, 1e15])
def test_the_bound_is_the_best_one_on_the_ray(loss, room):
    """The best of -L*(-t v) over 0 <= t <= beta / q, however long that interval is."""
    g = np.random.default_rng(7)
    X = g.standard_normal((6, 2))
    y = g.choice([-1.0, 1.0], 6) if loss in CLASSIFICATION else g.standard_normal(6)
    problem = formulate(X, y, beta=0.1, loss=loss)
    v = g.uniform(0.05, 1.0, 6) * y
    bound = problem.lower_bound(v[:, None], 0.1 / room)
    grid = np.concatenate([[0.0], room * np.logspace(-17, 0, 300), np.linspace(0, 30, 3000)])
    best = max(dual_value(loss, t * v, y) for t in grid[grid <= room][:: 1 if room < 30 else 3])
    top = loss_value(loss, np.zeros(6), y)
    assert bound.value >= best - 1e-7 * top
    assert 0 <= bound.scale <= room
    assert bound.value <= dual_value(loss, bound.scale * v, y) + 1e-12 * top


def test_the_bound_of_a_vanishing_correlation_is_finite_and_tight():
    """Opposite targets on equal rows cancel: q is rounding noise, the interval is 1e16 long."""
    X, y = np.ones((3, 1)), np.array([1.0, -2.0, 1.0])
    problem = formulate(X, y, beta=1.0)
    for q in (0.0, 1e-300, 1e-17, 1e-16, 1e-9):
        assert problem.lower_bound(y[:, None], q).value == pytest.approx(3.0, rel=1e-9), q


# ---------------------------------------------------------------- refusals


def test_listed_patterns_refuse_several_outputs_in_one_sentence():
    with pytest.raises(ValueError, match="one output") as refusal:
        train(np.eye(3), np.eye(3), beta=0.1, patterns=4)
    assert str(refusal.value).count(".") <= 1


def test_linear_units_are_one_nuclear_norm():
    g = np.random.default_rng(8)
    X, Y = g.standard_normal((8, 3)), g.standard_normal((8, 2))
    solution = train(X, Y, beta=0.5, unit="linear", patterns="all")
    assert solution.objective == pytest.approx(linear_optimum(X, Y, 0.5), rel=1e-6)
