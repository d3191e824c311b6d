"""Tiny models that ask a runtime for an LSTM on integers: is it right, and is it faster?"""

from typing import Any, Final

import numpy as np

__all__ = ["recurrent"]

_OPSET: Final = 21
_IR_VERSION: Final = 10
_CONTRIB: Final = "com.microsoft"
_GATES: Final = 4
_LARGEST: Final = 127


def recurrent(steps: int, width: int, *, integers: bool) -> bytes:
    """An LSTM in both directions, its weights float or the same ones as integers.

    Args:
        steps: of the one sequence.
        width: of what each step reads and of the hidden state.
        integers: com.microsoft.DynamicQuantizeLSTM, with a scale for each row.

    Returns:
        The model, from `x` [steps, 1, width] to `y`.
    """
    from onnx import TensorProto, helper, numpy_helper, shape_inference

    rng = np.random.default_rng(0)
    constants: dict[str, np.ndarray] = {}
    scales: list[str] = []
    for name in ("w", "r"):
        shape = (2, _GATES * width, width)
        values = rng.integers(-_LARGEST, _LARGEST + 1, shape).astype(np.int8)
        scale = rng.uniform(0.5, 1.5, shape[:2]).astype(np.float32) / np.float32(64 * width**0.5)
        if integers:
            constants[name] = np.ascontiguousarray(values.swapaxes(1, 2))
            constants |= {f"{name}_scale": scale, f"{name}_zero": np.zeros(shape[:2], np.int8)}
            scales += [f"{name}_scale", f"{name}_zero"]
        else:
            constants[name] = values * scale[..., None]
    kind: tuple[str, dict[str, Any]] = ("LSTM", {})
    inputs = ["x", "w", "r"]
    if integers:
        kind = ("DynamicQuantizeLSTM", {"domain": _CONTRIB})
        inputs += [*[""] * 5, *scales]
    node = helper.make_node(
        kind[0], inputs, ["y"], hidden_size=width, direction="bidirectional", **kind[1]
    )
    graph = helper.make_graph(
        [node],
        "recurrent",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (steps, 1, width))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (steps, 2, 1, width))],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_CONTRIB, 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
    return bytes(shape_inference.infer_shapes(model).SerializeToString())
