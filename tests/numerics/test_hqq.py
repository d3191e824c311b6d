"""HQQ: the norm that it minimizes never grows, and outliers do not spoil the rest."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lissom.numerics.grids import Shape, largest
from lissom.numerics.hqq import half_quadratic

SHAPES = [
    Shape(bits=bits, block_size=block, symmetric=symmetric)
    for bits in (2, 4)
    for block in (None, 16)
    for symmetric in (True, False)
]


def cost(grid, weight, norm=0.7):
    return float((np.abs(grid.rounded(weight) - weight) ** norm).sum())


@given(st.sampled_from(SHAPES), st.integers(0, 500), st.sampled_from([0.3, 0.7, 1.0]))
def test_the_norm_never_grows(shape: Shape, seed: int, norm: float) -> None:
    weight = np.random.default_rng(seed).standard_t(3, (4, 40))
    start = largest(weight, shape)
    found = half_quadratic(weight, start, norm=norm)
    assert cost(found, weight, norm) <= cost(start, weight, norm) * (1 + 1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_papers_claim(shape: Shape) -> None:
    """With heavy tails it loses less, without having seen any data."""
    weight = np.random.default_rng(0).standard_t(3, (32, 128))
    start = largest(weight, shape)
    assert cost(half_quadratic(weight, start), weight) < 0.99 * cost(start, weight)


def test_a_matrix_on_a_grid_is_found_out() -> None:
    """The scale is one and a half times too large; the true one leaves nothing."""
    integers = np.random.default_rng(1).integers(-6, 7, (1, 64)).astype(np.float64)
    start = largest(integers * 0.5, Shape(bits=4)).scaled(np.array([[1.1]]))
    found = half_quadratic(integers * 0.5, start, steps=50)
    assert cost(found, integers * 0.5) < 0.1 * cost(start, integers * 0.5)


def test_nothing_and_zeros() -> None:
    for weight in (np.zeros((2, 4)), np.zeros((2, 0))):
        found = half_quadratic(weight, largest(weight, Shape(bits=4, symmetric=False)))
        assert not found.rounded(weight).any()
