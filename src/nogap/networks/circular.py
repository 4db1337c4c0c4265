"""Three-layer networks with a circular convolution, a linear layer and one ReLU."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from nogap._typing import Array, ArrayLike
from nogap._validation import check_matrix, numbers
from nogap.exchange.exports import require
from nogap.networks.base import StoredNetwork

FilterNorm = Literal["vector", "matrix"]


def check_filter_norm(filter_norm: Any) -> FilterNorm:
    """The constraint of the filters, or a ValueError."""
    if isinstance(filter_norm, str) and filter_norm in get_args(FilterNorm):
        return filter_norm  # type: ignore[return-value]
    raise ValueError(f"filter_norm must be 'vector' or 'matrix', got {filter_norm!r}")


def filter_radius(filter_norm: FilterNorm, d: int) -> float:
    """The largest ``||u||_2`` that the constraint allows a filter of length d."""
    return 1.0 if filter_norm == "vector" else float(d**-0.5)


class CircularNetwork(StoredNetwork):
    """``f(x) = sum_j relu(x' C(u_j) w_j) a_j`` with ``C(u)[a, b] = u[(a - b) mod d]``.

    Parameters
    ----------
    filters : array (m, d)
        u_j.
    hidden_weights : array (m, d)
        w_j.
    output_weights : array (m,)
        a_j.
    filter_norm : {"vector", "matrix"}
        What the filters keep to: ``||u_j||_2 <= 1`` or ``||C(u_j)||_F <= 1``, which is
        ``||u_j||_2 <= 1 / sqrt(d)``. It says among which networks this one is judged.

    Raises
    ------
    ValueError
        Shapes that differ, weights that are not finite, or another ``filter_norm``.

    Examples
    --------
    >>> net = CircularNetwork([[1.0, 0.0]], [[0.0, 1.0]], [2.0])
    >>> net.predict([[3.0, 5.0]])
    array([10.])
    """

    file_format = "nogap-circular-network"
    array_names = ("filters", "hidden_weights", "output_weights")
    described = ("filter_norm",)

    def __init__(
        self,
        filters: ArrayLike,
        hidden_weights: ArrayLike,
        output_weights: ArrayLike,
        filter_norm: FilterNorm = "vector",
    ) -> None:
        self.filter_norm = check_filter_norm(filter_norm)
        self.filters = numbers(filters, "filters").copy()
        self.hidden_weights = numbers(hidden_weights, "hidden_weights").copy()
        self.output_weights = numbers(output_weights, "output_weights").copy()
        U, W, a = self.filters, self.hidden_weights, self.output_weights
        if U.ndim != 2 or W.shape != U.shape or a.shape != (len(U),):
            raise ValueError(
                "filters and hidden_weights must be (m, d) and output_weights (m,), got shapes "
                f"{U.shape}, {W.shape} and {a.shape}"
            )
        if not all(np.all(np.isfinite(array)) for array in (U, W, a)):
            raise ValueError("the weights hold NaN or infinite values")

    @classmethod
    def of_effective_weights(
        cls, V: Array, signs: Array, filter_norm: FilterNorm
    ) -> CircularNetwork:
        """Balanced weights with ``C(u_j) w_j |a_j| = v_j`` and filters as long as they may be."""
        radius = filter_radius(filter_norm, V.shape[1])
        transform = np.fft.fft(V, axis=1)
        total = np.abs(transform).sum(axis=1)
        used = total > 0
        transform, total = transform[used], total[used]
        d = V.shape[1]
        u = radius * np.sqrt(d * np.abs(transform) / total[:, None])
        w = np.divide(transform, u, out=np.zeros_like(transform), where=u > 0)
        W = np.fft.ifft(w, axis=1).real
        root = np.sqrt(np.linalg.norm(W, axis=1))
        filters = np.fft.ifft(u, axis=1).real
        return cls(filters, W / root[:, None], signs[used] * root, filter_norm)

    @property
    def n_neurons(self) -> int:
        return int(self.filters.shape[0])

    @property
    def n_features_in(self) -> int:
        return int(self.filters.shape[1])

    @property
    def n_outputs(self) -> int:
        return 1

    def penalty(self) -> float:
        """``sum_j ||w_j||_2 |a_j|``; the filters are constrained, not penalised."""
        return float(np.linalg.norm(self.hidden_weights, axis=1) @ np.abs(self.output_weights))

    def predict(self, X: Any) -> Array:
        """Outputs (n,) at signals X (n, d)."""
        X = check_matrix(X, columns=self.n_features_in)
        products = np.fft.fft(self.filters, axis=1) * np.fft.fft(self.hidden_weights, axis=1)
        Z = np.maximum(X @ np.fft.ifft(products, axis=1).real.T, 0.0)
        F: Array = Z @ self.output_weights
        return F

    def to_torch(self) -> Any:
        """Circular ``Conv1d``, a linear layer a channel, ReLU and ``Linear``, in float64."""
        torch = require("torch", "torch")
        nn, (m, d) = torch.nn, self.filters.shape
        options = {"bias": False, "dtype": torch.float64}
        convolution = nn.Conv1d(1, m, d, **options)
        linear = nn.Conv1d(m, m, d, groups=m, **options)
        output = nn.Linear(m, 1, **options)
        with torch.no_grad():
            convolution.weight.copy_(torch.from_numpy(self.filters[:, None]))
            linear.weight.copy_(torch.from_numpy(self.hidden_weights[:, None]))
            output.weight.copy_(torch.from_numpy(self.output_weights[None]))
        start = [nn.Unflatten(1, (1, d)), nn.CircularPad1d((0, d - 1)), convolution]
        return nn.Sequential(*start, linear, nn.ReLU(), nn.Flatten(), output)

    def __repr__(self) -> str:
        return f"CircularNetwork({self.n_features_in} inputs, {self.n_neurons} neurons)"
