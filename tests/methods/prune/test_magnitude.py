"""Magnitude: L1 and L2 disagree as they must, and nothing but weights is looked at."""

import numpy as np
import pytest

from lissom.errors import RecipeError
from lissom.methods import registry
from lissom.methods.prune.magnitude import Magnitude
from lissom.store.store import Store
from tests.methods import lab, layers

FIRST = np.asarray([[3.0, 0, 0, 0], [1, 1, 1, 1], [4, 4, 0, 0], [0, 5, 5, 5]])
MODEL = layers.chain((FIRST, np.zeros(4)), (np.ones((2, 4)), np.zeros(2)))


def left(model, store, **how):
    plan = Magnitude(repair=False, grid=1, **how).plan(model, layers.context(model, store))
    return layers.left_of(model, plan, store)


def test_l1_and_l2_by_hand(tmp_path):
    store = Store(tmp_path)
    assert left(MODEL, store, ratio=0.25, norm="l1") == [1, 2, 3]  # 3 4 8 15
    assert left(MODEL, store, ratio=0.25, norm="l2") == [0, 2, 3]  # 3 2 5.7 8.7
    assert left(MODEL, store, ratio=0.5) == [2, 3]


def test_a_large_constant_does_not_save_a_channel(tmp_path):
    first = FIRST.copy()
    first[2] = 0
    model = layers.chain((first, np.asarray([0, 0, 100.0, 0])), (np.ones((2, 4)), np.zeros(2)))
    assert left(model, Store(tmp_path), ratio=0.25) == [0, 1, 3]


def test_every_weight_that_makes_a_unit_counts_the_same(tmp_path):
    # Two layers of very different size are added: the order is that of the sum of shares.
    one, other = np.diag([1.0, 2, 3]), 100 * np.diag([3.0, 1, 1])
    model = layers.model(
        [
            ("Gemm", "x v", "a"), ("Gemm", "x w", "b"), ("Add", "a b", "s"),
            ("Gemm", "s u", "y"),
        ],
        {"v": one, "w": other, "u": np.ones((3, 2))},
        ["n", 3],
    )  # fmt: skip
    store = Store(tmp_path)
    context = layers.context(model, store)
    name = layers.found_in(model, context).groups[0].name
    ranking = Magnitude()._rank(layers.view(model, context, group=name))
    # 0.5 + 1.8, 1 + 0.6, 1.5 + 0.6
    assert ranking.order.tolist() == [1, 2, 0]
    np.testing.assert_allclose(ranking.costs, [1.6, 1.6 + 2.1])


def test_weights_of_zero_leave_first_and_do_not_fail(tmp_path):
    model = layers.chain((np.zeros((4, 4)), np.zeros(4)), (np.ones((2, 4)), np.zeros(2)))
    assert left(model, Store(tmp_path), ratio=0.5) == [0, 0]


def test_no_samples_are_needed_without_repair(tmp_path):
    store = Store(tmp_path)
    shapes = layers.context(MODEL, store).shapes
    plan = Magnitude(repair=False).plan(MODEL, lab.context(MODEL, store, shapes=shapes))
    assert plan.edits


def test_another_norm_is_refused():
    with pytest.raises(RecipeError, match="norm is 'l3'; allowed: one of l1, l2"):
        registry.create("prune.magnitude", {"norm": "l3"})
