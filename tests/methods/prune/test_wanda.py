"""Wanda: weights times activations, where magnitude sees weights alone."""

import numpy as np

from lissom.methods.prune.magnitude import Magnitude
from lissom.methods.prune.wanda import Wanda, _rank
from lissom.store.store import Store
from tests.methods import layers

# What is small coming in is large going out, and the other way round.
FIRST = np.diag([0.1, 1.0, 2.0, 3.0])
SECOND = np.asarray([[100.0, 0.01, 3.0, 3.0], [100.0, -0.01, 3.0, -3.0]])
MODEL = layers.chain((FIRST, np.ones(4)), (SECOND, np.zeros(2)))


def test_the_formula_by_hand(tmp_path):
    found = _rank(layers.view(MODEL, layers.context(MODEL, Store(tmp_path))))
    x = np.concatenate([feed["x"] for feed in layers.inputs(MODEL)])
    hidden = np.maximum(x @ FIRST.T + 1, 0)
    scores = np.abs(SECOND).sum(axis=0) * np.sqrt((hidden**2).mean(axis=0))
    order = np.argsort(scores)
    assert found.order.tolist() == order.tolist()
    expected = np.cumsum(scores[order] / scores.mean())[:-1]
    np.testing.assert_allclose(found.costs, expected, rtol=1e-4)


def test_it_removes_what_carries_little_and_magnitude_what_is_small(tmp_path):
    store = Store(tmp_path)
    context = layers.context(MODEL, store)
    how = {"ratio": 0.25, "grid": 1, "repair": False}
    assert layers.left_of(MODEL, Wanda(**how).plan(MODEL, context), store) == [0, 2, 3]
    assert layers.left_of(MODEL, Magnitude(**how).plan(MODEL, context), store) == [1, 2, 3]


def test_a_dead_channel_leaves_first(tmp_path):
    bias = np.asarray([1.0, 1.0, -1000.0, 1.0])
    model = layers.chain((FIRST, bias), (SECOND, np.zeros(2)))
    found = _rank(layers.view(model, layers.context(model, Store(tmp_path))))
    assert found.order[0] == 2
    assert found.costs[0] == 0
