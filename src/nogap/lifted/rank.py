"""Sequential convex relaxation with rank constraints (nuclear norms) for ReLU networks.

The network's equations are bilinear; each is equivalent to a rank constraint on a matrix that is
affine in the unknowns, and the rank is replaced by the nuclear norm around the last point (Doelman
and Verhaegen, ECC 2016; Doelman's article of 2019).  The method is a local one: it converges fast
from near a solution and often fails from afar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from nogap._threads import blas_threads
from nogap._typing import Array, ArrayLike, RandomState
from nogap._validation import (
    as_float,
    check_callbacks,
    check_matrix,
    check_optional_count,
    check_optional_positive,
    check_positive,
    check_rows_match,
    generator,
)
from nogap.lifted.layers import check_hidden, starting_layers
from nogap.lifted.rank_program import Centre, Point, RankProgram
from nogap.lifted.sequence import Proposal, run_sequence
from nogap.lifted.solution import LiftedSolution, relative_error, trivial_certificate
from nogap.losses import Squared
from nogap.networks.deep import DeepNetwork
from nogap.solution import Record, Status

RANDOM = 0.05  # spread of the random start
RISE = (1e-4, 1e-6)  # relative and absolute: what the solver's error may raise the penalty by
WINDOW, LITTLE = 10, 1e-6  # stop when so many steps lower the penalty by less than this share
SMALLER, REFUSALS = 0.25, 10  # the scale of the blocks after a rise, at most so often


def rank_constrained(
    X: Any,
    Y: ArrayLike,
    hidden: Sequence[int] = (3,),
    output: str = "linear",
    *,
    start: str | DeepNetwork = "random",
    noise: float | None = None,
    weights: tuple[float, float] = (1.0, 1.0),
    loss_weight: float | None = None,
    recenter: str = "solution",
    tol: float = 1e-7,
    max_iter: int = 50,
    max_time: float | None = None,
    random_state: RandomState = None,
    callbacks: Iterable[Callable[[Record], Any]] | None = None,
) -> LiftedSolution:
    """Fit a deep ReLU network by a sequence of nuclear-norm programs; needs CVXPY.

    Looks for weights whose network has the outputs Y exactly (or nearly, with `loss_weight`).  Each
    step is a convex program around the last point; the network returned is the one whose *forward
    pass* comes closest to Y, since the program's own variables can look much better than it.

    Parameters
    ----------
    X : array (n, d)
    Y : array (n,) or (n, C)
    hidden : sequence of int
        Widths of the hidden layers, at least one.
    output : {"linear", "relu"}
        "relu" puts a ReLU on the outputs and needs Y >= 0.
    start : {"random", "zero"} or DeepNetwork
        The first centre.  From "zero" all hidden units are alike, which rarely leads anywhere.
    noise : float, optional
        Standard deviation of what is added to the start: 0.05 for "random", else 0 when left out.
    weights : (float, float)
        Of the two kinds of nuclear norms: complementarity of the ReLU, and products of the layers.
    loss_weight : float, optional
        Weight of ``||outputs - Y||^2`` for noisy targets; left out, the outputs must equal Y.
    recenter : {"solution", "forward"}
        The next centre: the program's solution, or the forward pass of its weights.
    tol : float
        Violation of the network's equations, ``||H o S||_F + ||C - H W||_F``, at which to stop.
    max_iter : int
        Most steps.
    max_time : float, optional
        Seconds.
    random_state : int, Generator, RandomState or None
        Seeds start and noise.
    callbacks : iterable of callables, optional
        Each gets every :class:`LiftedRecord`; returning True stops the run.

    Returns
    -------
    LiftedSolution
        ``forward_error`` is the judge; in ``history``, ``gap`` is the violation of the equations,
        ``merit`` the exact penalty, and ``relaxed`` the value of the program less its offset.

    Raises
    ------
    ValueError
        Data or parameters that do not fit, in one sentence.
    ImportError
        CVXPY is missing.

    Notes
    -----
    With ``recenter="solution"`` the exact penalty does not rise: a step that raises it is repeated
    with scaled blocks, for which the nuclear norm majorises the penalty.

    Examples
    --------
    >>> import numpy as np
    >>> from nogap import DeepNetwork
    >>> from nogap.lifted import rank_constrained
    >>> x = np.linspace(-2, 2, 5)[:, None]
    >>> near = DeepNetwork([[[1.1, -0.9]], [[0.9], [1.1]]])
    >>> solution = rank_constrained(x, np.abs(x), (2,), start=near, random_state=0)
    >>> solution.forward_error < 1e-5
    True
    """
    X, targets = _checked(X, Y, output)
    widths = (X.shape[1], *check_hidden(hidden), targets.shape[1])
    if recenter not in ("solution", "forward"):
        raise ValueError(f"recenter must be 'solution' or 'forward', got {recenter!r}")
    rng = generator(random_state)
    program = RankProgram(
        X,
        targets,
        widths[1:-1],
        output,
        _check_pair(weights),
        check_optional_positive(loss_weight, "loss_weight"),
    )
    centre, known = _start(X, targets, widths, output, start, noise, rng)
    scheme = RankScheme(program, recenter, check_positive(tol, "tol"))
    count = check_optional_count(max_iter, "max_iter")
    with blas_threads(X.size):
        outcome = run_sequence(
            scheme,
            lambda should_stop: scheme.judge(centre, "start", known),
            max_iter=50 if count is None else count,
            max_time=check_optional_positive(max_time, "max_time"),
            callbacks=check_callbacks(callbacks),
        )
    network = scheme.network(outcome.best.centre.point)
    F = network.decision(X)
    objective = float(Squared().value(F, targets).sum())
    return LiftedSolution(
        network=network,
        objective=objective,
        certificate=trivial_certificate(objective, 0.0, targets.shape),
        status=outcome.status,
        history=list(outcome.history),
        n_iter=outcome.n_accepted,
        forward_error=relative_error(F, targets),
    )


class RankScheme:
    """Centres and the scale of the blocks from one step to the next."""

    def __init__(self, program: RankProgram, recenter: str, tol: float) -> None:
        self.program, self.recenter, self.tol = program, recenter, tol
        self.scale, self.refusals = 1.0, 0
        self._relaxed = np.nan

    def network(self, point: Point) -> DeepNetwork:
        return DeepNetwork(point.W, point.b, "relu", self.program.output)

    def judge(self, centre: Centre, said: str, known: bool = True) -> Proposal[Centre]:
        """Everything on record of a point; an inconsistent start has an infinite penalty."""
        point = centre.point
        F = self.network(point).decision(self.program.X)
        merit = self.program.penalty(point) if known else np.inf
        violation = self.program.product_violation(point) if known else np.inf
        facts = {
            "objective": float(Squared().value(F, self.program.Y).sum()),
            "lower_bound": 0.0,
            "kind": "bound",
            "n_neurons": sum(self.program.widths[1:-1]),
            "merit": merit,
            "relaxed": self._relaxed,
            "gap": violation,
            "exact": violation <= self.tol,
            "damping": self.scale,
            "solver": said,
        }
        return Proposal(centre, merit, True, facts)

    # -- what the loop asks ------------------------------------------------------------------

    def propose(self, centre: Centre, should_stop: Callable[[], bool]) -> Proposal[Centre]:
        point, said = self.program.solve(centre, self.scale)
        if point is None:
            failed = self.judge(centre, said, known=False)
            return Proposal(centre, np.inf, False, failed.facts)
        offset = self.program.offset / self.scale
        self._relaxed = self.program.value(point, centre, self.scale) - offset
        following = _centred(point)
        if self.recenter == "forward":
            at = forward_point(self.program.X, point.W, point.b)
            following = replace(_centred(at), point=point)
        return self.judge(following, said)

    def allowance(self, merit: float) -> float:
        if self.recenter == "forward" or not np.isfinite(merit):
            return np.inf  # the penalty speaks of the solution, the centre is another point
        return RISE[0] * merit + RISE[1]

    def accepted(self, new: Proposal[Centre], old: Proposal[Centre]) -> Proposal[Centre]:
        self.refusals = 0
        return new

    def refused(self, new: Proposal[Centre], old: Proposal[Centre]) -> Status | None:
        self.scale *= SMALLER
        self.refusals += 1
        return Status.STALLED if self.refusals == REFUSALS else None

    def better(self, new: Proposal[Centre], best: Proposal[Centre]) -> bool:
        return bool(new.facts["objective"] < best.facts["objective"])

    def ending(self, merits: list[float], latest: Proposal[Centre]) -> Status | None:
        if latest.facts["exact"] and self.program.loss_weight is None:
            return Status.INTERPOLATED
        if len(merits) <= WINDOW or not np.isfinite(merits[-WINDOW - 1]):
            return None
        before = merits[-WINDOW - 1]
        return Status.STATIONARY if before - merits[-1] <= LITTLE * before else None


def forward_point(X: Array, W: list[Array], b: list[Array]) -> Point:
    """The point of a network's forward pass."""
    H: list[Array] = []
    Z: list[Array] = []
    inputs = X
    for matrix, bias in zip(W, b, strict=True):
        Z.append(inputs @ matrix + bias)
        inputs = np.maximum(Z[-1], 0.0)
        H.append(inputs)
    return Point(W, b, H[:-1], Z)


def _centred(point: Point) -> Centre:
    hidden = range(len(point.H))
    slacks = [np.maximum(point.slack(k), 0.0) for k in hidden]
    return Centre([np.maximum(H, 0.0) for H in point.H], slacks, point.W[1:], point)


def _start(
    X: Array,
    Y: Array,
    widths: tuple[int, ...],
    output: str,
    start: str | DeepNetwork,
    noise: float | None,
    rng: np.random.Generator,
) -> tuple[Centre, bool]:
    """The first centre, zeros or a forward pass with noise, and whether its equations hold."""
    spread = (RANDOM if start == "random" else 0.0) if noise is None else as_float(noise)
    if not 0 <= spread < np.inf:
        raise ValueError(f"noise must be a number of at least 0, got {noise!r}")
    if isinstance(start, str):
        if start not in ("random", "zero"):
            raise ValueError(f"start must be 'random', 'zero' or a DeepNetwork, got {start!r}")
        shapes = list(pairwise(widths))
        W, b = [np.zeros(shape) for shape in shapes], [np.zeros(k) for k in widths[1:]]
    else:
        layers = starting_layers(start, widths[0], widths[-1], "relu")
        W, b = layers.weights, layers.biases
        if tuple(matrix.shape[1] for matrix in W[:-1]) != widths[1:-1]:
            raise ValueError(f"start is {start!r}, but hidden is {widths[1:-1]}")
    point = forward_point(X, W, b)
    # the outputs are those of the program's feasible points, not the network's
    outputs = Y if output == "linear" else np.where(Y > 0, Y, np.minimum(point.Z[-1], 0.0))
    point = Point(W, b, point.H, [*point.Z[:-1], outputs])
    if not spread:
        return _centred(point), not isinstance(start, str)
    centre = _centred(point)
    H, S, noisy = (
        [array + spread * rng.normal(size=array.shape) for array in arrays]
        for arrays in (centre.H, centre.S, W)
    )
    point = Point(noisy, b, point.H, point.Z)
    H, S = ([np.abs(array) for array in arrays] for arrays in (H, S))
    return Centre(H, S, noisy[1:], point), False


def _checked(X: Any, Y: ArrayLike, output: str) -> tuple[Array, Array]:
    X = check_matrix(X)
    if not isinstance(X, np.ndarray):
        raise ValueError("the lifted methods need dense data; pass X.toarray()")
    targets = Squared().encode(Y)
    check_rows_match(X.shape[0], targets)
    if output not in ("linear", "relu"):
        raise ValueError(f"output must be 'linear' or 'relu', got {output!r}")
    if output == "relu" and targets.min() < 0:
        row = int(np.argmin(targets.min(axis=1)))
        raise ValueError(f"output='relu' needs Y >= 0, but row {row} holds {targets.min():g}")
    return np.asarray(X, dtype=np.float64), targets


def _check_pair(weights: Any) -> tuple[float, float]:
    try:
        first, second = weights
    except (TypeError, ValueError):
        raise ValueError(f"weights must be a pair of numbers, got {weights!r}") from None
    return check_positive(first, "weights"), check_positive(second, "weights")
