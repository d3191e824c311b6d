"""Half precision in a graph: weights that are stored narrow, and nodes that compute narrow.

A stored weight keeps its name on the float32 value behind its Cast, so that nothing else changes.
A node that computes in float16 gets casts where the float16 part of the graph begins and ends;
between two such nodes the value stays float16, under its own name. Which inputs may be float16 is
read off the operator's schema (Resize keeps float32 scales, for example).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import onnx
import onnx_ir as ir

from lissom.errors import MethodError
from lissom.graph.edit import Cast, describe
from lissom.graph.perform_draft import Draft

__all__ = ["cast_nodes", "cast_weight"]

_FLOAT, _HALF = ir.DataType.FLOAT, ir.DataType.FLOAT16
_HALF_TYPE = "tensor(float16)"


def cast_weight(draft: Draft, edit: Cast) -> None:
    """Store a weight as float16; a Cast gives the float32 value, under the weight's name.

    Raises:
        MethodError: the weight is not float32, is an input, or leaves float16's range.
        BrokenPromise: there is no such weight.
    """
    why = describe(edit)
    weight = draft.weight(edit.target, why)
    narrow = draft.constant(f"{edit.target}/float16", ir.tensor(_narrowed(weight, why)))
    wide = draft.output(f"{edit.target}/float32", _FLOAT, weight)
    node = draft.make("Cast", f"{edit.target}/cast", [narrow], [wide], {"to": int(_FLOAT)})
    draft.insert_behind(weight, [node])
    weight.replace_all_uses_with(wide, replace_graph_outputs=True)
    del draft.ir.graph.initializers[edit.target]
    wide.name = edit.target
    draft.values[edit.target] = wide


def _narrowed(weight: ir.Value, why: str) -> np.ndarray:
    if weight.const_value is None:
        raise MethodError(f"{why}: {weight.name!r} is no constant")
    wide = weight.const_value.numpy()
    with np.errstate(over="ignore"):
        narrow = wide.astype(np.float16)
    if not np.array_equal(np.isfinite(narrow), np.isfinite(wide)):
        raise MethodError(f"{why}: {weight.name!r} holds values beyond float16's range (65504)")
    return narrow


def cast_nodes(draft: Draft, edits: Sequence[Cast]) -> None:
    """Let nodes compute in float16.

    Raises:
        MethodError: an operator has no float16 form, or a constant leaves float16's range.
        BrokenPromise: there is no such node.
    """
    chosen = {draft.node(edit.target, describe(edit)): describe(edit) for edit in edits}
    half: dict[ir.Value, ir.Value] = {}
    widened: list[ir.Node] = []
    for node in [node for node in draft.ir.graph if node in chosen]:
        why = chosen[node]
        inputs, outputs = _castable(draft, node, why)
        for index in inputs:
            value = node.inputs[index]
            if value is not None and value.dtype == _FLOAT:
                if value not in half:
                    half[value] = _half_of(draft, value, why)
                node.replace_input_with(index, half[value])
        for index in outputs:
            value = node.outputs[index]
            if value.name and value.dtype == _FLOAT:
                widened.append(_widen(draft, value, half))
    _join(draft, widened)


def _half_of(draft: Draft, value: ir.Value, why: str) -> ir.Value:
    """The value as float16: a narrow weight, or the result of a Cast."""
    name = value.name or ""
    if value.const_value is not None:
        return draft.constant(f"{name}/float16", ir.tensor(_narrowed(value, why)))
    narrow = draft.output(f"{name}/float16", _HALF, value)
    node = draft.make("Cast", f"{name}/narrow", [value], [narrow], {"to": int(_HALF)})
    draft.insert_behind(value, [node])
    return narrow


def _widen(draft: Draft, value: ir.Value, half: dict[ir.Value, ir.Value]) -> ir.Node:
    """Make an output float16 and give its float32 form, under its name, by a Cast."""
    name = value.name or ""
    wide = draft.output(f"{name}/float32", _FLOAT, value)
    value.replace_all_uses_with(wide, replace_graph_outputs=True)
    value.type = ir.TensorType(_HALF)
    draft.rename(value, f"{name}/float16")
    wide.name = name
    draft.values[name] = wide
    half[wide] = value
    node = draft.make("Cast", f"{name}/widen", [value], [wide], {"to": int(_FLOAT)})
    draft.insert_behind(value, [node])
    return node


def _join(draft: Draft, widened: Iterable[ir.Node]) -> None:
    """Drop casts that nobody reads; the float16 value takes its own name back."""
    for node in widened:
        wide, narrow = node.outputs[0], node.inputs[0]
        if narrow is None or wide.uses() or wide.is_graph_output():
            continue
        name = wide.name
        draft.drop(node)
        wide.name, narrow.name = None, name
        draft.values[name or ""] = narrow


def _castable(draft: Draft, node: ir.Node, why: str) -> tuple[list[int], list[int]]:
    """Indices of the inputs and outputs that the operator lets be float16."""
    version = draft.ir.opset_imports.get(node.domain, 1)
    try:
        schema = onnx.defs.get_schema(node.op_type, version, node.domain)
    except onnx.defs.SchemaError as error:
        raise MethodError(f"{why}: the operator {node.op_type} is not known") from error
    if node.op_type == "Cast" or any(
        a.type == ir.AttributeType.GRAPH for a in node.attributes.values()
    ):
        raise MethodError(f"{why}: {node.op_type} cannot compute in float16")
    holds = {c.type_param_str for c in schema.type_constraints if _HALF_TYPE in c.allowed_type_strs}
    inputs = _formal(schema.inputs, len(node.inputs), holds)
    outputs = _formal(schema.outputs, len(node.outputs), holds)
    if not outputs:
        raise MethodError(f"{why}: {node.op_type} has no float16 form")
    return inputs, outputs


def _formal(
    parameters: Sequence[onnx.defs.OpSchema.FormalParameter], count: int, holds: set[str]
) -> list[int]:
    """The positions whose declared type is one of `holds`; the last parameter may repeat."""
    last = len(parameters) - 1
    return [i for i in range(count) if parameters[min(i, last)].type_str in holds]
