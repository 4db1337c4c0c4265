"""ConstrainedMLPClassifier and ConstrainedMLPRegressor: scikit-learn's checks and what they promise."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris, make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import nogap
from nogap.estimators import ConstrainedMLPClassifier, ConstrainedMLPRegressor
from nogap.lifted import Affine, Order

QUICK = {"tol": 0.1, "max_iter": 1, "warm_up": 10}


@parametrize_with_checks(
    [
        ConstrainedMLPRegressor((3,), **QUICK),
        ConstrainedMLPClassifier((3,), error_budget=3.0, **QUICK),
    ]
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def imbalanced():
    X, y = make_moons((60, 12), noise=0.25, random_state=0)
    return StandardScaler().fit_transform(X), np.array(["often", "rare"])[y]


def mean_errors(model, X, y):
    """Mean absolute error of each class on labels -1 and 1."""
    F = model.decision_function(X)
    coded = np.where(y == model.classes_[1], 1.0, -1.0)
    return {label: np.abs(F - coded)[y == label].mean() for label in model.classes_}


def test_every_class_keeps_its_budget(imbalanced):
    X, y = imbalanced
    free = ConstrainedMLPClassifier((4,), error_budget=None).fit(X, y)
    tight = ConstrainedMLPClassifier((4,), error_budget=0.25).fit(X, y)
    assert mean_errors(free, X, y)["rare"] > 0.25  # the budget has something to do
    assert max(mean_errors(tight, X, y).values()) <= 0.25 * (1 + 1e-6)
    assert tight.excess_ <= 1e-6
    only = ConstrainedMLPClassifier((4,), error_budget={"rare": 0.2}).fit(X, y)
    assert mean_errors(only, X, y)["rare"] <= 0.2 * (1 + 1e-6)


def test_several_classes_have_one_output_each():
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X)[::3]
    model = ConstrainedMLPClassifier((4,), error_budget=0.8, max_iter=10, tol=1e-3).fit(X, y[::3])
    F = model.decision_function(X)
    coded = 2.0 * np.eye(3)[y[::3]] - 1.0
    errors = np.abs(F - coded).sum(axis=1)
    assert all(errors[y[::3] == k].mean() <= 0.8 * (1 + 1e-6) for k in range(3))
    assert model.score(X, y[::3]) > 0.9


def test_a_budget_that_no_network_keeps_is_reported():
    X = np.zeros((6, 1))
    with pytest.warns(ConvergenceWarning, match="hard constraints"):
        model = ConstrainedMLPClassifier((2,), error_budget=0.5, max_iter=3).fit(X, [0, 1] * 3)
    assert model.status_ is nogap.Status.CONSTRAINTS_NOT_MET
    assert model.excess_ == pytest.approx(1.0, abs=0.02)  # the best constant, 0, errs by 2 budgets


def test_bounds_and_monotone_features():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.uniform(-2, 2, size=(40, 2)), columns=["dose", "age"])
    y = np.tanh(X["dose"]) + 0.5 * np.sin(4 * X["dose"]) - 0.3 * X["age"]
    model = ConstrainedMLPRegressor(
        (5,), lower=-1.0, upper=1.0, monotonic_cst={"dose": 1, "age": -1}, warm_up=50, max_iter=2
    ).fit(X, y)
    F = model.predict(X)
    assert F.min() >= -1 - 1e-6
    assert F.max() <= 1 + 1e-6
    grid = pd.DataFrame({"dose": np.linspace(-2, 2, 41), "age": 0.0})
    assert np.diff(model.predict(grid)).min() > -0.02  # between the points of the grid
    free = ConstrainedMLPRegressor((5,), warm_up=300, max_iter=2, random_state=1).fit(X, y)
    assert np.diff(free.predict(grid)).min() < -0.02


@pytest.mark.parametrize(("unit", "offset"), [(1e-9, 0.0), (1e-5, 0.0), (1.0, 1e5)])
@pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
def test_units_and_offsets_of_the_target_change_nothing(unit, offset):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    y = X[:, 0] + 0.3 * rng.normal(size=60)
    model = ConstrainedMLPRegressor(
        (4,), monotonic_cst=[1, 0], lower=offset - unit, upper=offset + unit, max_iter=3
    )
    F = (model.fit(X, offset + unit * y).predict(X) - offset) / unit
    plain = clone(model).set_params(lower=-1.0, upper=1.0).fit(X, y)
    assert np.abs(F).max() <= 1.0
    assert model.excess_ <= 1e-6
    assert np.mean((F - y) ** 2) == pytest.approx(np.mean((plain.predict(X) - y) ** 2), rel=0.1)
    lines = np.column_stack([np.linspace(X[:, 0].min(), X[:, 0].max(), 40), np.zeros(40)])
    assert np.diff(model.predict(lines)).min() > -0.05 * unit


def test_constraints_as_a_function_of_the_data_survive_a_clone():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(25, 2))
    Y = np.column_stack([X[:, 0], 1 - X[:, 0]]) + 0.1 * rng.normal(size=(25, 2))

    def law(X, Y):
        return [Affine(np.kron(np.eye(len(X)), [[1.0, 1.0]]), 1.0, equality=True)]

    model = clone(ConstrainedMLPRegressor((3,), constraints=law, tol=1e-3)).fit(X, Y)
    assert np.abs(model.predict(X).sum(axis=1) - 1).max() <= 1e-6


def test_sample_weights_are_repeated_rows_in_the_loss_and_in_the_budgets(imbalanced):
    X, y = imbalanced[0][::2], imbalanced[1][::2]
    counts = np.random.default_rng(0).integers(0, 4, size=len(y))
    repeated = np.repeat(np.arange(len(y)), counts)
    model = ConstrainedMLPClassifier((3,), error_budget=0.3, max_iter=2, class_weight="balanced")
    weighted = clone(model).fit(X, y, sample_weight=counts)
    again = clone(model).fit(X[repeated], y[repeated])
    np.testing.assert_array_equal(weighted.decision_function(X), again.decision_function(X))
    assert weighted.objective_ == pytest.approx(again.objective_, rel=1e-12)
    errors = mean_errors(weighted, X[repeated], y[repeated])
    assert max(errors.values()) <= 0.3 * (1 + 1e-6)


def test_given_constraints_stay_at_their_rows_when_rows_are_merged_or_have_no_weight():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(12, 2))
    X[5] = X[0]
    y = X[:, 0] + 0.1 * rng.normal(size=12)
    y[5] = y[0]
    weights = np.ones(12)
    weights[7] = 0.0
    order = np.argsort(-X[:, 0])[:4]  # against the trend: only the constraint brings it about
    pairs = np.column_stack([order[:-1], order[1:]])
    pairs = np.vstack([pairs, [[5, 7]]])
    model = ConstrainedMLPRegressor((3,), constraints=[Order(pairs, 0.05)], max_iter=2)
    F = model.fit(X, y, sample_weight=weights).predict(X)
    assert np.all(F[pairs[:, 0]] <= F[pairs[:, 1]] - 0.05 + 1e-6)


def test_class_weights_are_sample_weights_and_leave_budgets_alone(imbalanced):
    X, y = imbalanced[0][::2], imbalanced[1][::2]
    model = ConstrainedMLPClassifier((3,), error_budget=None, max_iter=2)
    by_class = clone(model).set_params(class_weight={"rare": 4.0}).fit(X, y)
    by_row = clone(model).fit(X, y, sample_weight=np.where(y == "rare", 4.0, 1.0))
    np.testing.assert_allclose(by_class.decision_function(X), by_row.decision_function(X))
    assert mean_errors(by_class, X, y)["rare"] < mean_errors(model.fit(X, y), X, y)["rare"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"monotonic_cst": [1]}, "monotonic_cst must hold -1, 0 or 1"),
        ({"monotonic_cst": {"dose": 1}}, "X has no feature names"),
        ({"constraints": [Order([[0, 99]])]}, "pairs name rows"),
        ({"lower": 1.0, "upper": 0.0}, "no output lies between"),
        ({"hidden": []}, "at least one layer"),
        ({"constraints": [3]}, r"constraints\[0\] must be a constraint"),
        ({"constraints": lambda X, Y: 3}, "must be a list of constraints, got int"),
    ],
)
def test_refusals_of_the_regressor(options, message):
    with pytest.raises(ValueError, match=message):
        ConstrainedMLPRegressor(**options).fit(np.eye(3), np.arange(3.0))


def test_refusals_of_the_classifier():
    with pytest.raises(ValueError, match="names the class 7"):
        ConstrainedMLPClassifier(error_budget={7: 0.5}).fit(np.eye(3), [0, 1, 1])
    with pytest.raises(ValueError, match="class_weight names the class 7"):
        ConstrainedMLPClassifier(class_weight={7: 0.5}).fit(np.eye(3), [0, 1, 1])
    with pytest.raises(ValueError, match="only one class, 1, among the samples of positive"):
        ConstrainedMLPClassifier().fit(np.eye(3), [0, 1, 1], sample_weight=[0, 1, 1])
