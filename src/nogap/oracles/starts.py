"""Where a search begins: around the active neurons, and anywhere.

Near the optimum the missing maximisers lie where active neurons already are, or across from them.
The correlations of u and -u differ by ``V' X u`` only, which is small wherever the network has
fitted the linear part, so that -u is often nearly as good as the active u; on tables (digits,
diabetes) a mirrored neuron leads to a violator fifty times as often as any other start.  Elsewhere
it is neurons moved a little that do, or two of them together.  Active neurons themselves are no
starts: they sit on maxima of value beta already.
"""

from __future__ import annotations

import numpy as np

from nogap._typing import Array, IntArray

# Of the starts around active neurons: mirrored, sums of two, differences of two; others are moved.
MIRRORED, SUMS, DIFFERENCES = 0.15, 0.15, 0.3
MOVED = (0.6, 2.0)  # least and most noise for a neuron of norm 1, log-uniform,
MIRROR_MOVED = (0.2, 0.8)  # for its mirror image,
PAIR_MOVED = (0.01, 0.1)  # and for two together
LEAST_SHARE = 0.5  # of the second neuron
BESIDE = (0.1, 0.3)  # noise for a peak of norm 1


def around(active: Array, count: int, rng: np.random.Generator) -> tuple[Array, IntArray]:
    """Starts (count, d) around active neurons (m, d), and which of them each comes from, (count,).

    They are about as long as the neurons.
    """
    mirrored, sums, differences = (int(s * count) for s in (MIRRORED, SUMS, DIFFERENCES))
    first = rng.integers(active.shape[0], size=count)
    U = active[first]
    lengths = np.linalg.norm(U, axis=1, keepdims=True)
    noise = np.full((count, 2), MOVED)
    ends = np.cumsum([mirrored, sums, differences])
    U[: ends[0]] *= -1
    noise[: ends[0]] = MIRROR_MOVED
    other = active[rng.integers(active.shape[0], size=ends[2] - ends[0])]
    other *= rng.uniform(LEAST_SHARE, 1.0, (other.shape[0], 1))
    other[sums:] *= -1
    U[ends[0] : ends[2]] += other
    noise[ends[0] : ends[2]] = PAIR_MOVED
    U *= lengths / np.maximum(np.linalg.norm(U, axis=1, keepdims=True), 1e-300)
    sizes = np.exp(rng.uniform(*np.log(noise).T))[:, None] * lengths
    moves = rng.standard_normal(U.shape)
    return U + moves * (sizes / np.linalg.norm(moves, axis=1, keepdims=True)), first


def beside(peaks: Array, count: int, rng: np.random.Generator) -> Array:
    """``count`` starts beside each of the peaks (k, d), of norm 1, one after the other."""
    U = np.repeat(peaks, count, axis=0)
    moves = rng.standard_normal(U.shape)
    sizes = rng.uniform(*BESIDE, (U.shape[0], 1))
    return U + moves * (sizes / np.linalg.norm(moves, axis=1, keepdims=True))
