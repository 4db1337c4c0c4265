"""The plot of :mod:`benchmarks.scaling`: time above, memory below, one column a series."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.plots import COLORS, new_figure

LABELS = {"n": "rows n", "d": "columns d", "k": "neurons of the teacher"}


def draw(panels: Sequence[tuple[str, str, Any, Any]], tolerance: float, path: Path) -> None:
    """Draw (name, size, measurements, exponents) of each series to a file."""
    with new_figure(4.0 * len(panels), 5.6) as (figure, plt):
        axes = figure.subplots(2, len(panels), squeeze=False, sharex="col")
        for column, (name, size, points, fitted) in zip(axes.T, panels, strict=True):
            seconds = [p.seconds for p in points]
            _panel(column[0], points, seconds, fitted["seconds"], size)
            _panel(column[1], points, [p.memory / 2**20 for p in points], fitted["memory"], size)
            sizes = [p.size for p in points]
            twice = [2 * p.data / 2**20 for p in points]
            column[1].plot(sizes, twice, ":", color="#5f6b76", label="twice the data")
            column[0].set_title(name, loc="left", fontsize=10)
            column[1].set_xlabel(LABELS[size])
            for panel in column:
                panel.legend(loc="best", fontsize=8.5)
        axes[0, 0].set_ylabel(f"CPU seconds to a gap of {100 * tolerance:g} %")
        axes[1, 0].set_ylabel("peak memory, MiB above the imports")
        figure.savefig(path)
        plt.close(figure)


def _panel(
    axes: Any, points: Sequence[Any], values: Sequence[float], slope: float | None, size: str
) -> None:
    """Points, hollow where the gap was not reached, and the fitted power law."""
    color = COLORS["nogap"]
    for reached, face, label in ((True, color, "measured"), (False, "white", "gap not reached")):
        shown = [
            (p.size, v) for p, v in zip(points, values, strict=True) if p.reached == reached and v
        ]
        if shown:
            x, y = zip(*shown, strict=True)
            axes.plot(x, y, "o", color=color, markerfacecolor=face, markersize=5, label=label)
    if slope is not None:
        x = np.array([p.size for p in points if p.reached], dtype=float)
        y = np.array([v for p, v in zip(points, values, strict=True) if p.reached])
        level = np.exp(np.mean(np.log(y)) - slope * np.mean(np.log(x)))
        axes.plot(x, level * x**slope, color=color, linewidth=1.2, label=f"~ {size}^{slope:.2f}")
    axes.set_xscale("log")
    axes.set_yscale("log")
