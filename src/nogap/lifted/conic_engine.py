"""The reference engine: the parabolic relaxation as a second-order cone program in CVXPY.

The program is written in coordinates centred at the last network (dW = W - W0, dH = H - H0), in
which interior-point solvers stay accurate.  What the solver says of itself is only recorded: a
step counts as exact when its own layers satisfy the network's equations.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nogap._typing import Array
from nogap.exchange.exports import require
from nogap.lifted.augmented import Multipliers
from nogap.lifted.cuts import Cuts
from nogap.lifted.layers import Layers, Pass, Task, forward
from nogap.lifted.proximal import ProximalObjective, Weights
from nogap.lifted.step import Step
from nogap.losses import Huber, Loss

EXACT = 1e-5  # largest relative violation of the network's equations in an exact step
CUT_ROUNDS = 8
KINK = 0.55  # at kinks the matrices' and inputs' weights must exceed this times n and n_l


def check_available(loss: Loss) -> None:
    """CVXPY is there, and the loss has a CVXPY form."""
    require("cvxpy", "cvxpy")
    if loss.name not in LOSSES:
        raise ValueError(
            f"the conic engine knows the losses {', '.join(sorted(LOSSES))}, not {loss.name!r}"
        )


def _squared(cp: Any, F: Any, task: Task) -> Any:
    root = np.sqrt(0.5 * task.weights)[:, None]
    return cp.sum_squares(cp.multiply(root, F - task.Y))


def _huber(cp: Any, F: Any, task: Task) -> Any:
    assert isinstance(task.loss, Huber)
    bend = task.loss.delta
    return 0.5 * cp.sum(cp.multiply(task.weights[:, None], cp.huber(F - task.Y, bend)))


def _logistic(cp: Any, F: Any, task: Task) -> Any:
    margin = cp.multiply(task.Y, F)
    return cp.sum(cp.multiply(task.weights[:, None], cp.logistic(-margin)))


def _hinge(cp: Any, F: Any, task: Task) -> Any:
    return cp.sum(cp.multiply(task.weights[:, None], cp.pos(1 - cp.multiply(task.Y, F))))


def _squared_hinge(cp: Any, F: Any, task: Task) -> Any:
    margin = cp.pos(1 - cp.multiply(task.Y, F))
    return 0.5 * cp.sum(cp.multiply(task.weights[:, None], cp.square(margin)))


def _multinomial(cp: Any, F: Any, task: Task) -> Any:
    per_row = cp.log_sum_exp(F, axis=1) - cp.sum(cp.multiply(task.Y, F), axis=1)
    return task.weights @ per_row


LOSSES: dict[str, Callable[[Any, Any, Task], Any]] = {
    "squared": _squared,
    "huber": _huber,
    "logistic": _logistic,
    "hinge": _hinge,
    "squared_hinge": _squared_hinge,
    "multinomial": _multinomial,
}


def kink_weights(weights: Weights, layers: Layers, n: int) -> Weights:
    """Weights that keep the relaxation exact where pre-activations sit at a kink."""
    matrices, inputs = list(weights.matrices), list(weights.inputs)
    for k in range(1, layers.n_layers):
        bregman = max(weights.convex[k - 1], weights.concave[k - 1])
        matrices[k] = max(matrices[k], KINK * n * bregman)
        inputs[k - 1] = max(inputs[k - 1], KINK * layers.weights[k].shape[1] * bregman)
    return replace(weights, matrices=matrices, inputs=inputs)


def conic_step(
    task: Task, centre: Layers, weights: Weights, rho: float, multipliers: Multipliers
) -> Step:
    """Solve the relaxation around the centre and judge the solution by the network's equations."""
    program = _Program(task, centre, weights, rho)
    solver = program.solve()
    if solver == "failed":
        F = program.at.outputs
        return Step(
            centre, task.loss_value(F), np.nan, np.inf, np.nan, False, solver, task.loss_gradient(F)
        )
    layers = program.layers()
    run = forward(layers, task.X, task.split)
    gap = program.gap(layers, run.outputs)
    duals = program.duals()
    multipliers.values = duals
    gradient = task.loss_gradient(run.outputs)
    certificate = np.nan
    if task.split.smooth and task.loss.smooth and not task.constraints.modelled:
        if duals.size:
            gradient = gradient + task.constraints.pull(run.outputs, duals)
        objective = ProximalObjective(task, centre, weights)
        certificate = objective.certificate(layers, run, gradient).largest
    return Step(
        layers=layers,
        loss=task.loss_value(run.outputs),
        relaxed=program.value,
        gap=gap,
        certificate=certificate,
        exact=gap <= EXACT,
        solver=solver,
        output_gradient=gradient,
    )


@dataclass
class _Hidden:
    """Variables of a hidden layer: pre-activations and the bounds of p and q."""

    Z: Any
    p_bound: Any
    q_bound: Any  # zero when the activation is convex


class _Program:
    """Variables, constraints and solution of one convex program."""

    def __init__(self, task: Task, centre: Layers, weights: Weights, rho: float) -> None:
        self.cp = require("cvxpy", "cvxpy")
        self.task, self.centre, self.weights = task, centre, weights
        self.at: Pass = forward(centre, task.X, task.split)
        self.value = np.nan
        self.conditions: list[Any] = []
        self.cost: Any = 0.0
        self.hidden: list[_Hidden] = []
        self.dW = [self.cp.Variable(W.shape) for W in centre.weights]
        self.b = [self.cp.Variable(b.shape) for b in centre.biases]
        self.Z: list[Any] = []
        self.dH: list[Any] = [None]
        for k in range(centre.n_layers):
            self._product(k)
            if k < centre.n_layers - 1:
                self._activation(k)
        F = self.Z[-1]
        self.cost = self.cost + LOSSES[task.loss.name](self.cp, F, task)
        self.limits = self._limits(F, rho)

    def _product(self, k: int) -> None:
        """The pre-activations of layer k; the first layer's product is affine, not relaxed."""
        cp, X = self.cp, self.at.H[k]
        n, W0, dW = X.shape[0], self.centre.weights[k], self.dW[k]
        ones = np.ones((n, 1))
        b = ones @ cp.reshape(self.b[k], (1, W0.shape[1]), order="C")
        if k == 0:
            self.Z.append(X @ (W0 + dW) + b)
            self.cost = self.cost + self.weights.matrices[0] * cp.sum_squares(dW)
            return
        dH = self.dH[k]
        tau = cp.Variable((n, W0.shape[1]))
        omega, chi = cp.Variable(W0.shape[1]), cp.Variable(n)
        Z = cp.Variable((n, W0.shape[1]))
        self.conditions.append(X @ (W0 + dW) + dH @ W0 + tau + b == Z)
        units, rows = (index.ravel() for index in np.indices((W0.shape[1], n)))
        for sign in (1.0, -1.0):
            self._bounded(
                dW[:, units] + sign * dH.T[:, rows],
                omega[units] + chi[rows] + (2.0 * sign) * tau[rows, units],
            )
        self._bounded(dW, omega)
        self._bounded(dH.T, chi)
        self.Z.append(Z)
        self.cost = self.cost + self.weights.matrices[k] * cp.sum(omega)
        self.cost = self.cost + self.weights.inputs[k - 1] * cp.sum(chi)

    def _bounded(self, columns: Any, bounds: Any) -> None:
        """``||column||^2 <= bound`` for every column, as second-order cones."""
        cp = self.cp
        last = cp.reshape(bounds - 1.0, (1, bounds.shape[0]), order="C")
        self.conditions.append(cp.SOC(bounds + 1.0, cp.vstack([2.0 * columns, last]), axis=0))

    def _activation(self, k: int) -> None:
        """Bounds of p and q at Z_k, the next layer's inputs, and the Bregman distances."""
        cp, split, Z0, Z = self.cp, self.task.split, self.at.Z[k], self.Z[k]
        parts = self.at.parts[k]
        moved = Z - Z0
        p_bound = cp.Variable(Z0.shape)
        q_bound = 0.0 if split.convex else cp.Variable(Z0.shape)
        self.hidden.append(_Hidden(Z, p_bound, q_bound))
        self.dH.append(p_bound - q_bound - self.at.H[k + 1])
        tangent = parts.p + cp.multiply(parts.p_slope, moved)
        self.cost = self.cost + self.weights.convex[k] * cp.sum(p_bound - tangent)
        if not split.convex:
            tangent = parts.q + cp.multiply(parts.q_slope, moved)
            self.cost = self.cost + self.weights.concave[k] * cp.sum(q_bound - tangent)
        if split.name in EPIGRAPHS:
            self.conditions += EPIGRAPHS[split.name](cp, Z, p_bound, q_bound)

    def _limits(self, F: Any, rho: float) -> list[Any]:
        """Hard constraints with slacks, whose penalty is exact once rho is large enough."""
        cp, limits = self.cp, []
        for part in self.task.constraints.parts:
            values = part.expression(cp, F)
            slack = cp.Variable(part.size.size, nonneg=True)
            limits.append(values <= slack)
            if part.equality.any():
                rows = np.flatnonzero(part.equality)
                self.conditions.append(-values[rows] <= slack[rows])
            self.cost = self.cost + rho * cp.sum(slack)
        return limits

    # -- solving -----------------------------------------------------------------------------

    def solve(self) -> str:
        """What the solver said; "failed" when it gave no solution."""
        if self.task.split.name in EPIGRAPHS:
            return self._attempt(self.conditions + self.limits)
        cuts = Cuts(self.task.split, self.at.Z[:-1])
        said = "failed"
        for _ in range(CUT_ROUNDS):
            conditions = self.conditions + self.limits
            for layer, hidden in enumerate(self.hidden):
                conditions += cuts.conditions(self.cp, layer, hidden.Z, hidden.p_bound, False)
                conditions += cuts.conditions(self.cp, layer, hidden.Z, hidden.q_bound, True)
            said = self._attempt(conditions)
            if said == "failed":
                break
            found = [(h.Z.value, h.p_bound.value, h.q_bound.value) for h in self.hidden]
            if not cuts.extend(found):
                break
        return said

    def _attempt(self, conditions: list[Any]) -> str:
        problem = self.cp.Problem(self.cp.Minimize(self.cost), conditions)
        for options in ({"solver": self.cp.CLARABEL}, {"solver": self.cp.SCS, "eps": 1e-7}):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # our own test decides, not the status
                    self.value = float(problem.solve(**options))
            except (self.cp.SolverError, ArithmeticError, ValueError):
                continue
            if np.isfinite(self.value) and all(dW.value is not None for dW in self.dW):
                return f"{options['solver'].lower()} {problem.status}"
        return "failed"

    # -- the solution ------------------------------------------------------------------------

    def layers(self) -> Layers:
        changed = zip(self.centre.weights, self.dW, strict=True)
        return Layers([W0 + dW.value for W0, dW in changed], [b.value for b in self.b])

    def gap(self, layers: Layers, outputs: Array) -> float:
        """Largest violation of the network's equations, relative to the largest pre-activation.

        The outputs count twice: by the last layer's equation, and beside the network's own outputs.
        """
        split, H = self.task.split, self.task.X
        F = self.Z[-1].value
        worst = float(np.abs(F - outputs).max()) / max(1.0, float(np.abs(F).max()))
        for k, (W, b) in enumerate(zip(layers.weights, layers.biases, strict=True)):
            Z = self.Z[k].value
            scale = max(1.0, float(np.abs(Z).max()))
            worst = max(worst, float(np.abs(Z - H @ W - b).max()) / scale)
            if k < layers.n_layers - 1:
                H = self.at.H[k + 1] + self.dH[k + 1].value
                worst = max(worst, float(np.abs(H - split.value(Z)).max()) / scale)
        return worst

    def duals(self) -> Array:
        """Multipliers of the hard constraints."""
        if not self.limits:
            return np.zeros(0)
        return np.concatenate([np.atleast_1d(limit.dual_value).ravel() for limit in self.limits])


def _softplus(cp: Any, Z: Any, p_bound: Any, q_bound: Any) -> list[Any]:
    return [p_bound >= cp.logistic(Z)]


def _relu(cp: Any, Z: Any, p_bound: Any, q_bound: Any) -> list[Any]:
    return [p_bound >= Z, p_bound >= 0]


def _hardtanh(cp: Any, Z: Any, p_bound: Any, q_bound: Any) -> list[Any]:
    return [p_bound >= Z, p_bound >= -1, q_bound >= Z - 1, q_bound >= 0]


def _softsign(cp: Any, Z: Any, p_bound: Any, q_bound: Any) -> list[Any]:
    above, below = cp.Variable(Z.shape, nonneg=True), cp.Variable(Z.shape, nonneg=True)
    return [
        above >= Z,
        below >= -Z,
        p_bound >= above - 1 + cp.inv_pos(1 + above - Z) - Z,
        q_bound >= below - 1 + cp.inv_pos(1 + below + Z),
    ]


EPIGRAPHS: dict[str, Callable[[Any, Any, Any, Any], list[Any]]] = {
    "softplus": _softplus,
    "relu": _relu,
    "hardtanh": _hardtanh,
    "softsign": _softsign,
}
