"""AdaRound: better than nearest, always one of two neighbours, and calm where nothing is known."""

import numpy as np
import pytest

from lissom.numerics.adaround import adaround
from lissom.numerics.gptq import Factored, gptq, loss
from lissom.numerics.grids import Shape, largest, searched
from tests.numerics.problems import layer


def test_two_that_move_together() -> None:
    """0.4 and 0.35 of one input are nearer to 1 than to 0: one of them goes up."""
    weight, hessian = np.array([[0.4, 0.35, 7.0]]), np.ones((3, 3)) + 0.01 * np.eye(3)
    grid = largest(weight, Shape(bits=4))
    found = adaround(weight, hessian, grid)
    assert found.tolist() == [[1.0, 0.0, 7.0]]


@pytest.mark.parametrize("shape", [Shape(bits=4), Shape(bits=3, block_size=16, symmetric=False)])
def test_the_papers_claim(shape: Shape) -> None:
    """Less is lost in the outputs than by rounding to nearest; each weight goes up or down."""
    for seed in range(3):
        weight, hessian = layer(seed=seed)
        grid = largest(weight, shape)
        found, plain = adaround(weight, hessian, grid), grid.rounded(weight)
        assert loss(weight, found, hessian).sum() < 0.6 * loss(weight, plain, hessian).sum()
        np.testing.assert_allclose(grid.rounded(found), found)
        inside = (weight > grid.bounds(48)[0]) & (weight < grid.bounds(48)[1])
        step = np.broadcast_to(grid.step(48), weight.shape)
        assert np.all(np.abs(found - weight)[inside] <= step[inside] * (1 + 1e-6))


def test_it_can_start_from_what_another_method_found() -> None:
    weight, hessian = layer(32, 48)
    grid = searched(weight, Shape(bits=4))
    first = gptq(weight, Factored.of(hessian), grid.nearest)
    around = first - (first - weight) @ hessian / np.diag(hessian)
    found = adaround(weight, hessian, grid, around=around)
    assert loss(weight, found, hessian).sum() < loss(weight, first, hessian).sum()


def test_clipped_weights_stay_at_the_ends() -> None:
    weight = np.array([[-100.0, 100.0, 0.3]])
    grid = largest(np.array([[0.0, 7.0, 0.0]]), Shape(bits=4))
    found = adaround(weight, np.eye(3), grid)
    assert found.tolist() == [[-8.0, 7.0, 0.0]]


@pytest.mark.parametrize(
    ("weights", "inputs"),
    [(2.0**70, 1.0), (2.0**-73, 1.0), (1.0, 2.0**126), (1.0, 2.0**133), (1.0, 2.0**-133)],
)
def test_units_do_not_matter_beyond_what_squares_of_float32_hold(weights, inputs) -> None:
    """By powers of two, so that nothing else is rounded either."""
    weight, hessian = layer(16, 48)
    grid = largest(weight, Shape(bits=4))
    expected = adaround(weight, hessian, grid, steps=60) * weights
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        found = adaround(weight * weights, hessian * inputs, grid.scaled(weights), steps=60)
    assert np.array_equal(found, expected)


def test_without_any_inputs_every_weight_goes_to_its_nearest() -> None:
    weight, hessian = layer(4, 8)
    grid = largest(weight, Shape(bits=4))
    found = adaround(weight, np.zeros_like(hessian), grid, steps=20)
    assert np.array_equal(found, grid.rounded(weight))
