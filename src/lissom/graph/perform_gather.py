"""Embedding tables as integers: look the integers up first, turn only what was found into floats.

DequantizeLinear in front of a Gather would expand the whole table at every run (measured: half of
the time of a small text encoder). Per tensor the pair of integers and DequantizeLinear simply
changes places with the Gather. Per row (the table's axis 0, looked up along axis 0) the scale is
looked up as well, since DequantizeLinear knows no scale for each position:

    Gather(integers, ids) -> Cast [-> Sub(zero point)] -> Mul(Gather(scale, ids))
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from lissom.errors import MethodError
from lissom.graph.perform_draft import Draft
from lissom.numerics.quantized import QuantizedTensor

__all__ = ["is_lookup", "look_up_integers"]

_FLOAT = ir.DataType.FLOAT


def is_lookup(node: ir.Node, table: ir.Value) -> bool:
    """Whether a node looks rows up in a table."""
    return node.op_type == "Gather" and not node.domain and node.inputs[0] is table


def look_up_integers(
    draft: Draft, node: ir.Node, integers: list[ir.Value], quantized: QuantizedTensor, why: str
) -> None:
    """Replace a Gather by one of integers, and what makes floats of what it finds.

    Args:
        draft: the graph.
        node: the Gather.
        integers: the integers, the scale and the zero point, as weights of the graph.
        quantized: the same as arrays.
        why: names the edit.

    Raises:
        MethodError: the integers are narrower than a byte in the file, or scales per channel or
            block do not belong to the rows looked up.
    """
    if _dtype(integers[0]).bitwidth != 8:
        raise MethodError(f"{why}: a lookup takes 8-bit integers")
    axis = node.attributes["axis"].as_int() if "axis" in node.attributes else 0
    rank = quantized.values.ndim
    if quantized.granularity == "tensor":
        draft.replace_node(node, _then_dequantize(draft, node, integers, axis))
    elif quantized.granularity == "channel" and quantized.axis == 0 and axis in {0, -rank}:
        draft.replace_node(node, _row_by_row(draft, node, integers, quantized))
    else:
        raise MethodError(f"{why}: a lookup takes a scale for the tensor or for each row")


def _then_dequantize(
    draft: Draft, node: ir.Node, integers: list[ir.Value], axis: int
) -> list[ir.Node]:
    name, out = node.name or "", node.outputs[0]
    found = draft.output(f"{out.name}/quantized", _dtype(integers[0]), out)
    given = draft.output(f"{out.name}/dequantized", _FLOAT, out)
    lookup = [integers[0], node.inputs[1]]
    return [
        draft.make("Gather", f"{name}/lookup", lookup, [found], {"axis": axis}),
        draft.make("DequantizeLinear", f"{name}/dequantize", [found, *integers[1:]], [given]),
    ]


def _row_by_row(
    draft: Draft, node: ir.Node, integers: list[ir.Value], quantized: QuantizedTensor
) -> list[ir.Node]:
    name, out, ids = node.name or "", node.outputs[0], node.inputs[1]
    column = (-1, *(1 for _ in quantized.values.shape[1:]))

    def looked_up(part: str, table: ir.Value, like: ir.Value | None) -> ir.Value:
        found = draft.output(f"{out.name}/{part}", _dtype(table), like)
        nodes.append(draft.make("Gather", f"{name}/{part}", [table, ids], [found]))
        return found

    nodes: list[ir.Node] = []
    rows = looked_up("quantized", integers[0], out)
    wide = draft.output(f"{out.name}/float", _FLOAT, out)
    nodes.append(draft.make("Cast", f"{name}/cast", [rows], [wide], {"to": int(_FLOAT)}))
    point = quantized.zero_point
    if point is not None and np.any(point):
        floats = point.astype(np.float32).reshape(column)
        table = draft.constant(f"{integers[2].name}/rows", ir.tensor(floats))
        centred = draft.output(f"{out.name}/centred", _FLOAT, out)
        inputs = [wide, looked_up("zero_point", table, None)]
        nodes.append(draft.make("Sub", f"{name}/centre", inputs, [centred]))
        wide = centred
    table = draft.constant(f"{integers[1].name}/rows", ir.tensor(quantized.scale.reshape(column)))
    scale = looked_up("scale", table, None)
    given = draft.output(f"{out.name}/dequantized", _FLOAT, out)
    nodes.append(draft.make("Mul", f"{name}/rescale", [wide, scale], [given]))
    return nodes


def _dtype(value: ir.Value) -> ir.DataType:
    return _FLOAT if value.dtype is None else value.dtype
