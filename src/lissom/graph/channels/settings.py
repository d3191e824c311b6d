"""What counts channels in an operator's settings, and must say so when there are others.

A constant gets other numbers, a computed one is scaled, so dynamic axes stay dynamic. What follows
by itself is left alone.
"""

from collections.abc import Mapping
from typing import Any, Final

from lissom.errors import MethodError
from lissom.graph.channels.after import After, Asked, Setting
from lissom.graph.channels.arithmetic import Array
from lissom.graph.channels.picking import Cut, slices
from lissom.graph.channels.walk import CannotFollow
from lissom.graph.cutting import SetAttribute, SetInput
from lissom.graph.model import NodeInfo

__all__ = ["SETTINGS"]


def _reshape(after: After, node: NodeInfo) -> list[Asked]:
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
    return after.fit(1, wanted, now)


def _expand(after: After, node: NodeInfo) -> list[Asked]:
    made, now = after.size(node.outputs[0]), after.now(node.inputs[1])
    if now is None:
        if after.is_cut(node.outputs[0]):
            raise MethodError(f"Expand {node.name!r} has a target that depends on data")
        return []
    if not after.differs(node.inputs[0]):
        after.hold(node.outputs[0])
    tail = made[len(made) - len(now) :]
    wanted = [size if size == 1 else made_size for size, made_size in zip(now, tail, strict=True)]
    return after.fit(1, wanted, now)


def _filled(after: After, node: NodeInfo) -> list[Asked]:
    made, now = after.size(node.outputs[0]), after.now(node.inputs[0])
    if now is None and not after.is_cut(node.outputs[0]):
        return []
    after.hold(node.outputs[0])
    return after.fit(0, made, now)


def _split(after: After, node: NodeInfo) -> list[Asked]:
    at: Any = node.attributes.get("axis", 0)
    wanted = [after.size(name)[at] for name in node.outputs]
    if after.stays(node.inputs[0], at):
        return after.restore(node, 1)
    if after.walk.model.opset < 13:
        return [SetAttribute(node=node.name, attribute="split", value=tuple(wanted))]
    found: list[Asked] = []
    if "num_outputs" in node.attributes:
        found.append(SetAttribute(node=node.name, attribute="num_outputs", value=None))
    now = after.now(node.inputs[1]) if len(node.inputs) > 1 and node.inputs[1] else None
    return found + after.fit(1, wanted, now)


def _slice(after: After, node: NodeInfo) -> list[Asked]:
    try:
        cuts = slices(after.walk, node)
    except CannotFollow:
        # The axes that are cut are not those that it slices, but its bounds may count channels.
        return after.restore(node, 1) + after.restore(node, 2)
    attributes: Any = node.attributes
    listed = len(node.inputs) == 1
    if listed:
        starts, ends = list(attributes["starts"]), list(attributes["ends"])
        first, last = list(starts), list(ends)
    else:
        starts, ends = after.now(node.inputs[1]) or [], after.now(node.inputs[2]) or []
        first, last = after.before(node.inputs[1]) or [], after.before(node.inputs[2]) or []
        if (len(starts), len(ends)) != (len(first), len(last)):
            raise MethodError(f"Slice {node.name!r} takes as much as there are channels")
    for cut in cuts:
        if after.stays(node.inputs[0], cut.axis):
            continue  # as before, whatever the bounds were computed from
        times = after.times(node.inputs[0], cut.axis)
        now = slice(starts[cut.place], ends[cut.place], cut.step).indices(int(times.sum()))[:2]
        begin, stop = _bounds(cut, times)
        same = now == (begin, stop)
        first[cut.place] = starts[cut.place] if same else begin
        last[cut.place] = ends[cut.place] if same else stop
    if listed:
        return [
            SetAttribute(node=node.name, attribute=name, value=tuple(values))
            for name, values, old in (("starts", first, starts), ("ends", last, ends))
            if values != old
        ]
    return after.fit(1, first, starts) + after.fit(2, last, ends)


def _bounds(cut: Cut, times: Array) -> tuple[int, int]:
    """Where a slice starts and ends among the indices that will be there."""
    begin = int(times[: cut.start].sum())
    if cut.step == 1:
        return begin, max(begin, int(times[: cut.end].sum()))
    # The neighbours in a step leave together, so each step that stays is whole.
    offset = cut.start % cut.step
    begin = int(times[: cut.start - offset].sum()) + offset
    taken = int(times[cut.start : cut.end : cut.step].sum())
    return begin, begin + max(0, cut.step * (taken - 1) + 1)


def _gather(after: After, node: NodeInfo) -> list[Asked]:
    at: Any = node.attributes.get("axis", 0)
    at %= len(after.walk.shape(node.inputs[0]))
    if after.stays(node.inputs[0], at):
        return after.restore(node, 1)
    now = after.now(node.inputs[1])
    if now is None:
        raise MethodError(f"Gather {node.name!r} takes what is computed")
    places = {each: place for place, each in enumerate(_pairs(after.laid(node.inputs[0], at)))}
    if not len(after.walk.shape(node.inputs[1])):
        return [SetInput(node=node.name, input=1, values=(places[now[0], 0],))]
    taken = _pairs(after.laid(node.outputs[0], at))
    return after.fit(1, [places[now[index], copy] for index, copy in taken], now)


def _pairs(laid: tuple[Array, Array]) -> list[tuple[int, int]]:
    return list(zip(laid[0].tolist(), laid[1].tolist(), strict=True))


def _pad(after: After, node: NodeInfo) -> list[Asked]:
    name, made = node.inputs[0], node.outputs[0]
    rank = len(after.walk.shape(name))
    given: Any = node.attributes.get("pads")
    pads = list(given) if given is not None else after.before(node.inputs[1])
    if pads is None or len(pads) != 2 * rank:
        return []
    wanted = list(pads)
    for axis in range(rank):
        if after.stays(made, axis):
            continue  # and a negative pad, which crops, stays as it is
        times = after.times(made, axis)
        wanted[axis] = int(times[: pads[axis]].sum())
        wanted[axis + rank] = int(times[len(times) - pads[axis + rank] :].sum())
    if given is None:
        return after.fit(1, wanted, after.now(node.inputs[1]))
    if wanted == pads:
        return []
    return [SetAttribute(node=node.name, attribute="pads", value=tuple(wanted))]


def _resize(after: After, node: NodeInfo) -> list[Asked]:
    if len(node.inputs) < 4 or not node.inputs[3]:
        return []
    made = after.size(node.outputs[0])
    axes: Any = node.attributes.get("axes", tuple(range(len(made))))
    now = after.now(node.inputs[3])
    if now is None and not after.is_cut(node.outputs[0]):
        return []
    return after.fit(3, [made[axis] for axis in axes], now)


def _grouped(after: After, node: NodeInfo) -> list[Asked]:
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


def _norm_groups(after: After, node: NodeInfo) -> list[Asked]:
    before: Any = node.attributes["num_groups"]
    each = after.walk.shape(node.inputs[0])[1] // before
    groups = after.size(node.inputs[0])[1] // each
    if before == 1 or groups == before:
        return []
    return [SetAttribute(node=node.name, attribute="num_groups", value=groups)]


def _hidden(after: After, node: NodeInfo) -> list[Asked]:
    size = after.size(node.inputs[2])[-1]
    if size == after.walk.shape(node.inputs[2])[-1]:
        return []
    return [SetAttribute(node=node.name, attribute="hidden_size", value=size)]


SETTINGS: Final[Mapping[str, Setting]] = {
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
