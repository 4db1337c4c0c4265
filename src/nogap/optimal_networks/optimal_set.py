"""Every optimal network of a training problem, up to permutation and splitting of neurons."""

from __future__ import annotations

from typing import Any

import numpy as np

from nogap._typing import Array, ArrayLike, BoolArray, RandomState
from nogap._validation import check_optional_count, generator
from nogap.formulation import formulate, from_network, to_network
from nogap.losses import Logistic, Loss, Squared
from nogap.networks.two_layer import Network
from nogap.optimal_networks.directions import ActiveCells, active_cells
from nogap.optimal_networks.polytope import ZERO, Polytope
from nogap.pattern_choice import dense_rows
from nogap.patterns import enumerate_patterns
from nogap.patterns.enumerate import TooManyPatternsError
from nogap.problem import Problem
from nogap.solution import Solution
from nogap.solvers.features import Features
from nogap.solvers.kink_newton import kink_newton
from nogap.solvers.neurons import Neurons, outputs
from nogap.solvers.refit import refit_sizes
from nogap.training import train
from nogap.units import ReLU

TRAINING_TOLERANCE = 1e-9
ACTIVE = 1e-6  # relative distance to beta at which a correlation counts as attaining it
NEEDED_GAP = 1e-6  # relative gap of a solution, and agreement of its objective with the problem
MOST_CELLS = 1_000_000  # a few minutes
MOST_BYTES = 1 << 34  # of the list of patterns
SAME = 1e-4  # default tolerance of membership


def optimal_set(
    X: Any,
    y: ArrayLike,
    *,
    beta: float,
    loss: str | Loss = "squared",
    hidden_bias: bool = False,
    solution: Solution | None = None,
    random_state: RandomState = 0,
) -> OptimalSet:
    """All optimal two-layer ReLU networks of a training problem.

    Parameters
    ----------
    X : array (n, d)
        Few enough rows to list all activation patterns, a million at most: 200 in three dimensions
        take seconds.
    y : array (n,)
        One output.
    beta : float
    loss : str or Loss
        "squared" or "logistic": a strictly convex loss, whose optimal predictions are unique.
    hidden_bias : bool
        As in :func:`nogap.train`.
    solution : Solution, optional
        An optimal solution of the same problem; trained here when None.
    random_state : int, Generator, RandomState or None

    Returns
    -------
    OptimalSet

    Raises
    ------
    ValueError
        A loss with several optimal predictions, several outputs, too many activation patterns, or
        a solution with a gap or of another problem.

    Notes
    -----
    Optimal predictions f* and the dual point v* are unique. An optimal neuron attains the dual
    correlation beta, each cell of the arrangement has at most one direction that does, and the
    optimal networks are the points of ``{a >= 0: sum_k a_k s_k relu(X u_k) = f*}``; their penalties
    are all equal. Wang, Ergen and Pilanci (2022); Mishkin and Pilanci, "Optimal sets and solution
    paths of ReLU networks" (ICML 2023). A correlation within 1e-6 of beta counts as attaining it.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> found = optimal_set(X, [1.0, 1.0, 2.0], beta=0.1)
    >>> found.is_unique(), found.minimal().n_neurons
    (True, 1)
    """
    problem = formulate(X, y, beta=beta, loss=loss, hidden_bias=hidden_bias)
    if not isinstance(problem.loss, Squared | Logistic):
        raise ValueError(
            f"the loss {problem.loss.name} may have several optimal predictions; the optimal set "
            "is found for the squared and the logistic loss"
        )
    if problem.n_outputs != 1:
        raise ValueError(f"optimal_set serves one output, y has {problem.n_outputs}")
    rows = dense_rows(problem)
    patterns = _all_patterns(rows)
    if solution is not None:
        _check_solution(problem, solution, hidden_bias)
    else:
        solution = train(
            X,
            y,
            beta=beta,
            loss=loss,
            patterns="all",
            hidden_bias=hidden_bias,
            tol=TRAINING_TOLERANCE,
            random_state=random_state,
        )
        gap = solution.certificate.relative_gap
        if not gap <= NEEDED_GAP:
            raise ValueError(
                f"training within optimal_set fell short of the optimum: it ended with status "
                f"{solution.status} at a relative gap of {gap:.2g}, where {NEEDED_GAP:g} is "
                "needed; try a larger beta, or pass a solution= with a smaller gap"
            )
    v = _dual_point(problem, from_network(problem, solution.network, hidden_bias))
    cells = active_cells(rows, v, patterns, problem.beta, ACTIVE)
    return OptimalSet(problem, rows, cells, hidden_bias)


def _all_patterns(rows: Array) -> BoolArray:
    """The list of cells, before any training, so that what is too large is refused at once."""
    most = max(1, min(MOST_CELLS, MOST_BYTES // rows.shape[0]))
    try:
        return enumerate_patterns(rows, max_patterns=most)
    except TooManyPatternsError as error:
        raise ValueError(
            f"optimal_set goes through all activation patterns, {most:,} at most, and these "
            f"{rows.shape[0]:,} rows have {error.cells}; take fewer rows or columns"
        ) from None


def _check_solution(problem: Problem, solution: Any, hidden_bias: bool) -> None:
    """Refuse what is no solution of this very problem, or has a gap."""
    if not isinstance(solution, Solution):
        raise ValueError(
            f"solution must be what nogap.train returned, or None, got {type(solution).__name__}"
        )
    network: Any = solution.network
    if not isinstance(network, Network) or network.activation != "relu":
        raise ValueError("the solution must hold a two-layer ReLU network")
    if not np.isclose(solution.certificate.beta, problem.beta, rtol=1e-12):
        raise ValueError(
            f"the solution is for beta = {solution.certificate.beta:g}, and beta is "
            f"{problem.beta:g} here; pass the beta that it was trained with"
        )
    biased = network.hidden_bias is not None
    if (network.n_neurons and biased != hidden_bias) or network.intercept.any():
        has = "hidden biases" if biased else "no hidden biases"
        raise ValueError(
            f"the network of the solution has {has} and the intercept "
            f"{network.intercept[0]:g}, and this problem has hidden_bias={hidden_bias} and none"
        )
    neurons = from_network(problem, network, hidden_bias)
    F = outputs(problem, ReLU(), neurons)
    value = problem.loss_value(F) + problem.beta * float(neurons.sizes.sum())
    if not np.isclose(value, solution.objective, rtol=NEEDED_GAP, atol=0.0):
        raise ValueError(
            f"the solution is of another problem: it states the objective {solution.objective:.8g}"
            f", and on this X, y and loss its network has {value:.8g}"
        )
    gap = solution.certificate.relative_gap
    if not gap <= NEEDED_GAP:
        raise ValueError(
            f"the solution has a relative gap of {gap:.2g} and says little of the optimum; train "
            f"it to {NEEDED_GAP:g}"
        )


def _dual_point(problem: Problem, neurons: Neurons) -> Array:
    """V (n,) to the last digits: an error in it moves every direction by as much."""
    polished = kink_newton(problem, neurons)
    return problem.dual_point(outputs(problem, ReLU(), polished))[:, 0]


def _as_neurons(directions: Array, signs: Array, sizes: Array) -> Neurons:
    gate = np.zeros(signs.size, dtype=np.intp)
    return Neurons(directions, signs[:, None], sizes, np.zeros(1), gate)


class OptimalSet:
    """The optimal networks of one problem: directions, and a polytope of sizes.

    Attributes
    ----------
    directions : array (m, d)
        Unit hidden weights (with the bias as a last column, if there is one) that optimal neurons
        can have.
    signs : array (m,)
        Sign of the output weight of each.
    features : array (n, m)
        ``s_k relu(X u_k)``.
    fit : array (n,)
        The optimal predictions f*.
    dual : array (n,)
        v*; ``features' v* = beta``.
    penalty : float
        ``sum_k a_k``, the same for all optimal networks.
    """

    def __init__(
        self, problem: Problem, rows: Array, cells: ActiveCells, hidden_bias: bool
    ) -> None:
        self.problem, self.hidden_bias = problem, hidden_bias
        self.directions, self.signs = cells.directions, cells.signs
        features = np.maximum(rows @ self.directions.T, 0.0)
        neurons = _as_neurons(self.directions, self.signs, np.ones(self.signs.size))
        fitted, V = refit_sizes(problem, neurons, Features.of_array(problem, features))
        self.features = features * self.signs
        self.fit: Array = self.features @ fitted.sizes
        self.dual: Array = V[:, 0]
        self.polytope = Polytope(self.features, self.fit)

    @property
    def penalty(self) -> float:
        return self.polytope.total

    @property
    def objective(self) -> float:
        """The optimal value."""
        loss = self.problem.loss_value(self.fit[:, None])
        return loss + self.problem.beta * self.penalty

    # -- which networks ----------------------------------------------------------------------

    def is_unique(self) -> bool:
        """Whether there is one optimal network, up to permutation and splitting of neurons."""
        return self.polytope.is_point

    def ranges(self) -> tuple[Array, Array]:
        """Least and largest size of each neuron over all optimal networks, (m,) each.

        A neuron whose least size is positive is in every optimal network.
        """
        return self.polytope.ranges

    def minimal(self) -> Network:
        """An optimal network with the fewest neurons."""
        return self.network(self.polytope.sparsest())

    def largest(self) -> Network:
        """An optimal network with every neuron that an optimal network can have."""
        return self.network(self.polytope.centre)

    def vertices(self, max_vertices: int = 1000) -> list[Network]:
        """Networks whose features are linearly independent; all others are mixtures of these.

        Parameters
        ----------
        max_vertices : int
            Stop when so many are found.
        """
        most = check_optional_count(max_vertices, "max_vertices")
        assert most is not None or max_vertices is None
        return [self.network(a) for a in self.polytope.vertices(most or 1000)]

    def sample(self, random_state: RandomState = None) -> Network:
        """A random optimal network (hit-and-run, uniform in the limit of many steps)."""
        return self.network(self.polytope.random(generator(random_state)))

    # -- to and from sizes -------------------------------------------------------------------

    def network(self, sizes: ArrayLike) -> Network:
        """The network of given sizes a (m,); a mixture of optimal sizes is optimal."""
        a = np.asarray(sizes, dtype=np.float64)
        if a.shape != self.signs.shape or not np.all(np.isfinite(a)) or np.any(a < 0):
            raise ValueError(f"sizes must be {self.signs.size} non-negative numbers")
        used = a > 0
        neurons = _as_neurons(self.directions[used], self.signs[used], a[used])
        return to_network(self.problem, ReLU(), neurons, self.hidden_bias)

    def sizes(self, network: Network, tolerance: float = SAME) -> Array | None:
        """The sizes a (m,) of a network, or None where a neuron has none of the directions.

        Neurons whose unit hidden weights lie within ``tolerance`` of a direction count as that.
        """
        U, A = network.augmented_weights(), network.output_weights
        if U.shape[1] != self.directions.shape[1] or A.shape[1] != 1 or network.intercept.any():
            return None
        hidden = np.linalg.norm(U, axis=1)
        a = np.zeros(self.signs.size)
        for u, norm, out in zip(U, hidden, A[:, 0], strict=True):
            size = norm * abs(out)
            if size <= ZERO * self.penalty:
                continue
            apart = np.linalg.norm(self.directions - u / norm, axis=1)
            apart[self.signs != np.sign(out)] = np.inf
            if np.min(apart, initial=np.inf) > tolerance:
                return None
            a[np.argmin(apart)] += size
        return a

    def contains(self, network: Network, tolerance: float = SAME) -> bool:
        """Whether a network is optimal: its neurons may be in any order, and split.

        Parameters
        ----------
        network : Network
        tolerance : float
            Largest distance of unit hidden weights to an optimal direction, and largest error of
            the predictions relative to their norm. What a descent leaves is about the square root
            of its relative gap.
        """
        a = self.sizes(network, tolerance)
        return a is not None and self.polytope.holds(a, tolerance)

    def __repr__(self) -> str:
        dimension = self.polytope.null.shape[1]
        unique = "one network" if self.is_unique() else f"at most {dimension} dimensions"
        return f"OptimalSet({self.signs.size} neurons, {unique}, objective {self.objective:.6g})"
