"""A model without its large weights, for the parts of onnx that copy a whole model at every call.

The checker, the version converter and shape inference need a weight's type and shape, and the
values only of small ones. So large weights become inputs of the same name, and are put back into
what the call answers.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx
    import onnx_ir

__all__ = ["Skeleton", "check", "in_memory"]

_SMALL_BYTES = 1024


class Skeleton:
    """The bones of a model as a protobuf, and the weights taken out of it."""

    def __init__(self, ir: "onnx_ir.Model") -> None:
        """Take the large weights out of a copy; the model itself is not changed."""
        import onnx_ir

        clone = ir.clone()
        graph = clone.graph
        self._weights: dict[str, onnx_ir.TensorProtocol] = {}
        for name, value in list(graph.initializers.items()):
            tensor = value.const_value
            if tensor is None or tensor.nbytes <= _SMALL_BYTES or value.is_graph_output():
                if tensor is not None:
                    value.const_value = in_memory(tensor)
                continue
            self._weights[name] = tensor
            value.shape = onnx_ir.Shape(tensor.shape.numpy())
            value.type = onnx_ir.TensorType(tensor.dtype)
            graph.initializers.pop(name)
            if not value.is_graph_input():
                graph.inputs.append(value)
        for body in graph.subgraphs():
            for value in body.initializers.values():
                if value.const_value is not None:
                    value.const_value = in_memory(value.const_value)
        self.proto: onnx.ModelProto = onnx_ir.to_proto(clone)

    def restore(self, proto: "onnx.ModelProto") -> "onnx_ir.Model":
        """Read a model made from the skeleton and give it the weights back."""
        import onnx_ir

        ir = onnx_ir.from_proto(proto)
        inputs = {value.name: value for value in ir.graph.inputs}
        for name, tensor in self._weights.items():
            value = inputs[name]
            ir.graph.inputs.remove(value)
            value.const_value = tensor
            ir.graph.register_initializer(value)
        return ir


def in_memory(tensor: "onnx_ir.TensorProtocol") -> "onnx_ir.TensorProtocol":
    """The tensor itself, or a copy of it in memory when it lies in another file."""
    import onnx_ir

    if not isinstance(tensor, onnx_ir.ExternalTensor):
        return tensor
    return onnx_ir.Tensor(tensor.numpy().copy(), dtype=tensor.dtype, name=tensor.name)


def check(ir: "onnx_ir.Model") -> None:
    """Check a graph against the ONNX standard.

    Raises:
        onnx.checker.ValidationError: The graph breaks it.
    """
    import onnx

    onnx.checker.check_model(Skeleton(ir).proto)
