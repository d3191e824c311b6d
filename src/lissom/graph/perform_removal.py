"""Cut channels out of weights, and give weights other values, factors and biases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from lissom.errors import BrokenPromise
from lissom.graph.cutting import WeightCut
from lissom.graph.edit import InsertScale, RemoveChannels, ReplaceWeight, describe
from lissom.graph.perform_counts import count_anew, put
from lissom.graph.perform_draft import Draft
from lissom.store.store import Store

__all__ = ["insert_scale", "remove_channels", "replace_weight"]


def remove_channels(draft: Draft, edit: RemoveChannels) -> None:
    """Cut weights, rewrite settings, and say the sizes that values have now.

    Raises:
        BrokenPromise: the edit names what the model does not have, or empties a weight.
    """
    why = describe(edit)
    axes: dict[str, list[WeightCut]] = {}
    for cut in edit.cuts:
        axes.setdefault(cut.weight, []).append(cut)
    for weight, cuts in axes.items():
        _cut(draft, weight, cuts, why)
    count_anew(draft, edit, why)


def replace_weight(draft: Draft, edit: ReplaceWeight, store: Store) -> None:
    """Give a weight other values, or add a bias.

    Raises:
        BrokenPromise: shape or type differ, or the node already has a bias or cannot have one.
        StoreError: the values are not in the store.
    """
    why = describe(edit)
    values = store.array(edit.values)
    if edit.bias_of is None:
        value = draft.stored(edit.weight, why)
        tensor = value.const_value
        if tensor is None or tuple(tensor.shape.numpy()) != values.shape:
            raise BrokenPromise(f"{why}: its shape is {values.shape}, another one than before")
        if values.dtype != tensor.dtype.numpy():
            raise BrokenPromise(f"{why}: its type is {values.dtype}, another one than before")
        put(value, values)
        return
    node = draft.node(edit.bias_of, why)
    bias = draft.constant(edit.weight, ir.tensor(values))
    if node.op_type in {"Conv", "ConvTranspose", "Gemm"}:
        if len(node.inputs) > 2 and node.inputs[2] is not None:
            raise BrokenPromise(f"{why}: it has one already")
        node.resize_inputs(3)
        node.replace_input_with(2, bias)
        node.attributes.pop("beta", None)  # a Gemm's factor of what it adds
    elif node.op_type == "MatMul":
        _add_behind(draft, node, bias)
    else:
        raise BrokenPromise(f"{why}: a {node.op_type} has no bias")


def insert_scale(draft: Draft, edit: InsertScale, store: Store) -> None:
    """Multiply a value where some nodes read it.

    Raises:
        BrokenPromise: the model has no such value, or a node does not read it.
        StoreError: the scale is not in the store.
    """
    why = describe(edit)
    value = draft.value(edit.value, why)
    array = store.array(edit.scale)
    if value.dtype is not None:
        array = array.astype(value.dtype.numpy())  # a graph in half precision multiplies in it
    factor = draft.constant(f"{edit.value}_scale", ir.tensor(array))
    scaled = draft.output(f"{edit.value}_scaled", value.dtype, value)
    readers = draft.chosen_readers(value, edit.consumers, why)
    node = draft.make("Mul", f"{edit.value}_scaling", [value, factor], [scaled])
    draft.insert_behind(value, [node])
    draft.redirect(readers, value, scaled)


def _cut(draft: Draft, weight: str, cuts: Sequence[WeightCut], why: str) -> None:
    value = draft.ir.graph.initializers.get(weight)
    if value is None or value.const_value is None or value.is_graph_input():
        raise BrokenPromise(f"{why}: the model has no weight {weight!r} of its own")
    array = value.const_value.numpy()
    for cut in cuts:
        if not 0 <= cut.axis < array.ndim:
            raise BrokenPromise(f"{why}: {weight!r} has no axis {cut.axis}")
        size = array.shape[cut.axis]
        runs = [np.arange(max(start, 0), min(end, size)) for start, end in cut.removed]
        removed = np.unique(np.concatenate([np.empty(0, np.int64), *runs]))
        if removed.size != sum(end - start for start, end in cut.removed):
            raise BrokenPromise(f"{why}: {weight!r} has no such indices along axis {cut.axis}")
        if removed.size >= size:
            raise BrokenPromise(f"{why}: nothing would be left of {weight!r}")
        array = np.delete(array, removed, axis=cut.axis)
    put(value, np.ascontiguousarray(array))


def _add_behind(draft: Draft, node: ir.Node, bias: ir.Value) -> None:
    """A MatMul has no place for a bias: add it to what the node gives."""
    before = node.outputs[0]
    made = draft.output(f"{before.name}_unbiased", before.dtype, before)
    product = draft.make("MatMul", node.name or "", list(node.inputs), [made])
    total = draft.output(before.name or "", before.dtype, before)
    draft.replace_node(
        node, [product, draft.make("Add", f"{node.name}_bias", [made, bias], [total])]
    )
