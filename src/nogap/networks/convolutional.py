"""Convolutional networks: filters at every patch, pooled or with a weight for each patch."""

from __future__ import annotations

from os import PathLike
from typing import Any, Self

import numpy as np

from nogap._typing import Array, ArrayLike, IntArray
from nogap._validation import numbers
from nogap.networks.two_layer import Network
from nogap.rows import height
from nogap.units.convolution import Convolution
from nogap.units.readout import columns, read


class ConvolutionalNetwork(Network):
    """A two-layer convolutional network, ``f(x) = sum_j pool_k act(x_k' u_j + c_j) a_j + b``.

    Parameters
    ----------
    hidden_weights : array (m, h)
        One filter a row: (height, width, channels) flattened in that order.
    output_weights : array (m, C), (m,), or (m, K, C) without pooling
        Without pooling every position k has its own; kept flat as (m, K C).
    unit : Convolution
        Filter size, stride, padding, activation, pooling.
    sample_shape : tuple of int
        Of one sample: (K, h), (T,), (H, W) or (H, W, channels).
    hidden_bias : array (m,), optional
        c_j, penalised together with u_j.
    intercept : array (C,) or float, optional

    Raises
    ------
    ValueError
        Shapes that do not fit each other or the samples.

    Examples
    --------
    >>> import numpy as np
    >>> from nogap.units import Convolution
    >>> net = ConvolutionalNetwork([[1.0, -1.0]], [1.0], Convolution(2, pooling="max"), (4,))
    >>> net.predict(np.array([[0.0, 3.0, 1.0, 1.0]]))
    array([2.])
    """

    file_format = "nogap-convolutional-network"

    def __init__(
        self,
        hidden_weights: ArrayLike,
        output_weights: ArrayLike,
        unit: Convolution,
        sample_shape: tuple[int, ...],
        hidden_bias: ArrayLike | None = None,
        intercept: ArrayLike | None = None,
    ) -> None:
        sample_shape = tuple(int(size) for size in sample_shape)
        shared = Convolution(**{**unit.parameters, "tied": True})  # untied: one weight is not zero
        self.unit = shared.for_samples(sample_shape, hidden_bias is not None)
        self.tied = unit.tied
        self.sample_shape = sample_shape
        A = numbers(output_weights, "output_weights")
        A = A.reshape(len(A), A.shape[1] * A.shape[2]) if A.ndim == 3 else A
        super().__init__(hidden_weights, A, hidden_bias, 0.0, activation=unit.activation)
        assert self.unit.geometry is not None
        h, q = self.unit.geometry.n_weights, self.unit.readouts
        if self.hidden_weights.shape[1] != h:
            raise ValueError(
                f"filters must have {h} weights for samples of the shape {sample_shape}, got "
                f"{self.hidden_weights.shape[1]}"
            )
        if self.output_weights.shape[1] % q:
            raise ValueError(
                f"output_weights must have {q} positions times C columns, got "
                f"{self.output_weights.shape[1]}"
            )
        b = numbers(0.0 if intercept is None else intercept, "intercept")
        if b.shape not in ((), (1,), (self.n_outputs,)) or not np.all(np.isfinite(b)):
            raise ValueError(f"intercept must be finite and a number or ({self.n_outputs},)")
        self.intercept = np.array(np.broadcast_to(b, (self.n_outputs,)))

    @property
    def n_features_in(self) -> int:
        """Figures of a sample."""
        assert self.unit.geometry is not None
        return self.unit.geometry.size

    @property
    def n_outputs(self) -> int:
        return int(self.output_weights.shape[1]) // self.unit.readouts

    @property
    def filters(self) -> Array:
        """Filters (m, height, width[, channels]), (m, t), or (m, h) for ready patches."""
        assert self.unit.geometry is not None
        shape = self.unit.geometry.filter_shape
        if shape is None:
            return self.hidden_weights
        return self.hidden_weights.reshape(-1, *shape, *self.sample_shape[len(shape) :])

    # -- prediction --------------------------------------------------------------------------

    def features(self, X: Any) -> Array:
        """Hidden layer at X: (n, m) where it is pooled, else (n K, m), sample by sample."""
        rows = self.unit.rows(X, self.hidden_bias is not None)
        return np.concatenate([self._features(part) for _, part in rows.parts])

    def _features(self, rows: Any) -> Array:
        Z = rows.forward(self.augmented_weights().T)
        self.unit.activate(Z, np.zeros(Z.shape[1], dtype=np.intp))
        return self.unit.pool(Z, rows.n)

    def decision(self, X: Any) -> Array:
        """Outputs (n, C), whatever C is."""
        rows = self.unit.rows(X, self.hidden_bias is not None)
        F: Array = np.empty((rows.n, self.n_outputs))
        for part, piece in rows.parts:
            assert height(piece) == piece.n * self.unit.n_positions
            F[part] = read(self._features(piece), self.output_weights, piece.n) + self.intercept
        return F

    def prune(self, X: Any) -> ConvolutionalNetwork:
        """Fewest neurons with the same predictions on X and a penalty that is not larger."""
        from nogap.networks.pruning import independent_combination

        roots = np.linalg.norm(self.augmented_weights(), axis=1)
        other = np.linalg.norm(self.output_weights, axis=1)
        alive = np.flatnonzero(roots * other > 0)
        sizes = (roots * other)[alive]
        unit_columns = [
            columns(
                self._features(part)[:, alive] / roots[alive],
                self.output_weights[alive] / other[alive, None],
                part.n,
            )
            for _, part in self.unit.rows(X, self.hidden_bias is not None).parts
        ]
        if alive.size == 0:
            none = None if self.hidden_bias is None else self.hidden_bias[:0]
            return self._like(self.hidden_weights[:0], self.output_weights[:0], none)
        signed = np.concatenate(unit_columns).reshape(-1, alive.size)
        kept = independent_combination(signed, sizes)
        keep, root = kept > 0, np.sqrt(kept[kept > 0])[:, None]
        index = alive[keep]
        U = root * self.augmented_weights()[index] / roots[index, None]
        biased = self.hidden_bias is not None
        return self._like(
            U[:, :-1] if biased else U,
            root * self.output_weights[index] / other[index, None],
            U[:, -1] if biased else None,
        )

    def with_idle_filter(self) -> ConvolutionalNetwork:
        """The same network with one filter of zeros in place of its own."""
        U = np.zeros((1, self.hidden_weights.shape[1]))
        A = np.zeros((1, self.output_weights.shape[1]))
        return self._like(U, A, None if self.hidden_bias is None else np.zeros(1))

    def _like(self, U: Array, A: Array, bias: Array | None) -> ConvolutionalNetwork:
        unit = Convolution(**{**self.unit.parameters, "tied": self.tied})
        return ConvolutionalNetwork(U, A, unit, self.sample_shape, bias, self.intercept)

    # -- from and to the neurons of a training problem ---------------------------------------

    @classmethod
    def of_neurons(
        cls, unit: Convolution, U: Array, A: Array, gate: IntArray, intercept: Array, biased: bool
    ) -> ConvolutionalNetwork:
        """The network of hidden weights U (m, d) and output weights A (m, q C)."""
        assert unit.geometry is not None
        if not unit.tied:  # filters out of their place in the sample, a weight at their position
            table, K = unit.geometry.table, unit.geometry.n_positions
            D = unit.geometry.size
            padded = np.column_stack([U[:, :D], np.zeros(len(U))])
            filters = np.take_along_axis(padded, table[gate], axis=1)
            spread = np.zeros((len(A), K, A.shape[1]))
            spread[np.arange(len(A)), gate] = A
            A = spread.reshape(len(A), K * A.shape[1])
            U = np.column_stack([filters, U[:, D:]])
        return cls(
            U[:, :-1] if biased else U,
            A,
            unit,
            unit.geometry.sample_shape,
            U[:, -1] if biased else None,
            intercept,
        )

    def to_neurons(self, unit: Convolution, biased: bool) -> tuple[Array, Array, IntArray]:
        """Hidden weights, output weights and gates as the training problem of the unit has them."""
        mine = {**self.unit.parameters, "tied": self.tied}
        if unit.geometry is None or unit.geometry.sample_shape != self.sample_shape:
            raise ValueError(f"the network takes samples of the shape {self.sample_shape}")
        if unit.parameters != mine:
            raise ValueError(f"the network is of {Convolution(**mine)!r}, not of {unit!r}")
        U, m = self.hidden_weights, self.n_neurons
        bias = np.zeros(m) if self.hidden_bias is None else self.hidden_bias
        if self.tied:
            U = np.column_stack([U, bias]) if biased else U
            return U, self.output_weights, np.zeros(m, dtype=np.intp)
        A = self.output_weights.reshape(m, self.unit.readouts, self.n_outputs)
        gate = np.linalg.norm(A, axis=2).argmax(axis=1)
        placed = np.zeros((m, unit.geometry.size + 1))
        np.put_along_axis(placed, unit.geometry.table[gate], U, axis=1)
        placed[:, -1] = bias
        return placed if biased else placed[:, :-1], A[np.arange(m), gate], gate

    # -- files and exports -------------------------------------------------------------------

    def _description(self) -> dict[str, Any]:
        return {**self.unit.parameters, "tied": self.tied, "sample_shape": self.sample_shape}

    @classmethod
    def _rebuilt(cls, arrays: dict[str, Array], meta: dict[str, Any]) -> Self:
        shape = tuple(meta.pop("sample_shape"))
        return cls(**arrays, unit=Convolution(**meta), sample_shape=shape)

    def to_torch(self) -> Any:
        """A ``torch.nn.Sequential`` in float64 that takes the same samples; needs the torch extra.

        The first layers bring samples into PyTorch's order (channels first); then come ``Conv1d``
        or ``Conv2d``, the pooling, and ``Linear``.
        """
        from nogap.exchange.convolutions import to_torch

        return to_torch(self)

    def to_onnx(self, path: str | PathLike[str]) -> None:
        """An ONNX file in float32 that takes the same samples; needs the onnx extra.

        Input "X" (n, ...) in the shape of the samples, output "predictions" (n, C); between them
        Conv, Relu, a global pooling, and Gemm.

        Parameters
        ----------
        path : str or path
        """
        from nogap.exchange.convolutions import to_onnx

        to_onnx(self, path)

    def __repr__(self) -> str:
        pooling = f"{self.unit.pooling} pooling" if self.unit.pooling else "no pooling"
        many = "s" if self.n_outputs > 1 else ""
        return (
            f"ConvolutionalNetwork(samples {self.sample_shape}, {self.n_neurons} "
            f"{self.activation} filters, {pooling}, {self.n_outputs} output{many})"
        )
