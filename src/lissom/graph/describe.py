"""Plain descriptions of what a graph holds: ports, nodes, weights, types and shapes.

Names of element types are NumPy's (`"float32"`), so that rooms above need no ONNX to read them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import onnx_ir

__all__ = [
    "AttributeValue",
    "NodeInfo",
    "Port",
    "Shape",
    "WeightInfo",
    "all_tensors",
    "captured_names",
    "dtype_name",
    "is_quantized",
    "node_info",
    "parameter_count",
    "port",
    "shape_of",
    "type_name",
    "weight_info",
]

Shape = tuple[int | str | None, ...]
"""A shape as a model states it: sizes, names of dynamic sizes, None where nothing is known."""

AttributeValue = int | float | str | None | tuple[int, ...] | tuple[float, ...] | tuple[str, ...]
"""A node's attribute; a tensor or a body appears as a short text that describes it."""

QUANTIZED_OPERATORS: Final = frozenset(
    {
        "ConvInteger",
        "DequantizeLinear",
        "DynamicQuantizeLinear",
        "DynamicQuantizeLSTM",
        "DynamicQuantizeMatMul",
        "GatherBlockQuantized",
        "MatMulBnb4",
        "MatMulInteger",
        "MatMulIntegerToFloat",
        "MatMulNBits",
        "QAttention",
        "QEmbedLayerNormalization",
        "QGemm",
        "QuantizeLinear",
    }
)
"""Operators whose presence says that a model is quantized already (with every `QLinear*`)."""

_NOT_PARAMETERS: Final = frozenset({"int64", "bool", "string"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """An input or an output of a model.

    Attributes:
        name: Its name, which feeds and answers use.
        dtype: NumPy's name of the element type (`"float32"`), `"string"`, or for what is no tensor
            a text such as `"sequence(float32)"`.
        shape: Sizes, names of dynamic sizes, or None where a size is unknown.
        ranked: False where even the rank is unknown; the shape is empty then.
    """

    name: str
    dtype: str
    shape: Shape
    ranked: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightInfo:
    """What is known of a weight without reading it: concrete shape, element type, size in bytes."""

    shape: tuple[int, ...]
    dtype: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeInfo:
    """A node of the main graph, as data.

    Attributes:
        name: Unique in the model.
        op_type: The operator.
        domain: The operator's domain; empty for standard ONNX.
        inputs: Names of the values it reads; empty where an optional input is absent.
        outputs: Names of the values it gives; empty where an optional output is absent.
        attributes: Its attributes.
        captured: Names of the values that its bodies (If, Loop, Scan) read from outside.
    """

    name: str
    op_type: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, AttributeValue]
    captured: tuple[str, ...] = ()


def is_quantized(op_type: str) -> bool:
    """Whether an operator belongs to a quantized model."""
    return op_type.startswith("QLinear") or op_type in QUANTIZED_OPERATORS


def dtype_name(dtype: "onnx_ir.DataType") -> str:
    """NumPy's name of an ONNX element type (`"float32"`); `"string"` and `"undefined"` as such."""
    if dtype.name in {"STRING", "UNDEFINED"}:
        return dtype.name.lower()
    return str(dtype.numpy().name)


def type_name(kind: "onnx_ir.TypeProtocol") -> str:
    """The name of a value's type: a tensor's element type, or `sequence(...)`, `optional(...)`."""
    name = type(kind).__name__
    if name == "TensorType":
        return dtype_name(kind.dtype)
    inner: Any = kind.elem_type
    held = type_name(inner) if hasattr(inner, "elem_type") else dtype_name(kind.dtype)
    return f"{name.removesuffix('Type').lower()}({held})"


def shape_of(shape: "onnx_ir.ShapeProtocol") -> Shape:
    """A shape as plain data; some exporters write an open size as -1."""
    return tuple(
        (dim if dim >= 0 else None) if isinstance(dim, int) else dim.value for dim in shape
    )


def port(value: "onnx_ir.Value") -> Port:
    """Describe an input or an output of the graph."""
    return Port(
        name=value.name or "",
        dtype="undefined" if value.type is None else type_name(value.type),
        shape=() if value.shape is None else shape_of(value.shape),
        ranked=value.shape is not None,
    )


def weight_info(tensor: "onnx_ir.TensorProtocol") -> WeightInfo:
    """Describe a constant tensor without reading it."""
    return WeightInfo(
        shape=tuple(int(dim) for dim in tensor.shape.numpy()),
        dtype=dtype_name(tensor.dtype),
        size_bytes=int(tensor.nbytes),
    )


def node_info(node: "onnx_ir.Node") -> NodeInfo:
    """Describe a node."""
    return NodeInfo(
        name=node.name or "",
        op_type=node.op_type,
        domain=node.domain,
        inputs=tuple("" if value is None else value.name or "" for value in node.inputs),
        outputs=tuple(value.name or "" for value in node.outputs),
        attributes={name: _attribute(item) for name, item in node.attributes.items()},
        captured=captured_names(node),
    )


def captured_names(node: "onnx_ir.Node") -> tuple[str, ...]:
    """The values of outer graphs that a node's bodies read or pass on, sorted by name."""
    found: set[str] = set()
    for body in _bodies(node):
        own = {value.name for value in body.inputs} | set(body.initializers)
        own |= {value.name for inner in body for value in inner.outputs}
        used = {value.name for inner in body for value in inner.inputs if value is not None}
        used |= {value.name for value in body.outputs}
        for inner in body:
            used.update(captured_names(inner))
        found |= {name for name in used - own if name}
    return tuple(sorted(found))


def all_tensors(ir: "onnx_ir.Model") -> "Iterator[onnx_ir.TensorProtocol]":
    """Every constant tensor once: weights of the graph and its bodies, and tensor attributes."""
    seen: set[int] = set()
    for graph in (ir.graph, *ir.graph.subgraphs()):
        tensors = [value.const_value for value in graph.initializers.values()]
        for node in graph:
            attributes = [item for item in node.attributes.values() if not item.is_ref()]
            tensors += [item.as_tensor() for item in attributes if item.type.name == "TENSOR"]
        for tensor in tensors:
            if tensor is not None and id(tensor) not in seen:
                seen.add(id(tensor))
                yield tensor


def parameter_count(ir: "onnx_ir.Model") -> int:
    """How many numbers were trained: every constant but indices, shapes, scales and zero points.

    A weight packed for `MatMulNBits` counts with the elements that it unpacks to, and words of
    packed indices (see `perform_fold`) with all indices that they have room for.
    """
    hidden: set[str] = set()
    packed: dict[str, int] = {}
    for node in ir.graph:
        names = [None if value is None else value.name for value in node.inputs]
        if node.op_type in {"QuantizeLinear", "DequantizeLinear"}:
            hidden.update(name for name in names[1:3] if name)
        elif node.op_type == "MatMulNBits" and len(names) > 1 and names[1]:
            packed[names[1]] = node.attributes["K"].as_int() * node.attributes["N"].as_int()
            hidden.update(name for name in names[2:5] if name)
        elif node.op_type == "BitShift" and names[0] and names[1]:
            words, shifts = (None if v is None else v.const_value for v in node.inputs[:2])
            if words is not None and shifts is not None:
                packed[names[0]] = words.size * shifts.size
                hidden.add(names[1])
    counted = {id(v.const_value): name for name, v in ir.graph.initializers.items()}
    total = 0
    for tensor in all_tensors(ir):
        name = counted.get(id(tensor), "")
        if dtype_name(tensor.dtype) not in _NOT_PARAMETERS and name not in hidden:
            total += packed.get(name, prod(tensor.shape.numpy()))
    return total


def _bodies(node: "onnx_ir.Node") -> "Iterator[onnx_ir.Graph]":
    for attribute in node.attributes.values():
        if attribute.is_ref():
            continue
        if attribute.type.name == "GRAPH":
            yield attribute.as_graph()
        elif attribute.type.name == "GRAPHS":
            yield from attribute.as_graphs()


def _attribute(attribute: "onnx_ir.Attr") -> AttributeValue:
    if attribute.is_ref():
        return f"reference to {attribute.ref_attr_name}"
    kind, value = attribute.type.name, attribute.value
    if kind in {"INT", "FLOAT", "STRING"}:
        return value  # type: ignore[no-any-return]
    if kind in {"INTS", "FLOATS", "STRINGS"}:
        return tuple(value)
    if kind == "TENSOR":
        return f"tensor {dtype_name(value.dtype)}{list(value.shape.numpy())}"
    return kind.lower()
