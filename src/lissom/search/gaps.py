"""Where a candidate's time goes against what arithmetic promised of it, each gap with its reason.

Profiles of the original and of the candidate are laid side by side by what the operators compute.
A reason is named only where a number says so: the bytes that must be moved, the cost of a node
that does nothing, nodes that were not there before, the share of the machine's ceiling that a
kernel reaches.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from lissom.measure.kernels import CONVERSION, PRODUCTS, family
from lissom.measure.roofline import FEW
from lissom.search.candidate import Gap, OperatorTime, Reason
from lissom.search.promise import Part, Promise

__all__ = ["gaps"]

HALF: Final = 0.5
SMALL: Final = 0.01  # share of either time under which a family goes to the others
CLOSE: Final = 0.15  # relative to what was promised
NOTICEABLE: Final = 0.02  # of the original's time
OTHERS: Final = "All others"
REORDER: Final = "Transpose / reorder"
SLOW: Final = frozenset({"ConvInteger", "MatMulInteger"})
"""Integer operators that a runtime runs as they stand, without the kernel that fuses the scales."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One family of operators, before and after.

    Attributes:
        name: of the family.
        parts: the original's nodes of it, with what was promised of them.
        after: the candidate's operators of it.
        before_count: how many nodes of it the original ran.
    """

    name: str
    parts: tuple[Part, ...]
    after: tuple[OperatorTime, ...]
    before_count: int

    @property
    def before_ms(self) -> float:
        """Time in the original."""
        return sum(part.before_ms for part in self.parts)

    @property
    def promised_ms(self) -> float:
        """Time that was promised."""
        return sum(part.promised_ms for part in self.parts)

    @property
    def after_ms(self) -> float:
        """Time in the candidate."""
        return sum(one.milliseconds for one in self.after)

    @property
    def count(self) -> int:
        """How many nodes the candidate ran; the original's, if it ran none."""
        return sum(one.count for one in self.after) or self.before_count

    @property
    def names(self) -> str:
        """What the runtime ran in the candidate, such as `14 QLinearConv and 3 Conv`."""
        return " and ".join(f"{one.count} {one.op_type}" for one in self.after[:3])


def gaps(
    promise: Promise,
    before: Sequence[OperatorTime],
    after: Sequence[OperatorTime],
    latency_ms: float,
) -> tuple[Gap, ...]:
    """Lay two profiles side by side, the heaviest family first.

    Args:
        promise: what arithmetic promises of the candidate.
        before: the original's time by operator, whatever it adds up to.
        after: the candidate's, likewise.
        latency_ms: of the candidate: what its operators' times shall add up to.
    """
    whole = sum(part.before_ms for part in promise.parts)
    spent = sum(one.milliseconds for one in after)
    factor = latency_ms / spent if spent > 0 else 1.0
    timed = [replace(one, milliseconds=factor * one.milliseconds) for one in after]
    found = [as_gap(row, promise, whole) for row in rows(promise.parts, before, timed)]
    return tuple(sorted(found, key=lambda one: (-max(one.before_ms, one.after_ms), one.operator)))


def rows(
    parts: Iterable[Part], before: Sequence[OperatorTime], after: Sequence[OperatorTime]
) -> list[Row]:
    """Families that take a share of either time worth a row; the small ones in one together."""
    listed = list(parts)
    whole = [sum(part.before_ms for part in listed), sum(one.milliseconds for one in after)]
    names = dict.fromkeys([part.family for part in listed] + [family(one.op_type) for one in after])
    made = [row_of({name}, name, listed, before, after) for name in names]
    small = {
        row.name
        for row in made
        if row.before_ms <= SMALL * whole[0] and row.after_ms <= SMALL * whole[1]
    }
    kept = [row for row in made if row.name not in small]
    return [*kept, row_of(small, OTHERS, listed, before, after)] if small else kept


def row_of(
    names: set[str],
    title: str,
    parts: Sequence[Part],
    before: Sequence[OperatorTime],
    after: Sequence[OperatorTime],
) -> Row:
    """Sum up the families of these names."""
    return Row(
        name=title,
        parts=tuple(part for part in parts if part.family in names),
        after=tuple(one for one in after if family(one.op_type) in names),
        before_count=sum(one.count for one in before if family(one.op_type) in names),
    )


def as_gap(row: Row, promise: Promise, whole: float) -> Gap:
    """One row with the reason for its gap."""
    reason, words = reason_of(row, promise, whole)
    return Gap(
        operator=row.name,
        count=row.count,
        before_ms=row.before_ms,
        promised_ms=row.promised_ms,
        after_ms=row.after_ms,
        reason=reason,
        words=words,
    )


def reason_of(row: Row, promise: Promise, whole: float) -> tuple[Reason, str]:
    """Why a family takes longer than promised, and the sentence that says so."""
    excess = row.after_ms - row.promised_ms
    if excess <= CLOSE * row.promised_ms or excess <= NOTICEABLE * whole:
        return "none", kept_words(row)
    if row.name in {CONVERSION, REORDER}:
        what = "type" if row.name == CONVERSION else "layout"
        return "conversion", (
            f"{row.names} take {write(row.after_ms)} to change the {what} of numbers between "
            f"operators, where the original spends {write(row.before_ms)}."
        )
    slow = [one for one in row.after if one.op_type in SLOW]
    if slow:
        return "unfused", (
            f"{row.names} take {write(row.after_ms)}: the runtime runs {slow[0].op_type} without "
            f"the fast integer kernel that the promise of {write(row.promised_ms)} is made of."
        )
    if row.after_ms <= FEW * promise.ceilings.node_ms * row.count:
        return "overhead", (
            f"{row.names} take {1e3 * row.after_ms / row.count:.2g} µs each, and a node that does "
            f"nothing takes {1e3 * promise.ceilings.node_ms:.2g} µs here: less work in them saves "
            "no time."
        )
    if row.name not in PRODUCTS:
        return moved_reason(row)
    return product_reason(row)


def moved_reason(row: Row) -> tuple[Reason, str]:
    """Of a family that multiplies nothing."""
    count = sum(one.count for one in row.after)
    if count > row.before_count:
        return "unfused", (
            f"{count} nodes ran by themselves ({row.names}) where the original ran "
            f"{row.before_count}: the runtime no longer joins them to their neighbours."
        )
    if any(one.op_type.startswith("QLinear") for one in row.after):
        return "conversion", (
            f"{row.names} scale every value to float and back to integers, which costs more than "
            "the smaller values save."
        )
    memory_ms = memory_of(row.parts)
    if memory_ms >= HALF * row.after_ms:
        return "bandwidth", (
            f"{row.names} move bytes for {write(memory_ms)} of {write(row.after_ms)} at the "
            "bandwidth of this machine, however fast the arithmetic around them is."
        )
    return "unfused", slower_words(row, "")


def memory_of(parts: Iterable[Part]) -> float:
    """Milliseconds that the bytes of these nodes take to move in the candidate."""
    return sum(part.roof.memory_ms for part in parts if part.roof is not None)


def slower_words(row: Row, because: str) -> str:
    """What to say of the same work that takes longer than before."""
    return (
        f"{row.names} take {write(row.after_ms)} for what took {write(row.before_ms)} before"
        + (because or ", in kernels or a layout that the runtime did not choose for the original")
        + "."
    )


def product_reason(row: Row) -> tuple[Reason, str]:
    """Of a family whose time is arithmetic."""
    if not any(part.integer for part in row.parts):
        expanded = any(part.expanded for part in row.parts)
        if row.after_ms > (1 + CLOSE) * row.before_ms:
            because = ": weights that are expanded in every run cannot be laid out beforehand"
            return "unfused", slower_words(row, because if expanded else "")
        if expanded:
            return "unfused", (
                f"{row.names} take {write(row.after_ms)}, about what they took before: the weights "
                "are expanded before they are multiplied, so as many bytes move as ever."
            )
    known = [part for part in row.parts if part.roof is not None]
    memory_ms = memory_of(known)
    if memory_ms >= HALF * row.after_ms:
        return "bandwidth", (
            f"Their weights and values take {write(memory_ms)} of {write(row.after_ms)} to move at "
            "the bandwidth of this machine, however fast the arithmetic is."
        )
    compute_ms = sum(part.roof.compute_ms for part in known if part.roof is not None)
    reached = compute_ms / row.after_ms if row.after_ms > 0 else 0.0
    rate = 2 * sum(part.macs for part in known) / (1e6 * row.after_ms)
    stayed = sum(part.before_ms for part in row.parts if not part.integer)
    rest = (
        f"; products that took {write(stayed)} before stayed float" if has_both(row.parts) else ""
    )
    return "width", (
        f"{row.names} reach {rate:,.0f} GFLOP/s, {reached:.0%} of the ceilings for their numbers: "
        f"too few channels or rows to fill the kernels{rest}."
    )


def has_both(parts: Iterable[Part]) -> bool:
    """Whether some products are on integers and some are not."""
    return len({part.integer for part in parts}) == 2


def kept_words(row: Row) -> str:
    """What to say where the promise was kept."""
    if not row.after:
        return f"Nothing of the {write(row.before_ms)} is left."
    if not row.parts:
        return f"{row.names} take {write(row.after_ms)}: too little to matter."
    if row.after_ms < row.promised_ms * (1 - CLOSE):
        return f"{write(row.after_ms)}, less than the {write(row.promised_ms)} that were promised."
    if row.after_ms > row.promised_ms * (1 + CLOSE):
        return (
            f"{write(row.after_ms)} where {write(row.promised_ms)} were promised: "
            "too little to matter."
        )
    return f"{write(row.after_ms)}, as promised ({write(row.promised_ms)})."


def write(milliseconds: float) -> str:
    """A time with three digits."""
    return f"{milliseconds:.3g} ms"
