"""What one neuron computes from its pre-activation."""

from nogap.units.activations import GatedReLU, Linear, ReLU, Unit, get_unit

__all__ = ["GatedReLU", "Linear", "ReLU", "Unit", "get_unit"]
