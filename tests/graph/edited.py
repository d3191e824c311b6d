"""What the tests of edits share: models from tiny graphs, running them, and plain encodings."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime

from lissom.graph.edit import Edit, EncodeWeight, IntegerEncoding
from lissom.graph.model import Model
from lissom.graph.perform import perform
from lissom.numerics.packing import pack_matmul_nbits
from lissom.numerics.quantized import quantize_weight
from lissom.store.store import Store


def model_of(proto: onnx.ModelProto) -> Model:
    """The model of a checked graph, shapes inferred as loading would."""
    return Model.build(ir.from_proto(onnx.shape_inference.infer_shapes(proto)))


def proto_of(model: Model) -> onnx.ModelProto:
    return ir.to_proto(model.ir)


def run(
    model: Model, feeds: Mapping[str, np.ndarray], *, optimized: str | None = None
) -> list[np.ndarray]:
    """Outputs from ONNX Runtime.

    The graph runs as it is written, unless `optimized` names a file for what the runtime makes of
    it: integer kernels round where the written graph does not.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if optimized is not None:
        options.optimized_model_filepath = optimized
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    session = onnxruntime.InferenceSession(
        proto_of(model).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, dict(feeds))


def fused_operators(model: Model, feeds: Mapping[str, np.ndarray], folder: object) -> list[str]:
    """The operators of the graph as ONNX Runtime runs it, in order."""
    path = f"{folder}/optimized.onnx"
    run(model, feeds, optimized=path)
    return [node.op_type for node in onnx.load(path).graph.node]


def edited(model: Model, edits: Sequence[Edit], store: Store) -> Model:
    """The edited model; what every edit promises is checked here."""
    before = model.fingerprint, Model.build(model.ir).fingerprint
    after = perform(model, edits, store)
    assert before == (model.fingerprint, Model.build(model.ir).fingerprint)
    assert [p.name for p in after.inputs] == [p.name for p in model.inputs]
    assert [p.name for p in after.outputs] == [p.name for p in model.outputs]
    onnx.checker.check_model(proto_of(after), full_check=True)
    read = {name for node in after.nodes for name in (*node.inputs, *node.captured)}
    read.update(port.name for port in after.outputs)
    assert set(after.weights) <= read
    return after


def encode(
    model: Model,
    store: Store,
    weight: str,
    consumers: tuple[str, ...],
    **how: object,
) -> EncodeWeight:
    """A weight rounded to nearest, behind DequantizeLinear."""
    quantized = quantize_weight(model.weight(weight), **how)
    return EncodeWeight(
        weight=weight,
        encoding=IntegerEncoding.of(quantized, store),
        kernel="dequantize",
        consumers=consumers,
    )


def encode_nbits(
    model: Model,
    store: Store,
    weight: str,
    consumers: tuple[str, ...],
    *,
    transpose: bool,
    bits: int = 4,
    accuracy_level: int = 0,
) -> EncodeWeight:
    """A weight in blocks of 16 for MatMulNBits; `transpose` for weights stored [in, out]."""
    array = model.weight(weight)
    array = array.T if transpose else array
    quantized = quantize_weight(
        array, bits=bits, axis=1, block_size=16, symmetric=False, signed=False
    )
    return EncodeWeight(
        weight=weight,
        encoding=IntegerEncoding.packed(pack_matmul_nbits(quantized), store),
        kernel="matmul_nbits",
        consumers=consumers,
        accuracy_level=accuracy_level,
    )
