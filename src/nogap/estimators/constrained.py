"""Deep networks under hard constraints in scikit-learn's manner."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from nogap._typing import AnyArray, Array, ArrayLike
from nogap._validation import generator
from nogap.estimators._base import DEFAULT_SEED, progress
from nogap.estimators._monotone import monotone_chains, monotone_signs
from nogap.estimators._warnings import warn_not_converged
from nogap.lifted import (
    AtRows,
    Bounds,
    ClassErrorBudget,
    LiftedSolution,
    Modelled,
    Order,
    OutputConstraint,
    parabolic,
)
from nogap.lifted.activations import SPLITS
from nogap.losses import Huber, Loss
from nogap.networks.deep import DeepNetwork
from nogap.solution import Record, Status

logger = logging.getLogger("nogap")


class _ConstrainedMLP(BaseEstimator):
    """What the two estimators share."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden": ["array-like"],
        "activation": [StrOptions(set(SPLITS))],
        "engine": [StrOptions({"auto", "prox", "conic"})],
        "warm_up": [Interval(Integral, 0, None, closed="left"), None],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "max_time": [Interval(Real, 0, None, closed="neither"), None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    hidden: Sequence[int]
    activation: str
    engine: str
    warm_up: int | None
    tol: float
    max_iter: int
    max_time: float | None
    random_state: int | np.random.RandomState | None
    verbose: int

    network_: DeepNetwork
    status_: Status
    excess_: float
    objective_: float
    n_iter_: int
    history_: list[Record]
    n_features_in_: int

    def _seed(self) -> int | np.random.RandomState:
        return DEFAULT_SEED if self.random_state is None else self.random_state

    def _fit_network(
        self,
        X: Array,
        Y: Array,
        constraints: list[OutputConstraint],
        loss: str | Loss,
        sample_weight: Array | None = None,
    ) -> None:
        with progress(type(self).__name__, self.verbose) as callbacks:
            solution = parabolic(
                X,
                Y,
                self.hidden,
                self.activation,
                loss=loss,
                constraints=constraints,
                engine=self.engine,
                warm_up=self.warm_up,
                sample_weight=sample_weight,
                tol=self.tol,
                max_iter=self.max_iter,
                max_time=self.max_time,
                random_state=self._seed(),
                callbacks=callbacks,
            )
            logger.info("%s: %s", type(self).__name__, solution)
        self.network_ = solution.network
        self.status_ = solution.status
        self.excess_ = solution.excess
        self.objective_ = solution.objective
        self.n_iter_ = max(solution.n_iter, 1)
        self.history_ = solution.history
        # the number of steps is a choice, as the rounds of boosting are: no reason to warn
        if not solution.status.converged and solution.status is not Status.ITERATION_LIMIT:
            _warn(self, solution)

    def _outputs(self, X: Any) -> Array:
        """Outputs of the network at X (n, d), always (n, C)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return self.network_.decision(X)


def _warn(estimator: _ConstrainedMLP, solution: LiftedSolution) -> None:
    warn_not_converged(f"{type(estimator).__name__} did not converge. {solution}")


class ConstrainedMLPRegressor(RegressorMixin, _ConstrainedMLP):
    """Regression by a deep network whose outputs obey hard convex constraints.

    The network minimises the loss over the training rows; the constraints hold for its own outputs
    there, not on average and not up to a penalty: to a relative excess of 1e-6, or ``status_`` and
    a warning say by how much they do not.  The fit is local, not the global optimum.

    Features and target are best standardised; bounds and constraints are in the target's units.

    Parameters
    ----------
    hidden : sequence of int, default=(8,)
        Widths of the hidden layers.
    activation : {"tanh", "sigmoid", "softplus", "softsign", "relu", "hardtanh"}, default="tanh"
        Of the hidden layers.  The last two have kinks and need CVXPY.
    loss : {"squared", "huber"} or Huber, default="squared"
        Half the squared error, or Huber's loss.
    lower, upper : float, default=None
        Bounds of the outputs, at the training rows and at the points of `monotonic_cst`.
    monotonic_cst : sequence of int or mapping from feature name to int, default=None
        For every feature 1 (the output may only increase with it), -1 (only decrease) or 0.  It is
        enforced along lines through training rows, between neighbouring points of a grid over the
        range of the feature.
    constraints : list of constraints or callable, default=None
        Further constraints on the outputs at the training rows, in their order, or a function of
        (X, Y) that returns such a list, which then also fits subsets of the data.
    engine : {"auto", "prox", "conic"}, default="auto"
        As in :func:`nogap.lifted.parabolic`.
    warm_up : int, default=None
        Iterations of plain descent before the convex steps; None chooses.
    tol : float, default=1e-4
        Relative decrease of the merit by a step at which training stops.
    max_iter : int, default=30
        Most convex steps.  More steps fit more closely, which without a penalty on the weights is
        not always wanted.
    max_time : float, default=None
        Seconds after which training stops with the best network so far.
    random_state : int or RandomState, default=None
        Seed of the start; None stands for a fixed seed.
    verbose : int, default=0
        1 reports the progress about once a second, 2 every step, through the logger "nogap".

    Attributes
    ----------
    network_ : nogap.DeepNetwork
    status_ : nogap.Status
        How training ended.
    excess_ : float
        Largest violation of a constraint by the network's outputs, relative; zero when all hold.
    objective_ : float
        Sum of the losses.
    n_iter_ : int
        Convex steps.
    history_ : list of nogap.lifted.LiftedRecord
    n_features_in_ : int
    feature_names_in_ : array (d,) of str

    See Also
    --------
    ConstrainedMLPClassifier : the same for classes, with a budget of error for each.
    nogap.lifted.parabolic : the function behind it.

    References
    ----------
    .. [1] F. Zohrizadeh et al., "Convex relaxation for training neural networks".

    Examples
    --------
    >>> import numpy as np
    >>> from nogap.estimators import ConstrainedMLPRegressor
    >>> X = np.linspace(-2.0, 2.0, 20)[:, None]
    >>> y = np.tanh(2 * X[:, 0]) + 0.3 * np.cos(9 * X[:, 0])
    >>> model = ConstrainedMLPRegressor((3,), upper=0.9, monotonic_cst=[1], max_iter=3).fit(X, y)
    >>> model.excess_ <= 1e-6, bool(np.all(np.diff(model.predict(X)) > -0.01))
    (True, True)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **_ConstrainedMLP._parameter_constraints,
        "loss": [StrOptions({"squared", "huber"}), Huber],
        "lower": [Interval(Real, None, None, closed="neither"), None],
        "upper": [Interval(Real, None, None, closed="neither"), None],
        "monotonic_cst": ["array-like", Mapping, None],
        "constraints": [list, tuple, callable, None],
    }

    def __init__(
        self,
        hidden: Sequence[int] = (8,),
        *,
        activation: str = "tanh",
        loss: str | Huber = "squared",
        lower: float | None = None,
        upper: float | None = None,
        monotonic_cst: Sequence[int] | Mapping[str, int] | None = None,
        constraints: Iterable[Any] | Callable[[Array, Array], list[Any]] | None = None,
        engine: str = "auto",
        warm_up: int | None = None,
        tol: float = 1e-4,
        max_iter: int = 30,
        max_time: float | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.hidden = hidden
        self.activation = activation
        self.loss = loss
        self.lower = lower
        self.upper = upper
        self.monotonic_cst = monotonic_cst
        self.constraints = constraints
        self.engine = engine
        self.warm_up = warm_up
        self.tol = tol
        self.max_iter = max_iter
        self.max_time = max_time
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: ArrayLike) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array or DataFrame (n, d)
        y : array (n,) or (n, C)

        Returns
        -------
        self : ConstrainedMLPRegressor

        Raises
        ------
        ValueError
            A parameter is outside its range, or X and y hold values that cannot be used.

        Warns
        -----
        ConvergenceWarning
            The constraints do not hold, or training stopped early (not at `max_iter`).
        """
        self._validate_params()
        X, y = validate_data(
            self, X, y, dtype=np.float64, multi_output=True, y_numeric=True, ensure_min_samples=2
        )
        Y = np.asarray(y, dtype=np.float64)
        self._one_target = Y.ndim == 1
        Y = Y.reshape(Y.shape[0], -1)
        n = X.shape[0]
        signs = monotone_signs(self.monotonic_cst, X.shape[1], self._names())
        points, pairs = monotone_chains(X, signs, generator(self._seed()))
        constraints: list[OutputConstraint] = [
            AtRows(item, np.arange(n)) for item in self._own_constraints(X, Y)
        ]
        if self.lower is not None or self.upper is not None:
            constraints.append(Bounds(self.lower, self.upper))
        if pairs.size:
            constraints.append(Order(pairs + n))
        weights = np.concatenate([np.ones(n), np.zeros(points.shape[0])])
        # points without a target only bear constraints
        targets = np.vstack([Y, np.tile(Y.mean(axis=0), (points.shape[0], 1))])
        self._fit_network(np.vstack([X, points]), targets, constraints, self.loss, weights)
        return self

    def _names(self) -> list[str] | None:
        names = getattr(self, "feature_names_in_", None)
        return None if names is None else list(names)

    def _own_constraints(self, X: Array, Y: Array) -> list[OutputConstraint]:
        given = self.constraints(X, Y) if callable(self.constraints) else self.constraints
        return [
            item if isinstance(item, OutputConstraint) else Modelled(item) for item in given or []
        ]

    def predict(self, X: Any) -> Array:
        """Predicted targets.

        Parameters
        ----------
        X : array or DataFrame (n, d)

        Returns
        -------
        y : array (n,) or (n, C)
        """
        F = self._outputs(X)
        return F[:, 0] if self._one_target else F

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class ConstrainedMLPClassifier(ClassifierMixin, _ConstrainedMLP):
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
        **_ConstrainedMLP._parameter_constraints,
        "error_budget": [Interval(Real, 0, None, closed="neither"), Mapping, None],
    }

    classes_: AnyArray

    def __init__(
        self,
        hidden: Sequence[int] = (8,),
        *,
        error_budget: float | Mapping[Any, float] | None = 0.5,
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
        self.activation = activation
        self.engine = engine
        self.warm_up = warm_up
        self.tol = tol
        self.max_iter = max_iter
        self.max_time = max_time
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: ArrayLike) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array or DataFrame (n, d)
        y : array (n,)
            Class labels, numbers or strings.

        Returns
        -------
        self : ConstrainedMLPClassifier

        Raises
        ------
        ValueError
            A parameter is outside its range, X holds values that cannot be used, or y holds only
            one class.

        Warns
        -----
        ConvergenceWarning
            A budget does not hold, or training stopped early (not at `max_iter`).
        """
        self._validate_params()
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        check_classification_targets(y)
        labels = column_or_1d(y, warn=True)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if self.classes_.size == 1:
            raise ValueError(
                f"y holds only one class, {self.classes_.tolist()[0]!r}; a classifier needs at "
                "least two classes"
            )
        coded = 2.0 * np.eye(self.classes_.size)[codes] - 1.0
        Y = coded[:, 1:] if self.classes_.size == 2 else coded
        self._fit_network(X, Y, self._budgets(Y, codes), "squared")
        return self

    def _budgets(self, Y: Array, codes: AnyArray) -> list[OutputConstraint]:
        if self.error_budget is None:
            return []
        if not isinstance(self.error_budget, Mapping):
            return [ClassErrorBudget(Y, self.error_budget)]
        known = self.classes_.tolist()
        unknown = [label for label in self.error_budget if label not in known]
        if unknown:
            raise ValueError(
                f"error_budget names the class {unknown[0]!r}, which is not in y; the classes are "
                f"{known}"
            )
        return [
            ClassErrorBudget(Y, self.error_budget[label], codes == code)
            for code, label in enumerate(known)
            if label in self.error_budget
        ]

    def decision_function(self, X: Any) -> Array:
        """Outputs of the network.

        Parameters
        ----------
        X : array or DataFrame (n, d)

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
        X : array or DataFrame (n, d)

        Returns
        -------
        labels : array (n,)
        """
        F = self._outputs(X)
        codes = (F[:, 0] > 0).astype(np.intp) if self.classes_.size == 2 else F.argmax(axis=1)
        labels: AnyArray = self.classes_[codes]
        return labels
