"""The HTML report of a fit: one file, without anything from outside, for screen and paper."""

from __future__ import annotations

from importlib import resources
from os import PathLike

import nogap
from nogap.report.markup import text
from nogap.tabular.fitting import FitResult
from nogap.tabular.table import InputError, write_text

__all__ = ["render_report", "require_plots", "write_report"]


def require_plots() -> None:
    """Refuse early, in one sentence, when matplotlib is not installed."""
    from nogap.exchange.exports import require

    try:
        require("matplotlib", "report")
    except ImportError as error:
        raise InputError(f"a report needs plots: {error}") from None


def render_report(result: FitResult) -> str:
    """The report as HTML text; equal results give equal text.

    Parameters
    ----------
    result : FitResult

    Raises
    ------
    InputError
        matplotlib is not installed.
    """
    require_plots()
    from nogap.report import sections

    model, data = result.model, result.data
    title = f"{model.target.name} from {len(model.columns)} columns"
    if len(model.columns) == 1:
        title = f"{model.target.name} from {model.columns[0].name}"
    parts = [
        sections.verdict(result),
        sections.quality(result),
        sections.function(result),
        sections.convergence(result),
        sections.neurons(result),
        sections.columns(result),
        sections.settings(result),
    ]
    style = resources.files("nogap.report").joinpath("page.css").read_text(encoding="utf-8")
    body = "\n".join(parts)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="nogap {nogap.__version__}">
<title>{text(title)} · nogap</title>
<style>
{style}</style>
</head>
<body>
<main>
<header>
<p><span class="brand">nogap</span> · two-layer ReLU network, trained by convex optimisation</p>
<h1>{text(title)}</h1>
<p>{text(data.table.source)} · {text(model.target.task)}</p>
</header>
{body}
<footer>Written by nogap {nogap.__version__}.</footer>
</main>
</body>
</html>
"""


def write_report(path: str | PathLike[str], result: FitResult) -> None:
    """Write the report of a fit; an existing file is replaced once the new one is complete.

    Parameters
    ----------
    path : path
    result : FitResult

    Raises
    ------
    InputError
        matplotlib is not installed.
    """
    write_text(path, render_report(result))
