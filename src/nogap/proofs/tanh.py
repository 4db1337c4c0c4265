"""What sign units prove about tanh units.

``tanh(z) = 1/2 int sign(z - t) sech(t)^2 dt``, and ``1/2 sech^2`` has the integral 1: every tanh
neuron, however large its weights, is a mean of sign neurons with a bias.  So no tanh network has a
smaller objective than the best network of sign units with a bias, and for those there is an exact
oracle.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nogap.certificate import Certificate, Correlation, certificate_from_dual
from nogap.oracles.unit_choice import exact_is_cheap_for
from nogap.plans import adaptive_plan
from nogap.problem import EPS, Problem
from nogap.rows import MemoryRows
from nogap.solvers.adaptive import Limits
from nogap.solvers.neurons import Neurons
from nogap.units import Sign


def proof_by_signs(
    problem: Problem, tol: float, max_time: float, rng: np.random.Generator
) -> Certificate:
    """A lower bound on the objective of every tanh network, bounded or not (kind "bound").

    The certificate's objective is that of the sign network.

    Raises
    ------
    ValueError
        Too many cells for the exact oracle of sign units.
    """
    unit, signs = Sign(), _with_bias(problem)
    limits = Limits(tol=tol, max_time=max_time)
    plan = adaptive_plan(signs, unit, limits, rng, exact=True)
    plan = replace(plan, oracles=plan.oracles[-1:], limits=limits)  # every word a proof
    outcome = plan.run_on(signs, []).run(Neurons.none(signs))
    if outcome.certificate.proved:
        return replace(outcome.certificate, kind="bound")
    # the oracle was cut short, or met rounding: what it found is no bound, but this is for any cell
    V = outcome.certificate.dual.reshape(signs.Y.shape)
    largest = float(np.linalg.norm(V, axis=1).sum()) * (1 + 2 * sum(V.shape) * EPS)
    claim = Correlation(largest, "bound")
    return certificate_from_dual(signs, outcome.certificate.objective, V, claim)


def is_cheap(problem: Problem) -> bool:
    """Whether the sign units of the problem have a quick exact oracle."""
    return exact_is_cheap_for(_with_bias(problem).rows, Sign(), problem.n_outputs)


def _with_bias(problem: Problem) -> Problem:
    """The problem on rows that have a ones column."""
    if getattr(problem.rows, "hidden_bias", False):
        return problem
    X = problem.rows.take(np.arange(problem.rows.n))
    return replace(problem, rows=MemoryRows(X, hidden_bias=True))
