"""Coordinate descent: by hand, never worse, at rest where nothing is better."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lissom.numerics.descent import descend
from lissom.numerics.gptq import Factored, gptq, loss
from lissom.numerics.grids import Shape, largest
from tests.numerics.problems import layer


def test_by_hand() -> None:
    """Both at 0 leave 0.8 of the common input; the first alone can take it, then all is well."""
    weight, hessian = np.array([[0.4, 0.4]]), np.ones((2, 2)) + 0.01 * np.eye(2)
    found = descend(weight, np.zeros((1, 2)), hessian, lambda v, _: np.rint(v))
    assert found.tolist() == [[1.0, 0.0]]


@given(st.integers(0, 500), st.sampled_from([2, 4]))
def test_no_row_gets_worse(seed: int, bits: int) -> None:
    weight, hessian = layer(5, 15, seed=seed)
    grid = largest(weight, Shape(bits=bits, block_size=16))
    start = grid.rounded(weight)
    found = descend(weight, start, hessian, grid.nearest)
    before, after = (loss(weight, one, hessian) for one in (start, found))
    assert np.all(after <= before * (1 + 1e-9) + 1e-12)
    np.testing.assert_array_equal(grid.rounded(found), found)


def test_no_single_step_is_better_than_the_end() -> None:
    weight, hessian = layer(4, 12)
    grid = largest(weight, Shape(bits=4))
    found = descend(weight, grid.rounded(weight), hessian, grid.nearest, passes=100)
    ends = loss(weight, found, hessian)
    for column in range(12):
        for step in (-1.0, 1.0):
            moved = found.copy()
            moved[:, column] = grid.nearest(moved[:, column] + step * grid.scale[:, 0], column)
            assert np.all(loss(weight, moved, hessian) >= ends - 1e-12)


def test_it_finds_more_after_gptq() -> None:
    weight, hessian = layer(64, 96)
    grid = largest(weight, Shape(bits=4))
    start = gptq(weight, Factored.of(hessian), grid.nearest)
    found = descend(weight, start, hessian, grid.nearest)
    assert loss(weight, found, hessian).sum() < loss(weight, start, hessian).sum()


def test_inputs_that_are_never_there_stay() -> None:
    weight, start = np.array([[0.4, 0.4]]), np.array([[3.0, 0.0]])
    found = descend(weight, start, np.diag([0.0, 1.0]), lambda v, _: np.rint(v))
    assert found.tolist() == [[3.0, 0.0]]
