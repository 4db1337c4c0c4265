"""ReLUClassifier: classification by a two-layer ReLU network at its global optimum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from scipy.special import expit, softmax
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, column_or_1d

from nogap._typing import Array, ArrayLike, IntArray
from nogap.estimators._base import ReLUEstimator, TrainingSet
from nogap.estimators._callbacks import with_callbacks
from nogap.estimators._classes import NetworkClassifier, signed_codes
from nogap.losses import get_loss

LOSSES = ("logistic", "squared_hinge", "hinge", "squared")


def _has_probabilities(classifier: ReLUClassifier) -> bool:
    if classifier.loss != "logistic":
        raise AttributeError(
            f"probabilities come with loss='logistic' only, not with loss={classifier.loss!r}; "
            "use decision_function, or wrap the classifier in CalibratedClassifierCV"
        )
    return True


class ReLUClassifier(NetworkClassifier, ReLUEstimator):
    """Classification by a two-layer ReLU network, trained to its global optimum.

    Minimises, over networks ``f(x) = b + sum_j relu(x' u_j + c_j) a_j`` with any number of
    neurons, ::

        (1 / W) sum_i w_i l(f(x_i), y_i)  +  alpha sum_j ||(u_j, c_j)||_2 ||a_j||_2

    where W is the sum of the weights w_i (sample weights times class weights, all one unless
    given).  Two classes take one output.  More take one output a class, and these share the hidden
    layer: with the multinomial (softmax) loss where `loss` is "logistic", and one class against
    the rest with the other losses.  The problem is convex in the network taken as a whole, so
    there is one optimal objective; the fit reaches it to the tolerance `tol`, and
    ``certificate_`` says how far from it the network can still be.

    X is not standardised.  The penalty treats all features alike, so features of very different
    scales belong behind a :class:`~sklearn.preprocessing.StandardScaler` in a
    :class:`~sklearn.pipeline.Pipeline`.

    Parameters
    ----------
    alpha : float, default=0.003
        Weight of the penalty; larger values give smaller networks.  The default suits features of
        unit variance: there it is about a hundredth of the value above which the network is a
        constant, and was best or close to it in cross-validated log loss on six small data sets.
    loss : {"logistic", "squared_hinge", "hinge", "squared"}, default="logistic"
        Only "logistic" gives probabilities.
    class_weight : dict or "balanced", default=None
        Positive weights of the classes, 1 where the dict names none.  "balanced" gives every class
        the same total weight.
    hidden_bias : bool, default=True
        Whether the neurons have a bias c_j, penalised like their other weights.
    fit_intercept : bool, default=True
        Whether each output has a constant b, not penalised.
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
    classes_ : array (n_classes,)
        The class labels, sorted.
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
    ReLURegressor : the same for numeric targets.
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
    >>> from nogap.estimators import ReLUClassifier
    >>> X = [[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]]
    >>> y = ["equal", "equal", "different", "different"]
    >>> model = ReLUClassifier(alpha=1e-3).fit(X, y)
    >>> bool(model.certificate_.relative_gap <= 1e-3)
    True
    >>> model.predict([[0.1, 0.1], [0.1, 0.9]]).tolist()
    ['equal', 'different']
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **ReLUEstimator._parameter_constraints,
        "loss": [StrOptions(set(LOSSES))],
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    loss: str

    def __init__(
        self,
        alpha: float = 0.003,
        *,
        loss: str = "logistic",
        class_weight: Mapping[Any, float] | str | None = None,
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
        self.class_weight = class_weight
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
        y : array (n,)
            Class labels, numbers or strings.
        sample_weight : array (n,), optional
            Non-negative weights; an integer weight equals so many copies of the row.

        Returns
        -------
        self : ReLUClassifier

        Raises
        ------
        ValueError
            A parameter is outside its range; X is not numeric or holds NaN or infinite values;
            X and y do not match, or have fewer than two rows; y holds only one class (of positive
            weight), or values that are no classes.

        Warns
        -----
        ConvergenceWarning
            Training stopped before its tolerance was met.
        """
        self._validate_params()
        data = self._encode(*self._check_training_set(X, y, sample_weight))
        self._fit_network(data, self.alpha)
        return self

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Array:
        """Predicted probabilities; only with ``loss="logistic"``.

        Parameters
        ----------
        X : array, DataFrame or sparse matrix (n, d)

        Returns
        -------
        probabilities : array (n, n_classes)
            Columns in the order of ``classes_``; rows sum to one.
        """
        F = self._outputs(X)
        if self.classes_.size > 2:
            probabilities: Array = softmax(F, axis=1)
            return probabilities
        return np.column_stack([expit(-F[:, 0]), expit(F[:, 0])])

    def encode_targets(self, y: ArrayLike) -> Array:
        """Labels as the targets that :func:`nogap.train` and :func:`nogap.certify` take.

        Parameters
        ----------
        y : array (n,)
            Labels out of ``classes_``.

        Returns
        -------
        targets : array (n, 1) or (n, n_classes)
            -1 and 1 for two classes; for more, one-hot rows for the multinomial loss and -1 and 1
            for the others.

        Raises
        ------
        ValueError
            A label that was not seen in fit.
        """
        check_is_fitted(self)
        labels = column_or_1d(y)
        unknown = np.flatnonzero(~np.isin(labels, self.classes_))
        if unknown.size:
            label = labels[unknown].tolist()[0]
            raise ValueError(
                f"y holds the label {label!r} in row {unknown[0]}, which was not seen in fit; "
                f"the classes are {self.classes_.tolist()}"
            )
        return self._targets(np.searchsorted(self.classes_, labels))

    def _encode(self, X: Any, y: Any, sample_weight: Array | None) -> TrainingSet:
        codes = self._class_codes(y, sample_weight)
        self._class_factors = self._factors(codes, sample_weight)
        factors = self._class_factors
        return TrainingSet.of(
            X,
            self._targets(codes),
            self._training_loss(),
            sample_weight,
            None if factors is None else factors[codes],
        )

    def _held_out_loss(self, X: Any, y: Any, sample_weight: Array | None) -> float:
        known = np.isin(y, self.classes_)  # a class that was not trained on is missed at any alpha
        weights = np.ones(known.sum()) if sample_weight is None else sample_weight[known]
        codes = np.searchsorted(self.classes_, y[known])
        if self._class_factors is not None:
            weights = weights * self._class_factors[codes]
        loss = get_loss(self._training_loss())
        values = loss.value(self.network_.decision(X[known]), self._targets(codes))
        return float(np.average(values, weights=weights))

    def _training_loss(self) -> str:
        """The name under which ``train`` knows the loss for this number of classes."""
        if self.loss == "logistic" and self.classes_.size > 2:
            return "multinomial"
        return self.loss

    def _targets(self, codes: IntArray) -> Array:
        """Targets (n, 1) or (n, n_classes) of class codes (n,)."""
        if self._training_loss() == "multinomial":
            return np.eye(self.classes_.size)[codes]
        return signed_codes(codes, self.classes_.size)
