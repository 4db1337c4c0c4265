"""What the classifiers share: classes and their weights, and labels from the network's outputs."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from nogap._typing import AnyArray, Array, IntArray


class NetworkClassifier(ClassifierMixin):
    """A classifier by a network with one output for two classes, else one for each class."""

    class_weight: Mapping[Any, float] | str | None
    classes_: AnyArray

    if TYPE_CHECKING:  # the other base's

        def _outputs(self, X: Any) -> Array: ...

    def decision_function(self, X: Any) -> Array:
        """Outputs of the network.

        Parameters
        ----------
        X : array or DataFrame (n, d), or what else ``fit`` takes

        Returns
        -------
        outputs : array (n,) or (n, n_classes)
            For two classes, positive values speak for ``classes_[1]``; for more, the largest
            output of a row names its class.
        """
        F = self._outputs(X)
        return F[:, 0] if self.classes_.size == 2 else F

    def predict(self, X: Any) -> AnyArray:
        """Predicted classes.

        Parameters
        ----------
        X : array or DataFrame (n, d), or what else ``fit`` takes

        Returns
        -------
        labels : array (n,)
        """
        F = self._outputs(X)
        codes = (F[:, 0] > 0).astype(np.intp) if self.classes_.size == 2 else F.argmax(axis=1)
        labels: AnyArray = self.classes_[codes]
        return labels

    def _class_codes(self, y: Any, sample_weight: Array | None) -> IntArray:
        """Set ``classes_``; the place of every label in them, (n,)."""
        try:
            check_classification_targets(y)
            labels = column_or_1d(y, warn=True)
            known = np.unique(labels if sample_weight is None else labels[sample_weight > 0])
        except TypeError:
            kinds = sorted({type(label).__name__ for label in np.ravel(y).tolist()})
            raise ValueError(
                f"the labels y are of kinds that have no common order ({', '.join(kinds)}); drop "
                "rows without a label, and make the others alike, such as all strings"
            ) from None
        self.classes_ = known
        if self.classes_.size == 1:
            raise ValueError(
                f"y holds only one class, {self.classes_.tolist()[0]!r}, among the samples of "
                "positive weight; a classifier needs at least two classes"
            )
        # a label that occurs with weight zero only may get any code: its rows are dropped
        return np.searchsorted(self.classes_, labels).clip(max=self.classes_.size - 1)

    def _factors(self, codes: IntArray, sample_weight: Array | None) -> Array | None:
        """The weight of every class, (n_classes,), or None when all are one."""
        if self.class_weight is None:
            return None
        if not isinstance(self.class_weight, str):
            return _factors_by_name(self.class_weight, self.classes_)
        totals = np.bincount(codes, weights=sample_weight, minlength=self.classes_.size)
        balanced: Array = totals.sum() / (self.classes_.size * totals)
        return balanced


def signed_codes(codes: IntArray, n_classes: int) -> Array:
    """Class codes as -1 and 1: (n, 1) for two classes, (n, n_classes) for more."""
    if n_classes == 2:
        return np.where(codes == 1, 1.0, -1.0)[:, None]
    return 2.0 * np.eye(n_classes)[codes] - 1.0


def _factors_by_name(class_weight: Mapping[Any, float], classes: AnyArray) -> Array:
    known = set(classes.tolist())
    for label, weight in class_weight.items():
        if label not in known:
            raise ValueError(
                f"class_weight names the class {label!r}, which is not in y; "
                f"the classes are {classes.tolist()}"
            )
        if not (isinstance(weight, Real) and 0 < weight < float("inf")):
            raise ValueError(
                f"class_weight of the class {label!r} must be a positive number, got {weight!r}"
            )
    return np.array([float(class_weight.get(label, 1.0)) for label in classes.tolist()])
