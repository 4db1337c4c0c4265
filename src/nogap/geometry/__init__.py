"""What a trained network looks like: its kernel, and the regions in which it classifies."""

from nogap.geometry.kernel import KernelRepresentation, kernel_representation
from nogap.geometry.regions import DecisionRegions, decision_regions

__all__ = ["DecisionRegions", "KernelRepresentation", "decision_regions", "kernel_representation"]
