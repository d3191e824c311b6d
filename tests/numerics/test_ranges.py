"""Ranges: what each choice promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lissom.numerics.histogram import Histogram
from lissom.numerics.ranges import (
    Range,
    divergence,
    entropy,
    expected_error,
    least_output_error,
    minmax,
    mse,
    output_error,
    percentile,
)

values = hnp.arrays(np.float64, st.integers(2, 50), elements=st.floats(-1e6, 1e6, width=32))


@given(values)
def test_every_range_holds_zero(x: np.ndarray) -> None:
    h = Histogram.of(x)
    whole = minmax(h)
    for r in (whole, percentile(h, 99.0), mse(h, bits=8, symmetric=False), entropy(h, bits=8)):
        assert whole.low <= r.low <= 0.0 <= r.high <= whole.high


@given(values, st.sampled_from([3, 4, 8]), st.booleans())
def test_mse_is_never_worse_than_minmax(x: np.ndarray, bits: int, symmetric: bool) -> None:
    h = Histogram.of(x)
    whole = minmax(h)
    if whole.empty:
        return
    whole = whole.symmetric() if symmetric else whole
    best = mse(h, bits=bits, symmetric=symmetric)
    levels = 2**bits - 1 if symmetric else 2**bits
    lows, highs = np.array([whole.low, best.low]), np.array([whole.high, best.high])
    error = expected_error(h, lows, highs, levels)
    assert error[1] <= error[0] * (1 + 1e-9)


def test_mse_finds_the_known_optimum_of_a_normal_law() -> None:
    # The best symmetric clip of a unit normal at 4 bits lies near 2.5 to 2.6 (Banner et al., 2019,
    # arXiv:1810.05723).
    x = np.random.default_rng(0).normal(size=400_000)
    best = mse(Histogram.of(x), bits=4, symmetric=True)
    assert 2.4 < best.high < 2.8
    assert best.low == pytest.approx(-best.high)


def test_percentile_drops_the_outlier() -> None:
    x = np.concatenate([np.linspace(-1, 1, 100_000), [1000.0]])
    assert percentile(Histogram.of(x), 99.99).high < 1.5
    assert percentile(Histogram.of(x), 100.0).high == 1000.0


def test_impossible_ranges_are_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        minmax(Histogram())
    with pytest.raises(ValueError, match="50 to 100"):
        percentile(Histogram.of(np.ones(3)), 40.0)
    assert mse(Histogram.of(np.zeros(3)), bits=8, symmetric=False).empty
    assert entropy(Histogram.of(np.zeros(3)), bits=8).empty
    with pytest.raises(ValueError, match="nothing"):
        entropy(Histogram(), bits=8)


def test_divergence_by_hand() -> None:
    # Bins of width 1 around 1.5 to 4.5, with 1, 3, 2 and 2 values; 11 integers tell all apart.
    h = Histogram(exponent=0, first=1, counts=np.array([1, 3, 2, 2]), low=1.0, high=5.0)
    assert divergence(h, Range(0.0, 5.0), 11) == pytest.approx(0.0)
    # Integers at 0, 2.5 and 5: the bins at 1.5, 2.5, 3.5 share the second, the fourth has its own.
    p, q = np.array([1, 3, 2, 2]) / 8, np.array([2, 2, 2, 2]) / 8
    assert divergence(h, Range(0.0, 5.0), 3) == pytest.approx((p * np.log(p / q)).sum())
    # The last two are clipped to the second: counted there, and unknown to what is quantized.
    p, q = np.array([1, 7]) / 8, np.array([1, 3]) / 4
    assert divergence(h, Range(0.0, 3.0), 7) == pytest.approx((p * np.log(p / q)).sum())
    assert divergence(h, Range(-1.0, 1.0), 4) == np.inf


def test_entropy_of_an_even_histogram_keeps_all() -> None:
    x = (np.arange(2048) - 1024 + 0.5) / 256
    h = Histogram.of(np.repeat(x, 5))
    assert entropy(h, bits=8) == minmax(h)


def test_entropy_drops_the_outlier() -> None:
    x = np.random.default_rng(0).normal(size=200_000)
    assert 2.0 < entropy(Histogram.of(np.append(x, 60.0)), bits=8).high < 20.0


@given(values)
def test_entropy_is_never_worse_than_minmax(x: np.ndarray) -> None:
    h = Histogram.of(x)
    whole = minmax(h)
    if not whole.empty:
        found = divergence(h, entropy(h, bits=4), 16)
        assert 0.0 <= found <= divergence(h, whole, 16)


def rows_and_weight(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(64, 8)).astype(np.float32)
    return rows, rng.normal(size=(5, 8)).astype(np.float32)


def test_output_error_by_hand() -> None:
    # One step apart: 0.4 becomes 0, 1.0 stays, 5.0 is clipped to 3.
    rows = np.array([[0.4, 1.0], [5.0, 0.0]], np.float32)
    weight = np.array([[1.0, 10.0], [0.0, 2.0]], np.float32)
    assert output_error([(rows, weight)], Range(0.0, 3.0), 4) == pytest.approx(0.4**2 + 2**2)


def test_what_the_weights_do_not_read_is_clipped_freely() -> None:
    """The point of looking behind the weights: a histogram would keep the outlier."""
    rows, weight = rows_and_weight()
    rows[:, 0] *= 100.0
    h = Histogram.of(rows)
    starts = [minmax(h), mse(h, bits=4, symmetric=False)]
    kept = least_output_error([(rows, weight)], starts, bits=4)
    weight[:, 0] = 0.0
    free = least_output_error([(rows, weight)], starts, bits=4)
    assert kept.high > 50.0
    assert free.high < 0.2 * kept.high


@given(st.integers(0, 100), st.sampled_from([3, 8]), st.integers(1, 20))
def test_the_least_output_error_is_no_worse_than_any_start(
    seed: int, bits: int, outputs: int
) -> None:
    rows, _ = rows_and_weight(seed)
    weight = np.random.default_rng(seed + 1).normal(size=(outputs, 8)).astype(np.float32)
    h = Histogram.of(rows)
    starts = [minmax(h), mse(h, bits=bits, symmetric=False)]
    found = least_output_error([(rows, weight)], starts, bits=bits)
    assert starts[0].low <= found.low <= 0.0 <= found.high <= starts[0].high
    error = output_error([(rows, weight)], found, 2**bits)
    for start in starts:
        assert error <= output_error([(rows, weight)], start, 2**bits) * (1 + 1e-3)
