"""The estimators: scikit-learn's checks, equality with ``train``, weights, inputs, refusals."""

import logging
import pickle
import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.special import expit
from sklearn.base import clone
from sklearn.datasets import load_iris, make_circles, make_friedman1, make_moons
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.utils.estimator_checks import parametrize_with_checks

import nogap
from nogap.estimators import ReLUClassifier, ReLURegressor
from nogap.estimators._distinct import distinct_rows
from nogap.losses import Huber, get_loss
from nogap.solution import Status
from nogap.training import train

PRECISE = 1e-7  # a tolerance for tests that compare predictions


# Some checks use targets of a hundred units and more, where the default alpha asks for hundreds of
# neurons; a coarse tolerance shows that no check needs a fine one.
@parametrize_with_checks([ReLURegressor(1.0, tol=0.05), ReLUClassifier(0.03, tol=0.05)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def regression():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    return X, np.abs(X[:, 0]) - X[:, 1] + 0.1 * rng.normal(size=40)


@pytest.fixture(scope="module")
def binary():
    X, codes = make_moons(50, noise=0.2, random_state=0)
    return StandardScaler().fit_transform(X), np.array(["no", "yes"])[codes]


@pytest.fixture(scope="module")
def three_classes():
    X, codes = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X[::3, :2]), np.array(["a", "b", "c"])[codes[::3]]


# -- what is minimised -----------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["squared", "huber", Huber(delta=0.3)])
def test_regressor_is_train_with_beta_n_alpha(regression, loss):
    X, y = regression
    model = ReLURegressor(alpha=0.02, loss=loss, tol=PRECISE).fit(X, y)
    beta = 0.02 * len(y)
    solution = train(X, y, beta=beta, loss=loss, hidden_bias=True, fit_intercept=True, tol=PRECISE)
    assert model.certificate_.beta == pytest.approx(beta)
    assert model.objective_ == pytest.approx(solution.objective, rel=2 * PRECISE)
    assert model.network_.objective(X, y, beta=beta, loss=loss) == pytest.approx(model.objective_)
    assert_same_outputs(model.predict(X), solution.network.predict(X), model)
    assert model.certificate_.relative_gap <= PRECISE
    assert model.status_.converged
    assert model.n_neurons_ == model.network_.n_neurons
    assert model.n_iter_ >= 1
    assert len(model.history_) >= 1


@pytest.mark.parametrize("hidden_bias", [True, False])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_bias_and_intercept_are_as_asked(regression, hidden_bias, fit_intercept):
    X, y = regression
    model = ReLURegressor(0.05, hidden_bias=hidden_bias, fit_intercept=fit_intercept).fit(X, y)
    assert (model.network_.hidden_bias is not None) == hidden_bias
    assert bool(model.network_.intercept[0] != 0) == fit_intercept


@pytest.mark.parametrize("loss", ["logistic", "squared_hinge", "hinge", "squared"])
def test_binary_classifier_is_train_with_beta_n_alpha(binary, loss):
    X, y = binary
    tol = 1e-4 if loss == "hinge" else 1e-5
    model = ReLUClassifier(alpha=0.02, loss=loss, tol=tol).fit(X, y)
    signs = np.where(y == "yes", 1.0, -1.0)
    solution = train(
        X, signs, beta=0.02 * len(y), loss=loss, hidden_bias=True, fit_intercept=True, tol=tol
    )
    assert model.objective_ == pytest.approx(solution.objective, rel=2 * tol)
    decision = model.decision_function(X)
    assert decision.shape == y.shape
    np.testing.assert_array_equal(model.predict(X), np.where(decision > 0, "yes", "no"))
    assert model.classes_.tolist() == ["no", "yes"]
    assert model.score(X, y) > 0.85


def test_logistic_with_more_classes_is_multinomial(three_classes):
    X, y = three_classes
    model = ReLUClassifier(alpha=0.02, tol=1e-5).fit(X, y)
    codes = np.searchsorted(model.classes_, y)
    solution = train(
        X,
        codes,
        beta=0.02 * len(y),
        loss="multinomial",
        hidden_bias=True,
        fit_intercept=True,
        tol=1e-5,
    )
    assert model.objective_ == pytest.approx(solution.objective, rel=3e-5)
    assert model.decision_function(X).shape == (len(y), 3)
    assert model.score(X, y) > 0.7


@pytest.mark.parametrize("loss", ["squared_hinge", "hinge", "squared"])
def test_margin_losses_with_more_classes_are_one_against_the_rest(three_classes, loss):
    X, y = three_classes
    model = ReLUClassifier(alpha=0.05, loss=loss, tol=1e-3).fit(X, y)
    signs = np.where(y[:, None] == model.classes_, 1.0, -1.0)
    objective = model.network_.objective(X, signs, beta=0.05 * len(y), loss=loss)
    assert objective == pytest.approx(model.objective_)
    winners = model.decision_function(X).argmax(axis=1)
    np.testing.assert_array_equal(model.predict(X), model.classes_[winners])
    assert model.score(X, y) > 0.7


def test_targets_may_be_several(regression):
    X, y = regression
    Y = np.column_stack([y, -y, y**2])
    model = ReLURegressor(alpha=0.05).fit(X, Y)
    assert model.predict(X).shape == Y.shape
    assert model.network_.n_outputs == 3
    assert model.score(X, Y) > 0.5
    one_column = ReLURegressor(alpha=0.05).fit(X, y[:, None])
    assert one_column.predict(X).shape == (len(y), 1)
    np.testing.assert_array_equal(
        one_column.predict(X)[:, 0], ReLURegressor(alpha=0.05).fit(X, y).predict(X)
    )


# -- weights ---------------------------------------------------------------------------------


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
def test_weights_equal_repeated_rows_bit_for_bit(regression, container):
    X, y = regression
    rng = np.random.default_rng(1)
    weights = rng.integers(0, 4, size=len(y))
    repeated = rng.permutation(np.repeat(np.arange(len(y)), weights))
    weighted = ReLURegressor(0.02).fit(container(X), y, sample_weight=weights)
    plain = ReLURegressor(0.02).fit(container(X[repeated]), y[repeated])
    assert weighted.objective_ == plain.objective_
    np.testing.assert_array_equal(weighted.predict(X), plain.predict(X))
    beta = 0.02 * len(repeated)
    objective = weighted.network_.objective(X[repeated], y[repeated], beta=beta)
    assert objective == pytest.approx(plain.objective_)


def test_weights_equal_repeated_rows_in_train(regression):
    X, y = regression
    weights = np.arange(len(y)) % 3
    solution = train(
        np.repeat(X, weights, axis=0),
        np.repeat(y, weights),
        beta=0.02 * weights.sum(),
        hidden_bias=True,
        fit_intercept=True,
        tol=PRECISE,
    )
    model = ReLURegressor(0.02, tol=PRECISE).fit(X, y, sample_weight=weights)
    assert model.objective_ == pytest.approx(solution.objective, rel=2 * PRECISE)
    kept = weights > 0
    assert_same_outputs(model.predict(X[kept]), solution.network.predict(X[kept]), model)


def test_classifier_weights_equal_repeated_rows_bit_for_bit(three_classes):
    X, y = three_classes
    weights = np.arange(len(y)) % 3
    for class_weight in (None, "balanced", {"a": 3.0}):
        model = ReLUClassifier(0.02, class_weight=class_weight)
        weighted = clone(model).fit(X, y, sample_weight=weights)
        plain = clone(model).fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
        np.testing.assert_array_equal(weighted.predict_proba(X), plain.predict_proba(X))


def test_order_of_rows_does_not_matter(regression):
    X, y = regression
    order = np.random.default_rng(2).permutation(len(y))
    first = ReLURegressor(0.02).fit(X, y)
    second = ReLURegressor(0.02).fit(X[order], y[order])
    np.testing.assert_array_equal(first.network_.hidden_weights, second.network_.hidden_weights)
    np.testing.assert_allclose(first.certificate_.dual[order], second.certificate_.dual)


def test_class_weight_is_a_weight_of_rows(binary):
    X, y = binary
    rows = np.where(y == "yes", 5.0, 1.0)
    by_class = ReLUClassifier(0.02, class_weight={"yes": 5}).fit(X, y)
    by_row = ReLUClassifier(0.02).fit(X, y, sample_weight=rows)
    assert by_class.certificate_.beta == pytest.approx(0.02 * rows.sum())
    np.testing.assert_allclose(by_class.predict_proba(X), by_row.predict_proba(X))
    plain = ReLUClassifier(0.02).fit(X, y)
    assert by_class.predict_proba(X)[:, 1].mean() > plain.predict_proba(X)[:, 1].mean()


def test_balanced_classes_have_equal_weight(binary):
    X, y = binary
    few = np.flatnonzero(y == "yes")[:8]
    rows = np.concatenate([np.flatnonzero(y == "no"), few])
    X, y = X[rows], y[rows]
    weights = np.where(y == "yes", len(y) / (2 * 8), len(y) / (2 * (len(y) - 8)))
    balanced = ReLUClassifier(0.02, class_weight="balanced").fit(X, y)
    by_row = ReLUClassifier(0.02).fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(balanced.predict_proba(X), by_row.predict_proba(X), rtol=1e-6)


def test_certificate_speaks_of_the_rows_as_given(regression):
    """The dual point is feasible for the unmerged problem and gives the lower bound there."""
    X, y = regression
    weights = np.arange(len(y)) % 3 + 0.5
    weights[5] = 0.0
    X, y = np.vstack([X, X[:10]]), np.concatenate([y, y[:10]])
    weights = np.concatenate([weights, weights[:10]])
    certificate = ReLURegressor(0.02).fit(X, y, sample_weight=weights).certificate_
    V = certificate.dual
    assert V.shape == y.shape
    assert V[5] == 0.0
    assert abs(V.sum()) <= 1e-9 * np.abs(V).sum()
    kept = weights > 0
    G = -V[kept] / weights[kept]
    conjugate = get_loss("squared").conjugate(G[:, None], y[kept][:, None])
    assert -(weights[kept] @ conjugate) >= certificate.lower_bound - 1e-9
    U = np.random.default_rng(0).normal(size=(2000, X.shape[1] + 1))
    U /= np.linalg.norm(U, axis=1, keepdims=True)
    H = np.maximum(X @ U[:, :-1].T + U[:, -1], 0.0)
    assert np.abs(H.T @ V).max() <= certificate.beta * (1 + 1e-9)


def test_distinct_rows():
    X = np.array([[1.0, -0.0], [2.0, 0.0], [1.0, 0.0], [1.0, 0.0], [3.0, 0.0]])
    Y = np.array([[1.0], [1.0], [1.0], [2.0], [1.0]])
    weights = np.array([1.0, 2.0, 3.0, 4.0, 0.0])
    for data in (X, np.asfortranarray(X), sp.csr_array(X), sp.csr_matrix(X)):
        rows = distinct_rows(data, Y, weights)
        dense = rows.X.toarray() if sp.issparse(rows.X) else rows.X
        table = np.column_stack([dense, rows.Y, rows.weights])
        found = {tuple(row) for row in table.tolist()}
        assert found == {(1, 0, 1, 4), (2, 0, 1, 2), (1, 0, 2, 4)}
        np.testing.assert_array_equal(X[rows.first], dense)
        dual = rows.expand(rows.weights)
        np.testing.assert_allclose(dual, weights)
        np.testing.assert_allclose(rows.expand(rows.weights[:, None]), weights[:, None])


def test_distinct_rows_leaves_sparse_input_as_it_was():
    X = sp.csr_array((np.array([1.0, 0.0, 2.0]), np.array([1, 0, 0]), np.array([0, 2, 3])))
    before = (X.data.copy(), X.indices.copy())
    rows = distinct_rows(X, np.zeros((2, 1)))
    np.testing.assert_array_equal(X.data, before[0])
    np.testing.assert_array_equal(X.indices, before[1])
    assert rows.X.nnz == 2


# -- inputs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("container", [sp.csr_array, sp.csc_matrix])
def test_sparse_equals_dense(regression, binary, container):
    X, y = regression
    X = np.where(np.abs(X) < 0.5, 0.0, X)
    dense = ReLURegressor(0.02, tol=PRECISE).fit(X, y)
    sparse = ReLURegressor(0.02, tol=PRECISE).fit(container(X), y)
    assert sparse.objective_ == pytest.approx(dense.objective_, rel=2 * PRECISE)
    assert_same_outputs(sparse.predict(container(X)), dense.predict(X), dense)
    np.testing.assert_allclose(sparse.predict(container(X)), sparse.predict(X))
    X, y = binary
    model = ReLUClassifier(0.02).fit(container(X), y)
    np.testing.assert_allclose(model.predict_proba(container(X)), model.predict_proba(X))


def test_large_sparse_input_is_never_made_dense(monkeypatch):
    rng = np.random.default_rng(0)
    X = sp.random_array((120, 12), density=0.2, rng=rng, format="csr")
    y = np.abs(X @ rng.normal(size=12))

    def refuse(*_, **__):
        raise AssertionError("sparse data were made dense")

    monkeypatch.setattr(sp.csr_array, "toarray", refuse)
    monkeypatch.setattr("nogap.oracles.search.FEWEST_SAMPLES", 30)  # as with very many rows
    monkeypatch.setattr("nogap.oracles.search.SAMPLE_ROWS", 30)
    monkeypatch.setattr("nogap.oracles.peaks.POLISHED_ENTRIES", {True: 100})  # and columns
    monkeypatch.setattr("nogap.solvers.masters.NEWTON_ENTRIES", 100)
    model = ReLURegressor(0.01, tol=0.01).fit(sp.csc_array(X), y)
    assert model.n_neurons_ > 0
    assert model.predict(X).shape == (120,)


def test_pandas_names_are_kept_and_checked(regression):
    X, y = regression
    table = pd.DataFrame(X, columns=["height", "width", "age"])
    model = ReLURegressor(0.05).fit(table, pd.Series(y))
    assert model.feature_names_in_.tolist() == ["height", "width", "age"]
    assert model.n_features_in_ == 3
    np.testing.assert_array_equal(model.predict(table), model.network_.predict(X))
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(table.rename(columns={"age": "years"}))


def test_labels_may_be_anything_that_sorts(binary):
    X, y = binary
    reference = ReLUClassifier(0.02).fit(X, y).predict_proba(X)
    for no, yes in ((0, 1), (-1, 1), (3.0, 7.0), (False, True)):
        labels = np.where(y == "yes", yes, no)
        model = ReLUClassifier(0.02).fit(X, labels)
        np.testing.assert_allclose(model.predict_proba(X), reference)
        assert model.predict(X).dtype == labels.dtype
        assert model.score(X, labels) > 0.85
    model = ReLUClassifier(0.02).fit(X, pd.Series(y, dtype="category"))
    assert model.classes_.tolist() == ["no", "yes"]


def test_probabilities(binary, three_classes):
    X, y = binary
    model = ReLUClassifier(0.02).fit(X, y)
    P = model.predict_proba(X)
    np.testing.assert_allclose(P.sum(axis=1), 1.0)
    np.testing.assert_allclose(P[:, 1], expit(model.decision_function(X)))
    far = model.predict_proba(1e6 * X)
    assert np.all(np.isfinite(far))
    X, y = three_classes
    model = ReLUClassifier(0.02).fit(X, y)
    P = model.predict_proba(X)
    assert P.shape == (len(y), 3)
    np.testing.assert_allclose(P.sum(axis=1), 1.0)
    np.testing.assert_array_equal(model.classes_[P.argmax(axis=1)], model.predict(X))


def test_only_the_logistic_loss_has_probabilities():
    assert hasattr(ReLUClassifier(), "predict_proba")
    hinge = ReLUClassifier(loss="hinge")
    assert not hasattr(hinge, "predict_proba")
    with pytest.raises(AttributeError) as error:
        hinge.predict_proba([[0.0]])
    assert "loss='logistic' only" in str(error.value.__cause__)


@pytest.mark.parametrize("y", [np.full(30, 2.5), np.zeros(30)])
def test_constant_target_gives_a_constant(y):
    X = np.random.default_rng(0).normal(size=(30, 2))
    model = ReLURegressor(0.05).fit(X, y)
    assert model.n_neurons_ == 0
    np.testing.assert_allclose(model.predict(X), y, atol=1e-12)


def test_equal_rows_only():
    X = np.ones((10, 2))
    assert ReLURegressor(0.1).fit(X, np.ones(10)).predict([[1.0, 1.0]]) == pytest.approx(1.0)
    codes = np.arange(10) % 5 == 0
    model = ReLUClassifier(0.1, tol=1e-8).fit(X, codes)
    assert model.predict_proba(X)[0, 1] == pytest.approx(0.2, rel=1e-4)


def test_constant_and_duplicate_columns(regression):
    X, y = regression
    X = np.column_stack([X, X[:, 0], np.ones(len(y)), np.zeros(len(y))])
    model = ReLURegressor(0.02).fit(X, y)
    assert model.status_.converged
    assert np.all(np.isfinite(model.predict(X)))


# -- behaviour -------------------------------------------------------------------------------


@pytest.mark.parametrize("random_state", [None, 3])
def test_same_call_same_model(regression, random_state):
    X, y = regression
    first = ReLURegressor(0.01, random_state=random_state).fit(X, y)
    second = clone(first).fit(X, y)
    np.testing.assert_array_equal(first.network_.hidden_weights, second.network_.hidden_weights)
    np.testing.assert_array_equal(first.predict(X), second.predict(X))


def test_warm_start_leads_to_the_same_optimum(regression):
    X, y = regression
    model = ReLURegressor(0.05, warm_start=True, tol=1e-5).fit(X, y)
    model.set_params(alpha=0.02).fit(X, y)
    cold = ReLURegressor(0.02, tol=1e-5).fit(X, y)
    assert model.objective_ == pytest.approx(cold.objective_, rel=3e-5)
    rounds = model.n_iter_
    model.fit(X, y)
    assert model.n_iter_ <= rounds
    model.fit(X[:, :2], y)  # another shape: a fresh start
    assert model.n_features_in_ == 2
    model.set_params(hidden_bias=False).fit(X[:, :2], np.column_stack([y, y]))
    assert model.network_.hidden_bias is None


@pytest.mark.parametrize("copy", [clone, lambda model: pickle.loads(pickle.dumps(model))])
def test_clone_and_pickle(binary, copy):
    X, y = binary
    model = ReLUClassifier(0.02, class_weight={"yes": 2.0}, random_state=1).fit(X, y)
    twin = copy(model)
    assert twin.get_params() == model.get_params()
    if copy is clone:
        with pytest.raises(NotFittedError):
            twin.predict(X)
        twin.fit(X, y)
    np.testing.assert_array_equal(twin.predict_proba(X), model.predict_proba(X))
    assert twin.certificate_.relative_gap == model.certificate_.relative_gap
    assert twin.status_ is model.status_


@pytest.mark.parametrize("loss", ["logistic", "squared_hinge"])
def test_certify_takes_estimators_and_labels(binary, three_classes, loss):
    for X, y in (binary, three_classes):
        model = ReLUClassifier(0.05, loss=loss).fit(X, y)
        certificate = nogap.certify(
            model,
            X,
            y,
            beta=0.05 * len(y),
            loss="multinomial" if loss == "logistic" and len(model.classes_) > 2 else loss,
            fit_intercept=True,
        )
        assert certificate.objective == pytest.approx(model.objective_)
        assert certificate.relative_gap <= 5e-3


def test_encode_targets_refuses_unknown_labels(binary):
    model = ReLUClassifier(0.05).fit(*binary)
    assert model.encode_targets(["yes", "no"]).tolist() == [[1.0], [-1.0]]
    with pytest.raises(ValueError, match="label 'maybe' in row 1, which was not seen in fit"):
        model.encode_targets(["yes", "maybe"])


def test_works_in_pipeline_and_grid_search(regression):
    X, y = regression
    pipeline = make_pipeline(StandardScaler(), ReLURegressor())
    grid = {"reluregressor__alpha": [0.02, 0.3]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(X * [1.0, 100.0, 0.01], y)
    assert search.best_estimator_[-1].alpha == 0.02


def test_progress_goes_through_logging(regression, caplog, capsys):
    X, y = regression
    level = logging.getLogger("nogap").level
    ReLURegressor(0.05).fit(X, y)
    assert not caplog.records
    ReLURegressor(0.05, verbose=2).fit(X, y)
    lines = [record.getMessage() for record in caplog.records]
    assert any("lower bound" in line and "neurons" in line for line in lines)
    assert all(record.name == "nogap" for record in caplog.records)
    assert logging.getLogger("nogap").level == level
    assert capsys.readouterr().out == ""


class InterruptOnce(logging.Handler):
    """Behaves like a user who presses Ctrl-C when the first line of progress appears."""

    done = False

    def emit(self, record):
        if not self.done:
            self.done = True
            raise KeyboardInterrupt


def test_interrupted_fit_keeps_the_best_network(regression):
    X, y = regression
    handler = InterruptOnce()
    logging.getLogger("nogap").addHandler(handler)
    try:
        with pytest.warns(ConvergenceWarning, match="interrupted"):
            model = ReLURegressor(1e-3, tol=1e-10, verbose=2).fit(X, y)
    finally:
        logging.getLogger("nogap").removeHandler(handler)
    assert model.status_ is Status.INTERRUPTED
    assert np.all(np.isfinite(model.predict(X)))
    assert model.certificate_.lower_bound <= model.objective_


def test_limits_warn(regression):
    X, y = regression
    with pytest.warns(ConvergenceWarning, match="max_time was reached") as caught:
        model = ReLURegressor(1e-4, tol=1e-12, max_time=1e-9).fit(X, y)
    assert caught[0].filename == __file__
    assert model.status_ is Status.TIME_LIMIT
    with pytest.warns(ConvergenceWarning, match="max_neurons was reached"):
        model = ReLURegressor(1e-3, max_neurons=1).fit(X, y)
    assert model.n_neurons_ <= 1


# -- quality ---------------------------------------------------------------------------------


def test_beats_a_linear_model_on_friedman():
    X, y = make_friedman1(400, noise=0.5, random_state=0)
    X, y = scale(X), scale(y)
    train, test = slice(0, 200), slice(200, None)
    network = ReLURegressor(tol=0.01).fit(X[train], y[train]).score(X[test], y[test])
    linear = LinearRegression().fit(X[train], y[train]).score(X[test], y[test])
    assert network > linear + 0.1


@pytest.mark.parametrize("make", [make_moons, partial(make_circles, factor=0.5)])
def test_beats_a_linear_model_on_curved_classes(make):
    X, y = make(300, noise=0.1, random_state=0)
    X = scale(X)
    train, test = slice(0, 150), slice(150, None)
    network = ReLUClassifier(tol=0.01).fit(X[train], y[train]).score(X[test], y[test])
    linear = LogisticRegression().fit(X[train], y[train]).score(X[test], y[test])
    assert network > 0.95
    assert network > linear + 0.05


# -- refusals --------------------------------------------------------------------------------

GOOD_X = np.arange(12.0).reshape(6, 2)
GOOD_Y = np.array([0, 1, 0, 1, 0, 1])


@pytest.mark.parametrize("model", [ReLURegressor, ReLUClassifier])
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alpha": 0.0}, r"'alpha' parameter of ReLU\w+ must be a float in the range \(0"),
        ({"alpha": -1.0}, r"'alpha' parameter of ReLU\w+ must be a float in the range \(0"),
        ({"alpha": np.nan}, "'alpha' parameter"),
        ({"alpha": np.inf}, "'alpha' parameter"),
        ({"alpha": "large"}, "'alpha' parameter"),
        ({"loss": "cubic"}, "'loss' parameter of ReLU.* must be a str among .*'squared'"),
        ({"tol": 0.0}, "'tol' parameter"),
        ({"max_time": -1}, "'max_time' parameter"),
        ({"max_neurons": 0}, "'max_neurons' parameter"),
        ({"max_neurons": 2.5}, "'max_neurons' parameter"),
        ({"hidden_bias": "yes"}, "'hidden_bias' parameter"),
        ({"random_state": "seed"}, "'random_state' parameter"),
    ],
)
def test_bad_parameters(model, parameters, message):
    assert_refused(message, model(**parameters), GOOD_X, GOOD_Y)


@pytest.mark.parametrize("model", [ReLURegressor, ReLUClassifier])
@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.where(GOOD_X == 5, np.nan, GOOD_X), GOOD_Y, "Input X contains NaN"),
        (np.where(GOOD_X == 5, np.inf, GOOD_X), GOOD_Y, "Input X contains infinity"),
        (GOOD_X, np.where(GOOD_Y == 1, np.nan, GOOD_Y), "Input y contains NaN"),
        (GOOD_X[:1], GOOD_Y[:1], r"1 sample\(s\) .* minimum of 2 is required"),
        (GOOD_X[:0], GOOD_Y[:0], r"0 sample\(s\)"),
        (GOOD_X[:, :0], GOOD_Y, r"0 feature\(s\)"),
        (GOOD_X[:, 0], GOOD_Y, "Expected 2D array, got 1D array"),
        (GOOD_X, GOOD_Y[:4], r"inconsistent numbers of samples: \[6, 4\]"),
        (GOOD_X.astype(str) + "cm", GOOD_Y, "could not convert string to float"),
        (GOOD_X, None, "requires y to be passed"),
    ],
)
def test_bad_data(model, X, y, message):
    assert_refused(message, model(), X, y)


@pytest.mark.parametrize("model", [ReLURegressor, ReLUClassifier])
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.zeros(6), "at least one non-zero number"),
        (-np.ones(6), "Negative values in data passed to `sample_weight`"),
        (np.ones(5), r"sample_weight.shape == \(5,\), expected \(6,\)"),
        (np.full(6, np.nan), "Input sample_weight contains NaN"),
    ],
)
def test_bad_weights(model, weights, message):
    assert_refused(message, model(), GOOD_X, GOOD_Y, weights)


@pytest.mark.parametrize(
    ("y", "parameters", "message"),
    [
        (np.full(6, "only"), {}, "y holds only one class, 'only'.* at least two classes"),
        (np.linspace(0, 1, 6), {}, "Unknown label type: continuous"),
        (np.eye(6), {}, "y should be a 1d array"),
        (GOOD_Y, {"class_weight": {2: 1.0}}, r"names the class 2, .* classes are \[0, 1\]"),
        (GOOD_Y, {"class_weight": {1: 0.0}}, "class 1 must be a positive number, got 0.0"),
        (GOOD_Y, {"class_weight": {1: "big"}}, "class 1 must be a positive number, got 'big'"),
        (GOOD_Y, {"class_weight": "even"}, "'class_weight' parameter"),
    ],
)
def test_bad_classes(y, parameters, message):
    assert_refused(message, ReLUClassifier(**parameters), GOOD_X, y)


def test_one_class_of_positive_weight():
    assert_refused("only one class, 1,", ReLUClassifier(), GOOD_X, GOOD_Y, GOOD_Y.astype(float))


def test_text_is_no_regression_target():
    y = np.array(["low", "high"] * 3)
    assert_refused("y holds text, 'low', .* use ReLUClassifier", ReLURegressor(), GOOD_X, y)


def test_predict_refuses_other_shapes(regression):
    X, y = regression
    with pytest.raises(NotFittedError, match="not fitted yet"):
        ReLURegressor().predict(X)
    model = ReLURegressor(0.1).fit(X, y)
    with pytest.raises(ValueError, match="X has 2 features, but ReLURegressor is expecting 3"):
        model.predict(X[:, :2])
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model.predict(np.full((1, 3), np.nan))


# -- helpers ---------------------------------------------------------------------------------


def assert_refused(message, model, X, y, sample_weight=None):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=message):
            model.fit(X, y, sample_weight=sample_weight)
    assert not hasattr(model, "network_")


def assert_same_outputs(first, second, model):
    """Two solutions within the gap of the optimum, as strong convexity allows them to differ.

    1/2 ||f - f*||^2 <= gap for squared loss; Huber's loss is only compared loosely.
    """
    gap = max(model.certificate_.gap, model.tol * model.objective_)
    assert np.linalg.norm(first - second) <= 4.0 * np.sqrt(2.0 * gap)
