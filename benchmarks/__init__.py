"""Comparison of nogap with other ways to train the same network; see benchmarks/README.md."""
