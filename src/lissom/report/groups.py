"""Channel groups as plain lines: what may be removed, how large its units are, what must stay."""

from lissom.report import wording
from lissom.search.grouping import Group, Grouping

__all__ = ["MOST_GROUPS", "group_lines"]

MOST_GROUPS = 40
MOST_PLACES = 3  # of each group
MOST_REASONS = 8
WIDEST_NAME = 48


def group_lines(found: Grouping) -> list[str]:
    """Coverage, the groups with the weights that they live in, and the reasons of the rest."""
    count = len(found.groups)
    lines = [
        f"{count} channel group{'' if count == 1 else 's'}, "
        f"{wording.share(found.coverage)} of the parameters in a removable unit"
    ]
    for group in found.groups[:MOST_GROUPS]:
        lines += lines_of(group)
    if count > MOST_GROUPS:
        lines.append(f"  and {count - MOST_GROUPS} more (--json lists all)")
    if found.kept:
        lines += ["parameters that must stay"]
        width = max(len(wording.large(number)) for _, number in found.kept[:MOST_REASONS])
        lines += [
            f"  {wording.large(number):>{width}}  {reason}"
            for reason, number in found.kept[:MOST_REASONS]
        ]
    if len(found.kept) > MOST_REASONS:
        rest = found.kept[MOST_REASONS:]
        total = wording.large(sum(number for _, number in rest))
        lines.append(f"  and {total} for {len(rest)} more reasons (--json lists all)")
    return lines


def lines_of(group: Group) -> list[str]:
    """One group: its head, and a line for each of the first weights that it lives in."""
    exact = f"inexact: {group.inexact}" if group.inexact else "exact"
    lines = [f"  {short(group.name)}: {group.units} units, {exact}"]
    for place in group.places[:MOST_PLACES]:
        sizes = ", ".join(map(str, place.shape))
        each = f", {place.per_unit} a unit" if place.per_unit > 1 else ""
        lines.append(f"    {short(place.weight)} [{sizes}], axis {place.axis}{each}")
    if len(group.places) > MOST_PLACES:
        lines.append(f"    and {len(group.places) - MOST_PLACES} more weights")
    return lines


def short(name: str) -> str:
    """A long name without its middle: its ends tell the layer and the operator."""
    if len(name) <= WIDEST_NAME:
        return name
    end = WIDEST_NAME * 2 // 3
    return f"{name[: WIDEST_NAME - end - 3]}...{name[-end:]}"
