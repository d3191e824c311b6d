"""How much leaves where, by hand: two groups whose widths multiply, and times with steps."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lissom.graph.channels.groups import ChannelGroup, Member
from lissom.methods.allocation import Share, allocate, left_of, multiples, step_of, uniform


def group(name, units, each=1):
    """A group of units of so many channels."""
    indices = tuple(tuple(range(unit * each, unit * each + each)) for unit in range(units))
    members = (Member(weight=f"{name}.w", axis=0, indices=indices),)
    return ChannelGroup(
        name=name, roots=tuple(range(units)), members=members, readers=(), inexact=""
    )


def share(whole, *axes):
    """An operator that takes less in proportion to what is left of its axes."""
    return Share(cost=lambda left: whole * np.prod(left), axes=axes)


A, B = (("a", 0.25),), (("b", 0.25),)
# Three layers of 16 between the input, a, b and the output.
WORK = [share(16.0, A, ()), share(16.0, B, A), share(16.0, (), B)]
COSTS = {"a": np.asarray([1.0, 2.0, 3.0]), "b": np.asarray([10.0, 20.0, 30.0])}
EACH = {"a": [1, 2, 3], "b": [1, 2, 3]}


def test_the_work_between_two_groups_is_a_product():
    assert left_of(WORK, {}) == 48
    assert left_of(WORK, {"a": 2}) == 8 + 8 + 16
    assert left_of(WORK, {"a": 2, "b": 1}) == 8 + 16 * 0.5 * 0.75 + 12


def test_two_groups_on_one_axis_add_up():
    one = share(8.0, (("a", 0.125), ("b", 0.125)), ())
    assert left_of([one], {"a": 1, "b": 2}) == 5
    assert one.groups == {"a", "b"}


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
    assert allocate(COSTS, WORK, EACH, ratio=ratio) == expected


def test_a_group_that_costs_little_more_but_saves_much_more_leaves_first():
    heavy = [*WORK, share(1600.0, B)]
    assert allocate(COSTS, heavy, EACH, ratio=0.2) == {"a": 0, "b": 1}


def test_costs_that_fall_by_chance_are_free_not_a_gain():
    odd = {"a": np.asarray([5.0, 1.0, 9.0]), "b": np.asarray([5.0, 10.0, 15.0])}
    found = allocate(odd, WORK, EACH, ratio=0.3)
    assert left_of(WORK, found) <= 0.7 * 48
    assert found["a"] >= 2


def blocks(whole, size, axis):
    """An operator that computes so many units at once."""
    return Share(cost=lambda left: whole * np.ceil(4 * left[0] / size) * size / 4, axes=(axis,))


def test_a_step_that_saves_nothing_is_crossed_when_the_next_one_does():
    # One unit less of a is as slow as before, two less take half: b is dearer than both.
    work = [blocks(16.0, 2, A), share(4.0, B)]
    assert allocate(COSTS, work, EACH, ratio=0.3) == {"a": 2, "b": 0}
    assert allocate(COSTS, work, EACH, ratio=0.42) == {"a": 2, "b": 1}


def test_a_width_that_is_no_faster_than_a_wider_one_is_never_taken():
    # Three less are slower than two less.
    slow = Share(cost=lambda left: {4: 16, 3: 12, 2: 8, 1: 10}[round(4 * left[0])], axes=(A,))
    assert allocate(COSTS, [slow], {"a": [1, 2, 3]}, ratio=0.99) == {"a": 2}


def test_what_the_goal_does_not_need_is_given_back():
    # The best step saves 12 for an error of 3; only then b gives 10, which is enough alone.
    costs = {"a": np.asarray([9.0, 9.0, 3.0]), "b": np.asarray([100.0, 100.0, 4.5])}
    work = [share(16.0, A), share(16.0, B)]
    found = allocate(costs, work, {"a": [3], "b": [3]}, ratio=0.3)
    assert found == {"a": 3, "b": 0}
    steep = {"a": np.asarray([1.0, 2.0, 30.0]), "b": np.asarray([31.0, 32.0, 33.0])}
    found = allocate(steep, [share(64.0, A), share(4.0, B)], EACH, ratio=0.2)
    assert found == {"a": 1, "b": 0}


@given(st.data())
def test_the_goal_is_reached_and_nothing_can_be_given_back(data):
    units = 4
    numbers = st.floats(0.1, 10)
    errors = st.lists(numbers, min_size=units - 1, max_size=units - 1)
    costs = {name: np.cumsum(data.draw(errors)) for name in "ab"}
    times = data.draw(st.lists(numbers, min_size=units, max_size=units))
    own = Share(cost=lambda left: times[round(units * left[0]) - 1], axes=(A,))
    work = [own, share(8.0, B, A)]
    ratio = data.draw(st.floats(0.05, 0.9))
    found = allocate(costs, work, EACH, ratio=ratio)
    goal = (1 - ratio) * left_of(work, {})
    every = [
        dict(zip("ab", counts, strict=True)) for counts in itertools.product(range(4), repeat=2)
    ]
    if left_of(work, found) > goal + 1e-9:  # then no group could go further alone
        assert all(
            left_of(work, {**found, name: count}) >= left_of(work, found) - 1e-6
            for name in "ab"
            for count in range(found[name] + 1, 4)
        )
    reached = max(goal, left_of(work, found))
    for one in every:
        if sum(one[name] != found[name] for name in "ab") == 1 and all(
            one[name] <= found[name] for name in "ab"
        ):
            assert left_of(work, one) > reached - 1e-9


@pytest.mark.parametrize("ratio", [0.1, 0.4, 0.7, 0.85])
def test_the_goal_is_reached_on_the_grid(ratio):
    wide = [group("a", 64), group("b", 40)]
    costs = {"a": np.linspace(0.1, 5, 63), "b": np.linspace(0.1, 9, 39) ** 2}
    a, b = (("a", 1 / 64),), (("b", 1 / 40),)
    work = [share(640.0, a, ()), share(2560.0, b, a)]
    found = allocate(costs, work, {one.name: multiples(one, 16) for one in wide}, ratio=ratio)
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


def test_multiples_leave_at_least_a_step():
    assert multiples(group("a", 64), 16) == [16, 32, 48]
    assert multiples(group("a", 40), 16) == [8, 24]
    assert multiples(group("a", 1), 16) == []
    assert multiples(group("a", 4), 1) == [1, 2, 3]
