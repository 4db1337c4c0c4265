"""What the deep networks under hard constraints share as estimators."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from nogap._typing import Array
from nogap.estimators._base import DEFAULT_SEED, TrainingSet, progress
from nogap.estimators._warnings import warn_not_converged
from nogap.lifted import LiftedSolution, OutputConstraint, parabolic
from nogap.lifted.activations import SPLITS
from nogap.networks.deep import DeepNetwork
from nogap.solution import Record, Status

logger = logging.getLogger("nogap")


class ConstrainedMLP(BaseEstimator):
    """Base of the estimators that train a deep network under hard constraints."""

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
        self, data: TrainingSet, constraints: list[OutputConstraint], points: Array | None = None
    ) -> None:
        """Train on checked and encoded data, and set the fitted attributes.

        ``points`` (k, d) follow the data's rows; they have no target and only bear constraints.
        """
        X, Y, weights = data.rows.X, data.rows.Y, data.weights
        if points is not None:
            X = np.vstack([X, points])
            Y = np.vstack([Y, np.tile(Y.mean(axis=0), (points.shape[0], 1))])
            weights = np.concatenate([weights, np.zeros(points.shape[0])])
        with progress(type(self).__name__, self.verbose) as callbacks:
            solution = parabolic(
                X,
                Y,
                self.hidden,
                self.activation,
                loss=data.loss,
                constraints=constraints,
                engine=self.engine,
                warm_up=self.warm_up,
                sample_weight=weights,
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


def _warn(estimator: ConstrainedMLP, solution: LiftedSolution) -> None:
    warn_not_converged(f"{type(estimator).__name__} did not converge. {solution}")
