"""The spline of least norm that interpolates, or that classifies with margins; one input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nogap._typing import Array, ArrayLike, IntArray
from nogap.closed_form.results import interpolation_certificate, interpolation_status
from nogap.closed_form.spline_networks import constant, network_of, neurons_of
from nogap.closed_form.spline_oracle import OneDimensionalOracle
from nogap.closed_form.splines import KnotProgram, Spline
from nogap.contradictions import asks_for_margins
from nogap.formulation import formulate
from nogap.losses import Hinge, Loss, Squared
from nogap.problem import Problem
from nogap.solution import Solution


def least_norm_spline(column: Array, y: ArrayLike, loss: str | Loss) -> Solution:
    """The line from point to point; its dual point is read off the signs of its kinks."""
    problem = formulate(column[:, None], y, beta=1.0, loss=loss, hidden_bias=True)
    margins = asks_for_margins(problem.loss)
    if problem.n_outputs != 1:
        raise ValueError(f"one_dimensional serves one output, y has {problem.n_outputs}")
    problem = replace(problem, loss=Squared(), fit_intercept=True)
    targets = problem.Y[:, 0]
    points, first, index = np.unique(column, return_index=True, return_inverse=True)
    clash = np.flatnonzero(targets[first][index] != targets)
    if clash.size:
        row, other = int(clash[0]), int(first[index[clash[0]]])
        raise ValueError(
            f"no network fits: rows {other} and {row} have the same x, {column[row]:g}, "
            f"and the targets {targets[other]:g} and {targets[row]:g}; use beta > 0"
        )
    if points.size == 1 or (margins and np.ptp(targets) == 0):
        return constant(problem)
    if margins:
        return _least_for_margins(problem, column, points, first)
    spline = Spline(points, targets[first])
    slopes, kinks = spline.slopes, spline.kinks
    total = float(slopes[0] + slopes[-1])
    # the penalty is the larger of two: the signs of the one that counts are its subgradient
    tilted = abs(total) > float(np.abs(kinks).sum())
    by_kink = np.sign(kinks) * (0.5 if tilted else 1.0)
    by_slope = np.append(0.0, by_kink) - np.append(by_kink, 0.0)
    if tilted:
        by_slope[0] += 0.5 * np.sign(total)
        by_slope[-1] += 0.5 * np.sign(total)
    by_slope /= np.diff(points)
    V = np.zeros_like(problem.Y)
    V[first, 0] = np.append(0.0, by_slope) - np.append(by_slope, 0.0)
    return _interpolating(problem, column, spline, V)


def _least_for_margins(problem: Problem, column: Array, points: Array, first: IntArray) -> Solution:
    """The spline with knots where a run of one label ends: within a run it then is a line."""
    labels = problem.Y[first, 0]
    inside = (labels[1:-1] == labels[:-2]) & (labels[1:-1] == labels[2:])
    kept = np.concatenate([[True], ~inside, [True]])
    knots, rows = points[kept], first[kept]
    middle, half = _extent(points)
    scaled = (knots - middle) / half
    few = replace(problem.subset(rows), loss=Hinge(), beta=1.0)
    spline, v = KnotProgram(few, scaled, scaled).least_for_margins()
    sums = np.maximum(v, 0.0).sum(), np.maximum(-v, 0.0).sum()
    v = v * np.where(v > 0, min(sums) / sums[0], min(sums) / sums[1])  # 1'v = 0
    V = np.zeros_like(problem.Y)
    V[rows] = v / half
    return _interpolating(problem, column, Spline(knots, spline.values), V)


def _interpolating(problem: Problem, column: Array, spline: Spline, V: Array) -> Solution:
    """The network of a spline of least norm, and its certificate by the dual point V (n, 1)."""
    middle, half = _extent(spline.knots)
    scaled = Spline((spline.knots - middle) / half, spline.values)
    network = network_of(neurons_of(scaled, problem), middle, half)
    correlation = OneDimensionalOracle(column, middle, half).correlation(V)
    certificate = interpolation_certificate(problem, network.penalty(), V, correlation)
    status = interpolation_status(certificate)
    return Solution(network, certificate.objective, certificate, status)


def _extent(points: Array) -> tuple[float, float]:
    """The middle of sorted points, and half of their extent."""
    return 0.5 * float(points[0] + points[-1]), 0.5 * float(points[-1] - points[0])
