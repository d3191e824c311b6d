"""Tiny models for every room's tests, built node by node with fixed seeds. Nothing is trained."""

import itertools
from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["branchy", "cnn", "feeds", "mlp", "model", "recurrent", "transformer"]

_TYPES = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64, "bool": TensorProto.BOOL}


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: dict[str, tuple[str, Sequence[int | str | None]]],
    outputs: dict[str, tuple[str, Sequence[int | str | None]]],
    weights: dict[str, np.ndarray],
    *,
    opset: int = 17,
) -> onnx.ModelProto:
    """A checked model; inputs and outputs are given as `{name: (dtype, shape)}`."""
    graph = helper.make_graph(
        list(nodes),
        "tiny",
        [helper.make_tensor_value_info(n, _TYPES[t], s) for n, (t, s) in inputs.items()],
        [helper.make_tensor_value_info(n, _TYPES[t], s) for n, (t, s) in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    made = helper.make_model(
        graph,
        producer_name="tiny",
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=8,
    )
    onnx.checker.check_model(made)
    return made


def cnn(*, seed: int = 0, channels: int = 8, opset: int = 17) -> onnx.ModelProto:
    """Conv, BatchNormalization, Relu, MaxPool, Conv, Relu, mean, Gemm: `image` to `logits`.

    `image` is float32 [batch, 3, 8, 8]; `logits` float32 [batch, 5].
    """
    rng = np.random.default_rng(seed)
    wide = 2 * channels
    weights = {
        "conv1.weight": _normal(rng, (channels, 3, 3, 3), 0.3),
        "conv1.bias": _normal(rng, (channels,), 0.1),
        "bn.scale": rng.uniform(0.5, 1.5, channels).astype(np.float32),
        "bn.bias": _normal(rng, (channels,), 0.1),
        "bn.mean": _normal(rng, (channels,), 0.1),
        "bn.var": rng.uniform(0.5, 1.5, channels).astype(np.float32),
        "conv2.weight": _normal(rng, (wide, channels, 3, 3), 0.2),
        "conv2.bias": _normal(rng, (wide,), 0.1),
        "fc.weight": _normal(rng, (5, wide), 0.4),
        "fc.bias": _normal(rng, (5,), 0.1),
    }
    pads = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [
        _node("Conv", ["image", "conv1.weight", "conv1.bias"], ["c1"], "conv1", **pads),
        _node(
            "BatchNormalization",
            ["c1", *[f"bn.{p}" for p in ("scale", "bias", "mean", "var")]],
            ["b1"],
            "bn",
        ),
        _node("Relu", ["b1"], ["r1"], "relu1"),
        _node("MaxPool", ["r1"], ["p1"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        _node("Conv", ["p1", "conv2.weight", "conv2.bias"], ["c2"], "conv2", **pads),
        _node("Relu", ["c2"], ["r2"], "relu2"),
        _node("GlobalAveragePool", ["r2"], ["g"], "mean"),
        _node("Flatten", ["g"], ["f"], "flatten"),
        _node("Gemm", ["f", "fc.weight", "fc.bias"], ["logits"], "fc", transB=1),
    ]
    return model(
        nodes,
        {"image": ("float32", ["batch", 3, 8, 8])},
        {"logits": ("float32", ["batch", 5])},
        weights,
        opset=opset,
    )


def mlp(*, seed: int = 0, sizes: Sequence[int] = (16, 32, 4), opset: int = 17) -> onnx.ModelProto:
    """Gemm layers with Relu between them: `x` float32 [batch, 16] to `y` float32 [batch, 4]."""
    rng = np.random.default_rng(seed)
    weights: dict[str, np.ndarray] = {}
    nodes: list[onnx.NodeProto] = []
    value = "x"
    last = len(sizes) - 2
    for layer, (wide_in, wide_out) in enumerate(itertools.pairwise(sizes)):
        name = f"fc{layer}"
        weights[f"{name}.weight"] = _normal(rng, (wide_out, wide_in), wide_in**-0.5)
        weights[f"{name}.bias"] = _normal(rng, (wide_out,), 0.1)
        out = "y" if layer == last else f"{name}.out"
        nodes.append(
            _node("Gemm", [value, f"{name}.weight", f"{name}.bias"], [out], name, transB=1)
        )
        if layer != last:
            nodes.append(_node("Relu", [out], [f"relu{layer}.out"], f"relu{layer}"))
            out = f"relu{layer}.out"
        value = out
    return model(
        nodes,
        {"x": ("float32", ["batch", sizes[0]])},
        {"y": ("float32", ["batch", sizes[-1]])},
        weights,
        opset=opset,
    )


def transformer(*, seed: int = 0, width: int = 16, heads: int = 2) -> onnx.ModelProto:
    """One attention and feed-forward block over token ids, as PyTorch's exporter writes it.

    `ids` is int64 [batch, sequence] below 32; `hidden` float32 [batch, sequence, width].
    MatMul weights with Add biases, LayerNormalization (opset 17), GELU by Erf.
    """
    rng = np.random.default_rng(seed)
    size = width // heads
    weights: dict[str, np.ndarray] = {
        "embedding": _normal(rng, (32, width), 1.0),
        "split": np.array([0, 0, heads, size], np.int64),
        "join": np.array([0, 0, width], np.int64),
        "root": np.array(size**0.5, np.float32),
        "sqrt2": np.array(2**0.5, np.float32),
        "one": np.array(1, np.float32),
        "half": np.array(0.5, np.float32),
    }
    nodes = [_node("Gather", ["embedding", "ids"], ["x"], "embed")]

    def linear(name: str, value: str, out: str, shape: tuple[int, int]) -> None:
        weights[f"{name}.weight"] = _normal(rng, shape, shape[0] ** -0.5)
        weights[f"{name}.bias"] = _normal(rng, (shape[1],), 0.1)
        nodes.append(_node("MatMul", [value, f"{name}.weight"], [f"{name}.mm"], f"{name}/MatMul"))
        nodes.append(_node("Add", [f"{name}.mm", f"{name}.bias"], [out], f"{name}/Add"))

    def norm(name: str, value: str, out: str) -> None:
        weights[f"{name}.weight"] = rng.uniform(0.5, 1.5, width).astype(np.float32)
        weights[f"{name}.bias"] = _normal(rng, (width,), 0.1)
        inputs = [value, f"{name}.weight", f"{name}.bias"]
        nodes.append(_node("LayerNormalization", inputs, [out], name, axis=-1, epsilon=1e-5))

    for part, order in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        linear(f"attention/{part}", "x", f"{part}.flat", (width, width))
        nodes.append(_node("Reshape", [f"{part}.flat", "split"], [f"{part}.split"], f"{part}.r"))
        nodes.append(_node("Transpose", [f"{part}.split"], [part], f"{part}.t", perm=order))
    nodes += [
        _node("MatMul", ["q", "k"], ["scores"], "scores"),
        _node("Div", ["scores", "root"], ["scaled"], "scale"),
        _node("Softmax", ["scaled"], ["p"], "softmax", axis=-1),
        _node("MatMul", ["p", "v"], ["mixed"], "mix"),
        _node("Transpose", ["mixed"], ["mixed.t"], "mix.t", perm=[0, 2, 1, 3]),
        _node("Reshape", ["mixed.t", "join"], ["joined"], "join"),
    ]
    linear("attention/out", "joined", "attended", (width, width))
    nodes.append(_node("Add", ["x", "attended"], ["sum1"], "residual1"))
    norm("norm1", "sum1", "n1")
    linear("ffn/up", "n1", "u", (width, 4 * width))
    nodes += [
        _node("Div", ["u", "sqrt2"], ["u.div"], "gelu/Div"),
        _node("Erf", ["u.div"], ["u.erf"], "gelu/Erf"),
        _node("Add", ["u.erf", "one"], ["u.add"], "gelu/Add"),
        _node("Mul", ["u", "u.add"], ["u.mul"], "gelu/Mul"),
        _node("Mul", ["u.mul", "half"], ["gelu"], "gelu/Half"),
    ]
    linear("ffn/down", "gelu", "d", (4 * width, width))
    nodes.append(_node("Add", ["n1", "d"], ["sum2"], "residual2"))
    norm("norm2", "sum2", "hidden")
    return model(
        nodes,
        {"ids": ("int64", ["batch", "sequence"])},
        {"hidden": ("float32", ["batch", "sequence", width])},
        weights,
    )


def recurrent(*, seed: int = 0, hidden: int = 6) -> onnx.ModelProto:
    """Bidirectional LSTM, GRU, MatMul: `x` float32 [time, batch, 4] to `y` [time, batch, 3]."""
    rng = np.random.default_rng(seed)
    weights = {
        "lstm.W": _normal(rng, (2, 4 * hidden, 4), 0.4),
        "lstm.R": _normal(rng, (2, 4 * hidden, hidden), 0.4),
        "lstm.B": _normal(rng, (2, 8 * hidden), 0.1),
        "join": np.array([0, 0, 2 * hidden], np.int64),
        "gru.W": _normal(rng, (1, 3 * hidden, 2 * hidden), 0.3),
        "gru.R": _normal(rng, (1, 3 * hidden, hidden), 0.3),
        "direction": np.array([1], np.int64),
        "fc.weight": _normal(rng, (hidden, 3), 0.4),
    }
    nodes = [
        _node(
            "LSTM",
            ["x", "lstm.W", "lstm.R", "lstm.B"],
            ["l"],
            "lstm",
            hidden_size=hidden,
            direction="bidirectional",
        ),
        _node("Transpose", ["l"], ["l.t"], "lstm.t", perm=[0, 2, 1, 3]),
        _node("Reshape", ["l.t", "join"], ["l.join"], "lstm.join"),
        _node("GRU", ["l.join", "gru.W", "gru.R"], ["g"], "gru", hidden_size=hidden),
        _node("Squeeze", ["g", "direction"], ["g.flat"], "gru.flat"),
        _node("MatMul", ["g.flat", "fc.weight"], ["y"], "fc"),
    ]
    return model(
        nodes,
        {"x": ("float32", ["time", "batch", 4])},
        {"y": ("float32", ["time", "batch", 3])},
        weights,
    )


def branchy(*, seed: int = 0) -> onnx.ModelProto:
    """A MatMul, then If with two bodies that read outer values and an outer weight.

    `x` is float32 [batch, 4], `flag` a bool scalar; `y` float32 [batch, 4]. The value `h` and the
    weight `shift` are read by the bodies only.
    """
    rng = np.random.default_rng(seed)
    weights = {"w": _normal(rng, (4, 4), 0.5), "shift": _normal(rng, (4,), 0.5)}
    out = helper.make_tensor_value_info("body_out", TensorProto.FLOAT, ["batch", 4])
    yes = helper.make_graph(
        [_node("Add", ["h", "shift"], ["body_out"], "then/add")], "yes", [], [out]
    )
    inner = [
        _node("Constant", [], ["two"], "else/two", value=numpy_helper.from_array(np.float32(2))),
        _node("Mul", ["h", "two"], ["body_out"], "else/mul"),
    ]
    no = helper.make_graph(inner, "no", [], [out])
    nodes = [
        _node("MatMul", ["x", "w"], ["h"], "proj"),
        _node("If", ["flag"], ["chosen"], "choose", then_branch=yes, else_branch=no),
        _node("Relu", ["chosen"], ["y"], "relu"),
    ]
    return model(
        nodes,
        {"x": ("float32", ["batch", 4]), "flag": ("bool", [])},
        {"y": ("float32", ["batch", 4])},
        weights,
    )


def feeds(made: onnx.ModelProto, *, batch: int = 2, seed: int = 0) -> dict[str, np.ndarray]:
    """Random inputs that fit a model: every dynamic size becomes `batch`, whole numbers are < 8."""
    rng = np.random.default_rng(seed)
    known = {tensor.name for tensor in made.graph.initializer}
    answer: dict[str, np.ndarray] = {}
    for port in made.graph.input:
        if port.name in known:
            continue
        kind = port.type.tensor_type
        shape = [d.dim_value if d.HasField("dim_value") else batch for d in kind.shape.dim]
        dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type)
        if dtype == np.bool_:
            answer[port.name] = np.asarray(rng.integers(0, 2, shape), dtype)
        elif np.issubdtype(dtype, np.integer):
            answer[port.name] = np.asarray(rng.integers(0, 8, shape), dtype)
        else:
            answer[port.name] = np.asarray(rng.standard_normal(shape), dtype)
    return answer


def _node(
    op_type: str, inputs: list[str], outputs: list[str], name: str, **attributes: object
) -> onnx.NodeProto:
    return helper.make_node(op_type, inputs, outputs, name, **attributes)


def _normal(rng: np.random.Generator, shape: tuple[int, ...], scale: float) -> np.ndarray:
    return (rng.standard_normal(shape) * scale).astype(np.float32)
