"""Nuclear-norm regularised least squares to the last digits: Newton's method on the factors.

    min_W  1/2 ||X W - Y||_F^2 + beta ||W||_*  =  min_{A, B}  1/2 ||X A B' - Y||_F^2
                                                   + beta / 2 (||A||_F^2 + ||B||_F^2)

The right side is smooth and, with factors as wide as W, has no local minima that are not global
(Haeffele and Vidal 2015).  Damped Newton steps take its gradient down to rounding, which is what
the duality gap asks for; first-order descent stops where the objective no longer changes.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from nogap._typing import Array
from nogap.training import train

TOLERANCE = 1e-6  # relative gap of column generation
MOST_STEPS = 500
MOST_UNKNOWNS = 2_000  # of a dense Newton system
LEAST_GRADIENT = 1e-14  # relative to that of the loss at zero


def nuclear_least_squares(X: Array, Y: Array, beta: float) -> Array:
    """``argmin_W 1/2 ||X W - Y||_F^2 + beta ||W||_*``, (d, C).

    Larger problems than a dense Newton system can hold are trained by column generation.
    """
    left, sizes, right = np.linalg.svd(X, full_matrices=False)
    Z = left.T @ Y
    if min(Z.shape) * sum(Z.shape) > MOST_UNKNOWNS:
        network = train(X, Y, beta=beta, unit="linear", tol=TOLERANCE, random_state=0).network
        return network.hidden_weights.T @ network.output_weights
    ridge = sizes[:, None] * Z / (sizes**2 + beta)[:, None]
    P, weights, Qt = np.linalg.svd(ridge, full_matrices=False)
    root = np.sqrt(np.maximum(weights, 1e-9 * weights.max()))
    A, B = _Factors(sizes, Z, beta).minimise(P * root, Qt.T * root)
    W: Array = right.T @ A @ B.T
    return W


class _Factors:
    """The smooth objective of A (r, k) and B (C, k), in the singular coordinates of X."""

    def __init__(self, sizes: Array, Z: Array, beta: float) -> None:
        self.sizes, self.Z, self.beta = sizes[:, None], Z, beta

    def minimise(self, A: Array, B: Array) -> tuple[Array, Array]:
        stop = LEAST_GRADIENT * float(np.linalg.norm(self.sizes * self.Z)) * float(np.abs(A).max())
        gradient = self._gradient(A, B)
        damping = 1e-6
        for _ in range(MOST_STEPS):
            if np.linalg.norm(gradient) <= stop or damping > 1e12:
                break
            H = self._hessian(A, B)
            H[np.diag_indices_from(H)] += damping * self.beta
            try:
                step = -cho_solve(cho_factor(H), gradient)
            except LinAlgError:
                damping *= 10
                continue
            new_A = A + step[: A.size].reshape(A.shape)
            new_B = B + step[A.size :].reshape(B.shape)
            new_gradient = self._gradient(new_A, new_B)
            lower = self._value(new_A, new_B) < self._value(A, B)
            if lower or np.linalg.norm(new_gradient) < 0.9 * np.linalg.norm(gradient):
                A, B, gradient = new_A, new_B, new_gradient
                damping = max(0.1 * damping, 1e-10)
            else:
                damping *= 10
        return A, B

    def _residual(self, A: Array, B: Array) -> Array:
        R: Array = self.sizes * (A @ B.T) - self.Z
        return R

    def _value(self, A: Array, B: Array) -> float:
        R = self._residual(A, B)
        return 0.5 * float(np.sum(R**2)) + 0.5 * self.beta * float(np.sum(A**2) + np.sum(B**2))

    def _gradient(self, A: Array, B: Array) -> Array:
        M = self.sizes * self._residual(A, B)
        return np.concatenate([(M @ B + self.beta * A).ravel(), (M.T @ A + self.beta * B).ravel()])

    def _hessian(self, A: Array, B: Array) -> Array:
        """Dense, with the unknowns of A row by row and then those of B."""
        r, k = A.shape
        C = B.shape[0]
        eye = np.eye(k)
        M, squares = self.sizes * self._residual(A, B), self.sizes**2
        first = np.einsum("ij,kl->ikjl", np.diag(squares[:, 0]), B.T @ B).reshape(r * k, r * k)
        last = np.einsum("ce,kl->ckel", np.eye(C), A.T @ (squares * A)).reshape(C * k, C * k)
        cross = np.einsum("ic,kl->ikcl", M, eye) + np.einsum("il,ck->ikcl", squares * A, B)
        cross = cross.reshape(r * k, C * k)
        H: Array = np.block([[first, cross], [cross.T, last]])
        H[np.diag_indices_from(H)] += self.beta
        return H
