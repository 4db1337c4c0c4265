"""ReLURegressor: regression by a two-layer ReLU network at its global optimum."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils._param_validation import StrOptions

from nogap._typing import Array, ArrayLike
from nogap.estimators._base import ReLUEstimator, TrainingSet
from nogap.estimators._callbacks import with_callbacks
from nogap.losses import Huber, get_loss


class ReLURegressor(RegressorMixin, ReLUEstimator):
    """Regression by a two-layer ReLU network, trained to its global optimum.

    Minimises, over networks ``f(x) = b + sum_j relu(x' u_j + c_j) a_j`` with any number of
    neurons, ::

        (1 / W) sum_i w_i l(f(x_i), y_i)  +  alpha sum_j ||(u_j, c_j)||_2 ||a_j||_2

    where W is the sum of the sample weights w_i (all one unless given), and l is half the squared
    error or Huber's loss.  The problem is convex in the network taken as a whole, so there is one
    optimal objective; the fit reaches it to the tolerance `tol`, and ``certificate_`` says how far
    from it the network can still be.

    X is not standardised.  The penalty treats all features alike, so features of very different
    scales belong behind a :class:`~sklearn.preprocessing.StandardScaler` in a
    :class:`~sklearn.pipeline.Pipeline`; `alpha` is in the units of y (for squared loss, a target
    of another scale needs an alpha of that scale).

    Parameters
    ----------
    alpha : float, default=0.01
        Weight of the penalty; larger values give smaller networks.  The default suits features
        and a target of unit variance: there it is some tens of times below the value above which
        the network is a constant, and was between the best values for a clean and a noisy target.
    loss : {"squared", "huber"} or Huber, default="squared"
        Half the squared error, or Huber's loss, which is linear beyond an error of 1; another
        bend is chosen by an object, ``nogap.losses.Huber(delta)``.
    hidden_bias : bool, default=True
        Whether the neurons have a bias c_j, penalised like their other weights.
    fit_intercept : bool, default=True
        Whether the output has a constant b, not penalised.
    tol : float, default=1e-3
        Relative gap between the objective and its lower bound at which training stops. A gap of
        ``0.01 * tol`` of the loss of the best constant is enough, too.
    max_time : float, default=None
        Seconds after which training stops with the best network so far; None sets no limit.
    max_neurons : int, default=None
        Most neurons; None sets no limit.
    random_state : int or RandomState, default=None
        Seed of the search for neurons.  It changes the way to the optimum, not the optimum.  None
        stands for a fixed seed: the same call gives the same network.
    verbose : int, default=0
        1 reports the progress about once a second, 2 every round, through the logger "nogap".
    warm_start : bool, default=False
        Whether a further fit starts from the network of the last one.  It saves time, for example
        along a sequence of alphas, and leads to the same optimum.

    Attributes
    ----------
    network_ : nogap.Network
        The trained network.
    certificate_ : nogap.Certificate
        How far from the global optimum the network can be.  It is stated for the sum of the losses
        (not their mean) with ``beta = alpha * W``.
    status_ : nogap.Status
        How training ended; ``status_.sentence`` says it in words.
    objective_ : float
        The sum of the weighted losses plus ``alpha * W`` times the penalty, as in the certificate.
    n_neurons_ : int
        Number of hidden neurons.
    n_iter_ : int
        Rounds of training.
    history_ : list of nogap.Record
        Time, objective, lower bound and number of neurons of every round.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : array (d,) of str
        Names of the features, where X has them and all are strings.

    See Also
    --------
    ReLUClassifier : the same for classes.
    nogap.train : the function behind it, with more choices.

    Notes
    -----
    Equal rows are merged and rows of weight zero dropped before training, in an order that does
    not depend on the order of X.  Sample weights therefore equal repeated rows exactly, and the
    order of the rows does not change the result.

    Fitting can be interrupted (Ctrl-C): the best network so far is kept, and a
    :class:`~sklearn.exceptions.ConvergenceWarning` says so, as it does when a limit was reached.

    References
    ----------
    .. [1] M. Pilanci and T. Ergen, "Neural networks are convex regularizers: exact
       polynomial-time convex optimization formulations for two-layer networks", ICML 2020.

    Examples
    --------
    >>> from nogap.estimators import ReLURegressor
    >>> X = [[-2.0], [-1.0], [0.0], [1.0], [2.0]]
    >>> y = [2.0, 1.0, 0.0, 1.0, 2.0]
    >>> model = ReLURegressor(alpha=1e-3).fit(X, y)
    >>> bool(model.certificate_.relative_gap <= 1e-3)
    True
    >>> model.predict([[-1.5], [1.5]]).round(1)
    array([1.5, 1.5])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **ReLUEstimator._parameter_constraints,
        "loss": [StrOptions({"squared", "huber"}), Huber],
    }

    _y_options: ClassVar[dict[str, bool]] = {"multi_output": True, "y_numeric": True}

    loss: str | Huber

    def __init__(
        self,
        alpha: float = 0.01,
        *,
        loss: str | Huber = "squared",
        hidden_bias: bool = True,
        fit_intercept: bool = True,
        tol: float = 1e-3,
        max_time: float | None = None,
        max_neurons: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        warm_start: bool = False,
    ) -> None:
        self.alpha = alpha
        self.loss = loss
        self.hidden_bias = hidden_bias
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_time = max_time
        self.max_neurons = max_neurons
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start

    @with_callbacks  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array, DataFrame or sparse matrix (n, d)
            Features.  Sparse input is used in CSR form and stays sparse.
        y : array (n,) or (n, C)
            Targets.  C targets share the hidden layer.
        sample_weight : array (n,), optional
            Non-negative weights; an integer weight equals so many copies of the row.

        Returns
        -------
        self : ReLURegressor

        Raises
        ------
        ValueError
            A parameter is outside its range; X or y are not numeric, hold NaN or infinite values,
            do not match, or have fewer than two rows.

        Warns
        -----
        ConvergenceWarning
            Training stopped before its tolerance was met.
        """
        self._validate_params()
        data = self._encode(*self._check_training_set(X, y, sample_weight))
        self._fit_network(data, self.alpha)
        return self

    def predict(self, X: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Predicted targets.

        Parameters
        ----------
        X : array, DataFrame or sparse matrix (n, d)

        Returns
        -------
        y : array (n,) or (n, C)
            In the shape of the y that was fitted.
        """
        F = self._outputs(X)
        return F[:, 0] if self._one_target else F

    def _encode(self, X: Any, y: Any, sample_weight: Array | None) -> TrainingSet:
        Y = np.asarray(y, dtype=np.float64)
        self._one_target = Y.ndim == 1
        return TrainingSet.of(X, Y.reshape(Y.shape[0], -1), self.loss, sample_weight)

    def _held_out_loss(self, X: Any, y: Any, sample_weight: Array | None) -> float:
        loss = get_loss(self.loss)
        values = loss.value(self.network_.decision(X), loss.encode(y))
        return float(np.average(values, weights=sample_weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
