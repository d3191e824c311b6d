"""What operators without matrices do with labels; what is not named here stops them."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, Final

import numpy as np

from lissom.graph.channels.arithmetic import reduced_axes
from lissom.graph.channels.picking import slices
from lissom.graph.channels.shapes import block_pairs
from lissom.graph.channels.walk import CannotFollow
from lissom.graph.model import NodeInfo
from lissom.graph.scaling import products
from lissom.graph.scaling.labels import Labels, Rule, Scaling

__all__ = ["RULES"]

_LARGEST = 1 << 22
_BESIDE: Final = "it meets values that cannot be scaled"


def passing(walk: Scaling, node: NodeInfo) -> list[Labels | None]:
    """f(s x) = s f(x) for s > 0, element by element; other inputs are settings."""
    return [walk.of(node.inputs[0])]


def clip(walk: Scaling, node: NodeInfo) -> list[Labels | None]:
    """A Relu if it clips at zero from below and nowhere else."""
    bounds = [None if not name else walk.number(name) for name in (*node.inputs, "", "")[1:3]]
    low, high = bounds
    given = [bool(name) for name in (*node.inputs, "", "")[1:3]]
    older = {"min", "max"} & set(node.attributes)  # where bounds are no inputs yet
    if older or given[1] or (given[0] and (low is None or np.any(low))) or high is not None:
        raise CannotFollow("clips at a number other than zero")
    return [walk.of(node.inputs[0])]


def meeting(walk: Scaling, node: NodeInfo) -> list[Labels | None]:
    """Sums, and the larger or smaller of several: all have the same factors."""
    rank = len(walk.shape(node.outputs[0]))
    values = [name for name in node.inputs if name not in walk.model.weights]
    found = [_ranked(walk.of(name), rank) for name in values]
    tracked = [each for each in found if each is not None]
    if not tracked:
        return [None]
    if len(tracked) < len(found):
        for each in tracked:
            walk.freeze(each, _BESIDE)
        return [None]
    made = walk.unite(tracked)
    for name in node.inputs:
        if name in walk.model.weights:
            made = _beside(walk, node, name, made)
    return [made]


def _beside(walk: Scaling, node: NodeInfo, weight: str, made: Labels) -> Labels:
    """A constant that takes the factors of what it is added to."""
    shape = walk.shape(weight)
    known = walk.number(weight)
    if known is not None and not np.any(known):
        walk.of(weight)  # zeros are zeros at any scale
        return made
    if prod(shape) == 1:
        walk.freeze(made, "one number is added to all channels")
        walk.of(weight)
        return made
    wide = (1,) * (made.ndim - len(shape)) + tuple(shape)
    made = walk.along(made, [a for a in range(made.ndim) if wide[a] == 1 and made.shape[a] > 1])
    walk.use(node, weight, made.reshape(made.shape[made.ndim - len(shape) :]), makes=True)
    return made


def multiplying(walk: Scaling, node: NodeInfo) -> list[Labels | None]:
    """A product has the factors of the one side that has some; a constant vector can change them.

    Both sides scaled would be scaled twice, and what divides would have to be scaled the other way.
    """
    rank = len(walk.shape(node.outputs[0]))
    constant = [name in walk.model.weights for name in node.inputs]
    if all(constant):
        return [None]
    if any(constant):
        place = constant.index(True)
        if node.op_type == "Div" and place == 0:
            raise CannotFollow("divides by this input")
        return _by_constant(walk, node, node.inputs[1 - place], node.inputs[place])
    left, right = (_ranked(walk.of(name), rank) for name in node.inputs)
    if right is None:
        return [left]
    if left is None and node.op_type == "Mul":
        return [right]
    for each in (left, right):
        walk.freeze(each, "it is multiplied with, or divides, what could be scaled")
    return [None]


def _by_constant(walk: Scaling, node: NodeInfo, value: str, weight: str) -> list[Labels | None]:
    """Each channel by a number of its own: a weight that reads factors and makes new ones."""
    shape, rank = walk.shape(weight), len(walk.shape(node.outputs[0]))
    read = _ranked(walk.of(value), rank)
    if prod(shape) == 1:
        walk.of(weight)
        return [read]
    wide = (1,) * (rank - len(shape)) + tuple(shape)
    if read is not None and any(read.shape[axis] > 1 and wide[axis] == 1 for axis in range(rank)):
        walk.of(weight)
        return [read]  # the constant differs along other axes only
    if sum(size > 1 for size in wide) != 1:
        walk.of(weight)
        return [read]
    divisor = node.op_type == "Div"
    if read is not None:
        laid = read.reshape(read.shape[rank - len(shape) :])
        walk.use(node, weight, laid, makes=False, divisor=divisor)
    made = walk.new(prod(shape)).reshape(shape)
    walk.use(node, weight, made, makes=True, divisor=divisor)
    return [_ranked(made, rank)]


def _ranked(labels: Labels | None, rank: int) -> Labels | None:
    return None if labels is None else labels.reshape((1,) * (rank - labels.ndim) + labels.shape)


def normalized(walk: Scaling, node: NodeInfo) -> list[Labels | None]:
    """Layer and RMS normalization: what they give is scaled by their parameters alone."""
    walk.freeze(walk.of(node.inputs[0]), f"{node.op_type} takes statistics of it")
    if node.op_type == "SkipLayerNormalization":
        walk.freeze(walk.of(node.inputs[1]), f"{node.op_type} takes statistics of it")
        parameters = node.inputs[2:4]
    else:
        parameters = node.inputs[1:3]
    rank = len(walk.shape(node.outputs[0]))
    shape = walk.shape(parameters[0])
    made = walk.new(prod(shape)).reshape(shape)
    for name in parameters:
        if name:
            walk.use(node, name, made, makes=True)
    return [_ranked(made, rank), *[None] * (len(node.outputs) - 1)]


def normalized_channels(walk: Scaling, node: NodeInfo) -> list[Labels | None]:
    """Batch, instance and group normalization: one parameter for each channel of axis 1."""
    walk.freeze(walk.of(node.inputs[0]), f"{node.op_type} takes statistics of it")
    shape = walk.shape(node.outputs[0])
    if walk.shape(node.inputs[1]) != shape[1:2]:
        raise CannotFollow("has parameters for groups of channels")
    made = walk.new(shape[1])
    for name in node.inputs[1:3]:
        walk.use(node, name, made, makes=True)
    return [made.reshape(1, -1, *(1,) * (len(shape) - 2))]


def pooled(walk: Scaling, node: NodeInfo) -> list[Labels | None]:
    """Means and maxima of neighbours in space, and resizing: channels keep their factors."""
    found = walk.of(node.inputs[0])
    before, after = walk.shape(node.inputs[0]), walk.shape(node.outputs[0])
    if before[:2] != after[:2]:
        raise CannotFollow("resizes channels")
    return [None if found is None else walk.along(found, range(2, found.ndim))]


def reduced(walk: Scaling, node: NodeInfo) -> list[Labels | None]:
    """Sums, means and maxima over axes."""
    found = walk.of(node.inputs[0])
    gone = reduced_axes(node, walk.numbers, len(walk.shape(node.inputs[0])))
    if gone is None:
        raise CannotFollow("reduces axes that depend on data")
    if found is None:
        return [None]
    found = walk.along(found, gone)
    kept = bool(node.attributes.get("keepdims", 1))
    return [found if kept else found.squeeze(tuple(gone))]


def padded(walk: Scaling, node: NodeInfo) -> list[Labels | None]:
    """Zeros around, or what repeats along axes that have no factors of their own."""
    found = walk.of(node.inputs[0])
    pads = walk.number(node.inputs[1])
    value = walk.number(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] else None
    zero = not (len(node.inputs) > 2 and node.inputs[2]) or (
        value is not None and not np.any(value)
    )
    mirrored = node.attributes.get("mode", "constant") != "constant"
    if found is None:
        return [None]
    if pads is None or pads.size != 2 * found.ndim or not (zero or mirrored):
        raise CannotFollow("pads with another number than zero, or where data says")
    around = pads.ravel().reshape(2, -1)
    for axis, (before, after) in enumerate(around.T.tolist()):
        if (before or after) and found.shape[axis] > 1:
            if mirrored or min(before, after) < 0:
                raise CannotFollow("crops or mirrors channels")
            sizes = [1] * found.ndim
            ends = []
            for count in (before, after):
                sizes[axis] = count
                ends.append(walk.new(count).reshape(sizes))
            spread = [size if at != axis else 1 for at, size in enumerate(found.shape)]
            found = np.concatenate(
                [np.tile(ends[0], spread), found, np.tile(ends[1], spread)], axis
            )
    return [found]


def reshaped(walk: Scaling, node: NodeInfo) -> list[Labels | None]:
    """Reshape, Flatten, Squeeze and Unsqueeze alike: labels are laid out as elements are."""
    found = walk.of(node.inputs[0])
    before, after = walk.shape(node.inputs[0]), walk.shape(node.outputs[0])
    if found is None:
        return [None]
    if 0 in before:
        raise CannotFollow("reshapes a value of size zero")
    held, given = [1] * len(before), [1] * len(after)
    for old, new in block_pairs(before, after):
        if any(found.shape[axis] > 1 for axis in old):
            held = [before[a] if a in old else size for a, size in enumerate(held)]
            given = [after[a] if a in new else size for a, size in enumerate(given)]
    if prod(held) > _LARGEST:
        raise CannotFollow("reshapes too many factors")
    return [np.broadcast_to(found, held).reshape(given)]


def transposed(walk: Scaling, node: NodeInfo) -> list[Labels | None]:
    """Axes change places."""
    found = walk.of(node.inputs[0])
    order: Any = node.attributes.get("perm") or None
    return [None if found is None else found.transpose(order)]


def joined(walk: Scaling, node: NodeInfo) -> list[Labels | None]:
    """Values one behind the other; those without labels are not scaled."""
    rank = len(walk.shape(node.outputs[0]))
    at: Any = node.attributes["axis"]
    at %= rank
    found = [walk.of(name) for name in node.inputs]
    if all(each is None for each in found):
        return [None]
    parts = []
    for each, name in zip(found, node.inputs, strict=True):
        if each is None:
            each = walk.new(1).reshape((1,) * rank)
            walk.freeze(each, _BESIDE)
        sizes = list(each.shape)
        sizes[at] = walk.shape(name)[at]
        parts.append(np.broadcast_to(each, sizes))
    wide = [max(part.shape[axis] for part in parts) for axis in range(rank)]
    full = [
        np.broadcast_to(part, [part.shape[at] if a == at else w for a, w in enumerate(wide)])
        for part in parts
    ]
    return [np.concatenate(full, at)]


def parted(walk: Scaling, node: NodeInfo) -> list[Labels | None]:
    """The inverse of joining."""
    found = walk.of(node.inputs[0])
    at: Any = node.attributes.get("axis", 0)
    if found is None:
        return [None] * len(node.outputs)
    at %= found.ndim
    sizes = [walk.shape(name)[at] for name in node.outputs]
    if found.shape[at] == 1:
        return [found] * len(sizes)
    return list(np.split(found, np.cumsum(sizes)[:-1], at))


def sliced(walk: Scaling, node: NodeInfo) -> list[Labels | None]:
    """Ranges of axes."""
    found = walk.of(node.inputs[0])
    if found is None:
        return [None]
    for cut in slices(walk, node):
        if found.shape[cut.axis] > 1:
            end = cut.end if cut.end >= 0 else None
            found = found.take(
                np.arange(found.shape[cut.axis])[cut.start : end : cut.step], cut.axis
            )
    return [found]


def gathered(walk: Scaling, node: NodeInfo) -> list[Labels | None]:
    """Constant indices pick; rows of a weight are looked up."""
    at: Any = node.attributes.get("axis", 0)
    data, index = node.inputs[:2]
    if data in walk.model.weights:
        if at == 0 and len(walk.shape(data)) == 2:
            return products.embedding(walk, node)
        raise CannotFollow("looks up a weight in another way than by rows")
    found = walk.of(data)
    rank = len(walk.shape(index))
    if found is None:
        return [None]
    at %= found.ndim
    if found.shape[at] == 1:
        sizes = (*found.shape[:at], *(1,) * rank, *found.shape[at + 1 :])
        return [found.reshape(sizes)]
    known = walk.number(index)
    if known is None or walk.numbers.computed(index):
        raise CannotFollow("picks channels by a computed index")
    return [found.take(known.astype(np.int64), at)]


def expanded(walk: Scaling, node: NodeInfo) -> list[Labels | None]:
    """Repeated along axes of size one."""
    return [_ranked(walk.of(node.inputs[0]), len(walk.shape(node.outputs[0])))]


def counted(walk: Scaling, node: NodeInfo) -> list[Labels | None]:
    """Only sizes are read."""
    walk.of(node.inputs[0])
    return [None] * len(node.outputs)


def _all(rule: Rule, names: Sequence[str], domain: str = "") -> dict[tuple[str, str], Rule]:
    return {(domain, name): rule for name in names}


RULES: Final[Mapping[tuple[str, str], Rule]] = {
    **products.RULES,
    **_all(passing, ("Abs", "Dropout", "Identity", "LeakyRelu", "Neg", "PRelu", "Relu")),
    **_all(meeting, ("Add", "Max", "Mean", "Min", "Sub", "Sum")),
    **_all(multiplying, ("Div", "Mul")),
    **_all(normalized, ("LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization")),
    **_all(normalized, ("SkipLayerNormalization",), "com.microsoft"),
    **_all(normalized_channels, ("BatchNormalization", "GroupNormalization",
                                 "InstanceNormalization")),
    **_all(pooled, ("AveragePool", "GlobalAveragePool", "GlobalMaxPool", "MaxPool", "Resize")),
    **_all(reduced, ("ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum")),
    **_all(reshaped, ("Flatten", "Reshape", "Squeeze", "Unsqueeze")),
    **_all(counted, ("Shape", "Size")),
    ("", "Clip"): clip,
    ("", "Concat"): joined,
    ("", "Expand"): expanded,
    ("", "Gather"): gathered,
    ("", "Pad"): padded,
    ("", "Slice"): sliced,
    ("", "Split"): parted,
    ("", "Transpose"): transposed,
}  # fmt: skip
