"""Convolutional networks as PyTorch modules and ONNX files."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from nogap._typing import Array
from nogap.exchange.exports import require, save_graph

if TYPE_CHECKING:
    from nogap.networks.convolutional import ConvolutionalNetwork


def to_torch(network: ConvolutionalNetwork) -> Any:
    """See :meth:`nogap.ConvolutionalNetwork.to_torch`."""
    torch = require("torch", "torch")
    nn, unit = torch.nn, network.unit
    assert unit.geometry is not None
    if network.n_neurons == 0:  # PyTorch has no convolution without filters
        network = network.with_idle_filter()
    layers, filters, two = _filter_layers(torch, network)
    layers.append(nn.ReLU() if network.activation == "relu" else nn.Identity())
    if unit.pooling == "max":
        layers.append(nn.AdaptiveMaxPool2d(1) if two else nn.AdaptiveMaxPool1d(1))
    elif unit.pooling is not None:
        layers.append(nn.AdaptiveAvgPool2d(1) if two else nn.AdaptiveAvgPool1d(1))
    A = _readout(network)
    output = nn.Linear(A.shape[0], network.n_outputs, dtype=torch.float64)
    with torch.no_grad():
        filters[0].weight.copy_(torch.from_numpy(np.ascontiguousarray(filters[1])))
        if network.hidden_bias is not None:
            filters[0].bias.copy_(torch.from_numpy(network.hidden_bias))
        output.weight.copy_(torch.from_numpy(np.ascontiguousarray(A.T)))
        output.bias.copy_(torch.from_numpy(network.intercept))
    return nn.Sequential(*layers, nn.Flatten(), output)


def to_onnx(network: ConvolutionalNetwork, path: str | PathLike[str]) -> None:
    """See :meth:`nogap.ConvolutionalNetwork.to_onnx`."""
    make = require("onnx", "onnx").helper.make_node
    unit = network.unit
    if network.n_neurons == 0:
        network = network.with_idle_filter()
    nodes, constants, options = _samples_to_channels(make, network)
    inputs = [nodes[-1].output[0], "filters"]
    if network.hidden_bias is not None:
        constants["hidden_bias"] = network.hidden_bias
        inputs.append("hidden_bias")
    nodes.append(make("Conv", inputs, ["convolution"], **options))
    if network.activation == "relu":
        nodes.append(make("Relu", ["convolution"], ["activation"]))
    if unit.pooling is not None:
        kind = "GlobalMaxPool" if unit.pooling == "max" else "GlobalAveragePool"
        nodes.append(make(kind, [nodes[-1].output[0]], ["pooled"]))
    nodes.append(make("Flatten", [nodes[-1].output[0]], ["hidden"]))
    nodes.append(make("Gemm", ["hidden", "output_weights", "intercept"], ["predictions"]))
    constants |= {"output_weights": _readout(network), "intercept": network.intercept}
    save_graph(nodes, constants, network.sample_shape, network.n_outputs, path)


def _readout(network: ConvolutionalNetwork) -> Array:
    """Weights of the last layer, after a pooling that takes the mean or the maximum."""
    geometry, A = network.unit.geometry, network.output_weights  # (m, q C)
    assert geometry is not None
    if network.unit.pooling is None:  # flattened channel by channel, as A is neuron by neuron
        return A.reshape(network.n_neurons * geometry.n_positions, network.n_outputs)
    summed: Array = A * geometry.n_positions if network.unit.pooling == "sum" else A
    return summed


def _samples_to_channels(
    make: Any, network: ConvolutionalNetwork
) -> tuple[list[Any], dict[str, Array], dict[str, Any]]:
    """Nodes that bring samples into ONNX's order, constants, and what the convolution is told."""
    geometry, shape = network.unit.geometry, network.sample_shape
    assert geometry is not None
    if geometry.filter_shape is None:  # ready patches, one after the other as a signal
        h = geometry.n_weights
        nodes = [make("Reshape", ["X", "signal"], ["channels"])]
        constants = {"signal": np.array([0, 1, -1]), "filters": network.hidden_weights[:, None, :]}
        return nodes, constants, {"kernel_shape": [h], "strides": [h]}
    axes = len(geometry.filter_shape)
    if len(shape) == 3:
        nodes = [make("Transpose", ["X"], ["channels"], perm=[0, 3, 1, 2])]
        constants = {"filters": np.moveaxis(network.filters, -1, 1)}
    else:
        nodes = [make("Unsqueeze", ["X", "one"], ["channels"])]
        constants = {"one": np.array([1]), "filters": network.filters[:, None]}
    options = {"kernel_shape": geometry.filter_shape, "strides": [geometry.stride] * axes}
    if geometry.padding != "circular":
        return nodes, constants, {**options, "pads": [int(geometry.padding)] * (2 * axes)}
    constants["first"] = np.array([0])
    for axis, taps in enumerate(geometry.filter_shape):  # go round the edge
        before, start, wrapped = nodes[-1].output[0], f"start{axis}", f"wrapped{axis}"
        constants |= {f"taps{axis}": np.array([taps - 1]), f"axis{axis}": np.array([axis + 2])}
        nodes += [
            make("Slice", [before, "first", f"taps{axis}", f"axis{axis}"], [start]),
            make("Concat", [before, start], [wrapped], axis=axis + 2),
        ]
    return nodes, constants, options


def _filter_layers(
    torch: Any, network: ConvolutionalNetwork
) -> tuple[list[Any], tuple[Any, Array], bool]:
    """Layers up to the convolution, the convolution with its weights, and whether it is 2-d."""
    nn, geometry = torch.nn, network.unit.geometry
    assert geometry is not None
    shape, m = network.sample_shape, network.n_neurons
    options = {"bias": network.hidden_bias is not None, "dtype": torch.float64}
    if geometry.filter_shape is None:  # ready patches, one after the other as a signal
        h = geometry.n_weights
        convolution = nn.Conv1d(1, m, h, stride=h, **options)
        layers = [nn.Flatten(), nn.Unflatten(1, (1, -1)), convolution]
        return layers, (convolution, network.hidden_weights[:, None, :]), False
    two = len(geometry.filter_shape) == 2
    weights = network.filters
    channels = shape[2] if len(shape) == 3 else 1
    if len(shape) == 3:
        layers = [_channels_first(torch)]
        weights = np.moveaxis(weights, -1, 1)
    else:
        layers, weights = [nn.Unflatten(1, (1, shape[0]))], weights[:, None]
    padding = 0 if geometry.padding == "circular" else int(geometry.padding)
    if geometry.padding == "circular":
        wrap = [side for taps in reversed(geometry.filter_shape) for side in (0, taps - 1)]
        layers.append((nn.CircularPad2d if two else nn.CircularPad1d)(tuple(wrap)))
    kind = nn.Conv2d if two else nn.Conv1d
    convolution = kind(
        channels, m, geometry.filter_shape, stride=geometry.stride, padding=padding, **options
    )
    return [*layers, convolution], (convolution, weights), two


def _channels_first(torch: Any) -> Any:
    class ChannelsFirst(torch.nn.Module):
        """Images (n, H, W, channels) in PyTorch's order."""

        def forward(self, images: Any) -> Any:
            return images.permute(0, 3, 1, 2)

    return ChannelsFirst()
