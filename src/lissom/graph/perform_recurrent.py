"""LSTM on integers: the input and the hidden state are measured and rounded at every step.

com.microsoft.DynamicQuantizeLSTM reads what LSTM reads, its two weights as transposed integers,
[directions, inputs, gates x hidden], and their scales. It rounds its inputs itself, so no
DynamicQuantizeLinear stands before it. All settings of LSTM are its own too but the layout, and
neither takes sequences in the second axis on ONNX Runtime.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from lissom.errors import BrokenPromise
from lissom.graph.perform_draft import Draft

__all__ = ["is_recurrent", "unfit_recurrent", "use_integer_lstm"]

_CONTRIB = "com.microsoft"
_LAYOUT = "layout"
_WEIGHTS = (1, 2)  # the inputs that are W and R
_PLAIN_INPUTS = 8  # of an LSTM: X, W, R, B, lengths, both states, peepholes


def is_recurrent(node: ir.Node) -> bool:
    """Whether a node is the kind that `use_integer_lstm` replaces."""
    return node.op_type == "LSTM" and not node.domain


def unfit_recurrent(node: ir.Node, value: ir.Value) -> str:
    """Why an LSTM cannot read this value on integers; empty if it can.

    Its weights must stand behind DequantizeLinear as symmetric int8, with one scale, one for each
    row of the gates, or one for each row of each direction (blocks as long as a row).
    """
    if node.inputs[0] is not value:
        return "the value must be its sequence"
    if node.attributes.get_int(_LAYOUT, 0):
        return "the integer LSTM takes no sequences along the second axis"
    for index in _WEIGHTS:
        if reason := _unfit_weight(node.inputs[index]):
            return reason
    return ""


def _unfit_weight(weight: ir.Value | None) -> str:
    source = None if weight is None else weight.producer()
    if source is None or source.op_type != "DequantizeLinear" or len(source.inputs) != 3:
        return "its weights are not held as integers"
    tensors = [None if given is None else given.const_value for given in source.inputs]
    values, scale, point = tensors
    if values is None or scale is None or point is None or values.dtype != ir.DataType.INT8:
        return "its weights are not held as signed 8-bit integers"
    if np.any(point.numpy()):
        return "its weights have zero points"
    if scale.size > 1 and _row_scales(source) is None:
        return "its weights are not quantized per tensor or per row"
    return ""


def _row_scales(source: ir.Node) -> np.ndarray | None:
    """The scales [directions, gates x hidden] of a weight; None if they lie otherwise."""
    values, scale = (_array(given) for given in source.inputs[:2])
    rows = values.shape[:2]
    if scale.shape == (*rows, 1):
        return scale[..., 0]
    if scale.shape == rows[1:] and source.attributes.get_int("axis", 1) % values.ndim == 1:
        return np.broadcast_to(scale, rows)
    return None


def use_integer_lstm(draft: Draft, node: ir.Node) -> None:
    """Put the integer operator in the place of an LSTM for which `unfit_recurrent` is empty."""
    inputs = [*node.inputs, *(None for _ in range(_PLAIN_INPUTS - len(node.inputs)))]
    numbers: list[ir.Value] = []
    for index in _WEIGHTS:
        weight = inputs[index]
        source = None if weight is None else weight.producer()
        if source is None:
            raise BrokenPromise(f"node {node.name!r} lost its weight")
        inputs[index], *scales = _operands(draft, source)
        numbers += scales
    attributes = {name: a for name, a in node.attributes.items() if name != _LAYOUT}
    outputs = [
        ir.Value(name="") if not given.name else draft.output(f"{given.name}/lstm", None, given)
        for given in node.outputs
    ]
    name = f"{node.name}/integer"
    new = draft.make(
        "DynamicQuantizeLSTM", name, [*inputs, *numbers], outputs, attributes, domain=_CONTRIB
    )
    draft.replace_node(node, [new])
    draft.ir.opset_imports.setdefault(_CONTRIB, 1)


def _operands(draft: Draft, source: ir.Node) -> list[ir.Value]:
    """The integers of a weight, transposed, their scales and zero points."""
    values, scale = (_array(given) for given in source.inputs[:2])
    name = source.inputs[0].name if source.inputs[0] is not None else ""
    rows = _row_scales(source)
    if rows is None:
        rows = np.full(values.shape[0], scale.item(), np.float32)  # one for each direction
    return [
        draft.shared(f"{name}/transposed", ir.tensor(_solid(values.swapaxes(1, 2)))),
        draft.shared(f"{name}/rows/scale", ir.tensor(_solid(rows))),
        draft.shared(f"{name}/rows/zero_point", ir.tensor(np.zeros(rows.shape, np.int8))),
    ]


def _solid(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array)


def _array(value: ir.Value | None) -> np.ndarray:
    if value is None or value.const_value is None:
        raise BrokenPromise("an integer weight lost its numbers")
    return np.asarray(value.const_value.numpy())
