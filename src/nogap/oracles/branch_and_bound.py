"""Branch and bound for the dual correlation of one output: an upper bound at any time.

Two searches are known, one over boxes of directions (:mod:`.box_search`, for few dimensions) and
one over the signs of the pre-activations (:mod:`.signs`, for any).  They share the best directions
found and take turns; the smaller of their bounds is the bound.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from nogap._typing import Array
from nogap.certificate import Correlation
from nogap.oracles.base import Candidates, distinct, empty, never
from nogap.oracles.box_search import BoxSearch
from nogap.oracles.incumbents import Incumbents
from nogap.oracles.row_space import RowSpace, Side
from nogap.oracles.signs import SignSearches
from nogap.rows import Rows

EXACT = 1e-6
CANCELLING = 100.0
MOST_BOX_DIMENSIONS = 7
FEWEST_SIGN_DIMENSIONS = 5
FEW_DIMENSIONS, HANDICAP = 6, 8.0  # up to where boxes get that many turns for one of the signs


class TreeSearch(Protocol):
    """A search over a tree of subproblems, best first."""

    @property
    def work(self) -> float:
        """Operations so far, about: a clock that runs the same each time."""

    @property
    def upper(self) -> float:
        """No direction has a larger correlation."""

    def step(self, threshold: float) -> None:
        """Work on the subproblems with the largest bounds; drop those below the threshold."""


class BranchAndBound:
    """The dual correlation by branch and bound, with an upper bound at any time.

    Parameters
    ----------
    rows : Rows
    precision : float
        The bound ends at most this much (relatively) above the best correlation found, unless
        the budget ends first.
    max_steps : int
        Budget of steps, of about a hundred subproblems each.
    boxes, signs : bool, optional
        Which searches to run; by default those that suit the rank of the rows.

    Attributes
    ----------
    enough : float
        A bound that is no larger satisfies whoever asks.

    Notes
    -----
    Every activation pattern is either solved or shown to be worse, so what is found within
    ``EXACT`` is called exact; a bound that stays further above is called a bound.
    """

    complete = True
    cut_short = False

    def __init__(
        self,
        rows: Rows,
        precision: float = 1e-10,
        max_steps: int = 20_000,
        *,
        boxes: bool | None = None,
        signs: bool | None = None,
    ) -> None:
        self.should_stop: Callable[[], bool] = never
        self.enough = 0.0
        self.precision, self.max_steps = precision, max_steps
        self.space = RowSpace(rows)
        rank = self.space.rank
        self.boxes = rank <= MOST_BOX_DIMENSIONS if boxes is None else boxes
        self.signs = rank >= FEWEST_SIGN_DIMENSIONS if signs is None else signs

    def price(
        self, V: Array, count: int, starts: Array | None = None
    ) -> tuple[Candidates, Correlation]:
        """The best neurons found for both signs of V (n, 1), and an upper bound of q(V)."""
        if V.shape[1] != 1:
            raise ValueError(
                "branch and bound serves one output; the dual correlation of several outputs is "
                "bounded through one output at a time"
            )
        space = self.space
        if not np.any(V) or not space.normals.size:
            return empty(space.X.shape[1]), Correlation(0.0, "exact")
        known = np.zeros((0, space.X.shape[1])) if starts is None else starts
        largest = float(np.ldexp(1.0, int(np.frexp(np.abs(V).max())[1])))
        v, size = V[:, 0] / largest, space.size * largest
        incumbents = [Incumbents(space.Z, sign * v) for sign in (1.0, -1.0)]
        for one in incumbents:
            one.see(known @ space.basis.T)
        rounding = space.rounding(v)
        upper = self._take_turns(space.side(v), incumbents, self.enough / size - rounding)
        found = [one.best(count) for one in incumbents]
        directions = np.concatenate([part.directions for part in found]) @ space.basis
        values = np.concatenate([part.values for part in found])
        best = float(values.max(initial=0.0))
        # sums that cancel are solved to the digits that their terms have
        exact = upper - best <= max(EXACT * best, CANCELLING * rounding)
        correlation = Correlation(size * (upper + rounding), "exact" if exact else "bound")
        return distinct(Candidates.ungated(directions, size * values), count), correlation

    def _take_turns(self, side: Side, incumbents: list[Incumbents], enough: float) -> float:
        """The search that has worked less goes on, until one of them is done; the bound then.

        Directions of V's own neurons say nothing of those of -V, but the larger of the two
        correlations does: what is below it need not be told apart.
        """
        searches: list[TreeSearch] = []
        if self.boxes:
            searches.append(BoxSearch(side, self.space.scale, incumbents))
        if self.signs:
            handicap = HANDICAP if self.boxes and self.space.rank <= FEW_DIMENSIONS else 1.0
            searches.append(SignSearches(side, incumbents, self.should_stop, handicap))
        upper = max(side.trivial_bound(), side.flipped().trivial_bound())
        for _ in range(self.max_steps):
            lead = max(one.value for one in incumbents)
            threshold = max(lead * (1 + self.precision), enough)
            if upper <= threshold or self.should_stop():
                break
            min(searches, key=lambda one: one.work).step(threshold)
            upper = min(upper, *(one.upper for one in searches))
        # a bound below what was found is rounding
        return max(upper, *(one.value for one in incumbents))
