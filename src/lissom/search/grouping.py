"""Channel groups of a model as `inspect` shows them: what may be removed, and what must stay."""

from dataclasses import dataclass
from typing import Any

from lissom.graph.channels.groups import ChannelGroup, Channels

__all__ = ["Group", "Grouping", "Place", "grouping"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a group lives.

    Attributes:
        weight: the constant's name.
        axis: of the stored weight.
        shape: of the weight.
        per_unit: indices along the axis that one unit holds (64 rows for a head of 64).
    """

    weight: str
    axis: int
    shape: tuple[int, ...]
    per_unit: int

    def to_json(self) -> dict[str, Any]:
        """Write as JSON values."""
        return {
            "weight": self.weight,
            "axis": self.axis,
            "shape": list(self.shape),
            "per_unit": self.per_unit,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One channel group.

    Attributes:
        name: of the operator whose weight makes the channels.
        units: how many may leave, one by one; one must stay.
        places: where it lives, the weight that makes the channels first.
        inexact: why removal differs from zeroing; empty where it does not.
    """

    name: str
    units: int
    places: tuple[Place, ...]
    inexact: str

    def to_json(self) -> dict[str, Any]:
        """Write as JSON values."""
        return {
            "name": self.name,
            "units": self.units,
            "exact": not self.inexact,
            "inexact": self.inexact,
            "places": [place.to_json() for place in self.places],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """All channel groups of a model.

    Attributes:
        groups: in the graph's order.
        coverage: the share of parameters in some removable unit.
        kept: reasons for the others, with how many parameters, most first.
    """

    groups: tuple[Group, ...]
    coverage: float
    kept: tuple[tuple[str, int], ...]

    def to_json(self) -> dict[str, Any]:
        """Write as JSON values."""
        return {
            "coverage": self.coverage,
            "groups": [group.to_json() for group in self.groups],
            "kept": [{"reason": reason, "parameters": count} for reason, count in self.kept],
        }


def grouping(found: Channels) -> Grouping:
    """What was found, without the graph."""
    return Grouping(
        groups=tuple(_group(found, one) for one in found.groups),
        coverage=found.coverage,
        kept=tuple((one.reason, one.parameters) for one in found.kept),
    )


def _group(found: Channels, group: ChannelGroup) -> Group:
    weights = found.walk.model.weights
    places = tuple(
        Place(
            weight=member.weight,
            axis=member.axis,
            shape=weights[member.weight].shape,
            per_unit=max(map(len, member.indices)),
        )
        for member in group.members
    )
    return Group(name=group.name, units=group.units, places=places, inexact=group.inexact)
