"""Probe models are valid, and compute what they say."""

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from lissom.graph import probe_models


@pytest.mark.parametrize("activation", ["uint8", "int8"])
@pytest.mark.parametrize("op_type", sorted(probe_models.OPERATORS))
def test_every_quantized_operator_is_valid(op_type: str, activation: str) -> None:
    data, feeds = probe_models.quantized_operator(op_type, activation)
    model = onnx.load_from_string(data)
    onnx.checker.check_model(model, full_check=True)
    assert {value.name for value in model.graph.input} == set(feeds)
    assert [node.op_type for node in model.graph.node].count(op_type) >= 1


@pytest.mark.parametrize(
    ("shape", "weight", "groups"),
    [((1, 4, 8), (8, 6), 1), ((1, 4, 6, 6), (8, 4, 3, 3), 1), ((1, 4, 6, 6), (4, 1, 3, 3), 4)],
)
def test_products_are_valid(shape: tuple[int, ...], weight: tuple[int, ...], groups: int) -> None:
    for data in (
        probe_models.integer_product(shape, weight, "uint8", groups),
        probe_models.float_product(shape, weight, groups=groups),
        probe_models.float_product(shape, weight, "float16", groups),
    ):
        model = onnx.load_from_string(data)
        onnx.checker.check_model(model, full_check=True)
        found = ReferenceEvaluator(model).run(None, {"x": np.ones(shape, np.float32)})[0]
        assert np.isfinite(found).all()
    if groups == 1:
        dynamic = onnx.load_from_string(probe_models.dynamic_product(shape, weight))
        onnx.checker.check_model(dynamic)


@pytest.mark.parametrize(
    ("weight", "groups", "strides"),
    [((6, 4, 3, 3), 1, [2, 2]), ((4, 1, 3, 3), 4, [1, 1])],
)
def test_a_convolution_stands_between_others(
    weight: tuple[int, ...], groups: int, strides: list[int]
) -> None:
    settings = {"strides": strides, "pads": [1, 1, 1, 1]}
    data, name = probe_models.convolution_between((1, 2, 6, 6), weight, groups, settings)
    model = onnx.load_from_string(data)
    onnx.checker.check_model(model, full_check=True)
    before, own, after = [node for node in model.graph.node if node.op_type != "Identity"]
    assert (own.name, own.input[0], own.output[0]) == (name, before.output[0], after.input[0])
    sizes = {each.name: tuple(each.dims) for each in model.graph.initializer}
    assert sizes[own.input[1]] == weight
    found = ReferenceEvaluator(model).run(None, {"x": np.ones((1, 2, 6, 6), np.float32)})[0]
    assert found.shape == (1, weight[0], 1, 1)
    assert np.isfinite(found).all()


def test_the_saturating_product_is_exact_by_definition() -> None:
    data, feeds, exact = probe_models.saturating_product()
    found = ReferenceEvaluator(onnx.load_from_string(data)).run(None, feeds)[0]
    assert (np.asarray(found) == exact).all()


@pytest.mark.parametrize("add", ["Add", "Sum"])
def test_residual_norm(add: str) -> None:
    model = onnx.load_from_string(probe_models.float_residual_norm(add, (1, 2, 4)))
    onnx.checker.check_model(model, full_check=True)
    x = np.arange(8, dtype=np.float32).reshape(1, 2, 4)
    found = np.asarray(ReferenceEvaluator(model).run(None, {"x": x, "x2": x})[0])
    np.testing.assert_allclose(found.mean(axis=-1), 1.0, atol=1e-5)


@pytest.mark.parametrize(("bits", "block_size"), [(4, 32), (8, 16), (2, 64)])
def test_packed_weights_have_the_operators_shape(bits: int, block_size: int) -> None:
    model = onnx.load_from_string(probe_models.packed_product((1, 128), 16, bits, block_size))
    packed = next(one for one in model.graph.initializer if one.name == "w")
    assert list(packed.dims) == [16, 128 // block_size, block_size * bits // 8]


def test_moving_reads_and_writes_all_and_answers_a_part() -> None:
    model = onnx.load_from_string(probe_models.moving(64))
    onnx.checker.check_model(model, full_check=True)
    given = np.arange(64, dtype=np.float32).reshape(8, 8)
    found = ReferenceEvaluator(model).run(None, {"x": given})[0]
    assert np.array_equal(found, -given[:1])
