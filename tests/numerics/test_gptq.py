"""GPTQ: by hand, the paper's claim, any set of levels, and inputs that say nothing."""

import numpy as np
import pytest

from lissom.numerics.gptq import Factored, gptq, inverse_factor, loss
from lissom.numerics.grids import Shape, largest
from lissom.numerics.obq import obq
from tests.numerics.problems import layer


def whole(values, column):
    del column
    return np.rint(values)


def test_two_columns_by_hand() -> None:
    """What the first one loses, the second makes good as far as the two move together."""
    hessian = np.array([[2.0, 1.0], [1.0, 1.0]])
    found = gptq(np.array([[0.4, 0.3]]), Factored.of(hessian, damping=0.0), whole)
    # 0.4 becomes 0; then 0.3 + 0.4 x H_12 / H_22 = 0.7 becomes 1.
    assert found.tolist() == [[0.0, 1.0]]
    assert gptq(np.array([[0.4, 0.3]]), Factored.of(np.eye(2)), whole).tolist() == [[0.0, 0.0]]


def test_the_factor_is_one_of_the_inverse() -> None:
    _, hessian = layer()
    factor = inverse_factor(hessian, 0.01)
    damped = hessian + 0.01 * np.diag(hessian).mean() * np.eye(len(hessian))
    np.testing.assert_allclose(factor.T @ factor, np.linalg.inv(damped), rtol=1e-8, atol=1e-10)
    assert not np.tril(factor, -1).any()


@pytest.mark.parametrize("order", ["activation", "natural"])
@pytest.mark.parametrize("block_size", [None, 16])
def test_the_papers_claim(order, block_size) -> None:
    """Less is lost in the outputs than by rounding to nearest, more in the weights."""
    for seed in range(5):
        weight, hessian = layer(seed=seed)
        grid = largest(weight, Shape(bits=4, block_size=block_size))
        found, plain = (
            gptq(weight, Factored.of(hessian, order=order), grid.nearest),
            grid.rounded(weight),
        )
        assert loss(weight, found, hessian).sum() < 0.5 * loss(weight, plain, hessian).sum()
        assert ((found - weight) ** 2).sum() > ((plain - weight) ** 2).sum()
        np.testing.assert_array_equal(grid.rounded(found), found)


def test_columns_in_batches_are_columns_one_by_one(monkeypatch) -> None:
    weight, hessian = layer(8, 90)
    nearest = largest(weight, Shape(bits=3)).nearest
    found = []
    for size in (1, 7, 1000):
        monkeypatch.setattr("lissom.numerics.gptq._COLUMN_BATCH", size)
        found.append(gptq(weight, Factored.of(hessian), nearest))
    np.testing.assert_allclose(found[0], found[1], atol=1e-9)
    np.testing.assert_allclose(found[0], found[2], atol=1e-9)


def test_any_levels_will_do() -> None:
    """A codebook, of which the column takes the nearest entries."""
    weight, hessian = layer()
    book = np.quantile(weight, np.linspace(0.02, 0.98, 16))

    def nearest(values, column):
        del column
        return book[np.abs(values[:, None] - book).argmin(axis=1)]

    found, plain = (
        gptq(weight, Factored.of(hessian), nearest),
        nearest(weight.ravel(), 0).reshape(weight.shape),
    )
    assert np.all(np.isin(found, book))
    assert loss(weight, found, hessian).sum() < loss(weight, plain, hessian).sum()


def test_it_comes_near_the_greedy_order() -> None:
    """Frantar et al. 2023, section 3.3: a fixed order is nearly as good as a greedy one."""
    ratios = []
    for seed in range(6):
        weight, hessian = layer(6, 18, seed=seed)
        grid = largest(weight, Shape(bits=3))
        found = (
            gptq(weight, Factored.of(hessian), grid.nearest),
            obq(weight, hessian, grid.in_row),
        )
        losses = [loss(weight, one, hessian).sum() for one in found]
        ratios.append(losses[0] / losses[1])
    assert np.exp(np.mean(np.log(ratios))) < 1.3


def test_inputs_that_are_never_there_or_always_the_same() -> None:
    weight, hessian = layer()
    dead = hessian.copy()
    dead[:, 5] = dead[5] = 0.0
    grid = largest(weight, Shape(bits=4))
    for second in (dead, np.zeros_like(hessian), np.ones_like(hessian)):
        found = gptq(weight, Factored.of(second), grid.nearest)
        assert np.all(np.isfinite(found))
        np.testing.assert_array_equal(grid.rounded(found), found)
    # What nothing is known of goes to the nearest.
    np.testing.assert_array_equal(
        gptq(weight, Factored.of(np.zeros_like(hessian)), grid.nearest), grid.rounded(weight)
    )


def test_one_number() -> None:
    assert gptq(np.array([[0.6]]), Factored.of(np.array([[2.0]])), whole).tolist() == [[1.0]]
    assert gptq(np.zeros((0, 2)), Factored.of(np.eye(2)), whole).shape == (0, 2)


def test_inputs_that_do_not_meet_round_to_nearest() -> None:
    weight = 3 * np.random.default_rng(4).standard_normal((8, 150))
    diagonal = np.diag(np.arange(1.0, 151.0))
    found = gptq(weight, Factored.of(diagonal, damping=0.1), lambda values, _: np.rint(values))
    assert np.array_equal(found, np.rint(weight))


def test_the_largest_inputs_come_first_and_columns_are_named() -> None:
    seen: list[int] = []

    def nearest(values: np.ndarray, column: int) -> np.ndarray:
        seen.append(column)
        return values

    weight = np.random.default_rng(5).standard_normal((8, 3))
    found = gptq(weight, Factored.of(np.diag([1.0, 3.0, 2.0])), nearest)
    assert seen == [1, 2, 0]
    np.testing.assert_allclose(found, weight)
