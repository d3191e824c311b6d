"""Identities of indices: which are one and the same, and which must stay.

Each index of an axis is a number. Numbers are united (a union-find over arrays), frozen with a
reason, and marked with what makes their removal inexact. A class is known by its root, its smallest
number.
"""

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Axes", "Identities", "Ids"]

Ids: TypeAlias = npt.NDArray[np.int64]
"""Identities along one axis, one for each index."""

Axes: TypeAlias = tuple[Ids | None, ...]
"""Identities along every axis of a value; None along an axis where no weight's index lives."""


class Identities:
    """All identities of a graph."""

    def __init__(self) -> None:
        self._parent = np.arange(1024, dtype=np.int64)
        self._made = np.zeros(1024, bool)
        self._count = 0
        self._frozen: list[tuple[Ids, str]] = []
        self._marks: list[tuple[Ids, str]] = []

    def new(self, count: int, *, made: bool = False) -> Ids:
        """So many identities that nothing else has.

        Args:
            count: how many.
            made: they are of values that the graph makes at any size (a filled tensor), and follow
                whatever they are united with.
        """
        start, self._count = self._count, self._count + count
        while self._count > self._parent.size:
            size = self._parent.size
            self._parent = np.concatenate([self._parent, np.arange(size, 2 * size)])
            self._made = np.concatenate([self._made, np.zeros(size, bool)])
        self._made[start : self._count] = made
        return np.arange(start, self._count, dtype=np.int64)

    def roots(self, ids: Ids) -> Ids:
        """The class of each identity."""
        found = self._parent[ids]
        while not np.array_equal(above := self._parent[found], found):
            # Every step shortens the way of those on it, so long chains halve each time.
            self._parent[ids] = above
            self._parent[found] = self._parent[above]
            found = above
        return found

    def unite(self, first: Ids, second: Ids) -> None:
        """Say that identities are the same, pair by pair.

        Raises:
            ValueError: there are not as many of one as of the other.
        """
        if first.shape != second.shape:
            raise ValueError(f"{first.size} indices cannot be the same as {second.size}")
        left, right = self.roots(first), self.roots(second)
        while (differ := left != right).any():
            low = np.minimum(left, right)[differ]
            high = np.maximum(left, right)[differ]
            # Each larger root goes under the smallest of those that it meets; the others that it
            # met still differ from that one, and come to it in the next round.
            np.minimum.at(self._parent, high, low)
            left, right = self.roots(low), self.roots(high)

    def freeze(self, ids: Ids, reason: str) -> None:
        """Say that identities, and all that are the same, must stay."""
        self._frozen.append((ids, reason))

    def mark(self, ids: Ids, what: str) -> None:
        """Say why the removal of these identities changes more than what they carry."""
        self._marks.append((ids, what))

    def only_made(self, ids: Ids) -> bool:
        """Whether none of these identities stems from a weight."""
        return bool(self._made[ids].all())

    def frozen(self) -> dict[int, str]:
        """The first reason of each frozen class, by its root."""
        return self._first(self._frozen)

    def marked(self) -> dict[int, str]:
        """The first mark of each marked class, by its root."""
        return self._first(self._marks)

    def all_roots(self) -> Ids:
        """The class of every identity that there is."""
        return self.roots(np.arange(self._count, dtype=np.int64))

    def _first(self, said: Iterable[tuple[Ids, str]]) -> dict[int, str]:
        found: dict[int, str] = {}
        for ids, words in said:
            for root in np.unique(self.roots(ids)).tolist():
                found.setdefault(root, words)
        return found
