"""``python -m benchmarks.scaling``: how nogap's time and memory grow with the problem.

Teacher problems with 10 % noise at beta = 0.1 beta_max, trained to a search gap of 1 %.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.problems import Problem, teacher
from benchmarks.runner import ONE_THREAD, ROOT
from benchmarks.scaling_plot import draw
from benchmarks.tables import markdown

NOISE = 0.1
REL = 0.1
TOLERANCE = 1e-2
SAMPLED_ROWS = 5000  # rows for beta_max, which is proportional to n


@dataclass(frozen=True)
class Series:
    """Problems that differ in one size."""

    name: str
    size: str
    shapes: tuple[tuple[int, int, int], ...]  # n, d, teacher neurons

    def sizes(self) -> list[int]:
        """What varies."""
        return [shape["ndk".index(self.size)] for shape in self.shapes]


@dataclass(frozen=True)
class Measurement:
    """One point; seconds are CPU, memory is the peak above what the imports need."""

    size: int
    seconds: float
    memory: int
    data: int
    gap: float
    neurons: int
    reached: bool
    remark: str = ""


def series(full: bool) -> tuple[Series, ...]:
    """Rows, columns and neurons; ``full`` goes up to a million rows and a thousand columns."""
    rows = [1000, 3000, 10_000, 30_000]
    columns = [5, 10, 20, 50, 100]
    neurons = [2, 5, 10, 20, 50]
    if full:
        rows += [100_000, 300_000, 1_000_000]
        columns += [200, 500, 1000]
        neurons += [100]
    return (
        Series("rows (20 columns, 10 neurons)", "n", tuple((n, 20, 10) for n in rows)),
        Series("columns (1000 rows, 10 neurons)", "d", tuple((1000, d, 10) for d in columns)),
        Series("neurons (2000 rows, 20 columns)", "k", tuple((2000, 20, k) for k in neurons)),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, then write table, data and plot; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    add = parser.add_argument
    add("--full", action="store_true", help="up to a million rows and a thousand columns")
    add("--seconds", type=float, default=20.0, help="CPU seconds for each point")
    add("--series", default="n,d,k", help="which sizes to vary: n, d, k")
    add("--seed", type=int, default=0)
    add("--out", type=Path, default=ROOT / "benchmarks" / "results" / "tmp")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    measured: list[tuple[Series, list[Measurement]]] = []
    for one in series(options.full):
        if one.size in options.series.split(","):
            measured.append((one, _measure_series(one, options.seconds, options.seed)))
            _write(options.out, measured, options.seconds)
    return 0


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float | None:
    """Slope of the least-squares line in the logarithms; None with fewer than three points."""
    if len(sizes) < 3:
        return None
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def _measure_series(one: Series, seconds: float, seed: int) -> list[Measurement]:
    measurements = []
    for size, (n, d, k) in zip(one.sizes(), one.shapes, strict=True):
        measurement = _measure(_problem(n, d, k, seed), size, seconds, seed)
        measurements.append(measurement)
        sys.stdout.write(f"{one.size} = {size}: {measurement}\n")
        sys.stdout.flush()
    return measurements


def _problem(n: int, d: int, k: int, seed: int) -> Problem:
    import nogap

    X, y = teacher(n, d, k, NOISE, seed)
    m = min(n, SAMPLED_ROWS)
    beta_max = float(nogap.beta_max(X[:m], y[:m])) * n / m
    return Problem(f"{n}x{d}, {k} neurons", X, y, REL * beta_max, beta_max)


def _measure(problem: Problem, size: int, seconds: float, seed: int) -> Measurement:
    """One point, in a process of its own so that its memory is its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "problem.npz"
        problem.save(file)
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.scaling_point", str(file), str(seconds), str(seed)],
            cwd=ROOT,
            env={**os.environ, **ONE_THREAD},
            capture_output=True,
            text=True,
        )
    data = problem.X.nbytes + problem.y.nbytes
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        return Measurement(size, seconds, 0, data, np.inf, 0, False, reason)
    return Measurement(size=size, data=data, **json.loads(done.stdout))


def _write(
    folder: Path, measured: Sequence[tuple[Series, list[Measurement]]], seconds: float
) -> None:
    data = [
        {"series": asdict(one), "points": [asdict(p) for p in points]} for one, points in measured
    ]
    (folder / "scaling.json").write_text(json.dumps(data) + "\n")
    parts = ["# How time and memory grow", (__doc__ or "").split("\n\n", 1)[1].strip()]
    parts.append(f"At most {seconds:g} CPU seconds a point, one thread.")
    panels = []
    for one, points in measured:
        reached = [p for p in points if p.reached]
        sizes = [p.size for p in reached]
        fitted = {
            "seconds": exponent(sizes, [p.seconds for p in reached]),
            "memory": exponent(sizes, [p.memory for p in reached]),
        }
        parts += [f"## {one.name}", _table(one, points), _slopes(one, fitted)]
        panels.append((one.name, one.size, points, fitted))
    (folder / "scaling.md").write_text("\n\n".join(parts) + "\n")
    draw(panels, TOLERANCE, folder / "scaling.png")


def _table(one: Series, points: Sequence[Measurement]) -> str:
    rows = [
        [
            f"{p.size}",
            f"{p.seconds:.3g}" if p.reached else f"not within {p.seconds:.3g}",
            f"{p.gap:.2g}",
            f"{p.neurons}",
            f"{p.memory / 2**20:.1f}",
            f"{p.data / 2**20:.1f}",
            p.remark,
        ]
        for p in points
    ]
    header = [one.size, "CPU seconds", "gap", "neurons found", "peak MiB", "data MiB", "remark"]
    return markdown(header, rows)


def _slopes(one: Series, fitted: dict[str, Any]) -> str:
    shown = [
        f"{name} grow as {one.size}^{slope:.2f}" if slope is not None else f"{name}: no fit"
        for name, slope in fitted.items()
    ]
    return "Fitted over the points that reached the gap: " + ", ".join(shown) + "."


if __name__ == "__main__":
    sys.exit(main())
