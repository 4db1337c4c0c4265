"""The rows that each of many descents holds, with an orthonormal basis of their span."""

from __future__ import annotations

import numpy as np
from scipy.linalg import qr_delete

from nogap._typing import Array, BoolArray, IntArray

FIRST_ROOM = 8


class HeldRows:
    """Rows of X (n, d), some for each of ``k`` descents.

    Attributes
    ----------
    rows, counts : int arrays (k, room) and (k,)
        Which are held, in the order in which they came.
    Q, R : arrays (k, room, d) and (k, room, room)
        Factors of them: ``X[rows[:m]].T = Q[:m].T @ R[:m, :m]``; zero beyond.
    """

    def __init__(self, k: int, X: Array) -> None:
        self.X = X
        room = min(FIRST_ROOM, X.shape[1])
        self.rows, self.counts = np.zeros((k, room), dtype=np.intp), np.zeros(k, dtype=np.intp)
        self.Q, self.R = np.zeros((k, room, X.shape[1])), np.zeros((k, room, room))

    def keep(self, which: BoolArray) -> None:
        """Forget the other descents."""
        self.rows, self.counts = self.rows[which], self.counts[which]
        self.Q, self.R = self.Q[which], self.R[which]

    def split(self, U: Array) -> tuple[Array, Array]:
        """Vectors (k, d) as coordinates (k, m) in the bases, and what is orthogonal to the rows."""
        Q = self.Q[:, : self.counts.max(initial=0)]
        return _split(Q, U)

    def add(self, which: IntArray, rows: IntArray) -> None:
        """One more row for each of these descents."""
        if not which.size:
            return
        place = self.counts[which]
        most = int(place.max())
        if most == self.rows.shape[1]:
            self._make_room()
        along, rest = _split(self.Q[which, :most], self.X[rows])
        sizes = np.linalg.norm(rest, axis=1)
        self.rows[which, place] = rows
        self.Q[which, place] = rest / sizes[:, None]
        self.R[which, :most, place] = along
        self.R[which, place, place] = sizes
        self.counts[which] += 1

    def shares(self, which: IntArray, along: Array) -> tuple[IntArray, Array]:
        """The rows that these hold, and what each has in the vectors with coordinates (k, m)."""
        m = along.shape[1]
        R = self.R[which, :m, :m]
        places = np.arange(m)
        R[:, places, places] += places >= self.counts[which, None]
        return self.rows[which, :m], np.linalg.solve(R, along[:, :, None])[:, :, 0]

    def remove(self, k: int, j: int) -> None:
        """Let go of the ``j``-th row of one descent."""
        m = int(self.counts[k])
        Q, R = qr_delete(self.Q[k, :m].T, self.R[k, :m, :m], j, which="col")
        self.Q[k, : m - 1], self.Q[k, m - 1] = Q[:, : m - 1].T, 0.0
        self.R[k, :m, :m] = 0.0
        self.R[k, : m - 1, : m - 1] = R[: m - 1, : m - 1]
        self.rows[k, j : m - 1] = self.rows[k, j + 1 : m].copy()
        self.counts[k] -= 1

    def _make_room(self) -> None:
        room, d = self.Q.shape[1:]
        more = max(min(room, d - room), 1)
        self.rows = np.pad(self.rows, ((0, 0), (0, more)))
        self.Q = np.pad(self.Q, ((0, 0), (0, more), (0, 0)))
        self.R = np.pad(self.R, ((0, 0), (0, more), (0, more)))


def _split(Q: Array, U: Array) -> tuple[Array, Array]:
    """Coordinates (k, m) and remainders (k, d) of U (k, d) for bases Q (k, m, d)."""
    first = np.matmul(Q, U[:, :, None])[:, :, 0]
    rest = U - np.matmul(first[:, None, :], Q)[:, 0]
    second = np.matmul(Q, rest[:, :, None])[:, :, 0]  # once is not enough beside like rows
    rest -= np.matmul(second[:, None, :], Q)[:, 0]
    return first + second, rest
