"""Networks as C source and estimators in pipelines as ONNX, against their own predictions."""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tests.onnx_runtime import onnx_outputs

from nogap import Network, ReLUClassifier, ReLUFeatures, ReLURegressor

COMPILER = next((c for c in ("cc", "gcc", "clang") if shutil.which(c)), None)

RNG = np.random.default_rng(4)
NETWORKS = {
    "one output": Network(RNG.normal(size=(5, 3)), RNG.normal(size=5), RNG.normal(size=5), 0.5),
    "several outputs": Network(RNG.normal(size=(7, 2)), RNG.normal(size=(7, 4))),
    "linear": Network([[1.0, -2.0]], [3.0], activation="linear"),
    "sign": Network(RNG.normal(size=(5, 3)), RNG.normal(size=5), activation="sign"),
    "tanh": Network(RNG.normal(size=(5, 3)), RNG.normal(size=(5, 2)), activation="tanh"),
    "empty": Network(np.zeros((0, 3)), np.zeros((0, 2)), intercept=[1.0, -2.0]),
}


def compiled(source, folder):
    """The function as a shared library, compiled without a warning as strict C99."""
    (folder / "network.c").write_text(source)
    library = folder / "network.so"
    command = [COMPILER, "-std=c99", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror"]
    command += ["-O2", "-shared", "-fPIC", "network.c", "-o", str(library)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return ctypes.CDLL(str(library))


@pytest.mark.skipif(COMPILER is None, reason="no C compiler on this machine")
@pytest.mark.parametrize("kind", NETWORKS)
def test_compiled_source_computes_the_predictions(kind, tmp_path):
    network = NETWORKS[kind]
    function = compiled(network.to_c("forward"), tmp_path).forward
    X = RNG.normal(size=(20, network.n_features_in)).astype(np.float32)
    y = (ctypes.c_float * network.n_outputs)()
    for row, expected in zip(X, network.decision(X.astype(np.float64)), strict=True):
        function(row.ctypes.data_as(ctypes.POINTER(ctypes.c_float)), y)
        assert_allclose(list(y), expected, rtol=1e-5, atol=1e-5)


def test_estimators_write_c_too():
    model = ReLURegressor(0.1).fit(np.arange(8.0)[:, None], np.abs(np.arange(8.0) - 4))
    assert model.to_c() == model.network_.to_c()
    assert "#include" not in model.to_c()


@pytest.mark.parametrize("name", ["2nd", "a b", "float", "", "x;y"])
def test_names_that_are_none(name):
    with pytest.raises(ValueError, match="must be an identifier of C"):
        NETWORKS["linear"].to_c(name)


def test_what_c_cannot_hold():
    with pytest.raises(ValueError, match="beyond float, 1e\\+60; rescale"):
        Network([[1e60]], [1.0]).to_c()
    with pytest.raises(ValueError, match="gated networks are not written as C"):
        Network([[1.0]], [1.0], activation="gated", gates=[[1.0]]).to_c()


def converted(model, X):
    pytest.importorskip("skl2onnx")
    from skl2onnx import to_onnx

    from nogap.exchange.onnx_converter import register_onnx_converters

    register_onnx_converters()
    options = {id(model): {"zipmap": False}} if hasattr(model, "classes_") else None
    return to_onnx(model, X[:1], options=options)


def converted_outputs(model, X):
    return onnx_outputs(converted(model, X.astype(np.float32)).SerializeToString(), X)


@pytest.mark.parametrize("targets", [1, 2])
def test_a_regression_pipeline_in_onnx(targets):
    X = RNG.normal(size=(30, 3))
    Y = np.column_stack([np.abs(X[:, 0]), X[:, 1]])[:, :targets]
    model = make_pipeline(StandardScaler(), ReLURegressor(0.05, tol=0.01)).fit(X, Y)
    assert_allclose(converted_outputs(model, X)[0], model.predict(X), atol=1e-5)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64, bool])
def test_the_declared_shape_of_a_regression(kind):
    onnx = pytest.importorskip("onnx")
    X = (3 * RNG.normal(size=(20, 3))).astype(kind)
    model = ReLURegressor(0.05, tol=0.01).fit(X, RNG.normal(size=(20, 2)))
    graph = converted(model, X)
    declared = graph.graph.output[0].type.tensor_type
    precision = onnx.TensorProto.DOUBLE if kind is np.float64 else onnx.TensorProto.FLOAT
    assert declared.elem_type == precision
    assert [one.dim_value for one in declared.shape.dim] == [0, 2]  # rows are not declared
    (found,) = onnx_outputs(graph.SerializeToString(), X, kind)
    assert_allclose(found, model.predict(X), atol=1e-5)


def test_no_features_in_onnx():
    X = RNG.normal(size=(30, 3))
    model = make_pipeline(StandardScaler(), ReLUFeatures(ReLURegressor(1e3))).fit(X, X[:, 0])
    assert model.transform(X).shape == (30, 0)
    assert converted_outputs(model, X)[0].shape == (30, 0)


@pytest.mark.parametrize("last", ["features", "ridge"])
def test_features_in_a_pipeline_in_onnx(last):
    X = RNG.normal(size=(30, 3))
    y = np.abs(X[:, 0]) + X[:, 1]
    steps = [StandardScaler(), ReLUFeatures(ReLURegressor(0.05, tol=0.01))]
    model = make_pipeline(*steps, *([Ridge()] if last == "ridge" else [])).fit(X, y)
    expected = model.predict(X)[:, None] if last == "ridge" else model.transform(X)
    assert expected.shape[1] >= 1
    assert_allclose(converted_outputs(model, X)[0], expected, atol=1e-5)


LABELS = {
    "int": np.array([-3, 0, 7]),
    "float": np.array([-1.0, 0.0, 2.0]),
    "bool": np.array([False, True]),
    "str": np.array(["a", "é", "c"]),
    "object": np.array(["a", "b", "c"], dtype=object),
}


def iris_rows(n_classes, labels):
    X, y = load_iris(return_X_y=True)
    rows = (y < n_classes) & (np.arange(150) % 5 == 0)
    return X[rows][:, :2].astype(np.float32).astype(np.float64), LABELS[labels][y[rows]]


@pytest.mark.parametrize(
    ("n_classes", "labels"), [(n, one) for one in LABELS for n in (2, 3) if (n, one) != (3, "bool")]
)
@pytest.mark.parametrize("loss", ["logistic", "squared_hinge"])
def test_a_classification_pipeline_in_onnx(n_classes, labels, loss):
    X, y = iris_rows(n_classes, labels)
    model = make_pipeline(StandardScaler(), ReLUClassifier(0.05, loss=loss, tol=0.01)).fit(X, y)
    found, scores = converted_outputs(model, X)
    assert found.tolist() == model.predict(X).tolist()
    if loss == "logistic":
        assert_allclose(scores, model.predict_proba(X), atol=1e-5)
    elif n_classes == 3:
        assert_allclose(scores, model.decision_function(X), atol=1e-5)
    else:
        F = model.decision_function(X)
        assert_allclose(scores, np.column_stack([-F, F]), atol=1e-5)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("loss", ["logistic", "hinge", "squared", "squared_hinge"])
def test_a_calibrated_classifier_in_onnx(n_classes, loss):
    X, y = iris_rows(n_classes, "int")
    model = CalibratedClassifierCV(ReLUClassifier(0.05, loss=loss, tol=0.01), cv=2).fit(X, y)
    labels, probabilities = converted_outputs(model, X)
    assert_allclose(probabilities, model.predict_proba(X), atol=1e-5)
    assert labels.tolist() == model.predict(X).tolist()
