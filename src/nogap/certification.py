"""Certificates for networks from anywhere: estimators, PyTorch modules, predictions."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import replace
from os import PathLike
from typing import Any, Literal, get_args

import numpy as np

from nogap._threads import blas_threads
from nogap._typing import Array, ArrayLike, RandomState
from nogap._validation import (
    as_float,
    check_optional_positive,
    check_positive,
    generator,
    numbers,
)
from nogap.certificate import Certificate, about, better, certificate_from_dual
from nogap.circular import certify_circular
from nogap.formulation import formulate, from_network, to_network
from nogap.losses import Loss
from nogap.networks.circular import CircularNetwork
from nogap.networks.convolutional import ConvolutionalNetwork
from nogap.networks.parallel import ParallelNetwork
from nogap.networks.two_layer import Network
from nogap.oracles.base import Oracle
from nogap.oracles.patterns import GatedOracle
from nogap.oracles.sub_network_search import SubNetworkSearch
from nogap.oracles.unit_choice import exact_is_cheap_for, exact_oracle_of, search_oracle_of
from nogap.plans import adaptive_plan
from nogap.problem import Problem
from nogap.proofs import Prover, Verdict, tanh
from nogap.solvers.adaptive import Limits
from nogap.solvers.features import Features
from nogap.solvers.neurons import Neurons
from nogap.solvers.neurons import objective as neurons_objective
from nogap.solvers.refit import refit_sizes
from nogap.units import Convolution, ReLU, Sign, Tanh, ThreeLayer, Unit

Method = Literal["auto", "exact", "bound", "search"]
SEARCH_SEEDS = 500
PATCH_SEARCH_SEEDS = 100  # where a start costs as much as many on single rows
SECONDS = 10.0
WEAK_PROOF = 0.1  # relative gap above which an estimate is the answer, with the proof beside it
MUCH_WEAKER = 2.0  # unless the estimate is little better
NOTICEABLE = 1e-9
MOST_ENTRIES = 3_000_000  # of X, for which a proof is tried without being asked for


def certify(
    model: Any,
    X: Any,
    y: ArrayLike,
    *,
    beta: float,
    loss: str | Loss = "squared",
    hidden_bias: bool = False,
    fit_intercept: bool = False,
    sample_weight: ArrayLike | None = None,
    method: Method = "auto",
    tol: float = 1e-3,
    objective: float | None = None,
    max_time: float | None = None,
    random_state: RandomState = 0,
) -> Certificate:
    """Say how far a trained network is from the global optimum of its training problem.

    Parameters
    ----------
    model : Network, estimator, torch.nn.Module, path or array
        A network; a fitted estimator with ``network_``; a PyTorch module, or the path of an ONNX
        file, of the form Linear-ReLU-Linear; scikit-learn's MLPRegressor or MLPClassifier with one
        hidden ReLU layer; or predictions (n,) or (n, C), with ``objective=``. Convolutional and
        parallel three-layer networks are judged among those of their kind.
    X : array (n, d)
    y : array (n,) or (n, C)
        Targets as :func:`nogap.train` takes them (an estimator's labels are encoded for it).
    beta : float
        Weight of the penalty ``sum_j ||u_j||_2 ||a_j||_2`` for sums over samples. Weight decay
        ``lambda`` on both layers (``lambda / 2 * ||weights||^2`` beside a *sum* of losses) is
        beta = lambda; beside a *mean* of losses it is beta = n * lambda. scikit-learn's
        ``MLPRegressor(alpha=...)`` and ``MLPClassifier`` have beta = alpha, and decay no biases.
    loss, hidden_bias, fit_intercept, sample_weight
        As in :func:`nogap.train`; a classifier needs its own loss named. A hidden bias of the model
        counts as a penalised ones column, a bias of its output as an intercept, whether or not
        these flags are set.
    method : {"auto", "exact", "bound", "search"}
        "exact" settles all activation patterns (one output; of sign units, all cells); "bound"
        proves what the time allows, by branch and bound (of tanh units, by the sign units whose
        means they are); "search" estimates. "auto" takes "exact" where it is cheap, otherwise
        a proof, unless that leaves much more open than an estimate does: then the answer is the
        estimate, with the proof beside it (``proved_lower_bound``).
    tol : float
        Relative gap between the best network met and the lower bound that satisfies.
    objective : float, optional
        Objective of the model, needed for predictions, whose penalty nobody can see.
    max_time : float, optional
        Seconds for branch and bound, and for training on from the network in search of a better
        dual point, where the first bound leaves a relative gap above ``tol``; 10 by default. The
        bounds only grow with the time. Ctrl-C keeps what was proved so far.
    random_state : int, Generator, RandomState or None
        Seeds the search.

    Returns
    -------
    Certificate
        Its ``better_network`` is a network with a smaller objective, if one was met.

    Raises
    ------
    ValueError
        A model of another form, or shapes that do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.column_stack([[-2.0, -1.0, 0.0, 1.0, 2.0], np.ones(5)])
    >>> net = Network([[1.0, 0.0]], [0.5])
    >>> certificate = certify(net, X, [1.0, -1.0, 1.0, 1.0, -1.0], beta=0.1)
    >>> certificate.kind
    'exact'
    """
    if isinstance(model, CircularNetwork):
        if loss != "squared" or hidden_bias or fit_intercept or sample_weight is not None:
            raise ValueError(
                "circular networks are certified for the squared loss, without bias, intercept and "
                "sample weights; leave those out"
            )
        return certify_circular(model, X, y, beta=beta)
    method, rng = check_method(method), generator(random_state)
    limit = check_optional_positive(max_time, "max_time") or SECONDS
    tol = check_positive(tol, "tol")
    _check_loss(model, loss)
    network, y = _as_network(model, y)
    if network is not None:
        hidden_bias = hidden_bias or network.hidden_bias is not None
        fit_intercept = fit_intercept or bool(np.any(network.intercept != 0))
    unit = _unit_of(network, X, hidden_bias)
    problem = formulate(
        X,
        y,
        beta=beta,
        loss=loss,
        hidden_bias=hidden_bias,
        fit_intercept=fit_intercept,
        sample_weight=sample_weight,
        unit=unit,
    )
    with blas_threads(problem.rows.n * problem.rows.d):
        if network is None:
            return _certify_predictions(problem, model, objective, method, tol, limit, rng)
        return _certify_network(problem, network, unit, X, hidden_bias, method, tol, limit, rng)


def check_method(method: Any) -> Method:
    """The method of the dual correlation, or a ValueError."""
    if isinstance(method, str) and method in get_args(Method):
        return method  # type: ignore[return-value]
    raise ValueError(f"method must be 'auto', 'exact', 'bound' or 'search', got {method!r}")


def certify_dual(
    problem: Problem,
    objective: float,
    V: Array,
    method: Method,
    rng: np.random.Generator,
    starts: Array | None = None,
    unit: Unit | None = None,
) -> Certificate:
    """Certificate of a network of ReLU units, or of ``unit``, from a balanced dual point V (n, C).

    ``starts`` (m, d) are the network's own directions, for the search to begin at.
    """
    oracle = judge(problem, ReLU() if unit is None else unit, method, rng)
    _, correlation = oracle.price(V, 10, starts)
    return certificate_from_dual(problem, objective, V, correlation)


def judge(problem: Problem, unit: Unit, method: Method, rng: np.random.Generator) -> Oracle:
    """The oracle whose word on the dual correlation a method takes: exact, or a search."""
    rows = problem.rows
    if _is_exact(problem, unit, method):
        return exact_oracle_of(rows, unit, problem.n_outputs)
    if isinstance(unit, ThreeLayer):
        return SubNetworkSearch(rows, unit, rng, SEARCH_SEEDS)
    seeds = SEARCH_SEEDS if rows.n_positions == 1 else PATCH_SEARCH_SEEDS
    return search_oracle_of(rows, unit, rng, seeds)


def _is_exact(problem: Problem, unit: Unit, method: Method) -> bool:
    return method == "exact" or (
        method == "auto" and exact_is_cheap_for(problem.rows, unit, problem.n_outputs)
    )


def _unit_of(network: Network | ParallelNetwork | None, X: Any, hidden_bias: bool) -> Unit:
    if isinstance(network, ParallelNetwork):
        return network.unit
    if isinstance(network, ConvolutionalNetwork):
        parameters = {**network.unit.parameters, "tied": network.tied}
        return Convolution(**parameters).for_data(X, hidden_bias)
    if network is not None and network.activation == "sign":
        return Sign()
    if network is not None and network.activation == "tanh":
        if network.weight_bound is None:
            raise ValueError(
                "without a bound on its hidden weights no tanh network is optimal; rebuild the "
                "network with weight_bound= to have it judged among those within the bound"
            )
        return Tanh(network.weight_bound)
    return ReLU()


def _certify_network(
    problem: Problem,
    network: Network,
    unit: Unit,
    X: Any,
    hidden_bias: bool,
    method: Method,
    tol: float,
    max_time: float,
    rng: np.random.Generator,
) -> Certificate:
    F = network.decision(X)
    if F.shape[1] != problem.n_outputs:
        raise ValueError(f"the network has {F.shape[1]} outputs, y has {problem.n_outputs}")
    value = problem.loss_value(F) + problem.beta * network.penalty()
    neurons = from_network(problem, network, hidden_bias, unit)
    # any V gives a bound; the one of the best output weights is usually better than the gradient
    points = [refit_sizes(problem, neurons, _unit_features(problem, network, unit, X))[1]]
    if problem.loss.smooth:
        points.insert(0, problem.dual_point(F))
    points = [problem.feasible_direction(V) for V in points]
    if network.activation in ("linear", "gated") and not isinstance(unit, Convolution):
        return _strongest(_closed_form(problem, network, value, V) for V in points)
    certificates = [
        certify_dual(problem, value, V, method, rng, neurons.directions, unit) for V in points
    ]
    first = _strongest(certificates)
    if (
        _is_exact(problem, unit, method)
        or method == "search"
        or not _provable(problem, unit, method)
    ):
        if first.relative_gap <= tol:
            return first
        trained = _trained_on(problem, unit, neurons, first, method, tol, max_time, rng)
        best, value, further = trained
        answer = better(about(further, first.objective), first) if first.proved else further
    elif isinstance(unit, Tanh):
        verdict = _between_signs(problem, unit, neurons, first, method, tol, max_time, rng)
        best, value = verdict.neurons, verdict.value
        answer = _answer(verdict, method, first.objective)
    else:
        prover = Prover(problem, neurons, tol, max_time, rng, unit)
        verdict = prover.run(points, first)
        best, value = verdict.neurons, verdict.value
        answer = _answer(verdict, method, first.objective)
    # the correlation is the network's own, whichever dual point gave the bound
    answer = replace(
        about(answer, first.objective), dual_correlation=certificates[0].dual_correlation
    )
    return _with_better(answer, problem, unit, best, value, hidden_bias)


def _provable(problem: Problem, unit: Unit, method: Method) -> bool:
    if isinstance(unit, Sign | ThreeLayer):
        if method == "bound":
            raise ValueError(
                "branch and bound serves two-layer ReLU networks; use method='exact' or 'search' "
                "for sign units and three-layer networks"
            )
        return False
    if isinstance(unit, Convolution):
        return method == "bound"
    if isinstance(unit, Tanh):
        return method == "bound" or tanh.is_cheap(problem)
    return method == "bound" or problem.rows.n * problem.rows.d <= MOST_ENTRIES


def _answer(verdict: Verdict, method: Method, objective: float) -> Certificate:
    """The proof, or the estimate with the proof beside it where the proof says little."""
    proof, estimate = verdict.proof, verdict.estimate
    # a bad network leaves much open whatever is proved: what counts is the best one known
    open_by_proof, open_by_estimate = (
        about(one, verdict.value).relative_gap for one in (proof, estimate)
    )
    if method == "bound" or open_by_proof <= max(WEAK_PROOF, MUCH_WEAKER * open_by_estimate):
        return about(proof, objective)
    return replace(about(estimate, objective), proved_lower_bound=proof.lower_bound)


def _with_better(
    certificate: Certificate,
    problem: Problem,
    unit: Unit,
    neurons: Neurons,
    value: float,
    hidden_bias: bool,
) -> Certificate:
    """The certificate with the better network, unless it is only better by rounding."""
    if not value < certificate.objective - NOTICEABLE * abs(certificate.objective):
        return certificate
    network = to_network(problem, unit, neurons, hidden_bias)
    return replace(certificate, better_network=network, better_objective=value)


def _strongest(certificates: Iterable[Certificate]) -> Certificate:
    return functools.reduce(better, certificates)


def _unit_features(problem: Problem, network: Network, unit: Unit, X: Any) -> Features:
    """Features of the neurons that :func:`from_network` keeps, for hidden weights of norm 1."""
    if isinstance(unit, Convolution | ThreeLayer) or not unit.homogeneous:
        neurons = from_network(problem, network, getattr(problem.rows, "hidden_bias", False), unit)
        return Features(problem, unit, neurons)
    hidden = np.linalg.norm(network.augmented_weights(), axis=1)
    alive = (hidden > 0) & (np.linalg.norm(network.output_weights, axis=1) > 0)
    return Features.of_array(problem, network.features(X)[:, alive] / hidden[alive])


def _trained_on(
    problem: Problem,
    unit: Unit,
    start: Neurons,
    first: Certificate,
    method: Method,
    tol: float,
    max_time: float,
    rng: np.random.Generator,
) -> tuple[Neurons, float, Certificate]:
    """A better dual point by training on from the network: the bound holds for every network.

    The first certificate where the time was too short for one search.
    """
    limits = Limits(tol=tol, max_time=max_time)
    plan = adaptive_plan(problem, unit, limits, rng, exact=_is_exact(problem, unit, method))
    outcome = plan.run_on(problem, []).run(start)
    value = neurons_objective(problem, unit, outcome.neurons)
    return outcome.neurons, value, first if outcome.hasty else outcome.certificate


def _between_signs(
    problem: Problem,
    unit: Tanh,
    start: Neurons,
    first: Certificate,
    method: Method,
    tol: float,
    max_time: float,
    rng: np.random.Generator,
) -> Verdict:
    """Half the time for a better tanh network, half for what sign units prove about all of them."""
    half = 0.5 * max_time
    best, value, estimate = _trained_on(problem, unit, start, first, method, tol, half, rng)
    proof = tanh.proof_by_signs(problem, tol, half, rng)
    return Verdict(proof, estimate, best, value)


def _closed_form(problem: Problem, network: Network, value: float, V: Array) -> Certificate:
    """Linear and gated networks: a largest singular value settles the correlation.

    A gated network is judged among the networks with the gates it has.
    """
    X = problem.rows.take(np.arange(problem.rows.n))
    if network.gates is None:
        patterns = np.ones((1, problem.rows.n), dtype=bool)
    else:
        d = network.n_features_in
        H = X[:, :d] @ network.gates.T
        if network.gate_bias is not None:
            H = H + network.gate_bias
        patterns = np.unique((H >= 0).T, axis=0)
    _, correlation = GatedOracle(problem.rows, patterns).price(V, 1)
    return certificate_from_dual(problem, value, V, correlation)


def _certify_predictions(
    problem: Problem,
    predictions: Any,
    objective: float | None,
    method: Method,
    tol: float,
    max_time: float,
    rng: np.random.Generator,
) -> Certificate:
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
    if problem.fit_intercept:
        F = F + problem.best_intercept(F)
    V = problem.feasible_direction(problem.dual_point(F))
    certificate = certify_dual(problem, float(objective), V, method, rng)
    if not certificate.proved and method != "search" and _provable(problem, ReLU(), method):
        prover = Prover(problem, Neurons.none(problem), tol, max_time, rng)
        proof = prover.prove_at(V, float(objective))
        verdict = Verdict(proof, certificate, prover.neurons, float(objective))
        certificate = _answer(verdict, method, float(objective))
    if certificate.proved and certificate.gap < -1e-9 * abs(certificate.lower_bound):
        raise ValueError(
            f"no network has the objective {objective:.6g}: at least {certificate.lower_bound:.6g} "
            "is proved; check objective, beta and loss"
        )
    return certificate


def _check_loss(model: Any, loss: str | Loss) -> None:
    """Refuse to judge a classifier by the default loss, with which it was not trained."""
    classes = getattr(model, "classes_", None)
    if classes is None or getattr(loss, "name", loss) != "squared":
        return
    own = getattr(model, "_training_loss", None)
    trained = own() if own else "logistic" if len(classes) == 2 else "multinomial"
    raise ValueError(
        f"the {type(model).__name__} was trained with the {trained} loss, and would be judged by "
        f"the squared loss: pass loss={trained!r}"
    )


def _as_network(model: Any, y: Any) -> tuple[Any, Any]:
    """The model as a network (None for predictions), and targets as the loss wants them."""
    if isinstance(model, Network | ParallelNetwork):
        return model, y
    if isinstance(getattr(model, "network_", None), Network):
        encode = getattr(model, "encode_targets", None)
        return model.network_, y if encode is None else encode(y)
    if hasattr(model, "state_dict") and hasattr(model, "modules"):
        from nogap.exchange.imports import from_torch

        return from_torch(model), y
    if hasattr(model, "n_layers_") or type(model).__name__ in ("MLPRegressor", "MLPClassifier"):
        from nogap.exchange.imports import from_sklearn

        return from_sklearn(model, y)
    if isinstance(model, str | PathLike) and str(model).endswith(".onnx"):
        from nogap.exchange.imports import from_onnx

        return from_onnx(model), y
    if isinstance(model, np.ndarray | list | tuple):
        return None, y
    raise ValueError(
        f"cannot certify a {type(model).__name__}: pass a Network, a fitted estimator, a "
        "Linear-ReLU-Linear torch module or .onnx file, a scikit-learn MLP with one hidden layer, "
        "or predictions with objective="
    )
