"""Descent on a surrogate: networks of few ReLU neurons with unit output weights, unpenalised.

Ergen and Pilanci, *Convex optimization for shallow neural networks* (Allerton 2019).
"""

from nogap.surrogate.gradients import modified_gradients, surrogate_value
from nogap.surrogate.training import modified_gradient

__all__ = ["modified_gradient", "modified_gradients", "surrogate_value"]
