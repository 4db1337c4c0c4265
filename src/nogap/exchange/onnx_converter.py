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

    Notes
    -----
    Classifiers with another loss than "logistic" give scores in place of probabilities, for two
    classes ``(-F, F)`` of the decision function F; with the option ``raw_scores`` all do.

    Inside a CalibratedClassifierCV, skl2onnx asks a classifier for raw scores, but not a pipeline.
    Calibrated probabilities of a pipeline that ends in a logistic classifier, LogisticRegression
    included, therefore come out wrong: put the calibration inside the pipeline, as its last step.

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
            regressor, f"Nogap{regressor.__name__}", _regressor_shape, _convert_regressor
        )
    for classifier in (ReLUClassifier, ReLUClassifierCV):
        skl2onnx.update_registered_converter(
            classifier,
            f"Nogap{classifier.__name__}",
            shapes.calculate_linear_classifier_output_shapes,
            _convert_classifier,
            options={
                "zipmap": [True, False, "columns"],
                "nocl": [True, False],
                "raw_scores": [True, False],  # what CalibratedClassifierCV and others ask for
            },
        )
    skl2onnx.update_registered_converter(
        ReLUFeatures, "NogapReLUFeatures", _features_shape, _convert_features
    )


class _Graph:
    """Nodes and constants in the precision of the input, in float32 where it is not of floats."""

    def __init__(self, scope: Any, operator: Any, container: Any) -> None:
        types = require("skl2onnx.common.data_types", "onnx")
        self.scope, self.operator, self.container = scope, operator, container
        self.given = types.guess_proto_type(operator.inputs[0].type)
        self.kind = types.guess_proto_type(types.guess_tensor_type(operator.inputs[0].type))

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
        if self.given != self.kind:
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


def _set_shape(operator: Any, width: int) -> None:
    """One output, floats (n, width)."""
    types = require("skl2onnx.common.data_types", "onnx")
    like = operator.inputs[0]
    kind = type(types.guess_tensor_type(like.type))
    operator.outputs[0].set_type(kind([like.get_first_dimension(), width]))


def _regressor_shape(operator: Any) -> None:
    _set_shape(operator, operator.raw_operator.network_.n_outputs)


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    graph = _Graph(scope, operator, container)
    graph.outputs_of(operator.raw_operator.network_, operator.outputs[0].full_name)


def _features_shape(operator: Any) -> None:
    _set_shape(operator, operator.raw_operator.estimator_.n_neurons_)


def _convert_features(scope: Any, operator: Any, container: Any) -> None:
    graph, network = _Graph(scope, operator, container), operator.raw_operator.estimator_.network_
    sizes = graph.constant(np.linalg.norm(network.output_weights, axis=1))
    graph.node("Mul", [graph.hidden_of(network), sizes], operator.outputs[0].full_name)


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    model, graph = operator.raw_operator, _Graph(scope, operator, container)
    label, scores = (variable.full_name for variable in operator.outputs)
    raw = container.get_options(model, {"raw_scores": False})["raw_scores"]
    probabilities = model.loss == "logistic" and not raw
    F = graph.outputs_of(model.network_)
    if model.classes_.size == 2:
        # One output F. As scores, (-F, F), as of scikit-learn's linear classifiers: calibration
        # takes the second. As probabilities, halves, whose softmax is the logistic function of F.
        size = 0.5 if probabilities else 1.0
        F = graph.node("Mul", [F, graph.constant(np.array([[-size, size]]))])
    if probabilities:
        graph.node("Softmax", [F], scores, axis=1)
    else:
        graph.node("Identity", [F], scores)
    index = graph.node("ArgMax", [F], axis=1, keepdims=0)
    proto = require("onnx", "onnx").TensorProto
    labels = require("skl2onnx.common.utils_classifier", "onnx")
    classes = labels.get_label_classes(scope, model)  # indices with the option nocl
    if all(isinstance(one, str) for one in classes):
        names = graph.constant(np.array([one.encode() for one in classes]), proto.STRING)
    else:  # whole numbers, of whatever type; skl2onnx declares them as int64
        names = graph.constant(classes.astype(np.int64), proto.INT64)
    graph.node("Gather", [names, index], label, axis=0)
