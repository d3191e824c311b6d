import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lissom.numerics.flips import expected_losses
from lissom.numerics.statistics import softmax


def given_rows(count, seed, noise, classes=6):
    rng = np.random.default_rng(seed)
    scores = -np.sort(-rng.normal(size=(count, classes)) * 2, axis=1)
    changed = scores + noise * rng.normal(size=scores.shape)
    return scores, changed, softmax(scores), np.full(count, np.nan)


def counted(scores, changed, belief):
    rows = np.arange(len(scores))
    return belief[:, 0] - belief[rows, changed.argmax(axis=1)]


def test_no_change_loses_nothing():
    scores, _, belief, other = given_rows(50, 0, 0.0)
    for shift in (0.0, 3.0):
        losses, costs = expected_losses(scores, scores + shift, belief, other)
        assert not losses.any()
        assert not costs.any()


@given(st.integers(0, 50), st.integers(1, 300), st.floats(0, 3))
def test_losses_and_costs_have_one_mean_and_stay_in_range(seed, count, noise):
    losses, costs = expected_losses(*given_rows(count, seed, noise))
    assert losses.mean() == pytest.approx(costs.mean())
    assert (losses >= 0).all()
    assert (losses <= 1).all()


def test_one_change_for_all_is_counted_exactly():
    scores, _, belief, other = given_rows(60, 1, 0.0)
    changed = scores + np.array([-1.0, 0.5, 0, 0, 0, 0])
    losses, _ = expected_losses(scores, changed, belief, other)
    np.testing.assert_allclose(losses, counted(scores, changed, belief))


def test_the_mean_is_that_of_counting_with_less_noise():
    truth = counted(*given_rows(200_000, 7, 0.3)[:3]).mean()
    tried, plain = [], []
    for seed in range(60):
        rows = given_rows(150, seed, 0.3)
        tried.append(expected_losses(*rows)[0].mean())
        plain.append(counted(*rows[:3]).mean())
    assert np.mean(tried) == pytest.approx(truth, rel=0.15)
    assert np.std(tried) < 0.8 * np.std(plain)


def test_answers_outside_the_list_cost_what_is_believed_of_them():
    scores, _, belief, other = given_rows(40, 2, 0.0)
    other[:] = 0.0
    losses, _ = expected_losses(scores, scores, belief, other)
    np.testing.assert_allclose(losses, belief[:, 0])
