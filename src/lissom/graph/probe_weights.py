"""Tiny models that ask a runtime how integer weights of a float operator are best written."""

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np

__all__ = ["widened_product"]

_OPSET: Final = 21
_IR_VERSION: Final = 10
_SCALE: Final = 1e-3
_GATES: Final = {"GRU": 3, "LSTM": 4, "RNN": 1}


def widened_product(
    shape: Sequence[int],
    weight: Sequence[int],
    kernel: Literal["dequantize", "fold"],
    op_type: str,
) -> bytes:
    """A float operator whose weight is kept as integers, with a scale an output.

    Args:
        shape: of the input `x`.
        weight: of the weight: [inputs, outputs] for a MatMul, [outputs, inputs] for a Gemm, as
            exporters write it, [outputs, inputs, *kernel] for a Conv, and [1, gates x hidden,
            inputs] for LSTM, GRU and RNN.
        kernel: a DequantizeLinear behind the integers, or Cast and Mul.
        op_type: of the operator.

    Returns:
        The model; it answers `y`.
    """
    from onnx import TensorProto, helper, numpy_helper, shape_inference

    gates = _GATES.get(op_type)
    axis = 1 if op_type == "MatMul" or gates else 0
    scale = np.full(weight[axis], _SCALE, np.float32)
    values = np.random.default_rng(0).integers(-127, 128, tuple(weight)).astype(np.int8)
    constants: dict[str, np.ndarray] = {
        "w": values,
        "zero": np.zeros(scale.shape, np.int8),
        "scale": scale,
    }
    if kernel == "dequantize":
        nodes = [helper.make_node("DequantizeLinear", ["w", "scale", "zero"], ["wide"], axis=axis)]
    else:
        del constants["zero"]
        constants["scale"] = scale.reshape(-1, *(1 for _ in weight[axis + 1 :]))
        nodes = [
            helper.make_node("Cast", ["w"], ["plain"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["plain", "scale"], ["wide"]),
        ]
    inputs = ["x", "wide"]
    if gates:
        hidden = weight[1] // gates
        constants["r"] = np.full((1, weight[1], hidden), _SCALE, np.float32)
        nodes.append(helper.make_node(op_type, [*inputs, "r"], ["y"], hidden_size=hidden))
    elif op_type == "Gemm":
        nodes.append(helper.make_node("Gemm", inputs, ["y"], transB=1))
    else:
        nodes.append(helper.make_node(op_type, inputs, ["y"]))
    graph = helper.make_graph(
        nodes,
        "weights",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
    return bytes(shape_inference.infer_shapes(model).SerializeToString())
