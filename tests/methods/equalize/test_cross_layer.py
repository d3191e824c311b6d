"""Cross-layer equalization: by hand, the paper's claim, and the same function throughout."""

import numpy as np
import pytest

from lissom.errors import MethodError
from lissom.methods.equalize.cross_layer import CrossLayer
from lissom.methods.quantize.static import Static
from lissom.methods.scope import Scope
from lissom.store.store import Store
from tests.graph.channels.nets import NETS
from tests.graph.channels.small import feed_of
from tests.graph.edited import edited, model_of, run
from tests.methods import lab, layers

TWO = layers.chain(
    (np.asarray([[16.0, -8.0], [1.0, 0.5]]), np.asarray([2.0, 1.0])),
    (np.asarray([[1.0, 4.0]]), np.asarray([0.5])),
)


def equalized(model, store, feeds=None, **how):
    context = lab.context(model, store, feeds or [feed_of(model)])
    plan = CrossLayer(**how).plan(model, context)
    return edited(model, plan.edits, store), plan


def test_by_hand(tmp_path):
    made, plan = equalized(TWO, Store(tmp_path))
    # The first channel has ranges 16 and 1, then 4 and 4; the second 1 and 4, then 2 and 2.
    np.testing.assert_allclose(made.weight("fc0.w"), [[4.0, -2.0], [2.0, 1.0]], rtol=1e-6)
    np.testing.assert_allclose(made.weight("fc0.b"), [0.5, 2.0], rtol=1e-6)
    np.testing.assert_allclose(made.weight("fc1.w"), [[4.0, 2.0]], rtol=1e-6)
    np.testing.assert_array_equal(made.weight("fc1.b"), TWO.weight("fc1.b"))
    assert plan.summary.startswith("2 channels in 1 groups")


@pytest.mark.parametrize("name", NETS)
def test_the_function_stays(name, tmp_path):
    model = model_of(NETS[name]())
    feed = feed_of(model)
    made, plan = equalized(model, Store(tmp_path), [feed])
    for before, after in zip(run(model, feed), run(made, feed), strict=True):
        assert np.abs(after - before).max() <= 1e-4 * (np.abs(before).max() or 1.0)
    assert plan.edits or plan.skips


def test_depthwise_chains_are_balanced_together(tmp_path):
    rng = np.random.default_rng(0)
    weights = {
        "a": rng.standard_normal((6, 3, 1, 1)) * np.geomspace(0.01, 10, 6).reshape(6, 1, 1, 1),
        "d": rng.standard_normal((6, 1, 3, 3)),
        "b": rng.standard_normal((4, 6, 1, 1)),
    }
    model = layers.model(
        [("Conv", "x a", "first"), ("Relu", "first", "r1"),
         ("Conv", "r1 d", "deep", {"group": 6}), ("Relu", "deep", "r2"),
         ("Conv", "r2 b", "last")], weights, ["n", 3, 6, 6])  # fmt: skip
    made, plan = equalized(model, Store(tmp_path))
    assert "12 channels in 2 groups" in plan.summary
    a, d, b = (np.abs(made.weight(name)) for name in "adb")
    sides = [a.max((1, 2, 3)), d.max((1, 2, 3)), b.max((0, 2, 3))]
    np.testing.assert_allclose(sides[0], sides[1], rtol=5e-3)
    np.testing.assert_allclose(sides[1], sides[2], rtol=5e-3)


def test_the_papers_claim_one_scale_for_a_tensor_is_enough_afterwards(tmp_path):
    rng = np.random.default_rng(1)
    # Channels whose ranges differ by 1000, as batch normalization leaves them.
    spread = np.geomspace(0.03, 30, 16)[:, None]
    first = rng.standard_normal((16, 8)) * spread
    second = rng.standard_normal((4, 16)) / spread.T
    model = layers.chain((first, rng.standard_normal(16) * spread[:, 0]), (second, np.zeros(4)))
    store, feeds = Store(tmp_path), layers.inputs(model, count=50)
    made, _ = equalized(model, store, feeds)
    lost = []
    for each in (model, made):
        plan = Static(granularity="tensor").plan(each, lab.context(each, store, feeds))
        lost.append(layers.distance(model, edited(each, plan.edits, store)))
    assert lost[1] < lost[0] / 10


def clipped(*, bound=6.0, scale=1.0):
    """Two convolutions whose channels differ, and a Relu between them that is clipped."""
    rng = np.random.default_rng(2)
    spread = np.geomspace(0.05, 1, 8)[:, None, None, None]
    weights = {
        "a": scale * rng.standard_normal((8, 3, 1, 1)) * spread,
        "b": rng.standard_normal((4, 8, 1, 1)) / spread.reshape(1, 8, 1, 1),
        "low": np.asarray(0.0), "high": np.asarray(bound),
    }  # fmt: skip
    nodes = [("Conv", "x a", "first"), ("Clip", "first low high", "c"), ("Conv", "c b", "last")]
    return layers.model(nodes, weights, ["n", 3, 6, 6])


def test_a_clip_at_six_stays_unless_it_is_asked_for(tmp_path):
    model = clipped()
    made, plan = equalized(model, Store(tmp_path))
    assert made is model
    assert any("clips at a number" in skip.reason for skip in plan.skips)


def test_a_bound_that_is_never_reached_is_dropped_for_nothing(tmp_path):
    model, store = clipped(bound=20.0), Store(tmp_path)
    feeds = layers.inputs(model)
    made, plan = equalized(model, store, feeds, relu6="relu")
    assert made.op_counts == {"Conv": 2, "Relu": 1}
    assert "1 bounds of Relu dropped" in plan.summary
    assert layers.distance(model, made) < 1e-10
    lost = []
    for each in (model, made):
        static = Static(granularity="tensor").plan(each, lab.context(each, store, feeds))
        lost.append(layers.distance(model, edited(each, static.edits, store)))
    assert lost[1] < lost[0] / 3


def test_a_bound_that_is_reached_changes_the_function(tmp_path):
    model = clipped(scale=10.0)
    assert layers.distance(model, equalized(model, Store(tmp_path), relu6="relu")[0]) > 0.01


@pytest.mark.parametrize("how", [{"exclude": ("c",)}, {"exclude": ("last",)}])
def test_a_bound_stays_where_nothing_is_gained(how, tmp_path):
    model = clipped()
    context = lab.context(model, Store(tmp_path), [feed_of(model)], scope=Scope(**how))
    assert CrossLayer(relu6="relu").plan(model, context).edits == ()


@pytest.mark.parametrize("bound", [0.0, -1.0])
def test_what_is_no_relu_stays(bound, tmp_path):
    model = clipped(bound=bound)
    assert equalized(model, Store(tmp_path), relu6="relu")[0] is model


def test_channels_of_zeros_and_what_lies_outside_stay(tmp_path):
    model = layers.chain((np.zeros((3, 2)), np.ones(3)), (np.ones((2, 3)), np.zeros(2)))
    made, plan = equalized(model, Store(tmp_path))
    assert plan.edits == ()
    assert made is model


def test_the_number_of_sweeps_is_kept(tmp_path):
    assert "in 1 sweeps" in equalized(TWO, Store(tmp_path), sweeps=1)[1].summary


def test_it_must_be_run_once(tmp_path):
    with pytest.raises(MethodError, match="shapes"):
        CrossLayer().plan(TWO, lab.context(TWO, Store(tmp_path)))
