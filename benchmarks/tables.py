"""The comparison as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.compare import CHECKPOINTS, Comparison, last_gap

HOME = "nogap"


def report(comparisons: Sequence[Comparison], facts: dict[str, str]) -> str:
    """The whole report."""
    rivals = list(dict.fromkeys(r for c in comparisons for r in c.rivals()))
    parts = ["# Benchmark results", "\n".join(f"* {k}: {v}" for k, v in facts.items())]
    for tolerance in (0.01, 0.001):
        parts.append(f"## CPU seconds to within {100 * tolerance:g} % of the best of all")
        if HOME in rivals:
            parts.append(f"In parentheses: how many times {HOME}'s time.")
        parts.append(_table(comparisons, rivals, _time_cell(tolerance)))
    parts.append("## Final objective above the best of all")
    parts.append(_table(comparisons, rivals, _excess_cell, best=True))
    parts.append("## Who is ahead")
    parts.append(_leaders(comparisons))
    if HOME in rivals and len(rivals) > 1:
        parts.append(f"## How many times sooner {HOME} has each rival's own final objective")
        others = [rival for rival in rivals if rival != HOME]
        parts.append(_table(comparisons, others, _sooner_cell))
    parts.append("## How each run ended")
    parts.append(_endings(comparisons))
    return "\n\n".join(parts) + "\n"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


Cell = Callable[[Comparison, str], str]


def _table(
    comparisons: Sequence[Comparison], rivals: Sequence[str], cell: Cell, best: bool = False
) -> str:
    header = ["problem", *(["best of all"] if best else []), *rivals]
    rows = []
    for comparison in comparisons:
        row = [comparison.label, *([f"{comparison.best():.7g}"] if best else [])]
        row += [cell(comparison, r) if r in comparison.rivals() else "" for r in rivals]
        rows.append(row)
    return markdown(header, rows)


def _time_cell(tolerance: float) -> Cell:
    def cell(comparison: Comparison, rival: str) -> str:
        times = {r: comparison.time_within(r, tolerance) for r in comparison.rivals()}
        own, home = times[rival], times.get(HOME)
        if own is None:
            return "–"
        text = f"{own:.2g}"
        if rival != HOME and home is not None:
            text += f" ({own / home:.2g})"
        fastest = min(t for t in times.values() if t is not None)
        return f"**{text}**" if own == fastest else text

    return cell


def _excess_cell(comparison: Comparison, rival: str) -> str:
    final = comparison.final(rival)
    if final is None:
        return "–"
    finals = [comparison.final(r) for r in comparison.rivals()]
    text = f"{100 * comparison.excess(final):.2g} %"
    return f"**{text}**" if final == min(f for f in finals if f is not None) else text


def _sooner_cell(comparison: Comparison, rival: str) -> str:
    curve = comparison.curve(rival)
    if not curve:
        return "–"
    own, home = curve[-1].seconds, comparison.time_to(HOME, curve[-1].objective)
    return "never" if home is None else f"{own / home:.3g}"


def _leaders(comparisons: Sequence[Comparison]) -> str:
    longest = max(comparison.seconds for comparison in comparisons)
    times = [seconds for seconds in CHECKPOINTS if seconds <= longest]
    rows = []
    for comparison in comparisons:
        row = [comparison.label]
        for seconds in times:
            ahead = comparison.ahead(seconds) if seconds <= comparison.seconds else None
            if ahead is None:
                row.append("")
            else:
                excess = 100 * comparison.excess(ahead[1])
                row.append(f"{' = '.join(ahead[0])} ({excess:.2g} %)")
        rows.append(row)
    return markdown(["problem", *(f"{seconds:g} s" for seconds in times)], rows)


def _endings(comparisons: Sequence[Comparison]) -> str:
    rows = []
    for comparison in comparisons:
        for trajectory in comparison.trajectories:
            curve = comparison.curve(trajectory.rival)
            gap = last_gap(trajectory)
            rows.append(
                [
                    comparison.label,
                    trajectory.rival,
                    f"{curve[-1].objective:.8g}" if curve else "–",
                    "" if gap is None else f"{gap[0]:.2g} ({gap[1]})",
                    curve[-1].setting if curve else "",
                    trajectory.remark.replace("|", "/"),
                ]
            )
    return markdown(
        ["problem", "rival", "final objective", "relative gap", "best setting", "remark"], rows
    )
