"""Sensitivity as plain lines: what operators cost in quality on integers, and save in time."""

import math
from typing import Final

from lissom.report import wording
from lissom.search.sensitivity import Sensitivity

__all__ = ["HEAD", "MOST_ROWS", "head_lines", "rows"]

HEAD: Final = (
    "operator",
    "format",
    "error alone",
    "error of the others",
    "time in float",
    "time in format",
)
MOST_ROWS: Final = 60


def head_lines(found: Sensitivity) -> list[str]:
    """What the table says, and the error of each whole format."""
    lines = [
        "sensitivity: the error at the outputs, as a share of their variance, with one operator in",
        "the format (alone) and with all others in it and this one in float. The most harmful come",
        "first. Times are of one run, from the runtime's own profile, as in the table of time by",
        "operator, but each of one operator with what is fused into it: in float, from a profile",
        "of the float model; in the format, from one of the model with all operators in it, with",
        "the conversions for this operator.",
    ]
    for name, error in found.whole.items():
        lines.append(f"  all operators in {name}: {_error(error)}")
    return lines


def rows(found: Sensitivity) -> list[tuple[str, ...]]:
    """One row for each operator and format, the most harmful first."""
    order = sorted(found.harms, key=lambda one: -(one.alone or 0.0))
    return [
        (
            one.operator,
            one.format,
            _error(one.alone),
            _error(one.others),
            wording.milliseconds(found.float_ms.get(one.operator)),
            wording.milliseconds(one.milliseconds),
        )
        for one in order[:MOST_ROWS]
    ]


def _error(value: float | None) -> str:
    if value is None:
        return "refused"
    return f"{value:.2e}" if math.isfinite(value) else "not finite"
