"""Blocks of channels that a matrix passes: attention values, products in a row, and no others."""

import numpy as np
import pytest

from lissom.graph.edit import ReplaceWeight
from lissom.graph.expose import expose, intermediate_values
from lissom.graph.scaling.mixing import mixable
from lissom.store.store import Store
from tests import tiny
from tests.graph.channels.nets import NETS, Net
from tests.graph.channels.small import feed_of
from tests.graph.edited import edited, model_of, run


def found_in(proto):
    model = model_of(proto)
    exposed, feed = expose(model, intermediate_values(model)), feed_of(model)
    named = zip((port.name for port in exposed.outputs), run(exposed, feed), strict=True)
    shapes = {name: array.shape for name, array in named}
    return model, *mixable(model, {**shapes, **{name: x.shape for name, x in feed.items()}})


def check_law(proto, folder):
    """Mix every block by a random matrix, and see that nothing changes."""
    model, found, refused = found_in(proto)
    store, rng = Store(folder), np.random.default_rng(0)
    for one in found:
        arrays = {}
        made = np.array(one.maker.canonical(model.weight(one.maker.weight)), np.float64)
        biases = {name: np.array(model.weight(name), np.float64) for name in one.biases}
        read = [(site, np.array(site.canonical(model.weight(site.weight)), np.float64), channels)
                for site, channels in one.readers]  # fmt: skip
        for block in one.blocks:
            size = len(block)
            turn = np.eye(size) + 0.3 * rng.standard_normal((size, size)) / np.sqrt(size)
            back = np.linalg.inv(turn)
            made[block] = turn @ made[block]
            for array in biases.values():
                array[block] = turn @ array[block]
            for _, array, channels in read:
                columns = [int(np.flatnonzero(channels == channel)[0]) for channel in block]
                array[:, columns] = array[:, columns] @ back
        arrays[one.maker.weight] = one.maker.stored(made)
        arrays |= biases
        arrays |= {site.weight: site.stored(array) for site, array, _ in read}
        edits = [
            ReplaceWeight(weight=name, values=store.put_array(np.asarray(array, np.float32)))
            for name, array in arrays.items()
        ]
        feed = feed_of(model)
        before, after = run(model, feed)[0], run(edited(model, edits, store), feed)[0]
        assert np.abs(after - before).max() < 1e-4 * np.abs(before).max()
    return found, refused


@pytest.mark.parametrize("name", NETS)
def test_mixing_changes_nothing(name, tmp_path):
    found, refused = check_law(NETS[name](), tmp_path)
    assert not {one.maker.node for one in found} & set(refused)


def test_the_values_of_each_head_are_a_block(tmp_path):
    found, refused = check_law(tiny.transformer(), tmp_path)
    (one,) = found
    assert one.maker.node == "attention/v/MatMul"
    assert one.blocks.tolist() == [list(range(8)), list(range(8, 16))]
    assert one.biases == ("attention/v.bias",)
    assert [site.node for site, _ in one.readers] == ["attention/out/MatMul"]
    assert "Erf" in refused["ffn/up/MatMul"] or "Div" in refused["ffn/up/MatMul"]


def test_products_in_a_row_are_one_block(tmp_path):
    net = Net()
    x = net.op("MatMul", net.input(["n", 4, 6]), net.constant_t(6, 8))
    x = net.op("Div", x, net.constant(np.float32(2)))
    found, _ = check_law(net.done(net.linear(x, 8, 3), 3), tmp_path)
    (one,) = found
    assert one.blocks.tolist() == [list(range(8))]


def test_several_readers_all_take_their_part(tmp_path):
    net = Net()
    x = net.linear(net.input(["n", 4, 6]), 6, 8)
    found, _ = check_law(
        net.done(net.op("Add", net.linear(x, 8, 3), net.linear(x, 8, 3)), 3), tmp_path
    )
    assert [len(one.readers) for one in found] == [2]


@pytest.mark.parametrize("op_type", ["Relu", "Tanh", "Softmax"])
def test_what_is_not_linear_stops(op_type):
    net = Net()
    x = net.op(op_type, net.linear(net.input(["n", 6]), 6, 8))
    _, found, refused = found_in(net.done(net.linear(x, 8, 3), 2))
    assert found == ()
    assert refused["matmul0"] == f"{op_type} stands between it and what reads it"


def test_a_vector_that_multiplies_stops():
    net = Net()
    x = net.op("Mul", net.linear(net.input(["n", 6]), 6, 8), net.weight(8))
    _, found, refused = found_in(net.done(net.linear(x, 8, 3), 2))
    assert found == ()
    assert "Mul" in refused["matmul0"]
