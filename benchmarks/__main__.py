"""``python -m benchmarks``: nogap and its rivals on the benchmark problems."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from benchmarks import plots, problems, tables
from benchmarks.compare import Comparison
from benchmarks.problems import FAMILIES, Problem
from benchmarks.rivals import RIVALS
from benchmarks.runner import PYSCNN_PYTHON, ROOT, Runner, interpreters_from_environment
from benchmarks.trajectory import Trajectory

LIBRARIES = ("nogap", "numpy", "scipy", "torch", "scikit-learn", "cvxpy", "clarabel", "pyscnn")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line says; the exit status."""
    options = _parser().parse_args(arguments)
    if options.render is not None:
        _write(options.render, *_read(options.render))
        return 0
    runner = Runner(options.seconds, options.interpreters or interpreters_from_environment())
    rivals = []
    for name in options.rivals:
        reason = runner.missing(name)
        if reason:
            _say(f"{name} is left out: {reason}")
        else:
            rivals.append(name)
    facts = _facts(options)
    comparisons = []
    for title, seed, problem in _problems(options):
        comparison = Comparison(
            problem.name, title, round(problem.rel, 10), options.seconds, problem.best_known
        )
        for name in rivals:
            trajectory = runner.run(name, problem, seed)
            comparison.trajectories.append(trajectory)
            _say(f"{comparison.label}: {name} {_ending(trajectory)}")
        comparisons.append(comparison)
        _write(options.out, comparisons, facts)  # after each problem: a long run may be cut short
    _say(f"report and plots are in {options.out}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--problems", type=_letters, default=["b", "c", "g"], help="families, as in a,b,c")
    add("--rel", type=_floats, default=[0.01], help="beta / beta_max, as in 0.01,0.1")
    add("--seconds", type=float, default=2.0, help="CPU seconds for each rival on each problem")
    add("--rivals", type=_names, default=list(RIVALS), help="as in nogap,torch_adam")
    add("--reference", type=Path, help="folder of reference files LETTER_REL.npz")
    add("--seeds", type=_integers, help="fresh problems of the families, as in 1,2,3")
    add("--out", type=Path, default=ROOT / "benchmarks" / "results" / "tmp")
    add(
        "--pyscnn-python",
        dest="interpreters",
        type=lambda path: {"pyscnn": path},
        help=f"interpreter that has pyscnn, else that of the variable {PYSCNN_PYTHON}",
    )
    add("--render", type=Path, help="write report and plots anew from a folder's trajectories")
    return parser


def _problems(options: argparse.Namespace) -> Iterator[tuple[str, int, Problem]]:
    """Title, seed of the rivals, and problem."""
    for letter in options.problems:
        family = FAMILIES[letter]
        for seed in options.seeds or [None]:
            for rel in options.rel:
                if options.reference is not None:
                    problem = problems.load_reference(options.reference, letter, rel)
                else:
                    problem = problems.generate(letter, rel, seed)
                yield f"{problem.name}: {family.title}", seed or 0, problem


def _facts(options: argparse.Namespace) -> dict[str, str]:
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return {
        "CPU seconds for each rival": f"{options.seconds:g}",
        "problems": "reference files" if options.reference else "generated",
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}",
        "load average at the start": load,
        "Python": platform.python_version(),
        "versions": ", ".join(f"{name} {_version(name)}" for name in LIBRARIES),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "elsewhere"


def _write(folder: Path, comparisons: list[Comparison], facts: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    data = {"facts": facts, "comparisons": [_to_json(c) for c in comparisons]}
    (folder / "trajectories.json").write_text(json.dumps(data) + "\n")
    (folder / "report.md").write_text(tables.report(comparisons, facts))
    for comparison in comparisons:
        name = f"{comparison.problem.replace(' ', '-')}_{comparison.rel:g}.png"
        plots.trajectory_plot(comparison, folder / name)


def _to_json(comparison: Comparison) -> dict[str, object]:
    return {**vars(comparison), "trajectories": [t.to_json() for t in comparison.trajectories]}


def _read(folder: Path) -> tuple[list[Comparison], dict[str, str]]:
    data = json.loads((folder / "trajectories.json").read_text())
    comparisons = []
    for kept in data["comparisons"]:
        trajectories = [Trajectory.from_json(t) for t in kept.pop("trajectories")]
        comparisons.append(Comparison(**kept, trajectories=trajectories))
    return comparisons, data["facts"]


def _ending(trajectory: Trajectory) -> str:
    curve = trajectory.envelope()
    reached = f"{curve[-1].objective:.7g} at {curve[-1].seconds:.2f} s" if curve else "nothing"
    return f"{reached}; {trajectory.remark}" if trajectory.remark else reached


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _floats(text: str) -> list[float]:
    return [float(part) for part in _split(text)]


def _integers(text: str) -> list[int]:
    return [int(part) for part in _split(text)]


def _letters(text: str) -> list[str]:
    return _known(_split(text), FAMILIES)


def _names(text: str) -> list[str]:
    return _known(_split(text), RIVALS)


def _known(names: list[str], known: dict[str, object]) -> list[str]:
    for name in names:
        if name not in known:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
