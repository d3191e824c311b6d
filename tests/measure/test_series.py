"""Series of times: coverage of the interval on known ones, batches, what disturbed rounds do."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lissom.measure import series as module
from lissom.measure.series import batches, summary, undisturbed


def test_independent_values_are_not_joined() -> None:
    values = np.random.default_rng(0).standard_normal(200).tolist()
    assert batches([values]) == values


def test_values_that_drift_are_joined() -> None:
    slow = np.sin(np.arange(400) / 30).tolist()
    joined = batches([slow])
    assert 8 <= len(joined) <= 50


@settings(max_examples=60, deadline=None)
@given(
    parts=st.lists(st.lists(st.floats(0.1, 10.0), min_size=1, max_size=60), min_size=1, max_size=5)
)
def test_batches_stay_within_the_values(parts: list[list[float]]) -> None:
    flat = [value for part in parts for value in part]
    joined = batches(parts)
    assert min(len(flat), 8) <= len(joined) <= len(flat)
    assert min(flat) <= min(joined)
    assert max(joined) <= max(flat)
    middle, (low, high) = summary(parts)
    assert 0 < low <= middle <= high
    assert middle == pytest.approx(float(np.exp(np.median(np.log(flat)))))


def coverage(*, correlation: float, between: float) -> float:
    """How often the interval holds the truth (1), over seeded runs of the whole protocol."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(80):
        parts = []
        for _ in range(5):
            noise = rng.standard_normal(40)
            for index in range(1, 40):
                noise[index] += correlation * noise[index - 1]
            parts.append((1 + between * rng.standard_normal() + 0.01 * noise).tolist())
        _, (low, high) = summary(parts)
        held += low <= 1 <= high
    return held / 80


@pytest.mark.parametrize(
    ("correlation", "between"), [(0.0, 0.0), (0.7, 0.0), (0.0, 0.005), (0.0, 0.01), (0.5, 0.01)]
)
def test_the_interval_holds_the_truth_about_as_often_as_it_says(
    correlation: float, between: float
) -> None:
    assert coverage(correlation=correlation, between=between) >= 0.9


def test_loadings_differ_by_what_is_usual_until_many_say_otherwise() -> None:
    one = module._between_parts([[1.0] * 9])
    alike = [module._between_parts([[1.0] * 9] * count) for count in (3, 5, 50)]
    assert one == pytest.approx(2.776 * 0.005, rel=1e-3)
    assert one > alike[0] > alike[1] > alike[2] > 0.0
    assert module._between_parts([[1.0] * 9, [1.1] * 9, [1.2] * 9]) > 10 * alike[0]


def test_an_interval_of_ratios_stays_positive_however_much_loadings_differ() -> None:
    parts = [[0.3] * 9, [3.0] * 9, [0.3] * 9]
    _, (low, high) = summary(parts)
    assert 0 < low < 0.3
    assert high > 0.3


def test_doubt_widens_both_ways() -> None:
    parts = [[1.0, 1.01, 0.99] * 5]
    middle, (low, high) = summary(parts)
    same, (lower, higher) = summary(parts, doubt=0.2)
    assert same == middle
    assert lower == pytest.approx(low * 0.8)
    assert higher == pytest.approx(high / 0.8)
    assert math.isfinite(higher)


@pytest.mark.parametrize(
    ("waits", "kept"),
    [
        ([[0.0] * 3], [[0, 1, 2]]),  # few, and none of them disturbed
        ([[0.0, 0.5] * 6], None),  # six are left, which are too few
        ([[0.0, 0.5] * 12], [list(range(0, 24, 2))]),
        ([[0.0] * 6, [0.5] * 6, [0.0] * 6], None),  # of two loadings only
        ([[0.5, 0.0, 0.0, 0.0, 0.0]] * 3, [[1, 2, 3, 4]] * 3),
    ],
)
def test_undisturbed_rounds(waits: list[list[float]], kept: list[list[int]] | None) -> None:
    pairs = [[[0.0, wait] for wait in part] for part in waits]
    assert undisturbed(pairs, 0.01) == kept
