import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lissom.numerics.statistics import (
    bootstrap_median,
    clopper_pearson,
    fit_temperature,
    log_softmax,
    mean_interval,
    paired_interval,
    softmax,
    solve_decreasing,
    wilson,
)

NUMBERS = st.lists(st.floats(-100, 100), min_size=1, max_size=40)


def test_the_median_lies_in_its_interval_and_a_seed_repeats_it():
    values = np.random.default_rng(0).normal(5, 1, 200)
    low, high = bootstrap_median(values)
    assert low < np.median(values) < high
    assert high - low < 0.6
    assert bootstrap_median(values) == (low, high)
    assert bootstrap_median(values, seed=1) != (low, high)


def test_few_values_give_their_range():
    assert bootstrap_median([3.0, 1.0, 2.0]) == (1.0, 3.0)


def test_half_of_the_confidence_is_narrower():
    values = np.random.default_rng(1).normal(size=100)
    wide, narrow = bootstrap_median(values), bootstrap_median(values, confidence=0.5)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_nothing_and_nan_have_no_interval(values):
    with pytest.raises(ValueError, match=r"no values|NaN"):
        bootstrap_median(values)


def test_wilson_by_hand():
    low, high = wilson(5, 10)
    assert (low, high) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(0, 300) == pytest.approx((0.0, 3.8415 / 303.8415), abs=1e-5)


def test_clopper_pearson_by_hand():
    # No success in n trials: the upper end is 1 - (alpha / 2) ** (1 / n).
    assert clopper_pearson(0, 20) == pytest.approx((0.0, 1 - 0.025 ** (1 / 20)))
    assert clopper_pearson(20, 20) == pytest.approx((0.025 ** (1 / 20), 1.0))


@given(st.integers(1, 200), st.floats(0, 1))
def test_the_exact_interval_holds_wilsons_estimate(trials, share):
    successes = round(share * trials)
    for low, high in (wilson(successes, trials), clopper_pearson(successes, trials)):
        assert 0 <= low <= successes / trials + 1e-9
        assert successes / trials - 1e-9 <= high <= 1


@pytest.mark.parametrize("interval", [wilson, clopper_pearson])
def test_impossible_counts_are_refused(interval):
    for successes, trials in ((1, 0), (3, 2), (-1, 5)):
        with pytest.raises(ValueError, match="is not a proportion"):
            interval(successes, trials)


def test_tango_by_hand():
    # With no change at all the interval is z^2 / (n + z^2) on both sides (Tango 1998, eq. 10).
    end = 3.841459 / (300 + 3.841459)
    assert paired_interval([0.0] * 300) == pytest.approx((-end, end), abs=1e-6)
    low, high = paired_interval([1.0] * 6 + [-1.0] * 2 + [0.0] * 292)
    assert low < 0 < 4 / 300 < high < 0.04


@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=60))
def test_paired_intervals_hold_the_mean_and_mirror(values):
    low, high = paired_interval(values)
    mirrored = paired_interval([-value for value in values])
    assert -1 <= low <= np.mean(values) + 1e-6
    assert np.mean(values) - 1e-6 <= high <= 1
    assert mirrored == pytest.approx((-high, -low), abs=1e-6)


def test_an_interval_never_shrinks_to_a_point():
    assert mean_interval([0.0] * 10, low=0.0, high=1.0)[1] > 0.05
    assert paired_interval([0.1, 0.1, 0.1])[1] > 0.2


def test_the_stated_confidence_is_kept():
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(400):
        values = np.where(rng.random(150) < 0.1, rng.beta(1, 2, 150), 0.0)
        low, high = mean_interval(values, low=0.0, high=1.0)
        held += low <= 0.1 / 3 <= high
    assert held / 400 >= 0.92


def test_values_outside_their_bounds_are_refused():
    with pytest.raises(ValueError, match="outside"):
        mean_interval([1.5], low=0.0, high=1.0)


@given(NUMBERS)
def test_softmax_is_a_distribution(values):
    found = softmax(np.asarray(values))
    assert found.sum() == pytest.approx(1)
    assert np.allclose(
        np.log(np.maximum(found, 1e-300)), log_softmax(np.asarray(values)), atol=1e-6
    )


def test_softmax_of_large_logits():
    assert softmax(np.array([1e4, 0.0])).tolist() == [1.0, 0.0]
    assert softmax(np.zeros((2, 4)), axis=0).tolist() == [[0.5] * 4] * 2


def test_the_temperature_makes_confidence_equal_quality():
    logits = np.random.default_rng(3).normal(size=(500, 10)) * 3

    def confidence(t):
        return float(softmax(logits / t).max(axis=1).mean())

    for quality in (0.5, 0.8, 0.95):
        assert confidence(fit_temperature(confidence, quality)) == pytest.approx(quality, abs=1e-5)
    assert fit_temperature(confidence, confidence(1.0)) == pytest.approx(1.0, abs=1e-4)
    with pytest.raises(ValueError, match="target"):
        fit_temperature(confidence, 92.5)


def test_a_target_out_of_reach_gives_the_nearer_end():
    assert solve_decreasing(lambda x: -x, 5.0, 0.0, 1.0) == pytest.approx(0.0)
    assert solve_decreasing(lambda x: -x, -5.0, 0.0, 1.0) == pytest.approx(1.0)
    assert solve_decreasing(lambda x: -x, -0.25, 0.0, 1.0) == pytest.approx(0.25)
