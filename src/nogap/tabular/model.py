"""TabularModel: a network together with all that turns table rows into predictions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from os import PathLike

import numpy as np

from nogap import storage
from nogap._typing import Array, BoolArray
from nogap.certificate import KINDS, Certificate
from nogap.networks.two_layer import Network
from nogap.solution import Status
from nogap.tabular.columns import Column, columns_from_json, columns_to_json, design_matrix
from nogap.tabular.table import InputError, Table, csv_text
from nogap.tabular.target import ClassTarget, Target, target_from_json, target_to_json

FORMAT = "nogap-tabular-model"


@dataclass(frozen=True)
class TabularModel:
    """A trained network with its columns, scaling, classes and certificate.

    Attributes
    ----------
    network : Network
        Takes the encoded columns, gives standardised targets or class scores.
    columns : list of NumericColumn or CategoricalColumn
        The columns that the model reads, by name.
    target : RegressionTarget or ClassTarget
    alpha : float
        Weight of the penalty beside the mean loss; ``certificate.beta = alpha * training rows``.
    certificate : Certificate
        Of the training problem, with its dual point.
    status : Status
        How training ended.
    held_out : bool array (n,)
        Which rows of the training table were left out of training.
    fingerprint : str
        Identifies the training table, see :func:`fingerprint`.
    """

    network: Network
    columns: list[Column]
    target: Target
    alpha: float
    certificate: Certificate
    status: Status
    held_out: BoolArray
    fingerprint: str

    @property
    def feature_names(self) -> list[str]:
        """Names of the network's inputs: a number's column, or ``column=level``."""
        return [name for column in self.columns for name in column.feature_names]

    def encode(self, table: Table) -> Array:
        """Network inputs (n, d); columns are found by name, others are ignored."""
        return design_matrix(self.columns, table)

    def predict(self, table: Table) -> list[float] | list[str]:
        """Predictions in the target's own units, or class labels, one for each row."""
        outputs = self.network.decision(self.encode(table))
        if isinstance(self.target, ClassTarget):
            best = np.argmax(self.target.probabilities(outputs), axis=1)
            return [self.target.classes[k] for k in best]
        values: list[float] = self.target.decode(outputs).tolist()
        return values

    def predict_proba(self, table: Table) -> Array:
        """Class probabilities (n, classes), in the order of ``target.classes``."""
        if not isinstance(self.target, ClassTarget):
            raise TypeError("a regression model has no class probabilities")
        return self.target.probabilities(self.network.decision(self.encode(table)))

    def predictions_csv(self, table: Table) -> str:
        """Predictions as CSV text, with a probability column for each class."""
        predictions = self.predict(table)
        if not isinstance(self.target, ClassTarget):
            return csv_text(["prediction"], [[value] for value in predictions])
        header = ["prediction", *(f"probability_{label}" for label in self.target.classes)]
        probabilities = self.predict_proba(table).tolist()
        rows = [[label, *p] for label, p in zip(predictions, probabilities, strict=True)]
        return csv_text(header, rows)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the model to one file without pickle (first beside it, then renamed)."""
        arrays = {f"network.{k}": v for k, v in self.network.arrays().items()}
        arrays["dual"] = self.certificate.dual
        arrays["held_out"] = self.held_out.astype(np.float64)
        certificate = {
            name: getattr(self.certificate, name)
            for name in ("objective", "lower_bound", "kind", "dual_correlation", "beta")
        }
        storage.write(
            path,
            FORMAT,
            arrays,
            {
                "activation": self.network.activation,
                "columns": columns_to_json(self.columns),
                "target": target_to_json(self.target),
                "alpha": self.alpha,
                "certificate": certificate,
                "status": self.status.label,
                "fingerprint": self.fingerprint,
            },
        )

    @classmethod
    def load(cls, path: str | PathLike[str]) -> TabularModel:
        """Read a model that :meth:`save` wrote.

        Raises
        ------
        InputError
            No such file, damaged, written by a newer release, or not a model of a table.
        """
        try:
            arrays, meta = storage.read(path, FORMAT)
        except (OSError, ValueError) as error:
            raise InputError(_explain(path, error)) from None
        except RuntimeError:  # what zipfile says of archives that it cannot unpack
            raise InputError(f"{path} is not a nogap model file, or it is damaged") from None
        weights = {
            name.removeprefix("network."): array
            for name, array in arrays.items()
            if name.startswith("network.")
        }
        try:
            model = cls(
                network=Network.from_arrays(weights, meta, path),
                columns=columns_from_json(meta["columns"]),
                target=target_from_json(meta["target"]),
                alpha=float(meta["alpha"]),
                certificate=Certificate(dual=arrays["dual"], **meta["certificate"]),
                status=next(s for s in Status if s.label == meta["status"]),
                held_out=arrays["held_out"].astype(bool),
                fingerprint=str(meta["fingerprint"]),
            )
            model._check()
        except (AttributeError, KeyError, StopIteration, TypeError, ValueError):
            raise InputError(f"{path} is a damaged nogap model: its parts do not fit") from None
        return model

    def _check(self) -> None:
        classes = len(self.target.classes) if isinstance(self.target, ClassTarget) else 2
        if (
            self.network.n_features_in != len(self.feature_names)
            or self.network.n_outputs != (1 if classes == 2 else classes)
            or self.certificate.kind not in KINDS
        ):
            raise ValueError


def _explain(path: str | PathLike[str], error: Exception) -> str:
    try:
        storage.read(path, Network.file_format)
    except (OSError, ValueError):
        return str(error)
    return (
        f"{path} holds a bare network without the columns of a table; use a model that nogap fit "
        "wrote, or nogap.Network.load in Python"
    )


def fingerprint(X: Array, y: Array) -> str:
    """Digest of encoded rows and targets, by which a training table is recognised."""
    digest = hashlib.sha256()
    for array in (X, y):
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
