import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lissom.numerics.bounds import (
    betting_upper,
    proportion_upper,
    samples_needed,
    ternary_score_upper,
    ternary_upper,
    upper_bound,
)
from lissom.numerics.statistics import clopper_pearson, paired_interval


@st.composite
def counts(draw):
    pairs = draw(st.integers(1, 120))
    more = draw(st.integers(0, pairs))
    return more, draw(st.integers(0, pairs - more)), pairs


def spread_out(more, fewer, pairs, seed=0):
    values = np.zeros(pairs)
    values[:more], values[more : more + fewer] = 1.0, -1.0
    return np.random.default_rng(seed).permutation(values)


def test_a_share_without_successes_by_hand():
    # The rule of three: no success in n trials excludes every rate above about 3 / n.
    assert proportion_upper(0, 299) == pytest.approx(1 - 0.05 ** (1 / 299))
    assert proportion_upper(0, 299) < 0.01 < proportion_upper(0, 298)
    assert proportion_upper(7, 7) == 1.0


@given(counts())
def test_a_one_sided_share_is_an_end_of_the_two_sided(given_counts):
    more, _, pairs = given_counts
    assert proportion_upper(more, pairs) == pytest.approx(
        clopper_pearson(more, pairs, confidence=0.9)[1]
    )


def test_no_difference_at_all_costs_hardly_more_than_a_share():
    # The nuisance p(-1) takes half a percent of the allowed error.
    exact = 1 - 0.05 ** (1 / 300)
    assert exact < ternary_upper(0, 0, 300) < 1.005 * exact
    assert ternary_upper(0, 0, 300) < 0.01


def test_the_exact_bound_lies_just_above_the_score_limit():
    for more, fewer, pairs in [(12, 8, 500), (60, 45, 2000), (5, 3, 300)]:
        score = ternary_score_upper(more, fewer, pairs)
        assert (
            score
            < ternary_upper(more, fewer, pairs)
            < score + 0.05 * (score - (more - fewer) / pairs)
        )


def test_the_score_limit_is_the_end_of_the_two_sided_interval():
    values = spread_out(12, 8, 500)
    two_sided = paired_interval(values, confidence=0.9)[1]
    assert ternary_score_upper(12, 8, 500) == pytest.approx(two_sided)


def exact_coverage(pairs, more_share, fewer_share, confidence=0.95):
    """Probability that the bound holds, summed over every outcome; no simulation."""
    logs = np.array([math.lgamma(k + 1) for k in range(pairs + 1)])
    missed = 0.0
    for more in range(pairs + 1):
        for fewer in range(pairs - more + 1):
            rest = pairs - more - fewer
            weight = math.exp(
                logs[pairs] - logs[more] - logs[fewer] - logs[rest]
                + more * math.log(more_share)
                + fewer * math.log(fewer_share)
                + rest * math.log(1 - more_share - fewer_share)
            )  # fmt: skip
            if weight < 1e-7 or more / pairs > more_share - fewer_share + 0.05:
                continue
            bound = ternary_upper(more, fewer, pairs, confidence=confidence)
            missed += weight * (bound < more_share - fewer_share)
    return 1 - missed - 1e-4


@pytest.mark.parametrize(
    ("pairs", "more_share", "fewer_share"),
    [(30, 0.1, 0.05), (30, 0.02, 0.3), (60, 0.05, 0.04), (25, 0.4, 0.4)],
)
def test_the_exact_bound_holds_as_often_as_it_says(pairs, more_share, fewer_share):
    assert exact_coverage(pairs, more_share, fewer_share) >= 0.9499


def test_the_exact_bound_holds_in_draws_of_a_real_size_and_is_not_wasteful():
    rng = np.random.default_rng(0)
    pairs, shares = 1000, np.array([0.015, 0.006])
    drawn = rng.multinomial(pairs, [*shares, 1 - shares.sum()], size=2000)[:, :2]
    different, often = np.unique(drawn, axis=0, return_counts=True)
    # Only outcomes far on the low side can miss.
    low = different[:, 0] - different[:, 1] < 3
    missed = [
        times
        for (more, fewer), times in zip(different[low], often[low], strict=True)
        if ternary_upper(int(more), int(fewer), pairs) < shares[0] - shares[1]
    ]
    assert 0.94 <= 1 - sum(missed) / len(drawn) <= 0.975


@settings(max_examples=40, deadline=None)
@given(counts())
def test_the_exact_bound_lies_above_the_mean_and_rises_with_what_is_lost(given_counts):
    more, fewer, pairs = given_counts
    bound = ternary_upper(more, fewer, pairs)
    assert (more - fewer) / pairs <= bound <= 1.0
    # Cells and bisection cost up to about a percent of the distance, not always the same.
    slack = 0.02 * (bound - (more - fewer) / pairs)
    if more + fewer < pairs:
        assert ternary_upper(more + 1, fewer, pairs) >= bound - slack
    if more:
        assert ternary_upper(more - 1, fewer, pairs) <= bound + slack
    assert ternary_upper(more, fewer, pairs, confidence=0.99) >= bound - slack
    assert ternary_upper(2 * more, 2 * fewer, 2 * pairs) <= bound + slack


def test_betting_holds_as_often_as_it_says():
    rng = np.random.default_rng(0)
    rare = (rng.random((400, 80)) < 0.1) * rng.beta(1, 3, (400, 80))
    assert np.mean([betting_upper(row) >= 0.025 for row in rare]) >= 0.94
    skewed = rng.beta(0.2, 1.8, (200, 60)) - 0.05
    assert np.mean([betting_upper(row) >= 0.05 for row in skewed]) >= 0.93
    signs = rng.choice([-1.0, 0.0, 1.0], (300, 80), p=[0.1, 0.7, 0.2])
    assert np.mean([betting_upper(row) >= 0.1 for row in signs]) >= 0.93


def test_betting_is_close_to_what_the_normal_distribution_would_give():
    rng = np.random.default_rng(3)
    values = rng.uniform(-1, 1, (10, 1500))
    excess = np.mean([betting_upper(row) - row.mean() for row in values])
    normal = 1.645 * math.sqrt(1 / 3 / 1500)
    assert 0.9 * normal < excess < 1.3 * normal


def test_betting_is_refused_by_few_samples_and_rewarded_by_many():
    assert betting_upper([0.0]) == 1.0
    bounds = [betting_upper(np.full(count, 0.0)) for count in (10, 100, 1000)]
    assert bounds == sorted(bounds, reverse=True)
    # One value takes at most nine tenths of the wealth: 3.0 / 0.9 for no loss at all.
    assert bounds[-1] == pytest.approx(3.0 / 0.9 / 1000, rel=0.15)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=60))
def test_a_bound_is_never_below_the_mean(values):
    assert np.mean(values) <= betting_upper(values) + 1e-12 <= 1.0 + 1e-9
    assert np.mean(values) <= upper_bound(values) + 1e-12


def test_a_freak_order_does_not_pull_the_bound_under_the_mean():
    values = np.concatenate([np.full(200, -1.0), np.full(200, 1.0)])
    assert betting_upper(values) >= 0.0


def test_the_fitting_bound_is_taken():
    signs = spread_out(4, 2, 90)
    assert upper_bound(signs) == ternary_upper(4, 2, 90)
    assert upper_bound(np.abs(signs), share=True) == proportion_upper(6, 90)
    assert upper_bound(signs * 0.5) == betting_upper(signs * 0.5)


@pytest.mark.parametrize("values", [[], [math.nan], [1.5], [-1.5]])
def test_unusable_values_are_refused(values):
    with pytest.raises(ValueError, match=r"at least one|outside|finite"):
        upper_bound(values)
    with pytest.raises(ValueError, match=r"of 0 samples|must be finite"):
        betting_upper(values)


def test_a_share_below_zero_and_impossible_counts_are_refused():
    with pytest.raises(ValueError, match=r"outside 0\.0 to 1"):
        upper_bound([-1.0, 0.0], share=True)
    with pytest.raises(ValueError, match="3 and 2 of 4"):
        ternary_upper(3, 2, 4)
    with pytest.raises(ValueError, match="confidence is 1"):
        proportion_upper(0, 4, confidence=1.0)


def test_the_samples_that_are_needed_are_those_that_decide():
    assert samples_needed(np.zeros(60), 0.01, share=True) == 299
    # The nuisance costs one or two.
    assert 297 <= samples_needed(np.zeros(60), 0.01) <= 310
    needed = samples_needed(spread_out(3, 2, 200), 0.02)
    scale = needed / 200
    assert ternary_upper(round(3 * scale), round(2 * scale), needed) <= 0.0205
    assert ternary_upper(round(2.4 * scale), round(1.6 * scale), int(0.8 * needed)) > 0.02
    # As many decide that a limit is broken as would that its mirror image is held.
    assert samples_needed(spread_out(30, 10, 400), 0.03) == samples_needed(
        spread_out(10, 30, 400), -0.03
    )


def test_a_planned_number_of_other_values_decides_about_half_of_the_time():
    rng = np.random.default_rng(2)
    first = (rng.random(400) < 0.05) * rng.beta(1, 3, 400)
    limit = float(first.mean()) + 0.005
    needed = samples_needed(first, limit)
    assert needed is not None
    assert needed > 600
    drawn = [betting_upper(rng.choice(first, needed)) <= limit for _ in range(30)]
    assert 0.2 <= np.mean(drawn) <= 0.95


def test_no_number_of_samples_decides_what_lies_on_the_limit():
    assert samples_needed(spread_out(2, 1, 100), 0.01) is None
    assert samples_needed(np.full(10, 0.5), 0.5) is None
    assert samples_needed(spread_out(30, 29, 100), 0.0100001) is None
