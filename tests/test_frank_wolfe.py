"""Frank-Wolfe against the specification's figures, CVXPY, the penalised problem, and its bound."""

from __future__ import annotations

import itertools
import signal
from itertools import pairwise

import cvxpy as cp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import lsq_linear
from tests.reference import dual_correlation, loss_expression, loss_value, patterns_by_rays, solve

from nogap import Status, beta_max, frank_wolfe, frank_wolfe_bound, train
from nogap.conditional_gradient.batches import schedule_growth
from nogap.formulation import formulate
from nogap.oracles.linearised import LinearisedOracle
from nogap.oracles.whitened import WhitenedOracle
from nogap.rows import MemoryRows

VARIANTS = ("standard", "line_search", "away", "pairwise", "fully_corrective")


def inst(n, d, seed):
    """The specification's instances."""
    g = np.random.default_rng(seed)
    X = g.standard_normal((n, d))
    A, b = g.standard_normal((d, 5)), g.standard_normal(5)
    return X, np.maximum(X @ A, 0) @ b + 0.3 * g.standard_normal(n)


def optimum_in_ball(X, y, delta, loss="squared"):
    """The convex program over all patterns with a budget in place of the penalty, by CVXPY."""
    D = patterns_by_rays(X).astype(float)
    V, W = cp.Variable((X.shape[1], len(D))), cp.Variable((X.shape[1], len(D)))
    F = cp.sum(cp.multiply(D.T, X @ (V - W)), axis=1)
    signs = 2 * D.T - 1
    penalty = cp.sum(cp.norm(V, 2, axis=0)) + cp.sum(cp.norm(W, 2, axis=0))
    cones = [cp.multiply(signs, X @ V) >= 0, cp.multiply(signs, X @ W) >= 0]
    value = loss_expression(
        loss, cp.reshape(F, (len(X), 1), order="C"), y[:, None], np.ones(len(X))
    )
    return solve(value, [*cones, penalty <= delta])


# ---------------------------------------------------------------- the specification's figures


@pytest.fixture(scope="module")
def standard():
    X, y = inst(20, 3, 1)
    return X, y, frank_wolfe(X, y, delta=2.0, max_iter=16, tol=1e-6)


def test_the_first_iterates_and_gaps(standard):
    X, y, solution = standard
    full = [2 * record.objective for record in solution.history[:6]]
    gaps = [2 * record.gap for record in solution.history[:3]]
    assert_allclose(full, [24.827747, 13.398141, 42.875170, 10.759439, 6.052253, 10.969841], 1e-6)
    assert_allclose(gaps, [54.249922, 78.271607, 127.732853], rtol=1e-6)
    assert float(beta_max(X, y)) == pytest.approx(13.562480540, abs=1e-8)


def test_every_gap_holds_the_distance_to_the_optimum(standard):
    X, y, solution = standard
    least = frank_wolfe(X, y, delta=2.0, variant="fully_corrective", tol=2e-8)
    assert 2 * least.objective == pytest.approx(2.207965348, abs=3e-8)
    assert least.status is Status.OPTIMAL
    for record in solution.history:
        assert record.lower_bound == record.objective - record.gap
        assert record.lower_bound <= least.objective
    rises = [b.objective > a.objective for a, b in pairwise(solution.history)]
    assert any(rises)  # the standard step is not monotone
    best = min(record.objective for record in solution.history)
    assert solution.objective == pytest.approx(best, rel=1e-12)
    strongest = max(record.lower_bound for record in solution.history)
    assert strongest * (1 - 1e-9) <= solution.certificate.lower_bound <= least.objective
    for t, record in enumerate(solution.history[1:], start=2):
        assert record.objective - least.objective <= frank_wolfe_bound(X, 2.0, t)


def test_the_printed_constant_of_the_rate_is_false():
    """One sample: the third iterate is above 4 R^2 delta^2 / (T + 1), as it is sometimes printed."""
    solution = frank_wolfe([[1.0]], [0.999], delta=1.0, max_iter=3, tol=1e-12)
    full = 2 * solution.history[2].objective
    assert full == pytest.approx(1.775, abs=1e-3)
    proved = 2 * frank_wolfe_bound([[1.0]], 1.0, 3)  # 16 / (T + 1) for the full squares
    assert proved == pytest.approx(4.0)
    assert proved / 4 < full <= proved
    assert proved / 3 < full  # not with the index shifted by one either
    with pytest.raises(ValueError, match="n_iter must be at least 2, got 1"):
        frank_wolfe_bound([[1.0]], 1.0, 1)


def test_from_beta_to_delta_and_back():
    X, y = inst(20, 3, 1)
    beta = 0.1 * float(beta_max(X, y))
    penalised = train(X, y, beta=beta, tol=1e-13, random_state=0)
    assert penalised.objective == pytest.approx(3.813891735, abs=1e-8)
    delta = penalised.network.penalty()
    assert delta == pytest.approx(1.946845170, abs=5e-8)
    solution = frank_wolfe(X, y, delta=delta, variant="fully_corrective", tol=1e-11)
    assert 2 * solution.objective == pytest.approx(2.346973525, rel=5e-8)
    assert solution.objective == pytest.approx(penalised.objective - beta * delta, rel=1e-8)
    assert solution.certificate.beta == pytest.approx(beta, rel=5e-8)
    assert solution.certificate.beta == solution.certificate.dual_correlation
    assert solution.network.penalty() <= delta * (1 + 1e-12)


# ---------------------------------------------------------------- independent references


@pytest.mark.parametrize("loss", ["squared", "logistic", "huber"])
def test_the_optimum_is_that_of_the_program_over_all_patterns(loss):
    X, y = inst(8, 2, 3)
    y = np.sign(y) if loss == "logistic" else y
    solution = frank_wolfe(X, y, delta=1.5, variant="fully_corrective", loss=loss, tol=1e-5)
    least = optimum_in_ball(X, y, 1.5, loss)
    assert solution.status is Status.OPTIMAL
    assert_allclose(solution.objective, least, rtol=1e-5)
    assert solution.certificate.lower_bound <= least * (1 + 1e-8)
    assert solution.objective == pytest.approx(loss_value(loss, solution.network.predict(X), y))


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_descends_to_the_optimum(variant):
    X, y = inst(12, 2, 5)
    delta = 0.3 * train(X, y, beta=0.05, random_state=0).network.penalty()
    least = optimum_in_ball(X, y, delta)
    solution = frank_wolfe(X, y, delta=delta, variant=variant, max_iter=30, tol=1e-6)
    assert least * (1 - 1e-8) <= solution.objective <= least * 1.1
    assert solution.certificate.lower_bound <= least * (1 + 1e-8)
    assert solution.network.penalty() <= delta * (1 + 1e-12)
    first, *others = solution.history
    assert first.n_neurons == 0
    assert others[0].n_neurons == 1
    if variant != "standard":
        assert all(b.objective <= a.objective * (1 + 1e-12) for a, b in pairwise(others))
    if variant == "fully_corrective":
        assert solution.status is Status.OPTIMAL
        assert solution.n_iter <= 30
    # what the loop kept up to date is what the network gives
    assert solution.objective == pytest.approx(min(r.objective for r in solution.history), rel=1e-9)


@pytest.mark.parametrize("variant", ["away", "pairwise"])
def test_a_large_budget_does_not_throw_the_loss_up(variant):
    g = np.random.default_rng(0)
    X, y = g.standard_normal((100, 3)), g.standard_normal(100)
    solution = frank_wolfe(X, y, delta=50.0, variant=variant, random_state=0, max_iter=12)
    losses = [record.objective for record in solution.history]
    assert all(b <= a for a, b in pairwise(losses))
    assert solution.objective < 0.9 * losses[0]
    assert solution.status is Status.ITERATION_LIMIT  # still falling
    assert 0 < solution.network.penalty() <= 50.0 * (1 + 1e-12)


def test_a_large_budget_interpolates_and_has_no_multiplier():
    X, y = inst(8, 3, 2)
    solution = frank_wolfe(X, y, delta=500.0, variant="fully_corrective", max_iter=60)
    assert solution.status is Status.INTERPOLATED
    assert solution.certificate.lower_bound >= 0
    assert solution.certificate.beta < 1e-6


def test_several_outputs_share_their_neurons():
    X, y = inst(10, 2, 4)
    Y = np.column_stack([y, 1 - y])
    penalised = train(X, Y, beta=0.5, patterns="all", random_state=0)
    delta = penalised.network.penalty()
    solution = frank_wolfe(X, Y, delta=delta, variant="fully_corrective", tol=1e-5)
    assert solution.certificate.kind == "exact"
    loss = penalised.objective - 0.5 * delta
    assert_allclose(solution.objective, loss, rtol=2e-5)


def test_hidden_biases_are_a_ones_column():
    x, y = inst(10, 1, 4)
    options = {"delta": 2.0, "variant": "fully_corrective", "tol": 1e-7}
    biased = frank_wolfe(x, y, hidden_bias=True, **options)
    column = frank_wolfe(np.column_stack([x, np.ones(10)]), y, **options)
    assert biased.network.hidden_bias is not None
    assert_allclose(biased.objective, column.objective, rtol=1e-6)


# ---------------------------------------------------------------- oracles


def whitened(n, d, seed):
    X, y = inst(n, d, seed)
    left, _, right = np.linalg.svd(X, full_matrices=False)
    return left @ right, y


def test_whitened_rows_have_a_closed_form():
    """The gauge is ``||f_+|| + ||f_-||``: the whole problem is one second-order cone program."""
    X, y = whitened(6, 9, 1)
    found, correlation = WhitenedOracle(MemoryRows(X)).price(y[:, None], 2)
    parts = [np.linalg.norm(np.maximum(s * y, 0)) for s in (1, -1)]
    assert_allclose(correlation.value, max(parts), rtol=1e-12)
    assert_allclose(found.values, sorted(parts, reverse=True), rtol=1e-12)
    assert_allclose(correlation.value, dual_correlation(X, y), rtol=1e-9)
    p, q = cp.Variable(6, nonneg=True), cp.Variable(6, nonneg=True)
    least = solve(0.5 * cp.sum_squares(p - q - y), [cp.norm(p, 2) + cp.norm(q, 2) <= 3.0])
    solution = frank_wolfe(X, y, delta=3.0, variant="fully_corrective", oracle="whitened", tol=1e-8)
    assert_allclose(solution.objective, least, rtol=1e-7)
    assert solution.certificate.kind == "exact"


def test_rows_that_are_not_whitened_are_refused_with_their_deviation():
    X, y = whitened(6, 9, 1)
    X[2] *= 1.01
    with pytest.raises(ValueError, match=r"off by 0\.0.* at rows 2 and 2. Whiten the rows"):
        frank_wolfe(X, y, delta=1.0, oracle="whitened")
    with pytest.raises(ValueError, match="7 rows in 3 columns cannot be"):
        frank_wolfe(*inst(7, 3, 1), delta=1.0, oracle="whitened")


def test_the_cone_oracle_is_a_lower_bound_only():
    n, d = 6, 8
    patterns = list(itertools.product([False, True], repeat=n))  # rows are independent: all of them
    shares = []
    for seed in range(4):
        X, y = inst(n, d, seed)
        oracle = LinearisedOracle(MemoryRows(X))
        values = []
        for sign in (1, -1):
            v = sign * y
            box = lsq_linear(X[v < 0].T, v[v > 0] @ X[v > 0], (0, -v[v < 0]), method="bvls")
            values.append(np.sqrt(2 * box.cost))
            assert_allclose(np.linalg.norm(oracle.residual(v)), values[-1], rtol=1e-6)
        largest = dual_correlation(X, y, np.array(patterns))
        found, correlation = oracle.price(y[:, None], 1)
        assert correlation.kind == "search"
        assert max(values) * (1 - 1e-9) <= found.best <= largest * (1 + 1e-9)
        assert largest <= np.linalg.cond(X) * max(values)
        shares.append(found.best / largest)
    assert min(shares) < 1 - 1e-3  # not always the largest
    solution = frank_wolfe(*inst(n, d, 0), delta=1.0, oracle="socp", max_iter=5)
    assert solution.certificate.kind == "search"
    assert "second-order cone oracle" in str(solution.certificate)


def test_the_cone_oracle_may_find_nothing_where_rows_are_dependent():
    """Two rows that pull in opposite directions cancel once they are linearised."""
    X, y = np.array([[1.0], [-1.0]]), np.array([1.0, 1.0])
    assert dual_correlation(X, y) == pytest.approx(1.0)
    solution = frank_wolfe(X, y, delta=1.0, oracle="socp")
    assert solution.status is Status.STALLED
    assert solution.network.n_neurons == 0
    assert solution.certificate.kind == "bound"  # and no estimate of 0, which would be optimal
    assert solution.certificate.lower_bound <= 0.25 < solution.objective
    assert frank_wolfe(X, y, delta=1.0, oracle="exact").objective == pytest.approx(0.25, rel=1e-2)


def test_the_multiplier_is_the_slope_of_the_optimum():
    X, y = inst(8, 2, 3)
    options = {"variant": "fully_corrective", "tol": 1e-9}
    before, here, after = (frank_wolfe(X, y, delta=t, **options) for t in (1.19, 1.2, 1.21))
    slope = (after.objective - before.objective) / 0.02
    assert here.certificate.beta == pytest.approx(-slope, rel=1e-3)


@pytest.mark.parametrize("oracle", ["exact", "bound", "whitened", "socp", "search"])
def test_both_signs_are_priced(oracle):
    """A ReLU has no negative twin: targets that only negative output weights can meet."""
    X, _ = whitened(5, 6, 2)
    y = -np.maximum(X @ np.ones(6), 0)
    solution = frank_wolfe(X, y, delta=0.5, oracle=oracle, max_iter=2, random_state=0)
    assert solution.objective < 0.5 * y @ y
    assert np.all(solution.network.output_weights < 0)


def test_branch_and_bound_proves_the_gap_in_any_dimension():
    X, y = inst(15, 8, 1)
    options = {"delta": 1.0, "variant": "fully_corrective", "tol": 1e-3, "random_state": 0}
    proved = frank_wolfe(X, y, oracle="bound", **options)
    searched = frank_wolfe(X, y, oracle="search", **options)
    assert proved.status is Status.OPTIMAL
    assert proved.certificate.kind in ("exact", "bound")
    assert all(record.kind != "search" for record in proved.history)
    assert proved.certificate.lower_bound <= searched.objective
    assert searched.status is Status.SEARCH_OPTIMAL
    assert searched.certificate.proved_lower_bound == -np.inf


def test_an_estimate_is_called_one():
    X, y = inst(20, 8, 1)
    solution = frank_wolfe(X, y, delta=1.0, oracle="search", max_iter=5, random_state=0)
    assert solution.certificate.kind == "search"
    assert solution.certificate.delta == 1.0
    text = str(solution.certificate)
    assert "appears to be at most" in text
    assert "networks with penalty at most 1" in text
    again = frank_wolfe(X, y, delta=1.0, oracle="search", max_iter=5, random_state=0)
    assert_array_equal(again.network.hidden_weights, solution.network.hidden_weights)


# ---------------------------------------------------------------- batches


def test_a_batch_of_all_rows_is_the_deterministic_method():
    X, y = inst(30, 6, 1)
    options = {"delta": 2.0, "oracle": "search", "max_iter": 5, "random_state": 3, "tol": 1e-9}
    plain = frank_wolfe(X, y, **options)
    for batch_size in (30, 1000, lambda t: 30):
        batched = frank_wolfe(X, y, batch_size=batch_size, **options)
        assert_array_equal(batched.network.hidden_weights, plain.network.hidden_weights)
        assert_array_equal(batched.network.output_weights, plain.network.output_weights)
        assert batched.certificate.lower_bound == plain.certificate.lower_bound


def test_the_schedule_is_dimensionless_and_capped():
    """``G / (L D)``: with L and G exchanged it would change with the units of the targets."""
    X, y = inst(60, 2, 1)

    def sizes(X, y, delta):
        run = frank_wolfe(X, y, delta=delta, batch_size="schedule", max_iter=10, random_state=0)
        return [record.batch_size for record in run.history]

    problem = formulate(X, y, beta=1.0)
    diameter = 2 * np.linalg.norm(X, 2) * 20.0
    growth = np.sqrt(60) * np.linalg.norm(y) / diameter
    assert schedule_growth(problem, 20.0) == pytest.approx(growth)
    found = sizes(X, y, 20.0)
    expected = [min(int(np.ceil((growth * (t + 1)) ** 2)), 60) for t in range(1, 10)]
    assert found == [*expected, 60]  # the last word is on all rows
    assert found[0] < 60
    assert sizes(X, 7 * y, 7 * 20.0) == found
    assert sizes(3 * X, y, 20.0 / 3) == found


def test_what_a_batch_says_is_no_certificate():
    X, y = inst(60, 2, 1)
    options = {"delta": 2.0, "max_iter": 20, "random_state": 0}
    least = optimum_in_ball(X, y, 2.0)
    solution = frank_wolfe(X, y, batch_size=10, **options)
    assert [record.batch_size for record in solution.history] == [10] * 19 + [60]
    assert {record.kind for record in solution.history[:-1]} == {"search"}
    assert solution.certificate.kind == "exact"
    assert solution.certificate.lower_bound <= least <= solution.objective
    assert solution.objective == pytest.approx(solution.history[-1].objective)
    again = frank_wolfe(X, y, batch_size=10, **options)
    assert_array_equal(again.network.hidden_weights, solution.network.hidden_weights)
    # single rows do not converge, growing batches do
    single = frank_wolfe(X, y, batch_size=1, **options)
    growing = frank_wolfe(X, y, batch_size=lambda t: t * t, **options)
    assert growing.objective - least < 0.2 * (single.objective - least)


def test_a_batch_without_a_residual_moves_nothing():
    X = np.eye(12)
    y = np.where(np.arange(12) == 5, 3.0, 0.0)
    solution = frank_wolfe(X, y, delta=1.0, batch_size=3, max_iter=15, random_state=0)
    assert solution.history[1].n_neurons == 0  # the first batch missed row 5
    assert solution.status in (Status.ITERATION_LIMIT, Status.OPTIMAL)
    assert solution.objective < 0.5 * y @ y


def test_rows_on_disk_are_read_where_they_are(tmp_path):
    X, y = inst(3000, 4, 1)
    disk = np.memmap(tmp_path / "X.dat", dtype=np.float64, mode="w+", shape=X.shape)
    disk[:] = X
    options = {"delta": 2.0, "batch_size": 200, "oracle": "search", "max_iter": 5}
    there = frank_wolfe(disk, y, random_state=0, **options)
    here = frank_wolfe(X, y, random_state=0, **options)
    assert_allclose(there.objective, here.objective, rtol=1e-9)
    assert there.objective < 0.5 * y @ y


# ---------------------------------------------------------------- how a run ends


def test_a_callback_ends_the_run():
    seen = []

    def watch(record):
        seen.append(record)
        return len(seen) == 4

    solution = frank_wolfe(*inst(20, 2, 1), delta=2.0, tol=1e-9, callbacks=[watch])
    assert solution.status is Status.INTERRUPTED
    assert solution.history == seen
    assert solution.objective == pytest.approx(min(record.objective for record in seen))


@pytest.mark.parametrize("batch_size", [None, 5])
def test_ctrl_c_keeps_the_best_network(batch_size):
    def interrupt(record):
        if record.n_neurons == 3:
            signal.raise_signal(signal.SIGINT)

    X, y = inst(20, 2, 1)
    solution = frank_wolfe(
        X, y, delta=1.0, batch_size=batch_size, callbacks=[interrupt], random_state=0
    )
    assert solution.status is Status.INTERRUPTED
    assert solution.n_iter == 4
    assert solution.certificate.lower_bound <= solution.objective < 0.5 * y @ y


def test_the_time_limit():
    X, y = inst(300, 20, 1)
    solution = frank_wolfe(X, y, delta=50.0, max_time=0.3, tol=1e-9, random_state=0)
    assert solution.status is Status.TIME_LIMIT
    assert solution.history[-1].time < 2.0
    assert solution.objective <= 0.5 * y @ y
    # a search that had no time claims nothing: what is left is a bound that always holds
    hurried = frank_wolfe(X, y, delta=0.1, max_time=1e-9, oracle="search", random_state=0)
    assert hurried.certificate.kind == "bound"
    V = y - hurried.network.predict(X)
    assert hurried.certificate.dual_correlation >= np.linalg.norm(X, 2) * np.linalg.norm(V)
    assert 0 < hurried.certificate.lower_bound <= hurried.objective


# ---------------------------------------------------------------- what is refused

WRONG = {
    "delta": ({"delta": 0.0}, "delta must be a positive number, got 0.0"),
    "delta nan": ({"delta": np.nan}, "delta must be a positive number"),
    "variant": ({"variant": "newton"}, "variant must be one of standard, line_search, away"),
    "oracle": ({"oracle": "guess"}, "oracle must be one of auto, exact, bound, whitened, socp"),
    "hinge": ({"loss": "hinge", "y": [1, -1, 1, 1]}, "follows the gradient, which the hinge loss"),
    "batch": ({"batch_size": 0}, "batch_size must be None, a whole number of at least 1"),
    "batch kind": ({"batch_size": True}, "batch_size must be None"),
    "batch step": ({"batch_size": 2, "variant": "away"}, "batches go with variant='standard'"),
    "batch rows": ({"batch_size": lambda t: 0}, "batch_size must give at least one row, got 0"),
    "max_iter": ({"max_iter": 0}, "max_iter must be a whole number of at least 1"),
    "tol": ({"tol": -1.0}, "tol must be a positive number"),
    "outputs": ({"oracle": "socp", "y": np.eye(4)}, "oracle='socp' serves one output, y has 4"),
    "X": ({"X": np.array([[np.nan, 1.0]] * 4)}, "X holds nan in row 0, column 0"),
    "y": ({"y": [1.0, 2.0]}, "X has 4 rows but y has 2"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_input_is_refused_in_a_sentence(wrong):
    options, message = WRONG[wrong]
    X, y = inst(4, 2, 1)
    given = {"X": X, "y": y, "delta": 1.0, "random_state": 0, **options}
    with pytest.raises(ValueError, match=message) as caught:
        frank_wolfe(given.pop("X"), given.pop("y"), **given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("X", "y"),
    [
        ([[0.0, 0.0], [0.0, 0.0]], [1.0, 2.0]),
        ([[1.0, 2.0]], [3.0]),
        ([[1.0, 1.0], [1.0, 1.0], [2.0, 2.0]], [1.0, -1.0, 0.5]),
        ([[1.0, 2.0], [2.0, 1.0]], [0.0, 0.0]),
    ],
)
@pytest.mark.parametrize("variant", VARIANTS)
def test_odd_data_work(X, y, variant):
    solution = frank_wolfe(X, y, delta=0.7, variant=variant, max_iter=20)
    assert solution.certificate.lower_bound <= solution.objective * (1 + 1e-12)
    assert solution.network.penalty() <= 0.7 * (1 + 1e-12)
