"""Activation patterns stored as bits: 1/8 of a bool array, 1/64 of a float64 mask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

from nogap._typing import ArrayLike, BoolArray, IntArray


@dataclass(frozen=True, eq=False, repr=False)
class PackedPatterns:
    """P activation patterns of n samples, eight samples to a byte.

    Make one with `PackedPatterns.from_bool`; get bool rows back with `to_bool` or by an integer
    index. Slices, index arrays and bool masks select patterns and stay packed.

    Parameters
    ----------
    bits : ndarray of uint8, shape (P, ceil(n / 8))
        As `numpy.packbits` gives them: sample 0 is the highest bit of byte 0, spare bits are 0.
    n_samples : int
        Number n of samples of a pattern.

    Raises
    ------
    ValueError
        If `bits` is not a uint8 matrix with ceil(n / 8) columns and zero spare bits.

    Examples
    --------
    >>> import numpy as np
    >>> from nogap.patterns import PackedPatterns
    >>> packed = PackedPatterns.from_bool(np.eye(3, dtype=bool))
    >>> len(packed), packed.nbytes, packed[0]
    (3, 3, array([ True, False, False]))
    >>> packed[1:].to_bool()
    array([[False,  True, False],
           [False, False,  True]])
    """

    bits: NDArray[np.uint8]
    n_samples: int

    def __post_init__(self) -> None:
        width = -(-self.n_samples // 8)
        if self.bits.dtype != np.uint8 or self.bits.ndim != 2 or self.bits.shape[1] != width:
            raise ValueError(
                f"Packed patterns of {self.n_samples} samples need a uint8 matrix with {width} "
                f"columns, but bits is {self.bits.dtype} of shape {self.bits.shape}."
            )
        spare = 8 * width - self.n_samples
        if spare and (self.bits[:, -1] & ((1 << spare) - 1)).any():
            raise ValueError(f"The last {spare} bits of every packed pattern must be 0.")

    @classmethod
    def from_bool(cls, patterns: ArrayLike) -> PackedPatterns:
        """Pack a bool matrix.

        Parameters
        ----------
        patterns : array_like of bool, shape (P, n)
            One pattern per row.

        Returns
        -------
        PackedPatterns
            The same patterns in the same order.

        Raises
        ------
        ValueError
            If `patterns` is not a bool matrix.

        Examples
        --------
        >>> PackedPatterns.from_bool([[True, False, True]]).bits
        array([[160]], dtype=uint8)
        """
        rows = as_patterns(patterns)
        return cls(np.packbits(rows, axis=1), rows.shape[1])

    @classmethod
    def concatenate(cls, parts: Sequence[PackedPatterns]) -> PackedPatterns:
        """Put several sets of patterns of the same samples behind each other.

        Parameters
        ----------
        parts : sequence of PackedPatterns
            At least one; all with the same `n_samples`.

        Returns
        -------
        PackedPatterns
            All patterns, in order; repeated ones are kept (see `unique`).

        Raises
        ------
        ValueError
            If `parts` is empty or the numbers of samples differ.

        Examples
        --------
        >>> one = PackedPatterns.from_bool([[True, False]])
        >>> len(PackedPatterns.concatenate([one, one]))
        2
        """
        widths = sorted({part.n_samples for part in parts})
        if len(widths) != 1:
            raise ValueError(
                "Only patterns of the same samples can be concatenated, and at least one set is "
                f"needed; the numbers of samples are {widths}."
            )
        return cls(np.concatenate([part.bits for part in parts]), widths[0])

    def to_bool(self, start: int = 0, stop: int | None = None) -> BoolArray:
        """Unpack the patterns `start` to `stop` (all of them by default).

        Parameters
        ----------
        start, stop : int, optional
            Range of patterns, as in a slice.

        Returns
        -------
        ndarray of bool, shape (stop - start, n)
            One pattern per row.

        Examples
        --------
        >>> PackedPatterns.from_bool([[True, False], [True, True]]).to_bool(1)
        array([[ True,  True]])
        """
        rows = np.unpackbits(self.bits[start:stop], axis=1, count=self.n_samples)
        return rows.view(np.bool_)

    def blocks(self, size: int) -> Iterator[BoolArray]:
        """Iterate over all patterns, unpacked, `size` at a time.

        Parameters
        ----------
        size : int
            Patterns in a block, at least 1; the last block may be smaller.

        Yields
        ------
        ndarray of bool, shape (b, n)
            The next patterns.

        Raises
        ------
        ValueError
            If `size` is smaller than 1.

        Examples
        --------
        >>> [b.shape for b in PackedPatterns.from_bool([[True]] * 5).blocks(2)]
        [(2, 1), (2, 1), (1, 1)]
        """
        if size < 1:
            raise ValueError(f"A block must hold at least one pattern, but size is {size}.")
        for start in range(0, len(self), size):
            yield self.to_bool(start, start + size)

    def unique(self) -> PackedPatterns:
        """Sort the patterns lexicographically (False before True) and drop the repeated ones.

        Returns
        -------
        PackedPatterns
            The distinct patterns.

        Examples
        --------
        >>> PackedPatterns.from_bool([[True], [False], [True]]).unique().to_bool()
        array([[False],
               [ True]])
        """
        return self[first_occurrences(self.bits)]

    @property
    def nbytes(self) -> int:
        """Memory of the stored bits, in bytes."""
        return self.bits.nbytes

    def __len__(self) -> int:
        return int(self.bits.shape[0])

    @overload
    def __getitem__(self, index: int | np.integer) -> BoolArray: ...
    @overload
    def __getitem__(self, index: slice | IntArray | BoolArray) -> PackedPatterns: ...
    def __getitem__(
        self, index: int | np.integer | slice | IntArray | BoolArray
    ) -> BoolArray | PackedPatterns:
        if isinstance(index, int | np.integer):
            row = np.unpackbits(self.bits[index], count=self.n_samples)
            return row.view(np.bool_)
        return PackedPatterns(self.bits[index], self.n_samples)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PackedPatterns):
            return NotImplemented
        return self.n_samples == other.n_samples and np.array_equal(self.bits, other.bits)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"PackedPatterns({len(self):,} patterns of {self.n_samples:,} samples)"


def as_patterns(patterns: ArrayLike) -> BoolArray:
    """Return `patterns` as a bool matrix (P, n), or raise a ValueError."""
    rows = np.asarray(patterns)
    if rows.dtype != np.bool_ or rows.ndim != 2:
        raise ValueError(
            "Patterns must be a bool matrix with one pattern per row, but this array is "
            f"{rows.dtype} of shape {rows.shape}."
        )
    return rows


def first_occurrences(bits: NDArray[np.uint8]) -> IntArray:
    """Index of the first copy of each distinct row of `bits` (P, B), in lexicographic order."""
    if bits.shape[1] == 0:
        return np.arange(min(1, bits.shape[0]))
    # Void items compare as strings of bytes, exactly and from the first byte on.
    keys = np.ascontiguousarray(bits).view(f"V{bits.shape[1]}").ravel()
    _, firsts = np.unique(keys, return_index=True)
    return firsts
