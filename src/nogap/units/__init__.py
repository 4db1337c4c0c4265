"""What one neuron computes from its pre-activations."""

from nogap.units.activations import GatedReLU, Linear, ReLU, Unit, get_unit
from nogap.units.convolution import Convolution
from nogap.units.three_layer import ThreeLayer

__all__ = ["Convolution", "GatedReLU", "Linear", "ReLU", "ThreeLayer", "Unit", "get_unit"]
