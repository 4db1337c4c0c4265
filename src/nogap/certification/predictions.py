"""Certificates of predictions, whose network nobody knows."""

from __future__ import annotations

from typing import Any

import numpy as np

from nogap._validation import as_float, numbers
from nogap.certificate import Certificate
from nogap.certification.judges import Method, answer_of, certify_dual, provable
from nogap.problem import Problem
from nogap.proofs import Prover, Verdict
from nogap.solvers.neurons import Neurons
from nogap.units import ReLU


def certify_predictions(
    problem: Problem,
    predictions: Any,
    objective: float | None,
    method: Method,
    tol: float,
    max_time: float,
    rng: np.random.Generator,
) -> Certificate:
    """The strongest claim about predictions (n,) or (n, C) of a stated objective."""
    if objective is None:
        raise ValueError("predictions alone do not show the penalty: pass objective= as well")
    if not np.isfinite(as_float(objective)):
        raise ValueError(f"objective must be a finite number, got {objective!r}")
    F = numbers(predictions, "predictions")
    F = F[:, None] if F.ndim == 1 else F
    if F.shape != problem.Y.shape:
        raise ValueError(f"predictions have shape {F.shape}, the targets {problem.Y.shape}")
    if not np.all(np.isfinite(F)):
        raise ValueError("predictions hold NaN or infinite values")
    loss = problem.loss_value(F)
    if objective < loss * (1 - 1e-9) and not problem.fit_intercept:
        raise ValueError(
            f"objective is {objective:.6g}, but the loss of the predictions alone is {loss:.6g}; "
            "the objective is that loss and the penalty together"
        )
    if problem.fit_intercept:
        F = F + problem.best_intercept(F)
    V = problem.feasible_direction(problem.dual_point(F))
    certificate = certify_dual(problem, float(objective), V, method, rng)
    if not certificate.proved and method != "search" and provable(problem, ReLU(), method):
        prover = Prover(problem, Neurons.none(problem), tol, max_time, rng)
        proof = prover.prove_at(V, float(objective))
        _refuse_below(proof, float(objective))
        verdict = Verdict(proof, certificate, prover.neurons, float(objective))
        certificate = answer_of(verdict, method, float(objective))
    _refuse_below(certificate, float(objective))
    return certificate


def _refuse_below(certificate: Certificate, objective: float) -> None:
    """No network has an objective below a proved bound."""
    bound = certificate.lower_bound
    if certificate.proved and bound - objective > 1e-9 * abs(bound):
        raise ValueError(
            f"no network has the objective {objective:.6g}: at least {bound:.6g} "
            "is proved; check objective, beta and loss"
        )
