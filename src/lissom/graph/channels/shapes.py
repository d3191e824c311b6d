"""Rules of operators that lay values out anew: the same indices, other axes.

A reshape is taken apart into the smallest blocks of axes that hold the same elements before and
after. In a block with one axis after, each merged index keeps the identity of its channel. Where an
axis is split into several, one of them leads: its index is the unit, and what shares it is united.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any, Final

import numpy as np

from lissom.graph.channels.elementwise import aligned
from lissom.graph.channels.identities import Axes, Ids
from lissom.graph.channels.walk import CannotFollow, Rule, Walk
from lissom.graph.model import NodeInfo

__all__ = ["RULES", "block_pairs"]

_LARGEST_BLOCK: Final = 1 << 24


def reshape(walk: Walk, node: NodeInfo) -> list[Axes]:
    """Reshape, Flatten, Squeeze and Unsqueeze alike."""
    before, after = walk.shape(node.inputs[0]), walk.shape(node.outputs[0])
    if 0 in before:
        raise CannotFollow("a value of size zero")
    axes = walk.of(node.inputs[0])
    found: list[Ids | None] = [None] * len(after)
    for old, new in block_pairs(before, after):
        lead = _lead(walk, axes, old)
        if lead is None:
            continue
        sizes = [before[axis] for axis in old]
        if prod(sizes) > _LARGEST_BLOCK:
            raise CannotFollow("too large a block of axes")
        at = [1] * len(old)
        at[old.index(lead)] = before[lead]
        ids = axes[lead]
        assert ids is not None
        laid = np.broadcast_to(ids.reshape(at), sizes).reshape([after[axis] for axis in new])
        place, made = _along(walk, laid, sizes)
        found[new[place]] = made
    return [tuple(found)]


def block_pairs(
    before: Sequence[int], after: Sequence[int]
) -> Iterator[tuple[list[int], list[int]]]:
    """The smallest blocks of axes that hold the same elements; axes of size 1 are in none."""
    old = [axis for axis, size in enumerate(before) if size > 1]
    new = [axis for axis, size in enumerate(after) if size > 1]
    while old and new:
        left, right = [old.pop(0)], [new.pop(0)]
        ours, theirs = before[left[0]], after[right[0]]
        while ours != theirs:
            if ours < theirs:
                left.append(old.pop(0))
                ours *= before[left[-1]]
            else:
                right.append(new.pop(0))
                theirs *= after[right[-1]]
        yield left, right


def _lead(walk: Walk, axes: Axes, block: Sequence[int]) -> int | None:
    """The axis whose identities go on; others that are tracked must stay."""
    tracked = [axis for axis in block if axes[axis] is not None]
    if not tracked:
        return None
    real = [axis for axis in tracked if not walk.ids.only_made(_some(axes[axis]))]
    lead = (real or tracked)[0]
    walk.freeze([axes[axis] for axis in tracked if axis != lead], "it merges with other channels")
    return lead


def _along(walk: Walk, laid: Ids, sizes: Sequence[int]) -> tuple[int, Ids]:
    """The axis that carries identities laid out over a block, and those along it."""
    roots = walk.ids.roots(np.ascontiguousarray(laid).ravel()).reshape(laid.shape)
    for axis in range(laid.ndim):
        first = np.moveaxis(roots, axis, 0).reshape(laid.shape[axis], -1)
        if (first == first[:, :1]).all():
            return axis, np.ascontiguousarray(first[:, 0])
    question = f"split {list(sizes)} into {list(laid.shape)}"
    axis = walk.choose(question, laid.ndim)
    return axis, walk.blocks(np.ascontiguousarray(laid), laid.shape, axis)


def _some(ids: Ids | None) -> Ids:
    return np.empty(0, np.int64) if ids is None else ids


def transpose(walk: Walk, node: NodeInfo) -> list[Axes]:
    """Axes change places."""
    axes = walk.of(node.inputs[0])
    order: Any = node.attributes.get("perm") or tuple(reversed(range(len(axes))))
    return [tuple(axes[axis] for axis in order)]


def concat(walk: Walk, node: NodeInfo) -> list[Axes]:
    """Indices joined along one axis; along the others they meet."""
    shape = walk.shape(node.outputs[0])
    at: Any = node.attributes["axis"]
    at %= len(shape)
    parts = [(walk.of(name), walk.shape(name)) for name in node.inputs if name]
    others = [
        (tuple(None if axis == at else ids for axis, ids in enumerate(axes)), sizes)
        for axes, sizes in parts
    ]
    found = [None] * len(shape) if not shape else list(_meet(walk, others, shape, at))
    if any(axes[at] is not None for axes, _ in parts):
        joined = [_or_frozen(walk, axes[at], sizes[at]) for axes, sizes in parts]
        found[at] = np.concatenate(joined)
    return [tuple(found)]


def _meet(
    walk: Walk, parts: Sequence[tuple[Axes, Sequence[int]]], shape: Sequence[int], at: int
) -> Axes:
    """What meets along every axis but one."""
    sizes = [[1 if axis == at else size for axis, size in enumerate(given)] for _, given in parts]
    given = [(axes, each) for (axes, _), each in zip(parts, sizes, strict=True)]
    return aligned(walk, given, [1 if axis == at else size for axis, size in enumerate(shape)])


def _or_frozen(walk: Walk, ids: Ids | None, count: int) -> Ids:
    if ids is not None:
        return ids
    found = walk.ids.new(count)
    walk.ids.freeze(found, "it is joined to channels and made by no weight")
    return found


def split(walk: Walk, node: NodeInfo) -> list[Axes]:
    """The inverse of concat."""
    axes = walk.of(node.inputs[0])
    at: Any = node.attributes.get("axis", 0)
    at %= len(axes)
    found: list[Axes] = []
    start = 0
    for name in node.outputs:
        size = walk.shape(name)[at]
        own = list(axes)
        ids = axes[at]
        if ids is not None:
            own[at] = ids[start : start + size] if size > 1 else None
            if size == 1:
                walk.ids.freeze(ids[start : start + 1], "it is taken out alone")
        start += size
        found.append(tuple(own))
    return found


def expand(walk: Walk, node: NodeInfo) -> list[Axes]:
    """Broadcast to a shape; what is repeated can be repeated less often."""
    shape = walk.shape(node.outputs[0])
    found = list(aligned(walk, [(walk.of(node.inputs[0]), walk.shape(node.inputs[0]))], shape))
    before = (1,) * (len(shape) - len(walk.shape(node.inputs[0]))) + walk.shape(node.inputs[0])
    fill(walk, node.inputs[1], found, [size == 1 for size in before], shape)
    return [tuple(found)]


def filled(walk: Walk, node: NodeInfo) -> list[Axes]:
    """One number in every place: of any size."""
    shape = walk.shape(node.outputs[0])
    found: list[Ids | None] = [None] * len(shape)
    fill(walk, node.inputs[0], found, [True] * len(found), shape)
    return [tuple(found)]


def fill(
    walk: Walk,
    target: str,
    found: list[Ids | None],
    repeated: Sequence[bool],
    shape: Sequence[int],
) -> None:
    """Give identities to axes along which a value is the same, if their size is no input's."""
    fixed = walk.fixed(target)
    for back in range(1, len(fixed) + 1):
        if repeated[-back] and shape[-back] > 1 and fixed[-back]:
            found[-back] = walk.ids.new(shape[-back], made=True)


def tile(walk: Walk, node: NodeInfo) -> list[Axes]:
    """Repeated as often as is said."""
    repeats = walk.number(node.inputs[1])
    if repeats is None:
        raise CannotFollow("repeats that depend on data")
    axes = walk.of(node.inputs[0])
    found = [
        None if ids is None else np.tile(ids, int(count))
        for ids, count in zip(axes, repeats.ravel(), strict=True)
    ]
    return [tuple(found)]


def pad(walk: Walk, node: NodeInfo) -> list[Axes]:
    """Along a padded axis of channels, what is added can be added less."""
    given: Any = node.attributes.get("pads")
    numbers = walk.number(node.inputs[1]) if len(node.inputs) > 1 else np.asarray(given)
    if numbers is None or numbers.size != 2 * len(walk.shape(node.inputs[0])):
        raise CannotFollow("padding that depends on data, or of some axes only")
    if len(node.inputs) > 3 and node.inputs[3]:
        raise CannotFollow("padding of axes in an order of their own")
    axes, pads = walk.of(node.inputs[0]), numbers.ravel().tolist()
    found: list[Ids | None] = []
    for axis, ids in enumerate(axes):
        before, after = int(pads[axis]), int(pads[axis + len(axes)])
        if ids is None or (before == 0 and after == 0):
            found.append(ids)
        elif min(before, after) < 0 or node.attributes.get("mode", "constant") != "constant":
            raise CannotFollow("channels are cropped or mirrored")
        else:
            around = [walk.ids.new(count, made=True) for count in (before, after)]
            found.append(np.concatenate([around[0], ids, around[1]]))
    return [tuple(found)]


def same_sized(walk: Walk, node: NodeInfo) -> list[Axes]:
    """Samples and channels pass; other axes only where their size stays (pooling, resizing)."""
    if len([name for name in node.outputs if name]) > 1:
        raise CannotFollow("positions of largest values")
    if node.attributes.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise CannotFollow("one size depends on the others")
    before, after = walk.shape(node.inputs[0]), walk.shape(node.outputs[0])
    axes = walk.of(node.inputs[0])
    found: list[Ids | None] = []
    for axis, ids in enumerate(axes):
        kept = axis < 2 or "Pool" not in node.op_type
        found.append(ids if kept and before[axis] == after[axis] else None)
        if found[-1] is None:
            walk.freeze([ids], f"{node.op_type} mixes it with its neighbours")
    return [tuple(found)]


def sampled(walk: Walk, node: NodeInfo) -> list[Axes]:
    """Values read at places that other inputs say (GridSample, RoiAlign): channels pass."""
    for name in node.inputs[1:]:
        walk.freeze(walk.of(name) if name else (), f"{node.op_type} reads places from it")
    axes = walk.of(node.inputs[0])
    walk.freeze([axes[0], *axes[2:]], f"{node.op_type} reads places in it")
    return [(None, axes[1], *[None] * (len(walk.shape(node.outputs[0])) - 2))]


def depth_to_space(walk: Walk, node: NodeInfo) -> list[Axes]:
    """Channels [side, side, C] (DCR) or [C, side, side] (CRD) become C and places."""
    axes, channels = walk.of(node.inputs[0]), walk.shape(node.outputs[0])[1]
    side: Any = node.attributes["blocksize"]
    walk.freeze(axes[2:], "its places are spread")
    if axes[1] is None or channels == 1:
        walk.freeze([axes[1]], "it becomes places")
        return [(axes[0], None, None, None)]
    last = node.attributes.get("mode", "DCR") == "DCR"
    shape = (side * side, channels) if last else (channels, side * side)
    return [(axes[0], walk.blocks(axes[1], shape, 1 if last else 0), None, None)]


def space_to_depth(walk: Walk, node: NodeInfo) -> list[Axes]:
    """Places become channels [side, side, C]."""
    axes, side = walk.of(node.inputs[0]), node.attributes["blocksize"]
    walk.freeze(axes[2:], "it becomes channels")
    if not isinstance(side, int) or axes[1] is None:
        return [(axes[0], None, None, None)]
    return [(axes[0], np.tile(axes[1], side * side), None, None)]


def one_hot(walk: Walk, node: NodeInfo) -> list[Axes]:
    """Shapes and counts read from a value: nothing of its channels goes on."""
    for name in node.inputs:
        walk.freeze(walk.of(name) if name else (), f"{node.op_type} turns it into positions")
    return [(None,) * len(walk.shape(name)) for name in node.outputs if name]


def sizes_only(walk: Walk, node: NodeInfo) -> list[Axes]:
    """Only sizes are read (Shape); what others make (Range, random numbers) has no channels."""
    return [(None,) * len(walk.shape(name)) for name in node.outputs if name]


_POOLS: Final = ("AveragePool", "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool", "LpPool",
                 "MaxPool", "Resize", "Upsample")  # fmt: skip
RULES: Final[Mapping[tuple[str, str], Rule]] = {
    **{("", name): reshape for name in ("Flatten", "Reshape", "Squeeze", "Unsqueeze")},
    **{("", name): same_sized for name in _POOLS},
    **{("", name): sampled for name in ("GridSample", "MaxRoiPool", "RoiAlign")},
    **{("", name): sizes_only for name in ("EyeLike", "Range", "RandomNormal", "RandomNormalLike",
                                            "RandomUniform", "RandomUniformLike", "Shape", "Size")},
    **{("", name): one_hot for name in ("NonMaxSuppression", "NonZero", "OneHot")},
    ("", "Concat"): concat,
    ("", "ConstantOfShape"): filled,
    ("", "DepthToSpace"): depth_to_space,
    ("", "Expand"): expand,
    ("", "Pad"): pad,
    ("", "SpaceToDepth"): space_to_depth,
    ("", "Split"): split,
    ("", "Tile"): tile,
    ("", "Transpose"): transpose,
}  # fmt: skip
