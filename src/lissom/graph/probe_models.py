"""Tiny models that ask a runtime one question each: is this operator fused, is that type faster?

Each function answers the bytes of a valid ONNX model of a few kilobytes up to some megabytes with
input `x` (and `x2` where there are two) and output `y`. They know no runtime; the runtime's probe
runs them and draws the conclusions. Weights are random with a fixed seed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    import onnx

__all__ = [
    "OPERATORS",
    "convolution_between",
    "dynamic_product",
    "float_product",
    "float_residual_norm",
    "integer_product",
    "moving",
    "packed_product",
    "quantized_operator",
    "saturating_product",
]

_OPSET: Final = 21
_IR_VERSION: Final = 10
_CONTRIB: Final = "com.microsoft"
_IMAGE: Final = (1, 8, 8, 8)
_MATRIX: Final = (1, 16, 32)
_SCALE: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """How one operator is written: its inputs beside `x` and its attributes."""

    shape: tuple[int, ...] = _IMAGE
    second: bool = False  # whether it has a second activation, `x2`
    constants: Mapping[str, Any] = field(default_factory=dict)
    weight: tuple[int, ...] | None = None  # an int8 weight, quantized
    attributes: Mapping[str, Any] = field(default_factory=dict)
    from_zero: bool = False  # quantized from 0 to 6, where Relu and Clip do nothing
    before: tuple[str, ...] = ()  # inputs that come before the activation, such as a condition


def _int64(*values: int) -> np.ndarray:
    return np.asarray(values, np.int64)


OPERATORS: Final[Mapping[str, _Shape]] = {
    "Add": _Shape(second=True),
    "AveragePool": _Shape(attributes={"kernel_shape": [2, 2]}),
    "BatchNormalization": _Shape(
        constants={name: np.full(8, 0.5, np.float32) for name in ("scale", "b", "mean", "var")}
    ),
    "Clip": _Shape(constants={"low": np.float32(0), "high": np.float32(6)}, from_zero=True),
    "Concat": _Shape(second=True, attributes={"axis": 1}),
    "Conv": _Shape(weight=(8, 8, 3, 3)),
    "ConvTranspose": _Shape(weight=(8, 8, 2, 2)),
    "DepthToSpace": _Shape(attributes={"blocksize": 2}),
    "Div": _Shape(second=True),
    "Erf": _Shape(),
    "Expand": _Shape(constants={"to": _int64(2, 8, 8, 8)}),
    "Flatten": _Shape(),
    "Gather": _Shape(constants={"indices": _int64(1, 0)}, attributes={"axis": 1}),
    "Gelu": _Shape(),
    "Gemm": _Shape(shape=(4, 32), weight=(32, 16)),
    "GlobalAveragePool": _Shape(),
    "HardSigmoid": _Shape(),
    "HardSwish": _Shape(),
    "InstanceNormalization": _Shape(
        constants={name: np.ones(8, np.float32) for name in ("scale", "b")}
    ),
    "LayerNormalization": _Shape(
        shape=_MATRIX, constants={name: np.ones(32, np.float32) for name in ("scale", "b")}
    ),
    "LeakyRelu": _Shape(),
    "MatMul": _Shape(shape=_MATRIX, weight=(32, 16)),
    "Max": _Shape(second=True),
    "MaxPool": _Shape(attributes={"kernel_shape": [2, 2]}),
    "Min": _Shape(second=True),
    "Mul": _Shape(second=True),
    "PRelu": _Shape(constants={"slope": np.full((8, 1, 1), 0.1, np.float32)}),
    "Pad": _Shape(constants={"pads": _int64(0, 0, 1, 1, 0, 0, 1, 1)}),
    "Pow": _Shape(constants={"exponent": np.float32(2)}),
    "ReduceMax": _Shape(constants={"axes": _int64(1)}),
    "ReduceMean": _Shape(constants={"axes": _int64(1)}),
    "Relu": _Shape(from_zero=True),
    "Reshape": _Shape(constants={"to": _int64(8, 64)}),
    "Resize": _Shape(
        constants={"roi": np.zeros(0, np.float32), "scales": np.asarray([1, 1, 2, 2], np.float32)}
    ),
    "Sigmoid": _Shape(),
    "Slice": _Shape(constants={"start": _int64(0), "end": _int64(4), "axes": _int64(1)}),
    "Softmax": _Shape(shape=_MATRIX),
    "SpaceToDepth": _Shape(attributes={"blocksize": 2}),
    "Split": _Shape(attributes={"axis": 1, "num_outputs": 2}),
    "Sqrt": _Shape(),
    "Squeeze": _Shape(constants={"axes": _int64(0)}),
    "Sub": _Shape(second=True),
    "Sum": _Shape(second=True),
    "Tanh": _Shape(),
    "Tile": _Shape(constants={"repeats": _int64(1, 1, 2, 2)}),
    "Transpose": _Shape(attributes={"perm": [0, 2, 3, 1]}),
    "Unsqueeze": _Shape(constants={"axes": _int64(0)}),
    "Where": _Shape(second=True, before=("condition",)),
}
"""The operators that a runtime can be asked about, by ONNX name."""


def quantized_operator(
    op_type: str, activation: str, *, rounded: bool = True
) -> tuple[bytes, dict[str, np.ndarray]]:
    """One operator of `OPERATORS`, every input and output between Quantize- and DequantizeLinear.

    The outputs stay float if not `rounded`. Answers the model and what to feed it. A product's
    weight is a symmetric int8 constant.
    """
    how = OPERATORS[op_type]
    graph = _Graph(activation, from_zero=how.from_zero)
    inputs = [graph.constant(name, np.ones((), np.bool_)) for name in how.before]
    feeds = {"x": _random(how.shape)}
    inputs.append(graph.through_integers("x"))
    if how.second:
        feeds["x2"] = _random(how.shape) + 2.0
        inputs.append(graph.through_integers("x2"))
    if how.weight is not None:
        inputs.append(graph.weight(how.weight, channel_axis=None))
    inputs += [graph.constant(name, np.asarray(value)) for name, value in how.constants.items()]
    outputs = ["out", "out2"] if op_type == "Split" else ["out"]
    graph.node(op_type, inputs, outputs, **how.attributes)
    answers = [graph.through_integers(name) if rounded else name for name in outputs]
    return graph.bytes({name: value.shape for name, value in feeds.items()}, answers), feeds


def integer_product(
    shape: Sequence[int],
    weight: Sequence[int],
    activation: str,
    groups: int = 1,
    *,
    zero: int = 0,
) -> bytes:
    """A quantized MatMul (weight [in, out]) or Conv (weight [out, in / groups, kh, kw]).

    The input is quantized once and the answer is float, as at the ends of a network. `zero` is the
    zero point of the weight.
    """
    graph = _Graph(activation)
    axis = 1 if len(weight) == 2 else 0
    inputs = [graph.through_integers("x"), graph.weight(weight, channel_axis=axis, zero=zero)]
    graph.product(weight, inputs, groups)
    return graph.bytes({"x": shape}, [graph.through_integers("out")])


def float_product(
    shape: Sequence[int], weight: Sequence[int], dtype: str = "float32", groups: int = 1
) -> bytes:
    """The same product in floating point; float16 is cast from and to float32 at the ends."""
    from onnx import TensorProto

    graph = _Graph("uint8")
    value = _random(weight).astype(dtype) * np.asarray(_SCALE, dtype)
    inputs = ["x", graph.constant("w", value)]
    if dtype == "float16":
        graph.node("Cast", ["x"], ["half"], to=TensorProto.FLOAT16)
        inputs[0] = "half"
    graph.product(weight, inputs, groups)
    if dtype == "float16":
        graph.node("Cast", ["out"], ["wide"], to=TensorProto.FLOAT)
    return graph.bytes({"x": shape}, ["wide" if dtype == "float16" else "out"])


def convolution_between(
    shape: Sequence[int], weight: Sequence[int], groups: int, settings: Mapping[str, Any]
) -> tuple[bytes, str]:
    """A convolution as it stands in a network: behind another one, and before a pooling.

    So its input and output are laid out as the runtime likes them, and changing the layout for it
    is work that is seen. A pointwise convolution makes its input from `shape`.

    Args:
        shape: of `x`.
        weight: of the convolution [out, in / groups, *kernel].
        groups: of the convolution.
        settings: its other attributes.

    Returns:
        The model, and the name of the convolution's node.
    """
    graph, inputs = _Graph("uint8"), weight[1] * groups
    before = (inputs, shape[1], *(1 for _ in shape[2:]))
    graph.node("Conv", ["x", graph.constant("before", _repeated(before))], ["between"])
    given = ["between", graph.constant("w", _repeated(weight))]
    graph.node("Conv", given, ["out"], group=groups, **settings)
    graph.node("GlobalAveragePool", ["out"], ["pooled"])
    return graph.bytes({"x": shape}, ["pooled"]), "Conv_1"


def dynamic_product(shape: Sequence[int], weight: Sequence[int]) -> bytes:
    """The product with its input quantized at run time: MatMulInteger or ConvInteger."""
    from onnx import TensorProto

    graph = _Graph("uint8")
    graph.node("DynamicQuantizeLinear", ["x"], ["xq", "xs", "xz"])
    values = np.random.default_rng(0).integers(-127, 128, weight).astype(np.int8)
    inputs = ["xq", graph.constant("w", values), "xz", graph.constant("wz", np.int8(0))]
    if len(weight) == 2:
        graph.node("MatMulInteger", inputs, ["sums"])
    else:
        graph.node("ConvInteger", inputs, ["sums"], pads=_same(weight))
    graph.node("Cast", ["sums"], ["wide"], to=TensorProto.FLOAT)
    graph.node("Mul", ["xs", graph.constant("ws", np.float32(_SCALE / 100))], ["scale"])
    graph.node("Mul", ["wide", "scale"], ["out"])
    return graph.bytes({"x": shape}, ["out"])


def packed_product(shape: Sequence[int], features: int, bits: int, block_size: int) -> bytes:
    """A MatMul whose weight stays packed in `bits`, one scale per block (MatMulNBits)."""
    graph = _Graph("uint8")
    inner = shape[-1]
    blocks = -(-inner // block_size)
    blob = (features, blocks, block_size * bits // 8)
    packed = np.random.default_rng(0).integers(0, 256, blob).astype(np.uint8)
    inputs = [
        "x",
        graph.constant("w", packed),
        graph.constant("scales", np.full(features * blocks, _SCALE / 10, np.float32)),
    ]
    graph.node(
        "MatMulNBits",
        inputs,
        ["out"],
        domain=_CONTRIB,
        K=inner,
        N=features,
        bits=bits,
        block_size=block_size,
        accuracy_level=4,
    )
    return graph.bytes({"x": shape}, ["out"])


def saturating_product() -> tuple[bytes, dict[str, np.ndarray], int]:
    """A product whose pairs of 8-bit terms leave 16 bits: 255 * 127 * 2 is over 32767.

    Answers the model (uint8 [8, 64] times int8 [64, 64]), what to feed, and the exact value that
    every element of the answer has.
    """
    from onnx import TensorProto

    graph = _Graph("uint8")
    graph.node("Cast", ["x"], ["xq"], to=TensorProto.UINT8)
    graph.node(
        "MatMulInteger", ["xq", graph.constant("w", np.full((64, 64), 127, np.int8))], ["sums"]
    )
    graph.node("Cast", ["sums"], ["out"], to=TensorProto.FLOAT)
    feeds = {"x": np.full((8, 64), 255, np.float32)}
    return graph.bytes({"x": (8, 64)}, ["out"]), feeds, 255 * 127 * 64


def moving(elements: int) -> bytes:
    """Read and write so many float32 values once (Neg), and answer only the first of 8 rows.

    So the whole is written inside the model, where its memory is used again at every run. Input
    `x` is [8, elements / 8].
    """
    graph = _Graph("uint8")
    graph.node("Neg", ["x"], ["moved"])
    graph.node("Gather", ["moved", graph.constant("first", _int64(0))], ["out"], axis=0)
    return graph.bytes({"x": (8, elements // 8)}, ["out"])


def float_residual_norm(add: str, shape: Sequence[int]) -> bytes:
    """An addition (`add` is "Add" or "Sum") that feeds a layer normalization."""
    graph = _Graph("uint8")
    ones = [graph.constant(name, np.ones(shape[-1], np.float32)) for name in ("scale", "b")]
    graph.node(add, ["x", "x2"], ["sum"])
    graph.node("LayerNormalization", ["sum", *ones], ["out"], axis=-1)
    return graph.bytes({"x": shape, "x2": shape}, ["out"])


class _Graph:
    """A graph being written: nodes, constants, and the quantization that all of it shares."""

    def __init__(self, activation: str, *, from_zero: bool = False) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        limits = np.iinfo(np.dtype(activation))
        zero = limits.min if from_zero else (limits.min + limits.max + 1) // 2
        self._zero = np.asarray(zero, np.dtype(activation))
        # A hair under 6 / 255, so that the largest integer is not above 6.
        self._scale = np.float32(0.0235 if from_zero else _SCALE)

    def node(
        self,
        op_type: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        **attributes: Any,
    ) -> None:
        from onnx import helper

        name = f"{op_type}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(op_type, inputs, outputs, name=name, **attributes))

    def product(self, weight: Sequence[int], inputs: Sequence[str], groups: int) -> None:
        if len(weight) == 2:
            self.node("MatMul", inputs, ["out"])
        else:
            self.node("Conv", inputs, ["out"], pads=_same(weight), group=groups)

    def constant(self, name: str, value: np.ndarray | np.generic) -> str:
        from onnx import numpy_helper

        self._constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def through_integers(self, name: str) -> str:
        scale = self.constant(f"{name}_scale", self._scale)
        zero = self.constant(f"{name}_zero", self._zero)
        self.node("QuantizeLinear", [name, scale, zero], [f"{name}_q"])
        self.node("DequantizeLinear", [f"{name}_q", scale, zero], [f"{name}_dq"])
        return f"{name}_dq"

    def weight(self, shape: Sequence[int], channel_axis: int | None, zero: int = 0) -> str:
        values = np.random.default_rng(0).integers(-127, 128, tuple(shape)).astype(np.int8)
        count = () if channel_axis is None else (shape[channel_axis],)
        inputs = [
            self.constant("w_q", values),
            self.constant("w_scale", np.full(count, _SCALE / 100, np.float32)),
            self.constant("w_zero", np.full(count, zero, np.int8)),
        ]
        axis = {} if channel_axis is None else {"axis": channel_axis}
        self.node("DequantizeLinear", inputs, ["w"], **axis)
        return "w"

    def bytes(self, inputs: Mapping[str, Sequence[int]], outputs: Sequence[str]) -> bytes:
        from onnx import TensorProto, helper, shape_inference

        names = ["y", *(f"y{number}" for number in range(2, len(outputs) + 1))]
        for value, name in zip(outputs, names, strict=True):
            self.node("Identity", [value], [name])
        graph = helper.make_graph(
            self._nodes,
            "probe",
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
                for name in names[: len(outputs)]
            ],
            self._constants,
        )
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_CONTRIB, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        # Fills in the shapes of the outputs, which a valid model states.
        return bytes(shape_inference.infer_shapes(model).SerializeToString())


def _same(weight: Sequence[int]) -> list[int]:
    """Pads that keep the size of an image under a kernel of odd sides."""
    return [side // 2 for side in weight[2:]] * 2


def _repeated(shape: Sequence[int]) -> np.ndarray:
    """Some random values again and again, where drawing them all would take longer than a run."""
    return np.resize(_random((4096,)), tuple(shape)) * np.float32(_SCALE)


def _random(shape: Sequence[int]) -> np.ndarray:
    size = prod(shape)
    values = np.random.default_rng(0).standard_normal(size).astype(np.float32)
    return values.reshape(tuple(shape))
