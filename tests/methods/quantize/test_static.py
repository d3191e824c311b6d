"""Static quantization: by hand, the papers' claim, degenerate data, declared errors."""

from dataclasses import replace

import numpy as np
import pytest
from onnx import helper
from pydantic import ValidationError

from lissom.errors import MethodError
from lissom.graph.edit import EncodeWeight, QuantizeActivation
from lissom.methods.protocol import ALREADY
from lissom.methods.quantize.static import Static
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import edited, fused_operators, model_of, run
from tests.methods import lab


def one_product():
    """y = x W + b with numbers that 8 bits hold exactly."""
    weights = {
        "w": np.array([[127.0, 0.0], [0.0, -1.27]], np.float32),
        "b": np.array([3.0, 0.01], np.float32),
    }
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["y"], "fc")]
    return model_of(
        tiny.model(nodes, {"x": ("float32", [1, 2])}, {"y": ("float32", [1, 2])}, weights, opset=17)
    )


def feeds(*rows):
    return [{"x": np.asarray([row], np.float32)} for row in rows]


def test_by_hand(tmp_path):
    model, data = one_product(), feeds([0.0, 255.0], [17.0, 3.0])
    context = lab.context(model, Store(tmp_path), data)
    plan = Static().plan(model, context)
    (value,) = [e for e in plan.edits if isinstance(e, QuantizeActivation)]
    assert (value.value, value.consumers, value.scale, value.zero_point, value.dtype) == (
        "x",
        None,
        1.0,
        0,
        "uint8",
    )
    weight, bias = [e for e in plan.edits if isinstance(e, EncodeWeight)]
    assert context.store.array(weight.encoding.values).tolist() == [[127, 0], [0, -127]]
    np.testing.assert_allclose(context.store.array(weight.encoding.scale), [1.0, 0.01], rtol=1e-6)
    assert context.store.array(bias.encoding.values).tolist() == [3, 1]
    assert plan.skips == ()
    result = edited(model, plan.edits, context.store)
    np.testing.assert_allclose(run(result, data[1])[0], [[17 * 127 + 3, -3.8]], rtol=1e-4)


def test_one_scale_for_each_tensor_still_runs_on_integer_kernels(tmp_path):
    proto = tiny.cnn()
    model, data = model_of(proto), [tiny.feeds(proto, batch=4, seed=seed) for seed in range(4)]
    context = lab.context(model, Store(tmp_path), data)
    plan = Static(granularity="tensor").plan(model, context)
    weights = [e for e in plan.edits if isinstance(e, EncodeWeight) and e.encoding.bits == 8]
    assert {e.encoding.axis for e in weights} == {None}
    result = edited(model, plan.edits, context.store)
    operators = fused_operators(result, data[0], tmp_path)
    assert operators.count("QLinearConv") == 2
    old, new = run(model, data[0])[0], run(result, data[0])[0]
    assert np.linalg.norm(new - old) < 0.1 * np.linalg.norm(old)


def cnn_case(tmp_path, **changes):
    proto = tiny.cnn()
    model = model_of(proto)
    data = [tiny.feeds(proto, batch=4, seed=seed) for seed in range(8)]
    return model, data, lab.context(model, Store(tmp_path), data, **changes)


@pytest.mark.parametrize("ranges", ["minmax", "percentile", "mse", "entropy", "average", "output"])
@pytest.mark.parametrize("asymmetric", [None, 1])
def test_a_network_stays_near_its_original(ranges, asymmetric, tmp_path):
    model, data, context = cnn_case(tmp_path)
    method = Static(ranges=ranges, asymmetric_channels=asymmetric)
    result = edited(model, method.plan(model, context).edits, context.store)
    for feed in data:
        old, new = run(model, feed)[0], run(result, feed)[0]
        assert np.linalg.norm(new - old) < 0.05 * np.linalg.norm(old)


def test_every_pair_is_eaten_by_an_integer_kernel(tmp_path):
    model, data, context = cnn_case(tmp_path)
    result = edited(model, Static().plan(model, context).edits, context.store)
    ran = fused_operators(result, data[0], tmp_path)
    # The tiny network's first convolution is followed by a BatchNormalization that no one folded.
    assert ran.count("QLinearConv") == 2
    assert "Conv" not in ran
    assert "Gemm" not in ran
    assert ran.count("QuantizeLinear") == 2
    assert ran.count("DequantizeLinear") == 1


def test_mse_beats_minmax_where_there_is_an_outlier(tmp_path):
    """The claim of the white paper, sec. 3.1: clipping a rare outlier pays for all other values."""
    rng = np.random.default_rng(0)
    weights = {"w": rng.standard_normal((256, 8)).astype(np.float32)}
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], "fc")]
    model = model_of(
        tiny.model(nodes, {"x": ("float32", ["n", 256])}, {"y": ("float32", ["n", 8])}, weights)
    )
    values = rng.standard_normal((8000, 256)).astype(np.float32)
    usual = {"x": values[1:100].copy()}
    values[0, 0] = 40.0
    errors = {}
    for ranges in ("minmax", "mse"):
        context = lab.context(model, Store(tmp_path / ranges), [{"x": values}])
        result = edited(model, Static(ranges=ranges).plan(model, context).edits, context.store)
        errors[ranges] = float(np.square(run(result, usual)[0] - run(model, usual)[0]).sum())
    assert errors["mse"] < 0.5 * errors["minmax"]


def test_percentile_follows_its_field(tmp_path):
    model = one_product()
    data = feeds(*([float(i), 0.0] for i in range(201)))
    scales = []
    for percent in (100.0, 75.0):
        context = lab.context(model, Store(tmp_path), data)
        plan = Static(ranges="percentile", percentile=percent).plan(model, context)
        scales += [e.scale for e in plan.edits if isinstance(e, QuantizeActivation)]
    assert scales[0] == pytest.approx(200 / 255)
    assert scales[1] == pytest.approx(100 / 255, rel=0.02)


def test_average_follows_the_usual_run(tmp_path):
    model = one_product()
    data = feeds(*([0.0, 2.0] for _ in range(50)), [0.0, 100.0])
    context = lab.context(model, Store(tmp_path), data)
    plan = Static(ranges="average").plan(model, context)
    (pair,) = [e for e in plan.edits if isinstance(e, QuantizeActivation)]
    weights = 0.99 ** np.arange(50, -1, -1)
    usual = np.average([2.0] * 50 + [100.0], weights=weights)
    assert pair.scale == pytest.approx(usual / 255)


def test_output_gives_less_error_behind_the_weights_than_mse(tmp_path):
    """The claim: what no weight reads need not be covered, and the rest is finer for it."""
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((16, 8)).astype(np.float32)
    weight[0] = 1e-3
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], "fc")]
    proto = tiny.model(
        nodes, {"x": ("float32", ["n", 16])}, {"y": ("float32", ["n", 8])}, {"w": weight}
    )
    model = model_of(proto)
    values = rng.standard_normal((200, 16)).astype(np.float32)
    values[:, 0] *= 50.0
    data, errors = [{"x": row[None]} for row in values], {}
    for ranges in ("mse", "output"):
        context = lab.context(model, Store(tmp_path / ranges), data)
        result = edited(model, Static(ranges=ranges).plan(model, context).edits, context.store)
        feed = {"x": values}
        errors[ranges] = float(np.square(run(result, feed)[0] - run(model, feed)[0]).sum())
    assert errors["output"] < 0.3 * errors["mse"]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([[2.0, 2.0]], "never varies"),
        ([[np.nan, 1.0], [0.0, 1.0]], "NaN or infinity"),
        ([[np.inf, 1.0], [0.0, 1.0]], "NaN or infinity"),
    ],
)
def test_degenerate_activations_are_skipped(rows, reason, tmp_path):
    model = one_product()
    around = lab.context(model, Store(tmp_path), feeds(*rows), calibration=None)
    plan = Static().plan(model, around)
    assert plan.edits == ()
    assert [skip.target for skip in plan.skips] == ["fc"]
    assert reason in plan.skips[0].reason


def test_weights_that_are_not_finite_are_skipped(tmp_path):
    proto = tiny.mlp()
    model = model_of(proto)
    broken = np.array(model.weight("fc1.weight"))
    broken[0, 0] = np.nan
    stored = next(t for t in proto.graph.initializer if t.name == "fc1.weight")
    stored.raw_data = broken.tobytes()
    model = model_of(proto)
    plan = Static().plan(model, lab.context(model, Store(tmp_path), [tiny.feeds(proto)]))
    assert ("fc1", "its weights are not finite, or enormous") in {
        (s.target, s.reason) for s in plan.skips
    }
    assert {e.weight for e in plan.edits if isinstance(e, EncodeWeight)} == {
        "fc0.weight",
        "fc0.bias",
    }


def test_a_clip_keeps_the_integers_below_its_limit(tmp_path):
    weights = {
        "w": np.eye(2, dtype=np.float32).reshape(2, 2, 1, 1) * 5,
        "zero": np.zeros((), np.float32),
        "six": np.asarray(6, np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], "conv"),
        helper.make_node("Clip", ["c", "zero", "six"], ["r"], "clip"),
        helper.make_node("Erf", ["r"], ["y"], "end"),
    ]
    shape = [1, 2, 4, 4]
    proto = tiny.model(nodes, {"x": ("float32", shape)}, {"y": ("float32", shape)}, weights)
    model, data = model_of(proto), [tiny.feeds(proto)]
    context = lab.context(model, Store(tmp_path), data)
    plan = Static().plan(model, context)
    (pair,) = [e for e in plan.edits if isinstance(e, QuantizeActivation) and e.value == "r"]
    assert np.float32(255) * np.float32(pair.scale) <= np.float32(6)
    ran = fused_operators(edited(model, plan.edits, context.store), data[0], tmp_path)
    assert "QLinearConv" in ran
    assert "Clip" not in ran


def test_facts_decide_types_and_bits(tmp_path):
    model, _, context = cnn_case(tmp_path, facts={"activation": "int8", "reduce_range": True})
    plan = Static().plan(model, context)
    assert {e.dtype for e in plan.edits if isinstance(e, QuantizeActivation)} == {"int8"}
    weights = [e for e in plan.edits if isinstance(e, EncodeWeight) and e.encoding.bits != 32]
    assert {e.encoding.bits for e in weights} == {7}
    relu = next(e for e in plan.edits if isinstance(e, QuantizeActivation) and e.value == "r2")
    assert relu.zero_point == -128


def test_a_quantized_model_is_left_alone(tmp_path):
    model, _, context = cnn_case(tmp_path)
    again = edited(model, Static().plan(model, context).edits, context.store)
    plan = Static().plan(again, replace(context, original=again))
    assert (plan.edits, [s.reason for s in plan.skips]) == ((), [ALREADY])


def test_declared_errors(tmp_path):
    model = one_product()
    with pytest.raises(MethodError, match="samples"):
        Static().plan(model, lab.context(model, Store(tmp_path)))
    blind = lab.context(model, Store(tmp_path), feeds([1.0, 2.0], [0.0, 1.0]), calibration=None)
    with pytest.raises(MethodError, match="samples"):
        Static(ranges="output").plan(model, blind)
    with pytest.raises(ValidationError):
        Static(percentile=30.0)
    with pytest.raises(ValidationError):
        Static(asymmetric_channels=0)
