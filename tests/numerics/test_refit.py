"""Levels and scales solved for: the gradient is zero there, by hand and on random operators."""

import numpy as np
import pytest

from lissom.numerics.coding import output_error
from lissom.numerics.refit import refit

RNG = np.random.default_rng(0)
X = RNG.standard_normal((400, 30)) @ RNG.standard_normal((30, 30))
H = X.T @ X / len(X)
WEIGHT = RNG.standard_normal((6, 30))
GROUPS = RNG.integers(0, 4, (6, 30))
FACTORS = RNG.uniform(0.5, 2.0, (6, 30))


def coded(numbers):
    own = numbers if numbers.ndim == 2 else np.broadcast_to(numbers, (6, 4))
    return np.take_along_axis(own, GROUPS, axis=1) * FACTORS


def test_by_hand():
    """Equal importance: a level is the mean of what it stands for."""
    found = refit(
        np.eye(3), np.asarray([[1.0, 3.0, 8.0]]), np.asarray([[0, 0, 1]]), np.ones((1, 3)),
        np.zeros((1, 2)),
    )  # fmt: skip
    np.testing.assert_allclose(found, [[2.0, 8.0]], rtol=1e-5)


@pytest.mark.parametrize("start", [np.zeros((6, 4)), np.zeros(4)])
def test_nothing_near_is_better(start):
    found = refit(H, WEIGHT, GROUPS, FACTORS, start)
    assert found.shape == start.shape
    least = output_error(WEIGHT, coded(found), H)
    for seed in range(20):
        step = 0.01 * np.random.default_rng(seed).standard_normal(found.shape)
        assert output_error(WEIGHT, coded(found + step), H) > least


def test_numbers_of_each_output_are_better_than_shared_ones():
    own, shared = (
        output_error(WEIGHT, coded(refit(H, WEIGHT, GROUPS, FACTORS, start)), H)
        for start in (np.zeros((6, 4)), np.zeros(4))
    )
    assert own < shared


def test_a_number_that_nothing_uses_stays():
    start = np.asarray([1.0, 2.0, 3.0, 4.0, 5.0])
    assert refit(H, WEIGHT, GROUPS, FACTORS, start)[4] == pytest.approx(5.0)
    assert np.allclose(refit(np.zeros((30, 30)), WEIGHT, GROUPS, FACTORS, start), start)
