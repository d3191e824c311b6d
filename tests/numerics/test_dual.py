"""What rows give is what their moments give, where both can be held."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lissom.numerics.dual import Rows, statistics_for
from lissom.numerics.moments import Moments, eliminate, fit
from lissom.numerics.sparsity import sparsify

RNG = np.random.default_rng(0)
SHAPES = st.tuples(st.integers(2, 30), st.integers(1, 24), st.integers(1, 3))


def drawn(seed, rows, inputs, outputs):
    """Correlated rows with means, and outputs that depend on them."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, inputs)) @ rng.standard_normal((inputs, inputs)) + 2.0
    y = x @ rng.standard_normal((inputs, outputs)) + rng.standard_normal((rows, outputs))
    return x.astype(np.float32), y.astype(np.float32)


def both(x, y):
    """Moments and rows of the same."""
    made = Moments.empty(x.shape[1], y.shape[1]), Rows.empty(x.shape[1], y.shape[1], most=len(x))
    for one in made:
        one.add(x, y)
    return made


def by_hand(bound, numbers):
    x = np.asarray([[1.0], [2.0], [3.0], [4.0]], np.float32)[: len(numbers)]
    return Rows(
        most=9, x=x, y=-x, numbers=np.asarray(numbers), weights=np.ones(len(x)), bound=bound
    )


def test_two_rows_by_hand():
    found = Rows.empty(2, 1, most=5)
    found.add(np.asarray([[1.0, 2.0], [3.0, 4.0]]), np.asarray([[1.0], [-1.0]]))
    assert found.rows == 2
    assert found.mean.tolist() == [2.0, 3.0]
    assert found.second.tolist() == [5.0, 10.0]
    assert found.mean_y.tolist() == [0.0]
    assert found.variance == 1.0
    assert found.error(np.asarray([[0.0, 1.0]]), np.asarray([-2.0])) == (1.0 + 9.0) / 2


@given(SHAPES, st.integers(0, 99))
def test_the_fit_is_that_of_moments(shape, seed):
    dense, dual = both(*drawn(seed, *shape))
    start = np.random.default_rng(seed).standard_normal((shape[2], shape[1]))
    for damping in (1e-3, 1.0):
        one = fit(dense, start, dampings=(damping,))
        two = fit(dual, start, dampings=(damping,))
        np.testing.assert_allclose(two.weight, one.weight, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(two.bias, one.bias, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(
            dual.error(two.weight, two.bias), dense.error(one.weight, one.bias), rtol=1e-4,
            atol=1e-5 * (1 + dense.variance),
        )  # fmt: skip


@given(SHAPES, st.integers(0, 99))
def test_held_out_rows_choose_the_same_damping(shape, seed):
    dense, dual = both(*drawn(seed, *shape))
    more = both(*drawn(seed + 1, 9, *shape[1:]))
    start = np.zeros((shape[2], shape[1]))
    one = fit(dense, start, more[0], dampings=(1e-3, 1.0))
    two = fit(dual, start, more[1], dampings=(1e-3, 1.0))
    assert one.damping == two.damping
    np.testing.assert_allclose(two.weight, one.weight, rtol=1e-5, atol=1e-5)


@settings(deadline=None)
@given(SHAPES, st.integers(0, 99), st.integers(1, 3), st.sampled_from([1, 3, 64]))
def test_units_leave_in_the_same_order_at_the_same_cost(shape, seed, width, steps):
    dense, dual = both(*drawn(seed, *shape))
    weight = np.random.default_rng(seed).standard_normal((shape[2], shape[1]))
    units = np.array_split(np.arange(shape[1]), max(1, shape[1] // width))
    one = eliminate([(dense, weight, units)], steps=steps)
    two = eliminate([(dual, weight, units)], steps=steps)
    scale = max(one.costs, default=0.0)
    np.testing.assert_allclose(two.costs, one.costs, rtol=1e-4, atol=1e-6 * scale)
    assert sorted(two.order.tolist()) == list(range(len(units)))


@settings(deadline=None)
@given(SHAPES, st.integers(0, 99), st.sampled_from(["obs", "wanda"]))
def test_zeros_are_corrected_in_the_same_way(shape, seed, criterion):
    dense, dual = both(*drawn(seed, *shape))
    weight = np.random.default_rng(seed).standard_normal((shape[2], shape[1]))
    made = [sparsify(weight, each, ratio=0.5, criterion=criterion) for each in (dense, dual)]
    np.testing.assert_array_equal(made[0] == 0, made[1] == 0)
    np.testing.assert_allclose(made[1], made[0], rtol=1e-4, atol=1e-5)


def test_sweeps_are_the_factor_of_the_inverse():
    dense, dual = both(*drawn(3, 9, 20, 1))
    (whole,) = dense.inverse(0.01).sweeps(20)
    at = 0
    for factor in dual.inverse(0.01).sweeps(7):
        np.testing.assert_allclose(factor, whole[at : at + len(factor), at:], atol=1e-6)
        at += len(factor)
    assert at == 20


def test_some_inputs_only():
    x, y = drawn(4, 12, 6, 2)
    columns = np.asarray([0, 3, 5])
    part = both(x, y)[1].of_columns(columns)
    np.testing.assert_array_equal(part.x, x[:, columns])
    np.testing.assert_array_equal(part.y, y)


def test_rows_that_are_kept_are_a_uniform_choice():
    """Each of 40 rows, added in four parts, is among 10 kept about equally often."""
    seen = np.zeros(40)
    for seed in range(400):
        found = Rows.empty(1, 1, most=10, seed=seed)
        for start in range(0, 40, 10):
            x = np.arange(start, start + 10, dtype=np.float32)[:, None]
            found.add(x, -x)
        assert found.rows == 10
        np.testing.assert_array_equal(found.y, -found.x)
        seen[found.x[:, 0].astype(int)] += 1
    assert np.all(np.abs(seen - 100) < 5 * np.sqrt(400 * 0.25 * 0.75))


def test_joined_rows_are_those_that_both_kept():
    found = by_hand(0.5, [0.1, 0.4]).joined(by_hand(1.0, [0.2, 0.45, 0.9]))
    assert found.x[:, 0].tolist() == [1.0, 2.0, 1.0, 2.0]
    assert found.bound == 0.5
    whole = by_hand(1.0, [0.1, 0.4]).joined(by_hand(1.0, [0.2, 0.45, 0.9]))
    assert whole.rows == 5


@pytest.mark.parametrize("rows", [0, 1, 4])
def test_rows_that_never_change_keep_the_weight(rows):
    x, y = np.full((rows, 5), 3.0, np.float32), np.full((rows, 1), 7.0, np.float32)
    dual = both(x, y)[1]
    start = np.asarray([[1.0, -1.0, 0.0, 2.0, 0.5]])
    found = fit(dual, start)
    np.testing.assert_allclose(found.weight, start)
    np.testing.assert_allclose(found.bias, [7.0 - 3.0 * 2.5 if rows else 0.0])
    order = eliminate([(dual, start, [np.asarray([i]) for i in range(5)])])
    assert order.order[0] == 2
    np.testing.assert_array_equal(sparsify(start, dual, ratio=0.4), [[1, -1, 0, 2, 0]])


def test_doubled_rows_and_columns_do_no_harm():
    x, y = drawn(5, 6, 4, 1)
    x, y = np.tile(x, (3, 2)), np.tile(y, (3, 1))
    dense, dual = both(x, y)
    start = np.zeros((1, 8))
    one, two = fit(dense, start), fit(dual, start)
    np.testing.assert_allclose(two.weight, one.weight, atol=1e-4)
    costs = eliminate([(dual, two.weight, [np.asarray([i]) for i in range(8)])], damping=1e-6).costs
    assert costs[3] < 1e-3 * costs[6]  # four leave for nothing: their doubles stay


@pytest.mark.parametrize(
    ("inputs", "kind", "most"),
    [(100, Moments, None), (1000, Moments, None), (1001, Rows, 999), (64_000, Rows, 15)],
)
def test_the_form_follows_from_the_memory_that_it_takes(inputs, kind, most):
    found = statistics_for(inputs, 3, 8_000_000)
    assert isinstance(found, kind)
    if isinstance(found, Rows):
        assert found.most == most
        assert 8 * found.most * max(inputs, found.most) <= 8_000_000


def test_a_layer_of_65536_inputs_is_fitted_and_cut():
    """Its second moments would take 32 GiB. A quarter of the units repeats another."""
    rng = np.random.default_rng(1)
    mixing = rng.standard_normal((12, 5, 4096))  # each unit has five degrees of freedom
    few = np.einsum("nuf,ufc->nuc", rng.standard_normal((96, 12, 5)), mixing).astype(np.float32)
    units = [np.arange(unit * 4096, (unit + 1) * 4096) for unit in range(16)]
    x = np.concatenate([few, few[:, :4]], axis=1).reshape(96, -1)
    weight = (rng.standard_normal((2, 65_536)) / 256).astype(np.float32)
    y = x @ weight.T
    found = statistics_for(65_536, 2, 1 << 28)
    found.add(x, y)
    assert isinstance(found, Rows)
    gone = eliminate([(found, weight, units)], damping=1e-4, steps=8).order[:2]
    assert set(gone.tolist()) <= {0, 1, 2, 3, 12, 13, 14, 15}
    stays = np.concatenate([own for unit, own in enumerate(units) if unit not in gone])
    left = found.of_columns(stays)
    fitted = fit(left, weight[:, stays])
    assert left.error(fitted.weight, fitted.bias) < 1e-3 * left.variance


@given(st.integers(0, 99))
def test_a_row_of_weight_k_counts_as_k_rows(seed):
    rng = np.random.default_rng(seed)
    x, y, often = rng.standard_normal((7, 3)), rng.standard_normal((7, 2)), rng.integers(0, 4, 7)
    start = rng.standard_normal((2, 3))
    for empty in (partial(Moments.empty, 3, 2), partial(Rows.empty, 3, 2, most=100)):
        weighted, repeated = empty(), empty()
        weighted.add(x, y, often.astype(float))
        repeated.add(np.repeat(x, often, axis=0), np.repeat(y, often, axis=0))
        assert weighted.rows == pytest.approx(repeated.rows)
        for name in ("mean", "second", "mean_y", "variance"):
            np.testing.assert_allclose(getattr(weighted, name), getattr(repeated, name), atol=1e-6)
        one, two = (fit(each, start, dampings=(0.1,)) for each in (weighted, repeated))
        np.testing.assert_allclose(one.weight, two.weight, atol=1e-6)
        np.testing.assert_allclose(one.bias, two.bias, atol=1e-6)
        error = weighted.error(one.weight, one.bias)
        assert error == pytest.approx(repeated.error(one.weight, one.bias), rel=1e-5, abs=1e-9)
        costs = [eliminate([(each, start, [[0], [1], [2]])]).costs for each in (weighted, repeated)]
        np.testing.assert_allclose(*costs, rtol=1e-4, atol=1e-9)
