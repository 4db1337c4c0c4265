"""Networks from other frameworks."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from nogap.exchange.exports import require
from nogap.networks.two_layer import Network

FAR = 1e4  # how much further a module is probed


def from_torch(module: Any) -> Network:
    """A PyTorch module of the form Linear-ReLU-Linear as a :class:`Network`, in float64.

    Raises
    ------
    ValueError
        The module has other parts than two Linear and one ReLU (which may be a function), or does
        something else with them. Identity, Flatten and Dropout are passed over; in evaluation
        they do nothing.
    """
    torch = require("torch", "torch")
    nn = torch.nn
    leaves = [part for part in module.modules() if not list(part.children())]
    leaves = [
        part for part in leaves if not isinstance(part, nn.Identity | nn.Flatten | nn.Dropout)
    ]
    found = [type(part).__name__ for part in leaves]
    linear = [part for part in leaves if isinstance(part, nn.Linear)]
    others = [part for part in leaves if not isinstance(part, nn.Linear)]
    if len(linear) != 2 or len(others) > 1 or not all(isinstance(one, nn.ReLU) for one in others):
        raise ValueError(
            f"the module must be Linear-ReLU-Linear, found {'-'.join(found) or 'nothing'}"
        )
    if not all(bool(torch.isfinite(one).all()) for one in module.parameters()):
        raise ValueError("the weights of the module hold NaN or infinite values")
    for hidden, output in (linear, linear[::-1]):  # as they are named need not be as they are used
        if hidden.out_features == output.in_features and _is_their_composition(
            torch, module, hidden, output
        ):
            break
    else:
        raise ValueError(
            "the module must be Linear-ReLU-Linear; it has these parts, but computes something "
            "else from them"
        )

    def array(tensor: Any) -> Any:
        return None if tensor is None else tensor.detach().cpu().double().numpy()

    return Network(
        array(hidden.weight), array(output.weight).T, array(hidden.bias), array(output.bias)
    )


def _is_their_composition(torch: Any, module: Any, hidden: Any, output: Any) -> bool:
    """Whether the module, in evaluation, does what its three parts do one after the other."""
    weight = hidden.weight
    start = torch.linspace(-2.0, 2.0, 7 * hidden.in_features, dtype=weight.dtype).reshape(7, -1)
    probe = torch.cat([start, FAR * start]).to(weight.device)  # a clamp shows far out only
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            found, expected = module(probe), output(torch.relu(hidden(probe)))
    except RuntimeError:  # shapes that do not fit
        return False
    finally:
        module.train(was_training)
    same_shape = getattr(found, "numel", lambda: -1)() == expected.numel()
    return same_shape and bool(
        torch.allclose(found.reshape(expected.shape), expected, rtol=1e-4, atol=1e-5)
    )


def from_sklearn(model: Any, y: Any) -> tuple[Network, Any]:
    """A fitted MLPRegressor or MLPClassifier with one hidden ReLU layer, and targets encoded.

    Labels become -1 and 1 (two classes, for the logistic loss) or class indices (several, for the
    multinomial loss), in the order of ``classes_``.

    Raises
    ------
    ValueError
        Not fitted, another activation, or not one hidden layer; labels that it has not seen.
    """
    name = type(model).__name__
    if not hasattr(model, "coefs_"):
        raise ValueError(f"the {name} is not fitted yet; call fit first")
    if model.activation != "relu" or len(model.coefs_) != 2:
        hidden = len(model.coefs_) - 1
        raise ValueError(
            f"the {name} must have one hidden layer of ReLU units, it has {hidden} of "
            f"{model.activation!r}"
        )
    hidden, output = model.coefs_
    network = Network(
        hidden.T.astype(np.float64),
        output.astype(np.float64),
        model.intercepts_[0].astype(np.float64),
        model.intercepts_[1].astype(np.float64),
    )
    if not hasattr(model, "classes_"):
        return network, y
    labels, classes = np.asarray(y), np.asarray(model.classes_)
    if labels.ndim != 1:
        raise ValueError(
            f"the labels of a {name} must be (n,), one class a sample, got shape {labels.shape}"
        )
    unknown = ~np.isin(labels, classes)
    if unknown.any():
        raise ValueError(
            f"label {labels[unknown].tolist()[0]!r} is not among the classes that the {name} was "
            "fitted on"
        )
    index = np.searchsorted(classes, labels)
    return network, np.where(index == 1, 1.0, -1.0) if classes.size == 2 else index


def from_onnx(path: str | PathLike[str]) -> Network:
    """An ONNX file of the form Linear-ReLU-Linear as a :class:`Network`.

    A linear layer is a Gemm, or a MatMul with or without an Add; Identity, Flatten, Dropout and a
    Cast to floats are passed over.

    Raises
    ------
    ValueError
        The file is no ONNX model, or a model of another form.
    """
    onnx = require("onnx", "onnx")
    try:
        graph = onnx.load(str(path)).graph
    except FileNotFoundError:
        raise
    except Exception:  # the parser's own errors are not worth telling apart
        raise ValueError(f"{path} is not an ONNX model, or it is damaged") from None
    known = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            known[node.output[0]] = onnx.numpy_helper.to_array(node.attribute[0].t)
    layers = _layers(onnx, graph, known)
    form = "-".join(kind for kind, _, _ in layers)
    if form != "Linear-Relu-Linear":
        raise ValueError(f"{path} must hold Linear-ReLU-Linear, found {form or 'nothing'}")
    (_, hidden, hidden_bias), _, (_, output, intercept) = layers
    if hidden.shape[1] != output.shape[0]:
        raise ValueError(f"{path}: the two linear layers do not fit together")
    return Network(hidden.T, output, hidden_bias, intercept)


STATE_FILES = (".pt", ".pth")


def from_state_file(path: str | PathLike[str]) -> Network:
    """A file of ``torch.save(module.state_dict())`` of a Linear-ReLU-Linear module.

    The file holds weights only, so that there is a ReLU between the two layers is taken on trust.

    Raises
    ------
    ValueError
        Not such a file: more is in it than two weight matrices that fit together and their biases.
    """
    torch = require("torch", "torch")
    if not Path(path).is_file():
        raise FileNotFoundError(path)
    try:
        state = torch.load(str(path), weights_only=True, map_location="cpu")
    except Exception:  # unpickling errors of every kind; nothing was executed
        raise ValueError(f"{path} is not a PyTorch state file, or it is damaged") from None
    arrays = {}
    if isinstance(state, dict) and all(hasattr(one, "numpy") for one in state.values()):
        arrays = {str(name): one.double().numpy() for name, one in state.items()}
    weights = [one for one in arrays.values() if one.ndim == 2]
    biases = [one for one in arrays.values() if one.ndim == 1]
    if len(weights) != 2 or len(weights) + len(biases) != len(arrays):
        raise ValueError(f"{path} must hold the weights of Linear-ReLU-Linear, and nothing else")
    hidden, output = weights
    named = {one.shape[0]: one for one in biases}
    sizes = {hidden.shape[0], output.shape[0]}
    if hidden.shape[0] != output.shape[1] or not set(named) <= sizes or len(biases) > 2:
        raise ValueError(f"{path}: the two linear layers do not fit together")
    if hidden.shape[0] == output.shape[0] and len(biases) == 1:
        raise ValueError(f"{path}: which layer its one bias belongs to cannot be told")
    if len(biases) == 2:
        return Network(hidden, output.T, biases[0], biases[1])
    return Network(hidden, output.T, named.get(hidden.shape[0]), named.get(output.shape[0]))


_PASSED_OVER = {"Identity", "Flatten", "Cast", "Dropout", "Constant"}


def _layers(onnx: Any, graph: Any, known: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """The chain of layers (kind, weight (in, out), bias (out,)) from the input on."""
    layers: list[tuple[str, Any, Any]] = []
    current = next(one.name for one in graph.input if one.name not in known)
    for node in graph.node:
        kind = node.op_type
        if kind == "Constant":
            continue
        if kind == "Cast":
            _check_cast(onnx, node)
        inputs = [name for name in node.input if name]
        if current not in inputs:
            raise ValueError(f"the ONNX graph is not a chain of layers: {kind} has other inputs")
        parameters = [known.get(name) for name in inputs if name != current]
        if any(one is None for one in parameters) and kind not in _PASSED_OVER:
            raise ValueError(f"the ONNX graph is not a chain of layers: {kind} has other inputs")
        arrays = [np.asarray(one, dtype=np.float64) for one in parameters if one is not None]
        if kind == "Gemm":
            layers.append(_gemm(onnx, node, arrays))
        elif kind == "MatMul" and len(arrays) == 1 and inputs[0] == current:
            layers.append(("Linear", arrays[0], np.zeros(arrays[0].shape[1])))
        elif kind == "Add" and layers and layers[-1][0] == "Linear":
            _, weight, bias = layers[-1]
            layers[-1] = ("Linear", weight, bias + arrays[0].reshape(-1))
        elif kind not in _PASSED_OVER:
            layers.append((kind, None, None))
        current = node.output[0]
    return layers


def _check_cast(onnx: Any, node: Any) -> None:
    """Casts to floats leave the values as they are; others, to integers say, are refused."""
    kinds = onnx.TensorProto
    to = next((one.i for one in node.attribute if one.name == "to"), kinds.UNDEFINED)
    if to not in (kinds.FLOAT, kinds.DOUBLE, kinds.FLOAT16, kinds.BFLOAT16):
        raise ValueError(
            f"the ONNX graph is not a chain of layers: a Cast to {kinds.DataType.Name(to)} can "
            "change the values; only casts to floats are passed over"
        )


def _gemm(onnx: Any, node: Any, arrays: list[Any]) -> tuple[str, Any, Any]:
    options = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    if options.get("transA", 0):
        raise ValueError("a Gemm with a transposed input is not a linear layer of samples")
    weight = options.get("alpha", 1.0) * (arrays[0].T if options.get("transB", 0) else arrays[0])
    bias = np.zeros(weight.shape[1])
    if len(arrays) > 1:
        bias = bias + options.get("beta", 1.0) * arrays[1].reshape(-1)
    return "Linear", weight, bias
