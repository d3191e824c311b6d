"""Write the edit that splits units of channel groups: there several times, shared where summed.

What a removal takes out, a split puts in once more: the same indices of the same weights, and the
same settings count them. The copies compute the same, so whatever sums over them must get its share
of each, which only weights can give: a unit that is read by anything else stays as it is.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import numpy as np

from lissom.errors import MethodError
from lissom.graph.channels.arithmetic import Array
from lissom.graph.channels.fitting import fitted
from lissom.graph.channels.groups import ChannelGroup, Channels
from lissom.graph.channels.layout import runs
from lissom.graph.channels.picking import slices
from lissom.graph.channels.settings import SETTINGS
from lissom.graph.channels.walk import CannotFollow, Walk
from lissom.graph.edit import SplitChannels
from lissom.graph.model import NodeInfo
from lissom.graph.site import sites

__all__ = ["obstacle", "splitting", "summed"]

_CELLS: Final = frozenset({"GRU", "LSTM", "RNN"})


def splitting(found: Channels, times: Mapping[str, Mapping[int, int]]) -> SplitChannels:
    """The edit that lets units be there several times.

    Args:
        found: the channel groups of a model.
        times: by the group's name, how often units will be there; once unless it is said.

    Raises:
        ModelError: there is no such group or unit.
        MethodError: a group cannot be split, or something that counts its channels cannot be
            rewritten.
    """
    changed: dict[int, int] = {}
    shared: set[tuple[str, int]] = set()
    for name, own in times.items():
        group = found.group(name)
        if reason := obstacle(found, group):
            raise MethodError(f"group {name!r} cannot be split: {reason}")
        if any(not 0 <= unit < group.units or count < 1 for unit, count in own.items()):
            raise MethodError(
                f"group {name!r} has units 0 to {group.units - 1}, each once at least"
            )
        changed.update({group.roots[unit]: count for unit, count in own.items() if count > 1})
        shared.update(summed(found, group))
    after, rewrites = fitted(found.walk, changed, SETTINGS)
    return SplitChannels(
        growths=tuple(after.growths(shared)), rewrites=rewrites, resized=tuple(after.resized())
    )


def summed(found: Channels, group: ChannelGroup) -> dict[tuple[str, int], str]:
    """Weights and their axes that sum over a group's channels, with the nodes that do.

    Raises:
        MethodError: something without a weight of its own sums over them.
    """
    model = found.walk.model
    known = {(site.node, site.input): site for site in sites(model) if site.op_type != "Gather"}
    members = {(member.weight, member.axis) for member in group.members}
    result = {}
    for reader in group.readers:
        node = model.node(reader.node)
        site = known.get((reader.node, node.inputs[reader.input]))
        if site is None or reader.input != 0 or (site.weight, site.in_axis) not in members:
            raise MethodError(f"{node.op_type} {node.name!r} sums over it without a weight")
        if model.consumers[site.weight] != (site.node,) or node.inputs.count(site.weight) > 1:
            raise MethodError(f"several operators share {site.weight!r}")
        result[site.weight, site.in_axis] = site.node
    for node in model.nodes:  # what a cell reads of itself
        if node.op_type in _CELLS and (node.inputs[2], 2) in members:
            result[node.inputs[2], 2] = node.name
    return result


def obstacle(found: Channels, group: ChannelGroup) -> str:
    """Why a group cannot be split; empty if it can."""
    walk = found.walk
    if group.inexact:
        return group.inexact
    if not group.readers:
        return "nothing sums over it"
    try:
        summed(found, group)
    except MethodError as error:
        return str(error)
    own = np.zeros(walk.ids.all_roots().size, bool)
    own[list(group.roots)] = True
    if not all(_even(roots, own) for roots in _rooted(walk)):
        return "its units do not lie alike"
    if any(_parts(walk, node, own) for node in walk.model.nodes):
        return "a unit is taken apart"
    return ""


def _rooted(walk: Walk) -> Iterator[Array]:
    """The classes along every axis that has some."""
    for axes in walk.axes.values():
        for ids in axes:
            if ids is not None:
                yield walk.ids.roots(ids)


def _even(roots: Array, own: Array) -> bool:
    """Whether a group's units lie in runs of one length, so that a run is a unit's place."""
    if not own[roots].any():
        return True
    starts, ends = runs(roots)
    lengths = (ends - starts)[own[roots[starts]]]
    return bool((lengths == lengths[0]).all())


def _parts(walk: Walk, node: NodeInfo, own: Array) -> bool:
    """Whether a node begins or ends between two neighbours of one unit."""
    for value, axis, ends in _seams(walk, node):
        axes = walk.axes.get(value)
        ids = None if axes is None else axes[axis]
        if ids is not None:
            roots = walk.ids.roots(ids)
            inner = np.asarray([end for end in ends if 0 < end < roots.size], np.int64)
            if (own[roots[inner]] & (roots[inner] == roots[inner - 1])).any():
                return True
    return False


def _seams(walk: Walk, node: NodeInfo) -> Iterator[tuple[str, int, Iterable[int]]]:
    """Where a node begins and ends along axes of values; nowhere if it was not followed."""
    at: Any = node.attributes.get("axis", 0)
    try:
        match node.op_type:
            case "Concat":
                sizes = [walk.shape(name)[at] for name in node.inputs]
                yield node.outputs[0], at, np.cumsum(sizes).tolist()
            case "Split":
                sizes = [walk.shape(name)[at] for name in node.outputs]
                yield node.inputs[0], at, np.cumsum(sizes).tolist()
            case "Slice":
                for cut in slices(walk, node):
                    whole = cut.step == 1
                    ends = (cut.start, cut.end) if whole else range(_size(walk, node, cut.axis))
                    yield node.inputs[0], cut.axis, ends
            case "Pad" | "Tile":
                for axis, size in enumerate(walk.shape(node.outputs[0])):
                    if size != _size(walk, node, axis):
                        yield node.outputs[0], axis, range(size)
    except CannotFollow:
        return


def _size(walk: Walk, node: NodeInfo, axis: int) -> int:
    return walk.shape(node.inputs[0])[axis]
