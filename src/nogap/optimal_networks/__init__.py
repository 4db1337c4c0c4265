"""All optimal networks of a problem: their directions, and the polytope of their sizes."""

from nogap.optimal_networks.optimal_set import OptimalSet, optimal_set

__all__ = ["OptimalSet", "optimal_set"]
