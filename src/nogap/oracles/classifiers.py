"""Linear classifiers as oracles of sign and tanh units: fast, and not to be trusted.

A neuron whose signs agree with those of V, weighted by ``|V|``, has a large correlation; so any
classifier of the labels ``sign(V)`` proposes one (Bengio et al. 2006, section 4).  A classifier
minimises another loss, though, and such training ends early: see ``examples/plot_double_moon.py``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np

from nogap._typing import Array, BoolArray
from nogap.certificate import Correlation
from nogap.oracles.base import Candidates, distinct, empty, never
from nogap.rows import Rows
from nogap.units import Unit

Classifier = Literal["logistic_regression", "linear_svm", "perceptron"]
CLASSIFIERS: tuple[Classifier, ...] = get_args(Classifier)
REGULARIZATION = 1.0  # C of logistic regression and SVM, for weights of mean 1
LENGTHS = np.geomspace(0.1, 100.0, 13)  # of the weights of a tanh unit, times the classifier's
SEEDS = 2**31


class ClassifierOracle:
    """The neuron that a linear classifier proposes, and the constant one; proves nothing.

    Parameters
    ----------
    rows : Rows
    unit : Unit
        Sign or tanh.
    classifier : {"logistic_regression", "linear_svm", "perceptron"}
        Of scikit-learn, without an intercept beside the rows' own ones column.
    rng : numpy Generator
        Seeds SVM and perceptron.
    """

    complete = False
    cut_short = False

    def __init__(
        self, rows: Rows, unit: Unit, classifier: Classifier, rng: np.random.Generator
    ) -> None:
        self.should_stop: Callable[[], bool] = never
        self.X = rows.take(np.arange(rows.n))
        self.has_bias = bool(getattr(rows, "hidden_bias", False))
        self.unit, self.classifier, self.rng = unit, classifier, rng

    def price(
        self, V: Array, count: int, starts: Array | None = None
    ) -> tuple[Candidates, Correlation]:
        """The neurons that the classifier proposes for V (n, 1), best first."""
        d = self.X.shape[1]
        v = V[:, 0]
        kept = v != 0
        U = [np.eye(d)[-1:]] if self.has_bias else []
        if np.unique(np.sign(v[kept])).size == 2:
            U.append(self._fitted(v, kept)[None])
        if not U:
            return empty(d), Correlation(0.0, "search")
        lengths = [1.0] if self.unit.name == "sign" else LENGTHS
        directions, alive = self.unit.split(np.concatenate([t * u for t in lengths for u in U]))
        Z = self.X @ directions.T
        self.unit.activate(Z, np.zeros(len(directions), dtype=np.intp))
        values = np.abs(v @ Z) * alive
        found = distinct(Candidates.ungated(directions, values), count)
        best = found.best
        if starts is not None and starts.size:
            Z = self.X @ starts.T
            self.unit.activate(Z, np.zeros(len(starts), dtype=np.intp))
            best = max(best, float(np.abs(v @ Z).max()))
        return found, Correlation(best, "search")

    def _fitted(self, v: Array, kept: BoolArray) -> Array:
        weights = np.abs(v[kept]) / np.mean(np.abs(v[kept]))
        model = self._model()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a fit that has not converged proposes a neuron too
            model.fit(self.X[kept], np.sign(v[kept]), sample_weight=weights)
        fitted: Array = model.coef_[0]
        return fitted

    def _model(self) -> Any:
        from sklearn.linear_model import LogisticRegression, Perceptron
        from sklearn.svm import LinearSVC

        if self.classifier == "logistic_regression":
            return LogisticRegression(C=REGULARIZATION, fit_intercept=False, max_iter=1000)
        seed = int(self.rng.integers(SEEDS))
        if self.classifier == "linear_svm":
            return LinearSVC(
                C=REGULARIZATION, fit_intercept=False, random_state=seed, max_iter=10_000
            )
        return Perceptron(fit_intercept=False, random_state=seed)
