"""From unit features to outputs, where a feature may have q figures a sample, each with weights.

A neuron of a dense or pooled layer has one figure a sample (q = 1) and output weights (C,). One
with a weight for every patch has q = K figures and output weights (K, C), kept flat as (K C,). With
Phi (n q, m) for the features and A (m, q C) for the output weights, the outputs are linear in each
of the two; the three products here are that bilinear map and its two adjoints.
"""

from __future__ import annotations

from nogap._typing import Array


def read(Phi: Array, A: Array, n: int) -> Array:
    """Outputs (n, C) of features Phi (n q, m) with output weights A (m, q C)."""
    q = Phi.shape[0] // n
    F: Array = Phi @ A if q == 1 else Phi.reshape(n, q * Phi.shape[1]) @ _stacked(A, q)
    return F


def moments(Phi: Array, V: Array) -> Array:
    """``Phi' V`` for V (n, C): (m, q C), the adjoint in the output weights."""
    n, C = V.shape
    q, m = Phi.shape[0] // n, Phi.shape[1]
    if q == 1:
        return Phi.T @ V
    M: Array = (Phi.reshape(n, q * m).T @ V).reshape(q, m, C)
    return M.transpose(1, 0, 2).reshape(m, q * C)


def push(V: Array, A: Array) -> Array:
    """``V A'``: (n q, m), the adjoint in the features."""
    n, C = V.shape
    q = A.shape[1] // C
    P: Array = V @ A.T if q == 1 else (V @ _stacked(A, q).T).reshape(n * q, A.shape[0])
    return P


def columns(Phi: Array, A: Array, n: int) -> Array:
    """What each neuron alone gives with its output weights: (n, C, m)."""
    q, m = Phi.shape[0] // n, Phi.shape[1]
    C = A.shape[1] // q
    each: Array = (
        Phi[:, None, :] * A.T[None]
        if q == 1
        else (Phi.reshape(n, q, 1, m) * A.reshape(m, q, C).transpose(1, 2, 0)).sum(axis=1)
    )
    return each


def _stacked(A: Array, q: int) -> Array:
    """Output weights (m, q C) as a matrix (q m, C)."""
    m = A.shape[0]
    return A.reshape(m, q, A.shape[1] // q).transpose(1, 0, 2).reshape(q * m, A.shape[1] // q)
