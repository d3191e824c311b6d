import numpy as np
import pytest

from lissom.numerics.powered import powered_mean


def drawn(rng, count, rest, *, use):
    predicted = rng.random(count + rest)
    values = use * predicted + rng.normal(size=count + rest) * 0.1 + 0.2
    return values[:count], predicted[:count], predicted[count:]


def test_without_predictions_it_is_the_plain_mean():
    found = powered_mean(np.array([0.0, 1.0]), np.zeros(2), np.zeros(0), spread=0.5)
    assert (found.mean, found.power) == (0.5, 0.0)
    assert found.variance == pytest.approx((2 * 0.5**2 + 0.5**2) / 4 / 4)
    with pytest.raises(ValueError, match="no value"):
        powered_mean(np.zeros(0), np.zeros(0), np.zeros(3), spread=0.5)


def test_values_that_are_all_alike_still_have_a_variance():
    found = powered_mean(np.zeros(30), np.zeros(30), np.zeros(100), spread=0.5)
    assert found.mean == 0.0
    assert found.variance == pytest.approx((0.5 / 32) ** 2)


def test_good_predictions_are_used_and_useless_ones_are_not():
    rng = np.random.default_rng(0)
    good = powered_mean(*drawn(rng, 50, 2000, use=1.0), spread=0.1)
    bad = powered_mean(*drawn(rng, 50, 2000, use=0.0), spread=0.1)
    against = powered_mean(*drawn(rng, 50, 2000, use=-1.0), spread=0.1)
    assert good.power > 0.8
    assert bad.power < 0.2
    assert against.power == 0.0


def test_it_is_unbiased_and_its_variance_is_right():
    rng = np.random.default_rng(1)
    found = [powered_mean(*drawn(rng, 60, 300, use=1.0), spread=0.0) for _ in range(2000)]
    means = np.array([one.mean for one in found])
    assert means.mean() == pytest.approx(0.7, abs=0.003)
    told = np.mean([one.variance for one in found])
    assert told == pytest.approx(means.var(), rel=0.2)
    assert means.var() < 0.4 * (1 / 12 + 0.1**2) / 60  # of the plain mean of 60
