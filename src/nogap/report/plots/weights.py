"""A heat map of the hidden weights: neurons across features."""

from __future__ import annotations

import numpy as np

from nogap.report.insight import Neurons
from nogap.report.plots import style

MAX_NEURONS = 40
MAX_FEATURES = 40


def weights_plot(neurons: Neurons, feature_names: list[str]) -> str:
    """SVG of the weights of the most important neurons on the most important features.

    Parameters
    ----------
    neurons : Neurons
        One or more.
    feature_names : list of str
        Names of the network's inputs.
    """
    from matplotlib.colors import to_rgba

    order = np.argsort(-np.linalg.norm(neurons.weights, axis=0), kind="stable")[:MAX_FEATURES]
    weights = np.column_stack([neurons.weights[:MAX_NEURONS, order], neurons.bias[:MAX_NEURONS]])
    names = [_short(feature_names[k]) for k in order] + ["(bias)"]
    rows, columns = weights.shape
    limit = float(np.abs(weights).max()) or 1.0
    shade = np.sqrt(np.abs(weights) / limit)  # the eye sees small weights, too
    colors = np.empty((rows, columns, 4))
    colors[weights >= 0] = to_rgba(style.POSITIVE)
    colors[weights < 0] = to_rgba(style.NEGATIVE)
    colors[..., 3] = shade
    with style.page_style():
        height = 0.9 + 0.22 * rows + 0.055 * max(len(name) for name in names)
        figure = style.new_figure(7.6, height)
        axes = figure.subplots()
        axes.grid(False)
        for side in axes.spines.values():
            side.set_visible(False)
        for i in range(rows):
            left, width = np.arange(columns) - 0.47, np.full(columns, 0.94)
            axes.barh(np.full(columns, i), width, 0.88, left, color=colors[i], linewidth=0)
        axes.set_xlim(-0.5, columns - 0.5)
        axes.set_ylim(rows - 0.5, -0.5)
        axes.set_xticks(range(columns), names, rotation=45, ha="right", rotation_mode="anchor")
        for text in axes.get_xticklabels():
            text.set_parse_math(False)
        axes.set_yticks(range(rows), [str(i + 1) for i in range(rows)])
        axes.tick_params(length=0)
        style.label(axes, "", "neuron")
        return style.to_svg(figure, "weights", "hidden weights of each neuron on each feature")


def _short(name: str, limit: int = 24) -> str:
    return name if len(name) <= limit else name[: limit - 1] + "…"
