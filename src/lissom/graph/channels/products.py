"""Rules of products: what they sum over unites, and what they leave alone passes."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from lissom.graph.channels.elementwise import MEETS, aligned
from lissom.graph.channels.identities import Axes, Ids
from lissom.graph.channels.walk import CannotFollow, Rule, Walk
from lissom.graph.model import NodeInfo

__all__ = ["INPUT", "RULES"]

INPUT: Final = "it is multiplied with values that no weight makes"


def matmul(walk: Walk, node: NodeInfo) -> list[Axes]:
    """[..., m, k] times [..., k, n]; vectors have no m or n."""
    left, right = (list(walk.of(name)) for name in node.inputs[:2])
    shapes = [list(walk.shape(name)) for name in node.inputs[:2]]
    down = 0 if len(right) == 1 else len(right) - 2
    contract(walk, node, (left[-1], right[down]), (len(left) - 1, down), shapes[0][-1])
    rows, columns = left[-2:-1], right[-1:] if len(right) > 1 else []
    outer = [*rows, *columns]
    shape = walk.shape(node.outputs[0])
    batch = shape[: len(shape) - len(outer)]
    given = [(tuple(left[:-2]), shapes[0][:-2]), (tuple(right[:-2]), shapes[1][:-2])]
    return [(*aligned(walk, given, batch), *outer)]


def contract(
    walk: Walk,
    node: NodeInfo,
    ids: tuple[Ids | None, Ids | None],
    axes: tuple[int, int],
    size: int,
) -> None:
    """Unite what a product of two values sums over."""
    if size == 1:
        return
    walk.unite(ids, INPUT)
    constant = [name in walk.model.weights for name in node.inputs[:2]]
    if not any(constant) and ids[0] is not None and ids[1] is not None:
        walk.products.append(ids[0])
    for number in (0, 1):
        if not constant[number] or all(constant):
            walk.read(node, number, axes[number], ids[number])


def gemm(walk: Walk, node: NodeInfo) -> list[Axes]:
    """A [m, k] times B [k, n], each transposed if so said, and C added."""
    left, right = walk.of(node.inputs[0]), walk.of(node.inputs[1])
    flip_left, flip_right = bool(node.attributes.get("transA")), bool(node.attributes.get("transB"))
    inner = (0 if flip_left else 1, 1 if flip_right else 0)
    size = walk.shape(node.inputs[0])[inner[0]]
    contract(walk, node, (left[inner[0]], right[inner[1]]), inner, size)
    made = (left[1 - inner[0]], right[1 - inner[1]])
    shape = walk.shape(node.outputs[0])
    given: list[tuple[Axes, Sequence[int]]] = [(made, shape)]
    if len(node.inputs) > 2 and node.inputs[2]:
        given.append((walk.of(node.inputs[2]), walk.shape(node.inputs[2])))
    return [aligned(walk, given, shape)]


def einsum(walk: Walk, node: NodeInfo) -> list[Axes]:
    """Any product of letters: every letter is one axis, wherever it stands."""
    equation = str(node.attributes["equation"]).replace(" ", "")
    before, arrow, after = equation.partition("->")
    terms = before.split(",")
    if "." in equation or not arrow:
        raise CannotFollow(f"the equation {equation}")
    shapes = [walk.shape(name) for name in node.inputs]
    letters: dict[str, list[tuple[int, int]]] = {}
    for number, term in enumerate(terms):
        for axis, letter in enumerate(term):
            if shapes[number][axis] > 1:
                letters.setdefault(letter, []).append((number, axis))
    ids: dict[str, Ids | None] = {}
    for letter, places in letters.items():
        met = [walk.of(node.inputs[number])[axis] for number, axis in places]
        ids[letter] = walk.unite(met, INPUT)
        if letter in after or ids[letter] is None:
            continue
        if all(node.inputs[number] in walk.model.weights for number, _ in places):
            walk.freeze(met, "weights are summed over it")
        for (number, axis), each in zip(places, met, strict=True):
            if node.inputs[number] not in walk.model.weights:
                walk.read(node, number, axis, each)
        if not any(node.inputs[number] in walk.model.weights for number, _ in places):
            walk.products.append(next(one for one in met if one is not None))
    return [tuple(ids.get(letter) for letter in after)]


def convolution(walk: Walk, node: NodeInfo) -> list[Axes]:
    """X [N, C, ...] and W [O, C / groups, ...]; depthwise ties inputs to outputs."""
    data, kernel = walk.of(node.inputs[0]), walk.of(node.inputs[1])
    channels, groups = walk.shape(node.inputs[0])[1], _groups(node)
    outputs = walk.shape(node.outputs[0])[1]
    walk.freeze(kernel[2:], "it is a place in a kernel")
    walk.freeze(data[2:], "a kernel moves along it")
    made = kernel[0]
    if groups == 1:
        if channels > 1:
            walk.unite([data[1], kernel[1]], INPUT)
            walk.read(node, 0, 1, data[1])
    elif walk.choose(f"groups {groups} of {channels} and {outputs}", _ways(groups, channels)):
        offsets = None if data[1] is None else walk.blocks(data[1], (groups, channels // groups), 1)
        walk.unite([offsets, kernel[1]], INPUT)
        walk.read(node, 0, 1, data[1])
        if made is not None:
            _spread(walk, made, (groups, outputs // groups), 1)
    else:
        _whole_groups(walk, data[1], made, (groups, channels, outputs))
        walk.freeze([kernel[1]], "it lies inside the groups of a convolution")
    if len(node.inputs) > 2 and node.inputs[2] and outputs > 1:
        made = walk.unite([made, walk.of(node.inputs[2])[0]], MEETS)
    return [(data[0], made, *[None] * (len(data) - 2))]


def transposed(walk: Walk, node: NodeInfo) -> list[Axes]:
    """X [N, C, ...] and W [C, O / groups, ...]."""
    data, kernel = walk.of(node.inputs[0]), walk.of(node.inputs[1])
    channels, groups = walk.shape(node.inputs[0])[1], _groups(node)
    outputs = walk.shape(node.outputs[0])[1]
    walk.freeze(kernel[2:], "it is a place in a kernel")
    walk.freeze(data[2:], "a kernel moves along it")
    if channels > 1:
        walk.unite([data[1], kernel[0]], INPUT)
    made = kernel[1]
    if groups == 1:
        walk.read(node, 0, 1, data[1])
    elif walk.choose(f"groups {groups} of {channels} and {outputs}", _ways(groups, channels)):
        if kernel[0] is not None:
            _spread(walk, kernel[0], (groups, channels // groups), 1)
        walk.read(node, 0, 1, data[1])
        made = None if made is None else np.tile(made, groups)
    else:
        made = walk.ids.new(outputs, made=True)
        _whole_groups(walk, kernel[0], made, (groups, channels, outputs))
        walk.freeze([kernel[1]], "it lies inside the groups of a convolution")
    if len(node.inputs) > 2 and node.inputs[2] and outputs > 1:
        made = walk.unite([made, walk.of(node.inputs[2])[0]], MEETS)
    return [(data[0], made, *[None] * (len(data) - 2))]


def _whole_groups(
    walk: Walk, data: Ids | None, made: Ids | None, sizes: tuple[int, int, int]
) -> None:
    """Every group's inputs and outputs are one."""
    groups, channels, outputs = sizes
    ends = [
        None if ids is None else _spread(walk, ids, (groups, count // groups), 0)
        for ids, count in ((data, channels), (made, outputs))
    ]
    walk.unite(ends, INPUT)


def _spread(walk: Walk, ids: Ids, shape: tuple[int, int], axis: int) -> Ids:
    return walk.blocks(ids, shape, axis)


def _ways(groups: int, channels: int) -> int:
    """Whole groups; or the same place in every group, where a group has several."""
    return 1 if channels == groups else 2


def _groups(node: NodeInfo) -> int:
    groups: Any = node.attributes.get("group", 1)
    return int(groups)


RULES: Final[Mapping[tuple[str, str], Rule]] = {
    ("", "MatMul"): matmul,
    ("", "Gemm"): gemm,
    ("", "Einsum"): einsum,
    ("", "Conv"): convolution,
    ("", "ConvTranspose"): transposed,
}
