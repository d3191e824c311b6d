"""What every way of pruning ends with: chosen units leave, and what read them is fitted anew."""

from collections.abc import Iterable, Mapping, Sequence

from lissom.errors import MethodError
from lissom.graph.channels.groups import ChannelGroup, Channels
from lissom.graph.channels.removal import removal
from lissom.graph.edit import Edit, RemoveChannels
from lissom.methods.protocol import Context, Plan, Skip
from lissom.methods.reading import readers_of, readings
from lissom.methods.repair import repair

__all__ = ["need_samples", "nothing", "prunable", "refusal_of", "removed"]


def nothing(method: str, skips: Sequence[Skip], summary: str) -> Plan:
    """A plan without edits."""
    return Plan(method=method, edits=(), skips=tuple(skips), summary=summary)


def need_samples(context: Context) -> None:
    """Refuse to go on without calibration samples.

    Raises:
        MethodError: there are none.
    """
    if context.calibration is None:
        raise MethodError("calibration samples are needed, and none were given")


def removed(
    found: Channels, units: Mapping[str, Iterable[int]], context: Context, *, repaired: bool
) -> tuple[RemoveChannels, tuple[Edit, ...]]:
    """The removal of these units, by group, and the edits that repair what read them."""
    model = found.walk.model
    edit = removal(found, units)
    if not repaired or context.calibration is None:
        return edit, ()
    return edit, repair(model, edit, context.calibration, context).edits


def prunable(found: Channels, context: Context) -> tuple[list[ChannelGroup], list[Skip]]:
    """Groups that some operator reads as rows, and why others are left alone."""
    known = readings(found.walk.model)
    groups, skips = [], []
    for group in found.groups:
        refusal = refusal_of(found, group, context)
        if group.inexact:
            skips.append(Skip(target=group.name, reason=group.inexact))
        elif not readers_of(group, known):
            skips.append(Skip(target=group.name, reason="nothing that reads it can be fitted"))
        elif refusal is not None:
            skips.append(Skip(target=group.name, reason=refusal))
        else:
            groups.append(group)
    return groups, skips


def refusal_of(found: Channels, group: ChannelGroup, context: Context) -> str | None:
    """Why the scope does not let a group change; None if it does.

    The nodes that change with it are those that hold its weights, and those that read it.
    """
    model = found.walk.model
    holders = [node for one in group.members for node in model.consumers.get(one.weight, ())]
    for name in dict.fromkeys((*holders, *(reader.node for reader in group.readers))):
        if refusal := context.scope.refusal(model.node(name)):
            return refusal
    return None
