"""What ways of splitting channels share: which groups can be split, and the edit that does it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Annotated, TypeAlias

import numpy as np
from pydantic import Field

from lissom.errors import MethodError
from lissom.graph.channels.groups import ChannelGroup, Channels
from lissom.graph.channels.splitting import obstacle, splitting, summed
from lissom.graph.edit import SplitChannels
from lissom.methods.protocol import Context, Skip
from lissom.methods.removing import refusal_of
from lissom.numerics.splitting import counts

__all__ = ["Added", "Chosen", "refusal_to_split", "split_units", "times_by_peaks"]

Added: TypeAlias = Annotated[
    float,
    Field(
        gt=0.0,
        le=1.0,
        description="Share of each group's channels that is added; one channel at least.",
        json_schema_extra={"search": [0.02, 0.05]},
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Units that are split.

    Attributes:
        times: by the group's name, how often units will be there, where that is not once.
        edit: what does it.
        skips: groups that stay as they are, and why.
    """

    times: Mapping[str, Mapping[int, int]]
    edit: SplitChannels
    skips: tuple[Skip, ...]

    @property
    def added(self) -> int:
        """How many units come on top."""
        return sum(count - 1 for own in self.times.values() for count in own.values())


def split_units(
    found: Channels,
    choose: Callable[[ChannelGroup], Mapping[int, int]],
    refused: Mapping[str, str],
) -> Chosen:
    """Split units of every group that is not refused.

    Args:
        found: the channel groups of a model.
        choose: answers how often units of a group are to be there.
        refused: by the group's name, why it stays as it is.
    """
    skips = [Skip(target=name, reason=reason) for name, reason in refused.items()]
    wanted = {group.name: choose(group) for group in found.groups if group.name not in refused}
    times: dict[str, Mapping[int, int]] = {}
    edit = SplitChannels(growths=())
    try:
        times, edit = wanted, splitting(found, wanted)
    except MethodError:
        times = {}
        for name, own in wanted.items():  # one by one, to see which is refused
            try:
                edit = splitting(found, {**times, name: own})
            except MethodError as error:
                skips.append(Skip(target=name, reason=str(error)))
            else:
                times[name] = own
    if not times and not skips:
        skips.append(Skip(target="model", reason="no channels can be split"))
    return Chosen(times=times, edit=edit, skips=tuple(skips))


def times_by_peaks(
    group: ChannelGroup, peaks: Sequence[Sequence[float]], ratio: float
) -> dict[int, int]:
    """How often units are to be there, of those that are to be there several times.

    Args:
        group: whose units they are.
        peaks: by reader, the size of each unit's largest element, [units].
        ratio: the share of units that is added.
    """
    found = counts(np.asarray(peaks), ceil(ratio * group.units))
    return {unit: count for unit, count in enumerate(found.tolist()) if count > 1}


def refusal_to_split(found: Channels, group: ChannelGroup, context: Context) -> str | None:
    """Why a group stays as it is; None if single channels of it can be split."""
    reason = refusal_of(found, group, context) or obstacle(found, group)
    if reason:
        return reason
    if group.channels > 1:
        return "its units are several channels each"
    model = found.walk.model
    read = [weight for weight, _ in summed(found, group)]
    for weight in read:
        if model.weights[weight].dtype != "float32":
            return f"{weight!r} is {model.weights[weight].dtype}"
        if not np.all(np.isfinite(model.weight(weight))):
            return f"its weight {weight!r} is not finite"
    if not any(np.any(model.weight(weight)) for weight in read):
        return "all weights that read it are zero"
    return None
