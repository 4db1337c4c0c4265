"""The estimators inside scikit-learn pipelines as ONNX graphs: converters for skl2onnx."""

from __future__ import annotations

from typing import Any

import numpy as np

from nogap._typing import AnyArray
from nogap.estimators import (
    ReLUClassifier,
    ReLUClassifierCV,
    ReLUFeatures,
    ReLURegressor,
    ReLURegressorCV,
)
from nogap.exchange.exports import require
from nogap.networks.two_layer import Network


def register_onnx_converters() -> None:
    """Teach skl2onnx the estimators; ``convert_sklearn`` and ``to_onnx`` then take them.

    Raises
    ------
    ImportError
        skl2onnx is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from nogap import ReLURegressor
    >>> from nogap.exchange.onnx_converter import register_onnx_converters
    >>> X, y = np.arange(12.0).reshape(6, 2), np.arange(6.0) ** 2
    >>> model = make_pipeline(StandardScaler(), ReLURegressor(0.1)).fit(X, y)
    >>> register_onnx_converters()  # doctest: +SKIP
    >>> from skl2onnx import to_onnx  # doctest: +SKIP
    >>> graph = to_onnx(model, X[:1].astype(np.float32))  # doctest: +SKIP
    """
    skl2onnx = require("skl2onnx", "onnx")
    shapes = require("skl2onnx.common.shape_calculator", "onnx")
    for regressor in (ReLURegressor, ReLURegressorCV):
        skl2onnx.update_registered_converter(
            regressor,
            f"Nogap{regressor.__name__}",
            shapes.calculate_linear_regressor_output_shapes,
            _convert_regressor,
        )
    for classifier in (ReLUClassifier, ReLUClassifierCV):
        skl2onnx.update_registered_converter(
            classifier,
            f"Nogap{classifier.__name__}",
            shapes.calculate_linear_classifier_output_shapes,
            _convert_classifier,
            options={"zipmap": [True, False, "columns"], "nocl": [True, False]},
        )
    skl2onnx.update_registered_converter(
        ReLUFeatures, "NogapReLUFeatures", _features_shape, _convert_features
    )


class _Graph:
    """Nodes and constants in the precision of the input."""

    def __init__(self, scope: Any, operator: Any, container: Any) -> None:
        types = require("skl2onnx.common.data_types", "onnx")
        self.scope, self.operator, self.container = scope, operator, container
        self.kind = types.guess_proto_type(operator.inputs[0].type)

    def constant(self, values: AnyArray, kind: int | None = None) -> str:
        name: str = self.scope.get_unique_variable_name("constant")
        entries = values.ravel().tolist()
        self.container.add_initializer(name, kind or self.kind, list(values.shape), entries)
        return name

    def node(self, op: str, inputs: list[str], output: str | None = None, **options: Any) -> str:
        name: str = output or self.scope.get_unique_variable_name(op.lower())
        unique = self.scope.get_unique_operator_name(op)
        self.container.add_node(op, inputs, [name], name=unique, **options)
        return name

    def hidden_of(self, network: Network) -> str:
        """Activations of the hidden layer, (n, m)."""
        X = self.operator.inputs[0].full_name
        if "Int64" in type(self.operator.inputs[0].type).__name__:
            X = self.node("Cast", [X], to=self.kind)
        bias = np.zeros(network.n_neurons) if network.hidden_bias is None else network.hidden_bias
        hidden = self.node(
            "Gemm", [X, self.constant(network.hidden_weights.T), self.constant(bias)]
        )
        return self.node("Relu", [hidden])

    def outputs_of(self, network: Network, output: str | None = None) -> str:
        """The two layers, (n, C)."""
        active = self.hidden_of(network)
        weights, intercept = self.constant(network.output_weights), self.constant(network.intercept)
        return self.node("Gemm", [active, weights, intercept], output)


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    graph = _Graph(scope, operator, container)
    graph.outputs_of(operator.raw_operator.network_, operator.outputs[0].full_name)


def _features_shape(operator: Any) -> None:
    like = operator.inputs[0].type
    if "Int64" in type(like).__name__:
        types = require("skl2onnx.common.data_types", "onnx")
        like = types.FloatTensorType()
    width = operator.raw_operator.estimator_.n_neurons_
    operator.outputs[0].type = type(like)([like.shape[0] if like.shape else None, width])


def _convert_features(scope: Any, operator: Any, container: Any) -> None:
    graph, network = _Graph(scope, operator, container), operator.raw_operator.estimator_.network_
    sizes = graph.constant(np.linalg.norm(network.output_weights, axis=1))
    graph.node("Mul", [graph.hidden_of(network), sizes], operator.outputs[0].full_name)


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    model, graph = operator.raw_operator, _Graph(scope, operator, container)
    label, scores = (variable.full_name for variable in operator.outputs)
    F = graph.outputs_of(model.network_)
    if model.classes_.size == 2:  # one output: as two of opposite halves
        F = graph.node("Mul", [F, graph.constant(np.array([[-0.5, 0.5]]))])
    if model.loss == "logistic":
        graph.node("Softmax", [F], scores, axis=1)
    else:
        graph.node("Identity", [F], scores)
    index = graph.node("ArgMax", [F], axis=1, keepdims=0)
    proto = require("onnx", "onnx").TensorProto
    classes = model.classes_
    if classes.dtype.kind in "iub":
        names = graph.constant(classes.astype(np.int64), proto.INT64)
    else:
        names = graph.constant(np.array([str(c).encode() for c in classes]), proto.STRING)
    graph.node("Gather", [names, index], label, axis=0)
