"""Rules of operators that pick indices: slices and lookups, and those whose answer is an index."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

from lissom.graph.channels.arithmetic import Array
from lissom.graph.channels.elementwise import MEETS, aligned
from lissom.graph.channels.identities import Axes, Ids
from lissom.graph.channels.walk import CannotFollow, Rule, Walk
from lissom.graph.model import NodeInfo

__all__ = ["RULES", "Cut", "Known", "slices"]

LOOKED_UP: Final = "it is looked up by an index that is computed"
ALONE: Final = "it is taken out alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What a Slice takes of one axis, in numbers that are not negative (but for a step)."""

    place: int  # in the lists of starts and ends
    axis: int
    start: int
    end: int
    step: int


class Known(Protocol):
    """Whatever knows shapes and numbers of a graph's values."""

    def shape(self, name: str) -> tuple[int, ...]:
        """The concrete shape of a value or weight."""
        ...

    def number(self, name: str) -> Array | None:
        """A value known by number; None if it is not."""
        ...


def slices(walk: Known, node: NodeInfo) -> list[Cut]:
    """What a Slice takes.

    Raises:
        CannotFollow: its bounds are not known by number.
    """
    shape = walk.shape(node.inputs[0])
    attributes: Any = node.attributes
    if len(node.inputs) == 1:
        lists = [attributes.get(name) for name in ("starts", "ends", "axes", "steps")]
    else:
        names = (*node.inputs[1:], "", "")[:4]
        found = [walk.number(name) for name in names]
        if any(one is None and name for one, name in zip(found, names, strict=True)):
            raise CannotFollow("bounds that depend on data")
        lists = [None if one is None else one.ravel().tolist() for one in found]
    starts, ends, axes, steps = lists
    cuts = []
    for place, (start, end) in enumerate(zip(starts, ends, strict=True)):
        axis = int(axes[place] if axes else place) % len(shape)
        step = int(steps[place]) if steps else 1
        first, last, _ = slice(int(start), int(end), step).indices(shape[axis])
        cuts.append(Cut(place=place, axis=axis, start=first, end=last, step=step))
    return cuts


def take_slice(walk: Walk, node: NodeInfo) -> list[Axes]:
    """Along an axis of channels: a range, or every n-th index, whose neighbours then leave too."""
    axes = list(walk.of(node.inputs[0]))
    try:
        cuts = slices(walk, node)
    except CannotFollow:
        for axis in _sliced(walk, node):
            walk.freeze([axes[axis]], "it is sliced by bounds that depend on data")
            axes[axis] = None
        return [tuple(axes)]
    for cut in cuts:
        ids = axes[cut.axis]
        if ids is None:
            continue
        if cut.step < 0 or (cut.step > 1 and ids.size % cut.step):
            walk.ids.freeze(ids, "it is taken in steps that do not divide it, or backwards")
        elif cut.step > 1:
            walk.blocks(ids, (ids.size // cut.step, cut.step), 0)
        taken = ids[cut.start : cut.end if cut.end >= 0 else None : cut.step]
        if taken.size == 1:
            walk.ids.freeze(taken, ALONE)
        axes[cut.axis] = taken if taken.size > 1 else None
    return [tuple(axes)]


def _sliced(walk: Walk, node: NodeInfo) -> list[int]:
    """Which axes a Slice goes along, whose bounds are not known; all, if even that is not."""
    rank = len(walk.shape(node.inputs[0]))
    if len(node.inputs) > 3 and node.inputs[3]:
        axes = walk.number(node.inputs[3])
        return list(range(rank)) if axes is None else [int(axis) % rank for axis in axes.ravel()]
    return list(range(walk.shape(node.inputs[1])[0]))


def gather(walk: Walk, node: NodeInfo) -> list[Axes]:
    """Constant indices along an axis pick from it; computed ones look it up."""
    data, at = walk.of(node.inputs[0]), node.attributes.get("axis", 0)
    rank = len(walk.shape(node.inputs[1]))
    if not isinstance(at, int):
        raise CannotFollow("an axis that is no number")
    at %= len(data)
    ids, index = data[at], walk.number(node.inputs[1])
    picked: list[Ids | None] = [None] * rank
    walk.freeze(walk.of(node.inputs[1]), "it is an index")
    if ids is not None and (index is None or rank > 1 or walk.numbers.computed(node.inputs[1])):
        walk.ids.freeze(ids, LOOKED_UP)
    elif ids is not None and index is not None:
        taken = ids[np.ravel(index).astype(np.int64)]
        if taken.size == 1:
            walk.ids.freeze(taken, ALONE)
        elif rank == 1:
            picked = [taken]
    return [(*data[:at], *picked, *data[at + 1 :])]


def gather_elements(walk: Walk, node: NodeInfo) -> list[Axes]:
    """Along one axis values are looked up; along the others data and indices meet."""
    at = node.attributes.get("axis", 0)
    data, index = list(walk.of(node.inputs[0])), list(walk.of(node.inputs[1]))
    if not isinstance(at, int):
        raise CannotFollow("an axis that is no number")
    at %= len(data)
    walk.freeze([data[at], index[at]], LOOKED_UP)
    shapes = [walk.shape(name) for name in node.inputs[:2]]
    found: list[Ids | None] = []
    for axis, (one, other) in enumerate(zip(data, index, strict=True)):
        if axis == at or shapes[0][axis] != shapes[1][axis]:
            walk.freeze([one, other], LOOKED_UP)
            found.append(None)
        else:
            found.append(walk.unite([one, other], MEETS) if shapes[0][axis] > 1 else None)
    return [tuple(found)]


def gather_nd(walk: Walk, node: NodeInfo) -> list[Axes]:
    """Leading axes are looked up, what stands behind them passes."""
    data, deep = walk.of(node.inputs[0]), walk.shape(node.inputs[1])[-1]
    batch = node.attributes.get("batch_dims", 0)
    depth = deep + (batch if isinstance(batch, int) else 0)
    walk.freeze(walk.of(node.inputs[1]), LOOKED_UP)
    walk.freeze(data[:depth], LOOKED_UP)
    rank = len(walk.shape(node.outputs[0]))
    return [(*[None] * (rank - len(data) + depth), *data[depth:])]


def scatter_nd(walk: Walk, node: NodeInfo) -> list[Axes]:
    """Leading axes are looked up; behind them data and updates meet."""
    data, deep = walk.of(node.inputs[0]), walk.shape(node.inputs[1])[-1]
    walk.freeze(walk.of(node.inputs[1]), LOOKED_UP)
    walk.freeze(data[:deep], LOOKED_UP)
    shape = walk.shape(node.inputs[0])
    updates = walk.of(node.inputs[2])
    tail = len(shape) - deep
    walk.freeze(updates[: len(updates) - tail], LOOKED_UP)
    given: list[tuple[Axes, tuple[int, ...]]] = [
        (data[deep:], shape[deep:]),
        (updates[len(updates) - tail :], shape[deep:]),
    ]
    return [((None,) * deep + aligned(walk, given, shape[deep:]))]


def along(walk: Walk, node: NodeInfo) -> list[Axes]:
    """Operators whose answer along an axis is an order, a share or a running sum of it."""
    axes = list(walk.of(node.inputs[0]))
    shape = walk.shape(node.inputs[0])
    at = _axis(walk, node)
    spread = node.op_type in {"Softmax", "LogSoftmax", "Hardmax"} and walk.model.opset < 13
    for axis in range(at % len(axes), len(axes) if spread else at % len(axes) + 1):
        walk.freeze([axes[axis]], f"{node.op_type} goes along it")
    found = []
    for name in node.outputs:
        made = walk.shape(name) if name else shape
        if len(made) != len(axes):  # the axis was dropped (ArgMax)
            found.append(tuple(ids for axis, ids in enumerate(axes) if axis != at % len(axes)))
        else:
            same = [made[axis] == size for axis, size in enumerate(shape)]
            found.append(tuple(ids if kept else None for ids, kept in zip(axes, same, strict=True)))
    return found


def _axis(walk: Walk, node: NodeInfo) -> int:
    default = {"TopK": -1, "ArgMax": 0, "ArgMin": 0}.get(
        node.op_type, 1 if walk.model.opset < 13 else -1
    )
    if node.op_type == "CumSum":
        number = walk.number(node.inputs[1])
        if number is None:
            raise CannotFollow("an axis that depends on data")
        return int(number.ravel()[0])
    at = node.attributes.get("axis", default)
    if not isinstance(at, int):
        raise CannotFollow("an axis that is no number")
    return at


def triangle(walk: Walk, node: NodeInfo) -> list[Axes]:
    """The upper or lower triangle of the last two axes."""
    axes = walk.of(node.inputs[0])
    walk.freeze(axes[-2:], "a triangle of it is taken")
    return [axes]


_ALONG: Final = ("ArgMax", "ArgMin", "CumSum", "Hardmax", "LogSoftmax", "Softmax", "TopK")
RULES: Final[Mapping[tuple[str, str], Rule]] = {
    **{("", name): along for name in _ALONG},
    ("", "Gather"): gather,
    ("", "GatherElements"): gather_elements,
    ("", "GatherND"): gather_nd,
    ("", "ScatterND"): scatter_nd,
    ("", "Slice"): take_slice,
    ("", "Trilu"): triangle,
}
