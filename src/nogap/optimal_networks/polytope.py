"""The polytope {a >= 0: Phi a = f}: its ranges, vertices, sparsest points, and random points."""

from __future__ import annotations

from collections import deque
from functools import cached_property
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp, nnls

from nogap._typing import Array, BoolArray
from nogap.networks.pruning import RANK_TOLERANCE, independent_combination

ZERO = 1e-9  # share of the sum of the sizes below which one is zero
STEPS_PER_DIMENSION = 50  # of hit-and-run


class Polytope:
    """All non-negative sizes a (m,) of given features (n, m) with a given sum ``Phi a = f``.

    Parameters
    ----------
    features : array (n, m)
        No zero columns.
    fit : array (n,)
        In the cone of the features.
    """

    def __init__(self, features: Array, fit: Array) -> None:
        left, sizes, right = np.linalg.svd(features, full_matrices=True)
        rank = int(np.sum(sizes > RANK_TOLERANCE * sizes[0])) if sizes.size else 0
        # the same equations, independent
        self.rows = sizes[:rank, None] * right[:rank]  # (rank, m)
        self.target = left[:, :rank].T @ fit
        self.null = right[rank:].T  # (m, m - rank)
        self.features, self.fit = features, fit
        start = _nonnegative_solution(self.rows, self.target)
        self.vertex = self.rounded(independent_combination(self.rows, start))

    @property
    def count(self) -> int:
        return int(self.features.shape[1])

    @property
    def total(self) -> float:
        """Sum of the sizes, the same everywhere on the polytope of an optimal set."""
        return float(self.vertex.sum())

    def rounded(self, a: Array) -> Array:
        """Sizes without those that are rounding."""
        cleaned: Array = np.where(a > ZERO * float(a.sum()), a, 0.0)
        return cleaned

    def holds(self, a: Array, tolerance: float) -> bool:
        """Whether the sizes are non-negative and have the fit, relative to its size."""
        scale = max(float(np.linalg.norm(self.fit)), 1e-300)
        missed = float(np.linalg.norm(self.features @ a - self.fit))
        return bool(np.all(a >= 0)) and missed <= tolerance * scale

    # -- its extent --------------------------------------------------------------------------

    @cached_property
    def extremes(self) -> tuple[Array, Array]:
        """For every coordinate a point where it is least and one where it is largest, (m, m)."""
        if self.null.shape[1] == 0:
            same = np.tile(self.vertex, (self.count, 1))
            return same, same
        least = [self._extreme(np.eye(self.count)[k]) for k in range(self.count)]
        largest = [self._extreme(-np.eye(self.count)[k]) for k in range(self.count)]
        return np.array(least).reshape(-1, self.count), np.array(largest).reshape(-1, self.count)

    def _extreme(self, cost: Array) -> Array:
        scale = self.total or 1.0
        solved: Any = linprog(
            cost, A_eq=self.rows, b_eq=self.target / scale, bounds=(0, None), method="highs"
        )
        if solved.status != 0:  # rounding has closed the polytope but for the vertex known
            return self.vertex
        return self.rounded(np.maximum(solved.x, 0.0) * scale)

    @property
    def ranges(self) -> tuple[Array, Array]:
        """Least and largest value of every coordinate, (m,) each."""
        least, largest = self.extremes
        return np.diag(least).copy(), np.diag(largest).copy()

    @property
    def is_point(self) -> bool:
        low, high = self.ranges
        return bool(np.max(high - low, initial=0.0) <= 10 * ZERO * self.total)

    @property
    def centre(self) -> Array:
        """A point in the relative interior: every coordinate that can be positive is."""
        if self.count == 0:
            return self.vertex
        point: Array = np.concatenate(self.extremes).mean(axis=0)
        return point

    # -- points ------------------------------------------------------------------------------

    def vertices(self, most: int) -> Array:
        """Up to ``most`` vertices, (k, m): along the edges, basis by basis, from one of them."""
        if self.count == 0:
            return self.vertex[None]
        first = self._basis_of(self.vertex)
        found = {self._key(self.vertex): self.vertex}
        seen, waiting = {first}, deque([first])
        while waiting and len(found) < most and len(seen) < 50 * most:
            basis = waiting.popleft()
            for neighbour, point in self._neighbours(basis):
                if neighbour in seen:
                    continue
                seen.add(neighbour)
                waiting.append(neighbour)
                found.setdefault(self._key(point), point)
                if len(found) >= most:
                    break
        return np.array(list(found.values()))

    def _key(self, a: Array) -> bytes:
        """A vertex is known by its support."""
        return np.packbits(a > 0).tobytes()

    def _basis_of(self, a: Array) -> frozenset[int]:
        """Independent columns that hold the support: as many as the rank."""
        order = np.argsort(-a, kind="stable")
        chosen: list[int] = []
        for k in order:
            trial = [*chosen, int(k)]
            sizes = np.linalg.svd(self.rows[:, trial], compute_uv=False)
            if sizes[-1] > RANK_TOLERANCE * sizes[0]:
                chosen = trial
            if len(chosen) == self.rows.shape[0]:
                break
        return frozenset(chosen)

    def _neighbours(self, basis: frozenset[int]) -> list[tuple[frozenset[int], Array]]:
        """The bases one pivot away, with their points."""
        columns = np.array(sorted(basis))
        B = self.rows[:, columns]
        here = np.maximum(np.linalg.solve(B, self.target), 0.0)
        directions = np.linalg.solve(B, self.rows)
        floor = ZERO * self.total
        result: list[tuple[frozenset[int], Array]] = []
        for entering in sorted(set(range(self.count)) - basis):
            d = directions[:, entering]
            falling = np.flatnonzero(d > 1e-9 * np.abs(d).max())
            if falling.size == 0:
                continue
            steps = here[falling] / d[falling]
            for leaving in falling[steps <= steps.min() + floor]:
                step = here[leaving] / d[leaving]
                point = np.zeros(self.count)
                point[columns] = np.maximum(here - step * d, 0.0)
                point[columns[leaving]] = 0.0
                point[entering] = step
                pivoted = (basis - {int(columns[leaving])}) | {entering}
                result.append((pivoted, self.rounded(point)))
        return result

    def sparsest(self) -> Array:
        """A point with the fewest positive coordinates, by mixed-integer programming."""
        low, high = self.ranges
        m, scale = self.count, self.total
        if m == 0 or scale == 0:
            return self.vertex
        fits = LinearConstraint(
            np.hstack([self.rows, np.zeros_like(self.rows)]),
            self.target / scale,
            self.target / scale,
        )
        switched = LinearConstraint(
            np.hstack([np.eye(m), -np.diag(1.01 * high / scale)]), -np.inf, 0.0
        )
        cost = np.concatenate([np.zeros(m), np.ones(m)])
        bounds = Bounds(np.concatenate([np.zeros(m), low > ZERO * scale]), np.inf)
        bounds.ub = np.concatenate([np.full(m, np.inf), np.ones(m)])
        integrality = np.concatenate([np.zeros(m), np.ones(m)])
        solved: Any = milp(
            cost, constraints=[fits, switched], bounds=bounds, integrality=integrality
        )
        if solved.status != 0:
            return self.vertex
        return self._refitted(solved.x[m:] > 0.5)

    def _refitted(self, support: BoolArray) -> Array:
        """The point with that support; the vertex known where rounding has the last word."""
        a = np.zeros(self.count)
        a[support] = _nonnegative_solution(self.rows[:, support], self.target)
        good = self.holds(a, 1e-7) and np.count_nonzero(a) <= np.count_nonzero(self.vertex)
        return self.rounded(a) if good else self.vertex

    def random(self, rng: np.random.Generator) -> Array:
        """A random point by hit-and-run from the centre: a random line, a random point on it."""
        a = self.centre.copy()
        free = self.ranges[1] > ZERO * self.total
        steps = self._directions(free)
        for _ in range(STEPS_PER_DIMENSION * steps.shape[1]):
            line = steps @ rng.standard_normal(steps.shape[1])
            with np.errstate(divide="ignore"):
                ratios = -a / np.where(line == 0, np.inf, line)
            low = float(np.max(ratios[line > 0], initial=-np.inf))
            high = float(np.min(ratios[line < 0], initial=np.inf))
            if high > low:
                a = np.maximum(a + rng.uniform(low, high) * line, 0.0)
        return self.rounded(a)

    def _directions(self, free: BoolArray) -> Array:
        """Orthonormal moves (m, p) that keep the fit and the coordinates that must stay zero."""
        _, sizes, right = np.linalg.svd(self.rows[:, free])
        rank = int(np.sum(sizes > RANK_TOLERANCE * sizes[0])) if sizes.size else 0
        moves = np.zeros((self.count, int(free.sum()) - rank))
        moves[free] = right[rank:].T
        return moves


def _nonnegative_solution(rows: Array, target: Array) -> Array:
    """Non-negative least squares; SciPy aborts the process where there is nothing to solve."""
    if 0 in rows.shape:
        return np.zeros(rows.shape[1])
    a: Array = nnls(rows, target, maxiter=100 * rows.shape[1])[0]
    return a
