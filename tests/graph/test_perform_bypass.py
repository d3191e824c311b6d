"""A bypass reads an earlier value; what nobody needs goes, names and open sizes stay."""

import numpy as np
import pytest

from lissom.errors import BrokenPromise, MethodError
from lissom.graph.edit import BypassNodes, ReplaceWeight
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import edited, model_of, run
from tests.methods import layers

ONE = np.ones((2, 2))


def bypassed(model, store, *pairs):
    return edited(model, [BypassNodes(input=u, output=v) for u, v in pairs], store)


def residual(store=None):
    """y = x + 3 relu(2 x), then z = 5 y."""
    nodes = [
        ("Mul", "x two", "double"),
        ("Relu", "double", "positive"),
        ("Mul", "positive three", "branch"),
        ("Add", "x branch", "y"),
        ("Mul", "y five", "z"),
    ]
    weights = {"two": np.float32(2), "three": np.float32(3), "five": np.float32(5)}
    scalars = {name: np.asarray(value) for name, value in weights.items()}
    return layers.model(nodes, scalars, ["batch", 2])


X = np.asarray([[1.0, -1.0]], np.float32)


def test_a_branch_leaves_with_its_weights(tmp_path):
    model = residual()
    np.testing.assert_allclose(run(model, {"x": X})[0], [[35.0, -5.0]])
    after = bypassed(model, Store(tmp_path), ("x", "y"))
    np.testing.assert_allclose(run(after, {"x": X})[0], [[5.0, -5.0]])
    assert after.node_names == ("z",)
    assert set(after.weights) == {"five"}


def test_the_shortcut_can_leave_instead(tmp_path):
    after = bypassed(residual(), Store(tmp_path), ("branch", "y"))
    np.testing.assert_allclose(run(after, {"x": X})[0], [[30.0, 0.0]])
    assert set(after.weights) == {"two", "three", "five"}


@pytest.mark.parametrize("pairs", [(("x", "y"), ("y", "z")), (("y", "z"), ("x", "y"))])
def test_bypasses_can_be_said_in_any_order(pairs, tmp_path):
    after = bypassed(residual(), Store(tmp_path), *pairs)
    np.testing.assert_array_equal(run(after, {"x": X})[0], X)
    assert [node.op_type for node in after.nodes] == ["Identity"]
    assert not after.weights


def test_an_output_keeps_its_name_and_its_open_size(tmp_path):
    model = model_of(tiny.transformer())
    after = bypassed(model, Store(tmp_path), ("n1", "hidden"))
    assert after.outputs == model.outputs
    feeds = tiny.feeds(tiny.transformer(), batch=3)
    assert run(after, feeds)[0].shape == (3, 3, 16)
    assert not {name for name in after.weights if name.startswith(("ffn", "norm2"))}
    assert after.producers["hidden"] == "norm2/Identity"


def test_what_others_still_read_stays(tmp_path):
    nodes = [
        ("Mul", "x two", "a"),
        ("Relu", "a", "b"),
        ("Add", "x b", "y"),
        ("Sub", "y a", "z"),
    ]
    model = layers.model(nodes, {"two": np.asarray(2.0)}, ["batch", 2])
    after = bypassed(model, Store(tmp_path), ("x", "y"))
    assert after.node_names == ("a", "z")
    np.testing.assert_allclose(run(after, {"x": X})[0], -X)


def test_what_bodies_read_is_bypassed_too(tmp_path):
    proto = tiny.branchy()
    model = model_of(proto)
    after = bypassed(model, Store(tmp_path), ("x", "h"))
    feeds = {**tiny.feeds(proto), "flag": np.asarray(True)}
    np.testing.assert_allclose(
        run(after, feeds)[0], np.maximum(feeds["x"] + model.weight("shift"), 0), rtol=1e-6
    )


def test_a_node_with_bodies_leaves_with_what_only_it_read(tmp_path):
    proto = tiny.branchy()
    after = bypassed(model_of(proto), Store(tmp_path), ("x", "chosen"))
    feeds = tiny.feeds(proto)
    np.testing.assert_array_equal(run(after, feeds)[0], np.maximum(feeds["x"], 0))
    assert after.node_names == ("relu",)
    assert not after.weights


def test_other_edits_find_what_is_left(tmp_path):
    store, model = Store(tmp_path), residual()
    edits = [
        ReplaceWeight(weight="five", values=store.put_array(np.asarray(7, np.float32))),
        BypassNodes(input="x", output="y"),
    ]
    np.testing.assert_allclose(run(edited(model, edits, store), {"x": X})[0], 7 * X)


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (("z", "y"), "after 'y', or from it"),
        (("y", "y"), "after 'y', or from it"),
        (("nowhere", "y"), "no value 'nowhere'"),
        (("x", "nowhere"), "no value 'nowhere'"),
        (("y", "x"), "no node gives 'x'"),
    ],
)
def test_what_is_no_bypass_is_a_broken_promise(pair, words, tmp_path):
    with pytest.raises(BrokenPromise, match=words):
        bypassed(residual(), Store(tmp_path), pair)


def shaped(*nodes, **weights):
    return layers.model(list(nodes), weights, ["batch", 2])


@pytest.mark.parametrize(
    ("model", "pair", "words"),
    [
        (model_of(tiny.mlp()), ("x", "relu0.out"), "its shape is"),
        (model_of(tiny.transformer()), ("ids", "x"), "it is int64, not float32"),
        (model_of(tiny.transformer()), ("q", "hidden"), "its shape is"),
        (
            shaped(("Relu", "fixed", "a"), ("MatMul", "x w", "b"), fixed=ONE, w=ONE),
            ("a", "b"),
            r"its shape is \[2, 2\]",
        ),
    ],
)
def test_other_types_and_shapes_are_refused(model, pair, words, tmp_path):
    with pytest.raises(MethodError, match=words):
        bypassed(model, Store(tmp_path), pair)
