import dataclasses

import numpy as np
import onnx
import pytest

from lissom.errors import BrokenPromise, MethodError, StoreError
from lissom.graph.edit import Cast, InsertScale, QuantizeActivation, ReplaceGraph, ReplaceWeight
from lissom.graph.load import load
from lissom.graph.perform import perform
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import edited, encode, model_of, run


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def kept(proto, store, tmp_path):
    path = tmp_path / "other.onnx"
    onnx.save(proto, path)
    return ReplaceGraph(model=store.put_file(path, ".onnx"), reason="another graph")


def test_no_edits_give_the_model_itself(store):
    model = model_of(tiny.mlp())
    assert perform(model, [], store) is model


def test_kinds_mix_in_any_order(store):
    proto = tiny.mlp()
    model = model_of(proto)
    edits = [
        QuantizeActivation(value="relu0.out"),
        QuantizeActivation(value="x", scale=0.03, zero_point=128),
        Cast(target="fc0.bias", kind="weight"),
        encode(model, store, "fc1.weight", ("fc1",), axis=0),
        encode(model, store, "fc0.weight", ("fc0",), axis=0),
    ]
    after = edited(model, edits, store)
    assert after.history == ("Cast x 1, EncodeWeight x 2, QuantizeActivation x 2",)
    assert {"fc0", "relu0", "fc1"} <= set(after.node_names)
    feeds = tiny.feeds(proto)
    assert np.allclose(run(after, feeds)[0], run(model, feeds)[0], atol=0.1)
    assert edited(model, edits, store) == after


def test_edits_of_an_edited_model(store):
    proto = tiny.mlp()
    model = model_of(proto)
    first = edited(model, [encode(model, store, "fc0.weight", ("fc0",), axis=0)], store)
    second = edited(first, [encode(first, store, "fc1.weight", ("fc1",), axis=0)], store)
    assert second.op_counts["DequantizeLinear"] == 2
    assert len(second.history) == 2


def test_a_graph_is_replaced_and_then_edited(store, tmp_path):
    model, other = model_of(tiny.mlp()), tiny.mlp(seed=5)
    replace = kept(other, store, tmp_path)
    feeds = tiny.feeds(other)
    after = edited(model, [replace], store)
    assert np.array_equal(run(after, feeds)[0], run(model_of(other), feeds)[0])
    after = edited(model, [replace, Cast(target="fc0.bias", kind="weight")], store)
    assert after.op_counts["Cast"] == 1
    assert after.history == ("Cast x 1, ReplaceGraph x 1",)


def test_a_graph_with_other_ports_is_refused(store, tmp_path):
    model = model_of(tiny.mlp())
    for other in (tiny.cnn(), tiny.mlp(sizes=(16, 8, 3)), tiny.mlp(sizes=(15, 8, 4))):
        with pytest.raises(BrokenPromise, match="other names, types or shapes"):
            perform(model, [kept(other, store, tmp_path)], store)
    fixed = tiny.mlp()
    fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    with pytest.raises(BrokenPromise, match="inputs"):
        perform(model, [kept(fixed, store, tmp_path)], store)


def test_a_replacement_stands_first_and_must_exist(store, tmp_path):
    model = model_of(tiny.mlp())
    replace = kept(tiny.mlp(), store, tmp_path)
    with pytest.raises(BrokenPromise, match="only stand first"):
        perform(model, [Cast(target="fc0.bias", kind="weight"), replace], store)
    gone = dataclasses.replace(replace.model, sha256="0" * 64)
    with pytest.raises(StoreError):
        perform(model, [ReplaceGraph(model=gone, reason="gone")], store)
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"not a model")
    broken = ReplaceGraph(model=store.put_file(damaged, ".onnx"), reason="broken")
    with pytest.raises(MethodError, match="cannot be read"):
        perform(model, [broken], store)


def test_an_opset_that_cannot_be_raised_is_said(store, monkeypatch):
    model = model_of(tiny.mlp())
    monkeypatch.setattr("lissom.graph.perform.raise_opset", lambda *_: None)
    edit = encode(model, store, "fc0.weight", ("fc0",), bits=4, axis=0)
    with pytest.raises(MethodError, match=r"fc0.weight.*needs opset 21.*opset 17"):
        perform(model, [edit], store)


def test_a_model_whose_weights_lie_in_a_file_can_be_edited(store, tmp_path):
    path = tmp_path / "mlp.onnx"
    onnx.save(tiny.mlp(), path)
    model = load(path, store)
    after = edited(model, [encode(model, store, "fc0.weight", ("fc0",), axis=0)], store)
    assert after.op_counts["DequantizeLinear"] == 1


def test_values_change_before_they_are_rounded(store):
    model = model_of(tiny.mlp())
    array = model.weight("fc0.weight") * 0
    feeds = tiny.feeds(tiny.mlp())
    replace = ReplaceWeight(weight="fc0.weight", values=store.put_array(array))
    scale = store.put_array(np.zeros(1, np.float32))
    insert = InsertScale(value="relu0.out", consumers=("fc1",), scale=scale)
    for edit in (replace, insert):
        rounded = QuantizeActivation(value="x", scale=0.03, zero_point=128)
        assert len(edited(model, [rounded, edit], store).history) == 1
    both = edited(model, [insert, replace], store)
    assert both.history == ("InsertScale x 1, ReplaceWeight x 1",)
    first, second = run(both, feeds)[0][:2]
    assert np.allclose(first, second)
