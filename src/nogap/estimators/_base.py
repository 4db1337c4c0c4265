"""What the estimators share: parameters, the call of ``train``, fitted attributes, predictions."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from numbers import Integral, Real
from time import perf_counter
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from nogap._typing import Array
from nogap.certificate import Certificate
from nogap.estimators._callbacks import CallbackSupportMixin, rounds_as_tasks
from nogap.estimators._distinct import DistinctRows, distinct_rows
from nogap.estimators._warnings import warn_not_converged
from nogap.losses import Loss
from nogap.networks.two_layer import Network
from nogap.regularization_path import null_objective
from nogap.solution import Record, Solution, Status
from nogap.training import train

logger = logging.getLogger("nogap")

DEFAULT_SEED = 0
# A gap is enough, too, that is so many times tol of the loss of the best constant: targets without
# noise have objectives far below anything that matters (scikit-learn's Lasso ends at 1e-4 of it).
OF_CONSTANT = 0.01


@dataclass(frozen=True)
class TrainingSet:
    """Checked and encoded data, equal rows merged.

    Attributes
    ----------
    rows : DistinctRows
    weights : array (k,)
        Weights of the distinct rows, class weights included.
    loss : str or Loss
    """

    rows: DistinctRows
    weights: Array
    loss: str | Loss

    @classmethod
    def of(
        cls,
        X: Any,
        Y: Array,
        loss: str | Loss,
        sample_weight: Array | None,
        row_factor: Array | None = None,
    ) -> TrainingSet:
        """From all rows.

        Parameters
        ----------
        X : array or CSR matrix (n, d)
        Y : array (n, C)
            Targets as the loss encodes them.
        loss : str or Loss
        sample_weight : array (n,), optional
        row_factor : array (n,), optional
            Multiplies the weights; equal for equal rows of [X, Y] (the class weights).
        """
        rows = distinct_rows(X, Y, sample_weight)
        weights = rows.weights if row_factor is None else rows.weights * row_factor[rows.first]
        return cls(rows, weights, loss)

    @property
    def sample_weight(self) -> Array | None:
        """The weights, or None when all are one."""
        return None if np.all(self.weights == 1.0) else self.weights

    def beta(self, alpha: float) -> float:
        """The penalty for sums of losses that belongs to alpha for their mean."""
        return float(alpha * self.weights.sum())


class ReLUEstimator(CallbackSupportMixin, BaseEstimator):
    """Base of the estimators that train one two-layer ReLU network."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "hidden_bias": ["boolean"],
        "fit_intercept": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "max_time": [Interval(Real, 0, None, closed="neither"), None],
        "max_neurons": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
    }

    alpha: float
    hidden_bias: bool
    fit_intercept: bool
    tol: float
    max_time: float | None
    max_neurons: int | None
    random_state: int | np.random.RandomState | None
    verbose: int
    warm_start: bool

    network_: Network
    certificate_: Certificate
    status_: Status
    n_neurons_: int
    n_iter_: int
    objective_: float
    history_: list[Record]
    n_features_in_: int

    _fewest_samples: ClassVar[int] = 2
    _y_options: ClassVar[dict[str, bool]] = {}

    def _check_training_set(
        self, X: Any, y: Any, sample_weight: Any
    ) -> tuple[Any, Any, Array | None]:
        """Checked X (dense float64, or CSR), y and weights; sets the names and number of features.

        A subclass says in ``_y_options`` what y may be.
        """
        if self._y_options.get("y_numeric"):
            _refuse_text(y)
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            dtype=np.float64,
            ensure_min_samples=self._fewest_samples,
            **self._y_options,
        )
        return X, y, check_sample_weight(sample_weight, X)

    def _encode(self, X: Any, y: Any, sample_weight: Array | None) -> TrainingSet:
        """Checked data as the training problem; sets what the meaning of the outputs hangs on."""
        raise NotImplementedError

    def _held_out_loss(self, X: Any, y: Any, sample_weight: Array | None) -> float:
        """Mean loss, as in training, of the fitted network on other checked data."""
        raise NotImplementedError

    def _fit_network(self, data: TrainingSet, alpha: float, gap_tol: float | None = None) -> None:
        """Train on checked and encoded data, and set the fitted attributes."""
        options = self._train_options(data)
        if gap_tol is None:
            constant = null_objective(data.rows.X, data.rows.Y, options)
            gap_tol = OF_CONSTANT * self.tol * constant or None
        with (
            progress(type(self).__name__, self.verbose) as logged,
            rounds_as_tasks(self) as told,
        ):
            solution = train(
                data.rows.X,
                data.rows.Y,
                beta=data.beta(alpha),
                tol=self.tol,
                gap_tol=gap_tol,
                max_time=self.max_time,
                warm_start=self._starting_network(data.rows.Y.shape[1]),
                callbacks=[*logged, *told],
                **options,
            )
            logger.info("%s: %s", type(self).__name__, solution)
        self._adopt(solution, data)
        if not solution.status.converged:
            _warn_not_converged(self, solution)

    def _train_options(self, data: TrainingSet) -> dict[str, Any]:
        """What :func:`nogap.train` and :func:`nogap.path` are told alike."""
        return {
            "loss": data.loss,
            "hidden_bias": bool(self.hidden_bias),
            "fit_intercept": bool(self.fit_intercept),
            "sample_weight": data.sample_weight,
            "max_neurons": self.max_neurons,
            "random_state": DEFAULT_SEED if self.random_state is None else self.random_state,
        }

    def _adopt(self, solution: Solution, data: TrainingSet) -> None:
        """Set the fitted attributes."""
        self.network_ = solution.network
        self.certificate_ = replace(
            solution.certificate, dual=data.rows.expand(solution.certificate.dual)
        )
        self.status_ = solution.status
        self.n_neurons_ = solution.network.n_neurons
        self.n_iter_ = solution.n_iter
        self.objective_ = solution.objective
        self.history_ = solution.history

    def _starting_network(self, n_outputs: int) -> Network | None:
        """The network of the last fit, when warm_start asks for it and its shape still fits."""
        previous: Network | None = getattr(self, "network_", None) if self.warm_start else None
        if previous is None:
            return None
        fits = (
            previous.n_features_in == self.n_features_in_
            and previous.n_outputs == n_outputs
            and (previous.hidden_bias is not None) == self.hidden_bias
        )
        return previous if fits else None

    def _outputs(self, X: Any) -> Array:
        """Outputs of the network at X (n, d), always (n, C)."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False)
        return self.network_.decision(X)

    def to_c(self, name: str = "network") -> str:
        """The fitted network as C99 source without any library.

        Parameters
        ----------
        name : str
            Name of the function, ``void name(const float x[], float y[])``; y gets what
            ``decision_function`` or ``predict`` of a regressor gives.

        Returns
        -------
        source : str
        """
        check_is_fitted(self)
        return self.network_.to_c(name)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _refuse_text(y: Any) -> None:
    """Text that is no number, where a number is to be predicted."""
    for value in np.asarray(y).ravel() if np.asarray(y).dtype.kind in "OU" else ():
        try:
            float(value) if isinstance(value, str) else None
        except ValueError:
            raise ValueError(
                f"y holds text, {str(value)!r}, and a regressor predicts numbers; use "
                "ReLUClassifier or ReLUClassifierCV for classes"
            ) from None


def check_sample_weight(sample_weight: Any, X: Any) -> Array | None:
    """Checked weights (n,), or None."""
    if sample_weight is None:
        return None
    weights: Array = _check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True
    )
    if not weights.any():  # scikit-learn checks this itself only in its newer releases
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weights


def _warn_not_converged(estimator: ReLUEstimator, solution: Solution) -> None:
    warn_not_converged(
        f"{type(estimator).__name__} did not reach its tolerance. {solution.status.sentence} "
        f"{solution.certificate}"
    )


@contextmanager
def progress(name: str, verbose: int | bool) -> Iterator[list[Any]]:
    """Callbacks that log the rounds: verbose 1 at most one a second, 2 and above every one.

    The messages go to the logger "nogap" at level INFO.  Where nothing would show them, a handler
    that writes to stderr is attached for the duration.
    """
    if not verbose:
        yield []
        return
    pause = 1.0 if verbose < 2 else 0.0
    last = perf_counter() - pause

    def report(record: Record) -> None:
        nonlocal last
        if perf_counter() - last < pause:
            return
        last = perf_counter()
        logger.info(
            "%s: %.1f s, objective %.6g, lower bound %.6g (%s), %d neurons",
            name,
            record.time,
            record.objective,
            record.lower_bound,
            record.kind,
            record.n_neurons,
        )

    level = logger.level
    handler = None if logger.hasHandlers() else logging.StreamHandler()
    if handler is not None:
        logger.addHandler(handler)
    if not logger.isEnabledFor(logging.INFO):
        logger.setLevel(logging.INFO)
    try:
        yield [report]
    finally:
        logger.setLevel(level)
        if handler is not None:
            logger.removeHandler(handler)
