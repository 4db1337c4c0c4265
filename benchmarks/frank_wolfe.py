"""``python -m benchmarks.frank_wolfe``: stochastic Frank-Wolfe on rows that stay on disk.

A million Gaussian rows with 20 columns in a memory map, targets of a ten-neuron teacher with 10 %
noise, delta the teacher's own penalty.  Every line is a process of its own with one thread; memory
is the peak of the whole process, its imports and the pages of the file among it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.limits import peak_memory
from benchmarks.runner import ONE_THREAD, ROOT
from benchmarks.tables import markdown

NEURONS, NOISE = 10, 0.1
BLOCK = 100_000
BATCHES = ("1000", "10000", "100000", "schedule")
HEADER = [
    "batch",
    "iterates",
    "rows looked at",
    "loss / empty network's",
    "estimated gap / loss",
    "kind",
    "seconds",
    "peak MiB",
]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the rows, measure, print the table; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.frank_wolfe", description=__doc__)
    add = parser.add_argument
    add("--rows", type=int, default=1_000_000)
    add("--columns", type=int, default=20)
    add("--iterates", type=int, default=40)
    add("--batches", default=",".join(BATCHES), help="rows an iterate, schedule, all")
    add("--seed", type=int, default=0)
    add("--point", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.point:
        folder, batch = options.point
        sys.stdout.write(json.dumps(measure(Path(folder), batch, options.iterates, options.seed)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        write_rows(Path(folder), options.rows, options.columns, options.seed)
        sys.stdout.write(markdown(HEADER, []) + "\n")
        for batch in options.batches.split(","):
            cells = _point(folder, batch, options)
            sys.stdout.write(markdown(HEADER, [cells]).splitlines()[-1] + "\n")
            sys.stdout.flush()
    return 0


def write_rows(folder: Path, n: int, d: int, seed: int) -> None:
    """X.npy, y.npy and the teacher's delta; a block of rows in memory at a time."""
    rng = np.random.default_rng(seed)
    U = rng.standard_normal((d, NEURONS)) / np.sqrt(d)
    a = rng.choice([-1.0, 1.0], NEURONS)
    X = np.lib.format.open_memmap(folder / "X.npy", "w+", np.float64, (n, d))
    y = np.empty(n)
    for start in range(0, n, BLOCK):
        block = rng.standard_normal((min(BLOCK, n - start), d))
        X[start : start + len(block)] = block
        y[start : start + len(block)] = np.maximum(block @ U, 0.0) @ a
    X.flush()
    np.save(folder / "y.npy", y + NOISE * float(y.std()) * rng.standard_normal(n))
    (folder / "delta.json").write_text(json.dumps(float(np.linalg.norm(U, axis=0).sum())))


def measure(folder: Path, batch: str, iterates: int, seed: int) -> list[str]:
    """The cells of one line."""
    import nogap

    X, y = np.load(folder / "X.npy", mmap_mode="r"), np.load(folder / "y.npy")
    delta = json.loads((folder / "delta.json").read_text())
    sizes = {"all": None, "schedule": "schedule"}
    start = time.perf_counter()
    solution = nogap.frank_wolfe(
        X,
        y,
        delta=delta,
        batch_size=sizes[batch] if batch in sizes else int(batch),
        max_iter=iterates,
        oracle="search",
        random_state=seed,
    )
    seconds = time.perf_counter() - start
    looked = sum(record.batch_size for record in solution.history)
    return [
        batch,
        str(solution.n_iter),
        f"{looked:,}",
        f"{solution.objective / (0.5 * float(y @ y)):.4f}",
        f"{solution.certificate.relative_gap:.2f}",
        solution.certificate.kind,
        f"{seconds:.0f}",
        f"{peak_memory() / 2**20:.0f}",
    ]


def _point(folder: str, batch: str, options: argparse.Namespace) -> list[str]:
    """One line, measured in a process with one thread."""
    command = [sys.executable, "-m", "benchmarks.frank_wolfe", "--point", folder, batch]
    command += ["--iterates", str(options.iterates), "--seed", str(options.seed)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **ONE_THREAD}, capture_output=True, text=True
    )
    return json.loads(done.stdout) if done.returncode == 0 else [batch, done.stderr.strip()[-80:]]


if __name__ == "__main__":
    sys.exit(main())
