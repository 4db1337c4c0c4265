"""ConstrainedMLPClassifier: a deep network with a budget of error for every class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import validate_data

from nogap._typing import ArrayLike, IntArray
from nogap.estimators._base import TrainingSet, check_sample_weight
from nogap.estimators._classes import NetworkClassifier, signed_codes
from nogap.estimators._constrained import ConstrainedMLP
from nogap.estimators._distinct import DistinctRows
from nogap.lifted import ClassErrorBudget, OutputConstraint


class ConstrainedMLPClassifier(NetworkClassifier, ConstrainedMLP):
    """Classification by a deep network with a budget of error for every class.

    The outputs aim at -1 and 1 (one output for two classes, else one per class) with the squared
    loss, and every class must keep its mean absolute error on the training rows within the
    budget: a rare class cannot be given up for the sake of a frequent one.  The budget holds for
    the network's own outputs, or ``status_`` and a warning say by how much it does not.

    Parameters
    ----------
    hidden : sequence of int, default=(8,)
        Widths of the hidden layers.
    error_budget : float or mapping from class to float, default=0.5
        Mean over the rows of a class of ``||output - label||_1``.  A class that a mapping leaves
        out is free, and None sets no budget at all.
    class_weight : dict or "balanced", default=None
        Positive weights of the classes in the loss, 1 where the dict names none.  "balanced" gives
        every class the same total weight.  Budgets are means and do not change.
    activation, engine, warm_up, tol, max_iter, max_time, random_state, verbose
        As in :class:`ConstrainedMLPRegressor`.

    Attributes
    ----------
    network_ : nogap.DeepNetwork
    classes_ : array (n_classes,)
    status_, excess_, objective_, n_iter_, history_
        As in :class:`ConstrainedMLPRegressor`.

    References
    ----------
    .. [1] F. Zohrizadeh et al., "Convex relaxation for training neural networks".

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from nogap.estimators import ConstrainedMLPClassifier
    >>> X, y = make_moons((40, 8), noise=0.2, random_state=0)
    >>> model = ConstrainedMLPClassifier((4,), error_budget=0.4, max_iter=5).fit(X, y)
    >>> model.excess_
    0.0
    >>> model.predict([[0.0, 1.0], [1.0, -0.5]])
    array([0, 1])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **ConstrainedMLP._parameter_constraints,
        "error_budget": [Interval(Real, 0, None, closed="neither"), Mapping, None],
        "class_weight": [Mapping, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        hidden: Sequence[int] = (8,),
        *,
        error_budget: float | Mapping[Any, float] | None = 0.5,
        class_weight: Mapping[Any, float] | str | None = None,
        activation: str = "tanh",
        engine: str = "auto",
        warm_up: int | None = None,
        tol: float = 1e-4,
        max_iter: int = 30,
        max_time: float | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.hidden = hidden
        self.error_budget = error_budget
        self.class_weight = class_weight
        self.activation = activation
        self.engine = engine
        self.warm_up = warm_up
        self.tol = tol
        self.max_iter = max_iter
        self.max_time = max_time
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array or DataFrame (n, d)
        y : array (n,)
            Class labels, numbers or strings.
        sample_weight : array (n,), optional
            Non-negative weights, in the loss and in the budgets; an integer weight equals so many
            copies of the row.

        Returns
        -------
        self : ConstrainedMLPClassifier

        Raises
        ------
        ValueError
            A parameter is outside its range, X holds values that cannot be used, or y holds only
            one class (of positive weight).

        Warns
        -----
        ConvergenceWarning
            A budget does not hold, or training stopped early (not at `max_iter`).
        """
        self._validate_params()
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        weights = check_sample_weight(sample_weight, X)
        codes = self._class_codes(y, weights)
        factors = self._factors(codes, weights)
        data = TrainingSet.of(
            X,
            signed_codes(codes, self.classes_.size),
            "squared",
            weights,
            None if factors is None else factors[codes],
        )
        self._fit_network(data, self._budgets(data.rows, codes[data.rows.first]))
        return self

    def _budgets(self, rows: DistinctRows, codes: IntArray) -> list[OutputConstraint]:
        if self.error_budget is None:
            return []
        if not isinstance(self.error_budget, Mapping):
            return [ClassErrorBudget(rows.Y, self.error_budget, rows.weights)]
        known = self.classes_.tolist()
        unknown = [label for label in self.error_budget if label not in known]
        if unknown:
            raise ValueError(
                f"error_budget names the class {unknown[0]!r}, which is not in y; the classes are "
                f"{known}"
            )
        return [
            ClassErrorBudget(rows.Y, self.error_budget[label], rows.weights * (codes == code))
            for code, label in enumerate(known)
            if label in self.error_budget
        ]
