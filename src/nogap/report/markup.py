"""Small pieces of HTML; everything that comes from the user's data is escaped here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape


def text(value: object) -> str:
    """Any value as escaped text."""
    return escape(str(value), quote=True)


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numeric: Iterable[int] = (),
    ours: int = -1,
) -> str:
    """A table of cells that are HTML already.

    Parameters
    ----------
    header : sequence of str
        HTML; all empty for none.
    rows : iterable of sequence of str
        HTML.
    numeric : iterable of int
        Columns to align to the right.
    ours : int
        Row to emphasise.
    """
    right = set(numeric)

    def cells(tag: str, values: Sequence[str]) -> str:
        return "".join(
            f'<{tag} class="n">{value}</{tag}>' if k in right else f"<{tag}>{value}</{tag}>"
            for k, value in enumerate(values)
        )

    head = f"<thead><tr>{cells('th', header)}</tr></thead>" if any(header) else ""
    body = "\n".join(
        f"<tr{' class=' + chr(34) + 'ours' + chr(34) if k == ours else ''}>{cells('td', row)}</tr>"
        for k, row in enumerate(rows)
    )
    return f'<div class="wide"><table>{head}<tbody>\n{body}\n</tbody></table></div>'


def section(title: str, *content: str, kind: str = "") -> str:
    """A titled part of the page."""
    inside = "\n".join(part for part in content if part)
    return f'<section class="{kind}">\n<h2>{text(title)}</h2>\n{inside}\n</section>'


def note(sentence: str) -> str:
    """A remark in small type; HTML already."""
    return f'<p class="note">{sentence}</p>'


def bar(share: float) -> str:
    """A share in [0, 1] as a bar with its percentage."""
    percent = 100 * min(max(share, 0.0), 1.0)
    return (
        f'<span class="share"><span class="bar"><i style="width:{percent:.1f}%"></i></span>'
        f"{percent:.0f} %</span>"
    )


def signed(value: float) -> str:
    """A number with its sign, coloured by it."""
    sign = "minus" if value < 0 else "plus"
    shown = f"{abs(value):.3g}"
    return f'<b class="{sign}">{"−" if value < 0 else "+"}{shown}</b>'


def number(value: float, digits: int = 4) -> str:
    """A number, or a dash for one that is undefined."""
    return "–" if value != value else f"{value:.{digits}g}".replace("-", "−")


def percent(value: float) -> str:
    """A share as a percentage with two digits that count."""
    return f"{100 * value:.2g} %" if value < 1 else f"{100 * value:.0f} %"


def at_most(share: float) -> str:
    """A bound on a share as a percentage, rounded up so that it stays true.

    Examples
    --------
    >>> at_most(0.012301), at_most(1e-12)
    ('1.3 %', '0.0001 %')
    """
    if not math.isfinite(share):
        return "∞ %"
    if share <= 0:
        return "0 %"
    value = max(100 * share, 1e-4)
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    steps = math.ceil(value / step * (1 - 1e-12))
    shown = f"{steps * step:.{max(0, -round(math.log10(step)))}f}"
    return (shown.rstrip("0").rstrip(".") if "." in shown else shown) + " %"


def score(value: float) -> str:
    """A score with three decimals, or a dash for one that is undefined."""
    shown = f"{value:.3f}".replace("-0.000", "0.000")
    return "–" if value != value else shown.replace("-", "−")
