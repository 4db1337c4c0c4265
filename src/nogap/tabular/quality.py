"""How well predictions fit rows that were not trained on, beside simple baselines."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import numpy as np

from nogap._typing import Array, IntArray

MEASURES = {
    "regression": ("R²", "RMSE"),
    "classification": ("accuracy", "log loss"),
}


@dataclass(frozen=True)
class Quality:
    """Scores of the network and of the baselines on the same rows.

    Attributes
    ----------
    task : str
        "regression" or "classification".
    n_rows : int
        Rows that the scores were measured on.
    held_out : bool
        Whether the network was trained without these rows.
    scores : dict of str to (float, float)
        R² and RMSE, or accuracy and log loss, of the network and of each baseline. NaN where a
        measure is undefined (R² of constant targets).
    """

    task: str
    n_rows: int
    held_out: bool
    scores: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def measures(self) -> tuple[str, str]:
        return MEASURES[self.task]

    def __str__(self) -> str:
        rows = "held-out rows" if self.held_out else "training rows (none were held out)"
        first, second = self.measures
        parts = [
            f"{name}: {first} {scores[0]:.3f}, {second} {scores[1]:.4g}"
            for name, scores in self.scores.items()
        ]
        return f"On {self.n_rows} {rows}: " + "; ".join(parts) + "."


def regression_scores(y: Array, predictions: Array) -> tuple[float, float]:
    """R² and root mean squared error.

    Examples
    --------
    >>> regression_scores(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]))
    (1.0, 0.0)
    """
    squares = float(np.sum((y - predictions) ** 2))
    total = float(np.sum((y - y.mean()) ** 2))
    r2 = 1.0 - squares / total if total > 0 else float("nan")
    return r2, float(np.sqrt(squares / y.size))


def class_scores(classes: IntArray, probabilities: Array) -> tuple[float, float]:
    """Accuracy and mean negative log probability (natural logarithm) of the true class."""
    accuracy = float(np.mean(np.argmax(probabilities, axis=1) == classes))
    of_truth = probabilities[np.arange(classes.size), classes]
    tiny = np.finfo(np.float64).tiny
    return accuracy, float(-np.mean(np.log(np.maximum(of_truth, tiny))))


def regression_baselines(
    X_train: Array, y_train: Array, X: Array, y: Array
) -> dict[str, tuple[float, float]]:
    """Scores on (X, y) of the training mean and of ridge regression."""
    from sklearn.linear_model import RidgeCV

    linear = RidgeCV(alphas=np.logspace(-3, 4, 15)).fit(X_train, y_train)
    return {
        "mean of the training rows": regression_scores(y, np.full(y.size, y_train.mean())),
        "ridge regression": regression_scores(y, linear.predict(X)),
    }


def class_baselines(
    X_train: Array, classes_train: IntArray, X: Array, classes: IntArray, n_classes: int
) -> dict[str, tuple[float, float]]:
    """Scores on (X, classes) of the class frequencies and of logistic regression."""
    from sklearn.linear_model import LogisticRegression

    shares = np.bincount(classes_train, minlength=n_classes) / classes_train.size
    with warnings.catch_warnings():  # a baseline that has not quite converged is still a baseline
        warnings.simplefilter("ignore")
        linear = LogisticRegression(max_iter=500).fit(X_train, classes_train)
    return {
        "commonest class": class_scores(classes, np.tile(shares, (classes.size, 1))),
        "logistic regression": class_scores(classes, linear.predict_proba(X)),
    }
