"""What the estimators that choose alpha by cross-validation share."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.utils import check_random_state, metadata_routing
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing

from nogap._typing import Array, ArrayLike
from nogap.estimators._base import DEFAULT_SEED, ReLUEstimator, logger, progress
from nogap.estimators._callbacks import with_callbacks
from nogap.estimators._folds import Split, check_splits, splitter
from nogap.estimators._selection import Rule, Selection, alpha_grid, select_alpha
from nogap.estimators._warnings import warn_not_converged


class AlphaByCrossValidation(ReLUEstimator):
    """Mixin before an estimator with ``alpha``: finds it, then fits as that estimator does."""

    _single: ClassVar[type[ReLUEstimator]]
    _fewest_samples: ClassVar[int] = 4
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **{
            name: constraint
            for name, constraint in ReLUEstimator._parameter_constraints.items()
            if name not in ("alpha", "warm_start")
        },
        "alphas": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "cv": ["cv_object"],
        "rule": [StrOptions({"best", "one_standard_error"})],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "n_jobs": [Integral, None],
    }

    warm_start: bool = False  # the path is warm by itself, and the last fit is one of its own

    alphas: int | ArrayLike
    cv: Any
    rule: Rule
    scoring: Any
    n_jobs: int | None

    alpha_: float
    alphas_: Array
    cv_results_: dict[str, Any]

    @with_callbacks  # type: ignore[untyped-decorator]
    def fit(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None, **params: Any
    ) -> Self:
        """Choose alpha, then train on all rows.

        Parameters
        ----------
        X : array, DataFrame or sparse matrix (n, d)
            Features.
        y : array (n,), or (n, C) for regression
            Targets.
        sample_weight : array (n,), optional
            Non-negative weights, in training and in the held-out loss.
        **params : dict
            Metadata for the splitter (such as ``groups``) and the scorer, where scikit-learn's
            metadata routing is enabled.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            As the estimator with a fixed alpha does, and: fewer than four rows; alphas that are
            not positive; a fold without two classes to train on, or without weight to test on.

        Warns
        -----
        ConvergenceWarning
            Cross-validation was interrupted or ran out of time, or the last fit stopped before its
            tolerance was met.
        """
        self._validate_params()
        metadata_routing._raise_for_params(params, self, "fit")
        X, y, weights = self._check_training_set(X, y, sample_weight)
        data = self._encode(X, y, weights)
        for_splits, for_scores = self._routed(params, sample_weight)
        model = self._single(**self._shared_parameters())
        splits = self._splits(X, y, weights, for_splits)
        with progress(type(self).__name__, self.verbose):
            selection = select_alpha(
                model,
                X,
                y,
                weights,
                splits=splits,
                alphas=self._grid(model, data),
                rule=self.rule,
                scorer=None if self.scoring is None else check_scoring(model, self.scoring),
                score_params=for_scores,
                n_jobs=self.n_jobs,
                max_time=self.max_time,
                notify=self._tell,
            )
        self._set_selection(selection)
        gap_tol = selection.sufficient_gap(self.tol, float(data.weights.sum()))
        self._fit_network(data, self.alpha_, gap_tol)
        return self

    def _tell(self, note: str) -> None:
        if self.verbose:
            logger.info("%s: %s", type(self).__name__, note)

    def _shared_parameters(self) -> dict[str, Any]:
        names = set(self._single().get_params()) & set(self.get_params(deep=False))
        seed = DEFAULT_SEED if self.random_state is None else self.random_state
        if not isinstance(seed, Integral):  # one draw here, whatever the number of processes
            seed = int(check_random_state(seed).randint(2**31))
        shared = {name: getattr(self, name) for name in names}
        return {**shared, "random_state": seed, "verbose": 0}

    def _grid(self, model: ReLUEstimator, data: Any) -> Array:
        if isinstance(self.alphas, Integral):
            return alpha_grid(model, data, int(self.alphas))
        given = np.unique(np.asarray(self.alphas, dtype=np.float64))[::-1]
        if not given.size or not np.all(np.isfinite(given)) or given.min() <= 0:
            raise ValueError(
                f"alphas must be positive numbers, got {self.alphas!r}; pass a list of them, or "
                "how many to choose"
            )
        return given

    def _splits(self, X: Any, y: Any, weights: Array | None, params: dict[str, Any]) -> list[Split]:
        by_class = is_classifier(self)
        source = splitter(self.cv, y, by_class=by_class, seed=DEFAULT_SEED)
        splits = [(np.asarray(a), np.asarray(b)) for a, b in source.split(X, y, **params)]
        check_splits(splits, y, weights, by_class=by_class)
        return splits

    def _set_selection(self, selection: Selection) -> None:
        self.alpha_ = selection.alpha
        self.alphas_ = selection.alphas
        self.cv_results_ = selection.results()
        if selection.cut_short:
            warn_not_converged(
                f"{type(self).__name__}: cross-validation {selection.cut_short}; alpha is the best "
                f"of the {selection.alphas.size} largest that were tried."
            )

    # -- metadata ----------------------------------------------------------------------------

    def _routed(
        self, params: dict[str, Any], sample_weight: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the splitter and the scorer get."""
        if not metadata_routing._routing_enabled():
            # a named scorer takes weights; of a function of the user's own nobody knows
            weighted = sample_weight is not None and isinstance(self.scoring, str)
            return {}, {"sample_weight": sample_weight} if weighted else {}
        if sample_weight is not None:
            params = {**params, "sample_weight": sample_weight}
        routed = process_routing(self, "fit", **params)
        scorer = dict(routed.scorer.score) if self.scoring is not None else {}
        return dict(routed.splitter.split), scorer

    def get_metadata_routing(self) -> MetadataRouter:
        """Which metadata the estimator, its splitter and its scorer ask for.

        Returns
        -------
        routing : MetadataRouter
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        mapping = MethodMapping().add(caller="fit", callee="split")
        router.add(
            splitter=splitter(self.cv, None, by_class=False, seed=DEFAULT_SEED),
            method_mapping=mapping,
        )
        if self.scoring is None:
            return router
        mapping = MethodMapping().add(caller="fit", callee="score")
        return router.add(
            scorer=check_scoring(self._single(), self.scoring), method_mapping=mapping
        )
