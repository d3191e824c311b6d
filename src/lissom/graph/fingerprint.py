"""The hash that says two models compute the same thing with the same names.

It covers the inputs and outputs, every node (name, operator, attributes, bodies), the opsets and
the bytes of every weight. It leaves out what changes nothing: doc strings, metadata, inferred
shapes, the producer, and the order in which weights are listed.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import onnx_ir

__all__ = ["fingerprint", "known_hashes", "remember_hashes", "tensor_hash"]

_HASH_KEY: Final = "lissom.sha256"


def fingerprint(ir: "onnx_ir.Model") -> str:
    """The sha256 of the graph and its weights, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for piece in _model(ir):
        encoded = piece.encode("utf-8", "surrogateescape")
        digest.update(len(encoded).to_bytes(8, "little"))
        digest.update(encoded)
    return digest.hexdigest()


def tensor_hash(tensor: "onnx_ir.TensorProtocol") -> str:
    """The sha256 of a tensor's type, shape and bytes; kept with the tensor, which clones share."""
    known = tensor.meta.get(_HASH_KEY)
    if isinstance(known, str):
        return known
    digest = hashlib.sha256(f"{tensor.dtype.name}{tuple(tensor.shape)}".encode())
    if tensor.dtype.name == "STRING":
        for text in tensor.numpy().ravel():
            raw = text if isinstance(text, bytes) else str(text).encode("utf-8", "surrogateescape")
            digest.update(len(raw).to_bytes(8, "little"))
            digest.update(raw)
    elif tensor.size:
        digest.update(_view(tensor))
    answer = digest.hexdigest()
    tensor.meta[_HASH_KEY] = answer
    return answer


def known_hashes(ir: "onnx_ir.Model") -> dict[str, str]:
    """The hash of every main-graph weight, by name: what `remember_hashes` takes."""
    return {
        name: tensor_hash(value.const_value)
        for name, value in ir.graph.initializers.items()
        if value.const_value is not None
    }


def remember_hashes(ir: "onnx_ir.Model", hashes: Mapping[str, str]) -> None:
    """Attach hashes computed earlier on the same bytes, so that weights need not be read again."""
    for name, known in hashes.items():
        value = ir.graph.initializers.get(name)
        if value is not None and value.const_value is not None:
            value.const_value.meta[_HASH_KEY] = known


def _view(tensor: "onnx_ir.TensorProtocol") -> Any:
    """The tensor's bytes as a buffer; whole bytes are viewed in place, narrower types packed."""
    array: Any = tensor.numpy()
    if tensor.dtype.bitwidth >= 8 and array.flags.c_contiguous:
        return array.reshape(-1).view("uint8")
    return tensor.tobytes()


def _model(ir: "onnx_ir.Model") -> Iterator[str]:
    yield "lissom model 1"
    for domain, version in sorted(ir.opset_imports.items()):
        yield f"opset {domain} {version}"
    yield from _graph(ir.graph)
    for identifier, function in sorted(ir.functions.items()):
        yield f"function {identifier}"
        yield from (f"in {value.name}" for value in function.inputs)
        for node in function:
            yield from _node(node)
        yield from (f"out {value.name}" for value in function.outputs)


def _graph(graph: "onnx_ir.Graph") -> Iterator[str]:
    for value in graph.inputs:
        yield f"in {value.name} {value.type} {value.shape}"
    for name in sorted(graph.initializers):
        tensor = graph.initializers[name].const_value
        yield f"weight {name} {tensor_hash(tensor) if tensor is not None else 'absent'}"
    for node in graph:
        yield from _node(node)
    for value in graph.outputs:
        yield f"out {value.name} {value.type} {value.shape}"
    yield "end"


def _node(node: "onnx_ir.Node") -> Iterator[str]:
    yield f"node {node.name}"
    yield f"op {node.domain} {node.op_type} {node.overload}"
    yield from (f"use {'' if value is None else value.name}" for value in node.inputs)
    yield from (f"give {value.name}" for value in node.outputs)
    for name in sorted(node.attributes):
        attribute = node.attributes[name]
        if attribute.is_ref():
            yield f"reference {name} {attribute.ref_attr_name}"
            continue
        yield f"attribute {name} {attribute.type.name}"
        yield from _attribute_value(attribute)


def _attribute_value(attribute: "onnx_ir.Attr") -> Iterator[str]:
    kind, value = attribute.type.name, attribute.value
    if kind == "TENSOR":
        yield tensor_hash(value)
    elif kind == "TENSORS":
        yield from (tensor_hash(tensor) for tensor in value)
    elif kind == "GRAPH":
        yield from _graph(value)
    elif kind == "GRAPHS":
        for graph in value:
            yield from _graph(graph)
    else:
        yield repr(value)
