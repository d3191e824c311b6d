"""LAMP: the formula by hand, and layers that are narrow keep more."""

import numpy as np

from lissom.methods.prune.lamp import Lamp, _rank
from lissom.store.store import Store
from tests.methods import layers


def test_a_square_over_the_sum_of_those_that_are_not_smaller(tmp_path):
    first = np.diag([3.0, 1.0, 2.0, 0.0])
    model = layers.chain((first, np.zeros(4)), (np.ones((2, 4)), np.zeros(2)))
    context = layers.context(model, Store(tmp_path))
    found = _rank(layers.view(model, context))
    assert found.order.tolist() == [3, 1, 2, 0]
    np.testing.assert_allclose(found.costs, np.cumsum([0, 1 / 14, 4 / 13]))


def test_the_scale_of_a_layer_does_not_matter(tmp_path):
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((6, 4)), rng.standard_normal((2, 6))
    store = Store(tmp_path)
    costs = []
    for scale in (1.0, 100.0):
        model = layers.chain((scale * first, np.zeros(6)), (second, np.zeros(2)))
        costs.append(_rank(layers.view(model, layers.context(model, store))).costs)
    np.testing.assert_allclose(costs[0], costs[1], rtol=1e-5)


def test_all_zero_is_no_failure(tmp_path):
    model = layers.chain((np.zeros((4, 4)), np.zeros(4)), (np.ones((2, 4)), np.zeros(2)))
    context = layers.context(model, Store(tmp_path))
    assert _rank(layers.view(model, context)).costs.tolist() == [0, 0, 0]


def test_what_even_layers_lose_is_less_than_what_skewed_ones_lose(tmp_path):
    # In the first layer all channels are alike; in the second half of them are nearly nothing.
    even, skewed = np.eye(8), np.diag([0.01] * 4 + [1.0] * 4)
    model = layers.chain((even, np.zeros(8)), (skewed, np.zeros(8)), (np.ones((2, 8)), np.zeros(2)))
    store = Store(tmp_path)
    plan = Lamp(ratio=0.25, grid=1, repair=False).plan(model, layers.context(model, store))
    assert len(layers.left_of(model, plan, store)) == 8
    cut = {one.weight: one.removed for one in plan.edits[0].cuts}
    assert set(cut) == {"fc1.w", "fc1.b", "fc2.w"}
