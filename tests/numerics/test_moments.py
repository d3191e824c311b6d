"""Least squares from moments: against numpy, and against refitting what was predicted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lissom.numerics.moments import Moments, eliminate, fit

TINY = 1e-12


def drawn(seed, rows=200, inputs=6, outputs=3):
    """Rows of correlated inputs with means, and outputs that are nearly linear in them."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, inputs)) @ rng.standard_normal((inputs, inputs)) + 3.0
    y = x @ rng.standard_normal((inputs, outputs)) + 5.0 + rng.standard_normal((rows, outputs))
    return x, y


def moments_of(x, y):
    found = Moments.empty(x.shape[1], y.shape[1])
    found.add(x, y)
    return found


def with_covariance(matrix):
    """Of two rows without means."""
    found = Moments.empty(len(matrix), 1)
    found.rows, found.xx = 2, 2 * matrix
    return found


def least_squares(x, y):
    """Weight and bias by numpy, and the error that is left."""
    wide = np.hstack([x, np.ones((len(x), 1))])
    solved = np.linalg.lstsq(wide, y, rcond=None)[0]
    return solved[:-1].T, solved[-1], ((wide @ solved - y) ** 2).sum() / len(x)


def check_same(one, other):
    assert one.rows == other.rows
    for name in ("x", "xx", "y", "yx", "yy"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-9, atol=1e-9)


def test_two_rows_by_hand():
    found = moments_of(np.asarray([[1.0, 2.0], [3.0, 4.0]]), np.asarray([[1.0], [-1.0]]))
    assert found.rows == 2
    assert found.x.tolist() == [4.0, 6.0]
    assert found.xx.tolist() == [[10.0, 14.0], [14.0, 20.0]]
    assert found.y.tolist() == [0.0]
    assert found.yx.tolist() == [[-2.0, -2.0]]
    assert found.yy.tolist() == [2.0]
    assert found.covariance.tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert found.variance == 1.0


@given(
    seed=st.integers(0, 99),
    cut=st.integers(0, 20),
    columns=st.sets(st.integers(0, 3), min_size=1).map(sorted),
)
def test_sums_do_not_depend_on_how_rows_come(seed, cut, columns):
    x, y = drawn(seed, rows=20, inputs=4, outputs=2)
    whole = moments_of(x, y)
    streamed = moments_of(x[:cut], y[:cut])
    streamed.add(x[cut:], y[cut:])
    check_same(streamed, whole)
    check_same(moments_of(x[:cut], y[:cut]).joined(moments_of(x[cut:], y[cut:])), whole)
    check_same(whole.of_columns(np.asarray(columns)), moments_of(x[:, columns], y))


def test_float32_rows_are_summed_in_float64():
    x = np.full((100_000, 1), 0.1, np.float32)
    found = moments_of(x, x)
    assert found.xx.dtype == np.float64
    np.testing.assert_allclose(found.x, np.float64(np.float32(0.1)) * len(x), rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_fit_is_least_squares_with_a_bias(seed):
    x, y = drawn(seed)
    found = fit(moments_of(x, y), np.zeros((3, 6)), dampings=(TINY,))
    weight, bias, left = least_squares(x, y)
    np.testing.assert_allclose(found.weight, weight, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found.bias, bias, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(moments_of(x, y).error(found.weight, found.bias), left, rtol=1e-6)


def test_the_error_is_that_of_the_rows():
    x, y = drawn(0)
    weight, bias = np.ones((3, 6)), np.asarray([1.0, -2.0, 0.5])
    direct = ((x @ weight.T + bias - y) ** 2).sum() / len(x)
    np.testing.assert_allclose(moments_of(x, y).error(weight, bias), direct, rtol=1e-10)


def test_damping_holds_the_fit_where_it_starts():
    x, y = drawn(1)
    start = np.full((3, 6), 0.25)
    held = fit(moments_of(x, y), start, dampings=(1e9,))
    np.testing.assert_allclose(held.weight, start, atol=1e-6)
    np.testing.assert_allclose(held.bias, y.mean(0) - start @ x.mean(0), rtol=1e-5)


def test_inputs_that_never_change_keep_the_weight():
    x, y = np.full((10, 2), 3.0), np.full((10, 1), 7.0)
    found = fit(moments_of(x, y), np.asarray([[1.0, -1.0]]))
    assert found.weight.tolist() == [[1.0, -1.0]]
    np.testing.assert_allclose(found.bias, [7.0])


def test_other_rows_choose_the_damping_and_are_then_fitted_to():
    x, y = drawn(2, rows=8, inputs=6, outputs=1)
    more_x, more_y = drawn(2, rows=400, inputs=6, outputs=1)
    few, many = moments_of(x, y), moments_of(more_x, more_y)
    start = np.zeros((1, 6))
    errors = {}
    for damping in (1e-6, 1e-2, 1.0):
        alone = fit(few, start, dampings=(damping,))
        errors[damping] = many.error(alone.weight, alone.bias)
    best = min(errors, key=errors.get)
    chosen = fit(few, start, many, dampings=tuple(errors), join=False)
    assert chosen.damping == best
    np.testing.assert_allclose(many.error(chosen.weight, chosen.bias), errors[best])
    both = fit(few, start, many, dampings=tuple(errors))
    expected = fit(few.joined(many), start, dampings=(best,))
    np.testing.assert_allclose(both.weight, expected.weight)


@pytest.mark.parametrize("width", [1, 2])
def test_the_cost_is_the_error_that_refitting_leaves(width):
    x, y = drawn(3, inputs=6)
    weight, _, least = least_squares(x, y)
    units = [np.arange(first, first + width) for first in range(0, 6, width)]
    found = eliminate([(moments_of(x, y), weight, units)], damping=TINY)
    assert sorted(found.order.tolist()) == list(range(len(units)))
    for count in range(1, len(units)):
        stays = np.concatenate([units[unit] for unit in found.order[count:]])
        left = least_squares(x[:, stays], y)[2]
        np.testing.assert_allclose(found.costs[count - 1], left - least, rtol=1e-6)


def test_the_first_to_leave_is_the_cheapest_of_all():
    x, y = drawn(4)
    weight, _, least = least_squares(x, y)
    units = [np.asarray([column]) for column in range(6)]
    found = eliminate([(moments_of(x, y), weight, units)], damping=TINY)
    alone = [least_squares(np.delete(x, column, 1), y)[2] - least for column in range(6)]
    assert found.order[0] == int(np.argmin(alone))
    np.testing.assert_allclose(found.costs[0], min(alone), rtol=1e-6)


def test_of_two_that_are_the_same_one_leaves_free_and_the_other_does_not():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((500, 3))
    x = np.column_stack([x, x[:, 0]])
    units = [np.asarray([column]) for column in range(4)]
    found = eliminate([(moments_of(x, x), np.asarray([[5.0, 1.0, 2.0, 5.0]]), units)], damping=1e-9)
    assert found.order[0] in {0, 3}
    assert found.order[-1] in {0, 3}
    assert found.costs[0] < 1e-6
    assert found.costs[1] > 0.5


def test_costs_of_several_systems_add_up():
    covariance = with_covariance(np.eye(3))
    units = [np.asarray([column]) for column in range(3)]
    one = (covariance, np.asarray([[1.0, 2.0, 3.0]]), units)
    other = (covariance, np.asarray([[5.0, 1.0, 1.0]]), units)
    found = eliminate([one, other], damping=0.0)
    assert found.order.tolist() == [1, 2, 0]
    np.testing.assert_allclose(found.costs, [4 + 1, 4 + 1 + 9 + 1])


@pytest.mark.parametrize("steps", [1, 3, 64])
def test_in_fewer_steps_all_units_leave_too(steps):
    x, y = drawn(5, inputs=10)
    units = [np.asarray([column]) for column in range(10)]
    weight = least_squares(x, y)[0]
    found = eliminate([(moments_of(x, y), weight, units)], steps=steps)
    assert sorted(found.order.tolist()) == list(range(10))
    assert len(found.costs) == 9
    assert np.all(np.diff(found.costs) >= -1e-9)


@given(seed=st.integers(0, 50))
def test_costs_never_fall(seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((30, 5)) @ rng.standard_normal((5, 5))
    units = [np.asarray([column]) for column in range(5)]
    weight = rng.standard_normal((2, 5))
    costs = eliminate([(moments_of(x, x), weight, units)]).costs
    assert costs[0] >= 0
    assert np.all(np.diff(costs) >= -1e-9 * costs.max())


def test_one_unit_stays():
    found = eliminate([(with_covariance(np.eye(2)), np.ones((1, 2)), [np.asarray([0, 1])])])
    assert found.order.tolist() == [0]
    assert found.costs.shape == (0,)
