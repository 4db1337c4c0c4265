"""Sign units: how fast the exact oracle is, what is proved, and what the choice of oracle is worth.

    python -m benchmarks.sign_units [--only oracle|proofs|oracles]

prints three tables: one call of the exact oracle for two inputs and a bias; networks with a proof
of optimality on ``make_moons(1000)``; and the hinge loss on the breast cancer data (30 columns),
where nothing is exact, by the search and by the classifiers of Bengio et al. (2006).
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from sklearn.datasets import load_breast_cancer, make_moons
from sklearn.preprocessing import scale

import nogap
from nogap.oracles.classifiers import CLASSIFIERS
from nogap.oracles.sign_cells import SignCellOracle
from nogap.rows import MemoryRows

ROWS = (500, 1000, 2000, 4000)
PENALTIES = {"hinge": 5.0, "logistic": 5.0, "squared": 5.0}
SECONDS = 60.0


def oracle() -> None:
    print("| rows | CPU seconds of one call |\n| --- | --- |")
    g = np.random.default_rng(0)
    for n in ROWS:
        rows, V = MemoryRows(g.standard_normal((n, 2)), hidden_bias=True), g.standard_normal((n, 1))
        start = time.process_time()
        SignCellOracle(rows).price(V, 20)
        print(f"| {n} | {time.process_time() - start:.2f} |", flush=True)


def proofs() -> None:
    print("| loss | objective | relative gap, proved | units | rounds | CPU seconds |")
    print("| --- | --- | --- | --- | --- | --- |")
    X, y = make_moons(1000, noise=0.2, random_state=0)
    for loss, beta in PENALTIES.items():
        report(loss, X, 2.0 * y - 1, kind="exact", beta=beta, loss=loss)


def oracles() -> None:
    print("| oracle | objective | relative gap, estimated | units | rounds | CPU seconds |")
    print("| --- | --- | --- | --- | --- | --- |")
    X, y = load_breast_cancer(return_X_y=True)
    for name in ("search", *CLASSIFIERS):
        report(
            name,
            scale(X),
            2.0 * y - 1,
            kind="search",
            beta=2.0,
            loss="hinge",
            oracle=name,
            max_time=SECONDS,
        )


def report(name: str, X: np.ndarray, y: np.ndarray, *, kind: str, **options) -> None:
    start = time.process_time()
    solution = nogap.train(X, y, unit="sign", hidden_bias=True, random_state=0, **options)
    seconds = time.process_time() - start
    if solution.certificate.kind != kind:
        raise SystemExit(f"{name}: a certificate of the kind {solution.certificate.kind}")
    print(
        f"| {name} | {solution.objective:.6g} | {solution.certificate.relative_gap:.1e} | "
        f"{solution.network.n_neurons} | {solution.n_iter} | {seconds:.1f} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    tables = {"oracle": oracle, "proofs": proofs, "oracles": oracles}
    parser.add_argument("--only", choices=tables)
    chosen = parser.parse_args().only
    for name, table in tables.items():
        if chosen in (None, name):
            table()
            print()


if __name__ == "__main__":
    main()
