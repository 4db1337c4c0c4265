"""The largest useful penalty: from beta_max on, the best network is empty."""

from __future__ import annotations

from typing import Any

import numpy as np

from nogap._typing import ArrayLike, RandomState
from nogap._validation import generator
from nogap.certificate import Kind
from nogap.certification import Method, check_method, judge
from nogap.formulation import formulate
from nogap.losses import Loss
from nogap.solvers.features import Features
from nogap.solvers.neurons import Neurons
from nogap.solvers.refit import refit_sizes
from nogap.units import GatedReLU, Linear, Unit, get_unit


class BetaMax(float):
    """A float that remembers how it was obtained.

    Attributes
    ----------
    kind : {"exact", "bound", "search"}
        "bound": the true value may be smaller. "search": it may be larger; for the hinge loss with
        an intercept it may be smaller, because the figure belongs to one of many dual points.
    """

    kind: Kind

    def __new__(cls, value: float, kind: Kind) -> BetaMax:
        self = super().__new__(cls, value)
        self.kind = kind
        return self

    def __getnewargs__(self) -> tuple[float, Kind]:  # type: ignore[override]
        return float(self), self.kind


def beta_max(
    X: Any,
    y: ArrayLike,
    loss: str | Loss = "squared",
    *,
    hidden_bias: bool = False,
    fit_intercept: bool = False,
    sample_weight: ArrayLike | None = None,
    unit: str | Unit = "relu",
    method: Method = "auto",
    random_state: RandomState = 0,
) -> BetaMax:
    """Smallest beta at which the empty network (the best constant, with an intercept) is optimal.

    It is the dual correlation q(V) at the empty network.

    Parameters
    ----------
    X : array (n, d)
    y : array (n,) or (n, C)
    loss, hidden_bias, fit_intercept, sample_weight
        As in :func:`nogap.train`; losses that have a gradient.
    unit : str or Unit
        "relu", a :class:`nogap.units.Convolution` or a :class:`nogap.units.ThreeLayer`.
    method : {"auto", "exact", "search"}
        As in :func:`nogap.certify`.
    random_state : int, Generator, RandomState or None

    Returns
    -------
    BetaMax
        A float with an attribute ``kind``: "exact", or "search" (an estimate: see
        :class:`BetaMax` for which way it can be off).

    Examples
    --------
    >>> value = beta_max([[-1.0], [2.0]], [1.0, 3.0])
    >>> float(value), value.kind
    (6.0, 'exact')
    """
    method, rng = check_method(method), generator(random_state)
    if method == "bound":
        raise ValueError("beta_max has no method 'bound'; use 'auto', 'exact' or 'search'")
    resolved = get_unit(unit).for_data(X, hidden_bias)
    if isinstance(resolved, GatedReLU | Linear):
        raise ValueError(f"beta_max serves ReLU units and convolutions, not {resolved!r}")
    problem = formulate(
        X,
        y,
        beta=1.0,
        loss=loss,
        hidden_bias=hidden_bias,
        fit_intercept=fit_intercept,
        sample_weight=sample_weight,
        unit=resolved,
    )
    empty = Neurons.none(problem, resolved)
    F = np.zeros_like(problem.Y) + empty.intercept
    if problem.loss.smooth or not fit_intercept:
        V = problem.dual_point(F)
    else:
        V = refit_sizes(problem, empty, Features(problem, resolved, empty))[1]
    V = problem.feasible_direction(V)
    oracle = judge(problem, resolved, method, rng)
    found, correlation = oracle.price(V, 1)
    # with an intercept the hinge loss has many dual points there; this is one of them
    unique = problem.loss.smooth or not fit_intercept
    # a bound is what the network is surely empty from; otherwise the largest that was attained
    value = correlation.value if correlation.kind == "bound" else found.best
    return BetaMax(value, correlation.kind if unique else "search")
