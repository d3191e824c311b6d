"""Integers of rows in the layout of stored weights."""

import numpy as np
import pytest

from lissom.graph.site import sites
from lissom.methods.weights import Form, nearest, refusal, stored
from lissom.numerics.quantized import dequantize, quantize_weight
from lissom.store.store import Store
from tests.graph.edited import edited, run
from tests.methods import lab
from tests.methods.layers import chain, convolutions, inputs

RNG = np.random.default_rng(0)
MODELS = {
    "gemm": chain((RNG.standard_normal((5, 32)), None)),
    "product": chain((RNG.standard_normal((5, 32)), None), form="MatMul"),
    "convolution": convolutions((RNG.standard_normal((5, 4, 3, 3)), None)),
}


@pytest.mark.parametrize("block_size", [None, 16])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_rows_come_back_as_the_stored_weight(name, symmetric, block_size) -> None:
    model = MODELS[name]
    (site,) = sites(model)
    if block_size is not None and len(site.shape) > 2:
        block_size = None
    weight = model.weight(site.weight)
    rows = site.canonical(weight).reshape(5, -1)
    axis = 0 if block_size is None else 1
    integers = quantize_weight(rows, axis=axis, block_size=block_size, symmetric=symmetric)
    found = stored(site, integers)
    assert found.values.shape == site.shape
    np.testing.assert_allclose(dequantize(found), weight, atol=0.02)
    back = site.canonical(dequantize(found)).reshape(5, -1)
    np.testing.assert_array_equal(back, dequantize(integers))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("name", ["gemm", "product"])
def test_both_kernels_answer_alike(name, packed, tmp_path) -> None:
    model, store = MODELS[name], Store(tmp_path)
    (site,) = sites(model)
    form = Form(bits=4, block_size=16, kernel="matmul_nbits", accuracy_level=0)
    rows = site.canonical(model.weight(site.weight))
    integers = quantize_weight(rows, bits=4, axis=1, block_size=16, symmetric=False)
    edit = form.edit(site, integers, store, packed=packed)
    assert edit.kernel == ("matmul_nbits" if packed else "dequantize")
    feed = inputs(model, count=1)[0]
    expected = feed["x"] @ dequantize(integers).T
    found = run(edited(model, [edit], store), feed)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_what_a_form_can_do(tmp_path) -> None:
    gemm, convolution = MODELS["gemm"], MODELS["convolution"]
    context = lab.context(gemm, Store(tmp_path))
    (site,), (conv,) = sites(gemm), sites(convolution)
    form = Form(bits=4, block_size=32, kernel="matmul_nbits", accuracy_level=4)
    assert form.packs(gemm, site, context)
    assert not form.packs(convolution, conv, context)
    assert form.blocks_of(site) == 32
    assert form.blocks_of(conv) is None
    other = Form(bits=3, block_size=32, kernel="matmul_nbits", accuracy_level=4)
    assert not other.packs(gemm, site, context)
    assert other.obstacle(gemm) is None  # its opset can be raised


def test_nearest_and_refusals(tmp_path) -> None:
    model, store = MODELS["gemm"], Store(tmp_path)
    (site,) = sites(model)
    edit = nearest(model, site, store, bits=4, block_size=16)
    assert (edit.encoding.axis, edit.encoding.block_size) == (1, 16)
    assert refusal(model, site, lab.context(model, store)) is None
    holes = chain((np.full((2, 3), np.nan), None))
    (site,) = sites(holes)
    assert refusal(holes, site, lab.context(holes, store)) == "its weights are not finite"
