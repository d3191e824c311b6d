"""Clean-up of constants: they become weights, known results are computed, equal weights merged.

Each function changes a graph in place; `lissom.graph.canonical` calls them one by one, on copies.
"""

from math import prod
from typing import TYPE_CHECKING, Final

from lissom.graph.describe import shape_of
from lissom.graph.fingerprint import tensor_hash
from lissom.graph.naming import fresh_name

if TYPE_CHECKING:
    import onnx_ir

__all__ = ["fold", "lift", "merge_twins", "part_vectors"]

_NEVER_FOLDED: Final = frozenset({"QuantizeLinear", "DequantizeLinear", "ConstantOfShape"})
_FOLD_BYTES: Final = 1 << 20
_VECTOR: Final = 1 << 14
_FOLD_INPUTS: Final = 1000  # joining more takes onnx_ir quadratic time
# What these give has nothing to do with the size of what they take: without a known shape, a few
# bytes may ask for terabytes.
_GROWING: Final = frozenset(
    {"CenterCropPad", "Expand", "EyeLike", "MatMul", "OneHot", "Pad", "Range", "Resize", "Tile",
     "Upsample"}
)  # fmt: skip


def lift(ir: "onnx_ir.Model") -> None:
    """Turn the main graph's `Constant` nodes into weights; outputs of the model stay nodes."""
    import onnx_ir

    graph = ir.graph
    for node in list(graph):
        if node.op_type != "Constant" or node.domain or len(node.attributes) != 1:
            continue
        output = node.outputs[0]
        tensor = _constant(node)
        if tensor is None or output.is_graph_output() or output.name in graph.initializers:
            continue
        tensor.name = output.name
        weight = onnx_ir.Value(
            name=output.name,
            shape=onnx_ir.Shape(tensor.shape.numpy()),
            type=onnx_ir.TensorType(tensor.dtype),
            const_value=tensor,
        )
        output.replace_all_uses_with(weight)
        graph.remove(node, safe=True)
        graph.register_initializer(weight)


def fold(ir: "onnx_ir.Model") -> None:
    """Compute what depends on constants alone, where the result is small or replaces its inputs.

    Pairs of quantize and dequantize are kept: they are the quantization.
    """
    from onnxscript.optimizer import fold_constants_ir

    fold_constants_ir(
        ir, onnx_shape_inference=True, output_size_limit=_FOLD_BYTES // 4, should_fold=_should_fold
    )


def merge_twins(ir: "onnx_ir.Model") -> None:
    """Let equal weights be one; those that bodies of control flow read keep their names.

    Vectors are left alone: many biases are all zero, and to share them would only tie the channels
    of unrelated operators to each other.
    """
    graph = ir.graph
    first: dict[str, onnx_ir.Value] = {}
    for name, value in list(graph.initializers.items()):
        inside = any(node.graph is not graph for node in value.consumers())
        if value.const_value is None or value.is_graph_output() or inside:
            continue
        if _is_vector(value.const_value):
            continue
        twin = first.setdefault(tensor_hash(value.const_value), value)
        if twin is not value and not value.is_graph_input():
            value.replace_all_uses_with(twin)
            graph.initializers.pop(name)


def part_vectors(ir: "onnx_ir.Model") -> None:
    """Give each operator its own copy of a vector that several read, as exporters share zeros."""
    import onnx_ir

    graph = ir.graph
    names = {name for name in graph.initializers if name}
    for name, value in list(graph.initializers.items()):
        tensor = value.const_value
        readers = dict.fromkeys(node for node, _ in value.uses())
        if tensor is None or not _is_vector(tensor) or len(readers) < 2 or value.is_graph_input():
            continue
        if value.is_graph_output() or any(node.graph is not graph for node in readers):
            continue
        for node in list(readers)[1:]:
            own = fresh_name(name, names)
            names.add(own)
            vector = onnx_ir.Tensor(tensor.numpy(), dtype=tensor.dtype, name=own)
            copied = onnx_ir.Value(
                name=own, shape=vector.shape, type=value.type, const_value=vector
            )
            graph.register_initializer(copied)
            for index, used in enumerate(node.inputs):
                if used is value:
                    node.replace_input_with(index, copied)


def _is_vector(tensor: "onnx_ir.TensorProtocol") -> bool:
    """Floats along one axis only, few enough to be copied."""
    sizes = [int(size) for size in tensor.shape.numpy() if size != 1]
    return len(sizes) == 1 and sizes[0] <= _VECTOR and tensor.dtype.is_floating_point()


def _should_fold(node: "onnx_ir.Node") -> bool | None:
    """False where it must not be computed: it would be lost, or take too much to be computed."""
    if not node.domain and node.op_type in _NEVER_FOLDED:
        return False
    return False if len(node.inputs) > _FOLD_INPUTS or _is_too_large(node) else None


def _is_too_large(node: "onnx_ir.Node") -> bool:
    """Whether an output is, or may be, larger than the limit and than all inputs together."""
    constants = [x.const_value for x in node.inputs if x is not None]
    given = sum(tensor.size for tensor in constants if tensor is not None)
    most = max(_FOLD_BYTES // 4, given)
    for output in node.outputs:
        sizes = (None,) if output.shape is None else shape_of(output.shape)
        known = [size for size in sizes if isinstance(size, int)]
        if prod(known) > most or (len(known) < len(sizes) and node.op_type in _GROWING):
            return True
    return False


def _constant(node: "onnx_ir.Node") -> "onnx_ir.TensorProtocol | None":
    import numpy as np
    import onnx_ir

    ((kind, attribute),) = node.attributes.items()
    if attribute.is_ref():
        return None
    if kind == "value":
        return attribute.as_tensor()
    if kind in {"value_float", "value_floats"}:
        return onnx_ir.Tensor(np.array(attribute.value, np.float32))
    if kind in {"value_int", "value_ints"}:
        return onnx_ir.Tensor(np.array(attribute.value, np.int64))
    return None
