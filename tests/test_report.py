"""The HTML report: its figures, its words about proofs, and that it stands alone."""

import itertools
import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nogap.report import insight, render_report, sections, write_report
from nogap.report.markup import at_most, score
from nogap.report.plots.convergence import complete_history
from nogap.report.plots.predictions import confusion
from nogap.tabular import FitOptions, Table, fit_table

RNG = np.random.default_rng(0)
N = 50


def table(**columns):
    cells = tuple(tuple(str(value) for value in column) for column in columns.values())
    n = len(cells[0])
    return Table("data.csv", tuple(columns), cells, tuple(range(1, n + 1)), tuple(range(2, n + 2)))


def fit(data, target, **options):
    return fit_table(data, FitOptions(target, **{"tol": 1e-2, "max_time": 5, **options}))


X = RNG.uniform(-2, 2, (N, 3)).round(3)
KIND = RNG.choice(["red", "<b>green</b>", "blue & $x$"], N)
Y = (np.abs(X[:, 0]) + X[:, 1] * (KIND == "red")).round(3)
THREE = np.where(X[:, 0] > 0.5, "high", np.where(X[:, 0] < -0.5, "low", "middle"))


@pytest.fixture(scope="module")
def results():
    """One fit for each shape of data that is drawn in its own way."""
    two = X[:, 0] > X[:, 1]
    return {
        "one number": fit(table(x=X[:, 0], y=Y), "y"),
        "one category": fit(table(kind=KIND, y=Y), "y"),
        "one number, classes": fit(table(x=X[:, 0], y=THREE), "y"),
        "two numbers": fit(table(a=X[:, 0], b=X[:, 1], y=Y), "y", max_time=1),
        "two numbers, classes": fit(table(a=X[:, 0], b=X[:, 1], y=two), "y", max_time=1),
        "number and category": fit(table(kind=KIND, x=X[:, 1], y=Y), "y"),
        "two categories": fit(table(kind=KIND, three=THREE, y=Y), "y"),
        "many": fit(table(a=X[:, 0], b=X[:, 1], kind=KIND, three=THREE, y=Y), "y"),
        "many, classes": fit(table(a=X[:, 0], b=X[:, 1], kind=KIND, y=THREE), "y"),
        "empty": fit(table(a=X[:, 0], b=X[:, 1], y=Y), "y", alpha=100.0, test_fraction=0),
    }


@pytest.fixture(scope="module")
def pages(results):
    """The reports; each is rendered once."""
    return {shape: render_report(result) for shape, result in results.items()}


SHAPES = [
    "one number",
    "one category",
    "one number, classes",
    "two numbers",
    "two numbers, classes",
    "number and category",
    "two categories",
    "many",
    "many, classes",
    "empty",
]
VOID = {"meta", "br", "path", "use", "rect", "image", "link", "img", "hr", "input"}


class Checker(HTMLParser):
    """Collects ids, references and unbalanced tags."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.references, self.tags = [], [], [], set()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        self._attributes(attributes)

    def handle_startendtag(self, tag, attributes):
        self.tags.add(tag)
        self._attributes(attributes)

    def _attributes(self, attributes):
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in ("href", "xlink:href", "src"):
                self.references.append(value)
            self.references += re.findall(r"url\(([^)]*)\)", value or "")

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.mark.parametrize("shape", SHAPES)
def test_report_stands_alone_and_is_well_formed(pages, shape):
    page = pages[shape]
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert len(checker.ids) == len(set(checker.ids))
    assert "script" not in checker.tags
    assert "link" not in checker.tags
    for reference in checker.references:
        assert reference.startswith(("#", "data:"))
        assert reference.startswith("data:") or reference[1:] in checker.ids
    assert "http" not in page
    assert "@import" not in page
    assert "nan" not in re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL).lower()
    assert not re.search(r"#(01|02|03|04|05|06|07|08|09|11)\d{4}\b", page)  # all placeholders used


@pytest.mark.parametrize("shape", SHAPES)
def test_figures_of_the_report(results, pages, shape):
    result, page = results[shape], pages[shape]
    certificate = result.solution.certificate
    assert f"<dd>{certificate.objective:.6g}</dd>" in page
    assert f"<dd>{certificate.lower_bound:.6g}</dd>" in page
    assert f"<dd>{result.solution.network.n_neurons}</dd>" in page
    for first, second in result.quality.scores.values():
        assert f">{score(first)}<" in page
        assert f">{second:.4g}<" in page
    assert f"{result.model.alpha:.6g}" in page
    for note in result.data.notes[1:]:
        assert note.split("'")[0].split("<")[0] in page


def test_equal_results_give_equal_reports(results, pages, tmp_path):
    write_report(tmp_path / "report.html", results["many, classes"])
    written = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert written == pages["many, classes"]


def with_kind(result, kind):
    certificate = replace(
        result.solution.certificate,
        kind=kind,
        lower_bound=0.9 * result.solution.objective,  # 11.1 % above it, shown rounded up
    )
    history = [replace(record, kind=kind) for record in result.solution.history]
    solution = replace(result.solution, certificate=certificate, history=history)
    return replace(result, solution=solution)


def claims(result):
    """The parts of a report that speak of bounds."""
    return sections.verdict(result) + sections.convergence(result)


def test_an_estimate_is_never_called_a_proof(results):
    page = claims(with_kind(results["many"], "search"))
    assert "ESTIMATE, NOT A PROOF" in page
    assert "appears to be at most 12 % above the global optimum" in page
    assert "estimate of the lower bound (search)" in page
    assert "lower bound (estimate)" in page
    assert "relative gap (estimate)" in page
    assert "the true gap can be larger" in page
    for word in (">PROOF", "lower bound (proved)", "This is proved"):
        assert word not in page


@pytest.mark.parametrize("kind", ["exact", "bound"])
def test_a_proof_says_so_with_its_kind(results, kind):
    page = claims(with_kind(results["many"], kind))
    assert f"PROOF · kind “{kind}”" in page
    assert "is at most 12 % above the global optimum. This is proved." in page
    assert "lower bound (proved)" in page
    for word in ("ESTIMATE", "estimate of the lower bound", "appears to be"):
        assert word not in page


def test_a_history_may_hold_both_kinds(results):
    result = with_kind(results["many"], "exact")
    history = [replace(record, kind="search") for record in result.solution.history]
    result = replace(result, solution=replace(result.solution, history=history))
    page = claims(result)
    assert "lower bound (proved)" in page
    assert "estimate of the lower bound (search)" in page
    assert complete_history(result.solution)[-1].kind == "exact"


def test_names_from_the_data_are_escaped(pages):
    page = pages["many"]
    assert "<b>green" not in page
    assert "&lt;b&gt;green&lt;/b&gt;" in page
    assert "blue &amp; $x$" in page


def test_an_empty_network_and_rows_that_were_not_held_out(pages):
    page = pages["empty"]
    assert "The network is empty" in page
    assert f"Quality on the {N} training rows" in page
    assert "these figures say little about new data" in page


def test_cross_validation_is_listed(results):
    from nogap.tabular.cross_validation import Trial

    trials = [Trial(0.5, 0.75, 0.01), Trial(0.25, 0.6125, 0.02)]
    page = sections.settings(replace(results["many"], trials=trials))
    assert "Cross-validation" in page
    assert "0.6125" in page


@given(st.floats(min_value=1e-15, max_value=1e4))
def test_bounds_are_rounded_up(share):
    shown = float(at_most(share).removesuffix(" %"))
    assert shown >= 100 * share * (1 - 1e-11)
    assert shown <= max(100 * share * 1.1, 1.0001e-4)


def test_bounds_at_the_ends():
    assert at_most(0.0) == "0 %"
    assert at_most(math.inf) == "∞ %"
    assert at_most(0.10) == "10 %"
    assert at_most(1.0) == "100 %"
    assert at_most(0.1234) == "13 %"


@pytest.mark.parametrize("shape", ["many", "many, classes"])
def test_readable_neurons_are_the_network(results, shape):
    model, data = results[shape].model, results[shape].data
    found = insight.describe_neurons(model.network, data.X)
    hidden = np.maximum(data.X @ found.weights.T + found.bias, 0)
    outputs = hidden @ found.outputs + model.network.intercept
    np.testing.assert_allclose(outputs, model.network.decision(data.X), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(found.outputs, axis=1), 1)
    assert found.share.sum() == pytest.approx(1)
    assert np.all(np.diff(found.share) <= 0)
    np.testing.assert_allclose(found.active, np.mean(hidden > 0, axis=0))


def test_partial_dependence_is_a_mean_of_predictions(results):
    result = results["many"]
    model, data = result.model, result.data
    cells = list(data.table.cells)
    place = data.table.names.index("kind")
    means = insight.partial_dependence(model, data.X, 2, np.arange(3))
    for k, level in enumerate(model.columns[2].levels):
        cells[place] = (level,) * N
        predictions = model.predict(replace(data.table, cells=tuple(cells)))
        assert means[k, 0] == pytest.approx(np.mean(predictions))


def test_a_function_of_one_number_bends_at_its_kinks(results):
    model = results["one number"].model
    column = model.columns[0]
    bends = insight.kinks(model, column)
    assert bends.size > 0
    ends = np.concatenate([[column.low], bends, [column.high]])
    for a, b in itertools.pairwise(ends):
        points = np.linspace(a, b, 5)
        f = insight.response(model, insight.encode_values(column, points))[:, 0]
        np.testing.assert_allclose(np.diff(f, 2), 0, atol=1e-9 * np.abs(f).max())


def test_importance_finds_the_column_that_matters(results):
    result = results["many, classes"]
    importance = insight.column_importance(result.model, result.data.X)
    assert importance.sum() == pytest.approx(1)
    assert np.argmax(importance) == 0


def test_confusion_counts_the_held_out_rows(results):
    result = results["many, classes"]
    counts = confusion(result)
    assert counts.sum() == result.data.held_out.sum()
    accuracy = np.trace(counts) / counts.sum()
    assert accuracy == pytest.approx(result.quality.scores["network"][0])
