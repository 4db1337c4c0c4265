"""From the inside of the optimal sizes of the hinge program to a vertex, where few neurons are.

Interior points give every neuron a size that has one in some optimum.  Along directions that leave
the margins of exactly 1 where they are, the value does not change; each ends where a size becomes
zero or another margin becomes 1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import null_space, qr

from nogap._typing import Array, BoolArray
from nogap.problem import Problem
from nogap.solvers.atoms import Atoms

AT_MARGIN = 1e-7  # how far from 1 a margin may be that counts as 1
RANK = 1e-9  # singular values below this share of the largest are zero
STILL = 1e-12  # share of the largest entry of a direction, or of a size, that counts as zero


def towards_vertex(
    problem: Problem,
    atoms: Atoms,
    t: Array,
    signed: BoolArray,
    should_stop: Callable[[], bool] = lambda: False,
) -> Array:
    """Sizes and intercept (m + C,) as good as the optimal t, with fewer that are not zero.

    ``signed`` (m + C,) says which may not be negative; t is not negative there.
    """
    t = t.copy()
    short = 1.0 - problem.Y * atoms.outputs(t)
    at_margin = np.abs(short) <= AT_MARGIN
    support = np.flatnonzero((t > 0) | ~signed)
    held = atoms.rows(at_margin)[:, support]
    if held.shape[0] > held.shape[1]:  # the null space only needs the small factor
        held = qr(held, mode="r", check_finite=False)[0][: held.shape[1]]
    free = null_space(held, rcond=RANK)
    while free.shape[1] and not should_stop():
        d = np.zeros(t.size)
        d[support] = free[:, 0]
        d[signed & (t == 0)] = 0.0  # where rounding has left something
        change = problem.Y * atoms.outputs(d)
        step, margin = _first_stop(t, d, signed, short, change, at_margin)
        if not np.isfinite(step):
            free = free[:, 1:]
            continue
        before, t, short = t, t + step * d, short - step * change
        gone = signed & (before > 0) & (t <= STILL * before.max())
        t[gone] = 0.0
        rows = list(np.eye(t.size)[gone])
        if margin is not None:
            at_margin[margin] = True
            rows += list(atoms.rows(_only(margin, at_margin.shape)))
        for row in rows:
            free = _orthogonal_part(free, row[support])
    return t


def _first_stop(
    t: Array, d: Array, signed: BoolArray, short: Array, change: Array, at_margin: BoolArray
) -> tuple[float, tuple[int, ...] | None]:
    """How far along d, or against it, the first size is zero or margin is 1, and which margin."""
    moving = signed & (t > 0) & (np.abs(d) > STILL * np.abs(d).max())
    to_zero = np.divide(-t, d, out=np.full_like(t, np.inf), where=moving)
    crossing = ~at_margin & (np.abs(change) > STILL * np.abs(change).max(initial=0.0))
    to_margin = np.divide(short, change, out=np.full_like(short, np.inf), where=crossing)
    nearest = float(to_zero[np.argmin(np.abs(to_zero))])
    margin = np.unravel_index(int(np.argmin(np.abs(to_margin))), short.shape)
    if abs(nearest) <= abs(to_margin[margin]):
        return nearest, None
    return float(to_margin[margin]), tuple(int(k) for k in margin)


def _only(index: tuple[int, ...], shape: tuple[int, ...]) -> BoolArray:
    mask = np.zeros(shape, dtype=bool)
    mask[index] = True
    return mask


def _orthogonal_part(free: Array, row: Array) -> Array:
    """The directions of an orthonormal basis (p, q) that leave ``row`` (p,) at zero, (p, q - 1)."""
    v = free.T @ row
    length = float(np.linalg.norm(v))
    if length == 0:
        return free[:, 1:]
    w = v.copy()
    w[0] += np.copysign(length, v[0])
    reflected = free - np.outer(free @ w, 2.0 * w / (w @ w))
    return reflected[:, 1:]
