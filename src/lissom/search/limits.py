"""Limits: the goal of a run and what the delivered model must hold."""

import math
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, get_args

from lissom.errors import OptionError
from lissom.search.units import parse_bytes, parse_milliseconds, parse_ratio, parse_seconds

__all__ = ["DEFAULT_MAX_DROP", "Goal", "Limits"]

Goal = Literal["speed", "size", "memory", "quality"]
DEFAULT_MAX_DROP: Final = 0.01
"""The drop limit of a run that names none: one point of the score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is wanted, and what must hold. None means no limit.

    Attributes:
        goal: the chosen candidate is the best on this within the limits.
        max_drop: largest loss of score against the original, absolute: 0.01 is one point.
        max_latency_ms: largest median latency of one run, in milliseconds.
        max_size_bytes: largest model file, with external data.
        max_memory_bytes: largest growth of peak resident memory by loading and running.
        budget_seconds: time for the whole run; at least one candidate is always finished.
        default_drop: `max_drop` was not named but taken by default.
        certified: what is delivered must be certified to hold the limits, not only estimated; the
            drop by labels, and where there are none by the share of answers that differ.

    Raises:
        OptionError: a goal that does not exist, or a number that no model could be held to.
    """

    goal: Goal = "speed"
    max_drop: float | None = None
    max_latency_ms: float | None = None
    max_size_bytes: int | None = None
    max_memory_bytes: int | None = None
    budget_seconds: float | None = None
    default_drop: bool = False
    certified: bool = False

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        if self.goal not in get_args(Goal):
            raise OptionError(f"goal {self.goal!r} is not one of {', '.join(get_args(Goal))}")
        if self.max_drop is not None and not 0 <= self.max_drop <= 1:
            raise OptionError(f"max_drop {self.max_drop!r} must lie between 0 and 1 (1% is 0.01)")
        for name in ("max_latency_ms", "max_size_bytes", "max_memory_bytes", "budget_seconds"):
            value = getattr(self, name)
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise OptionError(f"{name} {value!r} must be more than zero")

    @classmethod
    def parse(
        cls,
        *,
        goal: str = "speed",
        max_drop: str | None = None,
        max_latency: str | None = None,
        max_size: str | None = None,
        max_memory: str | None = None,
        budget: str | None = None,
        certified: bool = False,
    ) -> "Limits":
        """Read limits as people write them: "1%", "5ms", "2MB", "50MiB", "10m".

        Raises:
            OptionError: one of them cannot be read; says which and what to write.
        """
        return cls(
            goal=goal,  # type: ignore[arg-type]  # checked on construction
            max_drop=None if max_drop is None else parse_ratio(max_drop, "max-drop"),
            max_latency_ms=None
            if max_latency is None
            else parse_milliseconds(max_latency, "max-latency"),
            max_size_bytes=None if max_size is None else parse_bytes(max_size, "max-size"),
            max_memory_bytes=None if max_memory is None else parse_bytes(max_memory, "max-memory"),
            budget_seconds=None if budget is None else parse_seconds(budget, "budget"),
            certified=certified,
        )

    @property
    def unlimited(self) -> bool:
        """No limit on the model was given (the budget limits the run, not the model)."""
        return (
            self.max_drop is None
            and self.max_latency_ms is None
            and self.max_size_bytes is None
            and self.max_memory_bytes is None
        )

    def with_default_drop(self, *, data: bool) -> "Limits":
        """Add the default drop limit where leaving it out would mean "any quality will do".

        With data, every goal but quality gets it unless a drop limit was named: nobody who asks
        for speed wants a ruined model. Without data no drop can be judged, so none is promised. A
        certificate needs a limit, so whoever asks for one gets it with every goal.

        Raises:
            OptionError: a certificate was asked for, and there are no samples to rest it on.
        """
        if self.certified and not data:
            raise OptionError("certified limits rest on samples; give some (--data)")
        if self.max_drop is not None or not data:
            return self
        if self.goal == "quality" and not self.unlimited and not self.certified:
            return self
        return replace(self, max_drop=DEFAULT_MAX_DROP, default_drop=True)

    def over(self, others: "Limits") -> "Limits":
        """These limits, and those of others where none is set here; the goal of the others."""
        names = ("max_drop", "max_latency_ms", "max_size_bytes", "max_memory_bytes")
        own = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return replace(others, **own, certified=self.certified or others.certified)

    def to_json(self) -> dict[str, Any]:
        """Write the limits that were set, without goal and budget, by their names."""
        names = ("max_drop", "max_latency_ms", "max_size_bytes", "max_memory_bytes")
        found = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return {**found, "certified": True} if self.certified else found
