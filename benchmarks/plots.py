"""Trajectory plots: objective above the best against CPU time, and nogap's own bound."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.compare import Comparison
from benchmarks.trajectory import Trajectory

FLOOR = 1e-6  # of the objective: the lowest excess shown
COLORS = {
    "nogap": "#d1351b",
    "torch_adam": "#1f6fb4",
    "torch_lbfgs": "#2a9d5c",
    "sklearn_mlp": "#e39a1f",
    "cvxpy_sampled": "#7b52ab",
    "pyscnn": "#5f6b76",
}
SETTINGS = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.dpi": 110,
    "font.size": 9.5,
    "grid.color": "#e4e6e9",
    "legend.frameon": False,
}


def trajectory_plot(comparison: Comparison, path: Path) -> None:
    """Draw one problem to a file; its suffix says the format."""
    with new_figure(8.2, 4.4) as (figure, plt):
        axes = figure.subplots()
        for trajectory in comparison.trajectories:
            _draw_excess(axes, comparison, trajectory)
            _draw_gap(axes, trajectory)
        axes.set_xscale("log")
        axes.set_yscale("log")
        _limits(axes, comparison)
        for tolerance in (1e-2, 1e-3):
            axes.axhline(tolerance, color="#9aa1a9", linewidth=0.8, linestyle=":", zorder=1)
        axes.set_xlabel("CPU seconds, one thread")
        axes.set_ylabel(f"above the best, {comparison.best():.7g}, relative to it")
        axes.set_title(f"{comparison.title}, beta = {comparison.rel:g} beta_max", loc="left")
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        figure.savefig(path)
        plt.close(figure)


@contextmanager
def new_figure(width: float, height: float) -> Iterator[tuple[Any, Any]]:
    """A figure and pyplot, in the look of all plots."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with plt.rc_context(SETTINGS):
        yield plt.figure(figsize=(width, height), layout="constrained"), plt


def _draw_excess(axes: Any, comparison: Comparison, trajectory: Trajectory) -> None:
    curve = trajectory.envelope()
    if not curve:
        return
    seconds = np.array([p.seconds for p in curve])
    excess = np.array([max(comparison.excess(p.objective), FLOOR) for p in curve])
    home = trajectory.rival == "nogap"
    sparse = home or trajectory.rival == "cvxpy_sampled"
    axes.step(
        np.append(seconds, max(comparison.seconds, seconds[-1])),
        np.append(excess, excess[-1]),
        where="post",
        color=COLORS.get(trajectory.rival),
        linewidth=2.4 if home else 1.5,
        label=trajectory.rival,
        zorder=4 if home else 3,
    )
    if sparse:
        axes.plot(seconds, excess, "o", color=COLORS.get(trajectory.rival), markersize=4, zorder=5)


def _draw_gap(axes: Any, trajectory: Trajectory) -> None:
    """The gap that a rival states itself: filled markers where it is proved, else open ones."""
    stated = [p for p in trajectory.points if p.lower_bound is not None]
    if not stated:
        return
    seconds = np.array([p.seconds for p in stated])
    gaps = np.array([(p.objective - float(p.lower_bound or 0)) / abs(p.objective) for p in stated])
    gaps = np.maximum(gaps, FLOOR)
    color = COLORS.get(trajectory.rival)
    axes.plot(seconds, gaps, "--", color=color, linewidth=1.2, zorder=3)
    proved = np.array([p.kind != "search" for p in stated])
    for chosen, face, label in ((proved, color, "proved"), (~proved, "white", "estimated")):
        if chosen.any():
            axes.plot(
                seconds[chosen],
                gaps[chosen],
                "D",
                color=color,
                markerfacecolor=face,
                markersize=4.5,
                zorder=6,
                label=f"{trajectory.rival}'s gap, {label}",
            )


def _limits(axes: Any, comparison: Comparison) -> None:
    times = [p.seconds for t in comparison.trajectories for p in t.envelope()]
    start = max(min(times, default=1e-2), 5e-3)
    axes.set_xlim(0.8 * start, 1.3 * max([comparison.seconds, *times]))
    axes.set_ylim(0.7 * FLOOR, 10)
