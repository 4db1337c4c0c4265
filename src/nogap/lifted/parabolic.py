"""Parabolic relaxation: deep networks under hard convex constraints, by exact convex steps.

Around a centre, the bilinear equations of the layers are relaxed to convex quadratic inequalities
and the activations to differences of convex functions; with large enough proximal weights the
relaxation is exact, and the step is a step of the proximal-point method on the true problem
(Zohrizadeh et al., "Convex relaxation for training neural networks"; the certificate is ours).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from nogap._threads import blas_threads
from nogap._typing import ArrayLike, RandomState
from nogap._validation import (
    check_callbacks,
    check_matrix,
    check_optional_count,
    check_optional_positive,
    check_positive,
    check_rows_match,
    check_weights,
    generator,
)
from nogap.lifted.activations import get_split
from nogap.lifted.constraints import OutputConstraint
from nogap.lifted.layers import (
    Layers,
    Task,
    check_hidden,
    forward,
    initial_layers,
    starting_layers,
)
from nogap.lifted.modelled import bind_constraints
from nogap.lifted.parabolic_scheme import ParabolicScheme
from nogap.lifted.sequence import run_sequence
from nogap.lifted.solution import (
    LiftedSolution,
    relative_error,
    trivial_certificate,
    with_constraints,
)
from nogap.lifted.standard_units import Units
from nogap.losses import Loss, get_loss
from nogap.networks.deep import DeepNetwork
from nogap.solution import Record

WARM_UP = 100  # iterations, unless told otherwise

Constraint = OutputConstraint | Callable[[Any], Any]


def parabolic(
    X: Any,
    Y: ArrayLike,
    hidden: Sequence[int] = (6, 6),
    activation: str = "sigmoid",
    *,
    loss: str | Loss = "squared",
    constraints: Iterable[Constraint] | OutputConstraint | None = None,
    engine: str = "auto",
    start: DeepNetwork | None = None,
    warm_up: int | None = None,
    sample_weight: ArrayLike | None = None,
    penalty: float | None = None,
    tol: float = 1e-7,
    max_iter: int = 100,
    max_time: float | None = None,
    random_state: RandomState = None,
    callbacks: Iterable[Callable[[Record], Any]] | None = None,
) -> LiftedSolution:
    """Train a deep network under hard convex constraints on its outputs at the rows of X.

    Every step solves a convex program around the last network and is only taken when it is shown
    to be exact (its solution *is* a network) and when ``loss + penalty * violation`` does not rise.
    The method is local: it finds a good network that meets the constraints, not the global optimum.

    Parameters
    ----------
    X : array (n, d)
    Y : array (n,) or (n, C)
    hidden : sequence of int
        Widths of the hidden layers, at least one.
    activation : {"sigmoid", "tanh", "softplus", "relu", "softsign", "hardtanh"}
        Of the hidden layers; the outputs are linear.
    loss : str or Loss
        As in :func:`nogap.train`; sums over the rows.  "squared" is half the sum of squares.
    constraints : list of constraints, optional
        :class:`ClassErrorBudget`, :class:`Bounds`, :class:`Order`, :class:`Affine`, or functions of
        the outputs (a CVXPY expression (n, C)) that return a convex expression which must be at
        most zero; the latter need ``engine="conic"``.
    engine : {"auto", "prox", "conic"}
        "prox" is fast and needs no modelling library; "conic" is the reference and needs CVXPY.
        "auto" takes "conic" for activations with kinks and constraints written with CVXPY.
    start : DeepNetwork, optional
        Where to start; random weights (He's) when left out.
    warm_up : int, optional
        Iterations of plain L-BFGS on the loss with penalty before the first convex step, followed
        by what it takes to meet the constraints.  It proves nothing, but from a feasible centre
        exact steps stay feasible.  By default 100, and 0 for constraints written with CVXPY.
    sample_weight : array (n,), optional
        Weights of the rows in the loss.  A row of weight zero only bears constraints, which is how
        constraints are set at points without a target.
    penalty : float, optional
        First weight of the violations in the merit.  It grows when the constraints ask for it.
    tol : float
        Stop when a step lowers the merit by less than this, relatively.
    max_iter : int
        Most steps.
    max_time : float, optional
        Seconds after which the best network so far is returned.
    random_state : int, Generator, RandomState or None
        Seeds the start.
    callbacks : iterable of callables, optional
        Each gets every :class:`LiftedRecord`; returning True stops the run.

    Returns
    -------
    LiftedSolution
        ``status`` is CONSTRAINTS_NOT_MET when the network's own outputs break a constraint by more
        than 1e-6 of its size, and ``excess`` says by how much.  See Notes for the sizes.

    Raises
    ------
    ValueError
        Data or parameters that do not fit, in one sentence.
    ImportError
        The conic engine without CVXPY.

    Notes
    -----
    The problem is solved in standard units of the targets (squared and Huber's loss), so that their
    own units do not matter.  The size of a bound is the standard deviation of the targets, or the
    way to the bound on the other side if that is less; that of other affine constraints is the
    deviation of their left-hand side if the outputs varied as the targets do, each alone; that of a
    function, how much it changes under such outputs; that of a budget, the budget or half the range
    of the labels.  Outputs of other losses count as having a deviation of one.

    The relaxation is equation (5), the proximal terms equation (8) of Zohrizadeh et al.; the
    weights are scaled by one backward pass at the centre.

    Examples
    --------
    >>> import numpy as np
    >>> from nogap.lifted import Bounds, parabolic
    >>> x = np.linspace(-2, 2, 9)
    >>> solution = parabolic(
    ...     x[:, None],
    ...     x**2,
    ...     (4,),
    ...     "tanh",
    ...     constraints=[Bounds(0.5, 3.5)],
    ...     max_iter=20,
    ...     random_state=0,
    ... )
    >>> solution.feasible, bool(solution.network.predict(x[:, None]).max() <= 3.5)
    (True, True)
    """
    task, layers, units = _checked(
        X, Y, hidden, activation, loss, constraints, start, sample_weight, random_state
    )
    scheme = ParabolicScheme(
        units.task(task),
        _engine(engine, task),
        check_optional_positive(penalty, "penalty"),
        check_positive(tol, "tol"),
        units,
    )
    count = check_optional_count(max_iter, "max_iter")
    seconds = check_optional_positive(max_time, "max_time")
    iterations = _check_warm_up(warm_up, task)
    with blas_threads(task.X.size):
        outcome = run_sequence(
            scheme,
            lambda should_stop: scheme.start(layers, iterations, should_stop),
            max_iter=100 if count is None else count,
            max_time=seconds,
            callbacks=check_callbacks(callbacks),
        )
    best = units.own(outcome.best.centre)  # judged in the user's units, as it is returned
    F = forward(best, task.X, task.split).outputs
    objective = task.loss_value(F)
    counted = task.weights > 0
    return with_constraints(
        LiftedSolution(
            network=best.network(activation),
            objective=objective,
            certificate=trivial_certificate(objective, task.least_loss(), task.Y.shape),
            status=outcome.status,
            history=list(outcome.history),
            n_iter=outcome.n_accepted,
            excess=task.constraints.excess(F),
            forward_error=relative_error(F[counted], task.Y[counted]),
        )
    )


def _check_warm_up(iterations: Any, task: Task) -> int:
    if iterations is None:
        return 0 if task.constraints.modelled or not task.loss.smooth else WARM_UP
    if not isinstance(iterations, Integral) or isinstance(iterations, bool) or iterations < 0:
        raise ValueError(f"warm_up must be a whole number of at least 0, got {iterations!r}")
    if iterations and (task.constraints.modelled or not task.loss.smooth):
        raise ValueError(
            "constraints written with CVXPY, and losses without gradient, allow no warm_up; set it "
            "to 0"
        )
    return int(iterations)


def _engine(engine: str, task: Task) -> str:
    if engine not in ("auto", "prox", "conic"):
        raise ValueError(f"engine must be 'auto', 'prox' or 'conic', got {engine!r}")
    if engine == "auto":
        needs_conic = task.constraints.modelled or not task.split.smooth
        engine = "conic" if needs_conic else "prox"
    if engine == "prox" and task.constraints.modelled:
        raise ValueError("a constraint written with CVXPY needs engine='conic'")
    if engine == "prox" and not task.split.smooth:
        raise ValueError(
            f"the activation {task.split.name!r} has kinks, where descent stalls; use "
            "engine='conic', or 'softplus'"
        )
    if engine == "prox" and not task.loss.smooth:
        raise ValueError(f"the {task.loss.name} loss has no gradient; use engine='conic'")
    if engine == "conic":
        from nogap.lifted.conic_engine import check_available

        check_available(task.loss)
    return engine


def _checked(
    X: Any,
    Y: ArrayLike,
    hidden: Sequence[int],
    activation: str,
    loss: str | Loss,
    constraints: Any,
    start: DeepNetwork | None,
    sample_weight: ArrayLike | None,
    random_state: RandomState,
) -> tuple[Task, Layers, Units]:
    """The task, the layers to start from in standard units, and these units."""
    X = check_matrix(X)
    if not isinstance(X, np.ndarray):
        raise ValueError("the lifted methods need dense data; pass X.toarray()")
    X = np.asarray(X, dtype=np.float64)
    resolved = get_loss(loss)
    targets = resolved.encode(Y)
    check_rows_match(X.shape[0], targets)
    weights = check_weights(sample_weight, X.shape[0])
    units = Units.of(targets, weights, resolved)
    bound = bind_constraints(constraints, *targets.shape).measured(units.centre, units.spread)
    units = units.reaching(bound)
    task = Task(
        X=X,
        Y=targets,
        loss=resolved,
        weights=weights,
        constraints=bound,
        split=get_split(activation),
    )
    if start is None:
        widths = (X.shape[1], *check_hidden(hidden), targets.shape[1])
        layers = initial_layers(widths, units.task(task).Y, weights, generator(random_state))
        return task, layers, units
    layers = starting_layers(start, task.X.shape[1], targets.shape[1], activation)
    return task, units.standard(layers), units
