"""Neural networks trained to their global optimum by convex optimisation, with a certificate.

>>> import numpy as np, nogap
>>> X = np.column_stack([[-2.0, -1.0, 0.0, 1.0, 2.0], np.ones(5)])
>>> solution = nogap.train(X, [1.0, -1.0, 1.0, 1.0, -1.0], beta=0.1, random_state=0)
>>> print(solution.status)
optimal
"""

from nogap import losses, units
from nogap.certificate import Certificate
from nogap.certification import certify
from nogap.estimators import ReLUClassifier, ReLURegressor
from nogap.network import Network
from nogap.patterns import enumerate_patterns, sample_patterns
from nogap.problem import Problem
from nogap.regularization import beta_max
from nogap.solution import Record, Solution, Status
from nogap.training import train

__version__ = "0.1.0"

__all__ = [
    "Certificate",
    "Network",
    "Problem",
    "ReLUClassifier",
    "ReLURegressor",
    "Record",
    "Solution",
    "Status",
    "beta_max",
    "certify",
    "enumerate_patterns",
    "losses",
    "sample_patterns",
    "train",
    "units",
]
