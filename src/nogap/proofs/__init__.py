"""Proofs: rigorous lower bounds on what every network can reach, as good as the time allows."""

from nogap.proofs.prover import Prover, Verdict, largest_sufficient

__all__ = ["Prover", "Verdict", "largest_sufficient"]
