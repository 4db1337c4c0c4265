"""ReLURegressorCV and ReLUClassifierCV: the choice of alpha, determinism, splits, refusals."""

import logging
import os

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_iris, make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GroupKFold, KFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from nogap import regularization_path
from nogap.estimators import (
    ReLUClassifier,
    ReLUClassifierCV,
    ReLUFeatures,
    ReLURegressor,
    ReLURegressorCV,
)
from nogap.estimators._folds import ShuffledFolds, folds
from nogap.estimators._selection import _learnt_out, sufficient_gap
from nogap.solution import Status

# These fit dozens of times.  All of scikit-learn's checks: NOGAP_ALL_CHECKS=1 pytest <this file>.
EXPENSIVE = {
    "check_dtype_object",
    "check_estimator_sparse_array",
    "check_estimator_sparse_matrix",
    "check_estimator_sparse_tag",
    "check_estimators_dtypes",
    "check_estimators_nan_inf",
    "check_estimators_overwrite_params",
    "check_fit_idempotent",
    "check_fit_score_takes_y",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_n_features_in_after_fitting",
    "check_pipeline_consistency",
    "check_positive_only_tag_during_fit",
    "check_readonly_memmap_input",
    "check_regressor_data_not_an_array",
    "check_regressor_multioutput",
    "check_regressors_int",
    "check_regressors_train",
    "check_classifiers_classes",
    "check_classifiers_train",
    "check_classifiers_regression_target",
    "check_classifier_data_not_an_array",
    "check_sample_weight_equivalence_on_sparse_data",
    "check_sample_weights_list",
    "check_transformer_general",
    "check_transformer_data_not_an_array",
    "check_supervised_y_2d",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
}
CHECKED = [
    ReLURegressorCV([1.0, 0.3], cv=2, tol=0.1),
    ReLUClassifierCV([0.1, 0.03], cv=2, tol=0.1),
    ReLUFeatures(ReLUClassifier(0.1, tol=0.1)),
]


def checks():
    for estimator in CHECKED:
        for model, check in estimator_checks_generator(estimator, legacy=True):
            name = getattr(check, "func", check).__name__
            if name not in EXPENSIVE or os.environ.get("NOGAP_ALL_CHECKS"):
                yield pytest.param(model, check, id=f"{type(model).__name__}-{name}")


@pytest.mark.parametrize(("model", "check"), list(checks()))
def test_scikit_learn_checks(model, check):
    check(model)


@pytest.fixture(scope="module")
def regression():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    return X, np.abs(X[:, 0]) - X[:, 1] + 0.3 * rng.normal(size=60)


@pytest.fixture(scope="module")
def fitted(regression):
    return ReLURegressorCV(6, cv=3, tol=0.01).fit(*regression)


@pytest.fixture(scope="module")
def classes():
    X, y = make_moons(60, noise=0.25, random_state=0)
    return X, np.array(["no", "yes"])[y]


# -- the choice --------------------------------------------------------------------------------


def test_scores_are_those_of_single_fits(regression, fitted):
    """The path with warm starts and a coarse gap gives the held-out losses of plain fits."""
    X, y = regression
    fold = folds(None, 60, 3, seed=0)
    for k in range(3):
        train, test = fold != k, fold == k
        for row in (0, 2):
            alpha = fitted.alphas_[row]
            plain = ReLURegressor(alpha, tol=1e-3).fit(X[train], y[train])
            loss = 0.5 * np.mean((plain.predict(X[test]) - y[test]) ** 2)
            found = -fitted.cv_results_[f"split{k}_test_score"][row]
            assert found == pytest.approx(loss, abs=0.05 * y.var())


def test_the_best_mean_score_is_chosen_and_refitted(regression, fitted):
    X, y = regression
    results = fitted.cv_results_
    best = int(np.argmax(results["mean_test_score"]))
    assert fitted.alpha_ == fitted.alphas_[best]
    assert results["rank_test_score"][best] == 1
    assert np.all(np.diff(fitted.alphas_) < 0)
    assert best > 0
    table = pd.DataFrame(results)
    assert len(table) == fitted.alphas_.size
    assert table["mean_n_neurons"].iloc[0] <= 1  # alpha_max of all rows
    refit = ReLURegressor(fitted.alpha_, tol=0.01).fit(X, y)
    np.testing.assert_array_equal(refit.predict(X), fitted.predict(X))
    assert fitted.certificate_.relative_gap <= 1e-2
    assert fitted.score(X, y) > 0.8


def test_one_standard_error_takes_a_larger_alpha(regression, fitted):
    careful = ReLURegressorCV(6, cv=3, tol=0.01, rule="one_standard_error").fit(*regression)
    results = careful.cv_results_
    scores = np.array([results[f"split{k}_test_score"] for k in range(3)])
    mean, error = scores.mean(axis=0), scores.std(axis=0, ddof=1) / np.sqrt(3)
    best = int(np.argmax(mean))
    chosen = int(np.flatnonzero(careful.alphas_ == careful.alpha_)[0])
    assert mean[chosen] >= mean[best] - error[best]
    assert chosen == 0 or mean[chosen - 1] < mean[best] - error[best]
    assert careful.alpha_ >= fitted.alpha_
    assert careful.n_neurons_ <= fitted.n_neurons_


def test_the_path_ends_when_it_gets_worse(regression):
    X, _ = regression
    noise = np.random.default_rng(1).normal(size=60)
    model = ReLURegressorCV(12, cv=2, tol=0.05).fit(X, noise)
    best = int(np.argmax(model.cv_results_["mean_test_score"]))
    assert model.alphas_.size < 12
    assert model.alphas_.size >= best + 4


def test_classes_strings_weights_and_probabilities(classes):
    X, y = classes
    model = ReLUClassifierCV(6, cv=3, class_weight="balanced", scoring="accuracy", tol=0.01)
    model.fit(X, y, sample_weight=np.ones(60))
    assert model.predict_proba(X).shape == (60, 2)
    assert set(model.predict(X)) == {"no", "yes"}
    assert model.score(X, y) > 0.8
    assert model.cv_results_["mean_test_score"].min() >= 0
    assert model.cv_results_["mean_test_score"].max() <= 1


def test_rare_classes_do_not_stop_it():
    X, y = load_iris(return_X_y=True)
    rows = np.concatenate([np.arange(0, 30, 2), np.arange(50, 80, 2), [100, 120]])
    X, y = StandardScaler().fit_transform(X[rows]), y[rows]
    model = ReLUClassifierCV([0.1, 0.03], cv=4, tol=0.01).fit(X, y)
    assert model.classes_.tolist() == [0, 1, 2]
    assert np.all(np.isfinite(model.cv_results_["mean_test_score"]))


def test_the_only_row_of_a_class_is_always_trained_on():
    X = np.random.default_rng(0).normal(size=(20, 2))
    y = np.r_[np.zeros(19), 1.0]
    splits = list(ShuffledFolds(5, by_class=True, seed=0).split(X, y))
    assert all(19 in train for train, _ in splits)
    assert sorted(np.concatenate([test for _, test in splits])) == list(range(19))
    assert ReLUClassifierCV([0.1], cv=2, tol=0.1).fit(X, y).classes_.size == 2
    with pytest.raises(ValueError, match="every class has only one row"):
        ReLUClassifierCV([0.1]).fit(X[:4], [0, 1, 2, 3])


def test_constant_target():
    X = np.random.default_rng(0).normal(size=(20, 2))
    model = ReLURegressorCV(5, cv=2).fit(X, np.full(20, 3.0))
    np.testing.assert_allclose(model.predict(X), 3.0)


# -- the same again ----------------------------------------------------------------------------


def test_the_number_of_processes_does_not_change_a_bit(regression):
    X, y = regression
    model = ReLURegressorCV([0.6, 0.3, 0.2, 0.1], cv=2, tol=0.01, random_state=5)
    alone, again, apart = (clone(model).set_params(n_jobs=k).fit(X, y) for k in (1, 1, 2))
    for other in (again, apart):
        assert alone.alpha_ == other.alpha_
        for name in ("split0_test_score", "split1_test_score"):
            np.testing.assert_array_equal(alone.cv_results_[name], other.cv_results_[name])
        np.testing.assert_array_equal(alone.network_.hidden_weights, other.network_.hidden_weights)
        np.testing.assert_array_equal(alone.predict(X), other.predict(X))


def test_sparse_pandas_and_polars_give_the_same(regression, monkeypatch):
    X, y = regression
    X = np.where(np.abs(X) < 0.5, 0.0, X)
    model = ReLURegressorCV([0.3, 0.1], cv=2, tol=0.01)
    dense = clone(model).fit(X, y)
    names = ["a", "b", "c"]
    frame = clone(model).fit(pd.DataFrame(X, columns=names), y)
    assert frame.feature_names_in_.tolist() == names
    np.testing.assert_array_equal(frame.predict(pd.DataFrame(X, columns=names)), dense.predict(X))
    polars = pytest.importorskip("polars")
    table = polars.DataFrame({name: X[:, k] for k, name in enumerate(names)})
    from_polars = clone(model).fit(table, y)
    assert from_polars.feature_names_in_.tolist() == names
    np.testing.assert_array_equal(from_polars.predict(table), dense.predict(X))
    seen = []
    train = regularization_path.train

    def spy(X, *arguments, **keywords):
        seen.append(sp.issparse(X))
        return train(X, *arguments, **keywords)

    monkeypatch.setattr(regularization_path, "train", spy)
    sparse = clone(model).fit(sp.csc_array(X), y)
    assert seen
    assert all(seen)
    assert sparse.alpha_ == dense.alpha_
    np.testing.assert_allclose(sparse.predict(X), dense.predict(X), atol=0.05)


def test_several_targets_and_huber(regression):
    X, y = regression
    Y = np.column_stack([y, -0.5 * y])
    model = ReLURegressorCV([0.1, 0.03], cv=2, loss="huber", tol=0.01).fit(X, Y)
    assert model.predict(X).shape == Y.shape
    assert model.score(X, Y) > 0.5


def test_one_against_the_rest_where_asked():
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X[::3, 2:])
    model = OneVsRestClassifier(ReLUClassifier(0.01, tol=0.01)).fit(X, y[::3])
    assert model.score(X, y[::3]) > 0.9
    assert [e.network_.n_outputs for e in model.estimators_] == [1, 1, 1]


# -- scikit-learn's ways -----------------------------------------------------------------------


def test_groups_are_routed_to_the_splitter(regression):
    X, y = regression
    groups = np.arange(60) // 20
    model = ReLURegressorCV([0.9, 0.5], cv=GroupKFold(3), tol=0.05)
    with sklearn.config_context(enable_metadata_routing=True):
        model.set_fit_request(sample_weight=True)
        fitted = model.fit(X, y, sample_weight=np.ones(60), groups=groups)
    by_hand = [(np.flatnonzero(groups != k), np.flatnonzero(groups == k)) for k in range(3)]
    plain = ReLURegressorCV([0.9, 0.5], cv=by_hand, tol=0.05).fit(X, y)
    assert sorted(fitted.cv_results_[f"split{k}_test_score"][1] for k in range(3)) == sorted(
        plain.cv_results_[f"split{k}_test_score"][1] for k in range(3)
    )
    with pytest.raises(ValueError, match=r"enable_metadata_routing=True.*groups"):
        ReLURegressorCV().fit(X, y, groups=groups)


def test_in_a_pipeline_with_verbose(regression, caplog):
    X, y = regression
    model = make_pipeline(StandardScaler(), ReLURegressorCV([0.3, 0.1], cv=KFold(2), verbose=1))
    model.fit(X, y)
    lines = [record.getMessage() for record in caplog.records]
    assert sum("cross-validation: alpha" in line for line in lines) == 2
    assert any("cross-validation takes alpha" in line for line in lines)
    assert "ReLURegressorCV" in model._repr_html_()


def test_a_split_that_names_a_row_that_is_not_there(regression):
    X, y = regression
    with pytest.raises(ValueError, match="names row 999, but there are"):
        ReLURegressorCV([0.3], cv=[(np.arange(20), np.array([20, 999]))]).fit(X, y)


def test_a_path_that_runs_out_of_time_says_so(regression):
    X, y = regression
    with pytest.warns(ConvergenceWarning, match="ran out of time; alpha is the best of the"):
        model = ReLURegressorCV([1.0, 0.6, 0.3, 0.2, 0.1], cv=2, max_time=1e-3).fit(X, y)
    assert model.alphas_.size < 5


def test_ctrl_c_keeps_the_alphas_that_were_tried(regression, monkeypatch):
    X, y = regression
    train, count = regularization_path.train, []

    def interrupted(*arguments, **keywords):
        count.append(1)
        solution = train(*arguments, **keywords)
        if len(count) > 7:  # two folds have done their three; the second stage has begun
            object.__setattr__(solution, "status", Status.INTERRUPTED)
        return solution

    monkeypatch.setattr(regularization_path, "train", interrupted)
    model = ReLURegressorCV([1.0, 0.6, 0.3, 0.2, 0.1], cv=2, tol=0.01)
    with pytest.warns(ConvergenceWarning, match="cross-validation was interrupted"):
        model.fit(X, y)
    assert model.alphas_.tolist() == [1.0, 0.6, 0.3]
    assert model.alpha_ == 0.3
    count.extend([1] * 10)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert logging.getLogger("nogap").level == logging.NOTSET


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alphas": [0.1, -1.0]}, "alphas must be positive numbers"),
        ({"alphas": []}, "alphas must be positive numbers"),
        ({"alphas": 0}, "'alphas' parameter"),
        ({"rule": "smallest"}, "'rule' parameter"),
        ({"scoring": "beauty"}, "'scoring' parameter"),
        ({"n_jobs": "all"}, "'n_jobs' parameter"),
        ({"cv": 1}, "'cv' parameter"),
    ],
)
def test_bad_parameters(regression, parameters, message):
    with pytest.raises(ValueError, match=message):
        ReLURegressorCV(**parameters).fit(*regression)


def test_bad_splits(classes):
    X, y = classes
    order = np.argsort(y, kind="stable")
    halves = [(order[:20], order[20:]), (order[20:], order[:20])]
    with pytest.raises(ValueError, match="split 0 of cv has fewer than two classes to train on"):
        ReLUClassifierCV(cv=halves).fit(X, y)
    weights = np.ones(60)
    weights[order[:20]] = 0.0
    with pytest.raises(ValueError, match="split 1 of cv has no row of positive weight"):
        ReLURegressorCV(cv=[(order[20:], order[30:]), (order[20:], order[:20])]).fit(
            X, np.arange(60.0), sample_weight=weights
        )
    with pytest.raises(ValueError, match="minimum of 4 is required"):
        ReLURegressorCV().fit(X[:3], np.arange(3.0))


# -- the hidden layer as features --------------------------------------------------------------


def test_features_are_the_network_in_another_scale(regression):
    X, y = regression
    features = ReLUFeatures(ReLURegressor(0.05)).set_output(transform="pandas")
    table = features.fit(pd.DataFrame(X, columns=["a", "b", "c"]), y).transform(
        pd.DataFrame(X, columns=["a", "b", "c"])
    )
    network = features.estimator_.network_
    assert table.columns.tolist() == [f"relufeatures{k}" for k in range(network.n_neurons)]
    signs = np.sign(network.output_weights[:, 0])
    np.testing.assert_allclose(table.to_numpy() @ signs + network.intercept, network.predict(X))


def test_features_choose_the_task_by_the_target(regression, classes):
    assert isinstance(
        ReLUFeatures().fit(regression[0][:12], regression[1][:12]).estimator_, ReLURegressor
    )
    X, y = classes
    features = ReLUFeatures().fit(X, y, sample_weight=np.ones(60))
    assert isinstance(features.estimator_, ReLUClassifier)
    assert features.transform(sp.csr_array(X)).shape == (60, features.estimator_.n_neurons_)
    with pytest.raises(TypeError, match="one of nogap's, such as ReLUClassifierCV"):
        ReLUFeatures(StandardScaler()).fit(X, y)


@pytest.mark.parametrize(
    ("losses", "ends"),
    [
        ([1.0, 0.05, 0.04, 0.03], False),  # the first stage has nothing before it but the start
        ([1.0, 0.05, 0.0499, 0.0498, 0.0497], True),
        ([1.0, 0.05, 0.0499, 0.0498, 0.04], False),
        ([1.0, 0.5, 0.4999, 0.4998, 0.4997], False),  # much is left to learn
    ],
)
def test_the_path_ends_where_little_is_left_to_learn(losses, ends):
    assert _learnt_out(np.array(losses)[:, None]) == ends


def test_the_gap_that_ends_the_last_training():
    assert sufficient_gap(1e-2, 3.0, 0.0, 100.0) == pytest.approx(2e-4 * 300)
    assert sufficient_gap(1e-5, 3.0, 0.0, 100.0) == pytest.approx(1e-6 * 300)
    assert sufficient_gap(1e-2, 3.0, 0.5, 100.0) == pytest.approx(0.1 * 50)
    assert sufficient_gap(1e-2, 0.0, 0.0, 100.0) is None


def test_targets_without_noise_are_followed_to_small_alphas():
    X = np.linspace(-2, 2, 40)[:, None]
    model = ReLURegressorCV(cv=3).fit(X, np.abs(X[:, 0]) - np.maximum(X[:, 0] - 1, 0))
    assert model.alpha_ < 1e-3 * model.alphas_[0]
    assert model.score(X, np.abs(X[:, 0]) - np.maximum(X[:, 0] - 1, 0)) > 0.999
