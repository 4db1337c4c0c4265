"""What a model from anywhere is as a network, and among which networks it is judged."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np

from nogap.losses import Loss
from nogap.networks.convolutional import ConvolutionalNetwork
from nogap.networks.parallel import ParallelNetwork
from nogap.networks.two_layer import Network
from nogap.units import Convolution, ReLU, Sign, Tanh, Unit


def check_loss(model: Any, loss: str | Loss) -> None:
    """Refuse to judge a classifier by the default loss, with which it was not trained."""
    classes = getattr(model, "classes_", None)
    if classes is None or getattr(loss, "name", loss) != "squared":
        return
    own = getattr(model, "_training_loss", None)
    trained = own() if own else "logistic" if len(classes) == 2 else "multinomial"
    raise ValueError(
        f"the {type(model).__name__} was trained with the {trained} loss, and would be judged by "
        f"the squared loss: pass loss={trained!r}"
    )


def as_network(model: Any, y: Any) -> tuple[Any, Any]:
    """The model as a network (None for predictions), and targets as the loss wants them."""
    if isinstance(model, Network | ParallelNetwork):
        return model, y
    if isinstance(getattr(model, "network_", None), Network):
        encode = getattr(model, "encode_targets", None)
        return model.network_, y if encode is None else encode(y)
    if hasattr(model, "state_dict") and hasattr(model, "modules"):
        from nogap.exchange.imports import from_torch

        return from_torch(model), y
    if hasattr(model, "n_layers_") or type(model).__name__ in ("MLPRegressor", "MLPClassifier"):
        from nogap.exchange.imports import from_sklearn

        return from_sklearn(model, y)
    if isinstance(model, str | PathLike) and str(model).endswith(".onnx"):
        from nogap.exchange.imports import from_onnx

        return from_onnx(model), y
    if isinstance(model, list | tuple) or hasattr(model, "__array__"):
        return None, y
    if hasattr(model, "named_steps"):
        raise ValueError(
            "cannot certify a Pipeline: pass its last step, and X as the steps before transform it "
            "(pipeline[-1], pipeline[:-1].transform(X))"
        )
    raise ValueError(
        f"cannot certify a {type(model).__name__}: pass a Network, a fitted estimator, a "
        "Linear-ReLU-Linear torch module or .onnx file, a scikit-learn MLP with one hidden layer, "
        "or predictions with objective="
    )


def has_intercept(model: Any, network: Network | ParallelNetwork) -> bool:
    """Whether the outputs of the model have a bias, which may happen to be zero."""
    shape = tuple(getattr(network, "output_weights", np.empty((0, 0))).shape)  # (m, C)
    for part in getattr(model, "modules", list)():
        if (getattr(part, "in_features", 0), getattr(part, "out_features", 0)) == shape:
            return part.bias is not None
    return hasattr(model, "intercepts_") or bool(np.any(network.intercept != 0))


def unit_of(network: Network | ParallelNetwork | None, X: Any, hidden_bias: bool) -> Unit:
    """The unit of the networks that this one is judged among; ReLU for predictions."""
    if isinstance(network, ParallelNetwork):
        return network.unit
    if isinstance(network, ConvolutionalNetwork):
        parameters = {**network.unit.parameters, "tied": network.tied}
        return Convolution(**parameters).for_data(X, hidden_bias)
    if network is not None and network.activation == "sign":
        return Sign()
    if network is not None and network.activation == "tanh":
        if network.weight_bound is None:
            raise ValueError(
                "without a bound on its hidden weights no tanh network is optimal; rebuild the "
                "network with weight_bound= to have it judged among those within the bound"
            )
        return Tanh(network.weight_bound)
    return ReLU()
