"""What the tests of this room share: graphs from tiny models, and what they answer."""

from collections.abc import Mapping

import numpy as np
import onnx
import onnx_ir
import onnxruntime
from onnx import helper, numpy_helper

from lissom.graph.model import Model
from lissom.graph.save import to_bytes

__all__ = ["answers", "constant", "ir_of", "model_of", "node", "ops", "same_answers"]

node = helper.make_node


def constant(name: str, array: np.ndarray) -> onnx.NodeProto:
    return node("Constant", [], [name], value=numpy_helper.from_array(array))


def ir_of(proto: onnx.ModelProto) -> onnx_ir.Model:
    """The graph of a protobuf, independent of it."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    return onnx_ir.from_proto(copy)


def model_of(proto: onnx.ModelProto) -> Model:
    return Model.build(ir_of(proto))


def ops(ir: onnx_ir.Model) -> list[str]:
    return [node.op_type for node in ir.graph]


def answers(
    source: onnx.ModelProto | onnx_ir.Model | Model, feeds: Mapping[str, np.ndarray]
) -> list[np.ndarray]:
    """What ONNX Runtime answers; the graph runs as it is written."""
    if isinstance(source, Model):
        data = to_bytes(source)
    else:
        proto = source if isinstance(source, onnx.ModelProto) else onnx_ir.to_proto(source)
        data = proto.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = {port.name for port in session.get_inputs()}
    return session.run(None, {name: array for name, array in feeds.items() if name in names})


def same_answers(
    before: onnx.ModelProto, after: onnx_ir.Model | Model, feeds: Mapping[str, np.ndarray]
) -> bool:
    """Whether two models answer alike, to float32 accuracy."""
    return all(
        a.dtype == b.dtype and a.shape == b.shape and np.allclose(a, b, rtol=1e-4, atol=1e-5)
        for a, b in zip(answers(before, feeds), answers(after, feeds), strict=True)
    )
