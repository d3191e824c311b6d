"""Magnitude: L1 and L2 disagree as they must, and nothing but weights is looked at."""

import numpy as np
import pytest

from lissom.errors import MethodError, RecipeError
from lissom.methods import registry
from lissom.methods.prune.magnitude import Magnitude
from lissom.store.store import Store
from tests.graph.edited import edited
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


def test_a_threshold_is_a_norm_per_weight_by_hand(tmp_path):
    store = Store(tmp_path)
    # Mean absolute values 0.75 1 2 3.75; root mean squares 1.5 1 2.83 4.33.
    assert left(MODEL, store, threshold=0.76) == [1, 2, 3]
    assert left(MODEL, store, threshold=1.0) == [1, 2, 3]  # not under it
    assert left(MODEL, store, threshold=2.1) == [3]
    assert left(MODEL, store, threshold=1.1, norm="l2") == [0, 2, 3]


def test_a_threshold_means_the_same_in_layers_of_any_width(tmp_path):
    # All weights of both layers are alike in size; the second layer reads 16 times as much.
    rng = np.random.default_rng(0)
    first, second = rng.choice([-1.0, 1.0], (64, 4)), rng.choice([-1.0, 1.0], (8, 64))
    first[:3], second[:2] = 0.1 * first[:3], 0.1 * second[:2]
    model = layers.chain((first, None), (second, None), (np.ones((2, 8)), None))
    for norm in ("l1", "l2"):
        plan = Magnitude(threshold=0.5, norm=norm, repair=False).plan(
            model, layers.context(model, Store(tmp_path))
        )
        assert plan.summary == "5 of 72 units removed, in 2 of 2 channel groups: those under 0.5"


def test_under_a_threshold_all_operators_that_make_a_unit_count_together(tmp_path):
    # The second unit is small in one of two layers that are added, the third in both.
    one, other = np.asarray([[1.0, 1], [0, 0], [0, 0.2]]), np.asarray([[1.0, 1], [1, 1], [0.2, 0]])
    model = layers.model(
        [
            ("Gemm", "x v", "a"), ("Gemm", "x w", "b"), ("Add", "a b", "s"),
            ("Gemm", "s u", "y"),
        ],
        {"v": one.T, "w": other.T, "u": np.ones((3, 2))},
        ["n", 2],
    )  # fmt: skip
    store = Store(tmp_path)
    context = layers.context(model, store)
    for threshold, width in ((0.05, 3), (0.11, 2), (0.49, 2), (0.51, 1)):
        plan = Magnitude(threshold=threshold, repair=False).plan(model, context)
        assert edited(model, plan.edits, store).weight("v").shape == (2, width)


def test_no_unit_under_a_threshold_is_nothing_to_prune_with_the_reason(tmp_path):
    context = layers.context(MODEL, Store(tmp_path))
    plan = Magnitude(threshold=0.5).plan(MODEL, context)
    assert (plan.edits, plan.summary) == ((), "no unit is under 0.5")
    assert [(skip.target, skip.reason) for skip in plan.skips] == [
        ("fc0", "its smallest unit has 0.75, not under 0.5")
    ]


def test_of_units_that_are_all_under_a_threshold_the_largest_stays(tmp_path):
    store = Store(tmp_path)
    assert left(MODEL, store, threshold=100.0) == [3]
    plan = Magnitude(threshold=100.0, repair=False).plan(MODEL, layers.context(MODEL, store))
    assert [skip.reason for skip in plan.skips] == ["all under 100; one must stay"]


def test_what_was_under_a_threshold_is_repaired(tmp_path):
    store, model = Store(tmp_path), layers.redundant()
    context = layers.context(model, store)
    plans = [
        Magnitude(threshold=0.2, repair=repair).plan(model, context) for repair in (False, True)
    ]
    assert plans[0].edits[0] == plans[1].edits[0]
    cut, mended = (layers.distance(model, edited(model, one.edits, store)) for one in plans)
    assert 0 < mended < 0.1 * cut


def test_a_ratio_and_a_threshold_are_refused():
    with pytest.raises(
        RecipeError, match=r"^prune\.magnitude: give a ratio or a threshold, not both"
    ):
        registry.create("prune.magnitude", {"ratio": 0.5, "threshold": 0.1})


def test_a_threshold_without_samples_asks_for_them_or_for_no_repair(tmp_path):
    store = Store(tmp_path)
    bare = lab.context(MODEL, store, shapes=layers.context(MODEL, store).shapes)
    with pytest.raises(MethodError, match="samples are needed"):
        Magnitude(threshold=1.1).plan(MODEL, bare)
    assert Magnitude(threshold=1.1, repair=False).plan(MODEL, bare).edits


def test_no_samples_are_needed_without_repair(tmp_path):
    store = Store(tmp_path)
    shapes = layers.context(MODEL, store).shapes
    plan = Magnitude(repair=False).plan(MODEL, lab.context(MODEL, store, shapes=shapes))
    assert plan.edits


def test_another_norm_is_refused():
    with pytest.raises(RecipeError, match="norm is 'l3'; allowed: one of l1, l2"):
        registry.create("prune.magnitude", {"norm": "l3"})
