"""K-means of numbers: against brute force, with weights, on what is degenerate."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lissom.numerics.kmeans import EXACT_POINTS, kmeans, nearest


def error(x, table, weight):
    found = np.take_along_axis(table, nearest(x, table).astype(int), axis=1)
    return ((found - x) ** 2 * weight).sum(axis=1)


def brute_force(x, weight, levels):
    """The least error over all ways to cut sorted numbers into intervals."""
    order = np.argsort(x)
    x, weight = x[order], weight[order]
    best = np.inf
    for cuts in combinations(range(1, len(x)), min(levels, len(x)) - 1):
        parts = np.split(np.arange(len(x)), cuts)
        total = sum(
            (weight[p] * (x[p] - np.average(x[p], weights=weight[p])) ** 2).sum() for p in parts
        )
        best = min(best, total)
    return best


NUMBERS = st.lists(st.integers(-50, 50), min_size=1, max_size=9)


@given(NUMBERS, st.integers(1, 5), st.integers(0, 2**31))
def test_no_other_levels_are_better(numbers, levels, seed):
    x = np.asarray(numbers, float)
    weight = np.random.default_rng(seed).uniform(0.1, 3.0, len(x))
    table = kmeans(x[None], levels, weight[None])
    least = brute_force(x, weight, levels)
    assert error(x[None], table, weight[None])[0] <= least * (1 + 1e-6) + 1e-6


def test_by_hand():
    assert kmeans(np.array([[1.0, 9.0, 2.0, 8.0]]), 2).tolist() == [[1.5, 8.5]]
    assert kmeans(np.array([[0.0, 1.0]]), 1, np.array([[1.0, 3.0]]))[0, 0] == pytest.approx(0.75)


def test_groups_do_not_see_one_another():
    x = np.random.default_rng(0).standard_normal((70, 300))
    together = kmeans(x, 8)
    assert np.array_equal(together[65], kmeans(x[65:66], 8)[0])


@pytest.mark.parametrize(("bits", "known"), [(2, 0.1175), (3, 0.03454), (4, 0.009497)])
def test_it_finds_the_optimal_quantizer_of_a_normal_distribution(bits, known):
    """Max, "Quantizing for minimum distortion", 1960, table 1."""
    x = np.random.default_rng(0).standard_normal((1, 200_000))
    table = kmeans(x, 1 << bits)
    assert error(x, table, 1.0)[0] / x.size == pytest.approx(known, rel=0.02)


@pytest.mark.parametrize("levels", [64, 256])
def test_many_levels_follow_the_density(levels):
    """Panter and Dite: the error of n levels tends to sqrt(3) pi / (2 n^2) of the variance."""
    x = np.random.default_rng(0).standard_normal((1, 200_000))
    limit = np.sqrt(3) * np.pi / 2 / levels**2
    assert error(x, kmeans(x, levels), 1.0)[0] / x.size < 1.1 * limit


def test_important_numbers_are_met_better():
    x = np.random.default_rng(1).standard_normal((1, 500))
    weight = np.where(np.arange(500) % 5 == 0, 50.0, 1.0)[None]
    plain, aware = kmeans(x, 8), kmeans(x, 8, weight)
    assert error(x, aware, weight)[0] < error(x, plain, weight)[0]
    assert error(x, aware, 1.0)[0] > error(x, plain, 1.0)[0]


@pytest.mark.parametrize("levels", [1, 4, 40, 256])
def test_degenerate_groups(levels):
    for x in (np.zeros((2, 0)), np.zeros((2, 500)), np.full((1, 3), 7.0)):
        table = kmeans(x, levels)
        assert table.shape == (len(x), levels)
        assert np.all(np.diff(table, axis=1) >= 0)
        assert error(x, table, 1.0).sum() == 0
    none = kmeans(np.arange(200.0)[None], levels, np.zeros((1, 200)))
    assert np.allclose(none, kmeans(np.arange(200.0)[None], levels))


def test_more_numbers_than_are_clustered_exactly_are_clustered_well():
    x = np.random.default_rng(2).standard_normal((3, 10 * EXACT_POINTS))
    table = kmeans(x, 4)
    assert np.all(error(x, table, 1.0) / x.shape[1] < 0.13)


def test_ties_go_down():
    assert nearest(np.array([[0.5, 0.51, -9.0, 9.0]]), np.array([0.0, 1.0])).tolist() == [
        [0, 1, 0, 1]
    ]


@pytest.mark.parametrize(
    ("x", "levels", "weight"),
    [
        (np.zeros(3), 2, None),
        (np.zeros((1, 3)), 0, None),
        (np.full((1, 3), np.nan), 2, None),
        (np.zeros((1, 3)), 2, np.zeros((1, 2))),
        (np.zeros((1, 3)), 2, np.full((1, 3), -1.0)),
    ],
)
def test_what_does_not_fit_is_refused(x, levels, weight):
    with pytest.raises(ValueError, match=r"levels of|not finite"):
        kmeans(x, levels, weight)
