"""ReLUFeatures: the learned hidden layer as features for another model."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, clone
from sklearn.utils import get_tags, metadata_routing
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from nogap._typing import Array
from nogap.estimators._base import ReLUEstimator
from nogap.estimators.classifier import ReLUClassifier
from nogap.estimators.regressor import ReLURegressor


class ReLUFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """The hidden layer of a trained network as features.

    Fits an estimator and gives, for every row x, the activations ``relu(x' u_j + c_j)`` times the
    norm of the neuron's output weights ``||a_j||``.  In this scale the network is a sum of the
    features with coefficients of norm 1, and no split of weights between the layers matters.

    Parameters
    ----------
    estimator : estimator of nogap, default=None
        Unfitted, with or without cross-validation.  None stands for ``ReLUClassifier()`` where y
        holds classes and for ``ReLURegressor()`` where it holds numbers.

    Attributes
    ----------
    estimator_ : estimator
        The fitted one.
    n_features_in_ : int
        Number of features that go in.
    feature_names_in_ : array (d,) of str
        Names of the features, where X has them and all are strings.

    See Also
    --------
    ReLUClassifier, ReLURegressor : what is fitted.

    Examples
    --------
    >>> from nogap.estimators import ReLUFeatures, ReLURegressor
    >>> X = [[-2.0], [-1.0], [0.0], [1.0], [2.0]]
    >>> features = ReLUFeatures(ReLURegressor(alpha=0.01)).fit(X, [2.0, 1.0, 0.0, 1.0, 2.0])
    >>> features.transform(X).shape[1] == features.estimator_.n_neurons_
    True
    >>> features.get_feature_names_out()[:1].tolist()
    ['relufeatures0']
    """

    estimator_: ReLUEstimator

    def __init__(self, estimator: ReLUEstimator | None = None) -> None:
        self.estimator = estimator

    def fit(self, X: Any, y: Any, **fit_params: Any) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array, DataFrame or sparse matrix (n, d)
        y : array (n,) or (n, C)
        **fit_params : dict
            Passed to the estimator's ``fit``, such as ``sample_weight``; where scikit-learn's
            metadata routing is enabled, what it asks for.

        Returns
        -------
        self : ReLUFeatures

        Raises
        ------
        TypeError
            The estimator is not one of nogap.
        ValueError
            What the estimator refuses.
        """
        if self.estimator is not None and not isinstance(self.estimator, ReLUEstimator):
            raise TypeError(
                "estimator must be one of nogap's, such as ReLUClassifierCV(), got "
                f"{type(self.estimator).__name__}"
            )
        if metadata_routing._routing_enabled():
            fit_params = dict(process_routing(self, "fit", **fit_params).estimator.fit)
        # checked here for its names; the estimator checks the values
        validate_data(self, X, skip_check_array=True)
        self.estimator_ = self._chosen(y).fit(X, y, **fit_params)
        self.n_features_in_ = self.estimator_.n_features_in_
        return self

    def _chosen(self, y: Any) -> ReLUEstimator:
        if self.estimator is not None:
            chosen: ReLUEstimator = clone(self.estimator)
            return chosen
        if y is None:
            raise ValueError(
                "ReLUFeatures requires y to be passed, but the target y is None; its features are "
                "those that predict y"
            )
        return (
            ReLUClassifier() if type_of_target(y) in ("binary", "multiclass") else ReLURegressor()
        )

    def transform(self, X: Any) -> Array:
        """Activations of the hidden layer.

        Parameters
        ----------
        X : array, DataFrame or sparse matrix (n, d)

        Returns
        -------
        features : array (n, n_neurons)
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False)
        network = self.estimator_.network_
        features: Array = network.features(X) * np.linalg.norm(network.output_weights, axis=1)
        return features

    @property
    def _n_features_out(self) -> int:
        return self.estimator_.n_neurons_

    def get_metadata_routing(self) -> MetadataRouter:
        """Which metadata the estimator asks for.

        Returns
        -------
        routing : MetadataRouter
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        estimator = ReLURegressor() if self.estimator is None else self.estimator
        return MetadataRouter(owner=self).add(estimator=estimator, method_mapping=mapping)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        if self.estimator is not None:
            tags.target_tags.multi_output = get_tags(self.estimator).target_tags.multi_output
        return tags
