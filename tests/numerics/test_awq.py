"""AWQ's factors: larger where inputs are, never worse, ones where nothing is known."""

import numpy as np

from lissom.numerics.awq import input_factors
from lissom.numerics.gptq import loss
from lissom.numerics.grids import Shape, largest


def losses(weight, hessian, factors, shape):
    scaled = weight * factors
    return loss(weight, largest(scaled, shape).rounded(scaled) / factors, hessian).sum()


def test_the_papers_claim() -> None:
    """One input in a hundred is large: its column is rounded more finely, and less is lost."""
    rng = np.random.default_rng(0)
    weight, sizes = rng.standard_normal((32, 200)), np.ones(200)
    sizes[[7, 90]] = 30.0
    hessian, shape = np.diag(sizes**2), Shape(bits=4)
    factors = input_factors(sizes, [(weight, hessian)], [shape])
    assert factors[7] > 2 * factors[0]
    assert losses(weight, hessian, factors, shape) < 0.5 * losses(
        weight, hessian, np.ones(200), shape
    )


def test_equal_inputs_get_equal_factors() -> None:
    weight = np.random.default_rng(0).standard_normal((8, 16))
    factors = input_factors(np.full(16, 3.0), [(weight, np.eye(16))], [Shape(bits=4)])
    np.testing.assert_allclose(factors, 1.0)


def test_columns_of_a_kernel_share_a_factor_and_matrices_share_all() -> None:
    rng = np.random.default_rng(0)
    one, two = rng.standard_normal((8, 12)), rng.standard_normal((4, 12))
    sizes = np.array([1.0, 20.0, 1.0])
    hessian = np.diag(np.repeat(sizes**2, 4))
    layers, shapes = [(one, hessian), (two, hessian)], [Shape(bits=4)] * 2
    factors = input_factors(sizes, layers, shapes, repeat=4)
    assert factors.shape == (3,)
    assert factors[1] > factors[0] == factors[2]


def test_dead_inputs() -> None:
    weight = np.ones((2, 3))
    dead = input_factors(np.zeros(3), [(weight, np.zeros((3, 3)))], [Shape(bits=4)])
    assert dead.tolist() == [1.0, 1.0, 1.0]
    some = input_factors(np.array([0.0, 1.0, 2.0]), [(weight, np.eye(3))], [Shape(bits=4)])
    assert np.all(np.isfinite(some))
    assert np.all(some > 0)
