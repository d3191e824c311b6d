"""Scales and shifts by hand, and that they never raise the error that they are judged by."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lissom.numerics.channelwise import Channels, matched


def seen(x, y):
    found = Channels.empty(np.shape(x)[1])
    found.add(np.asarray(x, np.float32), np.asarray(y, np.float32))
    return found


X = np.asarray([[0.0, 5.0], [2.0, 5.0], [4.0, 5.0]])
Y = np.asarray([[3.0, 7.0], [7.0, 7.0], [11.0, 7.0]])  # 2 x + 3; a constant moves by 2


def test_sums_by_hand():
    found = seen(X, Y)
    assert found.rows == 3
    assert [found.x.tolist(), found.y.tolist()] == [[6, 15], [21, 21]]
    assert [found.xx.tolist(), found.yy.tolist()] == [[20, 75], [179, 147]]
    assert found.xy.tolist() == [58, 105]
    assert found.error(np.ones(2), np.zeros(2)) == (9 + 25 + 49 + 3 * 4) / 3


@pytest.mark.parametrize(
    ("scales", "scale", "shift"), [(True, [2, 1], [3, 2]), (False, [1, 1], [5, 2])]
)
def test_means_and_variances_by_hand(scales, scale, shift):
    found = matched(seen(X, Y), seen(X, Y), scales=scales)
    np.testing.assert_allclose(found, [scale, shift])


def test_where_scaling_does_harm_only_the_mean_is_matched():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((99, 1)), 10 * rng.standard_normal((99, 1)) + 5
    scale, shift = matched(seen(x, y), seen(x, y), scales=True)
    assert scale.tolist() == [1]
    np.testing.assert_allclose(shift, y.mean() - x.mean(), rtol=1e-5)


def test_nothing_changes_where_held_out_rows_disagree_or_there_are_none():
    assert matched(seen(X, Y), seen(X, X), scales=True) is None
    assert matched(seen(X, X), seen(X, X), scales=True) is None
    assert matched(seen(X, Y), Channels.empty(2), scales=True) is None


@given(st.integers(0, 999), st.integers(1, 9), st.integers(1, 4), st.booleans())
def test_means_and_variances_agree_and_held_out_errors_fall(seed, rows, channels, scales):
    rng = np.random.default_rng(seed)
    x, z = rng.standard_normal((2, rows, channels))
    y = rng.standard_normal(channels) * x + rng.standard_normal(channels) + 0.1 * z
    one, other = seen(x, y), seen(y, x) if seed % 2 else seen(x, y)
    found = matched(one, other, scales=scales)
    if found is None:
        return
    scale, shift = found
    assert other.error(scale, shift) < other.error(np.ones(channels), np.zeros(channels))
    np.testing.assert_allclose((scale * x + shift).mean(0), y.mean(0), atol=1e-4)
    if rows > 1 and not np.all(scale == 1):
        np.testing.assert_allclose((scale * x).std(0), y.std(0), rtol=1e-3, atol=1e-4)
