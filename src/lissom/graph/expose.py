"""The same model with intermediate values added to its outputs, so that they can be observed."""

from collections.abc import Sequence

from lissom.errors import ModelError
from lissom.graph.model import Model

__all__ = ["expose", "intermediate_values"]


def intermediate_values(model: Model) -> tuple[str, ...]:
    """The values of the main graph that can be observed, in the order they are computed.

    Inputs, outputs, weights, and values that are no tensors (sequences) are left out.
    """
    outputs = {port.name for port in model.outputs}
    found: list[str] = []
    for node in model.nodes:
        for name in node.outputs:
            dtype = model.value_dtype(name) if name else "absent"
            if name and name not in outputs and (dtype is None or "(" not in dtype):
                found.append(name)
    return tuple(found)


def expose(model: Model, values: Sequence[str]) -> Model:
    """Add values to the outputs, after the model's own; those that are outputs already stay so.

    A value whose type onnx could not infer is added without one, which runtimes accept.

    Raises:
        ModelError: A name is no value that a node of the main graph gives.
    """
    unknown = [name for name in values if name not in model.producers]
    if unknown:
        raise ModelError(
            f"{unknown[0]!r} is not computed by a node of the main graph, so it cannot be observed"
        )
    ir = model.copy_ir()
    present = {value.name for value in ir.graph.outputs}
    named = {value.name: value for node in ir.graph for value in node.outputs}
    for name in dict.fromkeys(values):
        if name not in present:
            ir.graph.outputs.append(named[name])
    return Model.build(ir, history=(*model.history, "values exposed"), notes=model.notes)
