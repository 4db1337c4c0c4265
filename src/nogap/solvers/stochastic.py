"""A stochastic descent for the start on very many rows: Adam (Kingma and Ba 2015) on batches.

Far from the optimum a batch of samples says as well as all of them where to go, and the cost of one
step of L-BFGS on ten thousand images pays for eighty of these.  In coordinates in which the
objective bends alike in all directions one rate suits all weights; it falls to zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from nogap._typing import Array
from nogap.problem import Problem
from nogap.solvers.coordinates import Coordinates
from nogap.solvers.neurons import Neurons
from nogap.solvers.neurons import objective as value_of
from nogap.solvers.slide import WeightDecay, neurons_of, weights_of
from nogap.solvers.smoothing import smoothed
from nogap.units import Unit

BATCH, PATCH_BATCH = 256, 128  # samples, of one row and of many patches
VISITS = 102_400  # of samples, in all
SAMPLE = 500  # whose objective is taken for that of all
RATE = 0.2  # of the root of the objective per weight, which is what coordinates are measured in
MEMORIES = (0.9, 0.999)  # of the means of gradients and of their squares


def stochastic_descent(
    problem: Problem,
    unit: Unit,
    neurons: Neurons,
    rng: np.random.Generator,
    should_stop: Callable[[], bool] = lambda: False,
    *,
    single: bool = False,
    visits: int = VISITS,
) -> Neurons:
    """Neurons after steps on batches of so many samples in all, in float32 if ``single``."""
    if neurons.count == 0:
        return neurons
    size = BATCH if problem.rows.n_positions == 1 else PATCH_BATCH
    n_steps = visits // size
    problem = smoothed(problem)
    at = Coordinates(problem, unit, neurons)
    sample = problem.sampled(rng, SAMPLE)
    first = value_of(sample, unit, neurons) * problem.rows.n / sample.rows.n
    problem = problem.in_single_precision() if single else problem
    z = at.of(weights_of(neurons, problem))
    largest = RATE * np.sqrt(first / z.size)
    mean, square = np.zeros_like(z), np.zeros_like(z)
    for step, index in enumerate(_batches(problem.rows.n, size, n_steps, rng)):
        if should_stop():
            break
        weight = problem.rows.n / index.size
        batch = replace(problem.subset(index), beta=problem.beta / weight)
        _, gradient = at.seen_by(WeightDecay(batch, unit, neurons))(z)
        kind = z.dtype.type
        gradient *= kind(weight)
        mean += kind(1 - MEMORIES[0]) * (gradient - mean)
        square += kind(1 - MEMORIES[1]) * (gradient**2 - square)
        corrections = [1 - memory ** (step + 1) for memory in MEMORIES]
        rate = largest * (1 - step / n_steps) / corrections[0]
        z = z - kind(rate) * mean / (np.sqrt(square / kind(corrections[1])) + kind(1e-8))
    return neurons_of(at.weights(z), problem, unit, neurons)


def _batches(n: int, size: int, count: int, rng: np.random.Generator) -> list[Array]:
    """Indices of that many batches: every sample once before any comes again."""
    each = -(-n // size)
    rounds = [np.array_split(rng.permutation(n), each) for _ in range(-(-count // each))]
    return [np.sort(index) for one in rounds for index in one][:count]
