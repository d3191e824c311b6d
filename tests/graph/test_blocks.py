"""Blocks are found from shapes alone, and each of them can be taken out."""

import numpy as np
import pytest

from lissom.graph.blocks import blocks
from lissom.graph.cost import macs
from lissom.measure.observe import shapes
from lissom.runtime.target import Target
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import edited, model_of, run
from tests.methods import layers

SQUARE = np.eye(4) + 0.1


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def found_in(model, feeds, store):
    return blocks(model, shapes(model, feeds, Target(), store))


def pairs(model, store, feeds=None):
    feeds = {"x": np.ones((1, 4), np.float32)} if feeds is None else feeds
    return {(one.input, one.output) for one in found_in(model, feeds, store)}


def network(*nodes, size=4, **weights):
    return layers.model(list(nodes), {"w": SQUARE, "v": SQUARE, **weights}, ["batch", size])


def test_a_residual_branch_is_a_block_and_so_is_its_shortcut_if_it_multiplies(store):
    plain = network(("MatMul", "x w", "a"), ("Relu", "a", "b"), ("Add", "x b", "y"))
    (one,) = found_in(plain, {"x": np.ones((3, 4), np.float32)}, store)
    assert (one.input, one.output, one.nodes) == ("x", "y", ("a", "b", "y"))
    assert (one.weighted, one.macs, one.name) == (("a",), 3 * 4 * 4, "a ... y")
    both = network(
        ("MatMul", "x w", "a"), ("Relu", "a", "b"), ("MatMul", "x v", "c"), ("Add", "b c", "y")
    )
    assert pairs(both, store) == {("c", "y"), ("b", "y")}


def test_a_chain_is_a_block_from_one_operator_to_the_next_of_its_kind(store):
    chain = network(
        ("Relu", "x", "r0"),
        ("MatMul", "r0 w", "a"),
        ("Relu", "a", "r1"),
        ("MatMul", "r1 v", "b"),
        ("Relu", "b", "r2"),
    )
    # Each of the two layers, and both; r0 to r1 and r1 to r2 save what a to b saves.
    assert pairs(chain, store) == {("r0", "r1"), ("a", "b"), ("r0", "r2")}


def test_a_gate_is_a_block(store):
    gated = network(("MatMul", "x w", "g"), ("Sigmoid", "g", "s"), ("Mul", "x s", "y"))
    assert pairs(gated, store) == {("x", "y")}


def test_what_is_read_inside_is_no_block(store):
    inner = network(
        ("MatMul", "x w", "a"), ("Relu", "a", "b"), ("Add", "x b", "y"), ("Sub", "y b", "z")
    )
    # The branch is still read by the last node, so only that node could go.
    assert pairs(inner, store) == set()


def test_other_shapes_and_types_are_no_blocks(store):
    wide = network(("MatMul", "x u", "a"), ("Relu", "a", "y"), u=np.ones((4, 5)))
    assert pairs(wide, store) == set()
    recurrent = tiny.recurrent()
    assert found_in(model_of(recurrent), tiny.feeds(recurrent), store) == ()


@pytest.mark.parametrize(("batch", "expected"), [(4, {("x", "y")}), ("batch", set())])
def test_shapes_that_are_equal_by_chance_are_not_taken(batch, expected, store):
    # With a batch of four, x and its square have one shape; with any other batch they have not.
    nodes = [("Transpose", "x", "t", {"perm": [1, 0]}), ("MatMul", "x t", "y")]
    chance = layers.model(nodes, {}, [batch, 4])
    assert pairs(chance, store, {"x": np.ones((4, 4), np.float32)}) == expected


def test_a_transformer_has_branches_layers_and_ways_past_attention(store):
    proto = tiny.transformer()
    feeds = tiny.feeds(proto)
    model = model_of(proto)
    found = {(one.input, one.output): one for one in found_in(model, feeds, store)}
    attention, feed_forward = found["x", "sum1"], found["n1", "sum2"]
    assert {"scores", "mix", "attention/out/MatMul"} <= set(attention.weighted)
    assert feed_forward.weighted == ("ffn/up/MatMul", "ffn/down/MatMul")
    total = sum(macs(model, shapes(model, feeds, Target(), store)).values())
    assert attention.macs + feed_forward.macs == total
    # What attends to nothing but itself: the values go on as they are.
    assert ("v", "mixed") in found


@pytest.mark.parametrize("make", [tiny.transformer, tiny.cnn, tiny.branchy])
def test_every_block_can_leave_and_saves_what_it_says(make, store):
    proto = make()
    model, feeds = model_of(proto), tiny.feeds(proto)
    sizes = shapes(model, feeds, Target(), store)
    before = sum(macs(model, sizes).values())
    for one in blocks(model, sizes):
        after = edited(model, [one.edit], store)
        left = shapes(after, feeds, Target(), store)
        assert before - sum(macs(after, left).values()) == one.macs
        assert set(model.node_names) - set(after.node_names) == set(one.nodes)
        assert run(after, feeds)[0].shape == run(model, feeds)[0].shape
