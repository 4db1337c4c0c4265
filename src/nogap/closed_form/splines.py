"""Linear splines on a few knots: the penalty of a ReLU network with free biases, and its program.

A network ``f(x) = xi + sum_j a_j relu(w_j x + b_j)`` with free hidden biases is a linear spline
whose kinks cost ``|kink|`` each, while a slope costs its own size where no kink pays for it:

    Omega(f) = max(TV, (TV + |first slope + last slope|) / 2),     TV = sum |kinks|.

The program on given knots has one unknown value a knot; slopes and kinks follow by recursions,
which keep their digits where knots nearly coincide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from nogap._typing import Array
from nogap.losses import Squared, SquaredHinge
from nogap.problem import Problem

TOLERANCE = 1e-11
MAX_NEWTON_STEPS = 50
WORTH = 1e-11  # promised decrease, relative to the objective, that is worth another Newton step
HALVINGS = 5
LEAST_DAMPING, MOST_DAMPING = 1e-6, 1e6


@dataclass(frozen=True)
class Spline:
    """The linear spline through ``values`` at the sorted ``knots``, continued beyond them."""

    knots: Array  # (k,), k >= 2
    values: Array  # (k,)

    @property
    def slopes(self) -> Array:
        """One an interval, (k - 1,)."""
        slopes: Array = np.diff(self.values) / np.diff(self.knots)
        return slopes

    @property
    def kinks(self) -> Array:
        """Changes of slope at the inner knots, (k - 2,)."""
        kinks: Array = np.diff(self.slopes)
        return kinks

    @property
    def penalty(self) -> float:
        """The least product penalty of a network with this function."""
        s = self.slopes
        variation = float(np.abs(self.kinks).sum())
        return max(variation, 0.5 * (variation + abs(float(s[0] + s[-1]))))

    def at(self, x: Array) -> Array:
        """Values at points between the first and the last knot."""
        values: Array = np.interp(x, self.knots, self.values)
        return values

    def on(self, knots: Array) -> Spline:
        """The same function on knots that hold all of its kinks (or the interpolant of it)."""
        return Spline(knots, self.at(knots))


class KnotProgram:
    """``min L(f(x)) + beta Omega(f)`` over the splines on given knots, by interior points.

    Parameters
    ----------
    problem : Problem
        One output; its rows are not looked at.
    x : array (n,)
    knots : array (k,)
        Sorted, distinct; the first and the last are the least and the largest x.
    """

    def __init__(self, problem: Problem, x: Array, knots: Array) -> None:
        self.problem, self.knots = problem, knots
        left = np.clip(np.searchsorted(knots, x, side="right") - 1, 0, knots.size - 2)
        share = (x - knots[left]) / (knots[left + 1] - knots[left])
        rows = np.arange(x.size)
        self.basis: Any = sp.csc_array(
            (np.r_[1 - share, share], (np.r_[rows, rows], np.r_[left, left + 1])),
            shape=(x.size, knots.size),
        )

    def solve(self, start: Spline) -> tuple[Spline, Array]:
        """The best spline and the dual point V (n, 1) there."""
        if not self.problem.loss.smooth:
            values, multipliers = self._interior_point()
            V = np.clip(multipliers, 0.0, self.problem.weights)[:, None] * self.problem.Y
            return Spline(self.knots, values), V
        spline, damping = start.on(self.knots), 0.0
        value = self._objective(spline)
        for _ in range(MAX_NEWTON_STEPS):
            trial, promised = self._newton_step(spline, damping)
            trial, decrease = self._line_search(spline, value, trial)
            if decrease > 0:
                spline, value = trial, value - decrease
            if isinstance(self.problem.loss, Squared):
                break
            flatter = decrease < 0.1 * promised or promised < 0
            if flatter and isinstance(self.problem.loss, SquaredHinge):  # a quadratic program
                spline = Spline(self.knots, self._interior_point()[0])
                break
            if flatter:
                # the loss is flatter here than where the step leads
                damping = max(10 * damping, LEAST_DAMPING)
                if damping > MOST_DAMPING:
                    break
                continue
            if promised <= WORTH * abs(value):
                break
            damping = 0.1 * damping if damping > LEAST_DAMPING else 0.0
        return spline, self.problem.dual_point(self._outputs(spline))

    def least_for_margins(self) -> tuple[Spline, Array]:
        """The spline of least penalty with margins of at least 1, and the dual point (n, 1)."""
        values, multipliers = self._interior_point(strict=True)
        y = self.problem.Y
        spline = Spline(self.knots, values)
        shortest = float(np.min(y * self._outputs(spline)))
        return Spline(self.knots, values / shortest), np.maximum(multipliers, 0.0)[:, None] * y

    def _newton_step(self, spline: Spline, damping: float) -> tuple[Spline, float]:
        """The minimum of the quadratic model, and the decrease to first order on the way there."""
        F, w = self._outputs(spline), self.problem.weights
        V = self.problem.dual_point(F)[:, 0]
        curvature = w * (self.problem.loss.curvature(F, self.problem.Y)[:, 0] + damping)
        values, _ = self._interior_point(curvature, curvature * F[:, 0] + V)
        wanted = Spline(self.knots, values)
        gain = float(V @ (self.basis @ (values - spline.values)))
        return wanted, gain - self.problem.beta * (wanted.penalty - spline.penalty)

    def _line_search(self, spline: Spline, value: float, wanted: Spline) -> tuple[Spline, float]:
        """The first of a few shorter and shorter steps that lowers the objective."""
        trial, decrease = wanted, value - self._objective(wanted)
        for k in range(1, HALVINGS):
            if decrease > 0:
                break
            values = spline.values + 0.25**k * (wanted.values - spline.values)
            trial = Spline(self.knots, values)
            decrease = value - self._objective(trial)
        return trial, decrease

    def _outputs(self, spline: Spline) -> Array:
        F: Array = (self.basis @ spline.values)[:, None]
        return F

    def _objective(self, spline: Spline) -> float:
        return self.problem.loss_value(self._outputs(spline)) + self.problem.beta * spline.penalty

    def _interior_point(
        self, curvature: Array | None = None, target: Array | None = None, *, strict: bool = False
    ) -> tuple[Array, Array]:
        """``min 1/2 f'Wf - target'f + beta Omega``: values, and multipliers of the margins.

        For None the hinge loss or its square, or nothing but the penalty where all margins must be
        1 (``strict``). Variables: values g (k), slopes s (k - 1), kinks as p - m (k - 2 each),
        Omega, and the excess xi (n) of the hinge loss.
        """
        import clarabel

        k, n = self.knots.size, self.basis.shape[0]
        n_spline = 2 * k - 1 + 2 * (k - 2) + 1
        hinge = curvature is None
        n_var = n_spline + (n if hinge and not strict else 0)
        q = np.zeros(n_var)
        q[n_spline - 1] = self.problem.beta
        size = 1.0
        P: Any = sp.csc_array((n_var, n_var))
        if hinge:
            weights = self.problem.weights[: n_var - n_spline]
            if self.problem.loss.smooth:
                P = sp.diags_array(np.append(np.zeros(n_spline), weights), format="csc")
            else:
                q[n_spline:] = weights
        else:
            assert curvature is not None
            H = self.basis.T @ (curvature[:, None] * self.basis)
            q[:k] = -(self.basis.T @ target)
            diagonal = float(H.diagonal().max())
            size = float(np.abs(q[:k]).max()) / diagonal if diagonal > 0 else 1.0
            size = size if size > 0 else 1.0
            P = sp.block_diag([sp.triu(H), sp.csc_array((n_var - k, n_var - k))], format="csc")
            q, P = q / (size * diagonal), P / diagonal
        A, b, cones = self._constraints()
        n_margins = 0
        if hinge:
            n_margins = n + n_var - n_spline
            A, b, cones = self._with_margins(A, b, cones, n_var)
        settings = clarabel.DefaultSettings()
        settings.verbose = False
        settings.max_threads = 1
        settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = TOLERANCE
        solved: Any = clarabel.DefaultSolver(
            sp.csc_matrix(P), q, sp.csc_matrix(A), b, cones, settings
        ).solve()
        values = size * np.array(solved.x[:k])
        if not np.all(np.isfinite(values)):
            raise RuntimeError(f"the interior-point solver failed: {solved.status}")
        multipliers = np.array(solved.z)[b.size - n_margins :][:n] if hinge else np.zeros(0)
        return values, multipliers

    def _constraints(self) -> tuple[Any, Array, list[Any]]:
        """How values, slopes, kinks and Omega belong together."""
        import clarabel

        k = self.knots.size
        kinks = k - 2
        gaps = np.diff(self.knots)
        unit = sp.eye_array(kinks)
        # values follow from slopes, and slopes from kinks
        blocks: list[list[Any]] = [
            [_differences(k), -sp.diags_array(gaps), None, None, None],
        ]
        if kinks:
            blocks += [
                [None, _differences(k - 1), -unit, unit, None],
                [None, None, -unit, None, None],
                [None, None, None, -unit, None],
            ]
        ends = np.zeros((1, k - 1))
        ends[0, 0] += 1.0
        ends[0, -1] += 1.0
        every = np.ones((1, kinks))
        for factor, share in ((0.0, -1.0), (1.0, -2.0), (-1.0, -2.0)):
            total = sp.csc_array(every)
            blocks.append(
                [sp.csc_array((1, k)), sp.csc_array(factor * ends), total, total, [[share]]]
            )
        A: Any = sp.block_array(blocks, format="csc")
        n_equal, n_linear = k - 1 + kinks, 2 * kinks + 3
        b = np.zeros(n_equal + n_linear)
        cones = [clarabel.ZeroConeT(n_equal), clarabel.NonnegativeConeT(n_linear)]
        return A, b, cones

    def _with_margins(
        self, A: Any, b: Array, cones: list[Any], n_var: int
    ) -> tuple[Any, Array, list[Any]]:
        """The constraints with margins ``y f >= 1``, or ``y f + xi >= 1`` where there are xi."""
        import clarabel

        y, (n, k) = self.problem.Y[:, 0], self.basis.shape
        excess = n_var - A.shape[1]
        blocks: list[list[Any]] = [
            [-(y[:, None] * self.basis), sp.csc_array((n, A.shape[1] - k)), -sp.eye_array(n)],
            [None, sp.csc_array((n, A.shape[1] - k)), -sp.eye_array(n)],
        ]
        margins = sp.block_array(blocks if excess else [blocks[0][:2]], format="csc")
        A = sp.vstack([sp.hstack([A, sp.csc_array((A.shape[0], excess))]), margins])
        b = np.concatenate([b, -np.ones(n), np.zeros(excess)])
        return A.tocsc(), b, [*cones, clarabel.NonnegativeConeT(n + excess)]


def _differences(m: int) -> Any:
    """The matrix (m - 1, m) of differences between neighbours."""
    ones = np.ones(m - 1)
    return sp.diags_array([-ones, ones], offsets=[0, 1], shape=(m - 1, m))
