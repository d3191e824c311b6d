"""Where the time goes: operators before and after, side by side, and the reason for each gap.

Runtimes rename what they fuse or quantize (`Conv` becomes `FusedConv`, `QLinearConv` or
`ConvInteger`), so a plain join by name would show every operator as gone or new. Operators are
joined by what they compute, and the names that the runtime really ran stand beside each row.
Where the run looked for the gaps between promise and machine, its rows are shown as they are.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from lissom.measure.kernels import family
from lissom.report import wording
from lissom.report.schema import FrontEntry, OperatorEntry

__all__ = ["REASONS", "OperatorRow", "costs_more", "gap_rows", "operator_rows"]

REASONS: Final[Mapping[str, str]] = {
    "overhead": "each call costs something however little it computes, and these are small",
    "bandwidth": "the time goes into moving data, which faster arithmetic does not shorten",
    "unfused": "it runs by itself, where fused into a neighbour it would cost next to nothing",
    "width": "there are too few channels or rows to fill the processor's vector units",
    "conversion": "values change between float and integers, which the original does not do",
    "none": "the promise was kept",
}
"""Why an operator takes longer than arithmetic promises: what each reason means."""

NOTICEABLE_SHARE: Final = 0.02
"""Share of the original's time under which a row's growth is not worth a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRow:
    """One kind of operator before and after.

    Attributes:
        name: what is computed, such as "Conv".
        before_ms: its time in one run of the original.
        after_ms: its time in one run of the other model.
        before_names: what the runtime ran in the original, with counts.
        after_names: what the runtime ran in the other model, with counts.
        promised_ms: what arithmetic promises for the other model; None where nothing was promised.
        reason: one of `REASONS`, for the gap between promise and machine; empty if unknown.
        words: the reason in a sentence with its numbers.
    """

    name: str
    before_ms: float
    after_ms: float
    before_names: str
    after_names: str
    promised_ms: float | None = None
    reason: str = ""
    words: str = ""


def gap_rows(entry: FrontEntry) -> list[OperatorRow]:
    """The gaps that the run found between promise and machine, the heaviest first; maybe none."""
    rows = [
        OperatorRow(
            name=gap["operator"],
            before_ms=gap["before_ms"],
            after_ms=gap["after_ms"],
            before_names="",
            after_names=f"{wording.TIMES}{gap['count']}",
            promised_ms=gap["promised_ms"],
            reason=gap["reason"],
            words=gap["words"],
        )
        for gap in entry.get("gaps", [])
    ]
    return sorted(rows, key=lambda row: -max(row.before_ms, row.after_ms))


def operator_rows(
    before: Iterable[OperatorEntry], after: Iterable[OperatorEntry], *, most: int = 12
) -> list[OperatorRow]:
    """Join two profiles, the heaviest rows first; the small ones are summed in "All others"."""
    old, new = list(before), list(after)
    names = {family(one["op_type"]) for one in (*old, *new)}
    rows = [_row(name, old, new, {name}.__contains__) for name in names]
    rows.sort(key=lambda row: (-max(row.before_ms, row.after_ms), row.name))
    if len(rows) <= most:
        return rows
    kept = {row.name for row in rows[: most - 1]}
    rest = _row("All others", old, new, lambda name: name not in kept)
    return [*rows[: most - 1], rest]


def costs_more(rows: Iterable[OperatorRow]) -> list[str]:
    """A sentence for each row that costs noticeably more after than before."""
    listed = list(rows)
    whole = sum(row.before_ms for row in listed)
    told = []
    for row in listed:
        grown = row.after_ms - row.before_ms
        if grown <= NOTICEABLE_SHARE * whole or row.after_ms < 1.05 * row.before_ms:
            continue
        if row.before_ms == 0:
            told.append(
                f"{row.name} costs {wording.milliseconds(row.after_ms)} that the original "
                f"does not spend ({row.after_names})."
            )
        else:
            told.append(
                f"{row.name} costs {wording.milliseconds(grown)} more than before: "
                f"{wording.milliseconds(row.before_ms)} as {row.before_names}, now "
                f"{wording.milliseconds(row.after_ms)} as {row.after_names}."
            )
    return told


def _row(
    name: str,
    before: list[OperatorEntry],
    after: list[OperatorEntry],
    belongs: Callable[[str], bool],
) -> OperatorRow:
    """Sum both profiles over the operators that belong to one row."""
    old = [one for one in before if belongs(family(one["op_type"]))]
    new = [one for one in after if belongs(family(one["op_type"]))]
    return OperatorRow(
        name=name,
        before_ms=sum(one["milliseconds"] for one in old),
        after_ms=sum(one["milliseconds"] for one in new),
        before_names=_names(old),
        after_names=_names(new),
    )


def _names(entries: list[OperatorEntry]) -> str:
    """Write "QLinearConv x7, FusedConv x1", heaviest first, at most four."""
    ordered = sorted(entries, key=lambda one: -one["milliseconds"])
    words = [f"{one['op_type']} {wording.TIMES}{one['count']}" for one in ordered[:4]]
    if len(ordered) > 4:
        words.append(f"{len(ordered) - 4} more kinds")
    return ", ".join(words)
