"""The rivals by name; none of their libraries is imported before it runs."""

from __future__ import annotations

from benchmarks.rivals.base import Rival
from benchmarks.rivals.cvxpy_sampled import CvxpySampled
from benchmarks.rivals.nogap import Nogap
from benchmarks.rivals.pyscnn import Pyscnn
from benchmarks.rivals.sklearn_mlp import SklearnMLP
from benchmarks.rivals.torch_adam import TorchAdam
from benchmarks.rivals.torch_lbfgs import TorchLBFGS

RIVALS: dict[str, Rival] = {
    rival.name: rival
    for rival in (Nogap(), TorchAdam(), TorchLBFGS(), SklearnMLP(), CvxpySampled(), Pyscnn())
}

__all__ = ["RIVALS", "Rival"]
