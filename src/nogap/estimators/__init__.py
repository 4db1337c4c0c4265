"""The scikit-learn face: estimators with ``alpha`` on the mean loss."""

from nogap.estimators.classifier import ReLUClassifier
from nogap.estimators.constrained import ConstrainedMLPClassifier, ConstrainedMLPRegressor
from nogap.estimators.regressor import ReLURegressor

__all__ = [
    "ConstrainedMLPClassifier",
    "ConstrainedMLPRegressor",
    "ReLUClassifier",
    "ReLURegressor",
]
