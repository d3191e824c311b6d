"""What `apply` made, as plain lines for a terminal: step by step, with what each left alone."""

from collections.abc import Sequence

from lissom.report import wording
from lissom.report.skips import grouped
from lissom.search.applied import Applied
from lissom.search.candidate import StepRecord

__all__ = ["applied_lines"]

NAMED = 3
"""So many names of what was left alone are said of each reason."""


def applied_lines(made: Applied) -> list[str]:
    """Each step, what it left alone and why, and the file that was written."""
    lines = []
    for number, step in enumerate(made.steps, 1):
        lines += _step(number, step)
    if not any(sum(step.edits.values()) for step in made.steps):
        lines.append("nothing was changed: the new file computes what the original does")
    smaller = made.original_bytes / max(made.size_bytes, 1)
    lines.append(
        f"{made.path}: {wording.size(made.original_bytes)} before, "
        f"{wording.size(made.size_bytes)} now ({smaller:.2f} times smaller)"
        + (f", by {made.samples} samples" if made.samples else ", without samples")
    )
    return lines


def _step(number: int, step: StepRecord) -> list[str]:
    idle = "" if sum(step.edits.values()) else "; it changed nothing"
    groups = grouped({"target": one.target, "reason": one.reason} for one in step.skips)
    return [
        f"{number}. {step.method}: {step.summary}{idle}",
        *(f"   left alone: {_names(group.targets)}: {group.reason}" for group in groups),
    ]


def _names(targets: Sequence[str]) -> str:
    more = len(targets) - NAMED
    return ", ".join(targets[:NAMED]) + (f" and {more} more" if more > 0 else "")
