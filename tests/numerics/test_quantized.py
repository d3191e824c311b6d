import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lissom.numerics.quantized import (
    QuantizedTensor,
    dequantize,
    integer_range,
    quantize,
    quantize_bias,
    quantize_weight,
    scale_shape,
    scale_zero_point,
    storage_dtype,
)

FLOATS = st.floats(-1e4, 1e4, width=32)
WEIGHTS = hnp.arrays(
    np.float32, hnp.array_shapes(min_dims=1, max_dims=3, max_side=7), elements=FLOATS
)
BITS = st.integers(2, 8)


def scales_of(q: QuantizedTensor) -> np.ndarray:
    """Every element's scale, by quantizing a tensor of ones with the same granularity."""
    ones = QuantizedTensor(
        values=np.ones_like(q.values),
        scale=q.scale,
        zero_point=None,
        bits=q.bits,
        signed=q.signed,
        axis=q.axis,
        block_size=q.block_size,
    )
    return dequantize(ones)


def test_integer_ranges():
    assert integer_range(8, signed=True) == (-128, 127)
    assert integer_range(4, signed=False) == (0, 15)
    assert integer_range(32, signed=True) == (-(2**31), 2**31 - 1)
    assert storage_dtype(4, signed=True) == np.int8
    assert storage_dtype(32, signed=True) == np.int32
    with pytest.raises(ValueError, match="bits is 9"):
        integer_range(9, signed=True)


def test_asymmetric_scale_by_hand():
    scale, zero_point = scale_zero_point(-1.0, 2.0, bits=8, signed=False, symmetric=False)
    assert scale == np.float32(3 / 255)
    assert zero_point == 85
    assert zero_point.dtype == np.uint8


def test_symmetric_scale_by_hand():
    scale, zero_point = scale_zero_point(
        np.array([-2.0, 0.0]), np.array([1.0, 254.0]), bits=8, signed=True, symmetric=True
    )
    assert scale.tolist() == [np.float32(2 / 127), 2.0]
    assert zero_point.tolist() == [0, 0]
    _, middle = scale_zero_point(-2.0, 1.0, bits=8, signed=False, symmetric=True)
    assert middle == 128


def test_a_range_without_zero_is_widened():
    scale, zero_point = scale_zero_point(1.0, 2.55, bits=8, signed=False, symmetric=False)
    assert scale == np.float32(0.01)
    assert zero_point == 0


def test_degenerate_ranges_are_safe():
    scale, zero_point = scale_zero_point(0.0, 0.0, bits=8, signed=False, symmetric=False)
    assert (scale, zero_point) == (1.0, 0)
    tiny, _ = scale_zero_point(0.0, 1e-44, bits=8, signed=False, symmetric=False)
    assert tiny == np.finfo(np.float32).tiny
    wide, _ = scale_zero_point(-3e38, 3e38, bits=8, signed=False, symmetric=False)
    assert np.isfinite(wide)


@pytest.mark.parametrize(
    ("low", "high", "bits", "text"),
    [
        (0.0, np.nan, 8, "not finite"),
        (0.0, np.inf, 8, "not finite"),
        (2.0, 1.0, 8, "lower bound above"),
        (0.0, 1.0, 32, "bias"),
    ],
)
def test_impossible_ranges_are_refused(low, high, bits, text):
    with pytest.raises(ValueError, match=text):
        scale_zero_point(low, high, bits=bits, signed=False, symmetric=False)


def test_rounding_is_half_to_even_and_saturates():
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 300.0, -300.0], np.float32)
    one = np.asarray(1.0, np.float32)
    q = quantize(x, one, None, bits=8, signed=True)
    assert q.values.tolist() == [0, 2, 2, 0, -2, 127, -128]
    q = quantize(x, one, np.asarray(10, np.uint8), bits=8, signed=False)
    assert q.values.tolist() == [10, 12, 12, 10, 8, 255, 0]


def test_infinity_saturates_and_nan_is_refused():
    one = np.asarray(1.0, np.float32)
    q = quantize(np.array([np.inf, -np.inf]), one, None, bits=8, signed=True)
    assert q.values.tolist() == [127, -128]
    with pytest.raises(ValueError, match="NaN"):
        quantize(np.array([np.nan]), one, None, bits=8, signed=True)


def test_per_channel_weight_by_hand():
    w = np.array([[1.0, -2.0], [127.0, 63.5]], np.float32)
    q = quantize_weight(w, axis=0)
    assert q.granularity == "channel"
    assert q.scale.tolist() == [np.float32(2 / 127), 1.0]
    assert q.values.tolist() == [[64, -127], [127, 64]]
    assert q.zero_point is None


def test_blocks_may_end_short():
    w = np.array([[1.0, 7.0, 14.0, -14.0, 3.5]], np.float32)
    q = quantize_weight(w, bits=4, axis=1, block_size=2)
    assert q.granularity == "block"
    assert q.scale.tolist() == [[1.0, 2.0, 0.5]]
    assert q.values.tolist() == [[1, 7, 7, -7, 7]]
    assert dequantize(q).tolist() == w.tolist()


def test_seven_bits_stay_in_the_reduced_range():
    q = quantize_weight(np.linspace(-1, 1, 1000, dtype=np.float32), bits=7)
    assert (q.values.min(), q.values.max()) == (-63, 63)
    assert q.values.dtype == np.int8


def test_empty_weights():
    q = quantize_weight(np.zeros((0, 3), np.float32), axis=1)
    assert dequantize(q).shape == (0, 3)


def test_bias_takes_its_layers_scale():
    q = quantize_bias(np.array([0.5, -0.25, 1e9], np.float32), np.array([0.25, 0.5, 1e-3]))
    assert q.values.dtype == np.int32
    assert q.values.tolist() == [2, 0, 2**31 - 1]
    assert (q.axis, q.bits) == (0, 32)
    with pytest.raises(ValueError, match="vector"):
        quantize_bias(np.zeros((2, 2), np.float32), 1.0)


def test_a_wrong_tensor_cannot_be_made():
    good = quantize_weight(np.ones((2, 4), np.float32), bits=4, axis=1, block_size=2)
    fields = {name: getattr(good, name) for name in QuantizedTensor.__slots__}
    for change, text in [
        ({"values": good.values.astype(np.int32)}, "values are int32"),
        ({"values": np.full((2, 4), 8, np.int8)}, "leave the range"),
        ({"scale": np.ones(2, np.float32)}, "scale is"),
        ({"scale": np.zeros((2, 2), np.float32)}, "positive"),
        ({"zero_point": np.zeros(2, np.int8)}, "zero_point is"),
        ({"axis": 2}, "axis 2"),
        ({"axis": None}, "needs an axis"),
        ({"block_size": 0}, "at least 1"),
    ]:
        with pytest.raises(ValueError, match=text):
            QuantizedTensor(**{**fields, **change})


def test_scale_shapes():
    assert scale_shape((4, 5), None, None) == ()
    assert scale_shape((4, 5), 1, None) == (5,)
    assert scale_shape((4, 5), 1, 2) == (4, 3)


@given(WEIGHTS, BITS, st.booleans(), st.booleans(), st.data())
def test_rounding_moves_nothing_by_more_than_half_a_scale(w, bits, symmetric, signed, data):
    axis = data.draw(st.sampled_from([None, *range(w.ndim)]))
    block = None if axis is None else data.draw(st.sampled_from([None, 1, 2, 3]))
    q = quantize_weight(
        w, bits=bits, axis=axis, block_size=block, symmetric=symmetric, signed=signed
    )
    scales = scales_of(q).astype(np.float64)
    error = np.abs(dequantize(q).astype(np.float64) - w)
    assert np.all(error <= scales * 0.5 * (1 + 1e-4) + 1e-6 * np.abs(w))


@given(WEIGHTS, BITS, st.booleans())
def test_zero_is_exact(w, bits, symmetric):
    w[..., 0] = 0.0
    q = quantize_weight(w, bits=bits, symmetric=symmetric, axis=0, signed=symmetric)
    assert np.all(dequantize(q)[..., 0] == 0.0)


@given(WEIGHTS, BITS, st.booleans())
def test_quantizing_again_changes_nothing(w, bits, symmetric):
    q = quantize_weight(w, bits=bits, symmetric=symmetric, signed=symmetric)
    again = quantize(dequantize(q), q.scale, q.zero_point, bits=bits, signed=symmetric)
    assert np.array_equal(again.values, q.values)


@given(WEIGHTS, BITS, st.booleans())
def test_scales_can_be_powers_of_two(x, bits, symmetric):
    how = {"bits": bits, "axis": 0, "symmetric": symmetric}
    exact, power = (quantize_weight(x, **how, power_of_two=one) for one in (False, True))
    assert np.all(np.frexp(power.scale)[0] == 0.5)
    # Up to half a step as everywhere, and a step where the zero point was rounded.
    assert np.all(np.abs(dequantize(power) - x) <= scales_of(power) * (1 + 1e-5))
    assert np.all(power.scale >= exact.scale)
    assert np.all(power.scale < 2 * exact.scale)


def test_a_power_of_two_by_hand():
    scale, _ = scale_zero_point(-3.0, 0.0, bits=3, signed=True, symmetric=True, power_of_two=True)
    assert scale == 1.0
    scale, _ = scale_zero_point(-3.1, 0.0, bits=3, signed=True, symmetric=True, power_of_two=True)
    assert scale == 2.0
