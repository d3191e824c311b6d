"""Factors for channels: by hand, the papers' claims, degenerate input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lissom.numerics.equalization import balance, migrate, output_error

ranges = hnp.arrays(np.float64, 5, elements=st.floats(1e-3, 1e3))


def test_balance_by_hand():
    # 16 made and 1 read become 4 and 4.
    assert balance([np.asarray([16.0])], [np.asarray([1.0])]).tolist() == pytest.approx([0.25])
    # Two readers of ranges 1 and 4 count as one of 2.
    both = balance([np.asarray([8.0])], [np.asarray([1.0]), np.asarray([4.0])])
    assert both.tolist() == pytest.approx([0.5])


@given(ranges, ranges)
def test_after_balancing_both_sides_are_the_same(made, read):
    factors = balance([made], [read])
    np.testing.assert_allclose(made * factors, read / factors, rtol=1e-9)


@given(ranges, ranges, st.floats(1.0, 10.0))
def test_the_limit_holds(made, read, limit):
    factors = balance([made], [read], limit)
    assert np.all((factors <= limit * 1.0001) & (factors >= 0.9999 / limit))


def test_channels_of_zeros_stay():
    found = balance([np.asarray([0.0, 4.0, np.inf])], [np.asarray([1.0, 0.0, 1.0])])
    assert found.tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(ValueError, match="made and read"):
        balance([], [np.ones(3)])


def test_migrate_by_hand():
    seen, read = np.asarray([100.0, 1.0]), np.asarray([1.0, 1.0])
    # All of the range: both channels are then equally large, their product as before.
    assert migrate(seen, read, 1.0).tolist() == pytest.approx([0.1, 10.0])
    # Half of it.
    assert migrate(seen, read, 0.5).tolist() == pytest.approx([10**-0.5, 10**0.5])


@given(ranges, ranges, st.floats(0.0, 1.0))
def test_factors_have_a_mean_of_one_and_level_what_they_should(seen, read, alpha):
    factors = migrate(seen, read, alpha)
    assert np.log(factors).mean() == pytest.approx(0.0, abs=1e-9)
    level = (seen * factors) / (read / factors)
    # What is left of the imbalance is a power of it (equation 4).
    power = np.log(seen / read) + 2 * np.log(factors)
    np.testing.assert_allclose(np.log(level), power, atol=1e-9)


def test_what_is_never_seen_stays():
    assert migrate(np.asarray([0.0, 2.0]), np.asarray([1.0, 1.0]), 0.5)[0] == 1.0
    assert migrate(np.zeros(2), np.zeros(2), 0.5).tolist() == [1.0, 1.0]


def test_outliers_cost_and_smoothing_gives_back():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 16)).astype(np.float32)
    weight = rng.standard_normal((8, 16))
    x[:, 3] *= 100
    before = output_error(x, weight / np.where(np.arange(16) == 3, 100, 1), _ends(x))
    factors = migrate(np.abs(x).max(0), np.abs(weight).max(0) / 1, 0.5)
    moved = x * factors.astype(np.float32)
    scaled = weight / np.where(np.arange(16) == 3, 100, 1) / factors
    assert output_error(moved, scaled, _ends(moved)) < before / 4


def test_nothing_is_lost_of_nothing():
    assert output_error(np.zeros((3, 2), np.float32), np.ones((2, 2)), (0.0, 0.0)) == 0.0


def _ends(x):
    return float(x.min()), float(x.max())
