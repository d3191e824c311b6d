"""Cuts, other values, scales: what they do to a graph, and what they refuse."""

import numpy as np
import pytest

from lissom.errors import BrokenPromise
from lissom.graph.cutting import Resizing, WeightCut
from lissom.graph.edit import InsertScale, RemoveChannels, ReplaceWeight
from lissom.graph.perform import perform
from lissom.store.store import Store
from tests.graph.channels.nets import Net
from tests.graph.edited import edited, model_of, run


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def model():
    net = Net()
    x = net.op("Relu", net.linear(net.input([2, 3]), 3, 5))
    return model_of(net.done(net.op("Gemm", x, net.weight(5, 2), beta=0.5), 2))


FEED = {"x0": np.arange(6, dtype=np.float32).reshape(2, 3)}


def cut(weight, axis, *removed):
    return WeightCut(weight=weight, axis=axis, removed=removed)


def test_channels_leave(model, store):
    cuts = (
        cut("w0", 1, (0, 1), (3, 5)),
        cut("w1", 0, (0, 1), (3, 5)),
        cut("w2", 0, (0, 1), (3, 5)),
    )
    resized = [Resizing(value=v, axis=1, size=2) for v in ("matmul0_0", "add1_0", "relu2_0")]
    after = edited(model, [RemoveChannels(cuts=cuts, resized=tuple(resized))], store)
    assert after.weights["w0"].shape == (3, 2)
    assert np.array_equal(after.weight("w0"), model.weight("w0")[:, 1:3])
    assert after.value_shape("relu2_0") == (2, 2)
    assert run(after, FEED)[0].shape == (2, 2)


@pytest.mark.parametrize(
    "wrong",
    [
        cut("nobody", 0, (0, 1)), cut("w1", 1, (0, 1)), cut("w1", 0, (0, 5)), cut("w1", 0, (4, 6)),
        cut("w1", 0, (-1, 1)), cut("w1", 0, (0, 2), (1, 3)), cut("w1", -1, (0, 1)),
    ],
)  # fmt: skip
def test_cuts_that_cannot_be(wrong, model, store):
    with pytest.raises(BrokenPromise):
        perform(model, [RemoveChannels(cuts=(wrong,))], store)


def test_a_weight_gets_other_values(model, store):
    values = store.put_array(np.zeros((5, 2), np.float32))
    after = edited(model, [ReplaceWeight(weight="w2", values=values)], store)
    assert not run(after, FEED)[0].any()


@pytest.mark.parametrize("array", [np.zeros((2, 5), np.float32), np.zeros((5, 2))])
def test_other_shapes_and_types_are_refused(array, model, store):
    edit = ReplaceWeight(weight="w2", values=store.put_array(array))
    with pytest.raises(BrokenPromise, match="another one than before"):
        perform(model, [edit], store)


@pytest.mark.parametrize(("node", "size"), [("gemm3", 2), ("matmul0", 5)])
def test_a_bias_is_added_whole(node, size, model, store):
    bias = np.arange(size, dtype=np.float32)
    edit = ReplaceWeight(weight="own", values=store.put_array(bias), bias_of=node)
    after = edited(model, [edit], store)
    if node == "gemm3":
        assert np.allclose(run(after, FEED)[0] - run(model, FEED)[0], bias)
    assert node in after.node_names
    assert np.array_equal(after.weight("own"), bias)


def test_a_second_bias_and_one_of_a_relu_are_refused(model, store):
    bias = store.put_array(np.zeros(2, np.float32))
    edit = ReplaceWeight(weight="own", values=bias, bias_of="gemm3")
    with pytest.raises(BrokenPromise, match="one already"):
        perform(edited(model, [edit], store), [edit], store)
    with pytest.raises(BrokenPromise, match="has no bias"):
        perform(model, [ReplaceWeight(weight="b", values=bias, bias_of="relu2")], store)


def test_a_value_is_scaled_where_it_is_read(model, store):
    mask = store.put_array(np.array([1, 0, 2, 1, 1], np.float32))
    after = edited(model, [InsertScale(value="relu2_0", consumers=("gemm3",), scale=mask)], store)
    wide = model.weight("w2") * np.array([[1], [0], [2], [1], [1]], np.float32)
    other = edited(model, [ReplaceWeight(weight="w2", values=store.put_array(wide))], store)
    assert np.allclose(run(after, FEED)[0], run(other, FEED)[0])
    with pytest.raises(BrokenPromise, match="does not read"):
        perform(model, [InsertScale(value="x0", consumers=("gemm3",), scale=mask)], store)
