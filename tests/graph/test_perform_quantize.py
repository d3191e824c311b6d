import numpy as np
import onnx
import pytest
from onnx import helper

from lissom.errors import BrokenPromise, MethodError
from lissom.graph.edit import EncodeWeight, IntegerEncoding, QuantizeActivation
from lissom.graph.perform import perform
from lissom.graph.perform_quantize import least_opset
from lissom.numerics.quantized import dequantize, quantize, quantize_bias, quantize_weight
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import edited, encode, fused_operators, model_of, run

X = {"x": np.linspace(-1, 1, 8, dtype=np.float32).reshape(2, 4)}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def product():
    """h = x @ w, y = relu(h), z = h * h: one value with two readers, one weight."""
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], "fc"),
        helper.make_node("Relu", ["h"], ["y"], "relu"),
        helper.make_node("Mul", ["h", "h"], ["z"], "square"),
    ]
    return model_of(
        tiny.model(
            nodes,
            {"x": ("float32", ["n", 4])},
            {"y": ("float32", ["n", 3]), "z": ("float32", ["n", 3])},
            {"w": rng.standard_normal((4, 3)).astype(np.float32)},
        )
    )


def rounded(x, scale, point):
    q = quantize(
        x,
        np.asarray(scale, np.float32),
        np.asarray(point, np.uint8),
        bits=8,
        signed=False,
    )
    return dequantize(q)


def test_a_weight_per_channel(product, store):
    after = edited(product, [encode(product, store, "w", ("fc",), axis=1)], store)
    w = dequantize(quantize_weight(product.weight("w"), axis=1))
    assert np.allclose(run(after, X)[0], np.maximum(X["x"] @ w, 0), atol=1e-6)
    assert list(after.op_counts.items()) == [
        ("DequantizeLinear", 1),
        ("MatMul", 1),
        ("Mul", 1),
        ("Relu", 1),
    ]
    assert {name: info.dtype for name, info in after.weights.items()} == {
        "w/quantized": "int8",
        "w/scale": "float32",
        "w/zero_point": "int8",
    }
    assert after.node("fc").inputs == ("x", "w/dequantized")


@pytest.mark.parametrize(("bits", "block"), [(4, 2), (3, 4), (8, 2), (4, None)])
def test_blocks_and_four_bits_raise_the_opset(product, store, bits, block):
    how = {"bits": bits, "axis": 0 if block else 1, "block_size": block, "symmetric": False}
    after = edited(product, [encode(product, store, "w", ("fc",), **how)], store)
    w = dequantize(quantize_weight(product.weight("w"), **how))
    assert after.opset >= 21
    assert after.weights["w/quantized"].size_bytes == (6 if bits < 8 else 12)
    assert np.allclose(run(after, X)[0], np.maximum(X["x"] @ w, 0), atol=1e-5)


def test_a_value_for_every_reader(product, store):
    edit = QuantizeActivation(value="h", scale=0.02, zero_point=100)
    after = edited(product, [edit], store)
    h = rounded(X["x"] @ product.weight("w"), 0.02, 100)
    y, z = run(after, X)
    assert np.allclose(y, np.maximum(h, 0), atol=1e-6)
    assert np.allclose(z, h * h, atol=1e-6)
    assert after.op_counts["QuantizeLinear"] == after.op_counts["DequantizeLinear"] == 1
    assert after.node("square").inputs == ("h/dequantized", "h/dequantized")


def test_a_value_for_one_reader(product, store):
    edit = QuantizeActivation(value="h", consumers=("relu",), scale=0.02, zero_point=100)
    after = edited(product, [edit], store)
    h = X["x"] @ product.weight("w")
    y, z = run(after, X)
    assert np.allclose(y, np.maximum(rounded(h, 0.02, 100), 0), atol=1e-6)
    assert np.allclose(z, h * h, atol=1e-6)


def test_equal_edits_share_a_pair_and_others_do_not(product, store):
    def edit(consumer, scale):
        return QuantizeActivation(value="h", consumers=(consumer,), scale=scale, zero_point=0)

    same = edited(product, [edit("relu", 0.5), edit("square", 0.5)], store)
    other = edited(product, [edit("relu", 0.5), edit("square", 0.25)], store)
    assert same.op_counts["QuantizeLinear"] == 1
    assert other.op_counts["QuantizeLinear"] == 2
    assert other.node("square").inputs[0] == "h/dequantized_1"


def test_an_output_is_rounded_only_if_asked(product, store):
    edit = QuantizeActivation(value="y", scale=0.5, zero_point=0)
    assert edited(product, [edit], store).op_counts == product.op_counts
    asked = QuantizeActivation(value="y", scale=0.5, zero_point=0, graph_output=True)
    after = edited(product, [asked], store)
    assert np.allclose(run(after, X)[0], rounded(run(product, X)[0], 0.5, 0))
    assert after.producers["y"] == "y/dequantize"
    assert after.node("relu").outputs == ("y/float",)


def test_a_convolution_becomes_integers(store, tmp_path):
    """Conv, bias, Relu and Add between rounded values are integer kernels, bias in 32 bits."""
    rng = np.random.default_rng(1)
    weight = rng.standard_normal((4, 2, 3, 3)).astype(np.float32)
    bias = rng.standard_normal(4).astype(np.float32)
    proto = tiny.model(
        [
            helper.make_node("Conv", ["x", "w", "b"], ["c"], "conv", pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["c"], ["r"], "relu"),
            helper.make_node("MaxPool", ["r"], ["y"], "pool", kernel_shape=[2, 2]),
        ],
        {"x": ("float32", ["n", 2, 6, 6])},
        {"y": ("float32", ["n", 4, 5, 5])},
        {"w": weight, "b": bias},
    )
    model = model_of(proto)
    q = quantize_weight(weight, axis=0)
    feeds = tiny.feeds(proto)
    x_scale, r_scale = float(np.abs(feeds["x"]).max() / 127), 0.1
    edits = [
        encode(model, store, "w", ("conv",), axis=0),
        EncodeWeight(
            weight="b",
            encoding=IntegerEncoding.of(quantize_bias(bias, q.scale * np.float32(x_scale)), store),
            kernel="dequantize",
            consumers=("conv",),
        ),
        QuantizeActivation(value="x", scale=x_scale, zero_point=128),
        QuantizeActivation(value="r", scale=r_scale, zero_point=0),
        QuantizeActivation(value="y", scale=r_scale, zero_point=0, graph_output=True),
    ]
    after = edited(model, edits, store)
    assert fused_operators(after, feeds, tmp_path) == [
        "QuantizeLinear",
        "QLinearConv",
        "MaxPool",
        "DequantizeLinear",
    ]
    assert np.abs(run(after, feeds)[0] - run(model, feeds)[0]).max() < 0.15


def test_what_does_not_fit_is_refused(product, store):
    good = encode(product, store, "w", ("fc",), axis=1)
    for edit, text in [
        (encode(product, store, "w", ("relu",)), "does not read 'w'"),
        (encode(product, store, "w", ("nobody",)), "no node 'nobody'"),
        (QuantizeActivation(value="q", scale=1.0, zero_point=0), "no value 'q'"),
        (QuantizeActivation(value="h", scale=0.0, zero_point=0), "scale"),
        (QuantizeActivation(value="h", scale=1.0, zero_point=256), "zero point"),
        (QuantizeActivation(value="h", scale=1.0), "zero point"),
        (
            QuantizeActivation(value="h", scale=1.0, zero_point=0, graph_output=True),
            "not an output",
        ),
        (
            EncodeWeight(weight="v", encoding=good.encoding, kernel="dequantize", consumers=()),
            "no weight 'v'",
        ),
    ]:
        with pytest.raises(BrokenPromise, match=text):
            perform(product, [edit], store)


def test_only_floats_are_rounded(store):
    model = model_of(tiny.transformer())
    with pytest.raises(MethodError, match="INT64"):
        perform(model, [QuantizeActivation(value="ids", scale=1.0, zero_point=0)], store)
    with pytest.raises(MethodError, match="split"):
        perform(model, [encode(model, store, "split", ("q.r",))], store)


def test_opsets_that_edits_need(product, store):
    assert least_opset(QuantizeActivation(value="x", scale=1.0, zero_point=0)) == 10
    assert least_opset(QuantizeActivation(value="x")) == 11
    assert least_opset(encode(product, store, "w", ())) == 10
    assert least_opset(encode(product, store, "w", (), axis=1)) == 13
    assert least_opset(encode(product, store, "w", (), bits=4)) == 21
    assert onnx.defs.get_schema("DequantizeLinear", 13).attributes.keys() == {"axis"}
