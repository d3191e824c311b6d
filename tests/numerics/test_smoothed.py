"""Moving averages of the ends of runs: by hand, and what they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lissom.numerics.smoothed import KEPT, Smoothed

runs = st.lists(
    hnp.arrays(np.float32, st.integers(1, 5), elements=st.floats(-1e6, 1e6, width=32)),
    min_size=1,
    max_size=6,
)


def of(arrays):
    found = Smoothed()
    for array in arrays:
        found = found.added(np.asarray(array, np.float32))
    return found


def test_by_hand():
    # One run is itself; two are weighted 0.99 to 1.
    assert of([[-1.0, 3.0]]).range.high == pytest.approx(3.0)
    found = of([[-1.0, 3.0], [-2.0, 7.0]]).range
    assert found.high == pytest.approx((0.99 * 3 + 7) / 1.99)
    assert found.low == pytest.approx((0.99 * -1 - 2) / 1.99)


def test_one_outlier_among_many_runs_moves_little():
    usual = [[-1.0, 1.0]] * 300
    found = of([*usual, [-1.0, 101.0], *usual]).range
    assert 1.0 < found.high < 1.0 + 100 * (1 - KEPT)


@given(runs)
def test_the_range_lies_within_what_was_seen_and_holds_zero(arrays):
    found = of(arrays).range
    every = np.concatenate(arrays).astype(float)
    slack = 1e-9 * (1 + np.abs(every).max())
    assert min(0.0, every.min()) - slack <= found.low <= 0.0
    assert 0.0 <= found.high <= max(0.0, every.max()) + slack


def test_what_is_no_number_is_left_out_and_nothing_has_no_range():
    one = of([[1.0, 2.0]])
    assert one.added(np.array([np.nan, 1.0])) == one.added(np.zeros(0)) == one
    assert one.added(np.array([np.inf])) == one
    with pytest.raises(ValueError, match="no runs"):
        _ = Smoothed().range


def test_it_comes_back_from_its_array():
    one = of([[1.0, 2.0], [-3.0, 0.5]])
    assert Smoothed.from_array(one.to_array()) == one
