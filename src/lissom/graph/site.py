"""Weighted operators seen in one canonical form, whatever way ONNX stores each of them.

A site's weight is always `[out, in, *kernel]` once it went through `Site.canonical`; `in` counts
the inputs of one group for grouped convolutions. Weights of a product that have more than two axes
(a batch of matrices) are no sites: their leading axes are neither inputs nor outputs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lissom.graph.describe import NodeInfo
from lissom.graph.model import Model

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Site", "sites"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One weighted operator.

    Attributes:
        name: The node's name; `name/W` and `name/R` for the two weights of a recurrent node.
        node: The node's name.
        op_type: Conv, ConvTranspose, MatMul, Gemm, Gather (embedding), LSTM, GRU or RNN.
        weight: The weight's name.
        bias: The bias's name; None where there is none, or where it is added by another node.
        input: The value that meets the weight (the indices, for a Gather).
        output: The node's first output.
        out_axis: The axis of the stored weight that makes outputs.
        in_axis: The axis of the stored weight that meets inputs.
        groups: Groups of a convolution, 1 elsewhere.
        shape: The stored weight's shape.
    """

    name: str
    node: str
    op_type: str
    weight: str
    bias: str | None
    input: str
    output: str
    out_axis: int
    in_axis: int
    groups: int
    shape: tuple[int, ...]

    @property
    def outputs(self) -> int:
        """How many output channels the operator has."""
        if self.op_type == "ConvTranspose":
            return self.shape[1] * self.groups
        if self.op_type in _GATES:
            return self.shape[0] * self.shape[1]
        return self.shape[self.out_axis]

    def canonical(self, array: "np.ndarray") -> "np.ndarray":
        """The stored array as [out, in, *kernel]; a view where possible.

        A ConvTranspose's groups are laid out one after another along `out`; the directions of a
        recurrent weight [directions, gates x hidden, in] likewise. An embedding [rows, width] is
        seen as out = width, in = rows.
        """
        import numpy as np

        if self.op_type == "ConvTranspose":
            wide_in, wide_out, kernel = self.shape[0], self.shape[1], self.shape[2:]
            split = array.reshape(self.groups, wide_in // self.groups, wide_out, *kernel)
            return np.swapaxes(split, 1, 2).reshape(
                self.groups * wide_out, wide_in // self.groups, *kernel
            )
        if self.op_type in _GATES:
            return array.reshape(self.shape[0] * self.shape[1], self.shape[2])
        return np.swapaxes(array, 0, 1) if self.out_axis == 1 else array

    def stored(self, array: "np.ndarray") -> "np.ndarray":
        """The inverse of `canonical`: an array [out, in, *kernel] in the stored layout."""
        import numpy as np

        if self.op_type == "ConvTranspose":
            wide_in, wide_out, kernel = self.shape[0], self.shape[1], self.shape[2:]
            split = array.reshape(self.groups, wide_out, wide_in // self.groups, *kernel)
            return np.swapaxes(split, 1, 2).reshape(self.shape)
        if self.op_type in _GATES:
            return array.reshape(self.shape)
        return np.swapaxes(array, 0, 1) if self.out_axis == 1 else array


_GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
_FLOATS = {"float16", "float32", "float64", "bfloat16"}


def sites(model: Model) -> tuple[Site, ...]:
    """The sites of the main graph, in the order of its nodes; only float weights make one."""
    found: list[Site] = []
    for node in model.nodes:
        if not node.domain:
            found.extend(_sites(model, node))
    return tuple(found)


def _sites(model: Model, node: NodeInfo) -> Iterator[Site]:
    inputs = (*node.inputs, "", "", "")
    if node.op_type in {"Conv", "ConvTranspose"}:
        if _is_weight(model, inputs[1]):
            yield _site(model, node, weight=inputs[1], bias=inputs[2], value=inputs[0])
    elif node.op_type in {"MatMul", "Gemm"}:
        transposed = node.op_type == "Gemm" and node.attributes.get("transB", 0) == 1
        if _is_weight(model, inputs[1], rank=2):
            yield _site(
                model,
                node,
                weight=inputs[1],
                bias=inputs[2] if node.op_type == "Gemm" else "",
                value=inputs[0],
                out_axis=0 if transposed else 1,
            )
    elif node.op_type == "Gather":
        if _is_weight(model, inputs[0], rank=2) and node.attributes.get("axis", 0) == 0:
            yield _site(model, node, weight=inputs[0], value=inputs[1], out_axis=1)
    elif node.op_type in _GATES:
        for suffix, weight in (("W", inputs[1]), ("R", inputs[2])):
            if _is_weight(model, weight, rank=3):
                yield _site(
                    model,
                    node,
                    weight=weight,
                    bias=inputs[3],
                    value=inputs[0] if suffix == "W" else "",
                    out_axis=1,
                    suffix=suffix,
                )


def _site(
    model: Model,
    node: NodeInfo,
    *,
    weight: str,
    value: str,
    bias: str = "",
    out_axis: int = 0,
    suffix: str = "",
) -> Site:
    recurrent = bool(suffix)
    groups = node.attributes.get("group", 1)
    transposed_conv = node.op_type == "ConvTranspose"
    return Site(
        name=f"{node.name}/{suffix}" if suffix else node.name,
        node=node.name,
        op_type=node.op_type,
        weight=weight,
        bias=bias if _is_weight(model, bias) else None,
        input=value,
        output=node.outputs[0],
        out_axis=1 if transposed_conv else out_axis,
        in_axis=2 if recurrent else 0 if transposed_conv else 1 - out_axis,
        groups=groups if isinstance(groups, int) else 1,
        shape=model.weights[weight].shape,
    )


def _is_weight(model: Model, name: str, rank: int | None = None) -> bool:
    info = model.weights.get(name)
    if info is None or info.dtype not in _FLOATS:
        return False
    return rank is None or len(info.shape) == rank
