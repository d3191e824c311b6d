"""A scale and a shift of each output channel, folded into the convolution or product before it.

Batch normalization, and additions and multiplications by constants, are per-channel affine maps:
y = factor * x + shift. After a Conv, ConvTranspose or Gemm that feeds nothing else they are exact
(up to rounding) changes of its weight and bias: weight' = weight * factor along the output axis,
bias' = bias * factor + shift, computed in float64. Exporters differ in what they leave behind:
Paddle2ONNX, for one, writes every bias as an `Add`.

A Gemm's own factors, alpha of the product and beta of what it adds, are folded likewise: no integer
kernel has them, and layers are fitted and rounded as W x + b.
"""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lissom.graph.naming import fresh_name
from lissom.graph.simplify import bypass

if TYPE_CHECKING:
    import onnx_ir

__all__ = ["fold_factors", "fuse_affine"]

_PRODUCERS: Final = frozenset({"Conv", "ConvTranspose", "Gemm"})


def fuse_affine(ir: "onnx_ir.Model") -> None:
    """Fold the main graph's per-channel affine maps into what alone feeds them, in place."""
    for node in list(ir.graph):
        if node.domain or node.op_type not in {"BatchNormalization", "Add", "Mul"}:
            continue
        if node.op_type == "Add" or node.op_type == "Mul":
            _put_constant_last(node)
        producer = _producer(node)
        if producer is None:
            continue
        channels = _channels(producer)
        affine = _batch_norm(node) if node.op_type == "BatchNormalization" else None
        if node.op_type != "BatchNormalization":
            affine = _elementwise(node, producer, channels)
        if affine is not None and _fuse(ir.graph, producer, *affine):
            bypass(ir.graph, node)


def fold_factors(ir: "onnx_ir.Model") -> None:
    """Fold the alpha and beta of the main graph's Gemms into constants, in place.

    Alpha goes into a weight that the Gemm alone reads, beta into a constant that it alone reads or
    that is a vector: of that it gets its own copy, as of any shared vector. Factors of zero stay:
    zero times infinity is none, and the runtimes do not multiply there.
    """
    for node in ir.graph:
        if node.domain or node.op_type != "Gemm":
            continue
        for index, name in ((1, "alpha"), (2, "beta")):
            attribute = node.attributes.get(name)
            factor = 1.0 if attribute is None else attribute.as_float()
            value = node.inputs[index] if len(node.inputs) > index else None
            if value is None:
                node.attributes.pop(name, None)  # a factor of nothing
                continue
            if factor in {0.0, 1.0} or not _is_weight(value, node):
                continue
            alone = len(value.uses()) == 1 and not value.is_graph_output()
            stored = _stored(value)
            scaled = _scaled(stored, factor) if alone or (index > 1 and stored.ndim < 2) else None
            if scaled is not None:
                _replace_weight(ir.graph, node, index, scaled)
                node.attributes.pop(name)


def _scaled(array: "np.ndarray", factor: float) -> "np.ndarray | None":
    """Numbers times a factor, as precise as before in their type; None where they are not."""
    narrow = array.dtype.itemsize < 4  # half precision: only what it can hold exactly
    wide = array.astype(np.float32) if narrow else array
    if wide.dtype.name not in {"float32", "float64"}:
        return None
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        found = wide * wide.dtype.type(factor)
        scaled = found.astype(array.dtype)
        exact = bool((scaled.astype(wide.dtype) == found).all())
    peak = float(np.abs(found).max(initial=0.0))
    if not np.isfinite(peak) or (narrow and not exact):
        return None
    return scaled if peak >= np.finfo(wide.dtype).tiny or not array.any() else None


def _put_constant_last(node: "onnx_ir.Node") -> None:
    first, second = node.inputs
    if _is_weight(first, node) and not _is_weight(second, node):
        node.replace_input_with(0, second)
        node.replace_input_with(1, first)


def _producer(node: "onnx_ir.Node") -> "onnx_ir.Node | None":
    """The node whose result is changed, if it can take the change in."""
    source = node.inputs[0]
    producer = None if source is None else source.producer()
    if source is None or producer is None or producer.graph is not node.graph:
        return None
    if producer.domain or producer.op_type not in _PRODUCERS:
        return None
    if len(source.uses()) != 1 or source.is_graph_output() or len(node.outputs) != 1:
        return None
    constants = (*producer.inputs[1:], *node.inputs[1:])
    if len(producer.inputs) < 2 or not all(_is_weight(value, node) for value in constants):
        return None
    kinds = {_stored(value).dtype.name for value in constants}
    return producer if len(kinds) == 1 and kinds <= {"float32", "float64"} else None


def _channels(producer: "onnx_ir.Node") -> int:
    shape = _stored(producer.inputs[1]).shape
    if producer.op_type == "ConvTranspose":
        return int(shape[1] * _integer(producer, "group", 1))
    return int(shape[1 if producer.op_type == "Gemm" and not _transposed(producer) else 0])


def _batch_norm(node: "onnx_ir.Node") -> "tuple[np.ndarray, np.ndarray] | None":
    if _integer(node, "training_mode", 0):
        return None
    epsilon = node.attributes["epsilon"].as_float() if "epsilon" in node.attributes else 1e-5
    scale, shift, mean, var = (_stored(value).astype(np.float64) for value in node.inputs[1:5])
    factor = scale / np.sqrt(var + epsilon)
    return factor, shift - mean * factor


def _elementwise(
    node: "onnx_ir.Node", producer: "onnx_ir.Node", channels: int
) -> "tuple[np.ndarray, np.ndarray] | None":
    """Factor and shift of an Add or Mul whose constant varies along the channel axis alone."""
    constant = _stored(node.inputs[1]).astype(np.float64)
    rank = _stored(producer.inputs[1]).ndim
    if constant.ndim > rank:
        return None
    shape = (1,) * (rank - constant.ndim) + constant.shape
    if any(size != 1 for axis, size in enumerate(shape) if axis != 1):
        return None
    if shape[1] not in {1, channels}:
        return None
    values = np.broadcast_to(constant.reshape(-1), (channels,))
    if node.op_type == "Add":
        return np.ones(channels), values
    return values, np.zeros(channels)


def _fuse(
    graph: "onnx_ir.Graph", producer: "onnx_ir.Node", factor: "np.ndarray", shift: "np.ndarray"
) -> bool:
    weight = _stored(producer.inputs[1])
    bias = _stored(producer.inputs[2]) if len(producer.inputs) > 2 else np.zeros_like(shift)
    if producer.op_type == "Gemm" and "beta" in producer.attributes:
        bias = bias * producer.attributes["beta"].as_float()  # beta scales the bias alone
    new_weight = (weight * _along_outputs(producer, factor, weight.shape)).astype(weight.dtype)
    new_bias = (bias * factor + shift).astype(weight.dtype)
    if not (np.isfinite(new_weight).all() and np.isfinite(new_bias).all()):
        return False
    producer.attributes.pop("beta", None)
    if not (factor == 1).all():
        _replace_weight(graph, producer, 1, new_weight)
    _replace_weight(graph, producer, 2, new_bias)
    return True


def _along_outputs(
    node: "onnx_ir.Node", factor: "np.ndarray", shape: tuple[int, ...]
) -> "np.ndarray":
    """The factor of each output channel, shaped to multiply the stored weight."""
    if node.op_type == "Gemm":
        return factor.reshape(-1, 1) if _transposed(node) else factor.reshape(1, -1)
    if node.op_type == "Conv":
        return factor.reshape(-1, *[1] * (len(shape) - 1))
    # ConvTranspose stores [in, out / groups, *kernel]; the inputs of a group come one after another
    groups = _integer(node, "group", 1)
    rows = np.repeat(factor.reshape(groups, shape[1]), shape[0] // groups, axis=0)
    return rows.reshape(shape[0], shape[1], *[1] * (len(shape) - 2))


def _replace_weight(
    graph: "onnx_ir.Graph", node: "onnx_ir.Node", index: int, array: "np.ndarray"
) -> None:
    """Give a node its own new weight at an input; the old one goes when nobody else reads it."""
    import onnx_ir

    old = node.inputs[index] if len(node.inputs) > index else None
    if len(node.inputs) <= index:
        node.resize_inputs(index + 1)
    node.replace_input_with(index, None)
    if old is not None and not old.uses() and not old.is_graph_output():
        graph.initializers.pop(old.name or "")
    taken = {value.name or "" for other in graph for value in other.outputs}
    taken |= set(graph.initializers) | {value.name or "" for value in graph.inputs}
    wanted = f"{node.name}.bias" if old is None else old.name or ""
    name = fresh_name(wanted, taken)
    tensor = onnx_ir.Tensor(array, name=name)
    value = onnx_ir.Value(
        name=name,
        shape=onnx_ir.Shape(array.shape),
        type=onnx_ir.TensorType(tensor.dtype),
        const_value=tensor,
    )
    graph.register_initializer(value)
    node.replace_input_with(index, value)


def _is_weight(value: "onnx_ir.Value | None", node: "onnx_ir.Node") -> bool:
    """Whether a value is a weight of the node's own graph that nobody can feed."""
    return (
        value is not None
        and value.is_initializer()
        and value.graph is node.graph
        and value.const_value is not None
        and not value.is_graph_input()
    )


def _stored(value: Any) -> "np.ndarray":
    """The numbers of a value that is known to be a weight, as they are stored."""
    array: np.ndarray = value.const_value.numpy()
    return array


def _transposed(node: "onnx_ir.Node") -> bool:
    return bool(_integer(node, "transB", 0))


def _integer(node: "onnx_ir.Node", name: str, default: int) -> int:
    return node.attributes[name].as_int() if name in node.attributes else default
