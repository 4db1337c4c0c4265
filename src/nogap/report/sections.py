"""The parts of the report, each a function from the result of a fit to HTML."""

from __future__ import annotations

import numpy as np

from nogap._typing import Array
from nogap.certificate import MEANING
from nogap.report import insight
from nogap.report.markup import (
    at_most,
    bar,
    note,
    number,
    percent,
    score,
    section,
    signed,
    table,
    text,
)
from nogap.report.plots.convergence import convergence_plot
from nogap.report.plots.function import dependence_plot, function_plot
from nogap.report.plots.predictions import confusion, predictions_plot
from nogap.report.plots.weights import MAX_FEATURES, MAX_NEURONS, weights_plot
from nogap.report.terminal import bound_label
from nogap.tabular.columns import NumericColumn
from nogap.tabular.fitting import FitResult
from nogap.tabular.target import ClassTarget

MAX_ROWS = 30
MAX_CONFUSION = 12
WEIGHTS_SHOWN = 6


def _training_inputs(result: FitResult) -> Array:
    return result.data.X[~result.data.held_out]


def verdict(result: FitResult) -> str:
    """The certificate in words, its kind unmistakable, and the main figures."""
    certificate, solution = result.solution.certificate, result.solution
    gap = at_most(certificate.percent_above / 100)
    if certificate.proved:
        kind, badge = "proof", f"PROOF · kind “{certificate.kind}”"
        claim = f"The network is at most {gap} above the global optimum. This is proved."
        remark = ""
    else:
        kind, badge = "estimate", f"ESTIMATE, NOT A PROOF · kind “{certificate.kind}”"
        claim = f"The network appears to be at most {gap} above the global optimum."
        remark = note(
            "The search is not exhaustive: the true gap can be larger than this estimate."
        )
    first = result.quality.measures[0]
    tiles = {
        "objective": f"{certificate.objective:.6g}",
        bound_label(certificate.kind): f"{certificate.lower_bound:.6g}",
        "relative gap" if certificate.proved else "relative gap (estimate)": at_most(
            certificate.relative_gap
        ),
        "neurons": str(solution.network.n_neurons),
        f"{first}, {'held out' if result.quality.held_out else 'training rows'}": score(
            result.quality.scores["network"][0]
        ),
    }
    figures = "".join(f"<div><dt>{text(k)}</dt><dd>{v}</dd></div>" for k, v in tiles.items())
    return f"""<section class="verdict {kind}">
<span class="badge">{badge}</span>
<p class="claim">{claim}</p>
<p class="muted">{text(MEANING[certificate.kind][:1].upper() + MEANING[certificate.kind][1:])}.
{text(solution.status.sentence)}</p>
{remark}
<dl class="tiles">{figures}</dl>
</section>"""


def convergence(result: FitResult) -> str:
    """Objective and lower bound against time."""
    solution = result.solution
    seconds = solution.history[-1].time if solution.history else 0.0
    rounds = "1 round" if solution.n_iter == 1 else f"{solution.n_iter} rounds"
    return section(
        "Training",
        f"<figure>{convergence_plot(solution, result.options.tol)}</figure>",
        note(
            f"{rounds} in {number(seconds, 3)} s. The objective is the sum of the losses over the "
            "training rows plus the penalty; no network has an objective below the optimum, which "
            "lies between the two lines"
            + ("." if solution.certificate.proved else ", if the estimate is right.")
        ),
    )


def quality(result: FitResult) -> str:
    """Scores beside the baselines, and predictions against the truth."""
    measured = result.quality
    names = {"network": f"this network ({result.solution.network.n_neurons} neurons)"}
    rows = [
        [text(names.get(name, name)), score(scores[0]), number(scores[1])]
        for name, scores in measured.scores.items()
    ]
    if measured.held_out:
        training = result.training_scores
        rows.append(
            [
                '<span class="muted">this network, on its training rows</span>',
                score(training[0]),
                number(training[1]),
            ]
        )
        title = f"Quality on {measured.n_rows} held-out rows"
        remark = "None of these rows was used in training."
    else:
        title = f"Quality on the {measured.n_rows} training rows"
        remark = "No rows were held out: these figures say little about new data."
    if measured.task == "regression":
        remark += (
            f" RMSE is in units of {text(result.model.target.name)}; R² is 1 for perfect "
            "predictions, 0 for the mean of these rows."
        )
        picture = f"<figure>{predictions_plot(result)}</figure>"
    else:
        remark += " Log loss is in natural logarithms; smaller is better."
        picture = _confusion_table(result)
    scores = table(["", *map(text, measured.measures)], rows, numeric=(1, 2), ours=0)
    return section(title, f'<div class="halves"><div>{scores}{note(remark)}</div>{picture}</div>')


def _confusion_table(result: FitResult) -> str:
    target = result.model.target
    assert isinstance(target, ClassTarget)
    if len(target.classes) > MAX_CONFUSION:
        return ""
    counts = confusion(result)
    head = "".join(f'<th class="n">{text(label)}</th>' for label in target.classes)
    body = ""
    for i, label in enumerate(target.classes):
        cells = "".join(
            f'<td class="n{" hit" if i == j else ""}">{count}</td>'
            for j, count in enumerate(counts[i].tolist())
        )
        body += f"<tr><td>{text(label)}</td>{cells}</tr>"
    return (
        f'<div class="wide"><table class="confusion"><thead><tr><th>true ╲ predicted</th>{head}'
        f"</tr></thead><tbody>{body}</tbody></table></div>"
    )


def function(result: FitResult) -> str:
    """The fitted function, directly or by partial dependence."""
    model = result.model
    if len(model.columns) <= 2:
        return section("The fitted function", f"<figure>{function_plot(result)}</figure>")
    importance = insight.column_importance(model, _training_inputs(result))
    chosen = np.argsort(-importance, kind="stable")[:2].tolist()
    names = " and ".join(f"<b>{text(model.columns[k].name)}</b>" for k in chosen)
    return section(
        "The fitted function",
        f"<p>Partial dependence on the two most important columns, {names}.</p>",
        f"<figure>{dependence_plot(result, chosen)}</figure>",
        note(
            "The mean prediction over the training rows when the column is set to each value in "
            "turn; short ticks mark the values in the data."
        ),
    )


def neurons(result: FitResult) -> str:
    """A table of the neurons with their weights by feature name, and a heat map."""
    model = result.model
    if model.network.n_neurons == 0:
        return section(
            "Neurons",
            "<p>The network is empty: at this alpha the best network is a constant. "
            "A smaller alpha gives neurons.</p>",
        )
    found = insight.describe_neurons(model.network, _training_inputs(result))
    names = model.feature_names
    rows = []
    for j in range(min(found.share.size, MAX_ROWS)):
        order = np.argsort(-np.abs(found.weights[j]), kind="stable")[:WEIGHTS_SHOWN]
        kept = [k for k in order if found.weights[j, k] != 0]
        chips = "".join(
            f'<span class="chip">{text(names[k])} {signed(found.weights[j, k])}</span>'
            for k in kept
        )
        rows.append(
            [
                str(j + 1),
                bar(float(found.share[j])),
                _outputs(result, found.outputs[j]),
                percent(float(found.active[j])),
                signed(float(found.bias[j])),
                chips,
            ]
        )
    cut = found.share.size - len(rows)
    shown = f"The {MAX_ROWS} largest of {found.share.size} neurons are listed. " if cut > 0 else ""
    many = len(names) > MAX_FEATURES or found.share.size > MAX_NEURONS
    limit = (
        f" The map shows at most {MAX_NEURONS} neurons and {MAX_FEATURES} features." if many else ""
    )
    header = ["", "share of the penalty", "output", "active on", "bias", "largest weights"]
    return section(
        "Neurons",
        note(
            shown + "The network adds up <code>output · max(0, weights · x + bias)</code> over its "
            "neurons, and a constant. Numeric columns are standardised, categories are 0 or 1, and "
            "weights are scaled so that each neuron's output weights have norm 1. “Active on” is "
            "the share of training rows on which the neuron is not zero."
        ),
        table(header, rows, numeric=(0, 3, 4)),
        "<h3>Weights of all neurons</h3>",
        f"<figure>{weights_plot(found, names)}</figure>",
        note(
            '<b class="plus">Blue</b> is positive, <b class="minus">orange</b> negative; the '
            f"strength of the colour grows with the square root of the weight.{limit}"
        ),
        kind="long",
    )


def _outputs(result: FitResult, output: Array) -> str:
    target = result.model.target
    if output.size == 1:
        return signed(float(output[0]))
    assert isinstance(target, ClassTarget)
    order = np.argsort(-np.abs(output), kind="stable")[:3]
    return "".join(
        f'<span class="chip">{text(target.classes[k])} {signed(float(output[k]))}</span>'
        for k in order
    )


def columns(result: FitResult) -> str:
    """What the model reads: each column with its range or levels, and its importance."""
    importance = insight.column_importance(result.model, _training_inputs(result))
    rows = []
    for k in np.argsort(-importance, kind="stable").tolist():
        column = result.model.columns[k]
        if isinstance(column, NumericColumn):
            kind = "number"
            content = (
                f"mean {number(column.mean)}, standard deviation {number(column.scale)}, "
                f"from {number(column.low)} to {number(column.high)}"
            )
        else:
            kind = "category"
            levels = [text(level) for level in column.levels[:8]]
            more = len(column.levels) - len(levels)
            content = ", ".join(levels) + (f" and {more} more" if more > 0 else "")
        rows.append([text(column.name), kind, bar(float(importance[k])), content])
    return section(
        "Columns",
        table(["column", "kind", "importance", "in the training rows"], rows),
        note(
            "Importance: how far the outputs move (root mean square) when the column is shuffled "
            "among the training rows, as a share of all columns."
        ),
        kind="long",
    )


def settings(result: FitResult) -> str:
    """The data and the options of the run, and how alpha was chosen."""
    options, model, data = result.options, result.model, result.data
    training = int((~data.held_out).sum())
    target = model.target
    if isinstance(target, ClassTarget):
        shown = [text(label) for label in target.classes[:12]]
        more = len(target.classes) - len(shown)
        described = f"{len(target.classes)} classes: {', '.join(shown)}"
        described += f" and {more} more" if more > 0 else ""
    else:
        described = f"mean {number(target.mean)}, standard deviation {number(target.scale)}"
    alpha = f"{model.alpha:.6g}"
    if result.largest_alpha is not None:
        alpha += f" ({percent(model.alpha / result.largest_alpha)} of {result.largest_alpha:.4g}, "
        alpha += "where the network is empty)"
    rows = {
        "data": f"{text(data.table.source)}, {data.table.n_rows} rows",
        "target": f"{text(target.name)} ({described})",
        "task, loss": f"{target.task}, {target.loss} loss",
        "rows": f"{training} for training, {int(data.held_out.sum())} held out",
        "network inputs": str(len(model.feature_names)),
        "alpha": f"{alpha}; beta = alpha × training rows = {model.certificate.beta:.6g}",
        "tolerance": percent(options.tol),
        "limits": _limits(result),
        "seed": str(options.seed),
    }
    notes = "".join(f"<li>{text(sentence)}</li>" for sentence in data.notes)
    return section(
        "Data and settings",
        table([], [[text(name), value] for name, value in rows.items()]),
        _trials(result),
        f"<h3>Notes</h3><ul>{notes}</ul>",
    )


def _limits(result: FitResult) -> str:
    options = result.options
    limits = []
    if options.max_time is not None:
        limits.append(f"{options.max_time:g} s")
    if options.max_neurons is not None:
        limits.append(f"{options.max_neurons} neurons")
    return ", ".join(limits) or "none"


def _trials(result: FitResult) -> str:
    if not result.trials:
        return ""
    best = min(range(len(result.trials)), key=lambda k: result.trials[k].loss)
    rows = [
        [f"{trial.alpha:.4g}", f"{trial.loss:.4g}", f"{trial.error:.2g}"] for trial in result.trials
    ]
    header = ["alpha", "mean held-out loss", "standard error"]
    return "<h3>Cross-validation</h3>" + table(header, rows, numeric=(0, 1, 2), ours=best)
