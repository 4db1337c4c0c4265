"""The contract of an adapter."""

from __future__ import annotations

from typing import Protocol

from benchmarks.problems import Problem
from benchmarks.trajectory import Recorder


class Rival(Protocol):
    """One way to train the network; one file each."""

    name: str
    needs: tuple[str, ...]  # modules that have to be importable

    def refuses(self, problem: Problem) -> str:
        """Why this problem is not for this rival; empty if it is."""
        ...

    def run(self, problem: Problem, recorder: Recorder) -> str:
        """Train until ``recorder.over()``, note networks where ``recorder.due()``; a remark."""
        ...
