"""Neural networks trained to their global optimum by convex optimisation, with a certificate.

>>> import numpy as np, nogap
>>> X = np.column_stack([[-2.0, -1.0, 0.0, 1.0, 2.0], np.ones(5)])
>>> solution = nogap.train(X, [1.0, -1.0, 1.0, 1.0, -1.0], beta=0.1, random_state=0)
>>> print(solution.status)
optimal
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nogap import closed_form, lifted, losses, units
from nogap.certificate import Certificate
from nogap.certification import certify
from nogap.circular import circular_linear, circular_three_layer
from nogap.conditional_gradient import frank_wolfe, frank_wolfe_bound
from nogap.geometry import (
    DecisionRegions,
    KernelRepresentation,
    decision_regions,
    kernel_representation,
)
from nogap.interpolation import interpolate
from nogap.networks.circular import CircularNetwork
from nogap.networks.convolutional import ConvolutionalNetwork
from nogap.networks.deep import DeepNetwork
from nogap.networks.parallel import ParallelNetwork
from nogap.networks.two_layer import Network
from nogap.optimal_networks import OptimalSet, optimal_set
from nogap.patterns import enumerate_patterns, sample_patterns
from nogap.problem import Problem
from nogap.regularization import beta_max
from nogap.regularization_path import path
from nogap.relaxation import relax, semi_nmf
from nogap.solution import Record, Solution, Status
from nogap.surrogate import modified_gradient
from nogap.training import train

if TYPE_CHECKING:
    from nogap.displays import CertificateDisplay, FunctionDisplay, NeuronDisplay, PathDisplay
    from nogap.estimators import (
        ConstrainedMLPClassifier,
        ConstrainedMLPRegressor,
        ReLUClassifier,
        ReLUClassifierCV,
        ReLUFeatures,
        ReLURegressor,
        ReLURegressorCV,
    )

__version__ = "0.1.0"

__all__ = [
    "Certificate",
    "CertificateDisplay",
    "CircularNetwork",
    "ConstrainedMLPClassifier",
    "ConstrainedMLPRegressor",
    "ConvolutionalNetwork",
    "DecisionRegions",
    "DeepNetwork",
    "FunctionDisplay",
    "KernelRepresentation",
    "Network",
    "NeuronDisplay",
    "OptimalSet",
    "ParallelNetwork",
    "PathDisplay",
    "Problem",
    "ReLUClassifier",
    "ReLUClassifierCV",
    "ReLUFeatures",
    "ReLURegressor",
    "ReLURegressorCV",
    "Record",
    "Solution",
    "Status",
    "beta_max",
    "certify",
    "circular_linear",
    "circular_three_layer",
    "closed_form",
    "decision_regions",
    "enumerate_patterns",
    "frank_wolfe",
    "frank_wolfe_bound",
    "interpolate",
    "kernel_representation",
    "lifted",
    "losses",
    "modified_gradient",
    "optimal_set",
    "path",
    "relax",
    "sample_patterns",
    "semi_nmf",
    "train",
    "units",
]

ESTIMATORS = (
    "ConstrainedMLPClassifier",
    "ConstrainedMLPRegressor",
    "ReLUClassifier",
    "ReLUClassifierCV",
    "ReLUFeatures",
    "ReLURegressor",
    "ReLURegressorCV",
)
DISPLAYS = ("CertificateDisplay", "FunctionDisplay", "NeuronDisplay", "PathDisplay")


def __getattr__(name: str) -> Any:
    """Import the estimators when they are first used: scikit-learn loads slowly."""
    if name in ESTIMATORS:
        from nogap import estimators

        return getattr(estimators, name)
    if name in DISPLAYS:
        from nogap import displays

        return getattr(displays, name)
    raise AttributeError(f"module 'nogap' has no attribute {name!r}")
