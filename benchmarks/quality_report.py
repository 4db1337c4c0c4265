"""Table and plot of the quality benchmark: scores, ranks, wins, Wilcoxon's test."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from scipy.stats import rankdata, wilcoxon

TIE = 0.002  # scores that differ by less are level
OURS = "nogap"
STORE = "quality.jsonl"


def read_records(store: Path) -> list[dict]:
    """One record a line: set, task, fold, model, rows, score, neurons, seconds."""
    if not store.exists():
        return []
    return [json.loads(line) for line in store.read_text().splitlines()]


def write_report(folder: Path) -> None:
    """DIR/quality.md and DIR/quality.png from DIR/quality.jsonl."""
    records = read_records(folder / STORE)
    models = list(dict.fromkeys(record["model"] for record in records))
    sets = []
    for name in dict.fromkeys((record["task"], record["set"]) for record in records):
        found = columns(records, name, models)
        if all(found):
            sets.append((name, found))
    if not sets:
        return
    scores = np.array([[np.mean([r["score"] for r in c]) for c in found] for _, found in sets])
    seconds = np.array([[np.mean([r["seconds"] for r in c]) for c in found] for _, found in sets])
    ranks = np.array([rankdata(-np.round(row, 4)) for row in scores])
    lines = [
        f"{len(sets)} sets; mean over the folds; accuracy, or R^2 for regression.",
        "",
        "| set | task | rows | folds | " + " | ".join(models) + " | neurons |",
        "|---" * (len(models) + 5) + "|",
    ]
    for (task_and_name, found), row in zip(sets, scores, strict=True):
        cells = [f"**{s:.3f}**" if s >= row.max() - TIE else f"{s:.3f}" for s in row]
        size = np.mean([r["neurons"] for r in found[models.index(OURS)]]) if OURS in models else 0
        lines.append(
            f"| {task_and_name[1]} | {task_and_name[0]} | {found[0][0]['rows']} | "
            f"{len(found[0])} | " + " | ".join(cells) + f" | {size:.0f} |"
        )
    sizes = [neurons([r for found in sets for r in found[1][k]]) for k in range(len(models))]
    lines += ["", *summary(models, scores, ranks, seconds, sizes)]
    (folder / "quality.md").write_text("\n".join(lines) + "\n")
    draw(folder / "quality.png", models, scores, ranks)
    print("\n".join(lines))


def columns(records: list, name: tuple, models: list) -> list[list]:
    """The records of a set, model by model, of the folds that all models have been through."""
    of_set = [r for r in records if (r["task"], r["set"]) == name]
    of_model = [{r["fold"]: r for r in of_set if r["model"] == model} for model in models]
    folds = sorted(set.intersection(*map(set, of_model)))
    return [[found[fold] for fold in folds] for found in of_model]


def neurons(records: list) -> str:
    """Median number of hidden neurons, of models that have some."""
    found = [r["neurons"] for r in records if r["neurons"] is not None]
    return f"{np.median(found):.0f}" if found else ""


def summary(
    models: list, scores: np.ndarray, ranks: np.ndarray, seconds: np.ndarray, sizes: list[str]
) -> list[str]:
    """A line a model: medians of neurons and seconds; nogap's wins, ties and losses against it."""
    lines = [
        "| model | mean rank | mean score | neurons | CPU s | wins / ties / losses | Wilcoxon p |",
        "|---|---|---|---|---|---|---|",
    ]
    ours = scores[:, models.index(OURS)] if OURS in models else scores[:, 0]
    for k in np.argsort(ranks.mean(axis=0)):
        difference = ours - scores[:, k]
        wins, losses = int(np.sum(difference > TIE)), int(np.sum(difference < -TIE))
        against, p = "", ""
        if models[k] != OURS:
            against = f"{wins} / {len(ours) - wins - losses} / {losses}"
            p = f"{wilcoxon(difference).pvalue:.3f}" if np.any(difference) else "1"
        lines.append(
            f"| {models[k]} | {ranks[:, k].mean():.2f} | {scores[:, k].mean():.4f} | {sizes[k]} | "
            f"{np.median(seconds[:, k]):.1f} | {against} | {p} |"
        )
    return lines


def draw(path: Path, models: list, scores: np.ndarray, ranks: np.ndarray) -> None:
    """Mean ranks, and how far each rival is from nogap set by set."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    order = np.argsort(-ranks.mean(axis=0))
    colors = ["#2256c7" if models[k] == OURS else "#8a93a3" for k in order]
    left.barh([models[k] for k in order], ranks.mean(axis=0)[order], color=colors)
    left.set(xlabel="mean rank (1 is best)", xlim=(1, len(models)))
    ours = scores[:, models.index(OURS)] if OURS in models else scores[:, 0]
    rivals = [k for k in order if models[k] != OURS]
    spread = np.linspace(-0.2, 0.2, len(ours))
    for height, k in enumerate(rivals):
        difference = np.clip(ours - scores[:, k], -0.3, 0.3)
        right.plot(difference, height + spread, "o", color="#2256c7", markersize=4, alpha=0.7)
    right.axvline(0, color="black", linewidth=1)
    right.set_yticks(range(len(rivals)), [models[k] for k in rivals])
    right.set(xlabel="nogap minus rival, a dot a set (clipped at 0.3)")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
    plt.close(figure)
