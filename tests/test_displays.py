"""Displays: what is drawn is what was fitted, and what cannot be drawn is refused."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_hex

import nogap
from nogap import (
    CertificateDisplay,
    FunctionDisplay,
    NeuronDisplay,
    PathDisplay,
    ReLUClassifier,
    ReLURegressor,
    ReLURegressorCV,
)


@pytest.fixture(autouse=True)
def close_figures():
    pyplot.switch_backend("Agg")
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def kinked():
    x = np.linspace(-2, 2, 25)
    return pd.DataFrame({"width": x}), np.abs(x)


@pytest.fixture(scope="module")
def model(kinked):
    return ReLURegressor(0.01).fit(*kinked)


def test_certificate(model):
    display = CertificateDisplay.from_estimator(model)
    objective = display.ax_.get_lines()[0].get_ydata()
    assert objective[-1] == pytest.approx(model.objective_, rel=1e-12)
    assert "proved" in display.ax_.get_legend_handles_labels()[1][1]
    axes = pyplot.subplots()[1]
    gap = CertificateDisplay.from_estimator(model, kind="gap", ax=axes)
    assert gap.ax_ is axes
    with pytest.raises(ValueError, match="'bounds' or 'gap'"):
        display.plot("both")


def test_function_of_one_feature_bends_where_neurons_switch(model, kinked):
    display = FunctionDisplay.from_estimator(model, *kinked)
    rows, curve, bends = display.ax_.get_lines()
    assert rows.get_xdata().size == 25
    np.testing.assert_allclose(
        curve.get_ydata(), model.network_.predict(curve.get_xdata()[:, None])
    )
    network = model.network_
    inside = -network.hidden_bias / network.hidden_weights[:, 0]
    assert set(bends.get_xdata()) <= set(inside)
    assert display.ax_.get_xlabel() == "width"


def test_function_of_two_features():
    X = np.random.default_rng(0).normal(size=(30, 2))
    y = np.where(X[:, 0] * X[:, 1] > 0, "same", "opposite")
    model = ReLUClassifier(0.02, tol=0.01).fit(X, y)
    display = FunctionDisplay.from_estimator(model, X, y)
    assert len(display.figure_.axes) == 2  # with the bar of colours
    regression = nogap.train(X, X[:, 0], beta=1.0, tol=0.01, random_state=0)
    FunctionDisplay.from_solution(regression, X)
    with pytest.raises(ValueError, match="takes 3 features and only functions of one or two"):
        FunctionDisplay(nogap.Network(np.eye(3), np.ones(3)), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="output must be 0 to 0"):
        FunctionDisplay(nogap.Network([[1.0]], [1.0]), [[1.0]], output=1)


def test_path(kinked):
    X, y = kinked
    solutions = nogap.path(X.to_numpy(), y, 4, smallest=0.1, tol=0.01, hidden_bias=True)
    display = PathDisplay.from_solution(solutions)
    (line,) = display.ax_.get_lines()
    assert line.get_ydata().tolist() == [s.network.n_neurons for s in solutions]
    cv = ReLURegressorCV([0.3, 0.1], cv=2, tol=0.05).fit(X, y)
    display = PathDisplay.from_estimator(cv)
    mean, chosen = display.ax_.get_lines()
    np.testing.assert_allclose(mean.get_ydata(), cv.cv_results_["mean_test_score"])
    assert chosen.get_xdata()[0] == cv.alpha_
    with pytest.raises(ValueError, match="ReLURegressor has one alpha and no path"):
        PathDisplay.from_estimator(ReLURegressor(0.1).fit(X, y))
    with pytest.raises(ValueError, match=r"the list that nogap\.path gives"):
        PathDisplay.from_solution(solutions[0])


def test_neurons(model):
    display = NeuronDisplay.from_estimator(model)
    labels = [text.get_text() for text in display.ax_.get_xticklabels()]
    assert labels == ["width", "(bias)"]
    assert len(display.ax_.get_yticklabels()) == model.n_neurons_
    with pytest.raises(ValueError, match="feature_names must be 1 names, got 2"):
        NeuronDisplay(model.network_, ["a", "b"])
    empty = nogap.Network(np.zeros((0, 1)), np.zeros((0, 1)))
    with pytest.raises(ValueError, match="no neurons to draw"):
        NeuronDisplay(empty).plot()


def test_colours_are_real_ones(model, kinked):
    """The report's placeholders, all darker than #12..., are replaced."""
    for display in (
        CertificateDisplay.from_estimator(model),
        NeuronDisplay.from_estimator(model),
        FunctionDisplay.from_estimator(model, *kinked),
    ):
        for line in display.ax_.get_lines():
            assert to_hex(line.get_color()) > "#12"
        for text in display.ax_.get_xticklabels():
            assert to_hex(text.get_color()) == "#1b2330"


def test_only_fitted_estimators_are_drawn():
    for display in (CertificateDisplay, PathDisplay, NeuronDisplay):
        with pytest.raises(ValueError, match="no fitted estimator of nogap; call fit first"):
            display.from_estimator(ReLURegressor())
