"""Feedback: less error in what the operator gives, more in the weight (the claim of GPTQ)."""

import numpy as np
import pytest

from lissom.numerics.coding import output_error
from lissom.numerics.feedback import feed_back


def integers(values, column):
    return np.rint(values)


def example(inputs=150, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((1000, inputs)) @ rng.standard_normal((inputs, inputs)) / inputs**0.5
    return 3 * rng.standard_normal((8, inputs)), x.T @ x / len(x)


def test_by_hand():
    """Two inputs that are always equal: what the first loses, the second makes good."""
    found = feed_back(np.asarray([[0.4, 0.4]]), np.ones((2, 2)), integers, damping=1e-9)
    assert found.sum() == 1.0


@pytest.mark.parametrize("inputs", [5, 150, 260])
def test_the_output_is_nearer_and_the_weight_is_not(inputs):
    weight, hessian = example(inputs)
    found, nearest = feed_back(weight, hessian, integers, damping=1e-2), np.rint(weight)
    assert np.array_equal(found, np.rint(found))
    assert output_error(weight, found, hessian) < 0.8 * output_error(weight, nearest, hessian)
    assert ((found - weight) ** 2).sum() > ((nearest - weight) ** 2).sum()


def test_inputs_that_do_not_meet_round_to_nearest():
    weight = example()[0]
    diagonal = np.diag(np.arange(1.0, 151.0))
    assert np.array_equal(feed_back(weight, diagonal, integers, damping=0.1), np.rint(weight))


def test_inputs_that_are_never_there():
    weight, hessian = example(6)
    hessian[:3], hessian[:, :3] = 0.0, 0.0
    for given in (hessian, np.zeros((6, 6))):
        assert np.all(np.isfinite(feed_back(weight, given, integers, damping=1e-2)))


def test_the_column_is_named():
    seen = []

    def nearest(values, column):
        seen.append(column)
        return values

    weight = example(3)[0]
    found = feed_back(weight, np.diag([1.0, 3.0, 2.0]), nearest, damping=1e-2)
    assert seen == [1, 2, 0]
    np.testing.assert_allclose(found, weight)
