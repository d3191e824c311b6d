"""Grids: by hand, nearest as everywhere else, and a search that never loses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lissom.numerics.grids import Best, Grid, Shape, largest, searched
from lissom.numerics.quantized import dequantize, quantize_weight

WEIGHT = np.random.default_rng(0).standard_t(4, (6, 40))
SHAPES = [
    Shape(bits=bits, block_size=block, symmetric=symmetric)
    for bits in (2, 3, 4, 8)
    for block in (None, 16)
    for symmetric in (True, False)
]


def test_by_hand() -> None:
    grid = largest(np.array([[-3.5, 1.0, 7.0]]), Shape(bits=4))
    assert grid.scale.tolist() == [[1.0]]
    assert grid.rounded(np.array([[-3.4, 1.6, 99.0]])).tolist() == [[-3.0, 2.0, 7.0]]
    assert grid.nearest(np.array([-99.0]), 2).tolist() == [-8.0]
    assert [bound.item() for bound in grid.bounds(3)] == [-8.0, 7.0]
    free = largest(np.array([[0.0, 15.0]]), Shape(bits=4, symmetric=False))
    assert (free.scale.item(), free.zero_point.item()) == (1.0, -8.0)
    assert free.rounded(np.array([[14.6, -1.0]])).tolist() == [[15.0, 0.0]]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_full_range_rounds_as_plain_quantization_does(shape: Shape) -> None:
    grid = largest(WEIGHT, shape)
    axis = 0 if shape.block_size is None else 1
    plain = quantize_weight(
        WEIGHT, bits=shape.bits, axis=axis, block_size=shape.block_size, symmetric=shape.symmetric
    )
    np.testing.assert_allclose(grid.rounded(WEIGHT), dequantize(plain), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_integers_stand_for_what_was_rounded(shape: Shape) -> None:
    for grid in (largest(WEIGHT, shape), searched(WEIGHT, shape)):
        rounded = grid.rounded(WEIGHT)
        integers = grid.tensor(rounded)
        assert (integers.zero_point is None) == shape.symmetric
        np.testing.assert_allclose(dequantize(integers), rounded, rtol=1e-5, atol=1e-6)
        columns = [grid.nearest(WEIGHT[:, number], number) for number in range(WEIGHT.shape[1])]
        np.testing.assert_array_equal(np.stack(columns, axis=1), rounded)
        np.testing.assert_array_equal(grid.rounded(rounded), rounded)


@given(st.sampled_from(SHAPES), st.integers(0, 1000))
def test_the_search_never_loses_more_than_the_full_range(shape: Shape, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weight, importance = rng.standard_t(3, (4, 24)), rng.uniform(0, 2, 24)
    for weighed in (None, importance):
        by = np.ones(24) if weighed is None else weighed
        losses = [
            float((by * (grid.rounded(weight) - weight) ** 2).sum())
            for grid in (searched(weight, shape, weighed), largest(weight, shape))
        ]
        assert losses[0] <= losses[1] * (1 + 1e-9)


def test_nothing_and_zeros() -> None:
    for shape in SHAPES:
        for weight in (np.zeros((3, 5)), np.zeros((0, 4))):
            grid = searched(weight, shape)
            assert not grid.rounded(weight).any()
            assert grid.tensor(weight).values.shape == weight.shape


def test_scales_stay_numbers_of_float32() -> None:
    grid = largest(np.array([[1e-44, 0.0], [3e38, 0.0]]), Shape(bits=4))
    found = grid.scaled(np.array([[1e-30], [1e30]]))
    assert np.all(np.isfinite(found.scale))
    assert np.all(found.scale > 0)


def test_the_best_of_each_row_is_kept() -> None:
    shape = Shape(bits=4)
    one, two = (Grid.of(shape, np.full((2, 1), scale), np.zeros((2, 1))) for scale in (1.0, 2.0))
    best = Best(np.ones((2, 3)), one, np.array([1.0, 5.0]))
    best.offer(np.full((2, 3), 2.0), two, np.array([3.0, 4.0]))
    assert best.matrix.tolist() == [[1.0] * 3, [2.0] * 3]
    assert best.grid.scale.tolist() == [[1.0], [2.0]]
