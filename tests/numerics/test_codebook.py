"""Indices and tables: invariants, errors within half a gap, and what files hold of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lissom.numerics.codebook import (
    CodebookTensor,
    absmax_scale,
    dequantize,
    encode,
    half_if_exact,
    learn,
    rounded_to_half,
    searched_scale,
    stored_bytes,
)
from lissom.numerics.levels import fixed_levels
from lissom.numerics.quantized import expand

WEIGHTS = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=1, max_dims=3, max_side=7),
    elements=st.floats(-1e4, 1e4, width=32),
)
FORMS = st.sampled_from([(None, None), (0, None), (-1, None), (0, 2), (-1, 3)])
TABLES = st.sampled_from(["nf4", "fp4", "float8_e4m3", "float8_e5m2", "log"])


def form_of(x, form):
    axis, block_size = form
    return {"axis": None if axis is None else axis % x.ndim, "block_size": block_size}


@given(WEIGHTS, TABLES, FORMS)
def test_errors_are_within_half_the_widest_gap(x, name, form):
    table, how = fixed_levels(name, 8), form_of(x, form)
    coded = encode(x, table, bits=8, scale=absmax_scale(x, table, **how), **how)
    gap = np.diff(table).max() / 2
    wide = expand(coded.scale, x.shape, how["axis"], how["block_size"])
    assert np.all(np.abs(dequantize(coded) - x) <= gap * wide * (1 + 1e-5) + 1e-30)


@given(WEIGHTS, TABLES, FORMS)
def test_coding_what_was_coded_changes_nothing(x, name, form):
    table, how = fixed_levels(name, 8), form_of(x, form)
    once = encode(x, table, bits=8, scale=searched_scale(x, table, **how), **how)
    again = encode(dequantize(once), table, bits=8, scale=once.scale, **how)
    assert np.array_equal(once.indices, again.indices)


@given(WEIGHTS, TABLES, FORMS)
def test_a_searched_scale_is_no_worse_than_the_largest_magnitude(x, name, form):
    table, how = fixed_levels(name, 8), form_of(x, form)
    errors = [
        ((dequantize(encode(x, table, bits=8, scale=scale, **how)) - x).astype(float) ** 2).sum()
        for scale in (searched_scale(x, table, **how), absmax_scale(x, table, **how))
    ]
    assert errors[0] <= errors[1] * (1 + 1e-4) + 1e-30


@given(WEIGHTS, st.integers(2, 8), st.sampled_from([None, 0, -1]))
def test_few_numbers_are_learned_exactly(x, bits, axis):
    few = np.sign(x)  # at most three different numbers
    coded = learn(few, bits=bits, axis=None if axis is None else axis % x.ndim)
    assert np.array_equal(dequantize(coded), few)


def test_by_hand():
    table = np.asarray([-1.0, 0.0, 2.0], np.float32)
    coded = encode(
        np.asarray([[1.0, -3.0], [0.2, 9.0]]), table, bits=2, scale=np.asarray([1.0, 4.0]), axis=0
    )
    assert coded.indices.tolist() == [[1, 0], [1, 2]]  # half way between two goes down
    assert dequantize(coded).tolist() == [[0.0, -1.0], [0.0, 8.0]]


def test_tables_of_channels_along_any_axis():
    x = np.random.default_rng(0).standard_normal((5, 4, 60)).astype(np.float32)
    for axis in range(3):
        own, one = learn(x, bits=3, axis=axis), learn(x, bits=3)
        assert own.table.shape == (x.shape[axis], 8)
        errors = [float(((dequantize(c) - x) ** 2).sum()) for c in (own, one)]
        assert errors[0] < errors[1]


def test_importance_moves_levels_and_scales():
    x = np.random.default_rng(0).standard_normal((2, 200)).astype(np.float32)
    importance = np.where(np.arange(200) < 20, 100.0, 1.0) * np.ones((2, 1))

    def lost(coded):
        return float(((dequantize(coded) - x) ** 2 * importance).sum())

    assert lost(learn(x, bits=3, axis=0, importance=importance)) < lost(learn(x, bits=3, axis=0))
    table = fixed_levels("nf4")
    scales = [searched_scale(x, table, axis=0, importance=i) for i in (importance, None)]
    aware, plain = (encode(x, table, bits=4, scale=s, axis=0) for s in scales)
    assert lost(aware) <= lost(plain)


def test_zeros_and_nothing():
    for shape in ((3, 4), (0, 4)):
        x = np.zeros(shape, np.float32)
        table = fixed_levels("nf4")
        scale = searched_scale(x, table, axis=1, block_size=3)
        assert np.all(scale == 1)
        coded = encode(x, table, bits=4, scale=scale, axis=1, block_size=3)
        assert not dequantize(coded).any()
        assert not dequantize(learn(x, bits=2, axis=0)).any()


def test_halves_are_taken_where_they_lose_nothing():
    exact = np.asarray([0.5, 1.0], np.float32)
    assert half_if_exact(exact).dtype == np.float16
    for x in ([0.1], [1e6], [1e-9]):
        assert half_if_exact(np.asarray(x, np.float32)).dtype == np.float32
    near = rounded_to_half(np.asarray([[0.1, 1e-9]]))
    assert half_if_exact(near).dtype == np.float16
    assert near[0, 0] == pytest.approx(0.1, rel=1e-3)
    far = np.asarray([[1e6, 1.0], [1.0, 0.0]])
    assert np.array_equal(rounded_to_half(far), far.astype(np.float32))
    small = np.asarray([[1e-9]], np.float32)
    assert np.array_equal(rounded_to_half(small), small)


def test_stored_bytes_by_hand():
    table = np.asarray([0.0, 1.0, 2.0], np.float32)  # exact in float16
    coded = encode(np.zeros((3, 7)), table, bits=3, scale=np.full(3, 0.1), axis=0)
    assert stored_bytes(coded) == 8 + 6 + 12  # 63 bits, three halves, three floats


GOOD = {
    "indices": np.zeros((2, 3), np.uint8),
    "table": np.asarray([0.0, 1.0], np.float32),
    "scale": None,
    "bits": 1,
    "axis": None,
    "block_size": None,
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"indices": np.zeros((2, 3), np.int8)}, "not uint8"),
        ({"table": np.zeros(2)}, "not uint8 and float32"),
        ({"table": np.asarray([1.0, 0.0], np.float32)}, "ascending"),
        ({"table": np.asarray([0.0, np.nan], np.float32)}, "finite"),
        ({"table": np.zeros((2, 2, 2), np.float32)}, "a table has shape"),
        ({"table": np.zeros((3, 2), np.float32), "axis": 0}, "one for each channel"),
        ({"bits": 9}, "9 bits"),
        ({"table": np.zeros(3, np.float32)}, "3 levels"),
        ({"indices": np.full((2, 3), 2, np.uint8)}, "not below"),
        ({"axis": 0}, "needs scales"),
        ({"axis": 0, "scale": np.ones(3, np.float32)}, "scale is"),
        ({"axis": 0, "scale": np.zeros(2, np.float32)}, "not positive"),
        ({"axis": 2, "scale": np.ones(2, np.float32)}, "axis 2"),
    ],
)
def test_what_does_not_agree_is_refused(changes, message):
    CodebookTensor(**GOOD)
    with pytest.raises(ValueError, match=message):
        CodebookTensor(**{**GOOD, **changes})


def test_only_finite_numbers_are_coded():
    with pytest.raises(ValueError, match="finite"):
        encode(np.asarray([np.inf]), GOOD["table"], bits=1)
