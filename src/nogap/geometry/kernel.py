"""Optimal networks as kernel machines: the kernel that training has learned.

At an optimum with dual point v every neuron is the projection of ``s_j X' D_j v`` on the cone of
its activation pattern (and of norm beta).  A projection on a cone is a projection on the span of
one of its faces, ``u_j = s_j P_j X' D_j c`` with ``c = v / beta``, so that

    f(x) = sum_i c_i k(x, x_i),    k(x, z) = sum_j a_j 1[x'u_j > 0] 1[z'u_j > 0] x' P_j z,

where P_j projects on the vectors orthogonal to the rows on which neuron j switches.  The kernel is
positive semidefinite, the size a_j of a neuron is its weight, and the penalty is the squared norm
``c' K c`` of f: training is kernel ridge regression (interpolation, or a support vector machine of
hard margins, as beta goes to zero) with the kernel learned as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import nnls

from nogap._typing import Array, ArrayLike, BoolArray, RandomState
from nogap._validation import as_float, check_matrix
from nogap.formulation import formulate, from_network, to_network
from nogap.interpolation import interpolate
from nogap.losses import Loss, Squared
from nogap.networks.two_layer import Network
from nogap.oracles.box_distance import active_signs
from nogap.pattern_choice import dense_rows
from nogap.problem import Problem
from nogap.solution import Solution
from nogap.solvers.neurons import Neurons
from nogap.training import train
from nogap.units import ReLU

TRAINING_TOLERANCE = 1e-6
MOST_STEPS = 30
SETTLED = 1e-10  # largest error of the equations that hold at an optimum, relative to their terms
NEEDED = 1e-7  # at which a representation is refused
RANK_TOLERANCE = 1e-10
SAME = 1e-6  # distance of directions, relative to their length, that count as one
SUPPORT = 1e-7  # share of the largest coefficient below which a row is no support vector
GHOST = 1e-3  # share of all sizes below which a neuron may be what a solver left


def kernel_representation(
    X: Any,
    y: ArrayLike,
    *,
    beta: float = 0.0,
    loss: str | Loss = "squared",
    hidden_bias: bool = False,
    solution: Solution | None = None,
    random_state: RandomState = 0,
) -> KernelRepresentation:
    """The optimal two-layer ReLU network as a kernel machine on the training rows.

    With ``beta=0`` the minimum-norm interpolation, which is then the interpolation of least norm in
    the space of the kernel that its own neurons make, and with the hinge loss the support vector
    machine of that kernel, without intercept; otherwise kernel ridge regression, or the kernel
    machine of another loss, with ridge beta.

    Parameters
    ----------
    X : array (n, d)
    y : array (n,)
        One output.
    beta : float
        Zero for :func:`nogap.interpolate`, otherwise the penalty of :func:`nogap.train`.
    loss : str or Loss
        A loss with a gradient; with ``beta=0`` what :func:`nogap.interpolate` takes.
    hidden_bias : bool
        As in :func:`nogap.train`.
    solution : Solution, optional
        A solution of the same problem with a small gap; found here when None.
    random_state : int, Generator, RandomState or None

    Returns
    -------
    KernelRepresentation

    Raises
    ------
    ValueError
        Several outputs, a loss without gradient, and a solution that is too far from an optimum:
        by how much.

    Notes
    -----
    Ergen and Pilanci, "Convex geometry and duality of over-parameterized neural networks" (JMLR
    2021), give the kernel of one input, whose sections are the neurons; Dwaraknath, Ergen and
    Pilanci, "Fixing the NTK" (NeurIPS 2023), that of gated networks, where all P_j are the
    identity. For ReLU networks the rows on which a neuron switches enter through P_j.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = np.array([[-1.0], [1.0], [2.0]]), np.array([2.0, 1.0, 2.0])
    >>> found = kernel_representation(X, y)
    >>> found.gram @ found.coefficients
    array([2., 1., 2.])
    >>> found.predict([[-2.0], [4.0]])
    array([4., 4.])
    """
    minimum_norm = as_float(beta) == 0
    problem = formulate(
        X, y, beta=1.0 if minimum_norm else beta, loss=loss, hidden_bias=hidden_bias
    )
    if problem.n_outputs != 1 or not (problem.loss.smooth or minimum_norm):
        raise ValueError(
            "kernel_representation serves one output and, with beta > 0, a loss with a gradient; "
            f"got {problem.n_outputs} outputs and the loss {problem.loss.name}"
        )
    if solution is None:
        solution = _solved(X, y, problem, loss, hidden_bias, random_state, minimum_norm)
    if not np.isclose(solution.certificate.beta, problem.beta, rtol=1e-12):
        raise ValueError(
            f"the solution is for beta = {solution.certificate.beta:g}, and beta is "
            f"{problem.beta:g} here; pass the beta that it was trained with (0 for interpolate)"
        )
    neurons = from_network(problem, solution.network, hidden_bias)
    rows = dense_rows(problem)
    support = np.ones(rows.shape[0], dtype=bool)
    if minimum_norm:
        c, ridge = solution.certificate.dual, 0.0
        if problem.loss.classifies:
            support = np.abs(c) > SUPPORT * np.abs(c).max(initial=0.0)
        problem = replace(problem, loss=Squared())  # whose equations are f = y
    else:
        c = problem.dual_point(solution.network.decision(X))[:, 0] / problem.beta
        ridge = problem.beta
    start = _Faces.of(rows, neurons, c)
    faces, c = _Stationary(problem, rows, ridge, support).solve(start, c)
    return KernelRepresentation(problem, rows, faces, c, hidden_bias)


def _solved(
    X: Any,
    y: ArrayLike,
    problem: Problem,
    loss: str | Loss,
    hidden_bias: bool,
    random_state: RandomState,
    minimum_norm: bool,
) -> Solution:
    if minimum_norm:
        return interpolate(X, y, loss=loss, hidden_bias=hidden_bias, random_state=random_state)
    return train(
        X,
        y,
        beta=problem.beta,
        loss=loss,
        hidden_bias=hidden_bias,
        tol=TRAINING_TOLERANCE,
        random_state=random_state,
    )


@dataclass(frozen=True)
class _Faces:
    """Neurons by where they lie: sizes a (m,), signs (m,), rows that are on, and projections."""

    sizes: Array
    signs: Array
    on: BoolArray  # (m, n), false where the neuron switches
    maps: Array  # D_j X P_j, (m, n, d)
    projections: Array  # P_j, (m, d, d)

    @classmethod
    def of(cls, X: Array, neurons: Neurons, c: Array) -> _Faces:
        """The faces that the projections of ``s_j X' D_j c`` on the neurons' cones lie in."""
        signs = np.sign(neurons.outputs[:, 0])
        patterns = neurons.directions @ X.T > 0
        projections = np.empty((signs.size, X.shape[1], X.shape[1]))
        on = patterns.copy()
        for j, (s, D) in enumerate(zip(signs, patterns, strict=True)):
            inward = active_signs(D)[:, None] * X
            multipliers = nnls(inward.T, -s * (D * c) @ X, maxiter=100 * len(X))[0]
            projections[j] = _complement(X[multipliers > 0])
            # rows in the span of those that hold the neuron are zero on all of its face
            left = np.linalg.norm(X @ projections[j], axis=1)
            on[j] &= left > RANK_TOLERANCE * np.linalg.norm(X, axis=1)
        maps = on[:, :, None] * (X @ projections)
        return cls(neurons.sizes, signs, on, maps, projections)._merged(c)

    def directions(self, c: Array) -> Array:
        """``P_j X' D_j c``, (m, d), without their signs."""
        directions: Array = np.einsum("mnd,n->md", self.maps, c)
        return directions

    def _merged(self, c: Array) -> _Faces:
        """Neurons of neighbouring cells that have the same direction, once."""
        units = self.signs[:, None] * self.directions(c)
        sizes, kept = self.sizes.copy(), np.ones(self.signs.size, dtype=bool)
        for j, (u, s) in enumerate(zip(units, self.signs, strict=True)):
            same = kept[:j] & (self.signs[:j] == s)
            same &= np.linalg.norm(units[:j] - u, axis=1) <= SAME * np.linalg.norm(u)
            if same.any():
                sizes[np.argmax(same)] += sizes[j]
                kept[j] = False
        return replace(self, sizes=sizes).keep(kept)

    def outputs(self, X: Array, c: Array) -> Array:
        """What the neurons give on rows of X, on whatever side of them these are."""
        features = np.maximum(X @ (self.signs[:, None] * self.directions(c)).T, 0.0)
        outputs: Array = features @ (self.sizes * self.signs)
        return outputs

    def keep(self, kept: BoolArray) -> _Faces:
        return _Faces(
            self.sizes[kept],
            self.signs[kept],
            self.on[kept],
            self.maps[kept],
            self.projections[kept],
        )


class _Stationary:
    """Newton's method on the equations of an optimum, neurons staying on their faces.

    ``ridge c = V(f)`` (``f = y`` without ridge) on the support, ``c = 0`` off it, and
    ``||u_j|| = 1``, in the unknowns c and a, with ``f = sum_j a_j D_j X P_j P_j' X' D_j c``.
    """

    def __init__(self, problem: Problem, X: Array, ridge: float, support: BoolArray) -> None:
        self.problem, self.X, self.ridge, self.support = problem, X, ridge, support

    def solve(self, faces: _Faces, c: Array) -> tuple[_Faces, Array]:
        """Faces with their sizes, and c.

        Neurons that the equations make negative go, and so do ghosts that keep them from holding.
        """
        while True:
            sizes, settled, error = self._newton(faces, c)
            if error <= NEEDED and not np.any(sizes < 0):
                break
            wrong = sizes if error <= NEEDED else faces.sizes
            if wrong.size == 0 or wrong.min() > GHOST * wrong.sum():
                raise _not_optimal(error)
            faces = faces.keep(wrong > wrong.min())
        faces, c = replace(faces, sizes=sizes), np.where(self.support, settled, 0.0)
        inside = np.einsum("m,mnd,md->n", sizes, faces.maps, faces.directions(c))
        left = float(np.abs(faces.outputs(self.X, c) - inside).max())
        if left > NEEDED * float(np.abs(self.problem.Y).max()):
            raise _not_optimal(left)
        return faces, c

    def _newton(self, faces: _Faces, c: Array) -> tuple[Array, Array, float]:
        """Sizes, c and the error of the equations, relative to their terms."""
        a, best = faces.sizes.copy(), (faces.sizes, c, np.inf)
        n = c.size
        for _ in range(MOST_STEPS):
            h = faces.directions(c)
            phi = np.einsum("mnd,md->nm", faces.maps, h)  # features along u_j, (n, m)
            F = (phi @ a)[:, None]
            V = self.problem.dual_point(F)[:, 0]
            lengths = np.sum(h * h, axis=1)
            first = np.where(self.support, self.ridge * c - V, c)
            second = 0.5 * (lengths - 1.0)
            terms = max(float(np.abs(V).max()), float(np.abs(self.problem.Y).max()))
            error = max(float(np.abs(first).max()) / terms, float(np.abs(second).max(initial=0.0)))
            if not error < best[2]:
                break
            best = a, c, error
            if error <= 1e-2 * SETTLED:
                break
            curvature = self.problem.loss.curvature(F, self.problem.Y)[:, 0] * self.support
            K = np.einsum("m,mid,mjd->ij", a, faces.maps, faces.maps)
            J = np.zeros((n + a.size, n + a.size))
            J[:n, :n] = np.diag(np.where(self.support, self.ridge, 1.0)) + curvature[:, None] * K
            J[:n, n:], J[n:, :n] = curvature[:, None] * phi, phi.T
            step = np.linalg.lstsq(J, -np.concatenate([first, second]), rcond=1e-13)[0]
            c, a = c + step[:n], a + step[n:]
        return best


def _not_optimal(error: float) -> ValueError:
    return ValueError(
        f"the solution misses the equations of an optimum by {error:.2g}, so its neurons make no "
        "kernel; train it to a smaller tol, and pass the same beta, loss and hidden_bias"
    )


class KernelRepresentation:
    """A network as ``f(x) = sum_i c_i k(x, x_i)``; :func:`kernel_representation` makes them.

    Attributes
    ----------
    coefficients : array (n,)
        c: the dual point, divided by beta where there is one.
    directions : array (m, d)
        Unit hidden weights (with the bias as a last column, if there is one).
    sizes : array (m,)
        ``||u_j|| |a_j|``: what each neuron adds to the kernel.
    signs : array (m,)
        Of the output weights.
    gram : array (n, n)
        The kernel at the training rows; positive semidefinite.
    """

    def __init__(
        self, problem: Problem, X: Array, faces: _Faces, c: Array, hidden_bias: bool
    ) -> None:
        self.problem, self.X, self.hidden_bias = problem, X, hidden_bias
        self.coefficients, self.sizes, self.signs = c, faces.sizes, faces.signs
        self.directions: Array = faces.signs[:, None] * faces.directions(c)
        self._maps, self._projections = faces.maps, faces.projections

    @property
    def gram(self) -> Array:
        gram: Array = np.einsum("m,mid,mjd->ij", self.sizes, self._maps, self._maps)
        return gram

    @property
    def squared_norm(self) -> float:
        """``c' K c``, the squared norm of f in the space of the kernel: the network's penalty."""
        return float(self.coefficients @ self.gram @ self.coefficients)

    @property
    def network(self) -> Network:
        """The network, polished to the last digits."""
        neurons = Neurons(
            self.directions,
            self.signs[:, None],
            self.sizes,
            np.zeros(1),
            np.zeros(self.sizes.size, dtype=np.intp),
        )
        network: Network = to_network(self.problem, ReLU(), neurons, self.hidden_bias)
        return network

    def kernel(self, A: Any, B: Any) -> Array:
        """``k(a, b)`` for rows of A (p, d) and of B (q, d), (p, q)."""
        (A, on_A), (B, on_B) = self._rows(A), self._rows(B)
        result = np.zeros((len(A), len(B)))
        for j, (size, P) in enumerate(zip(self.sizes, self._projections, strict=True)):
            result += size * ((on_A[:, j, None] * (A @ P)) @ (on_B[:, j, None] * B).T)
        return result

    def predict(self, A: Any) -> Array:
        """Outputs (p,) at rows A (p, d): ``k(a, X) c``, without the network."""
        A, on = self._rows(A)
        outputs: Array = np.zeros(len(A))
        moments = np.einsum("mnd,n->md", self._maps, self.coefficients)
        for j, (size, h) in enumerate(zip(self.sizes, moments, strict=True)):
            outputs += size * on[:, j] * (A @ h)
        return outputs

    def _rows(self, A: Any) -> tuple[Array, BoolArray]:
        """Rows with their ones column, and the neurons that are on there, (p, m)."""
        A = check_matrix(A, columns=self.X.shape[1] - int(self.hidden_bias))
        rows = np.asarray(A.toarray() if hasattr(A, "toarray") else A, dtype=np.float64)
        if self.hidden_bias:
            rows = np.column_stack([rows, np.ones(len(rows))])
        return rows, rows @ self.directions.T > 0

    def __repr__(self) -> str:
        return (
            f"KernelRepresentation({self.sizes.size} neurons, {self.coefficients.size} rows, "
            f"squared norm {self.squared_norm:.6g})"
        )


def _complement(rows: Array) -> Array:
    """The projection (d, d) on the vectors orthogonal to the rows (k, d)."""
    d = rows.shape[1]
    if len(rows) == 0:
        return np.eye(d)
    _, sizes, right = np.linalg.svd(rows, full_matrices=False)
    basis = right[sizes > RANK_TOLERANCE * sizes[0]]
    projection: Array = np.eye(d) - basis.T @ basis
    return projection
