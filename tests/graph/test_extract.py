"""A part of a graph gives what the whole gave there, and is no larger than it must be."""

import numpy as np
import pytest

from lissom.errors import ModelError
from lissom.graph.expose import expose, intermediate_values
from lissom.graph.extract import extract
from tests import tiny
from tests.graph.graphs import answers, model_of


@pytest.mark.parametrize(
    "make", [tiny.mlp, tiny.cnn, tiny.transformer, tiny.recurrent, tiny.branchy]
)
def test_every_value_is_the_same_as_in_the_whole(make):
    proto = make()
    model, feeds = model_of(proto), tiny.feeds(proto)
    values = [name for name in intermediate_values(model) if name in model.producers]
    whole = expose(model, values)
    names = [port.name for port in whole.outputs]
    expected = dict(zip(names, answers(whole, feeds), strict=True))
    together = answers(extract(model, values), feeds)
    for name, found in zip(values, together, strict=True):
        np.testing.assert_array_equal(found, expected[name])
        np.testing.assert_array_equal(answers(extract(model, [name]), feeds)[0], expected[name])


def test_what_is_not_needed_is_gone_and_the_model_stays():
    model = model_of(tiny.mlp())
    part = extract(model, ["relu0.out"])
    assert [node.name for node in part.nodes] == ["fc0", "relu0"]
    assert set(part.weights) == {"fc0.weight", "fc0.bias"}
    assert [port.name for port in part.outputs] == ["relu0.out"]
    assert [port.name for port in part.inputs] == ["x"]
    assert [node.name for node in model.nodes] == ["fc0", "relu0", "fc1"]


def test_a_part_may_begin_at_what_a_node_gives():
    proto = tiny.mlp()
    model, feeds = model_of(proto), tiny.feeds(proto)
    (hidden,) = answers(extract(model, ["relu0.out"]), feeds)
    part = extract(model, ["y"], given={"relu0.out": hidden.dtype, "fc0.out": hidden.dtype})
    assert [node.name for node in part.nodes] == ["fc1"]
    assert [port.name for port in part.inputs] == ["x", "relu0.out"]
    assert set(part.weights) == {"fc1.weight", "fc1.bias"}
    expected = answers(model, feeds)[0]
    np.testing.assert_array_equal(answers(part, {**feeds, "relu0.out": hidden})[0], expected)


@pytest.mark.parametrize("flag", [True, False])
def test_what_bodies_capture_can_be_given(flag):
    proto = tiny.branchy()
    model, feeds = model_of(proto), {**tiny.feeds(proto), "flag": np.asarray(flag)}
    before = next(node for node in model.nodes if node.name == "proj").outputs[0]
    (made,) = answers(extract(model, [before]), feeds)
    part = extract(model, ["chosen"], given={before: made.dtype})
    assert [node.name for node in part.nodes] == ["choose"]
    expected = answers(extract(model, ["chosen"]), feeds)[0]
    np.testing.assert_array_equal(answers(part, {**feeds, before: made})[0], expected)


def test_the_order_is_as_asked_and_names_count_once():
    part = extract(model_of(tiny.mlp()), ["y", "fc0.out", "y"])
    assert [port.name for port in part.outputs] == ["y", "fc0.out"]


@pytest.mark.parametrize("flag", [True, False])
def test_what_bodies_capture_is_kept(flag):
    proto = tiny.branchy()
    model = model_of(proto)
    part = extract(model, ["chosen"])
    assert set(part.weights) == {"w", "shift"}
    assert [node.name for node in part.nodes] == ["proj", "choose"]
    feeds = {**tiny.feeds(proto), "flag": np.asarray(flag)}
    np.testing.assert_array_equal(np.maximum(answers(part, feeds)[0], 0), answers(model, feeds)[0])


@pytest.mark.parametrize("name", ["x", "w", "body_out", "nothing"])
def test_only_what_nodes_of_the_main_graph_give_can_be_taken(name):
    with pytest.raises(ModelError, match=name):
        extract(model_of(tiny.branchy()), [name])
