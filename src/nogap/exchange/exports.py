"""Networks for other frameworks: PyTorch modules and ONNX files."""

from __future__ import annotations

import importlib
import warnings
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from nogap._typing import Array

if TYPE_CHECKING:
    from nogap.networks.two_layer import Network


ONNX_OPERATORS = {"relu": "Relu", "linear": "Identity", "sign": "Sign", "tanh": "Tanh"}


def require(module: str, extra: str) -> Any:
    """Import an optional library, or say how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ImportError(
            f"this needs {module}, which is not installed: pip install 'nogap[{extra}]'"
        ) from None


def _not_gated(network: Network, target: str) -> None:
    if network.activation == "gated":
        raise ValueError(
            f"a gated network has no counterpart among {target} layers; "
            "train with unit='relu' to export"
        )


def to_torch(network: Network) -> Any:
    """``nn.Sequential(Linear, activation, Linear)`` in float64 with the same predictions."""
    _not_gated(network, "PyTorch")
    torch = require("torch", "torch")
    m, d, outputs = network.n_neurons, network.n_features_in, network.n_outputs
    biased = network.hidden_bias is not None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Initializing zero-element tensors")  # an empty network
        hidden = torch.nn.Linear(d, m, bias=biased, dtype=torch.float64)
        output = torch.nn.Linear(m, outputs, dtype=torch.float64)
    with torch.no_grad():
        hidden.weight.copy_(torch.from_numpy(network.hidden_weights))
        if network.hidden_bias is not None:
            hidden.bias.copy_(torch.from_numpy(network.hidden_bias))
        output.weight.copy_(torch.from_numpy(network.output_weights.T.copy()))
        output.bias.copy_(torch.from_numpy(network.intercept))
    return torch.nn.Sequential(hidden, _torch_layer(torch, network.activation), output)


def _torch_layer(torch: Any, activation: str) -> Any:
    if activation == "sign":

        class Sign(torch.nn.Module):  # PyTorch has the function only
            def forward(self, x: Any) -> Any:
                return torch.sign(x)

        return Sign()
    layers = {"relu": torch.nn.ReLU, "linear": torch.nn.Identity, "tanh": torch.nn.Tanh}
    return layers[activation]()


def to_onnx(network: Network, path: str | PathLike[str]) -> None:
    """An ONNX graph Gemm - activation - Gemm in float32, input "X" (n, d), output "predictions"."""
    _not_gated(network, "ONNX")
    onnx = require("onnx", "onnx")
    helper = onnx.helper
    m = network.n_neurons
    bias = np.zeros(m) if network.hidden_bias is None else network.hidden_bias
    constants = {
        "hidden_weights": network.hidden_weights.T,
        "hidden_bias": bias,
        "output_weights": network.output_weights,
        "intercept": network.intercept,
    }
    operator = ONNX_OPERATORS[network.activation]
    nodes = [
        helper.make_node("Gemm", ["X", "hidden_weights", "hidden_bias"], ["hidden"]),
        helper.make_node(operator, ["hidden"], ["activation"]),
    ]
    nodes.append(
        helper.make_node("Gemm", ["activation", "output_weights", "intercept"], ["predictions"])
    )
    save_graph(nodes, constants, (network.n_features_in,), network.n_outputs, path)


def save_graph(
    nodes: list[Any],
    constants: dict[str, Array],
    sample_shape: tuple[int, ...],
    n_outputs: int,
    path: str | PathLike[str],
) -> None:
    """A checked file of the nodes from "X" (n, ...) to "predictions" (n, C), floats in float32."""
    onnx = require("onnx", "onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    kept = {
        name: value if value.dtype.kind == "i" else value.astype(np.float32)
        for name, value in constants.items()
    }
    graph = helper.make_graph(
        nodes,
        "nogap",
        [helper.make_tensor_value_info("X", kind, [None, *sample_shape])],
        [helper.make_tensor_value_info("predictions", kind, [None, n_outputs])],
        [
            onnx.numpy_helper.from_array(np.ascontiguousarray(value), name)
            for name, value in kept.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
