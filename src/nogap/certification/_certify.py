"""``certify``: how far a model from anywhere can be from the global optimum."""

from __future__ import annotations

from typing import Any

from nogap._threads import blas_threads
from nogap._typing import ArrayLike, RandomState
from nogap._validation import check_optional_positive, check_positive, generator
from nogap.certificate import Certificate
from nogap.certification.judges import Method, check_method
from nogap.certification.models import as_network, check_loss, has_intercept, unit_of
from nogap.certification.networks import certify_network
from nogap.certification.predictions import certify_predictions
from nogap.circular import certify_circular
from nogap.formulation import formulate
from nogap.losses import Loss
from nogap.networks.circular import CircularNetwork

SECONDS = 10.0


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
        counts as a penalised ones column, a bias of its output (of a network or an ONNX file, one
        that is not zero) as an intercept, whether or not these flags are set.
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
        bounds only grow with the time. Ctrl-C keeps what was proved so far. The first search comes
        before and goes to its end, since less would claim too much.
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
    >>> from nogap import Network
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
    check_loss(model, loss)
    network, y = as_network(model, y)
    if network is not None:
        hidden_bias = hidden_bias or network.hidden_bias is not None
        fit_intercept = fit_intercept or has_intercept(model, network)
    unit = unit_of(network, X, hidden_bias)
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
            return certify_predictions(problem, model, objective, method, tol, limit, rng)
        return certify_network(problem, network, unit, X, hidden_bias, method, tol, limit, rng)
