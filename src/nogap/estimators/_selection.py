"""Choosing alpha: folds times a warm-started path, in parallel, ended early when it gets worse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal, TypeAlias

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.base import clone
from threadpoolctl import threadpool_limits

import nogap
from nogap._typing import Array, IntArray
from nogap.estimators._base import ReLUEstimator, TrainingSet
from nogap.estimators._folds import Split
from nogap.solution import Solution, Status

Rule: TypeAlias = Literal["best", "one_standard_error"]
Scorer: TypeAlias = Callable[..., float]

N_ALPHAS = 24
SMALLEST = 1e-5  # of alpha_max; the path nearly always ends long before
# Networks for comparison need no fine gap, and no proof: of what the empty network leaves open,
TOL = 0.015
# and, where that is a small part of it (targets without noise), of the held-out loss.
HELD_OUT_TOL = 0.15
FINEST = 1e-6
# The path ends when so many alphas in a row are worse than the best.
PATIENCE = 3
# It ends, too, when little is left to learn and a stage has learnt little of it.
LEFT, LEARNT = 0.1, 1e-3  # of the held-out loss of the largest alpha
# What the last hundredth of the objective is made of, predictions seldom show. A gap is enough that
# is this share of the loss of a network that knows nothing (scikit-learn's Lasso takes 1e-4), where
# targets have little noise, or so many times tol of the standard error of the held-out loss.
SUFFICIENT, OF_WORST, OF_ERROR = 2e-4, 0.1, 10.0
# Alphas between two looks at all folds; each look lets workers wait for one another.
STAGE = 3
# Each may take its share of the time left for itself and so many more: few paths go to the end.
STAGES_AHEAD = 3
TOO_LITTLE = 0.1  # of max_time, for another stage
INTERRUPTED, OUT_OF_TIME = "was interrupted", "ran out of time"
# Below this share of the objective of the empty network, alpha_max is rounding error.
NOTHING = 1e-12


@dataclass(frozen=True)
class Selection:
    """What cross-validation found; scores are larger for better networks.

    Attributes
    ----------
    alphas : array (k,)
        Those that were tried, from large to small.
    scores : array (k, folds)
    losses : array (k, folds)
        Mean held-out losses, whatever the scores are.
    n_neurons : array (k, folds) of int
    chosen : int
        Position of the chosen alpha.
    cut_short : str
        What ended the path before its time, ``INTERRUPTED`` or ``OUT_OF_TIME``; or nothing.
    """

    alphas: Array
    scores: Array
    losses: Array
    n_neurons: IntArray
    chosen: int
    cut_short: str = ""

    @property
    def alpha(self) -> float:
        return float(self.alphas[self.chosen])

    def sufficient_gap(self, tol: float, weight: float) -> float | None:
        """See :func:`sufficient_gap`."""
        mean, error = self.losses.mean(axis=1), standard_error(self.losses)
        return sufficient_gap(tol, float(mean[0]), float(error[mean.argmin()]), weight)

    @property
    def mean(self) -> Array:
        result: Array = self.scores.mean(axis=1)
        return result

    @property
    def error(self) -> Array:
        """Standard error of the mean over the folds, (k,)."""
        return standard_error(self.scores)

    def results(self) -> dict[str, Any]:
        """A table of columns as ``GridSearchCV.cv_results_``."""
        folds = self.scores.shape[1]
        order = np.argsort(-self.mean, kind="stable")
        rank = np.empty(order.size, dtype=np.intp)
        rank[order] = np.arange(1, order.size + 1)
        return {
            "param_alpha": self.alphas,
            "params": [{"alpha": alpha} for alpha in self.alphas.tolist()],
            **{f"split{k}_test_score": self.scores[:, k] for k in range(folds)},
            "mean_test_score": self.mean,
            "std_test_score": self.scores.std(axis=1),
            "rank_test_score": rank,
            "mean_n_neurons": self.n_neurons.mean(axis=1),
        }


def alpha_grid(model: ReLUEstimator, data: TrainingSet, count: int) -> Array:
    """Geometric, from the alpha above which the network is empty to ``SMALLEST`` times it."""
    options = model._train_options(data)
    options.pop("max_neurons")
    largest = float(nogap.beta_max(data.rows.X, data.rows.Y, **options)) / data.beta(1.0)
    if not largest > NOTHING * max(1.0, float(np.abs(data.rows.Y).max())):
        return np.ones(1)  # a constant target: every alpha gives the same network
    return np.geomspace(largest, SMALLEST * largest, count)


def select_alpha(
    model: ReLUEstimator,
    X: Any,
    y: Any,
    sample_weight: Array | None,
    *,
    splits: Sequence[Split],
    alphas: Array,
    rule: Rule = "best",
    scorer: Scorer | None = None,
    score_params: dict[str, Any] | None = None,
    n_jobs: int | None = None,
    max_time: float | None = None,
    notify: Callable[[str], None] = lambda note: None,
) -> Selection:
    """Cross-validated scores along the path of alphas, and the alpha that the rule takes.

    Parameters
    ----------
    model : ReLUEstimator
        Unfitted; its parameters other than alpha count.
    X, y, sample_weight
        As the model's ``_check_training_set`` gives them.
    splits : sequence of (training rows, test rows)
    alphas : array (k,)
        From large to small.
    rule : {"best", "one_standard_error"}
    scorer : callable, optional
        ``scorer(model, X, y, **params)``, larger is better; minus the held-out loss when None.
    score_params : dict, optional
        Arrays with a row a sample are split with X.
    n_jobs : int, optional
        Processes, as in joblib. The result does not depend on it.
    max_time : float, optional
        Seconds for all folds together.
    notify : callable
        Gets a line of text for each alpha and the outcome.

    Raises
    ------
    KeyboardInterrupt
        Before a first alpha was tried on all folds; a later one ends the path there.
    """
    at_once = min(effective_n_jobs(n_jobs), len(splits))
    fold = Fold(clone(model), X, y, sample_weight, scorer, score_params or {})
    starts: list[Solution | None] = [None] * len(splits)
    losses = np.empty((0, len(splits)))
    end = None if max_time is None else perf_counter() + max_time
    scores: list[list[float]] = []
    sizes: list[list[int]] = []
    cut_short = ""
    with Parallel(n_jobs=n_jobs) as parallel:
        while len(scores) < alphas.size:
            k = len(scores)
            part = alphas[k : k + STAGE]
            stages = min(-(-(alphas.size - k) // STAGE), STAGES_AHEAD)
            shares = len(splits) * stages / at_once
            limit = None if end is None else max(end - perf_counter(), 0.0) / shares
            try:
                steps = parallel(
                    delayed(fold.advance)(split, part, start, null_tol, limit)
                    for split, start, null_tol in zip(
                        splits, starts, _null_tol(losses), strict=True
                    )
                )
            except KeyboardInterrupt:
                if not scores:
                    raise
                cut_short = INTERRUPTED
                break
            starts = [step.last for step in steps]
            scores += map(list, zip(*(step.scores for step in steps), strict=False))
            losses = np.vstack([losses, *zip(*(step.losses for step in steps), strict=False)])
            sizes += map(list, zip(*(step.sizes for step in steps), strict=False))
            for alpha, row in zip(part, scores[k:], strict=False):
                error = standard_error(np.array(row)[None])[0]
                notify(
                    f"cross-validation: alpha {alpha:.4g}, mean score {np.mean(row):.4g} "
                    f"± {error:.2g}"
                )
            if _getting_worse(np.mean(scores, axis=1)) or _learnt_out(losses):
                break
            if max_time and end and end - perf_counter() <= TOO_LITTLE * max_time:
                cut_short = OUT_OF_TIME if len(scores) < alphas.size else ""
                break
    if cut_short:
        notify(f"cross-validation {cut_short} after {len(scores)} of {alphas.size} alphas")
    table = np.array(scores)
    chosen = choose(table, rule)
    notify(f"cross-validation takes alpha {alphas[chosen]:.4g}")
    n_neurons = np.array(sizes, dtype=np.intp)
    return Selection(alphas[: len(scores)], table, losses, n_neurons, chosen, cut_short)


def choose(scores: Array, rule: Rule) -> int:
    """Position of the alpha with the best mean score; or of the largest within its error.

    Examples
    --------
    >>> scores = np.array([[0.1, 0.3], [0.4, 0.6], [0.45, 0.65], [0.2, 0.4]])
    >>> choose(scores, "best"), choose(scores, "one_standard_error")
    (2, 1)
    """
    mean = scores.mean(axis=1)
    best = int(np.argmax(mean))
    if rule == "best":
        return best
    return int(np.argmax(mean >= mean[best] - standard_error(scores)[best]))


def sufficient_gap(tol: float, worst: float, error: float, weight: float) -> float | None:
    """A gap, for sums over rows of so much weight, that ends the last training by itself.

    With the squared loss, which is 1-strongly convex in the predictions, a network within a gap g
    of the optimum predicts the training rows as the optimal one does but for squares that sum to
    2 g at most.  Held-out rows do not tell such networks apart where g is a tenth of the standard
    error of their loss, or ``SUFFICIENT`` of ``worst``, the loss of the largest alpha (less with
    a small ``tol``).
    """
    gap = max(min(SUFFICIENT, OF_WORST * tol) * worst, OF_ERROR * tol * error) * weight
    return gap if np.isfinite(gap) and gap > 0 else None


def standard_error(scores: Array) -> Array:
    """Of the mean over the folds, (k,); 0 for a single fold."""
    folds = scores.shape[1]
    if folds == 1:
        return np.zeros(scores.shape[0])
    result: Array = scores.std(axis=1, ddof=1) / np.sqrt(folds)
    return result


def _getting_worse(mean: Array) -> bool:
    return int(np.argmax(mean)) <= mean.size - 1 - PATIENCE


def _learnt_out(losses: Array) -> bool:
    """Whether the last stage has learnt too little for another one to be worth its time."""
    least = np.minimum.accumulate(losses.mean(axis=1))
    if least.size <= STAGE or least[-1] > LEFT * least[0]:
        return False
    return bool(least[-1 - STAGE] - least[-1] <= LEARNT * least[0])


def _null_tol(losses: Array) -> list[float]:
    """How precise the next networks of each fold must be, of what the empty network leaves open."""
    if losses.shape[0] == 0:
        return [TOL] * losses.shape[1]
    first = np.where(losses[0] > 0, losses[0], np.inf)
    tolerance: list[float] = np.clip(
        HELD_OUT_TOL * losses.min(axis=0) / first, FINEST, TOL
    ).tolist()
    return tolerance


@dataclass(frozen=True)
class Step:
    """A stage of one fold.

    Attributes
    ----------
    scores, losses, sizes : list
        One for each alpha; the loss is the mean one of the held-out rows.
    last : Solution
        Of the smallest alpha: where the next stage starts.
    """

    scores: list[float]
    losses: list[float]
    sizes: list[int]
    last: Solution


@dataclass(frozen=True)
class Fold:
    """What the folds have in common; each is advanced in whatever process is free."""

    model: ReLUEstimator
    X: Any
    y: Any
    sample_weight: Array | None
    scorer: Scorer | None
    score_params: dict[str, Any]

    def advance(
        self,
        split: Split,
        alphas: Array,
        start: Solution | None,
        null_tol: float,
        max_time: float | None,
    ) -> Step:
        """Go on with the path of one fold from where it was."""
        train, test = split
        model, X, y, weights = self.model, self.X, self.y, self.sample_weight
        model.n_features_in_ = X.shape[1]
        # one thread whatever the number of processes: sums are then added up in one order
        with threadpool_limits(limits=1, user_api="blas"):
            data = model._encode(X[train], y[train], None if weights is None else weights[train])
            solutions = nogap.path(
                data.rows.X,
                data.rows.Y,
                [data.beta(alpha) for alpha in alphas],
                tol=TOL,
                null_tol=null_tol,
                prove=False,
                max_time=max_time,
                warm_start=start,
                **model._train_options(data),
            )
            if solutions[-1].status is Status.INTERRUPTED:
                raise KeyboardInterrupt
            scores, losses = [], []
            for solution in solutions:
                model._adopt(solution, data)
                losses.append(self._loss(test))
                scores.append(-losses[-1] if self.scorer is None else self._score(test))
        sizes = [solution.network.n_neurons for solution in solutions]
        return Step(scores, losses, sizes, solutions[-1])

    def _loss(self, test: IntArray) -> float:
        weights = None if self.sample_weight is None else self.sample_weight[test]
        return self.model._held_out_loss(self.X[test], self.y[test], weights)

    def _score(self, test: IntArray) -> float:
        assert self.scorer is not None
        X, y = self.X[test], self.y[test]
        rows = self.X.shape[0]
        params = {
            name: np.asarray(value)[test] if np.shape(value)[:1] == (rows,) else value
            for name, value in self.score_params.items()
        }
        return float(self.scorer(self.model, X, y, **params))
