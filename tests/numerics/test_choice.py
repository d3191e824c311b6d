"""The choice of options is the cheapest that the limit allows: against trying everything."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lissom.numerics.choice import cheapest


def brute(costs, harms, most):
    best, found = np.inf, None
    for options in product(*(range(costs.shape[1]) for _ in costs)):
        picked = tuple(np.arange(len(costs))), options
        if harms[picked].sum() <= most + 1e-9 and costs[picked].sum() < best:
            best, found = costs[picked].sum(), options
    return best, found


def test_an_example_by_hand():
    # the second unit saves 5 for a harm of 1, the first only 4 for the same
    costs = np.array([[10.0, 6.0], [10.0, 5.0]])
    harms = np.array([[0.0, 1.0], [0.0, 1.0]])
    assert cheapest(costs, harms, 1.0).tolist() == [0, 1]
    assert cheapest(costs, harms, 2.0).tolist() == [1, 1]
    assert cheapest(costs, harms, 0.5).tolist() == [0, 0]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 3), st.floats(0.0, 1.2))
def test_it_is_as_cheap_as_trying_everything(seed, units, options, share):
    rng = np.random.default_rng(seed)
    costs, harms = rng.integers(1, 50, (units, options)), rng.integers(0, 50, (units, options))
    most = float(int(share * harms.max(axis=1).sum()))
    best, found = brute(costs, harms, most)
    chosen = cheapest(costs, harms, most)
    if found is None:
        assert chosen is None
        return
    picked = np.arange(units), chosen
    assert harms[picked].sum() <= most + 1e-6
    assert costs[picked].sum() == pytest.approx(best, rel=1e-3)


def test_what_a_unit_does_not_have_is_not_chosen():
    costs = np.array([[1.0, np.inf], [5.0, 1.0]])
    harms = np.array([[0.0, 0.0], [0.0, 3.0]])
    assert cheapest(costs, harms, 9.0).tolist() == [0, 1]
    assert cheapest(costs, harms, 1.0).tolist() == [0, 0]


def test_nothing_within_the_limit_is_none():
    assert cheapest(np.ones((2, 1)), np.ones((2, 1)), 1.0) is None


def test_no_units_need_no_choice():
    assert cheapest(np.zeros((0, 2)), np.zeros((0, 2)), 0.0).size == 0


@pytest.mark.parametrize(
    ("costs", "harms"),
    [
        (np.ones((2, 2)), np.ones((2, 1))),
        (np.full((1, 1), np.inf), np.zeros((1, 1))),
        (np.ones((1, 1)), np.full((1, 1), -1.0)),
    ],
)
def test_what_makes_no_sense_is_refused(costs, harms):
    with pytest.raises(ValueError):
        cheapest(costs, harms, 1.0)
