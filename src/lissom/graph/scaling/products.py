"""What operators with weights do with labels: the weight reads some factors and makes others."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from lissom.graph.channels.walk import CannotFollow
from lissom.graph.model import NodeInfo
from lissom.graph.scaling.labels import Labels, Rule, Scaling

__all__ = ["RULES"]


def convolution(walk: Scaling, node: NodeInfo) -> list[Labels | None]:
    """X [N, C, ...], W [O, C / groups, ...], and a bias [O]."""
    kernel, groups = walk.shape(node.inputs[1]), _groups(node)
    read = _channels(walk, node.inputs[0])
    trailing = (1,) * (len(kernel) - 2)
    if read is not None:
        inputs = kernel[1]
        if groups > 1:
            place = np.arange(kernel[0])[:, None] // (kernel[0] // groups) * inputs
            read = read[place + np.arange(inputs)]
        else:
            read = read[None]
        walk.use(
            node,
            node.inputs[1],
            read.reshape(*read.shape, *trailing),
            makes=False,
            value=node.inputs[0],
        )
    made = walk.new(kernel[0])
    walk.use(node, node.inputs[1], made.reshape(-1, 1, *trailing), makes=True)
    _bias(walk, node, made)
    return [made.reshape(1, -1, *trailing)]


def transposed(walk: Scaling, node: NodeInfo) -> list[Labels | None]:
    """X [N, C, ...], W [C, O / groups, ...], and a bias [O]."""
    kernel, groups = walk.shape(node.inputs[1]), _groups(node)
    read = _channels(walk, node.inputs[0])
    trailing = (1,) * (len(kernel) - 2)
    if read is not None:
        walk.use(
            node, node.inputs[1], read.reshape(-1, 1, *trailing), makes=False, value=node.inputs[0]
        )
    made = walk.new(kernel[1] * groups)
    place = np.arange(kernel[0])[:, None] // (kernel[0] // groups) * kernel[1]
    laid = made[place + np.arange(kernel[1])] if groups > 1 else made[None]
    walk.use(node, node.inputs[1], laid.reshape(*laid.shape, *trailing), makes=True)
    _bias(walk, node, made)
    return [made.reshape(1, -1, *trailing)]


def _channels(walk: Scaling, name: str) -> Labels | None:
    """The labels of axis 1, [C]."""
    found = walk.of(name)
    if found is None:
        return None
    found = walk.along(found, [axis for axis in range(found.ndim) if axis != 1])
    return np.broadcast_to(found.ravel(), walk.shape(name)[1:2])


def _bias(walk: Scaling, node: NodeInfo, made: Labels) -> None:
    if len(node.inputs) > 2 and node.inputs[2]:
        walk.use(node, node.inputs[2], made, makes=True)


def _groups(node: NodeInfo) -> int:
    groups: Any = node.attributes.get("group", 1)
    return int(groups)


def gemm(walk: Scaling, node: NodeInfo) -> list[Labels | None]:
    """Alpha A B + beta C, with B a weight."""
    if node.attributes.get("transA") or node.inputs[1] not in walk.model.weights:
        raise CannotFollow("multiplies with a transposed or computed matrix")
    flipped = bool(node.attributes.get("transB"))
    made = _linear(walk, node, flipped=flipped)
    if len(node.inputs) > 2 and node.inputs[2]:
        shape = walk.shape(node.inputs[2])
        if node.inputs[2] in walk.model.weights and shape[-1:] == made.shape:
            walk.use(
                node, node.inputs[2], made.reshape((1,) * (len(shape) - 1) + made.shape), makes=True
            )
        else:
            walk.freeze(made, "one number, or a computed value, is added to all channels")
    return [made[None]]


def matmul(walk: Scaling, node: NodeInfo) -> list[Labels | None]:
    """[..., m, k] times [..., k, n]: a weight on the right, or two computed values."""
    weights = [name in walk.model.weights for name in node.inputs[:2]]
    rank = len(walk.shape(node.outputs[0]))
    if weights == [False, True] and len(walk.shape(node.inputs[1])) == 2 and rank:
        return [_linear(walk, node, flipped=False).reshape((1,) * (rank - 1) + (-1,))]
    if any(weights):
        raise CannotFollow("multiplies with a weight that is no matrix on the right")
    left, right = (walk.of(name) for name in node.inputs[:2])
    ranks = [len(walk.shape(name)) for name in node.inputs[:2]]
    if min(ranks) < 2 or (left is not None and right is not None):
        walk.freeze(left, "it is multiplied with another value that could be scaled")
        walk.freeze(right, "it is multiplied with another value that could be scaled")
        return [None]
    found = left if right is None else right
    if found is None:
        return [None]
    # What is summed over must have one factor, which then stands in front of the sum.
    found = walk.along(found, [-1 if right is None else -2])
    return [found.reshape((1,) * (rank - found.ndim) + found.shape)]


def _linear(walk: Scaling, node: NodeInfo, *, flipped: bool) -> Labels:
    """A product with a matrix [in, out], or [out, in] if flipped; answers the labels made."""
    outputs = walk.shape(node.inputs[1])[0 if flipped else 1]
    read = walk.of(node.inputs[0])
    if read is not None:
        read = walk.along(read, range(read.ndim - 1)).ravel()
        laid = read[None, :] if flipped else read[:, None]
        walk.use(node, node.inputs[1], laid, makes=False, value=node.inputs[0])
    made = walk.new(outputs)
    walk.use(node, node.inputs[1], made[:, None] if flipped else made[None, :], makes=True)
    return made


def embedding(walk: Scaling, node: NodeInfo) -> list[Labels | None]:
    """Rows [rows, width] of a weight, looked up."""
    width = walk.shape(node.inputs[0])[1]
    made = walk.new(width)
    walk.use(node, node.inputs[0], made[None], makes=True)
    rank = len(walk.shape(node.outputs[0]))
    return [made.reshape((1,) * (rank - 1) + (-1,))]


def cell(walk: Scaling, node: NodeInfo) -> list[Labels | None]:
    """LSTM, GRU and RNN: W [directions, gates x hidden, in] reads; what they give is bounded."""
    read = walk.of(node.inputs[0])
    if read is not None:
        read = walk.along(read, range(read.ndim - 1)).reshape(1, 1, -1)
        walk.use(node, node.inputs[1], read, makes=False, value=node.inputs[0])
    return [None] * len(node.outputs)


RULES: Final[Mapping[tuple[str, str], Rule]] = {
    ("", "Conv"): convolution,
    ("", "ConvTranspose"): transposed,
    ("", "Gemm"): gemm,
    ("", "MatMul"): matmul,
    **{("", name): cell for name in ("GRU", "LSTM", "RNN")},
}
