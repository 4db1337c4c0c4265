"""The scikit-learn face: estimators with ``alpha`` on the mean loss."""

from nogap.estimators.classifier import ReLUClassifier
from nogap.estimators.classifier_cv import ReLUClassifierCV
from nogap.estimators.constrained_classifier import ConstrainedMLPClassifier
from nogap.estimators.constrained_regressor import ConstrainedMLPRegressor
from nogap.estimators.features import ReLUFeatures
from nogap.estimators.regressor import ReLURegressor
from nogap.estimators.regressor_cv import ReLURegressorCV

__all__ = [
    "ConstrainedMLPClassifier",
    "ConstrainedMLPRegressor",
    "ReLUClassifier",
    "ReLUClassifierCV",
    "ReLUFeatures",
    "ReLURegressor",
    "ReLURegressorCV",
]
