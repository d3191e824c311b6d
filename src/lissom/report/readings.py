"""What each view of the picture reads from a measured model: two numbers, intervals, words.

Both axes are told against the original: a ratio where more is better, or the drop in points.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from lissom.report import wording
from lissom.report.schema import Document, FrontEntry
from lissom.search.candidate import ORIGINAL

__all__ = ["Reading", "amount", "readings", "words"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a view takes from each entry, both as larger-is-better ratios or as a drop.

    Attributes:
        across: number on the level axis.
        span: its interval.
        up: number on the upright axis: points of drop, or a ratio where quality is unknown.
        rated: whether `up` is a drop.
    """

    key: str
    label: str
    title: str
    across: Callable[[FrontEntry], float | None]
    span: Callable[[FrontEntry], Sequence[float] | None]
    up: Callable[[FrontEntry], float | None]
    rated: bool
    base: float | None
    unit: str
    limit: float | None
    up_base: float | None

    def point(self, one: FrontEntry) -> tuple[float, float]:
        """The two numbers of an entry that has both."""
        return self.across(one) or 0.0, self.up(one) or 0.0

    def reach(self, one: FrontEntry) -> tuple[Sequence[float], Sequence[float]]:
        """How far the intervals of an entry go on both axes."""
        x, y = self.point(one)
        drop = one["drop_interval"] if self.rated else None
        return self.span(one) or (x, x), [100 * end for end in drop] if drop else (y, y)


def readings(document: Document) -> Iterator[Reading]:
    """The views that could be drawn."""
    original, limits = document["original"], document["limits"]
    rated = document["quality"] is not None
    rows: tuple[tuple[str, str, str, float | None, str, float | None, Any], ...] = (
        ("speed", "Latency", "times as fast as the original", _latency(document), "ms",
         limits["max_latency_ms"], lambda one: one["speedup"]),
        ("size", "Size", "times smaller than the original", original["size_bytes"], "bytes",
         limits["max_size_bytes"], _fewer(original["size_bytes"], "size_bytes")),
        ("memory", "Memory", "times less memory than the original", original["memory_bytes"],
         "bytes", limits["max_memory_bytes"], _fewer(original["memory_bytes"], "memory_bytes")),
    )  # fmt: skip
    for key, label, title, base, unit, limit, across in rows:
        if not rated and key == "size":
            continue
        yield Reading(
            key=key,
            label=label,
            title=title,
            across=across,
            span=_speed_interval if key == "speed" else _no_interval,
            up=_points if rated else _fewer(original["size_bytes"], "size_bytes"),
            rated=rated,
            base=base,
            unit=unit,
            limit=base / limit if base and limit else None,
            up_base=None if rated else original["size_bytes"],
        )


def _latency(document: Document) -> float | None:
    """The original's latency beside the chosen model's in one run, else by itself."""
    entries = (*document["front"], *document["others"])
    chosen = next((one for one in entries if one["name"] == document["chosen"]), None)
    if chosen is not None and chosen["latency_ms"] and chosen["speedup"]:
        return chosen["latency_ms"] * chosen["speedup"]
    return document["original"]["latency_ms"]


def amount(base: float | None, ratio: float, unit: str) -> str:
    """The amount that is `ratio` times less than the original's."""
    if not base or ratio <= 0:
        return ""
    return wording.milliseconds(base / ratio) if unit == "ms" else wording.size(base / ratio)


def words(one: FrontEntry) -> tuple[str, ...]:
    """Every number of an entry, one a line."""
    speed = wording.bounds(wording.interval_times(one["speedup_interval"]))
    drop = wording.bounds(wording.interval_points(one["drop_interval"]))
    memory = wording.size(one["memory_bytes"])
    return (
        f"drop {wording.drop_points(one['drop'])}{drop}",
        f"speed {wording.times(one['speedup'])}{'' if one['name'] == ORIGINAL else speed}",
        f"latency {wording.milliseconds(one['latency_ms'])}, "
        f"90% under {wording.milliseconds(one['latency_p90_ms'])}",
        f"size {wording.size(one['size_bytes'])}, memory {memory}",
    )


def _points(one: FrontEntry) -> float | None:
    """The drop of an entry in points."""
    return None if one["drop"] is None else 100 * one["drop"]


def _speed_interval(one: FrontEntry) -> Sequence[float] | None:
    """The interval of an entry's speedup."""
    return one["speedup_interval"]


def _no_interval(one: FrontEntry) -> None:
    """No interval: sizes are exact, and memory is measured once."""
    del one


def _fewer(before: int | None, key: str) -> Callable[[FrontEntry], float | None]:
    """How many times less of something than the original has."""

    def ratio(one: FrontEntry) -> float | None:
        now = cast("dict[str, int | None]", one)[key]
        return before / now if before and now else None

    return ratio
