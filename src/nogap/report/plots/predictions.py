"""Predictions against the truth, for regression."""

from __future__ import annotations

import numpy as np

from nogap._typing import IntArray
from nogap.report.plots import style
from nogap.tabular.fitting import FitResult
from nogap.tabular.target import ClassTarget

MAX_POINTS = 800


def predictions_plot(result: FitResult) -> str:
    """SVG of predicted against true targets, on training and held-out rows."""
    target, held = result.model.target, result.data.held_out
    assert not isinstance(target, ClassTarget)
    truth = target.decode(result.data.y[:, None])
    predicted = target.decode(result.model.network.decision(result.data.X))
    low = float(min(truth.min(), predicted.min()))
    high = float(max(truth.max(), predicted.max()))
    with style.page_style():
        figure = style.new_figure(3.7, 3.4)
        axes = figure.subplots()
        axes.plot([low, high], [low, high], ":", color=style.INK, linewidth=1.2, zorder=1)
        for rows, color, size, alpha, name in (
            (~held, style.MUTED, 3.0, 0.45, "training"),
            (held, style.OBJECTIVE, 4.5, 0.85, "held out"),
        ):
            if rows.any():
                thin = slice(None, None, max(1, -(-int(rows.sum()) // MAX_POINTS)))
                axes.plot(
                    truth[rows][thin], predicted[rows][thin], "o", color=color, markersize=size,
                    alpha=alpha, markeredgewidth=0, label=name,
                )  # fmt: skip
        style.label(axes, f"true {target.name}", f"predicted {target.name}")
        axes.legend(loc="upper left", handletextpad=0.1)
        return style.to_svg(figure, "predictions", "predicted against true targets")


def confusion(result: FitResult) -> IntArray:
    """Rows of each true class (down) predicted as each class (across); held-out rows if any."""
    target, held = result.model.target, result.data.held_out
    assert isinstance(target, ClassTarget)
    assert result.data.classes is not None
    rows = held if held.any() else ~held
    outputs = result.model.network.decision(result.data.X[rows])
    predicted = np.argmax(target.probabilities(outputs), axis=1)
    counts = np.zeros((len(target.classes), len(target.classes)), dtype=np.intp)
    np.add.at(counts, (result.data.classes[rows], predicted), 1)
    return counts
