"""What was promised and what the machine gave: of each step of a recipe, and of each candidate.

A promise is arithmetic: how the time would fall if each operator ran at the best rate that this
machine was seen to reach. Only the measured speed counts; the promise stands beside it so that the
gap can be seen. All lengths are shares of the longest in the same chart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lissom.report import wording
from lissom.report.schema import Document, FrontEntry
from lissom.search.candidate import ORIGINAL

__all__ = ["Chart", "PromiseRow", "candidate_chart", "ladder_chart"]

NOTICEABLE: Final = 0.005
"""Ratios are written with two digits after the point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseRow:
    """A promised and a measured speedup.

    Attributes:
        name: the step's method, or the candidate.
        detail: the step's parameters; empty for a candidate.
        promised: times as fast as the original, by arithmetic; None where nothing was promised.
        given: times as fast as the original, as measured; None where it was not.
        span: 95% interval of `given`.
        alone: times as fast as without this step; None for a candidate.
        size: of the file.
        drop: so far, in points; a dash if unknown.
        macs: how many times fewer multiply-accumulates than the original.
        smaller: how many times smaller the file is than the original's.
        chosen: whether this is what is delivered.
    """

    name: str
    promised: float | None
    given: float | None
    span: Sequence[float] | None
    alone: float | None = None
    size: str = wording.DASH
    drop: str = wording.DASH
    macs: float | None = None
    smaller: float | None = None
    chosen: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Rows with a common scale.

    Attributes:
        rows: in order.
        most: the speedup at the end of the scale.
        promised: whether any row has a promise.
        lighter: whether any row needs fewer multiply-accumulates than the original.
    """

    rows: tuple[PromiseRow, ...]
    most: float
    promised: bool
    lighter: bool

    def share(self, value: float | None) -> float:
        """The length of a speedup, in percent of the scale."""
        return 100 * min(1.0, max(0.0, value or 0.0) / self.most)


def ladder_chart(document: Document, entry: FrontEntry) -> Chart:
    """What each step of an entry's recipe promised and gave, the original first.

    A recipe whose steps were not measured one by one has one row for all of them together.
    """
    original = document["original"]
    rows = [
        PromiseRow(
            name="the original",
            promised=None,
            given=1.0,
            span=None,
            size=wording.size(original["size_bytes"]),
            drop=wording.drop_points(0.0),
        )
    ]
    before = 1.0
    rungs = entry.get("ladder", [])
    for rung in rungs:
        given = rung["speedup"]
        name, detail = _parted(rung["step"])
        rows.append(
            PromiseRow(
                name=name,
                detail=detail,
                promised=rung["promised_speedup"],
                given=given,
                span=rung["speedup_interval"],
                alone=given / before if given and before else None,
                size=wording.size(rung["size_bytes"]),
                drop=wording.drop_points(rung["drop"]),
            )
        )
        before = given
    if not rungs:
        rows.append(_together(entry))
    return _chart(rows)


def candidate_chart(document: Document) -> Chart:
    """Promise and measurement of every candidate, fastest first."""
    original = document["original"]
    entries = [*document["front"], *document["others"]]
    rows = [
        PromiseRow(
            name=one["name"],
            promised=one["predicted_speedup"],
            given=one["speedup"],
            span=one["speedup_interval"],
            macs=_less(original["macs"], one["macs"]),
            smaller=_less(original["size_bytes"], one["size_bytes"]),
            chosen=one["name"] == document["chosen"],
        )
        for one in entries
        if one["name"] != ORIGINAL
    ]
    rows.sort(key=lambda row: -(row.given or 0.0))
    return _chart(rows)


def _together(entry: FrontEntry) -> PromiseRow:
    """All steps of a recipe as one."""
    steps = entry["steps"]
    name, detail = (
        _parted(steps[0]) if len(steps) == 1 else (f"all {len(steps)} steps together", "")
    )
    return PromiseRow(
        name=name,
        detail=detail,
        promised=entry["predicted_speedup"],
        given=entry["speedup"],
        span=entry["speedup_interval"],
        alone=entry["speedup"],
        size=wording.size(entry["size_bytes"]),
        drop=wording.drop_points(entry["drop"]),
    )


def _parted(step: str) -> tuple[str, str]:
    """A step's line as its method and its parameters: `quantize.static(ranges=mse)`."""
    method, _, inside = step.partition("(")
    return method, inside.removesuffix(")")


def _chart(rows: Sequence[PromiseRow]) -> Chart:
    """The rows with the scale that holds them all."""
    ends = [1.0]
    for row in rows:
        ends += [row.promised or 0.0, row.given or 0.0, *(row.span or ())]
    return Chart(
        rows=tuple(rows),
        most=1.04 * max(ends),
        promised=any(row.promised is not None for row in rows),
        lighter=any(row.macs is not None and abs(row.macs - 1) > NOTICEABLE for row in rows),
    )


def _less(before: int | None, after: int | None) -> float | None:
    """How many times less there is after."""
    return before / after if before and after else None
