"""Gaps and ladders of a candidate in the shape of `result.json`: their part of the schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field

# The standard library's TypedDict carries too little for pydantic before Python 3.12.
from typing_extensions import TypedDict

if TYPE_CHECKING:
    from lissom.search.candidate import Candidate

__all__ = ["GapEntry", "RungEntry", "gaps", "ladder"]

Positive = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
ENDS: Final = 2


class GapEntry(TypedDict):
    """What arithmetic promised of one family of operators, and what the machine made of it."""

    operator: Annotated[str, Field(description="What the family computes, such as Conv.")]
    count: Annotated[Count, Field(description="Nodes of it that ran.")]
    before_ms: Positive
    promised_ms: Positive
    after_ms: Positive
    reason: Literal["overhead", "bandwidth", "unfused", "width", "conversion", "none"]
    words: Annotated[str, Field(description="The reason with its numbers, a sentence.")]


class RungEntry(TypedDict):
    """The model after the first steps of a recipe, measured."""

    step: Annotated[str, Field(description="The last of these steps.")]
    promised_speedup: Positive | None
    speedup: Positive
    speedup_interval: Annotated[
        list[Positive],
        Field(min_length=ENDS, max_length=ENDS, description="95% interval: lower, upper end."),
    ]
    size_bytes: Count
    drop: Annotated[float, Field(allow_inf_nan=False)] | None


def gaps(one: Candidate) -> list[GapEntry]:
    """Where the promise was not kept, the heaviest family of operators first."""
    return [
        {
            "operator": gap.operator,
            "count": gap.count,
            "before_ms": gap.before_ms,
            "promised_ms": gap.promised_ms,
            "after_ms": gap.after_ms,
            "reason": gap.reason,
            "words": gap.words,
        }
        for gap in one.gaps
    ]


def ladder(one: Candidate) -> list[RungEntry]:
    """The model after each step."""
    return [
        {
            "step": rung.step,
            "promised_speedup": rung.promised_speedup,
            "speedup": rung.speedup,
            "speedup_interval": list(rung.speedup_interval),
            "size_bytes": rung.size_bytes,
            "drop": rung.drop,
        }
        for rung in one.ladder
    ]
