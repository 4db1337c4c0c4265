"""Objective and lower bound against time, and the gap between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nogap._typing import Array
from nogap.report.plots import style
from nogap.report.terminal import relative_gap
from nogap.solution import Record, Solution

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABELS = {
    True: "lower bound (proved)",
    False: "estimate of the lower bound (search)",
}


def convergence_plot(solution: Solution, tol: float) -> str:
    """SVG of the history of training; a proved bound and an estimated one look different.

    Parameters
    ----------
    solution : Solution
    tol : float
        The relative gap at which training stops.
    """
    records = complete_history(solution)
    with style.page_style():
        figure = style.new_figure(7.6, 3.1)
        left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
        draw_bounds(left, records)
        draw_gap(right, records, tol)
        return style.to_svg(figure, "convergence", "objective and lower bound against time")


def complete_history(solution: Solution) -> list[Record]:
    """The history, with the returned network and its certificate as the last record."""
    certificate = solution.certificate
    end = solution.history[-1].time if solution.history else 0.0
    last = Record(
        end,
        solution.objective,
        certificate.lower_bound,
        certificate.kind,
        solution.network.n_neurons,
    )
    return [*solution.history, last]


def draw_bounds(axes: Axes, records: list[Record]) -> None:
    """Objective and lower bound; a proof is drawn through, an estimate dashed."""
    time = np.array([r.time for r in records])
    objective = np.array([r.objective for r in records])
    bound = np.array([r.lower_bound for r in records])
    axes.plot(time, objective, color=style.OBJECTIVE, label="objective", zorder=3)
    for proved, color in ((True, style.PROVED), (False, style.ESTIMATE)):
        chosen = [r.kind != "search" for r in records]
        if proved in chosen:
            shown = np.where(np.equal(chosen, proved), bound, np.nan)
            dashes = "-" if proved else (0, (4, 2))
            axes.plot(time, shown, color=color, linestyle=dashes, label=LABELS[proved])
            axes.plot(time, shown, "o", color=color, markersize=3.5, zorder=4)
    # early bounds can be so low that nothing else could be seen
    high, low = float(objective.max()), float(objective[-1])
    span = max(high - low, 0.02 * abs(high), 1e-12)
    axes.set_ylim(max(float(bound.min()), low - 1.2 * span) - 0.05 * span, high + 0.08 * span)
    _time_axis(axes, time)
    style.label(axes, "seconds", "", "Objective and lower bound")
    axes.legend(loc="best")


def draw_gap(axes: Axes, records: list[Record], tol: float) -> None:
    """The relative gap on a logarithmic scale, and the tolerance."""
    time = np.array([r.time for r in records])
    gap = np.array([relative_gap(r) for r in records])
    finite = np.isfinite(gap)
    floor = min(tol / 10, float(gap[gap > 0].min(initial=1.0)))
    proved = np.array([r.kind != "search" for r in records])
    axes.plot(time[finite], np.maximum(gap[finite], floor), color=style.MUTED, linewidth=1.2)
    for is_proof, color, name in (
        (True, style.PROVED, "proved"),
        (False, style.ESTIMATE, "estimated"),
    ):
        chosen = finite & (proved == is_proof)
        if chosen.any():
            shown = np.maximum(gap[chosen], floor)
            axes.plot(time[chosen], shown, "o", color=color, markersize=4, label=name)
    axes.axhline(tol, color=style.INK, linestyle=":", linewidth=1.2)
    axes.annotate(
        f"tolerance {100 * tol:g} %",
        (0, tol),
        xycoords=("axes fraction", "data"),
        xytext=(4, -3),
        textcoords="offset points",
        va="top",
    )
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    axes.yaxis.set_minor_formatter(lambda value, _: "")
    axes.set_ylim(floor / 2, max(2 * float(gap[finite].max(initial=tol)), 3 * tol))
    _time_axis(axes, time)
    style.label(axes, "seconds", "", "Relative gap")
    axes.legend(loc="upper right")


def _time_axis(axes: Axes, time: Array) -> None:
    end = max(float(time.max()), 1e-3)
    if np.median(time) > 0.1 * end:
        axes.set_xlim(-0.02 * end, 1.03 * end)
        return
    start = max(float(time.min()), 1e-3 * end)  # most happens early
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.set_xlim(0.8 * start, 1.25 * end)
