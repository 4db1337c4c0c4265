"""ReLURegressorCV: regression with the penalty chosen by cross-validation."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from nogap._typing import ArrayLike
from nogap.estimators._base import ReLUEstimator
from nogap.estimators._cv import AlphaByCrossValidation
from nogap.estimators._selection import N_ALPHAS, Rule
from nogap.estimators.regressor import ReLURegressor
from nogap.losses import Huber


class ReLURegressorCV(AlphaByCrossValidation, ReLURegressor):
    """Regression by a two-layer ReLU network whose penalty is chosen by cross-validation.

    The network is that of :class:`ReLURegressor` with the alpha that predicts held-out rows best.
    Features belong behind a :class:`~sklearn.preprocessing.StandardScaler`; the scale of the
    target does not matter for the squared loss.

    Parameters
    ----------
    alphas : int or array, default=24
        How many values of alpha to try, or which.  A number takes them in geometric progression
        from the alpha above which the network is empty down to 1e-5 of it.
    cv : int, splitter or iterable, default=None
        None takes five folds, a number that many; these are shuffled, the same in every call.
        Anything else is understood as everywhere in scikit-learn.
    rule : {"best", "one_standard_error"}, default="best"
        "best" takes the alpha with the best mean score; "one_standard_error" the largest alpha
        whose mean score is within one standard error of it, which gives smaller networks.
    scoring : str or callable, default=None
        A scorer of scikit-learn; None stands for minus the mean held-out loss, which is the loss
        of the training.
    loss : {"squared", "huber"} or Huber, default="squared"
        As in :class:`ReLURegressor`.
    hidden_bias : bool, default=True
        Whether the neurons have a bias c_j, penalised like their other weights.
    fit_intercept : bool, default=True
        Whether each output has a constant b, not penalised.
    tol : float, default=1e-2
        Relative gap at which the last training, with the chosen alpha, stops. A gap is enough, too,
        that held-out rows could not show: ``10 * tol`` standard errors of the held-out loss, or
        2e-4 of the loss of the largest alpha (less with a ``tol`` below 2e-3).
    max_time : float, default=None
        Seconds for the cross-validation, and as many again for the last training.
    max_neurons : int, default=None
        Most neurons; None sets no limit.
    n_jobs : int, default=None
        Folds that are trained at the same time, as in joblib; the result does not depend on it.
    random_state : int or RandomState, default=None
        Seed of the search for neurons, not of the folds.  None stands for a fixed seed.
    verbose : int, default=0
        1 reports the progress about once a second, 2 every round, through the logger "nogap".

    Attributes
    ----------
    alpha_ : float
        The chosen alpha.
    alphas_ : array (k,)
        The alphas that were tried, from large to small; the path ends when three in a row were
        worse than the best, or when a tenth of the held-out loss is left and three in a row have
        lowered it by less than a thousandth.
    cv_results_ : dict of arrays
        Scores of every alpha and split, larger is better, and the mean number of neurons, under
        the names that :class:`~sklearn.model_selection.GridSearchCV` uses.
    network_ : nogap.Network
        The trained network.
    certificate_ : nogap.Certificate
        How far from the global optimum the network can be, for the chosen alpha.
    status_ : nogap.Status
        How the last training ended.
    objective_ : float
        The sum of the weighted losses plus ``alpha_ * W`` times the penalty.
    n_neurons_ : int
        Number of hidden neurons.
    n_iter_ : int
        Rounds of the last training.
    history_ : list of nogap.Record
        Time, objective, lower bound and number of neurons of every round.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : array (d,) of str
        Names of the features, where X has them and all are strings.

    See Also
    --------
    ReLURegressor : the same with an alpha of your own.
    nogap.path : the path of networks without cross-validation.

    Notes
    -----
    Each network of a fold starts from the one before it on the path.  Networks that are only
    compared are trained roughly: to an estimated gap of 1.5 % of the objective of the empty
    network, or less where the held-out loss is a small part of that.  There is no ``warm_start``:
    a path begins at the empty network, so that the result depends on the data alone, and an
    earlier fit would only be of use at its far end.

    Ctrl-C during cross-validation ends it with the alphas that all folds have tried; during the
    last training it keeps the best network so far.

    Examples
    --------
    >>> import numpy as np
    >>> from nogap.estimators import ReLURegressorCV
    >>> X = np.linspace(-2, 2, 40)[:, None]
    >>> y = np.abs(X[:, 0]) + 0.1 * np.sin(50 * X[:, 0])
    >>> model = ReLURegressorCV(alphas=6, cv=3).fit(X, y)
    >>> bool(model.alpha_ < model.alphas_[0]), model.score(X, y) > 0.95
    (True, True)
    """

    _single: ClassVar[type[ReLUEstimator]] = ReLURegressor
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **AlphaByCrossValidation._parameter_constraints,
        "loss": ReLURegressor._parameter_constraints["loss"],
    }

    def __init__(
        self,
        alphas: int | ArrayLike = N_ALPHAS,
        *,
        cv: Any = None,
        rule: Rule = "best",
        scoring: Any = None,
        loss: str | Huber = "squared",
        hidden_bias: bool = True,
        fit_intercept: bool = True,
        tol: float = 1e-2,
        max_time: float | None = None,
        max_neurons: int | None = None,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.alphas = alphas
        self.cv = cv
        self.rule = rule
        self.scoring = scoring
        self.loss = loss
        self.hidden_bias = hidden_bias
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_time = max_time
        self.max_neurons = max_neurons
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
