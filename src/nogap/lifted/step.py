"""What an engine says about one convex step."""

from __future__ import annotations

from dataclasses import dataclass

from nogap._typing import Array
from nogap.lifted.layers import Layers


@dataclass(frozen=True)
class Step:
    """The solution of one convex program of the parabolic relaxation, judged by its own test.

    Attributes
    ----------
    layers : Layers
    loss : float
        Of the network's own outputs.
    relaxed : float
        Value of the convex program.
    gap : float
        Largest violation of the network's equations by the program's solution, relative.
    certificate : float
        Largest ratio of the certificate; at most 1 proves that the step is exact.
    exact : bool
        Whether the engine's own test found the step exact.
    solver : str
        What the solver said of itself; never taken as a proof.
    output_gradient : array (n, C)
        Gradient of the loss and of the active constraints in the outputs.
    """

    layers: Layers
    loss: float
    relaxed: float
    gap: float
    certificate: float
    exact: bool
    solver: str
    output_gradient: Array
