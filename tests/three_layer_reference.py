"""The three-layer programs written down literally: every tuple, every second-layer pattern, CVXPY.

Nothing here uses nogap's code (Ergen and Pilanci 2021, corrected; ``printed`` is their equation 42).
"""

from __future__ import annotations

import itertools

import cvxpy as cp
import numpy as np
import scipy.sparse as sp


def blocks_of(patterns, width, n, repeated=False):
    """All (patterns of the tuple, inner signs, second-layer pattern, outer sign)."""
    choose = itertools.combinations_with_replacement if repeated else itertools.combinations
    pairs = [(D, s) for D in patterns for s in (1.0, -1.0)]
    seconds = [np.array(bits, dtype=bool) for bits in itertools.product((0, 1), repeat=n)]
    for cells in choose(pairs, width):
        first, inner = np.array([D for D, _ in cells]), np.array([s for _, s in cells])
        for second in seconds[1:]:  # the empty pattern adds nothing
            for outer in (1.0, -1.0):
                yield first, inner, second, outer


def optimum(X, y, beta, blocks, *, path=False, printed=False, loss=None):
    """Optimal value of the program over these blocks."""
    d = X.shape[1]
    outputs, cones, width = [], [], None
    for first, inner, second, outer in blocks:
        width = len(first)
        maps = [s * D[:, None] * X for D, s in zip(first, inner, strict=True)]
        outputs.append(outer * second[:, None] * np.concatenate(maps, axis=1))
        sides = 2.0 * second - 1.0
        rows = [sp.block_diag([(2.0 * D - 1.0)[:, None] * X for D in first])]
        groups = [inner > 0, inner < 0] if printed else [np.ones(width, dtype=bool)]
        for group in groups:
            joint = [m if used else 0 * m for m, used in zip(maps, group, strict=True)]
            rows.append(sp.csr_array(sides[:, None] * np.concatenate(joint, axis=1)))
        cones.append(sp.vstack(rows))
    x = cp.Variable(len(outputs) * width * d)
    F = sp.csr_array(np.concatenate(outputs, axis=1)) @ x
    group = width * d if path else d
    penalty = cp.sum(cp.norm(cp.reshape(x, (x.size // group, group), order="C"), axis=1))
    fit = 0.5 * cp.sum_squares(F - y) if loss is None else loss(F, y)
    problem = cp.Problem(cp.Minimize(fit + beta * penalty), [sp.block_diag(cones) @ x >= 0])
    return float(problem.solve(solver=cp.CLARABEL))
