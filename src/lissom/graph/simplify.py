"""Clean-up of operators: what does nothing at inference goes, local functions are inlined.

Each function changes a graph in place; `lissom.graph.canonical` calls them one by one, on copies.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir

__all__ = ["bypass", "drop_identities", "drop_unused", "infer_shapes", "inline"]


def inline(ir: "onnx_ir.Model") -> None:
    """Replace calls of local functions by the functions' bodies."""
    from onnx_ir.passes.common import InlinePass, RemoveUnusedFunctionsPass

    if ir.functions:
        InlinePass()(ir)
        RemoveUnusedFunctionsPass()(ir)  # type: ignore[no-untyped-call] # onnx_ir forgot its type


def drop_unused(ir: "onnx_ir.Model") -> None:
    """Remove nodes and weights that no output depends on, sort nodes, keep names unique."""
    from onnx_ir.passes.common import (
        NameFixPass,
        RemoveUnusedNodesPass,
        RemoveUnusedOpsetsPass,
        TopologicalSortPass,
    )

    for step in (
        RemoveUnusedNodesPass(),
        RemoveUnusedOpsetsPass(),
        TopologicalSortPass(),
        NameFixPass(),
    ):
        step(ir)


def drop_identities(ir: "onnx_ir.Model") -> None:
    """Remove the main graph's `Identity`, and `Dropout` where it passes its input on (inference).

    One stays where an output of the model is an input, a weight or another output under a new name.
    """
    for node in list(ir.graph):
        if node.domain or node.op_type not in {"Identity", "Dropout"}:
            continue
        source, output = node.inputs[0], node.outputs[0]
        if source is None or (node.op_type == "Dropout" and not _is_inference_dropout(node)):
            continue
        renames = source.producer() is not None and source.graph is ir.graph
        if not output.is_graph_output() or (renames and not source.is_graph_output()):
            bypass(ir.graph, node)


def infer_shapes(ir: "onnx_ir.Model", *, data: bool = True) -> None:
    """Annotate values with the types and shapes that onnx infers; nothing else changes.

    With `data`, shapes that the graph computes are followed too. For that onnx writes out vectors
    number by number, however long a stranger's file says they are.
    """
    from onnx_ir.passes.common import ShapeInferencePass

    ShapeInferencePass(check_type=False, strict_mode=False, data_prop=data)(ir)


def _is_inference_dropout(node: "onnx_ir.Node") -> bool:
    mask_used = len(node.outputs) > 1 and (
        node.outputs[1].uses() or node.outputs[1].is_graph_output()
    )
    training = node.inputs[2] if len(node.inputs) > 2 else None
    if mask_used or training is None:
        return not mask_used
    return training.const_value is not None and not bool(training.const_value.numpy())


def bypass(graph: "onnx_ir.Graph", node: "onnx_ir.Node") -> None:
    """Remove a node whose first input takes the place of its first output, name included.

    Where the output is one of the model's, the input must come from a node of the same graph and
    be no output itself: it takes the output's name.
    """
    source, output = node.inputs[0], node.outputs[0]
    if source is None:
        raise ValueError(f"node {node.name!r} has no input to pass on")
    is_output, name = output.is_graph_output(), output.name
    if source.shape is None:
        source.shape = output.shape
    output.replace_all_uses_with(source, replace_graph_outputs=True)
    graph.remove(node, safe=True)
    if is_output:
        source.name = name
