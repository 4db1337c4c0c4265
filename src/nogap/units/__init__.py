"""What one neuron computes from its pre-activations."""

from nogap.units.activations import GatedReLU, Linear, MaskUnit, ReLU, Unit
from nogap.units.choice import get_unit
from nogap.units.convolution import Convolution
from nogap.units.saturating import Sign, Tanh
from nogap.units.three_layer import ThreeLayer

__all__ = [
    "Convolution",
    "GatedReLU",
    "Linear",
    "MaskUnit",
    "ReLU",
    "Sign",
    "Tanh",
    "ThreeLayer",
    "Unit",
    "get_unit",
]
