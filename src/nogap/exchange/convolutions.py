"""Convolutional networks as PyTorch modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nogap._typing import Array
from nogap.exchange.exports import require

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
    K, m = unit.geometry.n_positions, network.n_neurons
    layers.append(nn.ReLU() if network.activation == "relu" else nn.Identity())
    A = network.output_weights  # (m, q C)
    if unit.pooling is None:  # flattened channel by channel, as A is neuron by neuron
        A = A.reshape(m * K, network.n_outputs)
    elif unit.pooling == "max":
        layers.append(nn.AdaptiveMaxPool2d(1) if two else nn.AdaptiveMaxPool1d(1))
    else:
        layers.append(nn.AdaptiveAvgPool2d(1) if two else nn.AdaptiveAvgPool1d(1))
        A = A * K if unit.pooling == "sum" else A
    output = nn.Linear(A.shape[0], network.n_outputs, dtype=torch.float64)
    with torch.no_grad():
        filters[0].weight.copy_(torch.from_numpy(np.ascontiguousarray(filters[1])))
        if network.hidden_bias is not None:
            filters[0].bias.copy_(torch.from_numpy(network.hidden_bias))
        output.weight.copy_(torch.from_numpy(np.ascontiguousarray(A.T)))
        output.bias.copy_(torch.from_numpy(network.intercept))
    return nn.Sequential(*layers, nn.Flatten(), output)


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
