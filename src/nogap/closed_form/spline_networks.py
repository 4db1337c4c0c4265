"""From a linear spline to the network with its least penalty."""

from __future__ import annotations

import numpy as np

from nogap._typing import Array
from nogap.certificate import Correlation, certificate_from_dual
from nogap.closed_form.splines import Spline
from nogap.networks.two_layer import Network
from nogap.problem import Problem
from nogap.solution import Solution, Status
from nogap.solvers.features import Features
from nogap.solvers.neurons import Neurons
from nogap.solvers.refit import refit_sizes

GHOST = 1e-8  # share of the largest kink below which a kink is rounding


def clean(kinks: Array) -> Array:
    """The kinks, with those that are rounding set to zero."""
    real: Array = np.where(np.abs(kinks) > GHOST * np.abs(kinks).max(initial=0.0), kinks, 0.0)
    return real


def neurons_of(spline: Spline, problem: Problem) -> Neurons:
    """Neurons of the spline at the least penalty: ``size * s * relu(+-(x - t))``, and a constant.

    A kink is a neuron that opens to the right or to the left, or two that share it; what opens to
    the right makes up the last slope. Where all kinks together cannot make up that slope, one
    linear neuron pays for the rest.
    """
    kinks, slopes = clean(spline.kinks), spline.slopes
    inner = spline.knots[1:-1]
    # the part of the last slope that kinks can make up: of one sign each
    wanted = float(np.clip(slopes[-1], np.minimum(kinks, 0).sum(), np.maximum(kinks, 0).sum()))
    right = np.where((kinks > 0) == (wanted > 0), kinks, 0.0)
    made = np.cumsum(np.abs(right))
    right = np.sign(right) * np.clip(abs(wanted) - (made - np.abs(right)), 0.0, np.abs(right))
    linear = float(slopes[-1]) - wanted
    places = np.concatenate([inner, inner, spline.knots[:1]])
    sides = np.concatenate([np.ones(inner.size), -np.ones(inner.size), [1.0]])
    weights = np.concatenate([right, kinks - right, [linear]])
    kept = np.abs(weights) > GHOST * np.abs(weights).max(initial=0.0)
    places, sides, weights = places[kept], sides[kept], weights[kept]
    first = weights * np.maximum(sides * (spline.knots[0] - places), 0.0)
    return Neurons(
        directions=np.column_stack([sides, -sides * places]),
        outputs=np.sign(weights)[:, None],
        sizes=np.abs(weights),
        intercept=np.array([spline.values[0] - first.sum()]),
        gate=np.zeros(weights.size, dtype=np.intp),
    )


def features_of(neurons: Neurons, x: Array) -> Array:
    """``relu(+-(x - t))`` of each neuron, (n, m)."""
    sides, offsets = neurons.directions.T
    features: Array = np.maximum(np.multiply.outer(x, sides) + offsets, 0.0)
    return features


def network_of(neurons: Neurons, middle: float, half: float) -> Network:
    """The network on the data's own scale, ``|w_j| = |a_j|``."""
    root = np.sqrt(neurons.sizes / half)  # (x - middle) / half in place of x
    sides, offsets = neurons.directions.T
    return Network(
        (root * sides)[:, None],
        root[:, None] * neurons.outputs,
        root * (half * offsets - sides * middle),
        neurons.intercept,
        free_bias=True,
    )


def constant(problem: Problem) -> Solution:
    """All points coincide: nothing but the intercept can help, and it costs nothing."""
    b = problem.best_intercept(np.zeros_like(problem.Y))
    F = np.zeros_like(problem.Y) + b
    network = Network(np.zeros((0, 1)), np.zeros((0, 1)), np.zeros(0), b, free_bias=True)
    value = problem.loss_value(F)
    V = problem.dual_point(F)
    if not problem.loss.smooth:
        none = Neurons.none(problem)
        features = Features.of_array(problem, np.zeros((F.shape[0], 0)))
        V = refit_sizes(problem, none, features)[1]
    V = problem.feasible_direction(V)
    certificate = certificate_from_dual(problem, value, V, Correlation(0.0, "exact"))
    return Solution(network, value, certificate, Status.OPTIMAL)
