"""What a removal of channels does, or a split: where weights change, what counts channels anew.

Plain data, written by `lissom.graph.channels.removal` and `splitting`, done by
`lissom.graph.perform_removal` and `perform_split`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, TypeAlias

from lissom.store.hashing import Json

__all__ = [
    "Resizing",
    "Rewrite",
    "ScaleInput",
    "SetAttribute",
    "SetInput",
    "WeightCut",
    "WeightGrowth",
    "cut_from_json",
    "growth_from_json",
    "rewrite_from_json",
    "rewrite_to_json",
    "runs_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightCut:
    """Indices that leave one axis of a weight.

    Attributes:
        weight: the initializer.
        axis: of the stored weight.
        removed: runs [start, end) of indices, rising.
    """

    weight: str
    axis: int
    removed: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightGrowth:
    """Indices that one axis of a weight has several times.

    Attributes:
        weight: the initializer.
        axis: of the stored weight.
        copied: runs [start, end) of indices, rising, each with how often it will be there; the
            copies of a run stand behind it.
        shared: a sum goes along the axis: each copy has its share of what was there.
    """

    weight: str
    axis: int
    copied: tuple[tuple[int, int, int], ...]
    shared: bool = False

    @property
    def standing(self) -> tuple[tuple[int, int, int], ...]:
        """Where each run stands afterwards with its copies, [begin, end), and how many there are.

        >>> WeightGrowth(weight="w", axis=0, copied=((1, 2, 2), (4, 6, 3))).standing
        ((1, 3, 2), (5, 11, 3))
        """
        found, added = [], 0
        for start, end, times in self.copied:
            begin = start + added
            found.append((begin, begin + (end - start) * times, times))
            added += (end - start) * (times - 1)
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetInput:
    """Let a node read these integers in the place of a constant input, or of one that it lacked."""

    node: str
    input: int
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleInput:
    """Let a node read a computed input times `numerators` over `denominators`, one by one."""

    node: str
    input: int
    numerators: tuple[float, ...]
    denominators: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAttribute:
    """Give an attribute another value; None takes it away."""

    node: str
    attribute: str
    value: int | tuple[int, ...] | None


Rewrite: TypeAlias = SetInput | ScaleInput | SetAttribute


@dataclass(frozen=True, slots=True, kw_only=True)
class Resizing:
    """The size that an axis of a value has from now on, for what the graph says of its shapes."""

    value: str
    axis: int
    size: int


def runs_of(indices: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Rising indices as runs [start, end).

    >>> runs_of([0, 1, 2, 7])
    ((0, 3), (7, 8))
    """
    if not indices:
        return ()
    ordered = sorted(set(indices))
    breaks = [number for number, (one, two) in enumerate(pairwise(ordered), 1) if two != one + 1]
    edges = [0, *breaks, len(ordered)]
    return tuple((ordered[a], ordered[b - 1] + 1) for a, b in pairwise(edges))


def cut_from_json(value: Mapping[str, Any]) -> WeightCut:
    """Read a cut of which a list was written.

    Raises:
        KeyError: the runs are missing.
        TypeError: a field is missing or too many.
    """
    return WeightCut(**{**value, "removed": tuple((start, end) for start, end in value["removed"])})


def growth_from_json(value: Mapping[str, Any]) -> WeightGrowth:
    """Read a growth of which a list was written.

    Raises:
        KeyError: the runs are missing.
        TypeError: a field is missing or too many.
    """
    copied = tuple((start, end, times) for start, end, times in value["copied"])
    return WeightGrowth(**{**value, "copied": copied})


def rewrite_to_json(rewrite: Rewrite) -> Json:
    """Write as JSON; `rewrite_from_json` is the inverse."""
    return {"rewrite": type(rewrite).__name__, **asdict(rewrite)}


def rewrite_from_json(value: Mapping[str, Json]) -> Rewrite:
    """Read what `rewrite_to_json` wrote.

    Raises:
        KeyError: the kind is unknown.
        TypeError: a field is missing or too many.
    """
    fields: dict[str, Any] = {
        key: tuple(each) if isinstance(each, list) else each for key, each in value.items()
    }
    kinds: dict[str, type[Any]] = {
        kind.__name__: kind for kind in (SetInput, ScaleInput, SetAttribute)
    }
    made: Rewrite = kinds[fields.pop("rewrite")](**fields)
    return made
