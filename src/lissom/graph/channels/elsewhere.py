"""The shapes and numbers of a graph for inputs of other sizes, as ONNX infers them node by node.

A removal that fits one run must fit all: a size that comes out right only for one batch shows here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import onnx
from onnx import TensorProto, TypeProto, helper, numpy_helper
from onnx.shape_inference import infer_node_outputs

from lissom.graph.channels.arithmetic import Numbers
from lissom.graph.model import Model, NodeInfo

if TYPE_CHECKING:
    import onnx_ir

__all__ = ["Sizes", "elsewhere"]

_TIMES: Final = 97
"""How many times larger, and one more, a batch is elsewhere: what is rounded here is off there."""
_MOST_DATA: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """A graph for inputs of certain sizes.

    Attributes:
        shapes: of each value that is no weight and whose shape is known, by name.
        numbers: values known by number.
    """

    shapes: Mapping[str, tuple[int, ...]]
    numbers: Numbers


def elsewhere(model: Model, here: Mapping[str, tuple[int, ...]]) -> tuple[Sizes, ...]:
    """A graph for much larger batches, and for half of all other open sizes; none if none is open.

    Args:
        model: the graph.
        here: concrete shapes of one run.
    """
    return tuple(_followed(model, shapes) for shapes in _inputs(model, here))


def _inputs(
    model: Model, here: Mapping[str, tuple[int, ...]]
) -> Iterator[dict[str, tuple[int, ...]]]:
    ports = [port for port in model.inputs if len(port.shape) == len(here.get(port.name, ()))]
    first = {port.shape[0] for port in ports if port.shape} - {None}
    for batch in (True, False):
        found = {}
        for port in ports:
            found[port.name] = tuple(
                size
                if isinstance(said, int) or batch != (axis == 0 or said in first)
                else (size * _TIMES + 1 if batch else max(1, size // 2))
                for axis, (said, size) in enumerate(zip(port.shape, here[port.name], strict=True))
            )
        if any(found[name] != here[name] for name in found):
            yield found


def _followed(model: Model, inputs: dict[str, tuple[int, ...]]) -> Sizes:
    found = Sizes(shapes=inputs, numbers=Numbers(model))
    for node, info in zip(model.ir.graph, model.nodes, strict=True):
        inputs |= _inferred(model, node, info, found)
        found.numbers.follow(info, inputs)
    return found


def _inferred(
    model: Model, node: "onnx_ir.Node", info: NodeInfo, known: Sizes
) -> dict[str, tuple[int, ...]]:
    """The shapes of what a node gives, as far as they follow."""
    import onnx_ir

    if info.domain or info.captured:
        return {}
    types: dict[str, TypeProto] = {}
    data: dict[str, TensorProto] = {}
    for value in node.inputs:
        if value is None or not value.name:
            continue
        weight = model.weights.get(value.name)
        shape = weight.shape if weight is not None else known.shapes.get(value.name)
        if shape is None or value.dtype is None:
            return {}
        types[value.name] = helper.make_tensor_type_proto(value.dtype.value, shape)
        number = known.numbers.of(value.name)
        if number is not None and number.size <= _MOST_DATA:
            data[value.name] = numpy_helper.from_array(number)
    try:
        schema = onnx.defs.get_schema(info.op_type, model.opset, "")
        imports = [helper.make_opsetid("", model.opset)]
        proto = onnx_ir.to_proto(node)
        answers = infer_node_outputs(schema, proto, types, data, opset_imports=imports)
    except (onnx.defs.SchemaError, onnx.shape_inference.InferenceError, RuntimeError, ValueError):
        return {}  # these sizes do not go through it: nothing is known from here on
    shapes = {name: _shape(kind) for name, kind in answers.items()}
    return {name: shape for name, shape in shapes.items() if shape is not None}


def _shape(kind: Any) -> tuple[int, ...] | None:
    if not kind.tensor_type.HasField("shape"):
        return None
    dims = kind.tensor_type.shape.dim
    return (
        tuple(dim.dim_value for dim in dims) if all(d.HasField("dim_value") for d in dims) else None
    )
