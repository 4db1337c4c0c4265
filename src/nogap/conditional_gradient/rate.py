"""The rate that Frank-Wolfe is sure to have."""

from __future__ import annotations

from typing import Any

from nogap._validation import check_optional_count, check_positive
from nogap.rows import largest_singular_value
from nogap.units import ReLU


def frank_wolfe_bound(
    X: Any, delta: float, n_iter: int, *, hidden_bias: bool = False, smoothness: float = 1.0
) -> float:
    """How far above its optimum the loss can be after so many iterates of Frank-Wolfe.

    ``L(f_T) - L* <= 8 S R^2 delta^2 / (T + 1)`` for T >= 2, with S the smoothness of the loss and
    R the largest singular value of X, which no feature ``relu(X u)``, ``||u|| <= 1``, exceeds.

    Parameters
    ----------
    X : array (n, d)
    delta : float
        Largest penalty of the networks.
    n_iter : int
        T, which counts the empty network as the first iterate: a solution's ``n_iter``.
    hidden_bias : bool
    smoothness : float
        Lipschitz constant of the gradient of one sample's loss: 1 for the squared (half the sum of
        squares), squared hinge and Huber losses, 1/4 for the logistic, 1/2 for the multinomial.

    Returns
    -------
    float
        A bound for the steps "standard", "line_search" and "fully_corrective" with an exact oracle.

    Raises
    ------
    ValueError
        Fewer than two iterates: the empty network obeys no such bound.

    Notes
    -----
    The curvature constant of the ball is S times the square of its diameter 2 R delta (Jaggi, ICML
    2013). With R delta in place of the diameter the constant is four times smaller, as it is
    sometimes printed, and false: see the example. For the full sum of squares it is
    ``16 R^2 delta^2 / (T + 1)``.

    Examples
    --------
    >>> from nogap import frank_wolfe
    >>> third = frank_wolfe([[1.0]], [0.999], delta=1.0, max_iter=3).history[2].objective
    >>> proved = frank_wolfe_bound([[1.0]], delta=1.0, n_iter=3)
    >>> round(third, 4), round(proved, 4), round(proved / 4, 4)
    (0.8876, 2.0, 0.5)
    """
    delta = check_positive(delta, "delta")
    smoothness = check_positive(smoothness, "smoothness")
    T = check_optional_count(n_iter, "n_iter")
    if T is None or T < 2:
        raise ValueError(
            f"n_iter must be at least 2, got {n_iter!r}; the first iterate is the empty network, "
            "which obeys no such bound"
        )
    rows = ReLU().rows(X, hidden_bias)
    return 8 * smoothness * (largest_singular_value(rows) * delta) ** 2 / (T + 1)
