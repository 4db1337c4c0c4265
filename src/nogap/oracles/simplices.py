"""Simplicial cones, spanned by as many generators as there are dimensions.

A convex function lies below its chords, so its largest value on the unit directions of such a cone
is at most that of the linear function with its values at the generators.
"""

from __future__ import annotations

import numpy as np

from nogap._typing import Array

DESCENT_SWEEPS = 3


def bisected(cones: Array) -> Array:
    """Each cone as two neighbours, split in the middle of its longest edge, (2 N, r, r)."""
    N, r = cones.shape[:2]
    apart = cones[:, :, None] - cones[:, None]
    edges = np.einsum("nabd,nabd->nab", apart, apart)
    a, b = np.divmod(edges.reshape(N, -1).argmax(axis=1), r)
    each = np.arange(N)
    middle = cones[each, a] + cones[each, b]
    middle /= np.linalg.norm(middle, axis=1)[:, None]
    halves = np.repeat(cones, 2, axis=0)
    halves[2 * each, a] = middle
    halves[2 * each + 1, b] = middle
    return halves


def largest_linear(generators: Array, g: Array) -> Array:
    """Upper bounds of ``max c' g`` over ``c >= 0, ||sum_l c_l w_l|| <= 1``, (S, N).

    ``generators`` are (N, r, r), ``g`` (S, N, r) holds several for each cone.  A few sweeps of
    coordinate descent on c give ``y = sum_l c_l w_l``; what it lacks of ``w_l' y >= g_l`` is made
    up along the middle of the cone.
    """
    norms = np.linalg.norm(generators, axis=2)
    W = generators / norms[:, :, None]
    grams = np.ascontiguousarray((W @ W.transpose(0, 2, 1)).transpose(1, 2, 0))  # (r, r, N)
    middle = W.sum(axis=1)
    middle /= np.maximum(np.linalg.norm(middle, axis=1), 1e-300)[:, None]
    heights = np.einsum("nld,nd->nl", W, middle)
    g = np.ascontiguousarray((g / norms).transpose(2, 0, 1))  # (r, S, N)
    c, product, slope = np.zeros_like(g), np.empty_like(g), np.empty(g.shape[1:])
    for _ in range(DESCENT_SWEEPS * (g.shape[0] - 1) + 1):
        for j in range(g.shape[0]):
            np.multiply(grams[j][:, None], c, product)
            np.add.reduce(product, axis=0, out=slope)
            np.subtract(g[j], slope, slope)
            np.add(c[j], slope, slope)
            np.maximum(slope, 0.0, out=c[j])
    y = np.einsum("lsn,nld->snd", c, W)
    lack = g.transpose(1, 2, 0) - np.einsum("nld,snd->snl", W, y)
    lack /= np.where(heights > 0, heights, 1.0)
    y += np.maximum(lack.max(axis=2), 0.0)[:, :, None] * middle
    bounds: Array = np.where((heights > 0).all(axis=1), np.linalg.norm(y, axis=2), np.inf)
    return bounds
