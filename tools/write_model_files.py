"""Write the model files of this release, which later releases must go on reading.

    python tools/write_model_files.py        # before a release; the folder is committed

Each folder ``tests/data/models/<release>/`` holds networks, a model of a table, and what they
predict; ``tests/test_model_files.py`` loads all folders.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import nogap
from nogap.tabular import FitOptions, fit_table
from nogap.tabular.table import Table

FOLDER = Path(__file__).parents[1] / "tests" / "data" / "models" / nogap.__version__


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    X = np.round(rng.normal(size=(6, 2)), 3)
    networks = {
        "relu": nogap.Network(
            rng.normal(size=(3, 2)), rng.normal(size=(3, 2)), rng.normal(size=3), [0.5, -1.0]
        ),
        "linear": nogap.Network([[1.0, -2.0]], [3.0], activation="linear"),
        "gated": nogap.Network(
            rng.normal(size=(2, 2)),
            rng.normal(size=2),
            activation="gated",
            gates=rng.normal(size=(2, 2)),
            gate_bias=[0.1, -0.1],
        ),
    }
    predictions = {"X": X}
    for name, network in networks.items():
        network.save(FOLDER / f"{name}.nogap")
        predictions[name] = network.decision(X)
    model = fit_table(table(), FitOptions("price", alpha=0.1, test_fraction=0)).model
    model.save(FOLDER / "table.nogap")
    predictions["table"] = np.array(model.predict(table()))
    np.savez(FOLDER / "predictions.npz", **predictions)


def table() -> Table:
    sizes, kinds = [size for size in range(8) for _ in "ab"], ["a", "b"] * 8
    prices = [2 * size + (kind == "a") for size, kind in zip(sizes, kinds, strict=True)]
    columns = (tuple(map(str, sizes)), tuple(kinds), tuple(map(str, prices)))
    names = ("size", "kind", "price")
    return Table("houses.csv", names, columns, rows=range(1, 17), lines=range(2, 18))


if __name__ == "__main__":
    main()
