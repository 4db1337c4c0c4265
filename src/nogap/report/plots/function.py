"""The fitted function: drawn directly for one or two columns, by partial dependence for more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nogap._typing import AnyArray, Array, IntArray
from nogap.report import insight
from nogap.report.plots import style
from nogap.tabular.columns import CategoricalColumn, Column, NumericColumn
from nogap.tabular.fitting import FitResult
from nogap.tabular.target import ClassTarget

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_POINTS = 800
MAX_LINES = len(style.SERIES)
SURFACE_POINTS = 61
# Low to high probability, the same on light and dark pages.
CLASS_COLORS = ("#d9690f", "#f3c9a0", "#f1efec", "#a9bff0", "#2b5cd9")


def function_plot(result: FitResult) -> str:
    """SVG of the fitted function of a model with one column or two."""
    columns = result.model.columns
    with style.page_style():
        if len(columns) == 1:
            figure = style.new_figure(7.6, 3.6)
            _one_column(figure.subplots(), result)
        elif all(isinstance(column, NumericColumn) for column in columns):
            figure = style.new_figure(7.6, 4.6)
            _surface(figure, result)
        else:
            figure = style.new_figure(7.6, 3.6)
            _by_level(figure, result)
        return style.to_svg(figure, "function", "the fitted function")


def dependence_plot(result: FitResult, chosen: list[int]) -> str:
    """SVG of the partial dependence on the chosen columns, one panel each."""
    model, X = result.model, _training_inputs(result)
    names = insight.shown_outputs(model)[:MAX_LINES]
    with style.page_style():
        figure = style.new_figure(7.6, 3.0 + 0.2 * (len(names) > 1))
        panels = figure.subplots(1, len(chosen), sharey=True, squeeze=False)[0]
        for axes, index in zip(panels, chosen, strict=True):
            column = model.columns[index]
            grid = insight.grid_of(column)
            means = insight.partial_dependence(model, X, index, grid)
            for k, name in enumerate(names):
                _draw_response(axes, column, grid, means[:, k], k, name)
            _draw_rug(axes, column, column_values(result, index))
            style.label(axes, column.name)
        style.label(panels[0], model.columns[chosen[0]].name, _axis_name(result))
        if len(names) > 1:
            figure.legend(
                *panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3
            )
        return style.to_svg(figure, "dependence", "partial dependence on the main columns")


def column_values(result: FitResult, index: int) -> AnyArray:
    """A column of the training rows in its own units, or as level numbers."""
    column = result.model.columns[index]
    part = _training_inputs(result)[:, insight.column_slices(result.model.columns)[index]]
    if isinstance(column, CategoricalColumn):
        levels: IntArray = np.argmax(part, axis=1)
        return levels
    values: Array = part[:, 0] * column.scale + column.mean
    return values


def _training_inputs(result: FitResult) -> Array:
    return result.data.X[~result.data.held_out]


def _targets(result: FitResult) -> AnyArray:
    """Targets of the training rows: in their own units, or class numbers."""
    training = ~result.data.held_out
    if result.data.classes is not None:
        return result.data.classes[training]
    assert not isinstance(result.model.target, ClassTarget)
    return result.model.target.decode(result.data.y[training, None])


def _axis_name(result: FitResult) -> str:
    names = insight.shown_outputs(result.model)
    return names[0] if len(names) == 1 else "probability"


def _thin(n: int) -> slice:
    return slice(None, None, max(1, -(-n // MAX_POINTS)))


def _draw_response(
    axes: Axes, column: Column, grid: AnyArray, values: Array, series: int, name: str
) -> None:
    color = style.SERIES[series % MAX_LINES]
    if isinstance(column, CategoricalColumn):
        axes.plot(grid, values, "o", color=color, markersize=6, label=name)
        axes.plot(grid, values, "-", color=color, linewidth=0.8, alpha=0.5)
        _level_axis(axes, column)
    else:
        axes.plot(grid, values, color=color, label=name)


def _level_axis(axes: Axes, column: CategoricalColumn) -> None:
    rotation = 0 if sum(len(level) for level in column.levels) < 40 else 40
    axes.set_xticks(range(len(column.levels)), list(column.levels), rotation=rotation)
    for text in axes.get_xticklabels():
        text.set_parse_math(False)
        if rotation:
            text.set_horizontalalignment("right")
            text.set_rotation_mode("anchor")
    axes.set_xlim(-0.5, len(column.levels) - 0.5)


def _draw_rug(axes: Axes, column: Column, values: AnyArray, color: str = style.MUTED) -> None:
    """Short ticks at the bottom, where the training rows are."""
    if isinstance(column, CategoricalColumn):
        return
    shown = np.unique(values)
    shown = shown[:: max(1, shown.size // 150)]
    axes.vlines(
        shown, 0, 0.025, transform=axes.get_xaxis_transform(), color=color, lw=0.6, alpha=0.7
    )


def _one_column(axes: Axes, result: FitResult) -> None:
    model = result.model
    column = model.columns[0]
    values, targets = column_values(result, 0), _targets(result)
    grid = insight.grid_of(column)
    bends = np.empty(0)
    if isinstance(column, NumericColumn):
        bends = insight.kinks(model, column)
        grid = np.sort(np.concatenate([grid, bends]))
    curve = insight.response(model, insight.encode_values(column, grid))
    names = insight.shown_outputs(model)[:MAX_LINES]
    thin = _thin(values.size)
    if not isinstance(model.target, ClassTarget):
        axes.plot(
            values[thin], targets[thin], "o", color=style.MUTED, markersize=3.5, alpha=0.55,
            markeredgewidth=0, label="training rows",
        )  # fmt: skip
    elif len(model.target.classes) == 2:
        axes.plot(
            values[thin], targets[thin], "|", color=style.MUTED, markersize=9, alpha=0.6,
            label="training rows",
        )  # fmt: skip
    for k, name in enumerate(names):
        _draw_response(axes, column, grid, curve[:, k], k, name if len(names) > 1 else "network")
        if len(names) > 1:
            _draw_rug(axes, column, values[targets == k], style.SERIES[k])
    if bends.size and len(names) == 1:
        at = insight.response(model, insight.encode_values(column, bends))[:, 0]
        draw_bends(axes, bends, at)
    style.label(axes, column.name, _axis_name(result))
    axes.legend(loc="best")


def draw_bends(axes: Axes, at: Array, heights: Array) -> None:
    """Where a function of one column bends, because a neuron switches on or off."""
    axes.plot(
        at, heights, "o", color=style.SERIES[0], markerfacecolor=style.PAPER, markersize=5,
        label="where a neuron switches",
    )  # fmt: skip


def class_colors() -> Any:
    """From one class to the other, white between them."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("classes", CLASS_COLORS)


def draw_surface(
    axes: Axes, a: Array, b: Array, heights: Array, levels: Any, colors: Any, **limits: Any
) -> Any:
    """Filled contours of heights (len(b), len(a)) with thin lines between; returns them."""
    filled = axes.contourf(a, b, heights, levels=levels, cmap=colors, **limits)
    axes.contour(a, b, heights, levels=filled.levels, colors="white", linewidths=0.4, alpha=0.5)
    axes.grid(False)
    return filled


def _surface(figure: Any, result: FitResult) -> None:
    model = result.model
    first, second = model.columns
    names = insight.shown_outputs(model)[:MAX_LINES]
    a = insight.grid_of(first, SURFACE_POINTS)
    b = insight.grid_of(second, SURFACE_POINTS)
    A, B = np.meshgrid(a, b)
    inputs = np.hstack(
        [insight.encode_values(first, A.ravel()), insight.encode_values(second, B.ravel())]
    )
    heights = insight.response(model, inputs)
    targets = _targets(result)
    x, y = column_values(result, 0), column_values(result, 1)
    thin = _thin(x.size)
    n_columns = min(len(names), 3)
    classes = isinstance(model.target, ClassTarget)
    limits: dict[str, Any] = {"vmin": 0.0, "vmax": 1.0} if classes else {}
    levels: Any = np.linspace(0, 1, 11) if classes else 12
    colors = class_colors() if classes else "viridis"
    panels = figure.subplots(-(-len(names) // n_columns), n_columns, squeeze=False).ravel()
    for k, (axes, name) in enumerate(zip(panels, names, strict=False)):
        Z = heights[:, k].reshape(A.shape)
        filled = draw_surface(axes, a, b, Z, levels, colors, **limits)
        of_class = targets == (k if len(names) > 1 else 1)
        shown = of_class.astype(float) if classes else targets
        axes.scatter(
            x[thin], y[thin], c=shown[thin], cmap=filled.cmap, norm=filled.norm, s=16,
            edgecolors="white", linewidths=0.6, zorder=3,
        )  # fmt: skip
        figure.colorbar(filled, ax=axes, format="%.3g", pad=0.02)
        style.label(axes, first.name, second.name if k % n_columns == 0 else "", name)
    for axes in panels[len(names) :]:
        axes.set_visible(False)


def _by_level(figure: Any, result: FitResult) -> None:
    """Two columns, one of them at least of categories: a line for each of its levels."""
    model = result.model
    split = 1 if isinstance(model.columns[1], CategoricalColumn) else 0
    along, by = model.columns[1 - split], model.columns[split]
    assert isinstance(by, CategoricalColumn)
    names = insight.shown_outputs(model)[:3]
    panels = figure.subplots(1, len(names), squeeze=False, sharey=True)[0]
    grid = insight.grid_of(along)
    common = np.bincount(column_values(result, split), minlength=len(by.levels))
    levels = np.sort(np.argsort(-common, kind="stable")[:MAX_LINES])
    for k, (axes, name) in enumerate(zip(panels, names, strict=True)):
        for series, level in enumerate(levels.tolist()):
            fixed = insight.encode_values(by, np.full(grid.size, level))
            parts = [insight.encode_values(along, grid), fixed]
            inputs = np.hstack(parts if split == 1 else parts[::-1])
            curve = insight.response(model, inputs)[:, k]
            _draw_response(axes, along, grid, curve, series, by.levels[level])
        _draw_rug(axes, along, column_values(result, 1 - split))
        style.label(axes, along.name, name if k == 0 else "", "" if len(names) == 1 else name)
    legend = figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside right upper", title=by.name
    )
    for text in [legend.get_title(), *legend.get_texts()]:
        text.set_parse_math(False)
