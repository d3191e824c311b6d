"""Which channels are split, and that rounded copies add up to the rounded whole."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lissom.numerics.splitting import counts, offsets


def test_the_largest_share_is_split_again() -> None:
    assert counts(np.asarray([[9.0, 4.0, 1.0]]), 0).tolist() == [1, 1, 1]
    assert counts(np.asarray([[9.0, 4.0, 1.0]]), 1).tolist() == [2, 1, 1]
    assert counts(np.asarray([[9.0, 4.0, 1.0]]), 2).tolist() == [3, 1, 1]  # 4.5 is above 4
    assert counts(np.asarray([[9.0, 4.0, 1.0]]), 3).tolist() == [3, 2, 1]


def test_whatever_reads_a_channel_counts() -> None:
    assert counts(np.asarray([[1.0, 1.0, 2.0], [5.0, 1.0, 1.0]]), 2).tolist() == [3, 1, 1]


@given(st.integers(1, 9), st.integers(0, 100))
def test_copies_are_what_was_asked_for(units: int, budget: int) -> None:
    found = counts(np.random.default_rng(0).uniform(size=(2, units)), budget)
    assert found.sum() == units + budget
    assert found.min() >= 1


def test_offsets_by_hand() -> None:
    assert offsets(1).tolist() == [0.0]
    assert offsets(2).tolist() == [-0.25, 0.25]
    np.testing.assert_allclose(offsets(3), [-1 / 3, 0, 1 / 3])


@given(st.integers(1, 8), st.floats(-100, 100))
def test_rounded_copies_add_up_to_the_rounded_weight(copies: int, weight: float) -> None:
    shares = weight / copies + offsets(copies)
    np.testing.assert_allclose(shares.sum(), weight, atol=1e-9)
    if abs(abs(weight - np.rint(weight)) - 0.5) > 1e-6:  # halves are rounded either way
        assert np.rint(shares).sum() == np.rint(weight)
