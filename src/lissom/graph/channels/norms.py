"""Rules of normalizations and reductions: parameters meet the channels that they scale.

Where statistics are taken over the channels themselves, removing some changes the statistics: such
channels are marked, and the removal is no longer equal to zeroing.
"""

from collections.abc import Mapping
from typing import Any, Final

from lissom.graph.channels.arithmetic import reduced_axes
from lissom.graph.channels.elementwise import MEETS, aligned
from lissom.graph.channels.identities import Axes, Ids
from lissom.graph.channels.walk import CannotFollow, Rule, Walk
from lissom.graph.model import NodeInfo

__all__ = ["RULES"]

NORMALIZED: Final = "statistics are taken over it"


def per_channel(walk: Walk, node: NodeInfo) -> list[Axes]:
    """Batch and instance normalization: one parameter for each channel.

    The statistics of an instance are taken over all other axes, in which exporters of group
    normalization put channels, too.
    """
    axes = list(walk.of(node.inputs[0]))
    if walk.shape(node.inputs[0])[1] > 1:
        met = [axes[1], *(walk.of(name)[0] for name in node.inputs[1:] if name)]
        axes[1] = walk.unite(met, MEETS)
    for ids in axes[2:] if node.op_type == "InstanceNormalization" else ():
        if ids is not None:
            walk.ids.mark(ids, NORMALIZED)
    return [tuple(axes)]


def trailing(walk: Walk, node: NodeInfo) -> list[Axes]:
    """Layer and RMS normalization, over all axes from one on; parameters align from the right."""
    shape = walk.shape(node.inputs[0])
    at: Any = node.attributes.get("axis", -1)
    at %= len(shape)
    given = [(walk.of(name), walk.shape(name)) for name in node.inputs if name]
    found = aligned(walk, given, shape)
    for ids in found[at:]:
        if ids is not None:
            walk.ids.mark(ids, NORMALIZED)
    statistics = (*found[:at], *[None] * (len(shape) - at))
    return [found, *[statistics] * (len(node.outputs) - 1)]


def skip_and_norm(walk: Walk, node: NodeInfo) -> list[Axes]:
    """ONNX Runtime's sum and layer normalization in one; a fourth output is the sum."""
    shape = walk.shape(node.inputs[0])
    given = [(walk.of(name), walk.shape(name)) for name in node.inputs if name]
    found = aligned(walk, given, shape)
    if found[-1] is not None:
        walk.ids.mark(found[-1], NORMALIZED)
    statistics = (*found[:-1], None)
    return [found, statistics, statistics, found][: len(node.outputs)]


def grouped(walk: Walk, node: NodeInfo) -> list[Axes]:
    """Group normalization: a whole group is a unit; one group for all has statistics of all."""
    axes, groups = list(walk.of(node.inputs[0])), node.attributes["num_groups"]
    channels = walk.shape(node.inputs[0])[1]
    if not isinstance(groups, int):
        raise CannotFollow("a number of groups that is none")
    ids = axes[1]
    if groups > 1 and ids is not None:
        ids = axes[1] = walk.blocks(ids, (groups, channels // groups), 0).repeat(channels // groups)
    for name in node.inputs[1:]:
        own = walk.of(name)[0]
        if walk.shape(name) == (1,):
            continue
        if ids is None or own is None:
            walk.freeze([ids, own], MEETS)
        elif own.size == channels:
            walk.ids.unite(ids, own)
        else:
            walk.ids.unite(ids[:: channels // groups], own)
    for over in axes[1 if groups == 1 else 2 :]:
        if over is not None:
            walk.ids.mark(over, NORMALIZED)
    return [tuple(axes)]


def neighbours(walk: Walk, node: NodeInfo) -> list[Axes]:
    """Local response normalization: over neighbouring channels."""
    axes = walk.of(node.inputs[0])
    if axes[1] is not None:
        walk.ids.mark(axes[1], NORMALIZED)
    return [axes]


def over_axes(walk: Walk, node: NodeInfo) -> list[Axes]:
    """Normalizations without parameters, over one axis or several."""
    axes = walk.of(node.inputs[0])
    given: Any = node.attributes.get("axes", (0, 2, 3))
    if node.op_type == "LpNormalization":
        given = (node.attributes.get("axis", -1),)
    for axis in given:
        ids = axes[axis % len(axes)]
        if ids is not None:
            walk.ids.mark(ids, NORMALIZED)
    return [axes]


def reduction(walk: Walk, node: NodeInfo) -> list[Axes]:
    """Sums over axes, and means and maxima, which know how many there are."""
    axes = walk.of(node.inputs[0])
    gone = reduced_axes(node, walk.numbers, len(axes))
    if gone is None:
        raise CannotFollow("axes that depend on data")
    for axis in gone:
        ids = axes[axis]
        if ids is None:
            continue
        if node.op_type in _SUMS:
            walk.read(node, 0, axis, ids)
        else:
            walk.ids.mark(ids, NORMALIZED)
    if node.attributes.get("keepdims", 1):
        kept: list[Ids | None] = [None if axis in gone else ids for axis, ids in enumerate(axes)]
    else:
        kept = [ids for axis, ids in enumerate(axes) if axis not in gone]
    return [tuple(kept)]


_SUMS: Final = frozenset({"ReduceL1", "ReduceL2", "ReduceSum", "ReduceSumSquare"})
_REDUCTIONS: Final = (*_SUMS, "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
                      "ReduceMin", "ReduceProd")  # fmt: skip
_TRAILING: Final = ("LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization")
RULES: Final[Mapping[tuple[str, str], Rule]] = {
    **{("", name): reduction for name in _REDUCTIONS},
    **{("", name): trailing for name in _TRAILING},
    **{("", name): over_axes for name in ("LpNormalization", "MeanVarianceNormalization")},
    ("", "BatchNormalization"): per_channel,
    ("", "InstanceNormalization"): per_channel,
    ("", "GroupNormalization"): grouped,
    ("", "LRN"): neighbours,
    ("com.microsoft", "SkipLayerNormalization"): skip_and_norm,
}
