"""A heat map of the hidden weights: neurons across features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nogap._typing import IntArray
from nogap.report.insight import Neurons
from nogap.report.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
    with style.page_style():
        figure = style.new_figure(7.6, figure_height(neurons, feature_names))
        draw_weights(figure.subplots(), neurons, feature_names)
        return style.to_svg(figure, "weights", "hidden weights of each neuron on each feature")


def draw_weights(axes: Axes, neurons: Neurons, feature_names: list[str]) -> None:
    """A row a neuron, a column a feature; both most important first."""
    from matplotlib.colors import to_rgba

    order = _shown_features(neurons)
    weights = np.column_stack([neurons.weights[:MAX_NEURONS, order], neurons.bias[:MAX_NEURONS]])
    names = [_short(feature_names[k]) for k in order] + ["(bias)"]
    rows, columns = weights.shape
    limit = float(np.abs(weights).max()) or 1.0
    shade = np.sqrt(np.abs(weights) / limit)  # the eye sees small weights, too
    colors = np.empty((rows, columns, 4))
    colors[weights >= 0] = to_rgba(style.POSITIVE)
    colors[weights < 0] = to_rgba(style.NEGATIVE)
    colors[..., 3] = shade
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


def figure_height(neurons: Neurons, feature_names: list[str]) -> float:
    """Inches that the heat map asks for."""
    rows = min(neurons.weights.shape[0], MAX_NEURONS)
    names = [_short(feature_names[k]) for k in _shown_features(neurons)]
    return 0.9 + 0.22 * rows + 0.055 * max(6, *(len(name) for name in names))


def _shown_features(neurons: Neurons) -> IntArray:
    sizes = np.linalg.norm(neurons.weights, axis=0)
    order: IntArray = np.argsort(-sizes, kind="stable")[:MAX_FEATURES]
    return order


def _short(name: str, limit: int = 24) -> str:
    return name if len(name) <= limit else name[: limit - 1] + "…"
