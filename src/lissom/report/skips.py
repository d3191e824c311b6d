"""What was left alone, by reason: seventy nodes with three reasons are three lines, not seventy."""

from collections.abc import Iterable
from dataclasses import dataclass

from lissom.report.schema import SkipEntry

__all__ = ["SkipGroup", "grouped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipGroup:
    """Everything that was left alone for one reason.

    Attributes:
        reason: why.
        targets: what, in the order it was met; each once.
    """

    reason: str
    targets: tuple[str, ...]


def grouped(skips: Iterable[SkipEntry]) -> list[SkipGroup]:
    """Join skips by reason, the most frequent first; reasons of equal count keep their order."""
    found: dict[str, dict[str, None]] = {}
    for skip in skips:
        found.setdefault(skip["reason"], {})[skip["target"]] = None
    groups = [SkipGroup(reason=reason, targets=tuple(names)) for reason, names in found.items()]
    return sorted(groups, key=lambda group: -len(group.targets))
