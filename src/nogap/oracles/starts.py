"""Where a search begins: around the active neurons, and anywhere.

Near the optimum the missing maximisers lie where active neurons already are, or across from them.
The correlations of u and -u differ by ``V' X u`` only, which is small wherever the network has
fitted the linear part, so that -u is often nearly as good as the active u.  Measured on dual points
late in trainings, most large violations are found from differences of two neurons, from neurons
moved by about their length, and from mirrored ones moved by half of it.  Neurons moved by less lead
back to themselves, to maxima of value beta.
"""

from __future__ import annotations

import numpy as np

from nogap._typing import Array, IntArray

# Of the starts around active neurons: mirrored, sums of two, differences of two; others are moved.
MIRRORED, SUMS, DIFFERENCES = 0.15, 0.15, 0.3
MOVED = (0.6, 2.0)  # least and most noise for a neuron of norm 1, log-uniform,
MIRROR_MOVED = (0.05, 0.8)  # for its mirror image,
PAIR_MOVED = (0.01, 0.1)  # and for two together
LEAST_SHARE = 0.5  # of the second neuron
BESIDE = (0.1, 0.3)  # noise for a peak of norm 1


def around(active: Array, count: int, rng: np.random.Generator) -> tuple[Array, IntArray]:
    """Starts (count, d) around active neurons (m, d), and which of them each comes from, (count,).

    They are as long as the neurons.
    """
    mirrored, sums, differences = (int(s * count) for s in (MIRRORED, SUMS, DIFFERENCES))
    first = rng.integers(active.shape[0], size=count)
    U = active[first]
    lengths = np.linalg.norm(U, axis=1, keepdims=True)
    noise = np.full((count, 2), MOVED)
    ends = np.cumsum([mirrored, sums, differences])
    U[: ends[0]] *= -1
    noise[: ends[0]] = MIRROR_MOVED
    m, pairs = active.shape[0], slice(ends[0], ends[2])
    other = active[(first[pairs] + rng.integers(1, max(m, 2), ends[2] - ends[0])) % m]
    other = _as_long_as(lengths[pairs] * rng.uniform(LEAST_SHARE, 1.0, (len(other), 1)), other)
    other[sums:] *= -1
    U[pairs] += other
    noise[pairs] = PAIR_MOVED
    U = _as_long_as(lengths, U)
    sizes = np.exp(rng.uniform(*np.log(noise).T))[:, None] * lengths
    U += _as_long_as(sizes, rng.standard_normal(U.shape))
    return _as_long_as(lengths, U), first


def _as_long_as(lengths: Array, U: Array) -> Array:
    scaled: Array = U * (lengths / np.maximum(np.linalg.norm(U, axis=1, keepdims=True), 1e-300))
    return scaled


def beside(peaks: Array, count: int, rng: np.random.Generator) -> Array:
    """``count`` starts beside each of the peaks (k, d), of norm 1, one after the other."""
    U = np.repeat(peaks, count, axis=0)
    moves = rng.standard_normal(U.shape)
    return U + _as_long_as(rng.uniform(*BESIDE, (U.shape[0], 1)), moves)
