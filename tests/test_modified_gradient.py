"""The surrogate of one neuron and the modified gradient of several: what they promise and do not."""

from __future__ import annotations

import signal
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import approx_fprime, linprog

from nogap import Status, modified_gradient
from nogap.surrogate import modified_gradients, surrogate_value
from nogap.surrogate.conditions import is_unique, refuse_unbounded


def error(X, y, U):
    """Half the squared error of neurons U (m, d) with unit output weights."""
    return 0.5 * float(np.sum((np.maximum(X @ U.T, 0).sum(axis=1) - y) ** 2))


def planted(n, d, m, seed):
    g = np.random.default_rng(seed)
    X, teacher = g.standard_normal((n, d)), g.standard_normal((m, d))
    return X, np.maximum(X @ teacher.T, 0).sum(axis=1), teacher, g.standard_normal((m, d)) / d**0.5


def quietly(*args, **options):
    """The solution without its warnings, which other tests are about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return modified_gradient(*args, **options)


def descend(X, y, U, steps):
    """Plain gradient descent with the same step."""
    length = 1 / (len(U) * np.linalg.norm(X, 2) ** 2)
    for _ in range(steps):
        Z = X @ U.T
        R = np.maximum(Z, 0).sum(axis=1) - y
        U = U - length * ((Z >= 0) * R[:, None]).T @ X
    return U


# ---------------------------------------------------------------- the surrogate


@pytest.mark.parametrize("shift", [0.0, -1.0], ids=["non-negative", "with negative targets"])
def test_the_gradient_is_that_of_the_surrogate(shift):
    g = np.random.default_rng(1)
    X, y = g.standard_normal((9, 4)), np.abs(g.standard_normal(9)) + shift
    for u in g.standard_normal((5, 4)):
        expected = approx_fprime(u, lambda u: surrogate_value(X, y, u), 1e-7)
        assert_allclose(modified_gradients(X, y, u)[0], expected, atol=1e-5)
        assert_allclose(modified_gradients(X, y, u)[0], X.T @ (np.maximum(X @ u, 0) - y))


def test_the_surrogate_is_convex_and_majorises_where_targets_are_not_negative():
    g = np.random.default_rng(2)
    below = 0
    for _ in range(200):
        X, y = g.standard_normal((6, 3)), g.standard_normal(6)
        u, v, share = g.standard_normal(3), g.standard_normal(3), g.random()
        between = surrogate_value(X, y, share * u + (1 - share) * v)
        chord = share * surrogate_value(X, y, u) + (1 - share) * surrogate_value(X, y, v)
        assert between <= chord + 1e-12
        assert surrogate_value(X, np.abs(y), u) >= error(X, np.abs(y), u[None]) - 1e-12
        below += surrogate_value(X, y, u) < error(X, y, u[None])
    assert below > 0  # with negative targets it is no majoriser


def test_several_neurons_are_pulled_by_the_rows_on_which_all_are_dead():
    X = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    y = np.array([2.0, 3.0, 5.0])
    U = np.array([[1.0, -1.0], [2.0, -2.0]])  # row 0 is active in both, row 1 and 2: dead and kinks
    residual = np.maximum(X @ U.T, 0).sum(axis=1) - y
    active = X @ U.T >= 0
    orphans = ~active.any(axis=1)
    for j in range(2):
        expected = X.T @ (active[:, j] * residual) + X.T @ (orphans * residual)
        assert_allclose(modified_gradients(X, y, U)[j], expected)


# ---------------------------------------------------------------- guarantees


@pytest.mark.parametrize(("n", "d"), [(40, 10), (12, 10), (8, 10)])
def test_one_planted_neuron_is_fitted_from_every_start(n, d):
    plain = 0
    for seed in range(3):
        X, y, teacher, start = planted(n, d, 1, seed)
        solution = quietly(X, y, init=start)
        assert solution.status is Status.INTERPOLATED
        assert solution.objective <= 1e-15 * y @ y
        assert_array_equal(solution.network.output_weights, [[1.0]])
        away = np.linalg.norm(solution.network.hidden_weights - teacher)
        assert (away < 1e-5) == (n == 40)  # a fit, but another neuron where rows are few
        plain += error(X, y, descend(X, y, start, 500)) < 1e-6 * y @ y
    assert (plain == 3) == (n == 40)


def test_independent_rows_are_fitted_by_several_neurons_and_not_by_plain_descent():
    fitted = plain = 0
    for seed in range(5):
        X, y, _, start = planted(10, 12, 2, seed)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # independent rows: nothing to warn about
            solution = modified_gradient(X, y, 2, start)
        fitted += solution.status is Status.INTERPOLATED
        plain += error(X, y, descend(X, y, start, 500)) < 1e-6 * y @ y
    assert fitted == 5
    assert plain <= 2


def test_noise_leaves_the_minimum_of_the_surrogate_which_is_not_that_of_the_error():
    X, y, *_ = planted(40, 5, 1, 3)
    y = np.abs(y + 0.3 * np.random.default_rng(0).standard_normal(40))
    solution = modified_gradient(X, y, random_state=0)
    assert solution.status is Status.STATIONARY
    u = solution.network.hidden_weights[0]
    assert_allclose(modified_gradients(X, y, u), 0, atol=1e-5)
    assert solution.objective <= surrogate_value(X, y, u)
    nearby = descend(X, y, u[None], 500)
    assert error(X, y, nearby) < solution.objective
    certificate = solution.certificate
    assert certificate.lower_bound == 0.0
    assert certificate.gap == solution.objective
    assert "nothing more is claimed" in str(certificate)


# ---------------------------------------------------------------- refusals and warnings


def falls_forever(X, y):
    """Farkas by a linear program: a direction with X p <= 0 along which y'X p grows."""
    box = [(-1, 1)] * X.shape[1]
    return linprog(-(y @ X), A_ub=X, b_ub=np.zeros(len(X)), bounds=box).fun < -1e-7


def test_a_surrogate_without_a_minimum_is_refused():
    g = np.random.default_rng(4)
    refused = 0
    for _ in range(60):
        X, y = g.standard_normal((6, 3)), g.standard_normal(6)
        if falls_forever(X, y):
            refused += 1
            with pytest.raises(
                ValueError, match=r"the surrogate has no minimum: .* the nearest is"
            ):
                refuse_unbounded(X, y)
        else:
            refuse_unbounded(X, y)
    assert 5 < refused < 55
    with pytest.raises(ValueError, match=r"surrogate has no minimum.*y = -3 in row 1"):
        modified_gradient([[1.0], [2.0]], [1.0, -3.0])


def test_negative_targets_are_warned_about():
    X = np.array([[1.0], [-1.0], [2.0]])
    with pytest.warns(UserWarning, match=r"negative entries, such as -1 in row 0"):
        solution = modified_gradient(X, [-1.0, 1.0, 2.0], random_state=0)
    assert solution.objective >= 0.5  # what a neuron cannot reach


@pytest.mark.parametrize(
    ("X", "rank"), [(np.eye(3)[[0, 1, 2, 0]], 3), (np.ones((2, 5)), 1)], ids=["n > d", "rank"]
)
def test_several_neurons_without_a_guarantee_are_warned_about(X, rank):
    with pytest.warns(UserWarning, match=f"X has {len(X)} rows of rank {rank}"):
        modified_gradient(X, np.ones(len(X)), 2, random_state=0, max_iter=50)


def test_many_minimisers_are_said_to_be_many():
    X, y, teacher, start = planted(12, 10, 1, 0)
    with pytest.warns(UserWarning, match="more than one minimiser"):
        modified_gradient(X, y, init=start)
    assert not is_unique(X, y, teacher[0])
    X, y, teacher, start = planted(40, 10, 1, 0)
    assert is_unique(X, y, teacher[0])
    modified_gradient(X, y, init=start)  # and no warning
    # kinks alone can single out a neuron, or leave a ray
    corner = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    assert is_unique(corner, np.array([1.0, 0.0, 0.0]), np.array([1.0, 0.0]))
    assert not is_unique(corner[:2], np.array([1.0, 0.0]), np.array([1.0, 0.0]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_neurons": 0}, "n_neurons must be a whole number of at least 1"),
        ({"init": [[1.0]]}, r"init must have shape \(1, 2\), got \(1, 1\)"),
        ({"init": [[np.nan, 1.0]]}, "init holds NaN"),
        ({"y": np.eye(3)}, "serves one output, y has 3"),
        ({"y": [1.0]}, "X has 3 rows but y has 1"),
        ({"tol": 0.0}, "tol must be a positive number"),
        ({"max_iter": 1.5}, "max_iter must be a whole number"),
    ],
)
def test_wrong_input_is_refused_in_a_sentence(options, message):
    given = {"X": [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], "y": [1.0, 1.0, 1.0], **options}
    with pytest.raises(ValueError, match=message):
        modified_gradient(given.pop("X"), given.pop("y"), **given)


def test_it_can_be_stopped_and_repeated():
    X, y, *_ = planted(30, 8, 3, 0)

    def interrupt(record):
        if len(seen) == 5:
            signal.raise_signal(signal.SIGINT)
        seen.append(record)

    seen = []
    solution = quietly(X, y, 3, random_state=1, callbacks=[interrupt])
    assert solution.status is Status.INTERRUPTED
    assert solution.objective == pytest.approx(min(record.objective for record in seen))
    first, second = (quietly(X, y, 3, random_state=1, max_iter=20) for _ in range(2))
    assert first.status is Status.ITERATION_LIMIT
    assert_array_equal(first.network.hidden_weights, second.network.hidden_weights)
    stopped = quietly(X, y, 3, random_state=1, callbacks=[lambda record: True])
    assert stopped.n_iter == 1
    late = quietly(X, y, 3, random_state=1, max_time=1e-9)
    assert late.status is Status.TIME_LIMIT
