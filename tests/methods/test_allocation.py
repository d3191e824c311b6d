"""How much leaves where, by hand: two groups whose widths multiply."""

import numpy as np
import pytest

from lissom.graph.channels.groups import ChannelGroup, Member
from lissom.graph.cost import macs
from lissom.methods.allocation import Share, allocate, left_of, shares, step_of, uniform
from lissom.store.store import Store
from tests.methods import layers


def group(name, units, each=1):
    """A group of units of so many channels."""
    indices = tuple(tuple(range(unit * each, unit * each + each)) for unit in range(units))
    members = (Member(weight=f"{name}.w", axis=0, indices=indices),)
    return ChannelGroup(
        name=name, roots=tuple(range(units)), members=members, readers=(), inexact=""
    )


A, B = group("a", 4), group("b", 4)
# Three layers of 16 between the input, a, b and the output.
WORK = [
    Share(work=16.0, axes=((("a", 0.25),), ())),
    Share(work=16.0, axes=((("b", 0.25),), (("a", 0.25),))),
    Share(work=16.0, axes=((), (("b", 0.25),))),
]
COSTS = {"a": np.asarray([1.0, 2.0, 3.0]), "b": np.asarray([10.0, 20.0, 30.0])}


def test_the_work_between_two_groups_is_a_product():
    assert left_of(WORK, {}) == 48
    assert left_of(WORK, {"a": 2}) == 8 + 8 + 16
    assert left_of(WORK, {"a": 2, "b": 1}) == 8 + 16 * 0.5 * 0.75 + 12


def test_two_groups_on_one_axis_add_up():
    share = Share(work=8.0, axes=((("a", 0.125), ("b", 0.125)), ()))
    assert left_of([share], {"a": 1, "b": 2}) == 5


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        (0.1, {"a": 1, "b": 0}),
        (0.5, {"a": 3, "b": 0}),  # 4 + 4 + 16 = 24 of 48
        (0.6, {"a": 3, "b": 1}),  # 4 + 3 + 12 = 19
        (0.99, {"a": 3, "b": 3}),  # one of each stays, and that is the end
    ],
)
def test_what_costs_least_for_what_it_saves_leaves_first(ratio, expected):
    assert allocate([A, B], COSTS, WORK, ratio=ratio, grid=1) == expected


def test_a_group_that_costs_little_more_but_saves_much_more_leaves_first():
    heavy = [*WORK, Share(work=1600.0, axes=((("b", 0.25),), ()))]
    assert allocate([A, B], COSTS, heavy, ratio=0.2, grid=1) == {"a": 0, "b": 1}


def test_costs_that_fall_by_chance_are_free_not_a_gain():
    odd = {"a": np.asarray([5.0, 1.0, 9.0]), "b": np.asarray([5.0, 10.0, 15.0])}
    found = allocate([A, B], odd, WORK, ratio=0.3, grid=1)
    assert left_of(WORK, found) <= 0.7 * 48
    assert found["a"] >= 2


@pytest.mark.parametrize("ratio", [0.1, 0.4, 0.7, 0.85])
def test_the_goal_is_reached_on_the_grid(ratio):
    wide = [group("a", 64), group("b", 40)]
    costs = {"a": np.linspace(0.1, 5, 63), "b": np.linspace(0.1, 9, 39) ** 2}
    work = [
        Share(work=640.0, axes=((("a", 1 / 64),), ())),
        Share(work=2560.0, axes=((("b", 1 / 40),), (("a", 1 / 64),))),
    ]
    found = allocate(wide, costs, work, ratio=ratio, grid=16)
    assert left_of(work, found) <= (1 - ratio) * 3200
    assert all((one.units - found[one.name]) % 16 == 0 for one in wide if found[one.name])
    assert all(found[one.name] < one.units for one in wide)


def test_uniform_takes_the_same_share_to_the_grid():
    groups = [group("a", 64), group("b", 48), group("c", 6), group("d", 20)]
    assert uniform(groups, 0.5, 16) == {"a": 32, "b": 16, "c": 2, "d": 12}
    assert uniform(groups, 0.5, 1) == {"a": 32, "b": 24, "c": 3, "d": 10}
    assert uniform(groups, 0.01, 16) == dict.fromkeys("abc", 0) | {"d": 4}
    assert all(uniform(groups, 0.99, 16)[one.name] < one.units for one in groups)


@pytest.mark.parametrize(
    ("units", "each", "grid", "step"),
    [
        (64, 1, 16, 16),
        (32, 1, 16, 16),
        (20, 1, 16, 8),
        (3, 1, 16, 1),
        (12, 64, 16, 1),  # heads of 64 channels leave one by one
        (12, 4, 16, 4),
        (12, 3, 16, 5),
        (64, 1, 1, 1),
    ],
)
def test_steps_count_units_of_several_channels(units, each, grid, step):
    assert step_of(group("a", units, each), grid) == step


def test_shares_of_a_model(tmp_path):
    rng = np.random.default_rng(0)
    sizes = [(4, 6), (3, 4), (2, 3)]
    model = layers.chain(*[(rng.standard_normal(size), np.zeros(size[0])) for size in sizes])
    context = layers.context(model, Store(tmp_path))
    found = layers.found_in(model, context)
    counted = macs(model, found.walk.shapes)
    work = shares(model, found.groups, counted)
    # Small products are bound by reading 4-byte weights: 3 operations a byte.
    assert [one.work for one in work] == [6 * 4 * 12, 4 * 3 * 12, 3 * 2 * 12]
    assert work[1].axes == ((("fc1", 1 / 3),), (("fc0", 1 / 4),))
    assert left_of(work, {"fc0": 2, "fc1": 1}) == pytest.approx(12 * (6 * 2 + 2 * 2 + 2 * 2))
    many = shares(model, found.groups, {**counted, "fc0": 10**6})
    assert many[0].work == 10**6
