"""Weights and biases as integer kernels take them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lissom.methods.encoding import encode, layer_integers, merged
from lissom.numerics.quantized import dequantize
from lissom.store.store import Store

weights = hnp.arrays(np.float32, (3, 4), elements=st.floats(-4, 4, width=32))


def test_by_hand():
    weight = np.array([[127.0, -64.0], [0.5, 1.27]], np.float32)
    integers, bias = layer_integers(
        weight, np.array([10.0, -2.0], np.float32), axis=0, bits=8, input_scale=0.5
    )
    np.testing.assert_allclose(integers.scale, [1.0, 0.01], rtol=1e-6)
    assert integers.values.tolist() == [[127, -64], [50, 127]]
    assert bias is not None
    assert bias.values.tolist() == [20, -400]
    np.testing.assert_array_equal(bias.scale, integers.scale * np.float32(0.5))


@given(weights, st.booleans())
def test_one_scale_for_the_whole_weight(weight, symmetric):
    bias = np.array([1.0, -1.0, 0.0], np.float32)
    integers, added = layer_integers(
        weight, bias, axis=None, bits=8, input_scale=0.1, symmetric=symmetric
    )
    assert integers.scale.shape == ()
    assert np.all(np.abs(dequantize(integers) - weight) <= integers.scale * 0.501 + 1e-30)
    assert added is not None
    np.testing.assert_allclose(added.scale, np.full(3, np.float64(integers.scale) * 0.1), rtol=1e-6)


@given(weights, st.booleans(), st.integers(0, 1))
def test_every_weight_is_within_half_a_step(weight, symmetric, axis):
    integers, _ = layer_integers(
        weight, None, axis=axis, bits=8, input_scale=0.1, symmetric=symmetric
    )
    scale = np.expand_dims(integers.scale, 1 - axis)
    assert np.all(np.abs(dequantize(integers) - weight) <= scale * 0.501 + 1e-30)


@given(
    hnp.arrays(np.float32, 3, elements=st.floats(-(2.0**49), 2.0**49, width=32)),
    st.floats(1e-20, 1e3),
    st.booleans(),
)
def test_a_bias_never_overflows(bias, input_scale, symmetric):
    weight = np.array([[1e-6], [0.0], [1.0]], np.float32)
    _, integers = layer_integers(
        weight, bias, axis=0, bits=8, input_scale=input_scale, symmetric=symmetric
    )
    assert integers is not None
    assert np.abs(integers.values.astype(np.int64)).max() <= 2**30 + 256
    error = np.abs(dequantize(integers).astype(np.float64) - bias)
    assert np.all(error <= integers.scale * 0.51 + np.abs(bias) * 1e-6)


def test_a_channel_of_zeros_keeps_its_bias():
    weight = np.array([[0.0, 0.0], [1.0, -1.0]], np.float32)
    bias = np.array([0.3, 0.0], np.float32)
    integers, quantized = layer_integers(weight, bias, axis=0, bits=8, input_scale=0.01)
    assert quantized is not None
    assert np.all(integers.values[0] == 0)
    assert abs(dequantize(quantized)[0] - 0.3) < 1e-4


def test_reduced_range_leaves_a_bit():
    integers, _ = layer_integers(
        np.array([[-1.0, 1.0]], np.float32), None, axis=0, bits=7, input_scale=1.0
    )
    assert integers.values.tolist() == [[-63, 63]]


def test_tied_weights_are_encoded_once(tmp_path):
    store = Store(tmp_path)
    integers, _ = layer_integers(np.eye(2, dtype=np.float32), None, axis=0, bits=8, input_scale=1.0)
    edits = [encode("w", integers, (name,), store) for name in ("a", "b", "a")]
    (only,) = merged(edits)
    assert only.consumers == ("a", "b")
