"""Master inside cells: a cone-constrained group lasso on the patterns of the active neurons.

    min   L(sum_j s_j D_j X v_j + b) + beta sum_j ||v_j||_2   subject to   (2 D_j - 1) X v_j >= 0

by an interior-point method (Clarabel), with the cone rows added as they are violated (few bind) and
Newton steps on the loss where it is not quadratic.  The hinge loss enters as linear constraints,
and its dual point is their multipliers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from nogap._typing import Array, BoolArray
from nogap.losses import Squared
from nogap.problem import Problem
from nogap.solvers.features import Features
from nogap.solvers.masters import ShouldStop
from nogap.solvers.neurons import Neurons
from nogap.solvers.refit import refit_sizes
from nogap.units import ReLU, Unit

TOLERANCE = 1e-11
VIOLATION = 1e-9
GHOST = 1e-11  # share of the objective below which a neuron's penalty is rounding
MAX_NEWTON_STEPS = 200
LEAST_DAMPING, MOST_DAMPING = 1e-9, 1e3


class ConeMaster:
    """Neurons stay in the cells of their patterns (``gate`` numbers the patterns).

    Parameters
    ----------
    problem : Problem
        One output.
    patterns : bool array (P, n)
    unit : Unit, optional
        ReLU units stay in their cells; gated units have no cone to stay in.
    """

    def __init__(self, problem: Problem, patterns: BoolArray, unit: Unit | None = None) -> None:
        self.problem, self.patterns = problem, patterns
        self.X = problem.rows.take(np.arange(problem.rows.n))
        self.unit = ReLU() if unit is None else unit
        self.cells_seen: Neurons | None = None

    def improve(self, neurons: Neurons, should_stop: ShouldStop) -> tuple[Neurons, Array]:
        """One cell program over the cells of the neurons given, then their exact sizes."""
        if neurons.count == 0:
            return neurons, self._sizes(neurons)[1]
        if not self.problem.loss.smooth:  # a cell left out lets the dual jump back to where it was
            neurons = neurons if self.cells_seen is None else neurons.joined(self.cells_seen)
            self.cells_seen = neurons.with_sizes(np.zeros(neurons.count), neurons.intercept)
        cells = _Cells(
            self.problem, self.X, self.patterns, neurons, cones=isinstance(self.unit, ReLU)
        )
        moved, V = cells.neurons(should_stop)
        fitted, V_fitted = self._sizes(moved)
        # the multipliers of the cell program know of all directions, those of the sizes of a few
        V = V_fitted if self.problem.loss.smooth else V
        return fitted.keep(fitted.sizes > 0), V

    def refine(self, neurons: Neurons, should_stop: ShouldStop) -> tuple[Neurons, Array]:
        return self.improve(neurons, should_stop)

    def _sizes(self, neurons: Neurons) -> tuple[Neurons, Array]:
        return refit_sizes(self.problem, neurons, Features(self.problem, self.unit, neurons))


class ConeProgram:
    """``min L(A x + b) + beta sum_g ||x_g||``, every piece of x in a cone of the data's rows.

    Parameters
    ----------
    problem : Problem
        One output.
    X : array (n, d)
    masks : array (m, n)
        What piece j adds to the outputs is ``masks_j * (X v_j)``.
    patterns : bool array (m, n)
        Piece j stays in ``(2 D_j - 1) X v_j >= 0``, where there are ``cones``.
    start : array (m, d)
    intercept : array (1,)
    group : int
        So many consecutive pieces share one norm.
    joint : sparse (R, m d), optional
        Further constraints, ``joint v >= 0``.
    """

    def __init__(
        self,
        problem: Problem,
        X: Array,
        masks: Array,
        patterns: BoolArray,
        start: Array,
        intercept: Array,
        *,
        cones: bool = True,
        group: int = 1,
        joint: sp.csr_array | None = None,
    ) -> None:
        self.problem, self.cones = problem, cones
        # rows of norm at most 1: the same program in v * scale, which the solver finds easier
        self.scale = float(np.linalg.norm(X, axis=1).max()) or 1.0
        self.X, self.beta = X / self.scale, problem.beta / self.scale
        self.patterns = patterns
        self.m, self.d = patterns.shape[0], X.shape[1]
        self.size = group * self.d  # of what shares a norm
        self.start, self.b = self.scale * start, intercept.copy()
        self.A = (masks[:, :, None] * self.X).transpose(1, 0, 2).reshape(X.shape[0], -1)  # (n, m d)
        if problem.fit_intercept:
            self.A = np.column_stack([self.A, np.ones(X.shape[0])])
        self.joint = sp.csr_array((0, self.m * self.d)) if joint is None else joint
        self.cone_rows = self._nearly_binding()

    def _nearly_binding(self) -> BoolArray:
        """Rows to impose at first: those at or beyond the edge of the cell at the start."""
        if not self.cones:
            return np.zeros(self.patterns.shape, dtype=bool)
        Z = np.where(self.patterns, 1.0, -1.0) * (self.start @ self.X.T)
        rows: BoolArray = 1e-6 * np.linalg.norm(self.X, axis=1) >= Z
        rows &= np.any(self.X != 0, axis=1)
        return rows

    def solve(self, should_stop: ShouldStop) -> tuple[Array, Array]:
        """The solution (m d [+ 1],) of the scaled program, and the dual point (n, 1)."""
        problem = self.problem
        x = np.concatenate([self.start.ravel(), self.b if problem.fit_intercept else []])
        if not problem.loss.smooth:
            x, dual = self._cone_solve(None, None, should_stop)
            return self._without_ghosts(x), dual[:, None]
        value, damping = self._value(x), 0.0
        for _ in range(MAX_NEWTON_STEPS):
            F = self._outputs(x)
            slope = problem.dual_point(F)[:, 0]
            true = problem.weights * problem.loss.curvature(F, problem.Y)[:, 0]
            while True:  # damped where the loss is flatter here than where the step leads
                curvature = true + damping * problem.weights
                target = slope + curvature * (self.A @ x)
                new, _ = self._cone_solve(curvature, target, should_stop)
                decrease = value - self._value(new)
                if decrease >= 0.25 * self._promised(slope, x, new):
                    break
                damping = max(10.0 * damping, LEAST_DAMPING)
                if damping > MOST_DAMPING:
                    break
            if decrease <= 0:
                break
            x, value, damping = new, value - decrease, 0.1 * damping
            if decrease <= 1e-13 * abs(value) or isinstance(problem.loss, Squared):
                break
            if should_stop():
                break
        x = self._without_ghosts(x)
        return x, problem.dual_point(self._outputs(x))

    def _promised(self, slope: Array, x: Array, new: Array) -> float:
        """Decrease of the objective with the loss linearised at x."""
        norms = [self._norms(z) for z in (x, new)]
        linear = float(slope @ (self.A @ (new - x)))
        return linear + self.beta * float(norms[0].sum() - norms[1].sum())

    def _norms(self, x: Array) -> Array:
        norms: Array = np.linalg.norm(x[: self.m * self.d].reshape(-1, self.size), axis=1)
        return norms

    def _without_ghosts(self, x: Array) -> Array:
        """The solution without the groups that interior points leave at sizes of no meaning."""
        sizes = self._norms(x)
        worth = self.beta * sizes / (abs(self._value(x)) + 1e-300)
        ghosts = (sizes <= 1e-9 * sizes.sum()) | (worth <= GHOST)
        x = x.copy()
        x[: self.m * self.d].reshape(-1, self.size)[ghosts] = 0.0
        return x

    def parts(self, x: Array) -> tuple[Array, Array]:
        """Pieces (m, d) of the program as it was given, and the intercept (1,)."""
        V = x[: self.m * self.d].reshape(self.m, self.d) / self.scale
        return V, x[self.m * self.d :] if self.problem.fit_intercept else self.b

    def _outputs(self, x: Array) -> Array:
        F: Array = (self.A @ x)[:, None]
        return F if self.problem.fit_intercept else F + self.b

    def _value(self, x: Array) -> float:
        return self.problem.loss_value(self._outputs(x)) + self.beta * float(self._norms(x).sum())

    def _cone_solve(
        self, curvature: Array | None, target: Array | None, should_stop: ShouldStop
    ) -> tuple[Array, Array]:
        """Solve with the rows imposed so far; impose the violated ones and repeat.

        Where it is stopped some are violated: the network of the solution then leaves its cells,
        and the exact sizes that follow are those of what it really computes.
        """
        for _ in range(30):
            x, dual = self._interior_point(curvature, target)
            V = x[: self.m * self.d].reshape(self.m, self.d)
            Z = np.where(self.patterns, 1.0, -1.0) * (V @ self.X.T)
            scale = np.linalg.norm(self.X, axis=1) * max(float(np.abs(V).max()), 1e-300)
            violated = (-VIOLATION * scale > Z) & ~self.cone_rows & self.cones
            if not violated.any() or should_stop():
                break
            self.cone_rows |= violated
        return x, dual

    def _interior_point(self, curvature: Array | None, target: Array | None) -> tuple[Array, Array]:
        """Clarabel on ``min 1/2 x'Px + q'x, A x + s = b, s in K`` with x = (v, b, t[, xi])."""
        import clarabel

        n, k = self.A.shape
        m = self.m * self.d // self.size  # norms
        hinge = curvature is None
        n_slack = n if hinge else 0
        size = 1.0
        n_var = k + m + n_slack
        q = np.zeros(n_var)
        q[k : k + m] = self.beta
        if hinge:
            q[k + m :] = self.problem.weights
            P = sp.csc_array((n_var, n_var))
        else:
            assert curvature is not None
            assert target is not None
            dense = np.triu(self.A.T @ (curvature[:, None] * self.A))
            P = sp.block_diag([sp.csc_array(dense), sp.csc_array((m, m))], format="csc")
            q[:k] = -self.A.T @ target
            # in units of the solution's likely size: all constraints are homogeneous
            most = float(np.max(self.problem.weights @ self.A**2))
            size = float(np.abs(q[:k]).max()) / most if most > 0 else 1.0
            size = size if size > 0 else 1.0
            q /= size
        rows, bounds, cones = self._constraints(n_var, hinge)
        settings = clarabel.DefaultSettings()
        settings.verbose = False
        settings.max_threads = 1
        settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = TOLERANCE
        solved: Any = clarabel.DefaultSolver(
            sp.csc_matrix(P), q, sp.csc_matrix(rows), bounds, cones, settings
        ).solve()
        x = np.array(solved.x)
        if not np.all(np.isfinite(x)):
            raise RuntimeError(f"the interior-point solver failed: {solved.status}")
        dual = np.zeros(n)
        if hinge:
            alpha = np.clip(np.array(solved.z)[:n], 0.0, self.problem.weights)
            dual = alpha * self.problem.Y[:, 0]
        return size * x[:k], dual

    def _constraints(self, n_var: int, hinge: bool) -> tuple[Any, Array, list[Any]]:
        import clarabel

        n, k = self.A.shape
        d, size = self.d, self.size
        m = self.m * d // size  # norms
        parts: list[Any] = []
        bounds: list[Array] = []
        n_linear = 0
        if hinge:  # xi >= 1 - y f (f without a fixed intercept), xi >= 0
            y = self.problem.Y[:, 0]
            zero = sp.csc_array((n, m))
            margin = sp.hstack([-y[:, None] * sp.csc_array(self.A), zero, -sp.eye_array(n)])
            positive = sp.hstack([sp.csc_array((n, k + m)), -sp.eye_array(n)])
            parts += [margin, positive]
            bounds += [-np.ones(n), np.zeros(n)]
            n_linear += 2 * n
        j, i = np.nonzero(self.cone_rows)
        if j.size:
            signed = np.where(self.patterns[j, i], -1.0, 1.0)[:, None] * self.X[i]
            columns = (j[:, None] * d + np.arange(d)).ravel()
            row = np.repeat(np.arange(j.size), d)
            parts.append(sp.csc_array((signed.ravel(), (row, columns)), shape=(j.size, n_var)))
            bounds.append(np.zeros(j.size))
            n_linear += j.size
        if self.joint.shape[0]:
            beyond = sp.csc_array((self.joint.shape[0], n_var - self.joint.shape[1]))
            parts.append(sp.hstack([-self.joint, beyond]))
            bounds.append(np.zeros(self.joint.shape[0]))
            n_linear += self.joint.shape[0]
        # (t_g, x_g) in the second-order cone
        columns = np.empty((m, size + 1), dtype=np.intp)
        columns[:, 0] = k + np.arange(m)
        columns[:, 1:] = np.arange(m)[:, None] * size + np.arange(size)
        rows = columns.size
        parts.append(
            sp.csc_array((-np.ones(rows), (np.arange(rows), columns.ravel())), shape=(rows, n_var))
        )
        bounds.append(np.zeros(rows))
        cones: list[Any] = [clarabel.NonnegativeConeT(n_linear)] if n_linear else []
        cones += [clarabel.SecondOrderConeT(size + 1)] * m
        return sp.vstack(parts, format="csc"), np.concatenate(bounds), cones


class _Cells(ConeProgram):
    """The program over one set of (pattern, sign) pairs."""

    def __init__(
        self, problem: Problem, X: Array, patterns: BoolArray, start: Neurons, *, cones: bool
    ) -> None:
        signs = np.where(start.outputs[:, 0] > 0, 1, -1)
        pairs, owner = np.unique(np.column_stack([start.gate, signs]), axis=0, return_inverse=True)
        self.gate, self.signs = pairs[:, 0], pairs[:, 1].astype(np.float64)
        V = np.zeros((pairs.shape[0], X.shape[1]))
        np.add.at(V, owner.ravel(), start.hidden)
        on = patterns[self.gate]
        super().__init__(problem, X, self.signs[:, None] * on, on, V, start.intercept, cones=cones)

    def neurons(self, should_stop: ShouldStop) -> tuple[Neurons, Array]:
        """The neurons of the solution, and the dual point (n, 1)."""
        x, dual = self.solve(should_stop)
        V, b = self.parts(x)
        return Neurons.from_factors(V, self.signs[:, None], b, self.gate.astype(np.intp)), dual
