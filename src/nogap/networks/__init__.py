"""Networks that training hands back: weights, predictions, pruning, files."""

from nogap.networks.circular import CircularNetwork
from nogap.networks.convolutional import ConvolutionalNetwork
from nogap.networks.deep import DeepNetwork
from nogap.networks.two_layer import Network

__all__ = ["CircularNetwork", "ConvolutionalNetwork", "DeepNetwork", "Network"]
