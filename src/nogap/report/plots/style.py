"""The look of all plots: SVG whose colours are the page's own, light or dark."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Placeholders that become variables of the page's style sheet.
INK, MUTED, GRID, PAPER = "#010101", "#020202", "#030303", "#040404"
OBJECTIVE, PROVED, ESTIMATE = "#050505", "#060606", "#070707"
POSITIVE, NEGATIVE = "#080808", "#090909"
SERIES = ("#110101", "#110202", "#110303", "#110404", "#110505", "#110606")

_VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    GRID: "line",
    PAPER: "card",
    OBJECTIVE: "objective",
    PROVED: "proved",
    ESTIMATE: "estimate",
    POSITIVE: "positive",
    NEGATIVE: "negative",
    **{color: f"series-{k}" for k, color in enumerate(SERIES, start=1)},
}

# The same as in page.css for paper, for plots that stand alone.
_SCREEN = {
    INK: "#1b2330",
    MUTED: "#5b6472",
    GRID: "#d5d9e0",
    PAPER: "#ffffff",
    OBJECTIVE: "#2b5cd9",
    PROVED: "#13803f",
    ESTIMATE: "#b45309",
    POSITIVE: "#2b5cd9",
    NEGATIVE: "#d9580d",
    **dict(
        zip(
            SERIES,
            ("#2b5cd9", "#d9580d", "#0a8f6a", "#9333c9", "#c81e4a", "#64748b"),
            strict=True,
        )
    ),
}

_SETTINGS: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 10,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "axes.unicode_minus": True,
    "figure.facecolor": "none",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "text.color": INK,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
}


@contextmanager
def page_style() -> Iterator[None]:
    """Matplotlib settings of the report, for the duration of a ``with`` block."""
    import matplotlib

    with warnings.catch_warnings(), matplotlib.rc_context(_SETTINGS):
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the browser has it
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches; 7.6 wide fills the page."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def screen_colors(artist: Any) -> None:
    """Give an artist and all in it the colours of a white page in place of the placeholders."""
    from matplotlib.colors import to_hex, to_rgba_array

    def real(value: Any) -> Any:
        colors = to_rgba_array(value)
        for color in colors:
            found = _SCREEN.get(to_hex(color))
            if found is not None:
                color[:3] = to_rgba_array(found)[0, :3]
        return colors if len(colors) != 1 else tuple(colors[0])

    for part in artist.findobj():
        for name in ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor"):
            value = getattr(part, f"get_{name}", lambda: None)()
            if value is None or (isinstance(value, str) and value in ("none", "auto")):
                continue
            if len(to_rgba_array(value)):
                getattr(part, f"set_{name}")(real(value))


def label(axes: Axes, x: str = "", y: str = "", title: str = "") -> None:
    """Axis labels and title, in which a dollar sign is a dollar sign."""
    axes.set_xlabel(x, parse_math=False)
    axes.set_ylabel(y, parse_math=False)
    axes.set_title(title, parse_math=False)


def to_svg(figure: Figure, name: str, description: str) -> str:
    """The figure as an SVG element for a page.

    Parameters
    ----------
    figure : matplotlib Figure
    name : str
        Prefix of the ids inside, which keeps plots on one page apart.
    description : str
        What a screen reader says; already escaped.
    """
    import matplotlib

    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata=nothing)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\sxmlns(:xlink)?="[^"]*"', "", svg)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\1{name}-", svg)
    svg = re.sub(r"font: ([^;\"']*?)px [^;\"]*", r"font-size: \1px", svg)
    svg = re.sub(r"(fill|stroke): (#[0-9a-f]{6})", _use_variable, svg)
    viewbox = re.search(r'viewBox="[^"]*"', svg)
    width = figure.get_figwidth() / 7.6
    opening = f'<svg {viewbox[0] if viewbox else ""} role="img" aria-label="{description}" '
    opening += f'style="width: {100 * width:.4g}%">'
    return opening + svg[svg.index(">") + 1 :].strip()


def _use_variable(found: re.Match[str]) -> str:
    variable = _VARIABLES.get(found[2])
    return f"{found[1]}: var(--{variable})" if variable else found[0]
