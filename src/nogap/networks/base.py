"""What networks share: model files, and predictions and objectives from what each computes."""

from __future__ import annotations

from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np

from nogap import storage
from nogap._typing import Array, ArrayLike
from nogap._validation import check_beta, check_rows_match, check_weights
from nogap.losses import Loss, get_loss


class StoredNetwork:
    """A network made up of arrays, which are attributes by the constructor's names for them."""

    file_format: ClassVar[str]
    array_names: ClassVar[tuple[str, ...]]
    described: ClassVar[tuple[str, ...]] = ()  # what else the constructor needs

    def arrays(self) -> dict[str, Array]:
        """What makes up the network, by the names of the constructor's parameters."""
        arrays = {name: getattr(self, name) for name in self.array_names}
        return {name: array for name, array in arrays.items() if array is not None}

    def _description(self) -> dict[str, Any]:
        """The rest of the constructor's parameters, for JSON."""
        return {name: getattr(self, name) for name in self.described}

    @classmethod
    def _rebuilt(cls, arrays: dict[str, Array], meta: dict[str, Any]) -> Self:
        return cls(**arrays, **{name: meta[name] for name in cls.described})

    def save(self, path: str | PathLike[str]) -> None:
        """Write the network to a file without pickle (first beside it, then renamed)."""
        storage.write(path, self.file_format, self.arrays(), self._description())

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read a network that :meth:`save` wrote; a ``ValueError`` says what is wrong with it."""
        arrays, meta = storage.read(path, cls.file_format)
        return cls.from_arrays(arrays, meta, path)

    @classmethod
    def from_arrays(
        cls, arrays: dict[str, Array], meta: dict[str, Any], path: str | PathLike[str]
    ) -> Self:
        """Rebuild a network from the parts of a model file."""
        try:
            return cls._rebuilt(arrays, meta)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} does not hold a complete network: {error}") from None

    def _check_finite(self) -> None:
        for name, array in self.arrays().items():
            if not np.all(np.isfinite(array)):
                raise ValueError(f"{name} holds NaN or infinite values")


class PenalisedNetwork(StoredNetwork):
    """A network with a training objective: its ``decision``, and its ``penalty``."""

    @property
    def n_outputs(self) -> int:
        raise NotImplementedError

    def decision(self, X: Any) -> Array:
        """Outputs (n, C), whatever C is."""
        raise NotImplementedError

    def penalty(self) -> float:
        raise NotImplementedError

    def predict(self, X: Any) -> Array:
        """Outputs at X (n, d): (n,) for one output, (n, C) for more."""
        F = self.decision(X)
        return F[:, 0] if self.n_outputs == 1 else F

    def objective(
        self,
        X: Any,
        y: ArrayLike,
        *,
        beta: float,
        loss: str | Loss = "squared",
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """Training objective: sum of losses plus ``beta * penalty()``, in float64."""
        resolved = get_loss(loss)
        F, Y = self.decision(X), resolved.encode(y)
        check_rows_match(F.shape[0], Y)
        if Y.shape[1] != self.n_outputs:
            plural = "s" if Y.shape[1] > 1 else ""
            raise ValueError(f"y has {Y.shape[1]} output{plural}, the network has {self.n_outputs}")
        weights = check_weights(sample_weight, F.shape[0])
        return float(weights @ resolved.value(F, Y)) + check_beta(beta) * self.penalty()
