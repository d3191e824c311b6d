"""Small networks by hand, one for each thing that indices can be followed through."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["NETS", "Net"]

Shape = Sequence[int | str]


class Net:
    """Writes a graph node by node; every call answers the name of what it gives."""

    def __init__(self, opset: int = 18) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._opset = opset
        self._rng = np.random.default_rng(0)

    def input(self, shape: Shape, dtype: int = TensorProto.FLOAT) -> str:
        name = f"x{len(self._inputs)}"
        self._inputs.append(helper.make_tensor_value_info(name, dtype, list(shape)))
        return name

    def weight(self, *shape: int) -> str:
        """Random numbers that keep what goes through about as large as it was."""
        fan = max(1, int(np.prod(shape[1:]))) if len(shape) > 1 else 1
        array = self._rng.standard_normal(shape) / np.sqrt(fan)
        return self.constant((array + (0.5 if len(shape) == 1 else 0)).astype(np.float32))

    def constant(self, array: Any) -> str:
        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def op(self, op_type: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        name = f"{op_type.lower()}{len(self._nodes)}"
        given = [f"{name}_{number}" for number in range(outputs)]
        self._nodes.append(helper.make_node(op_type, inputs, given, name=name, **attributes))
        return given[0] if outputs == 1 else given

    def ints(self, *numbers: int) -> str:
        return self.constant(np.asarray(numbers, np.int64))

    def conv(self, x: str, c_in: int, c_out: int, kernel: int = 3, group: int = 1) -> str:
        weight = self.weight(c_out, c_in // group, kernel, kernel)
        pads = [kernel // 2] * 4
        made: str = self.op("Conv", x, weight, self.weight(c_out), pads=pads, group=group)
        return made

    def linear(self, x: str, c_in: int, c_out: int) -> str:
        product = self.op("MatMul", x, self.constant_t(c_in, c_out))
        made: str = self.op("Add", product, self.weight(c_out))
        return made

    def constant_t(self, c_in: int, c_out: int) -> str:
        array = self._rng.standard_normal((c_in, c_out)) / np.sqrt(c_in)
        return self.constant(array.astype(np.float32))

    def done(self, output: str, rank: int) -> onnx.ModelProto:
        shape = [None] * rank
        outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)]
        graph = helper.make_graph(
            self._nodes, "net", self._inputs, outputs, initializer=self._weights
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", self._opset)], ir_version=9
        )
        onnx.checker.check_model(model)
        return onnx.shape_inference.infer_shapes(model)


def plain() -> onnx.ModelProto:
    net = Net()
    x = net.op("Relu", net.conv(net.input(["n", 3, 8, 8]), 3, 8))
    x = net.op("MaxPool", net.op("Relu", net.conv(x, 8, 12)), kernel_shape=[2, 2], strides=[2, 2])
    flat = net.op("Flatten", x)
    hidden = net.op("Gemm", flat, net.weight(16, 192), net.weight(16), transB=1)
    return net.done(net.linear(net.op("Relu", hidden), 16, 5), 2)


def normalized() -> onnx.ModelProto:
    net = Net()
    x = net.conv(net.input(["n", 3, 8, 8]), 3, 8)
    x = net.op("BatchNormalization", x, *[net.weight(8) for _ in range(3)], net.constant(
        np.linspace(0.5, 2, 8).astype(np.float32)))  # fmt: skip
    x = net.op("InstanceNormalization", net.op("Relu", x), net.weight(8), net.weight(8))
    x = net.op("PRelu", x, net.constant(np.full((8, 1, 1), 0.1, np.float32)))
    return net.done(net.op("GlobalAveragePool", net.conv(x, 8, 4)), 4)


def residual() -> onnx.ModelProto:
    net = Net()
    x = net.conv(net.input(["n", 3, 8, 8]), 3, 8)
    for _ in range(2):
        branch = net.conv(net.op("Relu", net.conv(x, 8, 6)), 6, 8)
        x = net.op("Relu", net.op("Add", x, branch))
    return net.done(net.conv(x, 8, 4, 1), 4)


def depthwise() -> onnx.ModelProto:
    """Expansion, depthwise, squeeze and excite, projection."""
    net = Net()
    x = net.op("HardSwish", net.conv(net.input(["n", 3, 8, 8]), 3, 12, 1))
    x = net.conv(x, 12, 12, 3, group=12)
    pooled = net.op("GlobalAveragePool", x)
    gate = net.op("Relu", net.conv(pooled, 12, 4, 1))
    gate = net.op("HardSigmoid", net.conv(gate, 4, 12, 1))
    return net.done(net.conv(net.op("Mul", x, gate), 12, 4, 1), 4)


def grouped() -> onnx.ModelProto:
    net = Net()
    x = net.conv(net.input(["n", 3, 8, 8]), 3, 16, 1)
    x = net.op("Relu", net.conv(x, 16, 24, 3, group=4))
    return net.done(net.conv(x, 24, 4, 1), 4)


def transposed() -> onnx.ModelProto:
    net = Net()
    x = net.op("Relu", net.conv(net.input(["n", 3, 8, 8]), 3, 8))
    x = net.op("ConvTranspose", x, net.weight(8, 6, 2, 2), net.weight(6), strides=[2, 2])
    x = net.op("ConvTranspose", x, net.weight(6, 2, 2, 2), strides=[2, 2], group=2)
    return net.done(net.conv(net.op("Relu", x), 4, 3, 1), 4)


def dense() -> onnx.ModelProto:
    """Concat of features, and an inception block."""
    net = Net()
    x = net.op("Relu", net.conv(net.input(["n", 3, 8, 8]), 3, 6))
    for width in (6, 10):
        x = net.op("Concat", x, net.op("Relu", net.conv(x, width, 4)), axis=1)
    arms = [net.conv(x, 14, 5, kernel) for kernel in (1, 3)]
    arms.append(net.op("MaxPool", x, kernel_shape=[3, 3], pads=[1] * 4))
    return net.done(net.conv(net.op("Concat", *arms, axis=1), 24, 4, 1), 4)


def shuffled() -> onnx.ModelProto:
    """ShuffleNet: split, a branch, concat, channel shuffle."""
    net = Net()
    x = net.conv(net.input(["n", 3, 8, 8]), 3, 8, 1)
    for _ in range(2):
        left, right = net.op("Split", x, outputs=2, axis=1, num_outputs=2)
        right = net.conv(net.op("Relu", net.conv(right, 4, 4, 1)), 4, 4, 3, group=4)
        x = net.op("Concat", left, net.conv(right, 4, 4, 1), axis=1)
        x = net.op("Reshape", x, net.ints(0, 2, 4, 8, 8))
        x = net.op("Reshape", net.op("Transpose", x, perm=[0, 2, 1, 3, 4]), net.ints(0, 8, 8, 8))
    return net.done(net.conv(x, 8, 4, 1), 4)


def attention(x: str, net: Net, width: int, heads: int, kv_heads: int) -> str:
    """Multi-head attention as PyTorch exports it; fewer key and value heads are expanded."""
    each = width // heads
    shape = net.op("Shape", x)
    batch = net.op("Gather", shape, net.ints(0), axis=0)
    length = net.op("Gather", shape, net.ints(1), axis=0)

    def split_heads(name: str, count: int) -> str:
        target = net.op("Concat", batch, length, net.ints(count), net.ints(each), axis=0)
        made: str = net.op("Transpose", net.op("Reshape", name, target), perm=[0, 2, 1, 3])
        return made

    query = split_heads(net.linear(x, width, width), heads)
    keys, values = (split_heads(net.linear(x, width, kv_heads * each), kv_heads) for _ in range(2))
    if kv_heads != heads:
        keys, values = (
            repeated(net, one, batch, length, (kv_heads, heads, each)) for one in (keys, values)
        )
    scale = net.constant(np.float32(each**-0.5))
    scores = net.op(
        "Mul", net.op("MatMul", query, net.op("Transpose", keys, perm=[0, 1, 3, 2])), scale
    )
    mixed = net.op("MatMul", net.op("Softmax", scores, axis=-1), values)
    back = net.op("Concat", batch, length, net.ints(width), axis=0)
    merged = net.op("Reshape", net.op("Transpose", mixed, perm=[0, 2, 1, 3]), back)
    return net.linear(merged, width, width)


def repeated(net: Net, x: str, batch: str, length: str, sizes: tuple[int, int, int]) -> str:
    kv_heads, heads, each = sizes
    wide = net.op("Unsqueeze", x, net.ints(2))
    target = net.op(
        "Concat",
        batch,
        net.ints(kv_heads),
        net.ints(heads // kv_heads),
        length,
        net.ints(each),
        axis=0,
    )
    target_back = net.op("Concat", batch, net.ints(heads), length, net.ints(each), axis=0)
    made: str = net.op("Reshape", net.op("Expand", wide, target), target_back)
    return made


def transformer(kv_heads: int = 4) -> onnx.ModelProto:
    net = Net()
    tokens = net.input(["n", "length"], TensorProto.INT64)
    x = net.op("Gather", net.weight(50, 16), tokens)
    x = net.op(
        "LayerNormalization",
        net.op("Add", x, attention(x, net, 16, 4, kv_heads)),
        net.weight(16),
        net.weight(16),
    )
    inner = net.op("Tanh", net.linear(x, 16, 24))
    x = net.op("Add", x, net.linear(inner, 24, 16))
    return net.done(net.linear(net.op("ReduceMean", x, net.ints(1), keepdims=0), 16, 3), 2)


def few_keys() -> onnx.ModelProto:
    return transformer(kv_heads=2)


def fused_heads() -> onnx.ModelProto:
    """Queries, keys and values from one product: [n, s, 3, heads, each], as ViT exports do."""
    net = Net()
    x = net.input(["n", 6, 16])
    x = net.linear(x, 16, 48)
    x = net.op("Transpose", net.op("Reshape", x, net.ints(-1, 6, 3, 4, 4)), perm=[2, 0, 3, 1, 4])
    query, keys, values = (net.op("Gather", x, net.constant(np.int64(i)), axis=0) for i in range(3))
    scores = net.op("MatMul", query, net.op("Transpose", keys, perm=[0, 1, 3, 2]))
    mixed = net.op("MatMul", net.op("Softmax", scores, axis=-1), values)
    merged = net.op("Reshape", net.op("Transpose", mixed, perm=[0, 2, 1, 3]), net.ints(0, 0, 16))
    return net.done(net.linear(merged, 16, 5), 3)


def rotary() -> onnx.ModelProto:
    """Even and odd places of a row of channels, apart and together again."""
    net = Net()
    x = net.linear(net.input(["n", 6, 16]), 16, 12)
    ends = net.ints(12), net.ints(2), net.ints(2)
    even = net.op("Slice", x, net.ints(0), *ends)
    odd = net.op("Slice", x, net.ints(1), *ends)
    halves = (
        net.op("Slice", x, net.ints(6), net.ints(12), net.ints(2)),
        net.op("Slice", x, net.ints(0), net.ints(6), net.ints(2)),
    )
    x = net.op("Concat", net.op("Mul", even, odd), *halves, axis=2)
    return net.done(net.linear(x, 18, 5), 3)


def recurrent(op_type: str = "LSTM") -> onnx.ModelProto:
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op_type]
    net = Net()
    x = net.op("Transpose", net.linear(net.input(["n", 7, 5]), 5, 6), perm=[1, 0, 2])
    weights = net.weight(2, gates * 8, 6), net.weight(2, gates * 8, 8), net.weight(2, gates * 16)
    state = net.constant(np.zeros((2, 2, 8), np.float32))
    y = net.op(
        op_type, x, *weights, "", state, outputs=2, hidden_size=8, direction="bidirectional"
    )[0]
    y = net.op("Reshape", net.op("Transpose", y, perm=[2, 0, 1, 3]), net.ints(0, 0, 16))
    return net.done(net.linear(y, 16, 3), 3)


def gated() -> onnx.ModelProto:
    return recurrent("GRU")


def simple_cell() -> onnx.ModelProto:
    return recurrent("RNN")


def group_norm() -> onnx.ModelProto:
    net = Net(21)
    x = net.conv(net.input(["n", 3, 8, 8]), 3, 12)
    x = net.op("GroupNormalization", x, net.weight(12), net.weight(12), num_groups=4)
    y = net.conv(net.op("Relu", x), 12, 8)
    y = net.op("Reshape", y, net.ints(0, 2, -1))
    y = net.op("InstanceNormalization", y, net.weight(2), net.weight(2))
    return net.done(net.conv(net.op("Reshape", y, net.ints(-1, 8, 8, 8)), 8, 4, 1), 4)


def upscaled() -> onnx.ModelProto:
    """A little U-Net: resize by sizes, pads of channels, depth to space and back."""
    net = Net()
    x = net.op("Relu", net.conv(net.input(["n", 3, 8, 8]), 3, 8))
    low = net.op("AveragePool", net.conv(x, 8, 16), kernel_shape=[2, 2], strides=[2, 2])
    up = net.op("DepthToSpace", low, blocksize=2, mode="CRD")
    size = net.op("Concat", net.op("Shape", x, start=0, end=1), net.ints(6, 8, 8), axis=0)
    small = net.op("Resize", net.conv(low, 16, 6, 1), "", "", size)
    x = net.op("Concat", x, up, small, axis=1)
    x = net.op("SpaceToDepth", x, blocksize=2)
    x = net.op("Pad", net.conv(x, 72, 6, 1), net.ints(0, 1, 0, 0, 0, 2, 0, 0))
    return net.done(net.conv(net.op("Add", x, net.conv(low, 16, 9, 1)), 9, 4, 1), 4)


def tied() -> onnx.ModelProto:
    """One embedding for input and output, and a state filled with a shape."""
    net = Net()
    table = net.weight(20, 12)
    x = net.op("Gather", table, net.input(["n", 4], TensorProto.INT64))
    shape = net.op("Concat", net.op("Shape", x, start=0, end=1), net.ints(4, 12), axis=0)
    x = net.op(
        "Add",
        x,
        net.op("ConstantOfShape", shape, value=numpy_helper.from_array(np.ones(1, np.float32))),
    )
    x = net.op("Tanh", net.linear(x, 12, 12))
    made = net.op("MatMul", x, net.op("Transpose", table, perm=[1, 0]))
    return net.done(net.op("Einsum", made, net.weight(20, 6), equation="bsv,vk->bsk"), 3)


def scaled_by_width() -> onnx.ModelProto:
    """Divided by the square root of the number of channels, which a removal must not change."""
    net = Net()
    x = net.linear(net.input(["n", 4, 6]), 6, 9)
    width = net.op("Cast", net.op("Shape", x, start=2, end=3), to=TensorProto.FLOAT)
    x = net.op("Div", x, net.op("Sqrt", width))
    return net.done(net.linear(net.op("Sigmoid", x), 9, 3), 3)


NETS: dict[str, Callable[[], onnx.ModelProto]] = {
    each.__name__: each
    for each in (
        plain, normalized, residual, depthwise, grouped, transposed, dense, shuffled, transformer,
        few_keys, fused_heads, rotary, recurrent, gated, simple_cell, group_norm, upscaled, tied,
        scaled_by_width,
    )
}  # fmt: skip
