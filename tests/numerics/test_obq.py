"""OBQ: by hand, and less lost than to nearest."""

import numpy as np

from lissom.numerics.gptq import loss
from lissom.numerics.grids import Shape, largest
from lissom.numerics.obq import obq
from tests.numerics.problems import layer


def test_the_cheapest_is_rounded_first() -> None:
    """0.9 costs less than 0.4; 0.4 then takes 0.1 of what it lost, and goes down."""
    hessian = np.array([[1.0, 0.5], [0.5, 1.0]])
    seen = []

    def nearest(values, row):
        seen.append((row, values.round(6).tolist()))
        return np.rint(values)

    found = obq(np.array([[0.4, 0.9]]), hessian, nearest, damping=0.0)
    assert found.tolist() == [[0.0, 1.0]]
    assert seen == [(0, [0.4, 0.9]), (0, [0.35, 1.0])]


def test_less_is_lost_than_to_nearest() -> None:
    weight, hessian = layer(6, 18)
    grid = largest(weight, Shape(bits=3))
    found = obq(weight, hessian, grid.in_row)
    np.testing.assert_array_equal(grid.rounded(found), found)
    plain = grid.rounded(weight)
    assert (loss(weight, found, hessian) <= loss(weight, plain, hessian)).all()
    assert loss(weight, found, hessian).sum() < 0.8 * loss(weight, plain, hessian).sum()


def test_no_other_next_step_costs_less() -> None:
    """Against the same without any short cut: a new inverse of what is free, for every step."""
    weight, hessian = layer(2, 9)
    grid = largest(weight, Shape(bits=3, block_size=3))
    damped = hessian + 0.01 * np.trace(hessian) / 9 * np.eye(9)
    expected = weight.astype(np.float64)
    for number, row in enumerate(expected):
        free = list(range(9))
        while free:
            inverse = np.linalg.inv(damped[np.ix_(free, free)])
            off = grid.in_row(row, number)[free] - row[free]
            place = int(np.argmin(off**2 / np.diag(inverse)))
            row[free] += off[place] * inverse[place] / inverse[place, place]
            free.pop(place)
    np.testing.assert_allclose(obq(weight, hessian, grid.in_row), expected, atol=1e-9)


def test_nothing() -> None:
    assert obq(np.zeros((1, 0)), np.zeros((0, 0)), lambda v, _: v).shape == (1, 0)
