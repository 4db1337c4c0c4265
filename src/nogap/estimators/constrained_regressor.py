"""ConstrainedMLPRegressor: a deep network whose outputs obey hard constraints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import validate_data

from nogap._typing import Array, ArrayLike, IntArray
from nogap._validation import generator
from nogap.estimators._base import TrainingSet, check_sample_weight
from nogap.estimators._constrained import ConstrainedMLP
from nogap.estimators._monotone import monotone_chains, monotone_signs
from nogap.lifted import AtRows, Bounds, Order, OutputConstraint
from nogap.lifted.modelled import listed_constraints
from nogap.losses import Huber


class ConstrainedMLPRegressor(RegressorMixin, ConstrainedMLP):
    """Regression by a deep network whose outputs obey hard convex constraints.

    The network minimises the loss over the training rows; the constraints hold for its own outputs
    there, not on average and not up to a penalty: to a relative excess of 1e-6, or ``status_`` and
    a warning say by how much they do not.  The fit is local, not the global optimum.

    Features are best standardised.  The target is standardised inside, so that its unit and origin
    do not matter; bounds and constraints are in the target's units.

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
        For every feature 1 (the output is to increase with it), -1 (to decrease) or 0.  Enforced
        are finitely many inequalities a feature, between neighbouring points on 8 lines: each runs
        through a training row drawn at random (all rows if there are fewer) and varies the feature
        alone over the range of the training rows, at 25 evenly spaced points and 5 quantiles.
        Between these points, on lines through other rows and beyond the range nothing is enforced.
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
        Largest violation of a constraint by the network's outputs, relative to its size as in
        :func:`nogap.lifted.parabolic`; zero when all hold.
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
        **ConstrainedMLP._parameter_constraints,
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

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array or DataFrame (n, d)
        y : array (n,) or (n, C)
        sample_weight : array (n,), optional
            Non-negative weights of the losses; an integer weight equals so many copies of the row.
            Rows of weight zero are left out, except that they bear the given `constraints`.

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
        data = TrainingSet.of(X, Y, self.loss, check_sample_weight(sample_weight, X))
        constraints, left_out = self._at_distinct_rows(X, Y, data.rows.places())
        signs = monotone_signs(self.monotonic_cst, X.shape[1], self._names())
        points, pairs = monotone_chains(data.rows.X, signs, generator(self._seed()))
        points = np.vstack([left_out, points])
        if self.lower is not None or self.upper is not None:
            constraints.append(Bounds(self.lower, self.upper))
        if pairs.size:
            constraints.append(Order(pairs + data.rows.X.shape[0] + left_out.shape[0]))
        self._fit_network(data, constraints, points)
        return self

    def _at_distinct_rows(
        self, X: Array, Y: Array, places: IntArray
    ) -> tuple[list[OutputConstraint], Array]:
        """The given constraints at the rows as they are trained on, and rows to add for them."""
        given = self.constraints(X, Y) if callable(self.constraints) else self.constraints
        own = listed_constraints(given)
        if not own:
            return [], X[:0]
        left_out = np.flatnonzero(places < 0)
        places[left_out] = places.max() + 1 + np.arange(left_out.size)
        return [AtRows(item, places) for item in own], X[left_out]

    def _names(self) -> list[str] | None:
        names = getattr(self, "feature_names_in_", None)
        return None if names is None else list(names)

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
