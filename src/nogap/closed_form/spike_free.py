"""Spike-free data: one cone holds every neuron that is ever needed."""

from __future__ import annotations

from typing import Any

import numpy as np

from nogap._typing import Array, ArrayLike
from nogap.certificate import Correlation
from nogap.closed_form import conditions
from nogap.closed_form.results import two_layer
from nogap.formulation import formulate, from_network
from nogap.losses import Loss
from nogap.oracles.patterns import PatternOracle
from nogap.solution import Solution
from nogap.training import train
from nogap.units import ReLU


def spike_free(X: Any, y: ArrayLike, beta: float, *, loss: str | Loss = "squared") -> Solution:
    """Best two-layer ReLU network for spike-free data: a program over one activation pattern.

    ``min L(X (v - w)) + beta (||v|| + ||w||)`` subject to ``X v >= 0`` and ``X w >= 0``.

    Parameters
    ----------
    X : array (n, d)
        Linearly independent rows whose inverse Gram matrix has no positive entry off the diagonal;
        whitened rows are the simplest case.
    y : array (n,)
    beta : float
    loss : str or Loss
        Any smooth loss of one output.

    Returns
    -------
    Solution
        At most two neurons, proved optimal among networks of any width.

    Raises
    ------
    ValueError
        Data that are not spike-free: dependent rows, or the rows whose entry of the inverse Gram
        matrix is positive, and by how much.

    Notes
    -----
    Ergen and Pilanci (JMLR 2021) call X spike-free if ``||X^+ relu(X u)|| <= ||u||`` for all u; the
    test by the inverse Gram matrix is necessary and sufficient for independent rows.

    Examples
    --------
    >>> import numpy as np
    >>> solution = spike_free([[1.0, 0.0], [1.0, 1.0]], [1.0, 2.0], beta=0.1)
    >>> solution.network.n_neurons, str(solution.status)
    (1, 'optimal')
    """
    rows = conditions.dense(X)
    problem = formulate(rows, y, beta=beta, loss=loss)
    excess = conditions.spike_free_excess(rows)
    if problem.n_outputs > 1 or not problem.loss.smooth:
        raise ValueError("spike_free serves one output and a loss with a gradient; use nogap.train")
    one_cell = np.ones((1, rows.shape[0]), dtype=bool)
    trained = train(rows, y, beta=problem.beta, loss=problem.loss, patterns=one_cell, tol=1e-9)
    oracle = PatternOracle(problem.rows, one_cell, kind="exact")

    def correlate(V: Array) -> Correlation:
        return Correlation(oracle.price(V, 1)[1].value * (1 + excess), "exact")

    return two_layer(problem, ReLU(), from_network(problem, trained.network, False), correlate)
