"""Rows that no two-layer ReLU network fits together, or classifies together, by their numbers.

A network without output bias is positively homogeneous in the rows (with their ones column): it
gives 0 at 0, proportional outputs on a ray, and on opposite rays outputs whose difference is linear
in the row, because relu(z) - relu(-z) = z.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import linprog

from nogap._typing import Array
from nogap.losses import Hinge, Huber, Loss, Squared, SquaredHinge
from nogap.patterns._lines import distinct_lines

SAME = 1e-9  # relative difference of targets that rounding explains


def asks_for_margins(loss: Loss) -> bool:
    """Whether a loss is least at margins of 1 or more, rather than at the targets themselves."""
    if not isinstance(loss, Squared | Huber | Hinge | SquaredHinge):
        raise ValueError(
            f"the {loss.name} loss falls forever and has nothing to interpolate; use loss='hinge' "
            "for margins of at least 1"
        )
    return isinstance(loss, Hinge | SquaredHinge)


def refuse_contradictions(rows: Array, y: Array, hidden_bias: bool, *, margins: bool) -> None:
    """Raise a ``ValueError`` that names the rows, if no network has ``f(X) = y``.

    With ``margins`` if none has ``y_i f(x_i) >= 1``, for labels y of -1 and 1.
    """
    lines = distinct_lines(rows)
    wrong = np.flatnonzero(lines.zero & (y != 0))
    if wrong.size:
        row = int(wrong[0])
        raise ValueError(
            f"row {row} of X is zero, where every network without biases gives 0, and its target "
            f"is {y[row]:g}; pass hidden_bias=True"
        )
    lengths = np.linalg.norm(rows, axis=1)
    first: dict[tuple[int, bool], int] = {}  # row of each ray: a line and one of its two sides
    for row in np.flatnonzero(~lines.zero).tolist():
        ray = int(lines.line[row]), bool(lines.flipped[row])
        other = first.setdefault(ray, row)
        ratio = 1.0 if margins else lengths[row] / lengths[other]
        expected = y[other] * ratio
        if abs(y[row] - expected) > SAME * max(abs(y[row]), abs(expected)):
            how = "have the same x" if hidden_bias else "are one direction"
            if not hidden_bias and not margins:
                how += f" in the ratio 1 : {ratio:g}"
            raise ValueError(
                f"no network {_verb(margins)}: rows {other} and {row} of X {how}, and the targets "
                f"{y[other]:g} and {y[row]:g}; train with beta > 0"
            )
    pairs = [(first[k, False], first[k, True]) for k, side in first if side and (k, False) in first]
    if margins:
        pairs = [(ahead, behind) for ahead, behind in pairs if y[ahead] != y[behind]]
    if not pairs:
        return
    ahead, behind = np.array(pairs).T
    units = rows[ahead] / lengths[ahead, None]
    if margins:
        k = _first_not_separated(units * y[ahead, None])
    else:
        k = _first_not_linear(units, y[ahead] / lengths[ahead], y[behind] / lengths[behind])
    if k is not None:
        raise ValueError(
            f"no network {_verb(margins)}: rows {ahead[k]} and {behind[k]} are opposite, where the "
            "difference of the outputs is linear in the row, and with the other opposite rows that "
            "cannot hold; train with beta > 0"
        )


def _verb(margins: bool) -> str:
    return "classifies all rows" if margins else "interpolates"


def _first_not_linear(units: Array, ahead: Array, behind: Array) -> int | None:
    """The pair that a linear function misses the most, if it misses any."""
    odd = ahead - behind
    w = np.linalg.lstsq(units, odd, rcond=None)[0]
    missed = np.abs(units @ w - odd)
    scale = float((np.abs(ahead) + np.abs(behind)).max())
    worst = int(np.argmax(missed))
    return worst if missed[worst] > SAME * scale else None


def _first_not_separated(units: Array) -> int | None:
    """The pair on the wrong side of the best linear function, if there is one."""
    m, d = units.shape
    solved: Any = linprog(
        np.append(np.zeros(d), -1.0),
        A_ub=np.column_stack([-units, np.ones(m)]),
        b_ub=np.zeros(m),
        bounds=[(-1, 1)] * d + [(None, 1)],
        method="highs",
    )
    if solved.status == 0 and -solved.fun > SAME:
        return None
    return int(np.argmin(units @ solved.x[:d]))
