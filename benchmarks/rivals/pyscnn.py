"""pyscnn (the ``scnn`` package): augmented Lagrangian over sampled activation patterns."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from benchmarks.problems import Problem
from benchmarks.trajectory import Recorder

COUNTS = (100, 1000)  # gates
MOST_ENTRIES = 100_000_000  # of the dual variables of the cone rows, 2 P n


class TimeOver(Exception):
    """Ends pyscnn's loop, which has a limit on iterations only."""


class Pyscnn:
    """Each number of gates has the whole time limit; at any time the best of them counts.

    The steps are those of ``scnn.optimize.optimize_model`` with its defaults (float32, NumPy
    backend), apart from a callback that notes the network, no metrics, and ``unitize_data=False``:
    columns of different norms would change the penalty.  pyscnn divides the loss by n, so its
    penalty is beta / n.
    """

    name = "pyscnn"
    needs: tuple[str, ...] = ("scnn",)

    def refuses(self, problem: Problem) -> str:
        return ""

    def run(self, problem: Problem, recorder: Recorder) -> str:
        remarks = []
        for count in COUNTS:
            if 2 * count * problem.X.shape[0] > MOST_ENTRIES:
                remarks.append(f"P {count} left out")
                continue
            recorder.begin(f"P {count}", grace=3.0)
            model, done = _optimize(problem, count, recorder)
            if done:
                _note(recorder, model)
                remarks.append(f"P {count} ended by itself after {recorder.elapsed:.2f} s")
        return "; ".join(remarks)


def _optimize(problem: Problem, count: int, recorder: Recorder) -> tuple[Any, bool]:
    """The last convex model, and whether pyscnn ended by itself."""
    from scnn.activations import sample_gate_vectors
    from scnn.metrics import Metrics
    from scnn.models import ConvexReLU
    from scnn.private.interface import (
        build_internal_model,
        build_optimizer,
        get_logger,
        process_data,
        set_device,
    )
    from scnn.regularizers import NeuronGL1
    from scnn.solvers import AL

    logger = get_logger("scnn", False, False, None)
    logging.disable(logging.WARNING)
    set_device("cpu", "float32", recorder.seed)
    n, d = problem.X.shape
    public = ConvexReLU(sample_gate_vectors(recorder.seed, d, count))
    regularizer = NeuronGL1(problem.beta / n)
    train, test, _ = process_data(problem.X, problem.y, None, None, False, False)
    internal = build_internal_model(public, regularizer, train[0])
    silent = Metrics(objective=False, grad_norm=False, time=False)
    procedure = build_optimizer(AL(public, max_primal_iters=10**7), regularizer, silent)

    def callback(model: Any, X: Any, y: Any) -> Any:
        if recorder.due():
            _note(recorder, model)
        if recorder.over():
            raise TimeOver
        return model

    try:
        _, internal, _ = procedure(
            logger, internal, lambda model: model, train, test, ([], [], []), None, callback
        )
    except TimeOver:
        return internal, False
    return internal, True


def _note(recorder: Recorder, model: Any) -> None:
    with recorder.free():
        V, W = np.asarray(model.weights)[:, 0]  # (P, d) each: neurons with outputs 1 and -1
        U = np.vstack([V, W])
        a = np.repeat([1.0, -1.0], V.shape[0])
    recorder.network(U, a)
