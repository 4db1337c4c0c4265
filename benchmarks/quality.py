"""Test accuracy and R^2 on tables, against scikit-learn's models tuned with the same budget.

    python -m benchmarks.quality FOLDER --out DIR                 # every set, every fold: days
    python -m benchmarks.quality FOLDER --smallest 150 --largest 400 --folds 2   # small sets
    python -m benchmarks.quality FOLDER --sets wine,yacht --models nogap,linear
    python -m benchmarks.quality --render DIR                     # table and plot anew

FOLDER holds ``uci121/NAME.npz`` (X, y, fold0_train, fold0_test, ...; n_train where the last
rows are a test part of their own) and ``regression/NAME.npz`` (X, y, test0, ...; or test_mask).
Results are appended to DIR/quality.jsonl one by one: a run can be stopped and taken up again, and
several may fill the same file. The seconds are CPU time of one process; run with one BLAS thread.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from benchmarks.quality_report import STORE, read_records, write_report
from nogap import ReLUClassifierCV, ReLURegressorCV

MODELS = ("nogap", "mlp", "mlp tuned", "linear", "rbf svm", "forest")
FOLDS = 5  # of the inner cross-validation, for everybody


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/tmp/quality"))
    parser.add_argument("--sets", default="")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--smallest", type=int, default=0, help="fewest rows of a set")
    parser.add_argument("--largest", type=int, default=10**9, help="most rows of a set")
    parser.add_argument("--folds", type=int, default=4, help="most folds of a set")
    parser.add_argument("--render", type=Path)
    arguments = parser.parse_args()
    if arguments.render is not None:
        write_report(arguments.render)
        return
    if arguments.folder is None:
        parser.error("name the folder of the data sets")
    arguments.out.mkdir(parents=True, exist_ok=True)
    chosen = set(filter(None, arguments.sets.split(",")))
    for path in sorted(arguments.folder.glob("*/*.npz")):
        if path.parent.name not in ("uci121", "regression") or (chosen and path.stem not in chosen):
            continue
        with np.load(path, allow_pickle=False) as file:
            data = {name: file[name] for name in file.files if file[name].dtype.kind != "O"}
        if arguments.smallest <= len(data["y"]) <= arguments.largest:
            run(path, data, arguments)
    write_report(arguments.out)


def run(path: Path, data: dict, arguments: argparse.Namespace) -> None:
    """All models on all folds of one set; what is in the file already is not run again."""
    store = arguments.out / STORE
    task = "regression" if path.parent.name == "regression" else "classification"
    for fold, (train, test) in zip(range(arguments.folds), splits(data, task), strict=False):
        for name in arguments.models.split(","):
            key = {"set": path.stem, "task": task, "fold": fold, "model": name}
            if any(key.items() <= record.items() for record in read_records(store)):
                continue
            record = {**key, **measure(name, task, data, train, test)}
            with store.open("a") as file:
                file.write(json.dumps(record) + "\n")
            print(*record.values(), flush=True)


def splits(data: dict, task: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The set's own folds where it has some; otherwise four, shuffled."""
    n = len(data["y"])
    n_train = int(data.get("n_train", n))
    if n_train < n:
        yield np.arange(n_train), np.arange(n_train, n)
        return
    if "test_mask" in data:  # one row of packed bits a split
        for mask in np.unpackbits(data["test_mask"], axis=1)[:, :n].astype(bool):
            yield np.flatnonzero(~mask), np.flatnonzero(mask)
        return
    k = 0
    for k in range(100):
        if f"fold{k}_train" in data:
            yield data[f"fold{k}_train"], data[f"fold{k}_test"]
        elif f"test{k}" in data:
            yield np.setdiff1d(np.arange(n), data[f"test{k}"]), data[f"test{k}"]
        else:
            break
    if k:
        return
    kind = KFold if task == "regression" else StratifiedKFold
    yield from kind(4, shuffle=True, random_state=0).split(np.zeros(n), data["y"])


def measure(name: str, task: str, data: dict, train: np.ndarray, test: np.ndarray) -> dict:
    X, y = data["X"].astype(np.float64), data["y"]
    X = X.reshape(len(X), -1)
    y = y.astype(np.float64) if task == "regression" else y
    model = build(name, task, y[train])
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rivals that stop at their limits, and rare classes
        model.fit(X[train], y[train])
    seconds = time.process_time() - start
    return {
        "rows": len(train),
        "score": float(model.score(X[test], y[test])),
        "neurons": neurons(model),
        "seconds": round(seconds, 2),
    }


def neurons(model: object) -> int | None:
    found = model[-1]
    found = getattr(found, "regressor_", found)
    found = getattr(found, "best_estimator_", found)
    if hasattr(found, "n_neurons_"):
        return int(found.n_neurons_)
    return sum(w.shape[1] for w in found.coefs_[:-1]) if hasattr(found, "coefs_") else None


def build(name: str, task: str, y: np.ndarray) -> object:
    """Each model behind the same scaling; targets of a scale that MLP and SVM expect."""
    regression = task == "regression"
    if regression:
        folds = KFold(FOLDS, shuffle=True, random_state=0)
    else:
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    model = {
        "nogap": lambda: ReLURegressorCV() if regression else ReLUClassifierCV(),
        "mlp": lambda: (MLPRegressor if regression else MLPClassifier)(random_state=0),
        "mlp tuned": lambda: GridSearchCV(
            (MLPRegressor if regression else MLPClassifier)(random_state=0, max_iter=1000),
            {
                "alpha": [1e-4, 1e-3, 1e-2, 1e-1, 1.0],
                "hidden_layer_sizes": [(20,), (100,), (50, 50)],
            },
            cv=folds,
        ),
        "linear": lambda: (
            RidgeCV(np.logspace(-3, 4, 15))
            if regression
            else LogisticRegressionCV(
                Cs=15, cv=folds, max_iter=1000, l1_ratios=(0,), use_legacy_attributes=False
            )
        ),
        "rbf svm": lambda: GridSearchCV(
            (SVR if regression else SVC)(),
            {"C": [0.1, 1.0, 10.0, 100.0], "gamma": ["scale", 0.01, 0.03, 0.1]},
            cv=folds,
        ),
        "forest": lambda: GridSearchCV(
            (RandomForestRegressor if regression else RandomForestClassifier)(200, random_state=0),
            {"max_features": ["sqrt", 0.5], "min_samples_leaf": [1, 3]},
            cv=folds,
        ),
    }[name]()
    if regression and name in ("mlp", "mlp tuned", "rbf svm"):
        model = TransformedTargetRegressor(model, transformer=StandardScaler())
    return make_pipeline(StandardScaler(), model)


if __name__ == "__main__":
    main()
