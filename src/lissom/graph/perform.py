"""Do what the edits of a plan say, on a copy of the model.

The only place where a method's decisions touch a graph. The input model stays as it is; the answer
has the same inputs and outputs, every surviving node and value under its own name, no weight that
nobody uses, and passes the ONNX checker. How each kind of edit is written is in the neighbouring
`perform_*` files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import assert_never

import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # no stubs

from lissom.errors import BrokenPromise, MethodError
from lissom.graph.edit import (
    BypassNodes,
    Cast,
    Edit,
    EncodeWeight,
    FuseNodes,
    InsertScale,
    QuantizeActivation,
    RemoveChannels,
    ReplaceGraph,
    ReplaceWeight,
    SplitChannels,
    describe,
)
from lissom.graph.model import Model, Port
from lissom.graph.opset import raise_opset
from lissom.graph.perform_bypass import bypass_nodes
from lissom.graph.perform_cast import cast_nodes, cast_weight
from lissom.graph.perform_draft import Draft
from lissom.graph.perform_fold import fold_weight
from lissom.graph.perform_fusion import fuse_nodes
from lissom.graph.perform_matmul import quantize_dynamically, use_matmul_nbits
from lissom.graph.perform_quantize import encode_weight, least_opset, quantize_activation
from lissom.graph.perform_removal import insert_scale, remove_channels, replace_weight
from lissom.graph.perform_split import split_channels
from lissom.store.store import Store

__all__ = ["perform"]

# Weights above this are left out of the copy that the checker sees.
_CHECKED_ELEMENTS = 1024


def perform(model: Model, edits: Sequence[Edit], store: Store) -> Model:
    """Perform edits, stage by stage (see `_stage`), in the order given within a stage.

    Args:
        model: what to edit; it is not changed.
        edits: of a plan.
        store: holds the edits' arrays and files.

    Returns:
        The edited model; the same one if there are no edits.

    Raises:
        MethodError: the model does not allow an edit (an opset that cannot be raised, a type).
        BrokenPromise: an edit names what the model does not have, or the result is invalid.
        StoreError: an array or file of an edit is not in the store.
    """
    if not edits:
        return model
    start, rest = _replaced(model, edits, store)
    if rest:
        start = _with_opset(start, rest)
        draft = Draft(start)
        _perform_all(draft, rest, store)
        draft.sweep()
        start = Model.build(draft.ir, history=start.history, notes=start.notes)
    _check_ports(model, start)
    _check_graph(start.ir)
    counts = Counter(type(edit).__name__ for edit in edits)
    done = ", ".join(f"{kind} x {count}" for kind, count in sorted(counts.items()))
    return Model.build(
        start.ir,
        history=(*start.history, done),
        notes=start.notes,
        known_fingerprint=start.fingerprint,
    )


def _replaced(model: Model, edits: Sequence[Edit], store: Store) -> tuple[Model, list[Edit]]:
    """The model to start from, and the edits that are left."""
    first, rest = edits[0], list(edits[1:])
    for edit in rest:
        if isinstance(edit, ReplaceGraph):
            raise BrokenPromise(f"{describe(edit)}: it can only stand first")
    if not isinstance(first, ReplaceGraph):
        return model, list(edits)
    try:
        graph = ir.load(store.file(first.model))
    except (DecodeError, ValueError) as error:
        raise MethodError(f"{describe(first)}: the file cannot be read: {error}") from error
    graph.metadata_props.update(model.ir.metadata_props)
    return Model.build(graph, history=model.history, notes=model.notes), rest


def _perform_all(  # noqa: C901 - one case for each kind of edit
    draft: Draft, edits: Sequence[Edit], store: Store
) -> None:
    # Casts of nodes are performed together, so that none is left between two of them.
    nodes = [edit for edit in edits if isinstance(edit, Cast) and edit.kind == "node"]
    for edit in sorted(edits, key=_stage):
        match edit:
            case FuseNodes():
                fuse_nodes(draft, edit)
            case RemoveChannels():
                remove_channels(draft, edit)
            case SplitChannels():
                split_channels(draft, edit)
            case BypassNodes():
                bypass_nodes(draft, edit)
            case ReplaceWeight():
                replace_weight(draft, edit, store)
            case InsertScale():
                insert_scale(draft, edit, store)
            case EncodeWeight(kernel="dequantize"):
                encode_weight(draft, edit, store)
            case EncodeWeight(kernel="fold"):
                fold_weight(draft, edit, store)
            case EncodeWeight():
                use_matmul_nbits(draft, edit, store)
            case QuantizeActivation(scale=None):
                quantize_dynamically(draft, edit)
            case QuantizeActivation():
                quantize_activation(draft, edit)
            case Cast(kind="weight"):
                cast_weight(draft, edit)
            case Cast():
                if edit is nodes[0]:
                    cast_nodes(draft, nodes)
            case ReplaceGraph():
                raise BrokenPromise(f"{describe(edit)}: it can only stand first")
            case _ as never:
                assert_never(never)


def _stage(edit: Edit) -> int:
    """Structure, then weights, then the values between them; nodes that become others come last."""
    match edit:
        case ReplaceGraph() | RemoveChannels() | SplitChannels() | BypassNodes():
            return -1
        case FuseNodes() | ReplaceWeight() | InsertScale():
            return 0
        case EncodeWeight() | Cast(kind="weight"):
            return 1
        case QuantizeActivation(scale=None):
            return 4
        case QuantizeActivation():
            return 2
        case Cast():
            return 3
        case _ as never:
            assert_never(never)


def _with_opset(model: Model, edits: Sequence[Edit]) -> Model:
    """The model in an opset whose operators can express the edits."""
    quantizing = [e for e in edits if isinstance(e, EncodeWeight | QuantizeActivation)]
    needed = max(map(least_opset, quantizing), default=0)
    if model.opset >= needed:
        return model
    raised = raise_opset(model, needed)
    if raised is None:
        cause = next(e for e in quantizing if least_opset(e) == needed)
        raise MethodError(
            f"{describe(cause)}: it needs opset {needed}, and the model's opset {model.opset} "
            "cannot be raised"
        )
    return raised


def _check_ports(before: Model, after: Model) -> None:
    for kind, old, new in (
        ("inputs", before.inputs, after.inputs),
        ("outputs", before.outputs, after.outputs),
    ):
        if len(old) != len(new) or not all(map(_agree, old, new)):
            raise BrokenPromise(
                f"the edited model's {kind} are {[p.name for p in new]} with other names, types or "
                f"shapes than {[p.name for p in old]}"
            )


def _agree(old: Port, new: Port) -> bool:
    if (old.name, old.dtype) != (new.name, new.dtype):
        return False
    if not (old.ranked and new.ranked):
        return True
    return len(old.shape) == len(new.shape) and all(map(_same_size, old.shape, new.shape))


def _same_size(old: int | str | None, new: int | str | None) -> bool:
    """Names of dynamic sizes may differ, but what was dynamic must stay so."""
    if isinstance(old, int) and isinstance(new, int):
        return old == new
    return old is None or new is None or isinstance(old, str) == isinstance(new, str)


def _check_graph(graph: ir.Model) -> None:
    """Run the ONNX checker on a copy whose large weights are inputs (no bytes are copied).

    Small ones are given as bytes: the checker does not follow those that lie in another file.
    """
    slim = graph.clone()
    for name, value in list(slim.graph.initializers.items()):
        tensor = value.const_value
        if tensor is None:
            continue
        if tensor.size > _CHECKED_ELEMENTS:
            del slim.graph.initializers[name]
            if not value.is_graph_input():
                slim.graph.inputs.append(value)
        elif isinstance(tensor, ir.ExternalTensor):
            value.const_value = ir.tensor(tensor.numpy(), dtype=tensor.dtype, name=tensor.name)
    try:
        onnx.checker.check_model(ir.to_proto(slim))
    except onnx.checker.ValidationError as error:
        raise BrokenPromise(f"the edited model is not valid ONNX: {error}") from error
