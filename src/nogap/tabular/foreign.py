"""Networks that other libraries saved, certified on a table."""

from __future__ import annotations

import numpy as np

import nogap
from nogap._typing import Array
from nogap.certificate import Certificate
from nogap.exchange.imports import STATE_FILES, from_onnx, from_state_file
from nogap.networks.two_layer import Network
from nogap.tabular.columns import required_numbers
from nogap.tabular.fitting import Notify
from nogap.tabular.options import require_positive
from nogap.tabular.table import InputError, Table
from nogap.tabular.target import choose_task, learn_target

FOREIGN = (".onnx", *STATE_FILES)


def certify_foreign(
    path: str,
    table: Table,
    target: str,
    *,
    alpha: float | None,
    max_time: float | None,
    notify: Notify = lambda note: None,
) -> Certificate:
    """Certificate of an ONNX or state file of the form Linear-ReLU-Linear on a table.

    Its inputs are the columns beside the target, in the order of the table and as they are.

    Raises
    ------
    InputError
        No alpha, a file of another form, or a table that does not fit.
    """
    require_positive(alpha, "alpha")
    require_positive(max_time, "max_time")
    if alpha is None:
        raise InputError(
            f"{path} does not say how it was trained: pass --alpha, the weight decay beside the "
            "mean loss"
        )
    network = _load(path)
    table.require([target], "is to be predicted")
    features = [name for name in table.names if name != target]
    table.require_values([*features, target])
    if len(features) != network.n_features_in:
        raise InputError(
            f"{path} takes {network.n_features_in} columns, {table.source} has {len(features)} "
            f"beside the target {target!r}"
        )
    why = "as the inputs of a network have to be"
    X = np.column_stack([required_numbers(table, name, why) for name in features])
    y, loss = _targets(table, target, network)
    notify(f"{path}: {network}; {loss} loss, alpha {alpha:.4g}, columns taken as they are")
    return nogap.certify(network, X, y, beta=alpha * table.n_rows, loss=loss, max_time=max_time)


def _load(path: str) -> Network:
    try:
        return from_onnx(path) if path.endswith(".onnx") else from_state_file(path)
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except ValueError as error:
        raise InputError(str(error)) from None


def _targets(table: Table, name: str, network: Network) -> tuple[Array, str]:
    """Targets as the loss takes them: numbers, signs for two classes, one-hot rows for more."""
    task, _ = choose_task(table, name)
    values = table.numbers(name)
    if task == "regression" and values is not None and network.n_outputs == 1:
        return values, "squared"
    classes = learn_target(table, name, "classification", np.ones(table.n_rows, dtype=bool))
    y = classes.encode(table)
    outputs = 1 if y.ndim == 1 else y.shape[1]
    if outputs == network.n_outputs:
        return y, "logistic" if outputs == 1 else "multinomial"
    if values is not None and network.n_outputs == 1:
        return values, "squared"  # few whole numbers, but one output: they are figures
    raise InputError(
        f"the target {name!r} needs {outputs} outputs, the network has {network.n_outputs}"
    )
