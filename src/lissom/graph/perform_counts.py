"""Set anew what counts channels, once their number is another one; and what a weight holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from lissom.errors import BrokenPromise
from lissom.graph.cutting import Rewrite, ScaleInput, SetAttribute, SetInput
from lissom.graph.edit import RemoveChannels, SplitChannels
from lissom.graph.perform_draft import Draft

__all__ = ["count_anew", "put"]


def count_anew(draft: Draft, edit: RemoveChannels | SplitChannels, why: str) -> None:
    """Rewrite settings, and say the sizes that values have now.

    Raises:
        BrokenPromise: the edit names what the model does not have.
    """
    for rewrite in edit.rewrites:
        _rewrite(draft, rewrite, why)
    for one in edit.resized:
        value = draft.value(one.value, why)
        if value.shape is not None:
            value.shape = _with_size(value.shape, one.axis, one.size)


def put(value: ir.Value, array: np.ndarray[Any, Any]) -> None:
    """Let a weight hold another array, of the same type."""
    before = value.const_value
    dtype = None if before is None else before.dtype
    value.const_value = ir.Tensor(array, dtype=dtype, name=value.name)
    value.shape = ir.Shape(array.shape)


def _rewrite(draft: Draft, rewrite: Rewrite, why: str) -> None:
    node = draft.node(rewrite.node, why)
    match rewrite:
        case SetAttribute(attribute=name, value=None):
            node.attributes.pop(name, None)
        case SetAttribute(attribute=name, value=int() as number):
            node.attributes[name] = ir.AttrInt64(name, number)
        case SetAttribute(attribute=name, value=tuple() as numbers):
            node.attributes[name] = ir.AttrInt64s(name, numbers)
        case SetInput(input=number, values=values):
            _set_input(draft, node, number, np.asarray(values, np.int64))
        case ScaleInput():
            _scale_input(draft, node, rewrite)


def _set_input(draft: Draft, node: ir.Node, number: int, values: np.ndarray[Any, Any]) -> None:
    before = node.inputs[number] if number < len(node.inputs) else None
    if before is not None and before.const_value is not None:
        old = before.const_value.numpy()
        values = values.astype(old.dtype)
        values = values.reshape(old.shape) if old.size == values.size else values
    given = draft.constant(f"{node.name}_setting_{number}", ir.tensor(values))
    if number >= len(node.inputs):
        node.resize_inputs(number + 1)
    node.replace_input_with(number, given)


def _scale_input(draft: Draft, node: ir.Node, rewrite: ScaleInput) -> None:
    """Value x numerators / denominators, in the value's own type; integers divide exactly."""
    value = node.inputs[rewrite.input]
    if value is None or value.dtype is None:
        raise BrokenPromise(f"input {rewrite.input} of {node.name!r} is not there to be scaled")
    kind = value.dtype.numpy()
    for op_type, numbers in (("Mul", rewrite.numerators), ("Div", rewrite.denominators)):
        array = np.asarray(numbers, kind)
        rank = None if value.shape is None else len(value.shape)
        factor = draft.constant(
            f"{node.name}_{op_type.lower()}_{rewrite.input}",
            ir.tensor(array.reshape(()) if rank == 0 else array),
        )
        made = draft.output(f"{node.name}_setting_{rewrite.input}", value.dtype, value)
        step = draft.make(op_type, f"{node.name}_{op_type.lower()}", [value, factor], [made])
        draft.insert_behind(value, [step])
        value = made
    node.replace_input_with(rewrite.input, value)


def _with_size(shape: ir.Shape, axis: int, size: int) -> ir.Shape:
    sizes: list[Any] = list(shape)
    sizes[axis] = size
    return ir.Shape(sizes)
