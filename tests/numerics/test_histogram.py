"""The streaming histogram: laws of counting and merging."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lissom.numerics.histogram import BINS, Histogram

values = hnp.arrays(
    np.float32,
    st.integers(1, 60),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
)


def same(a: Histogram, b: Histogram) -> bool:
    return (
        (a.exponent, a.first, a.low, a.high, a.non_finite)
        == (b.exponent, b.first, b.low, b.high, b.non_finite)
    ) and np.array_equal(a.counts, b.counts)


@given(values)
def test_counts_and_limits_are_exact(x: np.ndarray) -> None:
    h = Histogram.of(x)
    assert h.count == x.size
    assert h.low == float(x.min())
    assert h.high == float(x.max())
    assert len(h.counts) <= BINS


@given(values, values, values)
def test_order_and_grouping_do_not_matter(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> None:
    together = Histogram.of(np.concatenate([a, b, c]))
    streamed = Histogram.of(c).added(a).added(b)
    merged = Histogram.of(a).merged(Histogram.of(b).merged(Histogram.of(c)))
    assert same(together, streamed)
    assert same(together, merged)


@given(values)
def test_every_value_is_in_its_bin(x: np.ndarray) -> None:
    h = Histogram.of(x)
    index = np.floor(np.ldexp(x.astype(np.float64), -h.exponent)) - h.first
    assert np.array_equal(np.bincount(index.astype(int), minlength=len(h.counts)), h.counts)


@given(values, st.floats(0, 1))
def test_quantile_is_within_a_bin(x: np.ndarray, fraction: float) -> None:
    h = Histogram.of(x)
    exact = float(np.quantile(x.astype(np.float64), fraction, method="inverted_cdf"))
    slack = h.width * (1 + 1e-9)
    assert abs(h.quantile(fraction) - exact) <= slack


def test_the_range_fills_the_bins() -> None:
    h = Histogram.of(np.linspace(3.0, 7.0, 10_000))
    assert len(h.counts) > BINS // 2 - 1


@given(values)
def test_arrays_round_trip(x: np.ndarray) -> None:
    h = Histogram.of(x)
    assert same(Histogram.from_arrays(h.to_arrays()), h)


def test_non_finite_values_are_counted_apart() -> None:
    h = Histogram.of(np.array([1.0, math.nan, math.inf, -math.inf, 2.0]))
    assert (h.count, h.non_finite, h.low, h.high) == (2, 3, 1.0, 2.0)
    only = Histogram.of(np.array([math.nan]))
    assert (only.count, only.non_finite) == (0, 1)
    assert only.merged(h).non_finite == 4
    assert h.merged(only).count == 2


def test_constants_and_extremes() -> None:
    assert Histogram.of(np.zeros(5)).count == 5
    assert len(Histogram.of(np.full(4, 1e30)).counts) == 1
    wide = Histogram.of(np.array([-1.7e308, 1.7e308]))
    assert wide.count == 2
    big = np.random.default_rng(0).normal(size=(3, 700_000)).astype(np.float32)
    assert Histogram.of(big).count == big.size


def test_nothing_has_no_quantile() -> None:
    with pytest.raises(ValueError, match="nothing"):
        Histogram().quantile(0.5)
    with pytest.raises(ValueError, match="0 to 1"):
        Histogram.of(np.ones(1)).quantile(1.5)
