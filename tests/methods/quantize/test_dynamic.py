"""Dynamic quantization: by hand, near the original, degenerate weights, refusals with reasons."""

from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest
from onnx import helper, numpy_helper
from pydantic import ValidationError

from lissom.graph.edit import EncodeWeight, QuantizeActivation
from lissom.graph.model import Model
from lissom.methods.protocol import ALREADY
from lissom.methods.quantize.dynamic import Dynamic
from lissom.methods.scope import Scope
from lissom.numerics.quantized import dequantize
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import edited, fused_operators, model_of, run
from tests.methods import lab


def reasons(plan):
    return {skip.target: skip.reason for skip in plan.skips}


def test_by_hand(tmp_path):
    weight = np.array([[1.27, 0.0, 0.0], [0.0, -127.0, 0.0]], np.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], "product")]
    model = model_of(
        tiny.model(nodes, {"x": ("float32", [1, 2])}, {"y": ("float32", [1, 3])}, {"w": weight})
    )
    context = lab.context(model, Store(tmp_path))
    encode, value = Dynamic().plan(model, context).edits
    assert isinstance(encode, EncodeWeight)
    assert isinstance(value, QuantizeActivation)
    assert context.store.array(encode.encoding.values).tolist() == [[127, 0, 0], [0, -127, 0]]
    np.testing.assert_allclose(context.store.array(encode.encoding.scale), [0.01, 1, 1], rtol=1e-6)
    assert (value.value, value.consumers, value.scale) == ("x", ("product",), None)


def test_a_transformer_stays_near_its_original_with_half_the_roundings(tmp_path):
    proto = tiny.transformer()
    model = model_of(proto)
    context = lab.context(model, Store(tmp_path))
    plan = Dynamic().plan(model, context)
    # q, k and v read one value: it is rounded once.
    shared = [e for e in plan.edits if isinstance(e, QuantizeActivation) and e.value == "x"]
    assert [len(e.consumers or ()) for e in shared] == [3]
    result = edited(model, plan.edits, context.store)
    feeds = tiny.feeds(proto, batch=3)
    old, new = run(model, feeds)[0], run(result, feeds)[0]
    assert 0 < np.linalg.norm(new - old) < 0.05 * np.linalg.norm(old)
    ran = fused_operators(result, feeds, tmp_path)
    assert "MatMulInteger" not in ran
    assert sum(op in {"DynamicQuantizeMatMul", "MatMulIntegerToFloat"} for op in ran) == 6


def test_per_channel_is_nearer_than_per_tensor(tmp_path):
    """The claim of the white paper of 2018, sec. 3, on a weight with one large channel."""
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((32, 8)).astype(np.float32)
    weight[:, 0] *= 100
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], "product")]
    proto = tiny.model(
        nodes, {"x": ("float32", [4, 32])}, {"y": ("float32", [4, 8])}, {"w": weight}
    )
    model, feeds, errors = model_of(proto), tiny.feeds(proto), {}
    for granularity in ("channel", "tensor"):
        context = lab.context(model, Store(tmp_path))
        plan = Dynamic(granularity=granularity).plan(model, context)
        result = edited(model, plan.edits, context.store)
        difference = run(result, feeds)[0] - run(model, feeds)[0]
        errors[granularity] = np.linalg.norm(difference[:, 1:])
    assert errors["channel"] < 0.2 * errors["tensor"]


def test_what_it_cannot_treat_is_skipped_with_the_reason(tmp_path):
    cnn, store = model_of(tiny.cnn()), Store(tmp_path)
    found = reasons(Dynamic().plan(cnn, lab.context(cnn, store)))
    assert set(found) == {"conv1", "conv2"}
    assert "slower" in found["conv1"]
    recurrent = model_of(tiny.recurrent())
    found = reasons(Dynamic().plan(recurrent, lab.context(recurrent, store)))
    assert set(found) == {"lstm/W", "lstm/R", "gru/W", "gru/R"}
    assert "no faster dynamic kernel for LSTM" in found["lstm/W"]
    assert found["gru/W"] == "the runtime has no integer kernel for GRU"
    none = lab.context(cnn, store, facts={"dynamic_operators": frozenset()})
    assert "no faster dynamic kernel for Gemm" in reasons(Dynamic().plan(cnn, none))["fc"]
    excluded = lab.context(cnn, store, scope=Scope(exclude=("fc",)))
    assert "excluded" in reasons(Dynamic().plan(cnn, excluded))["fc"]


RECURRENT = {"dynamic_operators": frozenset({"LSTM", "MatMul"})}


@pytest.mark.parametrize(
    ("granularity", "shape", "error"), [("channel", (2, 24), 0.03), ("tensor", (2,), 0.05)]
)
def test_an_lstm_runs_on_integers_where_the_runtime_is_faster(granularity, shape, error, tmp_path):
    proto = tiny.recurrent()
    model = model_of(proto)
    context = lab.context(model, Store(tmp_path), facts=RECURRENT)
    plan = Dynamic(granularity=granularity).plan(model, context)
    assert set(reasons(plan)) == {"gru/W", "gru/R"}
    result = edited(model, plan.edits, context.store)
    node = result.node("lstm")
    assert node.op_type == "DynamicQuantizeLSTM"
    assert result.weights[node.inputs[1]].shape == (2, 4, 24)
    assert result.weights[node.inputs[8]].shape == shape
    feeds = tiny.feeds(proto, batch=3)
    old, new = run(model, feeds)[0], run(result, feeds)[0]
    assert 0 < np.linalg.norm(new - old) < error * np.linalg.norm(old)


def test_a_direction_of_small_weights_has_scales_of_its_own(tmp_path):
    """Unless the opset of the model cannot be raised to one with blocks."""
    proto = tiny.recurrent()
    stored = next(t for t in proto.graph.initializer if t.name == "lstm.W")
    weight = numpy_helper.to_array(stored).copy()
    weight[1] *= 1e-3
    stored.CopyFrom(numpy_helper.from_array(weight, "lstm.W"))
    model = model_of(proto)
    plan = Dynamic().plan(model, lab.context(model, Store(tmp_path), facts=RECURRENT))
    edit = next(e for e in plan.edits if isinstance(e, EncodeWeight) and e.weight == "lstm.W")
    rounded = dequantize(edit.encoding.quantized(Store(tmp_path)))
    assert np.abs(rounded - weight)[1].max() < 1e-4 * np.abs(weight).max()


def test_old_models_share_scales_between_directions(tmp_path, monkeypatch):
    model = model_of(tiny.recurrent())
    monkeypatch.setattr("lissom.methods.quantize.dynamic.raise_opset", lambda *_: None)
    plan = Dynamic().plan(model, lab.context(model, Store(tmp_path), facts=RECURRENT))
    edit = next(e for e in plan.edits if isinstance(e, EncodeWeight) and e.weight == "lstm.W")
    assert (edit.encoding.axis, edit.encoding.scale.shape) == (1, (24,))
    result = edited(model, plan.edits, Store(tmp_path))
    assert result.opset == model.opset


def test_an_lstm_is_taken_whole_or_not_at_all(tmp_path):
    store = Store(tmp_path)
    proto = tiny.recurrent()
    stored = next(t for t in proto.graph.initializer if t.name == "lstm.R")
    stored.raw_data = np.full((2, 24, 6), np.nan, np.float32).tobytes()
    model = model_of(proto)
    found = reasons(Dynamic().plan(model, lab.context(model, store, facts=RECURRENT)))
    assert found["lstm/W"] == "the other weight of its node stays float"
    assert found["lstm/R"] == "its weights are not finite"
    proto = tiny.recurrent()
    proto.graph.node[0].attribute.append(helper.make_attribute("layout", 1))
    turned = Model.build(ir.from_proto(proto))
    found = reasons(Dynamic().plan(turned, lab.context(turned, store, facts=RECURRENT)))
    assert "second axis" in found["lstm/W"]


def test_embeddings_can_stay_float(tmp_path):
    model = model_of(tiny.transformer())
    context = lab.context(model, Store(tmp_path))
    encoded = [
        e.weight for e in Dynamic().plan(model, context).edits if isinstance(e, EncodeWeight)
    ]
    assert "embedding" in encoded
    plan = Dynamic(embeddings="float").plan(model, context)
    assert reasons(plan) == {"embed": "embeddings were to stay float"}


@pytest.mark.parametrize("fill", [0.0, np.nan])
def test_degenerate_weights(fill, tmp_path):
    proto = tiny.mlp()
    stored = next(t for t in proto.graph.initializer if t.name == "fc0.weight")
    stored.raw_data = np.full((32, 16), fill, np.float32).tobytes()
    model = model_of(proto)
    context = lab.context(model, Store(tmp_path))
    plan = Dynamic().plan(model, context)
    assert ("fc0" in reasons(plan)) == bool(np.isnan(fill))
    feeds = tiny.feeds(proto)
    if not np.isnan(fill):
        result = edited(model, plan.edits, context.store)
        np.testing.assert_allclose(run(result, feeds)[0], run(model, feeds)[0], atol=0.05)


def test_reduced_range_uses_seven_bits(tmp_path):
    model = model_of(tiny.mlp())
    plan = Dynamic().plan(model, lab.context(model, Store(tmp_path), facts={"reduce_range": True}))
    assert {e.encoding.bits for e in plan.edits if isinstance(e, EncodeWeight)} == {7}


def test_a_quantized_model_is_left_alone_but_not_its_float_rest(tmp_path):
    model = model_of(tiny.mlp())
    context = lab.context(model, Store(tmp_path), scope=Scope(exclude=("fc1",)))
    half = edited(model, Dynamic().plan(model, context).edits, context.store)
    assert [s.reason for s in Dynamic().plan(half, replace(context, original=half)).skips] == [
        ALREADY
    ]
    rest = Dynamic().plan(half, replace(context, scope=Scope()))
    assert [e.weight for e in rest.edits if isinstance(e, EncodeWeight)] == ["fc1.weight"]


def test_unknown_granularity_is_refused():
    with pytest.raises(ValidationError):
        Dynamic(granularity="row")


def test_a_model_without_weights_gets_a_reason(tmp_path):
    from lissom.methods.protocol import NO_WEIGHTS
    from lissom.methods.registry import create

    nodes = [helper.make_node("Relu", ["x"], ["y"], "relu")]
    shape = ("float32", [1, 2])
    model = model_of(tiny.model(nodes, {"x": shape}, {"y": shape}, {}))
    context = lab.context(model, Store(tmp_path), [{"x": np.ones((1, 2), np.float32)}])
    for name in ("quantize.dynamic", "quantize.static", "quantize.weight_only"):
        plan = create(name, {}).plan(model, context)
        assert [skip.reason for skip in plan.skips] == [NO_WEIGHTS]
