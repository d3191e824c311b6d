"""Orthogonal matrices, and how even weights are."""

import numpy as np
import pytest

from lissom.numerics.rotation import incoherence, orthogonal


@pytest.mark.parametrize("size", [1, 2, 3, 8, 12, 32])
def test_its_inverse_is_its_transpose(size):
    turn = orthogonal(size, 0)
    np.testing.assert_allclose(turn @ turn.T, np.eye(size), atol=1e-12)
    assert np.array_equal(turn, orthogonal(size, 0))


def test_a_power_of_two_has_elements_of_one_size():
    turn = orthogonal(8, 3)
    np.testing.assert_allclose(np.abs(turn), np.full((8, 8), 8**-0.5))


def test_incoherence_by_hand():
    assert incoherence(np.asarray([[3.0, -3.0]])) == pytest.approx(1.0)
    assert incoherence(np.asarray([[2.0, 0.0, 0.0, 0.0]])) == pytest.approx(2.0)
    assert incoherence(np.zeros((2, 2))) == 0.0
    assert incoherence(np.empty((0, 2))) == 0.0


def test_an_outlier_is_spread():
    weight = np.random.default_rng(0).standard_normal((16, 32))
    weight[3] *= 50
    assert incoherence(orthogonal(16, 0).T @ weight) < incoherence(weight) / 2
