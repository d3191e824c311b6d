"""Write the edit that removes units of channel groups: cut weights, count channels anew."""

from collections.abc import Iterable, Mapping

from lissom.errors import MethodError
from lissom.graph.channels.fitting import fitted
from lissom.graph.channels.groups import ChannelGroup, Channels
from lissom.graph.channels.settings import SETTINGS
from lissom.graph.edit import RemoveChannels

__all__ = ["removal"]


def removal(found: Channels, units: Mapping[str, Iterable[int]]) -> RemoveChannels:
    """The edit that removes these units of these groups.

    Args:
        found: the channel groups of a model.
        units: by the group's name, the numbers of the units that leave.

    Raises:
        ModelError: there is no such group.
        MethodError: a group would lose all its units, or something that counts its channels cannot
            be rewritten.
    """
    gone: set[int] = set()
    for name, numbers in units.items():
        group = found.group(name)
        chosen = _checked(group, set(numbers))
        gone.update(group.roots[number] for number in chosen)
    after, rewrites = fitted(found.walk, dict.fromkeys(gone, 0), SETTINGS)
    return RemoveChannels(
        cuts=tuple(after.cuts()), rewrites=rewrites, resized=tuple(after.resized())
    )


def _checked(group: ChannelGroup, chosen: set[int]) -> set[int]:
    if not chosen <= set(range(group.units)):
        raise MethodError(f"group {group.name!r} has units 0 to {group.units - 1}")
    if len(chosen) >= group.units:
        raise MethodError(f"group {group.name!r} would lose all its {group.units} units")
    return chosen
