"""Losses: value, gradient, curvature, and the conjugate that makes a certificate possible.

Every loss is a sum over samples of a convex function of that sample's outputs.  Arrays are
``(n, C)``; the methods return one figure a sample, so that sample weights and row blocks stay the
caller's business.  The conjugate is ``l*(g; y) = sup_f <g, f> - l(f; y)`` and is infinite outside
its domain; every domain used here is a product over samples of convex sets that hold the
origin, which is why a dual point may be scaled down to become feasible.
"""

from __future__ import annotations

from nogap.losses.base import Loss
from nogap.losses.margins import Hinge, Logistic, SquaredHinge
from nogap.losses.multinomial import Multinomial
from nogap.losses.regression import Huber, Squared

__all__ = [
    "LOSSES",
    "Hinge",
    "Huber",
    "Logistic",
    "Loss",
    "Multinomial",
    "Squared",
    "SquaredHinge",
    "get_loss",
]

LOSSES: dict[str, type[Loss]] = {
    loss.name: loss for loss in (Squared, Logistic, Multinomial, Hinge, SquaredHinge, Huber)
}


def get_loss(loss: str | Loss) -> Loss:
    """The loss of that name, or the object itself when it already is a :class:`Loss`.

    Examples
    --------
    >>> get_loss("huber")
    Huber(delta=1)
    """
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, str) and loss in LOSSES:
        return LOSSES[loss]()
    known = ", ".join(sorted(LOSSES))
    raise ValueError(f"unknown loss {loss!r}; use one of {known}, or a nogap.losses.Loss object")
