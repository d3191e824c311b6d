"""A layer that does nothing leaves for nothing, and what is lost elsewhere is repaired."""

import numpy as np
import pytest

from lissom.errors import MethodError
from lissom.graph.edit import BypassNodes
from lissom.methods.prune.blocks import Blocks
from lissom.methods.scope import Scope
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import edited, model_of
from tests.methods import lab, layers
from tests.methods.test_bypassing import branches


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def bypasses(plan):
    return [edit.output for edit in plan.edits if isinstance(edit, BypassNodes)]


def test_a_dead_branch_leaves_for_nothing(store):
    model = branches(1.0, 0.0, 1.0)
    plan = Blocks(ratio=0.1).plan(model, layers.context(model, store))
    assert bypasses(plan) == ["y1"]
    after = edited(model, plan.edits, store)
    assert layers.distance(model, after) < 1e-6
    assert "up1.w" not in after.weights
    assert plan.summary.startswith("1 of ")
    assert "up1 ... y1" in plan.summary


def test_repair_makes_good_what_a_block_takes(store):
    model = branches(1.0, 0.3)
    context = layers.context(model, store)
    plain = Blocks(ratio=0.1, repair=False).plan(model, context)
    repaired = Blocks(ratio=0.1).plan(model, context)
    assert bypasses(plain) == bypasses(repaired) == ["y1"]
    assert plain.edit_counts == {"BypassNodes": 1}
    worse, better = (edited(model, plan.edits, store) for plan in (plain, repaired))
    assert layers.distance(model, better) < 0.5 * layers.distance(model, worse)


def test_layers_leave_where_there_is_nothing_beside_them(store):
    # Three layers of one width, the middle one the identity: the blocks are chains.
    rng = np.random.default_rng(0)
    first, last = (np.abs(rng.standard_normal((6, 6))) for _ in range(2))
    pairs = [(weight, np.full(6, 0.1)) for weight in (first, np.eye(6), last)]
    model = layers.chain(*pairs, (rng.standard_normal((2, 6)), np.zeros(2)))
    plan = Blocks(count=1).plan(model, layers.context(model, store))
    after = edited(model, plan.edits, store)
    assert after.parameters == model.parameters - 42
    assert layers.distance(model, after) < 1e-3


def test_most_blocks_is_a_limit(store):
    model = branches(0.1, 0.1, 0.1)
    plan = Blocks(ratio=0.99, count=2).plan(model, layers.context(model, store))
    assert len(bypasses(plan)) == 2


def test_without_blocks_it_says_so(store):
    model = model_of(tiny.mlp())
    plan = Blocks().plan(model, layers.context(model, store))
    assert plan.edits == ()
    assert [(s.target, s.reason) for s in plan.skips] == [
        ("model", "no value could stand in for a later one")
    ]


def test_what_may_not_be_touched_or_saves_nothing_is_named(store):
    model = branches(0.1, 0.1, hidden=2)
    scope = Scope(exclude=("up0", "up1"))
    plan = Blocks().plan(model, layers.context(model, store, scope=scope))
    assert plan.edits == ()
    assert {s.reason for s in plan.skips} == {"excluded by 'up0'", "excluded by 'up1'"}
    nodes = [
        ("MatMul", "x w", "a"),
        ("Add", "x a", "y"),
        ("MatMul", "y wide", "b"),
        ("MatMul", "b deep", "z"),
    ]
    weights = {"w": np.eye(4), "wide": np.ones((4, 400)), "deep": np.ones((400, 3))}
    small = layers.model(nodes, weights, ["batch", 4])
    plan = Blocks().plan(small, layers.context(small, store))
    assert [s.reason for s in plan.skips] == ["it saves less than 1% of the arithmetic"]


def test_a_network_is_no_block_of_itself(store):
    model = layers.model([("MatMul", "x w", "a"), ("Add", "x a", "y")], {"w": np.eye(4)}, [1, 4])
    plan = Blocks().plan(model, layers.context(model, store))
    assert [s.reason for s in plan.skips] == ["it holds more than 50% of the arithmetic"]


def test_what_would_leave_nothing_of_the_answers_stays(store):
    # Each doubles and turns around; nothing behind the second could make it good.
    nodes = [
        ("MatMul", "x w", "a"),
        ("Add", "x a", "y"),
        ("MatMul", "y v", "b"),
        ("Add", "y b", "z"),
    ]
    model = layers.model(nodes, {"w": -3 * np.eye(4), "v": -3 * np.eye(4)}, ["batch", 4])
    plan = Blocks().plan(model, layers.context(model, store))
    assert bypasses(plan) == ["y"]
    scope = Scope(exclude=("a",))
    plan = Blocks().plan(model, layers.context(model, store, scope=scope))
    assert plan.edits == ()
    assert "without any block nothing is left of the answers" in {s.reason for s in plan.skips}


def test_too_few_samples_judge_nothing(store):
    model = branches(0.1, 0.1)
    context = lab.context(model, store, layers.inputs(model, count=4))
    plan = Blocks().plan(model, context)
    assert plan.edits == ()
    (skip,) = plan.skips
    assert skip.reason == "fewer than 5 samples: none can be held out to judge blocks by"


def test_no_samples_no_blocks(store):
    model = branches(0.1)
    shapes = layers.context(model, store).shapes
    with pytest.raises(MethodError, match="samples are needed"):
        Blocks().plan(model, lab.context(model, store, shapes=shapes))
