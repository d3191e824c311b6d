"""Ranges: what each choice promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lissom.numerics.histogram import Histogram
from lissom.numerics.ranges import expected_error, minmax, mse, percentile

values = hnp.arrays(np.float64, st.integers(2, 50), elements=st.floats(-1e6, 1e6, width=32))


@given(values)
def test_every_range_holds_zero(x: np.ndarray) -> None:
    h = Histogram.of(x)
    for r in (minmax(h), percentile(h, 99.0), mse(h, bits=8, symmetric=False)):
        assert r.low <= 0.0 <= r.high


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
