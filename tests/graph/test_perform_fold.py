"""Narrow weights that a runtime widens at load: the same numbers, nothing left to do in a run."""

import numpy as np
import pytest
from onnx import helper

from lissom.errors import BrokenPromise
from lissom.graph.edit import CodebookEncoding, EncodeWeight, IntegerEncoding
from lissom.graph.perform import perform
from lissom.graph.perform_quantize import least_opset
from lissom.numerics.codebook import absmax_scale, dequantize, encode, learn
from lissom.numerics.levels import fixed_levels
from lissom.numerics.quantized import dequantize as integers_of
from lissom.numerics.quantized import quantize_weight
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import edited, fused_operators, model_of, run

RNG = np.random.default_rng(0)
MATRIX = RNG.standard_normal((30, 20)).astype(np.float32)
KERNEL = RNG.standard_normal((8, 5, 3, 3)).astype(np.float32)
ROWS = RNG.standard_normal((40, 6)).astype(np.float32)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def model(nodes, inputs, outputs, weights):
    """In opset 21, which all forms can be said in."""
    made = tiny.model(nodes, inputs, outputs, weights, opset=21)
    made.ir_version = 10
    return made


def product(weight=MATRIX, readers=1):
    nodes = [
        helper.make_node("MatMul", ["x", "w"], [f"y{i}"], f"product{i}") for i in range(readers)
    ]
    outputs = {f"y{i}": ("float32", [2, weight.shape[1]]) for i in range(readers)}
    return model(nodes, {"x": ("float32", [2, weight.shape[0]])}, outputs, {"w": weight})


def convolution(weight=KERNEL):
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], "conv")]
    shapes = {"x": ("float32", [1, 5, 6, 6])}, {"y": ("float32", [1, 8, 4, 4])}
    return model(nodes, *shapes, {"w": weight})


def lookup(weight=ROWS):
    nodes = [helper.make_node("Gather", ["w", "ids"], ["y"], "lookup")]
    return model(nodes, {"ids": ("int64", [3])}, {"y": ("float32", [3, 6])}, {"w": weight})


def edit(encoding, *consumers, kernel="fold"):
    return EncodeWeight(weight="w", encoding=encoding, kernel=kernel, consumers=consumers)


def with_scales(x, bits=4, **how):
    table = fixed_levels("log", bits)
    return encode(x, table, bits=bits, scale=absmax_scale(x, table, **how), **how)


CODED = {
    "tensor, 8 bits": lambda x: learn(x, bits=8),
    "tensor, 4 bits": lambda x: learn(x, bits=4),
    "tensor, 3 bits": lambda x: learn(x, bits=3),
    "tables of channels": lambda x: learn(x, bits=4, axis=0),
    "tables of channels, 2 bits": lambda x: learn(x, bits=2, axis=0),
    "tables along the last axis": lambda x: learn(x, bits=4, axis=x.ndim - 1),
    "a scale": lambda x: with_scales(x),
    "scales of channels": lambda x: with_scales(x, axis=1),
    "whole blocks": lambda x: with_scales(x, bits=4, axis=0, block_size=2),
    "a short block": lambda x: with_scales(x, bits=5, axis=1, block_size=3),
}


@pytest.mark.parametrize("form", CODED)
@pytest.mark.parametrize("make", [product, convolution, lookup])
def test_the_graph_says_what_the_table_says(form, make, store):
    before = model_of(make())
    coded = CODED[form](before.weight("w"))
    (reader,) = before.consumers["w"]
    after = edited(before, [edit(CodebookEncoding.of(coded, store), reader)], store)
    feeds = tiny.feeds(make())
    expected = run(model_of(make(dequantize(coded))), feeds)[0]
    np.testing.assert_allclose(run(after, feeds)[0], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 8])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("form", [(None, None), (1, None), (0, 10), (0, 7)])
def test_integers_are_widened_too(bits, symmetric, form, store):
    proto = product()
    axis, block_size = form
    quantized = quantize_weight(
        MATRIX, bits=bits, axis=axis, block_size=block_size, symmetric=symmetric
    )
    given = edit(IntegerEncoding.of(quantized, store), "product0")
    after = edited(model_of(proto), [given], store)
    feeds = tiny.feeds(proto)
    expected = feeds["x"] @ integers_of(quantized)
    np.testing.assert_allclose(run(after, feeds)[0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("form", ["tensor, 3 bits", "tables of channels", "a short block"])
def test_nothing_is_left_to_do_in_a_run(form, store, tmp_path):
    before = model_of(product())
    given = edit(CodebookEncoding.of(CODED[form](MATRIX), store), "product0")
    after = edited(before, [given], store)
    assert fused_operators(after, tiny.feeds(product()), tmp_path) == ["MatMul"]
    integers = edit(IntegerEncoding.of(quantize_weight(MATRIX, axis=1), store), "product0")
    folded = edited(before, [integers], store)
    assert fused_operators(folded, tiny.feeds(product()), tmp_path) == ["MatMul"]


def test_the_codes_are_as_narrow_as_they_can_be(store):
    weight = RNG.standard_normal((64, 63)).astype(np.float32)
    for bits, size in ((8, 4032), (4, 2016), (3, 1536), (2, 1008)):
        given = edit(CodebookEncoding.of(learn(weight, bits=bits), store), "product0")
        after = edited(model_of(product(weight)), [given], store)
        assert after.weights["w/codes"].size_bytes == size
        assert "w" not in after.weights


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_indices_count_as_parameters(bits, store):
    given = edit(CodebookEncoding.of(learn(MATRIX, bits=bits), store), "product0")
    after = edited(model_of(product()), [given], store)
    room = -(-600 // (64 // bits)) * (64 // bits) + 1 if bits < 4 else 600  # and the mask
    assert after.parameters == room + (1 << bits)


def test_codes_may_have_another_shape_than_the_weight(store):
    before = model_of(convolution())
    rows = learn(KERNEL.reshape(8, 45), bits=4, axis=0)
    whole = learn(KERNEL, bits=4, axis=0)
    answers = [
        run(edited(before, [edit(CodebookEncoding.of(c, store), "conv")], store),
            tiny.feeds(convolution()))[0]
        for c in (rows, whole)
    ]  # fmt: skip
    np.testing.assert_array_equal(*answers)


def test_only_the_named_readers_read_codes(store):
    before = model_of(product(readers=2))
    given = edit(CodebookEncoding.of(learn(MATRIX, bits=2), store), "product1")
    after = edited(before, [given], store)
    old, now = (
        run(before, tiny.feeds(product(readers=2))),
        run(after, tiny.feeds(product(readers=2))),
    )
    assert np.array_equal(old[0], now[0])
    assert not np.array_equal(old[1], now[1])
    assert "w" in after.weights


def test_weights_share_what_takes_words_apart(store):
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], "one"),
        helper.make_node("MatMul", ["h", "v"], ["y"], "two"),
    ]
    square = MATRIX[:20]
    shapes = {"x": ("float32", [2, 20])}, {"y": ("float32", [2, 20])}
    before = model_of(model(nodes, *shapes, {"w": square, "v": square[::-1].copy()}))
    edits = [
        EncodeWeight(
            weight=name,
            encoding=CodebookEncoding.of(learn(before.weight(name), bits=3), store),
            kernel="fold",
            consumers=(node,),
        )
        for name, node in (("w", "one"), ("v", "two"))
    ]
    after = edited(before, edits, store)
    assert sum(name.startswith("shifts_3") for name in after.weights) == 1


def test_what_does_not_fit_is_refused(store):
    before = model_of(product())
    wrong = CodebookEncoding.of(learn(MATRIX[:10], bits=4), store)
    with pytest.raises(BrokenPromise, match=r"the codes have shape \[10, 20\]"):
        perform(before, [edit(wrong, "product0")], store)
    middle = CodebookEncoding.of(learn(KERNEL, bits=4, axis=1), store)
    with pytest.raises(BrokenPromise, match="first or the last axis"):
        perform(model_of(convolution()), [edit(middle, "conv")], store)
    coded = learn(MATRIX, bits=4)
    damaged = CodebookEncoding(
        indices=store.put_array(coded.indices),
        table=store.put_array(coded.table[::-1]),
        scale=None,
        bits=4,
        axis=None,
        block_size=None,
    )
    with pytest.raises(BrokenPromise, match="ascending"):
        perform(before, [edit(damaged, "product0")], store)
    for kernel in ("dequantize", "matmul_nbits"):
        given = edit(CodebookEncoding.of(coded, store), "product0", kernel=kernel)
        with pytest.raises(BrokenPromise, match=r"only the kernel 'fold'|takes integers"):
            perform(before, [given], store)


def test_opsets_that_codes_need(store):
    for bits, opset in ((8, 13), (4, 21), (3, 18)):
        assert least_opset(edit(CodebookEncoding.of(learn(MATRIX, bits=bits), store))) == opset
