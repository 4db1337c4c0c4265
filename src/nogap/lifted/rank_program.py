"""The convex program of the rank-constrained method, in its compact form.

A product of variables, ``A B = C``, holds if and only if a certain matrix that is affine in (A, B,
C) has the rank of its constant block (Doelman and Verhaegen, ECC 2016); the rank is replaced by the
nuclear norm.  For the products of single numbers (complementarity) the matrix has 2 x 2 blocks and
its nuclear norm is a sum of norms in the plane; for the layers' products the norm is written with
one small linear matrix inequality a column, all sharing one block (chordal completion).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from nogap._typing import Array
from nogap.exchange.exports import require

# the products must vanish to 1e-7 for the method to end
PRECISE = {"tol_gap_abs": 1e-10, "tol_gap_rel": 1e-10, "tol_feas": 1e-10}
FEASIBLE = 1e-6  # violation of the affine constraints, relative, up to which a solution is used


@dataclass(frozen=True)
class Point:
    """A point of the program.

    Attributes
    ----------
    W, b : lists of arrays (n_{l-1}, n_l) and (n_l,)
    H : list of arrays (n, n_l)
        Outputs of the hidden layers.
    Z : list of arrays (n, n_l)
        Pre-activations of all layers.
    """

    W: list[Array]
    b: list[Array]
    H: list[Array]
    Z: list[Array]

    def slack(self, k: int) -> Array:
        """``S = H - Z`` of hidden layer k: where it is positive, the unit must be off."""
        return self.H[k] - self.Z[k]

    def residual(self, k: int) -> Array:
        """``C - H W`` of the product of layer k >= 1."""
        return self.Z[k] - self.b[k] - self.H[k - 1] @ self.W[k]


@dataclass(frozen=True)
class Centre:
    """What a program is built around.

    H0 and S0 of the hidden layers, W0 of the layers from the second on, and the point that they
    came from: the last solution, or the start.
    """

    H: list[Array]
    S: list[Array]
    W: list[Array]
    point: Point


def plane_norm(H: Array, S: Array, H0: Array, S0: Array, scale: float = 1.0) -> Array:
    """Nuclear norm of the 2 x 2 block of every entry, for ``h s >= 0``; 1 at the true centre."""
    first = 1.0 + scale * (S0 * H + H0 * S - H0 * S0)
    norm: Array = np.hypot(first, np.sqrt(scale) * (H + S - H0 - S0))
    return norm


def product_matrix(C: Array, H: Array, W: Array, H0: Array, W0: Array, scale: float = 1.0) -> Array:
    """The matrix ``[[scale (C - H0 W - H W0 + H0 W0), root (H - H0)], [root (W - W0), I]]``.

    Its rank is ``n_{l-1} + rank(C - H W)``.
    """
    root = np.sqrt(scale)
    return np.block(
        [
            [scale * (C - H0 @ W - H @ W0 + H0 @ W0), root * (H - H0)],
            [root * (W - W0), np.eye(W.shape[0])],
        ]
    )


class RankProgram:
    """The program for given data; solved again and again around new centres, compiled once.

    Parameters
    ----------
    X, Y : arrays (n, d), (n, C)
    hidden : tuple of int
    output : {"linear", "relu"}
    weights : (float, float)
        Of the complementarity's and of the products' nuclear norms.
    loss_weight : float or None
        Of ``||Z_L - Y||^2``; None demands ``Z_L = Y`` (for linear outputs).
    """

    def __init__(
        self,
        X: Array,
        Y: Array,
        hidden: tuple[int, ...],
        output: str,
        weights: tuple[float, float],
        loss_weight: float | None,
    ) -> None:
        self.cp = require("cvxpy", "cvxpy")
        self.X, self.Y, self.output = X, Y, output
        self.complementarity, self.product = weights
        self.loss_weight = loss_weight
        self.widths = (X.shape[1], *hidden, Y.shape[1])
        self.n_layers = len(self.widths) - 1
        self._build()

    @property
    def offset(self) -> float:
        """Value of the norms where all products hold, centred there."""
        entries = self.X.shape[0] * sum(self.widths[1:-1])
        return self.complementarity * entries + self.product * sum(self.widths[1:-1])

    # -- the model ---------------------------------------------------------------------------

    def _build(self) -> None:
        cp, n = self.cp, self.X.shape[0]
        pairs = list(pairwise(self.widths))
        self._W = [cp.Variable(shape) for shape in pairs]
        self._b = [cp.Variable(columns) for _, columns in pairs]
        self._H = [cp.Variable((n, k), nonneg=True) for k in self.widths[1:-1]]
        ones = np.ones((n, 1))
        bias = [ones @ cp.reshape(b, (1, b.shape[0]), order="C") for b in self._b]
        self._Z = [self.X @ self._W[0] + bias[0]]
        self._Z += [cp.Variable((n, k)) for k in self.widths[2:]]
        self._scale = cp.Parameter(nonneg=True)
        self._root = cp.Parameter(nonneg=True)
        self._per_scale = cp.Parameter(nonneg=True)
        self._parameters: list[dict[str, Any]] = []
        conditions = self._output_conditions()
        cost: Any = 0.0
        for k in range(self.n_layers - 1):
            conditions.append(self._H[k] - self._Z[k] >= 0)
            cost = cost + self.complementarity * self._complementarity(k, conditions)
        for k in range(1, self.n_layers):
            norm = self._product_norm(k, self._Z[k] - bias[k], conditions)
            cost = cost + self.product * norm
        self._problem = cp.Problem(cp.Minimize(cost + self._loss()), conditions)

    def _output_conditions(self) -> list[Any]:
        F = self._Z[-1]
        if self.output == "relu":  # Y is data, so that Y (Y - Z) = 0 is affine
            on = (self.Y > 0).astype(np.float64)
            return [self.cp.multiply(on, F - self.Y) == 0, F <= self.Y]
        return [] if self.loss_weight is not None else [self.Y == F]

    def _loss(self) -> Any:
        if self.loss_weight is None or self.output == "relu":
            return 0.0
        return self.loss_weight * self.cp.sum_squares(self._Z[-1] - self.Y)

    def _complementarity(self, k: int, conditions: list[Any]) -> Any:
        """Sum of the norms in the plane, one three-dimensional cone an entry."""
        cp, shape = self.cp, (self.X.shape[0], self.widths[k + 1])
        H, S = self._H[k], self._H[k] - self._Z[k]
        own = {name: cp.Parameter(shape) for name in ("H", "S", "HS", "sum")}
        self._parameters.append(own)
        first = 1.0 + cp.multiply(own["S"], H) + cp.multiply(own["H"], S) - own["HS"]
        second = self._root * (H + S) - own["sum"]
        bound = cp.Variable(shape)
        stacked = cp.vstack([cp.vec(first, order="C"), cp.vec(second, order="C")])
        conditions.append(cp.SOC(cp.vec(bound, order="C"), stacked, axis=0))
        return self._per_scale * cp.sum(bound)

    def _product_norm(self, k: int, C: Any, conditions: list[Any]) -> Any:
        """The nuclear norm of the transposed product matrix, one inequality a column."""
        cp, H, W = self.cp, self._H[k - 1], self._W[k]
        own = self._parameters[k - 1]
        own["H0"] = cp.Parameter(H.shape)
        own["W0"] = cp.Parameter(W.shape)
        own["rootH0"] = cp.Parameter(H.shape)
        own["rootW0"] = cp.Parameter(W.shape)
        own["H0W0"] = cp.Parameter((H.shape[0], W.shape[1]))
        corner = self._scale * C - own["H0"] @ W - H @ own["W0"] + own["H0W0"]
        M = cp.bmat(
            [
                [corner, self._root * H - own["rootH0"]],
                [self._root * W - own["rootW0"], np.eye(W.shape[0])],
            ]
        ).T
        r, columns = M.shape
        U = cp.Variable((r, r), symmetric=True)
        v = cp.Variable(columns)
        plain = cp.Variable((r, columns))  # parameters inside many cones are slow to compile
        conditions.append(plain == M)
        for j in range(columns):
            column = plain[:, j : j + 1]
            conditions.append(cp.bmat([[U, column], [column.T, v[j : j + 1, None]]]) >> 0)
        return self._per_scale * (0.5 * (cp.trace(U) + cp.sum(v)))

    # -- solving -----------------------------------------------------------------------------

    def solve(self, centre: Centre, scale: float = 1.0) -> tuple[Point | None, str]:
        """The solution around a centre if it meets the affine constraints; what the solver said."""
        self._set(centre, scale)
        said = "failed"
        for solver, options in ((self.cp.CLARABEL, PRECISE), (self.cp.SCS, {"eps": 1e-7})):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # our own check decides, not the status
                    self._problem.solve(solver=solver, **options)
            except (self.cp.SolverError, ArithmeticError, ValueError):
                continue
            said = f"{solver.lower()} {self._problem.status}"
            if self._W[0].value is None:
                continue
            point = self._point()
            if self._violation(point) <= FEASIBLE:
                return point, said
        return None, said

    def _set(self, centre: Centre, scale: float) -> None:
        root = np.sqrt(scale)
        self._scale.value, self._root.value, self._per_scale.value = scale, root, 1.0 / scale
        for k, own in enumerate(self._parameters):
            H0, S0, W0 = centre.H[k], centre.S[k], centre.W[k]
            own["H"].value, own["S"].value = scale * H0, scale * S0
            own["HS"].value, own["sum"].value = scale * H0 * S0, root * (H0 + S0)
            own["H0"].value, own["W0"].value = scale * H0, scale * W0
            own["rootH0"].value, own["rootW0"].value = root * H0, root * W0
            own["H0W0"].value = scale * (H0 @ W0)

    def _point(self) -> Point:
        W = [variable.value for variable in self._W]
        b = [variable.value for variable in self._b]
        H = [np.maximum(variable.value, 0.0) for variable in self._H]
        Z = [self.X @ W[0] + b[0], *(variable.value for variable in self._Z[1:])]
        return Point(W, b, H, Z)

    def _violation(self, point: Point) -> float:
        """Largest violation of the affine constraints, relative."""
        F = point.Z[-1]
        wrong = [np.maximum(-point.slack(k), 0.0).max() for k in range(self.n_layers - 1)]
        if self.output == "relu":
            wrong += [np.maximum(F - self.Y, 0.0).max(), np.abs((F - self.Y) * (self.Y > 0)).max()]
        elif self.loss_weight is None:
            wrong.append(np.abs(F - self.Y).max())
        largest = max(float(np.abs(Z).max()) for Z in point.Z)
        return float(max(wrong)) / max(1.0, largest)

    # -- values, all by own evaluation -------------------------------------------------------

    def loss(self, point: Point) -> float:
        if self.loss_weight is None or self.output == "relu":
            return 0.0
        return self.loss_weight * float(np.sum((point.Z[-1] - self.Y) ** 2))

    def value(self, point: Point, centre: Centre, scale: float = 1.0) -> float:
        """Value of the program at a point, with singular values in place of the inequalities."""
        total = 0.0
        for k in range(self.n_layers - 1):
            H0, S0, W0 = centre.H[k], centre.S[k], centre.W[k]
            planes = plane_norm(point.H[k], point.slack(k), H0, S0, scale)
            C = point.Z[k + 1] - point.b[k + 1]
            M = product_matrix(C, point.H[k], point.W[k + 1], H0, W0, scale)
            total += self.complementarity * float(planes.sum()) / scale
            total += self.product * float(np.linalg.norm(M, "nuc")) / scale
        return self.loss(point) + total

    def penalty(self, point: Point) -> float:
        """The exact penalty: loss plus the weighted violations of the products."""
        total = self.loss(point)
        for k in range(self.n_layers - 1):
            total += self.complementarity * float(np.sum(np.abs(point.H[k] * point.slack(k))))
            total += self.product * float(np.linalg.norm(point.residual(k + 1), "nuc"))
        return total

    def product_violation(self, point: Point) -> float:
        """``||H o S||_F + ||C - H W||_F``, all layers together."""
        hidden = range(self.n_layers - 1)
        on_off = sum(float(np.sum((point.H[k] * point.slack(k)) ** 2)) for k in hidden)
        products = sum(float(np.sum(point.residual(k + 1) ** 2)) for k in hidden)
        return float(np.sqrt(on_off) + np.sqrt(products))
