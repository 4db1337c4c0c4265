"""The column to predict: which task it asks for, and its encoding for the loss."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from scipy.special import softmax

from nogap._typing import AnyArray, Array, IntArray
from nogap.tabular.columns import TRAINED, mean_and_scale, required_numbers
from nogap.tabular.table import InputError, Table, quoted, shown

Task = Literal["regression", "classification"]

# A column of numbers is taken for classes when it has at most so many different whole numbers.
MAX_NUMERIC_CLASSES = 10
MAX_CLASSES = 200


@dataclass(frozen=True)
class RegressionTarget:
    """Numbers to predict, standardised by the training rows.

    Attributes
    ----------
    name : str
    mean, scale : float
        Mean and standard deviation over the training rows.
    """

    name: str
    mean: float
    scale: float

    task = "regression"
    loss = "squared"

    def encode(self, table: Table) -> Array:
        """Standardised targets (n,)."""
        return (self.values(table) - self.mean) / self.scale

    def values(self, table: Table) -> Array:
        """Targets (n,) in their own units."""
        table.require([self.name], "is the target")
        table.require_values([self.name])
        return required_numbers(table, self.name, TRAINED)

    def decode(self, outputs: Array) -> Array:
        """Network outputs (n, 1) in the target's units, (n,)."""
        return outputs[:, 0] * self.scale + self.mean


@dataclass(frozen=True)
class ClassTarget:
    """Classes to predict: logistic loss for two of them, multinomial for more.

    Attributes
    ----------
    name : str
    classes : tuple of str
        Sorted; by value where they are numbers.
    numeric : bool
        Whether classes are numbers, so that 1 and 1.0 are the same.
    """

    name: str
    classes: tuple[str, ...]
    numeric: bool

    task = "classification"

    @property
    def loss(self) -> str:
        return "logistic" if len(self.classes) == 2 else "multinomial"

    def encode(self, table: Table) -> Array:
        """Targets of the loss: -1 and 1 (n,), or one-hot rows (n, classes)."""
        index = self.indices(table)
        if len(self.classes) == 2:
            signs: Array = np.where(index == 1, 1.0, -1.0)
            return signs
        one_hot: Array = np.eye(len(self.classes))[index]
        return one_hot

    def indices(self, table: Table) -> IntArray:
        """Class number of each row, int (n,)."""
        table.require([self.name], "is the target")
        table.require_values([self.name])
        index = {label: k for k, label in enumerate(self.classes)}
        labels = class_labels(table, self.name, numeric=self.numeric)
        for i, label in enumerate(labels):
            if label not in index:
                raise InputError(
                    f"{table.place(i, self.name)}: {shown(label)} is none of the model's classes, "
                    f"{quoted(self.classes)}"
                )
        return np.array([index[label] for label in labels], dtype=np.intp)

    def probabilities(self, outputs: Array) -> Array:
        """Class probabilities (n, classes) from network outputs (n, C)."""
        if len(self.classes) == 2:
            scores = np.column_stack([np.zeros(outputs.shape[0]), outputs[:, 0]])
        else:
            scores = outputs
        probabilities: Array = softmax(scores, axis=1)
        return probabilities


Target = RegressionTarget | ClassTarget


def class_labels(table: Table, name: str, *, numeric: bool) -> list[str]:
    """Class of each row; numbers in one spelling, so that 1 and 1.0 are the same class."""
    if not numeric:
        return list(table.column(name))
    return [_spell(value) for value in required_numbers(table, name, TRAINED).tolist()]


def _spell(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def choose_task(table: Table, name: str) -> tuple[Task, str]:
    """Task that a target column asks for, and the reason in words.

    Classification when a value is not a number, or when the column has at most ten different
    values, all whole numbers, on at least two rows each; regression otherwise.
    """
    values = table.numbers(name)
    if values is None:
        return "classification", "the target holds text"
    different, counts = np.unique(values, return_counts=True)
    whole = bool(np.all(different == np.floor(different)))
    if whole and different.size <= MAX_NUMERIC_CLASSES and counts.min() >= 2:
        return "classification", f"the target has {different.size} different whole numbers"
    return "regression", f"the target is numeric with {different.size} different values"


def learn_target(table: Table, name: str, task: Task, training: AnyArray) -> Target:
    """Target of that task, standardised by the training rows where it is a number.

    Raises
    ------
    InputError
        The target is constant, has text where numbers are needed, or is hardly a set of classes.
    """
    if task == "regression":
        values = required_numbers(table, name, "as regression needs")
        _refuse_constant(table, name, len(set(values.tolist())))
        mean, scale = mean_and_scale(values[training])
        if scale == 0:
            raise InputError(
                f"{table.source}, column {name!r}: the target is the same in every row to train "
                "on; train on more rows, or choose another --seed"
            )
        return RegressionTarget(name, mean, scale)
    numeric = table.numbers(name) is not None
    classes = sorted(set(class_labels(table, name, numeric=numeric)), key=float if numeric else str)
    _refuse_constant(table, name, len(classes))
    if len(classes) > MAX_CLASSES or len(classes) > max(2, table.n_rows / 2):
        advice = "use --task regression" if numeric else "choose another target"
        raise InputError(
            f"{table.source}, column {name!r}: {len(classes)} classes in {table.n_rows} rows are "
            f"too many to learn; {advice}"
        )
    return ClassTarget(name, tuple(classes), numeric)


def _refuse_constant(table: Table, name: str, different: int) -> None:
    if different == 1:
        only = table.column(name)[0]
        raise InputError(
            f"{table.source}, column {name!r}: the target is {shown(only)} in every row; there is "
            "nothing to learn"
        )


def target_to_json(target: Target) -> dict[str, Any]:
    """Description of the target for a model file."""
    return {"task": target.task, **asdict(target)}


def target_from_json(description: dict[str, Any]) -> Target:
    """The target that :func:`target_to_json` described."""
    fields = {key: value for key, value in description.items() if key != "task"}
    if description["task"] == "regression":
        return RegressionTarget(**fields)
    return ClassTarget(fields["name"], tuple(fields["classes"]), fields["numeric"])
