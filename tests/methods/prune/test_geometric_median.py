"""Geometric median: what lies in the middle leaves, however large it is."""

import numpy as np
import pytest

from lissom.methods.prune.geometric_median import GeometricMedian, _rank
from lissom.store.store import Store
from tests.methods import layers

LINE = np.asarray([[0.0], [1.0], [2.0], [4.0], [10.0]])


def line(shift):
    """Filters on a line; with two inputs, the second is the same for all."""
    first = np.hstack([LINE, np.full((5, 1), shift)])
    return layers.chain((first, np.zeros(5)), (np.ones((2, 5)), np.zeros(2)))


@pytest.mark.parametrize("shift", [0.0, 50.0])
def test_the_order_on_a_line_by_hand(shift, tmp_path):
    model = line(shift)
    found = _rank(layers.view(model, layers.context(model, Store(tmp_path))))
    sums = np.asarray([13.0, 14, 15, 17, 33])  # of the distances from 2, 1, 4, 0 and 10
    assert found.order.tolist() == [2, 1, 3, 0, 4]
    np.testing.assert_allclose(found.costs, np.cumsum(sums / sums.mean())[:-1], rtol=1e-6)


def test_the_smallest_stays_where_magnitude_would_remove_it(tmp_path):
    store = Store(tmp_path)
    method = GeometricMedian(ratio=0.2, grid=1, repair=False)
    model = line(0.0)
    plan = method.plan(model, layers.context(model, store))
    assert layers.left_of(model, plan, store) == [0, 1, 3, 4]


def test_filters_that_are_all_the_same_are_no_failure(tmp_path):
    model = layers.chain((np.ones((3, 2)), np.zeros(3)), (np.ones((2, 3)), np.zeros(2)))
    found = _rank(layers.view(model, layers.context(model, Store(tmp_path))))
    assert sorted(found.order.tolist()) == [0, 1, 2]
    assert found.costs.tolist() == [0, 0]
