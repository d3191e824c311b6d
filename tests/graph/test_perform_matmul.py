import numpy as np
import onnx_ir as ir
import pytest
from onnx import helper

from lissom.errors import BrokenPromise, MethodError
from lissom.graph.edit import QuantizeActivation
from lissom.graph.perform import perform
from lissom.numerics.quantized import dequantize, quantize_weight
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import edited, encode, encode_nbits, fused_operators, model_of, run


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def gemm(**attributes):
    rng = np.random.default_rng(0)
    shape = (5, 16) if attributes.get("transB") else (16, 5)
    weights = {
        "w": rng.standard_normal(shape).astype(np.float32),
        "b": rng.standard_normal(5).astype(np.float32),
    }
    return tiny.model(
        [helper.make_node("Gemm", ["x", "w", "b"], ["y"], "fc", **attributes)],
        {"x": ("float32", ["n", 16])},
        {"y": ("float32", ["n", 5])},
        weights,
    )


def close(model, after, feeds):
    expected, found = run(model, feeds)[0], run(after, feeds)[0]
    return np.abs(expected - found).max() < 0.03 * np.abs(expected).max()


def test_dynamic_products_share_one_rounding(store, tmp_path):
    proto = tiny.transformer()
    model = model_of(proto)
    names = ("attention/q", "attention/k", "attention/v")
    edits = [encode(model, store, f"{name}.weight", (f"{name}/MatMul",), axis=1) for name in names]
    after = edited(model, [QuantizeActivation(value="x"), *edits], store)
    assert after.op_counts["DynamicQuantizeLinear"] == 1
    assert after.op_counts["MatMulInteger"] == 3
    assert after.node("attention/q/MatMul").op_type == "MatMulInteger"
    assert after.producers["attention/q.mm"] == "attention/q/MatMul/rescale"
    assert close(model, after, tiny.feeds(proto))
    fused = fused_operators(after, tiny.feeds(proto), tmp_path)
    assert fused.count("MatMulIntegerToFloat") == 3
    assert fused.count("DynamicQuantizeLinear") == 1
    assert "MatMulInteger" not in fused


def test_one_dynamic_product_is_one_kernel(store, tmp_path):
    proto = tiny.transformer()
    model = model_of(proto)
    edits = [
        encode(model, store, "ffn/up.weight", ("ffn/up/MatMul",), axis=1),
        QuantizeActivation(value="n1", consumers=("ffn/up/MatMul",)),
    ]
    after = edited(model, edits, store)
    fused = fused_operators(after, tiny.feeds(proto), tmp_path)
    assert "DynamicQuantizeMatMul" in fused
    assert "DynamicQuantizeLinear" not in fused
    assert close(model, after, tiny.feeds(proto))


@pytest.mark.parametrize(
    ("attributes", "axis"),
    [
        ({}, 1),
        ({"transB": 1}, 0),
        ({"transB": 1}, None),
        ({"alpha": 0.5, "beta": 2.0}, 1),
    ],
)
def test_dynamic_gemm(store, tmp_path, attributes, axis):
    proto = gemm(**attributes)
    model = model_of(proto)
    edits = [
        encode(model, store, "w", ("fc",), axis=axis),
        QuantizeActivation(value="x"),
    ]
    after = edited(model, edits, store)
    assert close(model, after, tiny.feeds(proto))
    assert fused_operators(after, tiny.feeds(proto), tmp_path) == ["DynamicQuantizeMatMul"]
    assert "DequantizeLinear" not in after.op_counts


def residual(**attributes):
    """A Gemm that adds what it reads, or a product of it, times a factor."""
    rng = np.random.default_rng(0)
    return tiny.model(
        [
            helper.make_node("Relu", ["x"], ["r"], "relu"),
            helper.make_node("Gemm", ["x", "w", "r"], ["y"], "fc", **attributes),
        ],
        {"x": ("float32", ["n", 16])},
        {"y": ("float32", ["n", 16])},
        {"w": rng.standard_normal((16, 16)).astype(np.float32)},
    )


def test_a_factor_of_what_is_computed_is_multiplied(store):
    proto = residual(beta=-3.0)
    model = model_of(proto)
    dynamic = [encode(model, store, "w", ("fc",), axis=1), QuantizeActivation(value="x")]
    packed = [encode_nbits(model, store, "w", ("fc",), transpose=True, bits=8)]
    for edits in (dynamic, packed):
        after = edited(model, edits, store)
        assert close(model, after, tiny.feeds(proto))
        assert after.op_counts["Mul"] == (3 if edits is dynamic else 1)


def test_a_float_reader_keeps_the_float_value(store):
    proto = tiny.transformer()
    model = model_of(proto)
    edits = [
        encode(model, store, "ffn/up.weight", ("ffn/up/MatMul",), axis=1),
        QuantizeActivation(value="n1"),
    ]
    after = edited(model, edits, store)
    assert after.node("residual2").inputs[0] == "n1"


@pytest.mark.parametrize(
    ("attributes", "how", "text"),
    [
        ({"transA": 1}, {"axis": 1}, "input is transposed"),
        ({}, {"axis": 0}, "per output channel"),
        ({}, {"bits": 4, "axis": 0, "block_size": 4}, "8-bit"),
        ({}, None, "not held as integers"),
    ],
)
def test_what_cannot_be_dynamic_is_refused(store, attributes, how, text):
    model = transposed() if attributes else model_of(gemm())
    edits = [QuantizeActivation(value="x")]
    if how is not None:
        edits.append(encode(model, store, "w", ("fc",), **how))
    with pytest.raises(MethodError, match=text):
        perform(model, edits, store)


def transposed():
    rng = np.random.default_rng(0)
    return model_of(
        tiny.model(
            [helper.make_node("Gemm", ["x", "w"], ["y"], "fc", transA=1)],
            {"x": ("float32", [16, "n"])},
            {"y": ("float32", ["n", 5])},
            {"w": rng.standard_normal((16, 5)).astype(np.float32)},
        )
    )


def test_a_named_reader_that_is_no_product_is_refused(store):
    model = model_of(tiny.mlp())
    with pytest.raises(MethodError, match="only MatMul, Gemm and LSTM"):
        perform(model, [QuantizeActivation(value="fc0.out", consumers=("relu0",))], store)


@pytest.mark.parametrize("bits", [4, 8])
def test_nbits_for_matmul_and_gemm(store, bits):
    how = {"bits": bits, "axis": 1, "block_size": 16, "symmetric": False, "signed": False}
    for proto, weight, node, transpose in [
        (tiny.transformer(), "ffn/up.weight", "ffn/up/MatMul", True),
        (gemm(), "w", "fc", True),
        (gemm(transB=1), "w", "fc", False),
    ]:
        model = model_of(proto)
        edit = encode_nbits(model, store, weight, (node,), transpose=transpose, bits=bits)
        after = edited(model, [edit], store)
        assert after.op_counts["com.microsoft::MatMulNBits"] == 1
        assert after.node(node).op_type == "MatMulNBits"
        # The same weights in float32 must give the same answer.
        array = model.weight(weight)
        array = array.T if transpose else array
        plain = dequantize(quantize_weight(array, **how))
        same = model_of(proto)
        same.ir.graph.initializers[weight].const_value = ir.tensor(
            np.ascontiguousarray(plain.T if transpose else plain)
        )
        feeds = tiny.feeds(proto)
        assert np.allclose(run(after, feeds)[0], run(same, feeds)[0], atol=2e-3)


def test_nbits_accuracy_level_is_written(store):
    model = model_of(gemm())
    edit = encode_nbits(model, store, "w", ("fc",), transpose=True, accuracy_level=4)
    after = edited(model, [edit], store)
    assert after.node("fc").attributes["accuracy_level"] == 4
    assert after.node("fc").attributes["K"] == 16


def test_nbits_refuses_what_it_cannot_do(store):
    model = model_of(gemm(alpha=0.5))
    with pytest.raises(MethodError, match="alpha"):
        perform(model, [encode_nbits(model, store, "w", ("fc",), transpose=True)], store)
    model = transposed()
    with pytest.raises(MethodError, match="transposed"):
        perform(model, [encode_nbits(model, store, "w", ("fc",), transpose=True)], store)
    model = model_of(gemm())
    wrong = encode_nbits(model, store, "w", ("fc",), transpose=False)
    with pytest.raises(BrokenPromise, match="packed values have shape"):
        perform(model, [wrong], store)
    embedding = model_of(tiny.transformer())
    with pytest.raises(MethodError, match="it is a Gather"):
        perform(
            embedding,
            [encode_nbits(embedding, store, "embedding", ("embed",), transpose=True)],
            store,
        )
