"""Weight-only quantization: by hand, error against bits and blocks, refusals with reasons."""

from dataclasses import replace

import numpy as np
import pytest
from onnx import helper
from pydantic import ValidationError

from lissom.graph.edit import EncodeWeight
from lissom.methods.protocol import ALREADY
from lissom.methods.quantize.weight_only import WeightOnly
from lissom.methods.scope import Scope
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import edited, model_of, run
from tests.methods import lab


def product(weight, opset=21):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], "product")]
    shapes = {"x": ("float32", [2, weight.shape[0]])}, {"y": ("float32", [2, weight.shape[1]])}
    made = tiny.model(nodes, *shapes, {"w": weight.astype(np.float32)}, opset=opset)
    made.ir_version = 10
    return made


def applied(proto, folder, method, **changes):
    model = model_of(proto)
    context = lab.context(model, Store(folder), **changes)
    plan = method.plan(model, context)
    return model, edited(model, plan.edits, context.store), plan, context


def test_by_hand(tmp_path):
    weight = np.array([[127.0, 0.5], [-3.0, 1.27]], np.float32)
    _, _, plan, context = applied(product(weight), tmp_path, WeightOnly())
    (edit,) = plan.edits
    assert isinstance(edit, EncodeWeight)
    assert (edit.kernel, edit.encoding.axis) == ("dequantize", 1)
    assert context.store.array(edit.encoding.values).tolist() == [[127, 50], [-3, 127]]


def test_error_falls_with_bits_and_with_smaller_blocks(tmp_path):
    """What every paper on rounding weights starts from; here on a weight with outliers."""
    rng = np.random.default_rng(0)
    weight = rng.standard_t(3, (128, 64))
    proto = product(weight)
    errors = []
    for bits, block in ((4, None), (4, 128), (4, 32), (4, 16), (8, None), (8, 32)):
        method = WeightOnly(bits=bits, block_size=block)
        model, result, _, _ = applied(proto, tmp_path, method)
        feeds = tiny.feeds(proto)
        errors.append(np.linalg.norm(run(result, feeds)[0] - run(model, feeds)[0]))
    assert errors[0] >= errors[2] > errors[3] > errors[4] > errors[5] > 0


@pytest.mark.parametrize("bits", [4, 8])
def test_packed_products_answer_as_expanded_ones(bits, tmp_path):
    proto = product(np.random.default_rng(0).standard_normal((64, 16)))
    feeds, answers = tiny.feeds(proto), []
    for kernel in ("dequantize", "matmul_nbits"):
        method = WeightOnly(bits=bits, block_size=32, kernel=kernel)
        _, result, plan, _ = applied(proto, tmp_path, method)
        assert [edit.kernel for edit in plan.edits] == [kernel]
        answers.append(run(result, feeds)[0])
    np.testing.assert_allclose(answers[0], answers[1], rtol=1e-4, atol=1e-4)


def test_blocks_that_the_runtime_cannot_multiply_are_expanded(tmp_path):
    proto = product(np.random.default_rng(0).standard_normal((64, 16)))
    method = WeightOnly(block_size=64, kernel="matmul_nbits")
    _, _, plan, _ = applied(proto, tmp_path, method)
    assert [edit.kernel for edit in plan.edits] == ["dequantize"]
    assert "0 multiplied packed" in plan.summary


@pytest.mark.parametrize(("bits", "block"), [(8, None), (4, 32), (8, 32)])
def test_weights_folded_at_load_answer_as_expanded_ones(bits, block, tmp_path):
    proto = product(np.random.default_rng(0).standard_normal((80, 16)))
    feeds, answers = tiny.feeds(proto), []
    for kernel in ("dequantize", "fold"):
        method = WeightOnly(bits=bits, block_size=block, kernel=kernel)
        _, result, plan, _ = applied(proto, tmp_path, method)
        assert [edit.kernel for edit in plan.edits] == [kernel]
        answers.append(run(result, feeds)[0])
    np.testing.assert_allclose(answers[0], answers[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("folds", [frozenset({"MatMul", "Gemm"}), frozenset()])
def test_the_runtime_says_which_form_is_faster(folds, tmp_path):
    proto = tiny.transformer()
    _, _, plan, _ = applied(proto, tmp_path, WeightOnly(), facts={"folds_weights": folds})
    kernels = {edit.weight: edit.kernel for edit in plan.edits}
    assert kernels.pop("embedding") == "dequantize"  # rows are widened once they are looked up
    assert set(kernels.values()) == {"fold" if folds else "dequantize"}


def test_every_kind_of_weight_is_read_back(tmp_path):
    for proto in (tiny.cnn(), tiny.transformer()):
        model, result, plan, _ = applied(proto, tmp_path, WeightOnly())
        assert plan.skips == ()
        feeds = tiny.feeds(proto)
        old, new = run(model, feeds)[0], run(result, feeds)[0]
        assert 0 < np.linalg.norm(new - old) < 0.03 * np.linalg.norm(old)


def test_embeddings_keep_eight_bits_per_row(tmp_path):
    proto = tiny.transformer()
    model = model_of(proto)
    plan = WeightOnly(bits=4, block_size=16).plan(model, lab.context(model, Store(tmp_path)))
    (edit,) = [e for e in plan.edits if isinstance(e, EncodeWeight) and e.weight == "embedding"]
    assert (edit.encoding.bits, edit.encoding.axis, edit.encoding.block_size) == (8, 0, None)


def test_recurrent_weights_are_skipped_or_stay_near(tmp_path):
    proto = tiny.recurrent()
    model, result, _, _ = applied(proto, tmp_path, WeightOnly())
    feeds = tiny.feeds(proto)
    old, new = run(model, feeds)[0], run(result, feeds)[0]
    assert np.linalg.norm(new - old) < 0.05 * np.linalg.norm(old)


def test_refusals(tmp_path):
    nan = model_of(product(np.full((4, 4), np.nan)))
    plan = WeightOnly().plan(nan, lab.context(nan, Store(tmp_path)))
    assert [skip.reason for skip in plan.skips] == ["its weights are not finite"]
    model = model_of(tiny.mlp())
    context = lab.context(model, Store(tmp_path), scope=Scope(include=("fc0",)))
    plan = WeightOnly().plan(model, context)
    assert [(s.target, s.reason) for s in plan.skips] == [("fc1", "not among the included nodes")]
    quantized = edited(model, plan.edits, context.store)
    again = WeightOnly().plan(quantized, replace(context, original=quantized))
    assert (again.edits, [skip.reason for skip in again.skips]) == ((), [ALREADY])


def test_zeros(tmp_path):
    proto = product(np.zeros((4, 4)))
    _, result, _, _ = applied(proto, tmp_path, WeightOnly())
    assert not run(result, tiny.feeds(proto))[0].any()


@pytest.mark.parametrize("wrong", [{"bits": 3}, {"block_size": 48}, {"accuracy_level": 2}])
def test_wrong_parameters_are_refused(wrong):
    with pytest.raises(ValidationError):
        WeightOnly(**wrong)


@pytest.mark.parametrize("kernel", ["dequantize", "matmul_nbits"])
def test_scales_can_be_powers_of_two(kernel, tmp_path):
    """A shift multiplies by them; errors are less than twice as large as with free scales."""
    weight = np.random.default_rng(0).standard_normal((64, 8))
    blocks = 32 if kernel == "matmul_nbits" else None
    errors = {}
    for power in (False, True):
        method = WeightOnly(bits=8, kernel=kernel, block_size=blocks, power_of_two=power)
        model, made, plan, context = applied(product(weight), tmp_path, method)
        (edit,) = plan.edits
        scale = context.store.array(edit.encoding.scale)
        assert np.all(np.frexp(scale)[0] == 0.5) == power
        feeds = {"x": np.eye(64, dtype=np.float32)[:2]}
        errors[power] = np.abs(run(made, feeds)[0] - run(model, feeds)[0]).max()
    assert errors[False] < errors[True] < 4 * errors[False]
