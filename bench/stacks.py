"""Larger networks by hand, in the shapes that papers gave names to, with random weights."""

from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto

from tests.graph.channels.nets import Net

__all__ = ["STACKS", "feed_for"]

SIZES = {"n": 2, "length": 5}


def feed_for(proto: onnx.ModelProto, seed: int = 0) -> dict[str, np.ndarray]:
    """Random numbers for every input; small integers where indices are wanted."""
    rng = np.random.default_rng(seed)
    feed = {}
    for port in proto.graph.input:
        kind = port.type.tensor_type
        shape = [dim.dim_value or SIZES[dim.dim_param] for dim in kind.shape.dim]
        feed[port.name] = (
            rng.integers(0, 20, shape)
            if kind.elem_type == TensorProto.INT64
            else rng.standard_normal(shape).astype(np.float32)
        )
    return feed


def normed(net: Net, x: str, width: int) -> str:
    """Batch normalization and ReLU."""
    spread = net.constant(np.linspace(0.5, 2, width).astype(np.float32))
    x = net.op("BatchNormalization", x, *[net.weight(width) for _ in range(3)], spread)
    made: str = net.op("Relu", x)
    return made


def block(net: Net, x: str, c_in: int, c_out: int, kernel: int = 3, group: int = 1) -> str:
    return normed(net, net.conv(x, c_in, c_out, kernel, group), c_out)


def strided(net: Net, x: str, c_in: int, c_out: int, group: int = 1) -> str:
    weight = net.weight(c_out, c_in // group, 3, 3)
    made: str = net.op("Conv", x, weight, pads=[1] * 4, strides=[2, 2], group=group)
    return normed(net, made, c_out)


def classified(net: Net, x: str, width: int) -> onnx.ModelProto:
    x = net.op("Flatten", net.op("GlobalAveragePool", x))
    return net.done(net.op("Gemm", x, net.weight(5, width), net.weight(5), transB=1), 2)


def unet() -> onnx.ModelProto:
    net = Net()
    x = net.input(["n", 3, 32, 32])
    left: list[tuple[str, int]] = []
    c_in = 3
    for width in (8, 16, 24):
        x = block(net, block(net, x, c_in, width), width, width)
        left.append((x, width))
        x = net.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
        c_in = width
    x, c_in = block(net, x, c_in, 32), 32
    for skip, width in reversed(left):
        x = net.op("ConvTranspose", x, net.weight(c_in, width, 2, 2), strides=[2, 2])
        x = net.op("Concat", skip, x, axis=1)
        x = block(net, block(net, x, 2 * width, width), width, width)
        c_in = width
    return net.done(net.conv(x, c_in, 2, 1), 4)


def densenet() -> onnx.ModelProto:
    net = Net()
    x, width = net.conv(net.input(["n", 3, 16, 16]), 3, 12), 12
    for stage in range(3):
        for _ in range(4):
            new = block(net, normed(net, x, width), width, 16, 1)
            x = net.op("Concat", x, net.conv(new, 16, 6), axis=1)
            width += 6
        if stage < 2:
            x = net.conv(normed(net, x, width), width, width // 2, 1)
            x = net.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
            width //= 2
    return classified(net, normed(net, x, width), width)


def shuffle(net: Net, x: str, width: int) -> str:
    """A channel shuffle that computes its targets from the shape, as PyTorch exports it."""
    shape = net.op("Shape", x)
    batch, high, wide = (net.op("Gather", shape, net.ints(axis), axis=0) for axis in (0, 2, 3))
    channels = net.op("Gather", shape, net.ints(1), axis=0)
    each = net.op("Div", channels, net.ints(2))
    apart = net.op("Concat", batch, net.ints(2), each, high, wide, axis=0)
    x = net.op("Transpose", net.op("Reshape", x, apart), perm=[0, 2, 1, 3, 4])
    made: str = net.op("Reshape", x, net.op("Concat", batch, net.ints(width), high, wide, axis=0))
    return made


def shufflenet() -> onnx.ModelProto:
    net = Net()
    x, width = block(net, net.input(["n", 3, 16, 16]), 3, 8), 8
    for wider in (16, 32):
        half = wider // 2
        left = block(net, strided(net, x, width, width, width), width, half, 1)
        right = strided(net, block(net, x, width, half, 1), half, half, half)
        x = net.op("Concat", left, block(net, right, half, half, 1), axis=1)
        x, width = shuffle(net, x, wider), wider
        for _ in range(2):
            left, right = net.op("Split", x, outputs=2, axis=1, num_outputs=2)
            right = net.conv(block(net, right, half, half, 1), half, half, 3, group=half)
            x = net.op("Concat", left, block(net, right, half, half, 1), axis=1)
            x = shuffle(net, x, width)
    return classified(net, block(net, x, width, 24, 1), 24)


def inception() -> onnx.ModelProto:
    net = Net()
    x, width = block(net, net.input(["n", 3, 16, 16]), 3, 16), 16
    for _ in range(3):
        pooled = net.op("MaxPool", x, kernel_shape=[3, 3], pads=[1] * 4)
        arms = [
            block(net, x, width, 8, 1),
            block(net, block(net, x, width, 6, 1), 6, 12),
            block(net, block(net, block(net, x, width, 4, 1), 4, 6), 6, 6),
            block(net, pooled, width, 6, 1),
        ]
        x, width = net.op("Concat", *arms, axis=1), 32
    return classified(net, x, width)


def resnext() -> onnx.ModelProto:
    net = Net()
    x = block(net, net.input(["n", 3, 16, 16]), 3, 16)
    for _ in range(3):
        branch = block(net, block(net, x, 16, 24, 1), 24, 24, 3, group=4)
        pooled = net.op("ReduceMean", branch, net.ints(2, 3), keepdims=1)
        gate = net.op("Relu", net.conv(pooled, 24, 6, 1))
        gate = net.op("Sigmoid", net.conv(gate, 6, 24, 1))
        branch = net.conv(net.op("Mul", branch, gate), 24, 16, 1)
        x = net.op("Relu", net.op("Add", x, branch))
    return classified(net, x, 16)


def cells(op_type: str, gates: int, biases: int) -> onnx.ModelProto:
    """An embedding and three layers of cells, both ways, each reading the one below."""
    net = Net()
    tokens = net.input(["n", "length"], TensorProto.INT64)
    x, width, hidden = net.op("Gather", net.weight(30, 12), tokens), 12, 10
    x = net.op("Transpose", x, perm=[1, 0, 2])
    for _ in range(3):
        weights = [
            net.weight(2, gates * hidden, width),
            net.weight(2, gates * hidden, hidden),
            net.weight(2, biases * hidden),
        ]
        options = {"hidden_size": hidden, "direction": "bidirectional"}
        x = net.op(op_type, x, *weights, outputs=2, **options)[0]
        x = net.op("Reshape", net.op("Transpose", x, perm=[0, 2, 1, 3]), net.ints(0, 0, 2 * hidden))
        width = 2 * hidden
    last = net.op("Gather", x, net.constant(np.int64(-1)), axis=0)
    return net.done(net.linear(last, width, 4), 2)


def lstm_stack() -> onnx.ModelProto:
    return cells("LSTM", 4, 8)


def gru_stack() -> onnx.ModelProto:
    return cells("GRU", 3, 6)


def mixer() -> onnx.ModelProto:
    """Products along tokens and along channels in turn."""
    net = Net()
    x = net.op("Conv", net.input(["n", 3, 16, 16]), net.weight(20, 3, 4, 4), strides=[4, 4])
    x = net.op("Transpose", net.op("Reshape", x, net.ints(0, 0, -1)), perm=[0, 2, 1])
    for _ in range(2):
        y = net.op("Transpose", x, perm=[0, 2, 1])
        y = net.linear(net.op("Tanh", net.linear(y, 16, 24)), 24, 16)
        x = net.op("Add", x, net.op("Transpose", y, perm=[0, 2, 1]))
        x = net.op("Add", x, net.linear(net.op("Erf", net.linear(x, 20, 40)), 40, 20))
    x = net.op("ReduceMean", x, net.ints(1), keepdims=0)
    return net.done(net.linear(x, 20, 5), 2)


def pyramid() -> onnx.ModelProto:
    """Three scales, from the top down and up again, with one head that all of them share."""
    net = Net()
    x, c_in, levels = net.input(["n", 3, 32, 32]), 3, []
    for width in (8, 12, 16):
        x = strided(net, x, c_in, width)
        levels.append(net.conv(x, width, 10, 1))
        c_in = width
    down = [levels[-1]]
    for level in reversed(levels[:-1]):
        scales = net.constant(np.asarray([1, 1, 2, 2], np.float32))
        wider = net.op("Resize", down[0], "", scales, mode="nearest")
        down.insert(0, net.op("Add", level, wider))
    weight, bias = net.weight(18, 10, 3, 3), net.weight(18)
    heads = [net.op("Conv", level, weight, bias, pads=[1] * 4) for level in down]
    flat = []
    for head in heads:
        boxes, scores = net.op("Split", net.op("Sigmoid", head), net.ints(8, 10), outputs=2, axis=1)
        scores = net.conv(scores, 10, 6, 1)
        joined = net.op("Concat", net.conv(boxes, 8, 4, 1), scores, axis=1)
        flat.append(net.op("Reshape", joined, net.ints(0, 10, -1)))
    return net.done(net.op("Concat", *flat, axis=2), 3)


STACKS: dict[str, Callable[[], onnx.ModelProto]] = {
    each.__name__: each
    for each in (
        unet, densenet, shufflenet, inception, resnext, lstm_stack, gru_stack, mixer, pyramid,
    )
}  # fmt: skip
