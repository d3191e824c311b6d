"""Write the edit that removes units of channel groups: cut weights, count channels anew.

The graph is gone through once more with the sizes that it will have. Where an operator's settings
(a reshape's target, a split's sizes, a convolution's groups) do not follow by themselves, they are
rewritten: a constant gets other numbers, a computed one is scaled, so dynamic axes stay dynamic.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from lissom.errors import MethodError
from lissom.graph.channels.arithmetic import Array, Numbers
from lissom.graph.channels.groups import ChannelGroup, Channels
from lissom.graph.channels.picking import slices
from lissom.graph.channels.walk import CannotFollow
from lissom.graph.cutting import (
    Resizing,
    Rewrite,
    ScaleInput,
    SetAttribute,
    SetInput,
    WeightCut,
    runs_of,
)
from lissom.graph.edit import RemoveChannels
from lissom.graph.model import NodeInfo

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
    after = _After(found, gone)
    for node in found.walk.model.nodes:
        after.step(node)
    return RemoveChannels(
        cuts=tuple(after.cuts()),
        rewrites=tuple(after.rewrites),
        resized=tuple(after.resized()),
    )


def _checked(group: ChannelGroup, chosen: set[int]) -> set[int]:
    if chosen and not (0 <= min(chosen) and max(chosen) < group.units):
        raise MethodError(f"group {group.name!r} has units 0 to {group.units - 1}")
    if len(chosen) >= group.units:
        raise MethodError(f"group {group.name!r} would lose all its {group.units} units")
    return chosen


class _After:
    """The graph as it will be."""

    def __init__(self, found: Channels, gone: set[int]) -> None:
        self.walk = found.walk
        self.rewrites: list[Rewrite] = []
        self._numbers = Numbers(self.walk.model)
        roots = self.walk.ids.all_roots()
        self._leaves = np.isin(roots, np.asarray(sorted(gone), np.int64))
        self._shapes = {name: self._shape(name) for name in self.walk.shapes}

    def cuts(self) -> Iterator[WeightCut]:
        """Where weights are cut."""
        for name in self.walk.model.weights:
            for axis, ids in enumerate(self.walk.axes[name]):
                if ids is not None and (leaves := self._leaves[ids]).any():
                    removed = runs_of(np.flatnonzero(leaves).tolist())
                    yield WeightCut(weight=name, axis=axis, removed=removed)

    def resized(self) -> Iterator[Resizing]:
        """What the graph says of its values' shapes and is no longer true."""
        for name, before in self.walk.shapes.items():
            stated = self.walk.model.value_shape(name)
            if stated is None or len(stated) != len(before):
                continue
            for axis, (old, new) in enumerate(zip(before, self._shapes[name], strict=True)):
                if old != new and isinstance(stated[axis], int):
                    yield Resizing(value=name, axis=axis, size=new)

    def step(self, node: NodeInfo) -> None:
        """Look at a node's settings."""
        rule = _SETTINGS.get(node.op_type) if not node.domain else None
        if rule is not None:
            self.rewrites += rule(self, node)
        self._numbers.follow(node, self._shapes)
        self._keep_values(node, () if rule is None else _READ_AS_SIZES.get(node.op_type, _REST))

    # -- what rules ask --------------------------------------------------------------------------

    def size(self, name: str) -> tuple[int, ...]:
        """The shape that a value will have."""
        return self._shapes[name] if name in self._shapes else self._shape(name)

    def is_cut(self, name: str) -> bool:
        """Whether a value or weight changes its shape."""
        return self.size(name) != self.walk.shape(name)

    def kept(self, name: str, axis: int) -> Array:
        """Which indices of an axis stay."""
        ids = self.walk.of(name)[axis]
        count = self.walk.shape(name)[axis]
        return np.ones(count, bool) if ids is None else ~self._leaves[ids]

    def now(self, name: str) -> list[int] | None:
        """The integers that an input will hold by itself; None where they are not known."""
        found = self._numbers.of(name)
        return None if found is None else [int(number) for number in found.ravel()]

    def fit(
        self, node: NodeInfo, number: int, wanted: Sequence[int], now: Sequence[int] | None
    ) -> list[Rewrite]:
        """Rewrite an input so that it holds the integers wanted, if it does not by itself."""
        if now is not None and list(wanted) == list(now):
            return []
        name = node.inputs[number] if number < len(node.inputs) else ""
        if not name or name in self.walk.model.weights:
            return [SetInput(node=node.name, input=number, values=tuple(wanted))]
        if now is None or any(old == 0 != new for old, new in zip(now, wanted, strict=True)):
            raise MethodError(
                f"{node.op_type} {node.name!r} counts channels in a way that is computed"
            )
        pairs = [(1, 1) if old == new else (new, old) for old, new in zip(now, wanted, strict=True)]
        above, below = zip(*pairs, strict=True)
        return [ScaleInput(node=node.name, input=number, numerators=above, denominators=below)]

    # -- inside ----------------------------------------------------------------------------------

    def _shape(self, name: str) -> tuple[int, ...]:
        before = self.walk.shape(name)
        axes = self.walk.of(name)
        return tuple(
            size if ids is None else int((~self._leaves[ids]).sum())
            for size, ids in zip(before, axes, strict=True)
        )

    def _keep_values(self, node: NodeInfo, settings: Collection[int]) -> None:
        """Let a number that is computed with (a scale by the number of channels) stay as it was."""
        if self._numbers.computed(node.outputs[0]) or node.op_type in {"Shape", "Size"}:
            return
        for number, name in enumerate(node.inputs):
            old, new = self.walk.numbers.of(name), self._numbers.of(name)
            if number in settings or old is None or new is None or np.array_equal(old, new):
                continue
            if old.shape != new.shape or not np.all(new):
                raise MethodError(
                    f"{node.op_type} {node.name!r} computes with the number of channels"
                )
            self.rewrites.append(
                ScaleInput(
                    node=node.name,
                    input=number,
                    numerators=tuple(old.ravel().tolist()),
                    denominators=tuple(new.ravel().tolist()),
                )
            )


Setting = Callable[[_After, NodeInfo], list[Rewrite]]


def _reshape(after: _After, node: NodeInfo) -> list[Rewrite]:
    made = after.size(node.outputs[0])
    if len(node.inputs) < 2:
        return []
    now = after.now(node.inputs[1])
    if now is None:
        if after.is_cut(node.inputs[0]) or after.is_cut(node.outputs[0]):
            raise MethodError(f"Reshape {node.name!r} has a target that depends on data")
        return []
    given, copies = after.size(node.inputs[0]), not node.attributes.get("allowzero", 0)
    wanted = []
    for axis, size in enumerate(now):
        copied = size == 0 and copies and axis < len(given) and given[axis] == made[axis]
        wanted.append(size if size == -1 or copied else made[axis])
    return after.fit(node, 1, wanted, now)


def _expand(after: _After, node: NodeInfo) -> list[Rewrite]:
    made, now = after.size(node.outputs[0]), after.now(node.inputs[1])
    if now is None:
        if after.is_cut(node.outputs[0]):
            raise MethodError(f"Expand {node.name!r} has a target that depends on data")
        return []
    tail = made[len(made) - len(now) :]
    wanted = [size if size == 1 else made_size for size, made_size in zip(now, tail, strict=True)]
    return after.fit(node, 1, wanted, now)


def _filled(after: _After, node: NodeInfo) -> list[Rewrite]:
    made, now = after.size(node.outputs[0]), after.now(node.inputs[0])
    return after.fit(node, 0, made, now) if after.is_cut(node.outputs[0]) else []


def _split(after: _After, node: NodeInfo) -> list[Rewrite]:
    if not after.is_cut(node.inputs[0]):
        return []
    at: Any = node.attributes.get("axis", 0)
    wanted = [after.size(name)[at] for name in node.outputs]
    if after.walk.model.opset < 13:
        return [SetAttribute(node=node.name, attribute="split", value=tuple(wanted))]
    found: list[Rewrite] = []
    if "num_outputs" in node.attributes:
        found.append(SetAttribute(node=node.name, attribute="num_outputs", value=None))
    now = after.now(node.inputs[1]) if len(node.inputs) > 1 and node.inputs[1] else None
    return found + after.fit(node, 1, wanted, now)


def _slice(after: _After, node: NodeInfo) -> list[Rewrite]:
    if not after.is_cut(node.inputs[0]):
        return []
    try:
        cuts = slices(after.walk, node)
    except CannotFollow:
        return []  # the axes that are cut are not those that it slices
    attributes: Any = node.attributes
    listed = len(node.inputs) == 1
    starts, ends = (
        (list(attributes["starts"]), list(attributes["ends"]))
        if listed
        else (after.now(node.inputs[1]) or [], after.now(node.inputs[2]) or [])
    )
    first, last = list(starts), list(ends)
    for cut in cuts:
        kept = after.kept(node.inputs[0], cut.axis)
        if kept.all() or cut.step < 0:
            continue
        size = int(kept.sum())
        start, end, _ = slice(starts[cut.place], ends[cut.place], cut.step).indices(size)
        begin, stop = int(kept[: cut.start].sum()), int(kept[: cut.end].sum())
        if cut.step > 1:  # whole steps leave together, so what is before the first stays as it is
            begin, stop = cut.start, size
        if (start, end) != (begin, stop):
            first[cut.place], last[cut.place] = begin, stop
    if listed:
        return [
            SetAttribute(node=node.name, attribute=name, value=tuple(values))
            for name, values, old in (("starts", first, starts), ("ends", last, ends))
            if values != old
        ]
    return after.fit(node, 1, first, starts) + after.fit(node, 2, last, ends)


def _gather(after: _After, node: NodeInfo) -> list[Rewrite]:
    at: Any = node.attributes.get("axis", 0)
    kept = after.kept(node.inputs[0], at % len(after.walk.shape(node.inputs[0])))
    now = after.now(node.inputs[1])
    if kept.all() or now is None:
        return []
    places = np.cumsum(kept) - 1
    rank = len(after.walk.shape(node.inputs[1]))
    wanted = [int(places[index]) for index in now if kept[index]]
    return after.fit(node, 1, wanted, now) if rank else [_scalar(node, wanted[0])]


def _scalar(node: NodeInfo, value: int) -> Rewrite:
    return SetInput(node=node.name, input=1, values=(value,))


def _pad(after: _After, node: NodeInfo) -> list[Rewrite]:
    name, made = node.inputs[0], node.outputs[0]
    rank = len(after.walk.shape(name))
    given: Any = node.attributes.get("pads")
    pads = list(given) if given is not None else after.now(node.inputs[1])
    if pads is None or not after.is_cut(made):
        return []
    wanted = list(pads)
    for axis in range(rank):
        kept = after.kept(made, axis)
        wanted[axis] = int(kept[: pads[axis]].sum())
        wanted[axis + rank] = int(kept[len(kept) - pads[axis + rank] :].sum())
    if given is not None:
        return [SetAttribute(node=node.name, attribute="pads", value=tuple(wanted))]
    return after.fit(node, 1, wanted, pads)


def _resize(after: _After, node: NodeInfo) -> list[Rewrite]:
    if len(node.inputs) < 4 or not node.inputs[3] or not after.is_cut(node.outputs[0]):
        return []
    made = after.size(node.outputs[0])
    axes: Any = node.attributes.get("axes", tuple(range(len(made))))
    now = after.now(node.inputs[3])
    return after.fit(node, 3, [made[axis] for axis in axes], now)


def _grouped(after: _After, node: NodeInfo) -> list[Rewrite]:
    before: Any = node.attributes.get("group", 1)
    if before == 1:
        return []
    counts, weight = after.size(node.inputs[0])[1], after.size(node.inputs[1])
    groups = counts // weight[1]
    if node.op_type == "ConvTranspose":
        groups = after.size(node.outputs[0])[1] // weight[1]
    if groups == before:
        return []
    return [SetAttribute(node=node.name, attribute="group", value=groups)]


def _norm_groups(after: _After, node: NodeInfo) -> list[Rewrite]:
    before: Any = node.attributes["num_groups"]
    each = after.walk.shape(node.inputs[0])[1] // before
    groups = after.size(node.inputs[0])[1] // each
    if before == 1 or groups == before:
        return []
    return [SetAttribute(node=node.name, attribute="num_groups", value=groups)]


def _hidden(after: _After, node: NodeInfo) -> list[Rewrite]:
    size = after.size(node.inputs[2])[-1]
    if size == after.walk.shape(node.inputs[2])[-1]:
        return []
    return [SetAttribute(node=node.name, attribute="hidden_size", value=size)]


_REST: Final = range(1, 8)
_READ_AS_SIZES: Final = {"ConstantOfShape": range(1)}
_SETTINGS: Final[Mapping[str, Setting]] = {
    "ConstantOfShape": _filled,
    "Conv": _grouped,
    "ConvTranspose": _grouped,
    "Expand": _expand,
    "GRU": _hidden,
    "Gather": _gather,
    "GroupNormalization": _norm_groups,
    "LSTM": _hidden,
    "Pad": _pad,
    "RNN": _hidden,
    "Reshape": _reshape,
    "Resize": _resize,
    "Slice": _slice,
    "Split": _split,
}
