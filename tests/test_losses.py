"""Losses: gradients, conjugates and their domains, curvature, balancing, and user-made ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize, minimize_scalar

from nogap import Status, train
from nogap.losses import (
    LOSSES,
    Hinge,
    Huber,
    Logistic,
    Loss,
    Multinomial,
    Squared,
    SquaredHinge,
    get_loss,
)

ALL = [Squared(), Huber(), Huber(0.3), Logistic(), SquaredHinge(), Hinge(), Multinomial()]
SMOOTH = [loss for loss in ALL if loss.smooth]
BOXED = [loss for loss in ALL if not isinstance(loss, Multinomial)]
each_loss = pytest.mark.parametrize("loss", ALL, ids=repr)
quick = settings(deadline=None, max_examples=25)
figures = st.floats(-6, 6, allow_subnormal=False)


def targets(loss, rng, n, outputs):
    if isinstance(loss, Multinomial):
        return np.eye(3)[rng.integers(3, size=n)]
    if loss.classifies:
        return rng.choice([-1.0, 1.0], size=(n, outputs))
    return rng.normal(size=(n, outputs)) * 2


def case(loss, seed, n=5, outputs=2):
    """Outputs (n, C) and encoded targets."""
    rng = np.random.default_rng(seed)
    Y = targets(loss, rng, n, outputs)
    return 2 * rng.normal(size=Y.shape), Y, rng


def distance_to_kink(loss, F, Y):
    """How far the outputs are from where the loss has no second derivative."""
    if isinstance(loss, Huber):
        return np.abs(np.abs(F - Y) - loss.delta).min()
    if isinstance(loss, Hinge | SquaredHinge):
        return np.abs(1 - Y * F).min()
    return np.inf


def inside_the_domain(loss, Y, rng):
    """A point of the conjugate's domain that is no gradient of anything in particular."""
    if isinstance(loss, Multinomial):
        return rng.dirichlet([0.5] * Y.shape[1], size=Y.shape[0]) - Y
    if isinstance(loss, Squared):
        return 3 * rng.normal(size=Y.shape)
    if isinstance(loss, Huber):
        return rng.uniform(-loss.delta, loss.delta, size=Y.shape)
    top = 5.0 if isinstance(loss, SquaredHinge) else 1.0
    return -Y * rng.uniform(0, top, size=Y.shape)


# ---------------------------------------------------------------- derivatives


@each_loss
@given(seed=st.integers(0, 10**6))
@quick
def test_the_gradient_is_the_derivative_of_the_value(loss, seed):
    F, Y, _ = case(loss, seed)
    h = 1e-6
    assume(distance_to_kink(loss, F, Y) > 10 * h)
    gradient = loss.gradient(F, Y)
    assert gradient.shape == F.shape
    for c in range(F.shape[1]):
        step = np.zeros_like(F)
        step[:, c] = h
        slope = (loss.value(F + step, Y) - loss.value(F - step, Y)) / (2 * h)
        assert_allclose(gradient[:, c], slope, atol=1e-7)


@pytest.mark.parametrize("loss", SMOOTH, ids=repr)
@given(seed=st.integers(0, 10**6))
@quick
def test_hessian_product_and_curvature(loss, seed):
    F, Y, rng = case(loss, seed)
    D = rng.normal(size=F.shape)
    h = 1e-6
    assume(distance_to_kink(loss, F, Y) > 100 * h)
    product = loss.hessian_product(F, Y, D)
    change = (loss.gradient(F + h * D, Y) - loss.gradient(F - h * D, Y)) / (2 * h)
    assert_allclose(product, change, atol=1e-7)
    bound = loss.curvature(F, Y)
    assert bound.shape == F.shape
    assert bound.min() >= 0
    assert np.all(np.sum(D * product, axis=1) <= np.sum(bound * D**2, axis=1) + 1e-12)


@each_loss
def test_one_figure_a_sample_and_no_coupling_of_samples(loss):
    F, Y, _ = case(loss, 0)
    value = loss.value(F, Y)
    assert value.shape == (F.shape[0],)
    assert np.all(value >= 0)
    for i in range(F.shape[0]):
        assert_allclose(loss.value(F[i : i + 1], Y[i : i + 1]), value[i : i + 1], rtol=1e-14)


@pytest.mark.parametrize(
    ("loss", "f", "y", "expected"),
    [
        (Squared(), 2.0, 0.5, 1.125),
        (Huber(1.0), 3.0, 0.0, 2.5),
        (Huber(1.0), 0.5, 0.0, 0.125),
        (Huber(0.5), -2.0, 0.0, 0.875),
        (Logistic(), 0.0, 1.0, np.log(2)),
        (Logistic(), 2.0, -1.0, np.log1p(np.exp(2))),
        (Hinge(), 0.25, 1.0, 0.75),
        (Hinge(), -2.0, -1.0, 0.0),
        (SquaredHinge(), -1.0, 1.0, 2.0),
    ],
)
def test_values_by_hand(loss, f, y, expected):
    assert loss.value(np.array([[f]]), np.array([[y]]))[0] == pytest.approx(expected, rel=1e-14)


def test_several_outputs_add_up_and_softmax_does_not_see_a_shift():
    F, Y, _ = case(Squared(), 1)
    assert_allclose(Squared().value(F, Y), 0.5 * ((F - Y) ** 2).sum(axis=1), rtol=1e-14)
    F, Y, _ = case(Multinomial(), 1)
    probabilities = np.exp(F) / np.exp(F).sum(axis=1, keepdims=True)
    expected = -np.log(probabilities[Y == 1])
    assert_allclose(Multinomial().value(F, Y), expected, rtol=1e-12)
    assert_allclose(Multinomial().value(F + 700.0, Y), expected, rtol=1e-12)


@pytest.mark.parametrize("size", [1e3, 1e8])
@each_loss
def test_far_out_nothing_overflows(loss, size):
    F, Y, _ = case(loss, 2)
    for far in (size * F, -size * F):
        assert np.all(np.isfinite(loss.value(far, Y)))
        assert np.all(np.isfinite(loss.gradient(far, Y)))
        assert np.all(np.isfinite(loss.hessian_product(far, Y, np.ones_like(F))))


# ---------------------------------------------------------------- the conjugate


@each_loss
@given(seed=st.integers(0, 10**6))
@quick
def test_fenchel_young(loss, seed):
    F, Y, rng = case(loss, seed)
    G = inside_the_domain(loss, Y, rng)
    conjugate = loss.conjugate(G, Y)
    assert np.all(np.isfinite(conjugate))
    assert np.all(loss.value(F, Y) + conjugate >= np.sum(F * G, axis=1) - 1e-12)


@each_loss
@given(seed=st.integers(0, 10**6), size=st.sampled_from([0.1, 1.0, 10.0, 300.0]))
@quick
def test_fenchel_young_is_tight_at_the_gradient(loss, seed, size):
    F, Y, _ = case(loss, seed)
    F = size * F
    G = loss.gradient(F, Y)
    products = np.sum(F * G, axis=1)
    room = 1e-12 * (1 + np.abs(F).max() ** 2)
    assert_allclose(loss.value(F, Y) + loss.conjugate(G, Y), products, atol=room)


@pytest.mark.parametrize("loss", BOXED, ids=repr)
def test_the_conjugate_is_the_supremum(loss):
    rng = np.random.default_rng(3)
    for _ in range(20):
        Y = targets(loss, rng, 1, 1)
        G = inside_the_domain(loss, Y, rng)
        best = minimize_scalar(
            lambda f, G=G, Y=Y: float(loss.value(np.array([[f]]), Y)[0] - f * G[0, 0]),
            bounds=(-60, 60),
            method="bounded",
            options={"xatol": 1e-10},
        )
        assert loss.conjugate(G, Y)[0] == pytest.approx(-best.fun, abs=1e-8)


def test_the_multinomial_conjugate_is_the_supremum():
    loss, rng = Multinomial(), np.random.default_rng(4)
    for _ in range(10):
        Y = np.eye(3)[[rng.integers(3)]]
        G = rng.dirichlet([2.0] * 3, size=1) - Y
        best = minimize(
            lambda f, G=G, Y=Y: float(loss.value(f[None], Y)[0] - f @ G[0]),
            np.zeros(3),
            jac=lambda f, G=G, Y=Y: (loss.gradient(f[None], Y) - G)[0],
            tol=1e-10,
        )
        assert loss.conjugate(G, Y)[0] == pytest.approx(-best.fun, abs=1e-8)


@pytest.mark.parametrize(
    ("loss", "y", "outside"),
    [
        (Huber(0.5), 0.3, [0.51, -0.51]),
        (Logistic(), 1.0, [0.01, -1.01]),
        (Logistic(), -1.0, [-0.01, 1.01]),
        (Hinge(), 1.0, [0.01, -1.01]),
        (Hinge(), -1.0, [-0.01, 1.01]),
        (SquaredHinge(), 1.0, [0.01]),
        (SquaredHinge(), -1.0, [-0.01]),
    ],
)
def test_outside_the_domain_the_supremum_and_the_conjugate_are_infinite(loss, y, outside):
    Y = np.array([[y]])
    for g in outside:
        assert loss.conjugate(np.array([[g]]), Y)[0] == np.inf
        far = np.array([[-1e6], [1e6]])
        assert (g * far[:, 0] - loss.value(far, np.full((2, 1), y))).max() > 1e3


@pytest.mark.parametrize(
    "G", [[-1.01, 0.5, 0.51], [0.1, -0.2, 0.1], [-0.5, 0.5, 0.1], [0.1, 0.0, 0.0]]
)
def test_outside_the_multinomial_domain(G):
    Y = np.array([[1.0, 0.0, 0.0]])
    assert Multinomial().conjugate(np.array([G]), Y)[0] == np.inf


def test_at_the_corners_of_the_domain():
    Y = np.array([[1.0], [-1.0]])
    for s, expected in [(0.0, 0.0), (1.0, 0.0), (0.5, -np.log(2))]:
        assert_allclose(Logistic().conjugate(-Y * s, Y), expected, atol=1e-15)
        assert_allclose(Hinge().conjugate(-Y * s, Y), -s, atol=1e-15)
    assert_allclose(Huber(2.0).conjugate(np.array([[2.0]]), np.array([[3.0]])), 8.0)
    Y = np.eye(3)
    assert_array_equal(Multinomial().conjugate(np.zeros((3, 3)), Y), 0.0)
    assert_array_equal(Multinomial().conjugate(Y[[1, 2, 0]] - Y, Y), 0.0)


# ---------------------------------------------------------------- largest_scale


@each_loss
@given(seed=st.integers(0, 10**6), size=st.sampled_from([1e-6, 0.2, 1.0, 30.0]))
@quick
def test_feasible_up_to_the_largest_scale_and_not_beyond(loss, seed, size):
    _, Y, rng = case(loss, seed)
    G = size * inside_the_domain(loss, Y, rng)
    largest = loss.largest_scale(G, Y)
    assert largest > 0
    top = min(largest, 1e6)
    for share in (0.0, 1e-3, 0.5, 1 - 1e-13):
        assert np.all(np.isfinite(loss.conjugate(share * top * G, Y)))
    if np.isfinite(largest):
        assert np.any(np.isinf(loss.conjugate(1.001 * largest * G, Y)))


@pytest.mark.parametrize("loss", [Logistic(), Hinge(), SquaredHinge()], ids=repr)
def test_a_wrong_sign_cannot_be_scaled_into_the_domain(loss):
    Y = np.array([[1.0], [-1.0]])
    G = np.array([[-0.5], [-1e-9]])  # the second has the wrong sign
    assert loss.largest_scale(G, Y) == 0.0
    assert np.isinf(loss.conjugate(1e-3 * G, Y)).any()


def test_a_wrong_multinomial_point_cannot_be_scaled_into_the_domain():
    Y = np.array([[1.0, 0.0, 0.0]])
    for G in ([[-0.5, 0.6, -0.1]], [[-0.5, 0.4, 0.0]]):
        assert Multinomial().largest_scale(np.array(G), Y) == 0.0


@each_loss
def test_zero_may_be_scaled_without_end(loss):
    Y = case(loss, 0)[1]
    assert loss.largest_scale(np.zeros_like(Y), Y) == np.inf
    assert np.all(np.isfinite(loss.conjugate(np.zeros_like(Y), Y)))


@each_loss
@given(seed=st.integers(0, 10**6))
@quick
def test_a_negative_gradient_is_a_dual_point(loss, seed):
    F, Y, _ = case(loss, seed)
    G = loss.gradient(F, Y)
    assert loss.largest_scale(G, Y) >= 1 - 1e-12
    assert np.all(np.isfinite(loss.conjugate(0.7 * G, Y)))


# ---------------------------------------------------------------- balance


@each_loss
@given(
    seed=st.integers(0, 10**6),
    weights=arrays(float, 6, elements=st.sampled_from([0.0, 0.3, 1.0, 2.5])),
    at_gradient=st.booleans(),
)
@quick
def test_balance_gives_zero_column_sums_inside_the_domain(loss, seed, weights, at_gradient):
    F, Y, rng = case(loss, seed, n=6)
    if loss.classifies:
        kept = Y[weights > 0]
        assume(kept.size and np.all(np.ptp(kept, axis=0) > 0))  # every class has a sample
    assume(weights.sum() > 0)
    G = loss.gradient(F, Y) if at_gradient else inside_the_domain(loss, Y, rng)
    V = -weights[:, None] * G
    balanced = loss.balance(V.copy(), Y, weights)
    assert balanced.shape == V.shape
    assert_allclose(balanced.sum(axis=0), 0.0, atol=1e-12)
    assert_array_equal(balanced[weights == 0], 0.0)
    kept = weights > 0
    scaled = -balanced[kept] / weights[kept, None]
    if isinstance(loss, Multinomial):
        assert_allclose(scaled.sum(axis=1), 0.0, atol=1e-12)
    assert loss.largest_scale(scaled, Y[kept]) >= 1 - 1e-9
    assert np.all(np.isfinite(loss.conjugate((1 - 1e-9) * scaled, Y[kept])))


@each_loss
def test_balance_leaves_a_balanced_point_alone(loss):
    F, Y, _ = case(loss, 5, n=6)
    weights = np.array([1.0, 2.0, 0.5, 0.0, 1.0, 1.0])
    once = loss.balance(-weights[:, None] * loss.gradient(F, Y), Y, weights)
    assert_allclose(loss.balance(once.copy(), Y, weights), once, atol=1e-8)


# ---------------------------------------------------------------- encode


def test_encode_makes_columns_of_floats():
    for loss in (Squared(), Huber()):
        assert_array_equal(loss.encode([1, 2]), [[1.0], [2.0]])
        assert loss.encode([[1, 2]]).dtype == np.float64
        assert_array_equal(loss.encode([[1, 2]]), [[1.0, 2.0]])
    for loss in (Logistic(), Hinge(), SquaredHinge()):
        assert_array_equal(loss.encode([1, -1, 1]), [[1.0], [-1.0], [1.0]])
    one_hot = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    assert_array_equal(Multinomial().encode([2, 0, 1]), one_hot)
    assert_array_equal(Multinomial().encode([[2], [0], [1]]), one_hot)
    assert_array_equal(Multinomial().encode(one_hot), one_hot)


@each_loss
@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["a", "b"], "y must be numeric; encode text"),
        ([1.0, np.nan], r"y holds nan in row 1; remove or fill"),
        ([np.inf, 1.0], r"y holds inf in row 0; remove or fill"),
        ([], r"y must be \(n,\) or \(n, C\) and not empty"),
        (np.ones((2, 1, 1)), r"y must be \(n,\) or \(n, C\)"),
        (1.0, r"y must be \(n,\) or \(n, C\)"),
        ([[1.0, -1.0], [1.0]], "y"),  # ragged
        (np.array([1.0 + 2.0j, -1.0]), "y|numeric|real"),
    ],
    ids=["text", "nan", "inf", "empty", "3-d", "scalar", "ragged", "complex"],
)
def test_targets_that_no_loss_takes(loss, y, message):
    with pytest.raises(ValueError, match=message) as caught:
        loss.encode(y)
    assert "inhomogeneous" not in str(caught.value)  # NumPy's words, not ours


@pytest.mark.parametrize("loss", [Logistic(), Hinge(), SquaredHinge()], ids=repr)
@pytest.mark.parametrize("y", [[1, 0, -1], [1, 2, 1], [1, 0.5, -1]])
def test_margin_losses_say_which_label_is_wrong(loss, y):
    with pytest.raises(ValueError, match=rf"{loss.name} .*-1 and 1, got {y[1]:g} in row 1"):
        loss.encode(y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 1.5], "class indices 0, 1, 2"),
        ([0, -1], "class indices 0, 1, 2"),
        ([0, 0, 0], "at least two classes"),
        ([[1, 0], [1, 1]], "row 1 of y is not one-hot"),
        ([[1, 0], [0, 0]], "row 1 of y is not one-hot"),
        ([[1, 0], [0.5, 0.5]], "row 1 of y is not one-hot"),
        ([0, 1, 10**9], "class"),
    ],
)
def test_multinomial_targets_that_do_not_fit(y, message):
    with pytest.raises(ValueError, match=message):
        Multinomial().encode(y)


def test_losses_by_name():
    for name, kind in LOSSES.items():
        assert isinstance(get_loss(name), kind)
        assert get_loss(name).name == name
    mine = Huber(0.25)
    assert get_loss(mine) is mine
    for wrong in ("square", None, 3, Squared):
        with pytest.raises(ValueError, match=r"unknown loss .*; use one of hinge, huber, logistic"):
            get_loss(wrong)
    for wrong in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="delta must be positive"):
            Huber(wrong)


# ---------------------------------------------------------------- a loss of one's own


class LogCosh(Loss):
    """``log cosh(f - y)``: smooth, with the box [-1, 1] as its dual domain."""

    name = "log_cosh"

    def encode(self, y):
        Y = np.asarray(y, dtype=float)
        return Y.reshape(len(Y), -1)

    def value(self, F, Y):
        R = np.abs(F - Y)
        return (R + np.log1p(np.exp(-2 * R)) - np.log(2)).sum(axis=1)

    def gradient(self, F, Y):
        return np.tanh(F - Y)

    def curvature(self, F, Y):
        return 1 - np.tanh(F - Y) ** 2

    def conjugate(self, G, Y):
        inside = np.abs(G) <= 1
        g = np.clip(G, -1 + 1e-16, 1 - 1e-16)
        entropy = 0.5 * ((1 + g) * np.log1p(g) + (1 - g) * np.log1p(-g))
        return np.where(inside, G * Y + entropy, np.inf).sum(axis=1)

    def largest_scale(self, G, Y):
        largest = np.abs(G).max(initial=0.0)
        return 1 / largest if largest > 0 else np.inf


class Absolute(LogCosh):
    """``|f - y|``: no gradient at zero, and not the hinge loss either."""

    name = "absolute"
    smooth = False

    def value(self, F, Y):
        return np.abs(F - Y).sum(axis=1)

    def gradient(self, F, Y):
        return np.sign(F - Y)

    def curvature(self, F, Y):
        return np.zeros_like(F)

    def conjugate(self, G, Y):
        return np.where(np.abs(G) <= 1, G * Y, np.inf).sum(axis=1)


def reached_by_descent(X, y, beta, intercept, seeds=15, width=10):
    """The best of several L-BFGS runs on the weight-decay form of the log-cosh problem."""
    n, d = X.shape

    def objective(x):
        U, a, b = x[: width * d].reshape(width, d), x[width * d : -1], x[-1] * intercept
        r = np.maximum(X @ U.T, 0) @ a + b - y
        return LogCosh().value(r[:, None], np.zeros((n, 1))).sum() + 0.5 * beta * x[:-1] @ x[:-1]

    rng = np.random.default_rng(0)
    starts = rng.normal(size=(seeds, width * (d + 1) + 1))
    return min(minimize(objective, x, method="L-BFGS-B").fun for x in starts)


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_a_loss_of_ones_own_trains_to_a_certificate(fit_intercept):
    rng = np.random.default_rng(1)
    X = np.column_stack([rng.normal(size=10), np.ones(10)])
    y = np.abs(X[:, 0]) + 0.3 * rng.normal(size=10)
    y[3] += 5
    solution = train(
        X, y, beta=0.3, loss=LogCosh(), fit_intercept=fit_intercept, tol=1e-6, random_state=0
    )
    certificate = solution.certificate
    assert solution.status is Status.OPTIMAL
    assert certificate.kind == "exact"
    assert certificate.relative_gap <= 1e-4
    own = solution.network.objective(X, y, beta=0.3, loss=LogCosh())
    assert own == pytest.approx(solution.objective, rel=1e-12)
    descent = reached_by_descent(X, y, 0.3, fit_intercept, seeds=4)
    assert certificate.lower_bound <= descent * (1 + 1e-9)
    assert solution.objective <= descent * (1 + 1e-4)


def test_a_loss_without_gradient_of_ones_own_is_refused_not_mistaken_for_the_hinge_loss():
    X, y = np.array([[1.0, 1.0], [2.0, 1.0], [-1.0, 1.0]]), [1.0, 3.0, 0.5]
    try:
        solution = train(X, y, beta=0.1, loss=Absolute(), random_state=0, max_time=0.5)
    except (ValueError, NotImplementedError) as error:
        sentence = str(error)
    else:  # answered: then well
        assert solution.certificate.relative_gap <= 1e-3
        return
    assert "absolute" in sentence
