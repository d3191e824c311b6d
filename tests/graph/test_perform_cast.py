import numpy as np
import onnx
import pytest
from onnx import helper

from lissom.errors import BrokenPromise, MethodError
from lissom.graph.edit import Cast
from lissom.graph.perform import perform
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import edited, fused_operators, model_of, run


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def weight_cast(name):
    return Cast(target=name, kind="weight")


def node_cast(name):
    return Cast(target=name, kind="node")


def test_a_stored_weight_is_rounded_and_keeps_its_name(store, tmp_path):
    proto = tiny.mlp()
    model = model_of(proto)
    after = edited(model, [weight_cast("fc0.weight")], store)
    assert after.weights["fc0.weight/float16"].size_bytes == 2 * 16 * 32
    assert "fc0.weight" not in after.weights
    assert after.node("fc0").inputs[1] == "fc0.weight"
    feeds = tiny.feeds(proto)
    assert np.allclose(run(after, feeds)[0], run(model, feeds)[0], atol=1e-2)
    # The runtime expands the weight once, at load.
    assert "Cast" not in fused_operators(after, feeds, tmp_path)


def test_bodies_of_control_flow_read_the_expanded_weight(store):
    proto = tiny.branchy()
    model = model_of(proto)
    after = edited(model, [weight_cast("shift")], store)
    feeds = tiny.feeds(proto) | {"flag": np.array(True)}
    assert after.node("choose").captured == ("h", "shift")
    assert np.allclose(run(after, feeds)[0], run(model, feeds)[0], atol=1e-2)


def test_a_node_computes_narrow_between_casts(store):
    proto = tiny.cnn()
    model = model_of(proto)
    after = edited(model, [node_cast("conv2")], store)
    assert after.op_counts["Cast"] == 2
    assert after.value_dtype("c2") == "float32"
    assert after.weights["conv2.weight/float16"].dtype == "float16"
    assert "conv2.weight" not in after.weights
    feeds = tiny.feeds(proto)
    assert np.allclose(run(after, feeds)[0], run(model, feeds)[0], atol=2e-2)


def test_between_narrow_nodes_there_is_no_cast(store):
    proto = tiny.cnn()
    model = model_of(proto)
    names = ("conv1", "bn", "relu1", "pool", "conv2", "relu2", "mean", "flatten", "fc")
    after = edited(model, [node_cast(name) for name in names], store)
    assert after.op_counts["Cast"] == 2
    assert after.value_dtype("c2") == "float16"
    assert after.producers["c2"] == "conv2"
    assert after.value_dtype("logits") == "float32"
    feeds = tiny.feeds(proto)
    assert np.allclose(run(after, feeds)[0], run(model, feeds)[0], atol=3e-2)


def test_a_value_with_a_wide_reader_exists_twice(store):
    proto = tiny.transformer()
    model = model_of(proto)
    after = edited(model, [node_cast("norm1"), node_cast("ffn/up/MatMul")], store)
    assert after.value_dtype("n1") == "float32"
    assert after.node("residual2").inputs[0] == "n1"
    assert after.node("ffn/up/MatMul").inputs[0] == "n1/float16"
    feeds = tiny.feeds(proto)
    assert np.allclose(run(after, feeds)[0], run(model, feeds)[0], atol=3e-2)


def test_inputs_that_must_stay_wide_stay_wide(store):
    proto = tiny.model(
        [helper.make_node("Resize", ["x", "", "scales"], ["y"], "up", mode="nearest")],
        {"x": ("float32", ["n", 1, 4, 4])},
        {"y": ("float32", ["n", 1, 8, 8])},
        {"scales": np.array([1, 1, 2, 2], np.float32)},
    )
    after = edited(model_of(proto), [node_cast("up")], store)
    assert after.weights["scales"].dtype == "float32"
    feeds = tiny.feeds(proto)
    assert np.allclose(run(after, feeds)[0], run(model_of(proto), feeds)[0], atol=1e-2)


def test_what_cannot_be_narrow_is_refused(store):
    nodes = [
        helper.make_node("Mul", ["x", "big"], ["h"], "grow"),
        helper.make_node("Cast", ["h"], ["i"], "whole", to=onnx.TensorProto.INT64),
        helper.make_node("Neg", ["i"], ["j"], "minus"),
        helper.make_node("Shape", ["j"], ["y"], "sizes"),
    ]
    model = model_of(
        tiny.model(
            nodes,
            {"x": ("float32", [2])},
            {"y": ("int64", [1])},
            {"big": np.array([1e6, np.inf], np.float32)},
        )
    )
    for edit, text in [
        (weight_cast("big"), "65504"),
        (node_cast("grow"), "65504"),
        (node_cast("whole"), "Cast cannot"),
        (node_cast("sizes"), "no float16 form"),
    ]:
        with pytest.raises(MethodError, match=text):
            perform(model, [edit], store)
    for edit in (weight_cast("small"), node_cast("small")):
        with pytest.raises(BrokenPromise, match="'small'"):
            perform(model, [edit], store)
    with pytest.raises(MethodError, match="If cannot"):
        perform(model_of(tiny.branchy()), [node_cast("choose")], store)
