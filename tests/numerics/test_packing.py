import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import TensorProto, helper

from lissom.numerics.packing import (
    NBITS_BLOCK_SIZES,
    BlockPacked,
    pack_int4,
    pack_matmul_nbits,
    pack_words,
    unpack_int4,
    unpack_matmul_nbits,
    unpack_words,
    word_shifts,
)
from lissom.numerics.quantized import dequantize, quantize_weight


def test_low_half_first_by_hand():
    assert pack_int4(np.array([1, 2, 15], np.uint8)).tolist() == [0x21, 0x0F]
    assert pack_int4(np.array([-1, -8], np.int8)).tolist() == [0x8F]


def test_too_large_values_are_refused():
    for values in ([16], [-9], [-1, 8]):
        with pytest.raises(ValueError, match="4 bits"):
            pack_int4(np.array(values))
    with pytest.raises(ValueError, match="cannot hold"):
        unpack_int4(np.zeros(2, np.uint8), (2, 3), signed=True)


@given(hnp.arrays(np.int8, hnp.array_shapes(max_side=5), elements=st.integers(-8, 7)))
def test_unpacking_signed_gives_the_values_back(values):
    assert np.array_equal(unpack_int4(pack_int4(values), values.shape, signed=True), values)


@given(hnp.arrays(np.uint8, hnp.array_shapes(max_side=5), elements=st.integers(0, 15)))
def test_unpacking_unsigned_gives_the_values_back(values):
    assert np.array_equal(unpack_int4(pack_int4(values), values.shape, signed=False), values)


def test_onnx_reads_what_was_packed():
    values = np.array([[-8, 7, 3], [0, -1, 5]], np.int8)
    tensor = TensorProto(
        data_type=TensorProto.INT4, dims=[2, 3], raw_data=pack_int4(values).tobytes()
    )
    assert np.array_equal(onnx.numpy_helper.to_array(tensor).astype(np.int8), values)


@given(
    w=hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 4), st.integers(1, 70)),
        elements=st.floats(-9, 9, width=32),
    ),
    bits=st.sampled_from([4, 8]),
    symmetric=st.booleans(),
    block_size=st.sampled_from([16, 32]),
)
def test_unpacked_blocks_stand_for_the_same_weights(w, bits, symmetric, block_size):
    q = quantize_weight(
        w, bits=bits, axis=1, block_size=block_size, symmetric=symmetric, signed=symmetric
    )
    packed = pack_matmul_nbits(q)
    assert (packed.zero_point is None) or not symmetric
    assert np.array_equal(dequantize(unpack_matmul_nbits(packed, w.shape[1])), dequantize(q))


def test_what_the_operator_does_not_take_is_refused():
    w = np.ones((2, 64), np.float32)
    with pytest.raises(ValueError, match="along axis 1"):
        pack_matmul_nbits(quantize_weight(w, bits=4, axis=0, block_size=32))
    with pytest.raises(ValueError, match="3 bits"):
        pack_matmul_nbits(quantize_weight(w, bits=3, axis=1, block_size=32))
    with pytest.raises(ValueError, match="blocks of 8"):
        pack_matmul_nbits(quantize_weight(w, bits=4, axis=1, block_size=8))
    packed = pack_matmul_nbits(quantize_weight(w, bits=4, axis=1, block_size=32))
    with pytest.raises(ValueError, match="do not fill"):
        unpack_matmul_nbits(packed, 65)


def run_matmul_nbits(packed: BlockPacked, x: np.ndarray) -> np.ndarray:
    names = ["x", "values", "scale"]
    arrays = {"values": packed.values, "scale": packed.scale}
    if packed.zero_point is not None:
        names.append("point")
        arrays["point"] = packed.zero_point
    rows = packed.values.shape[0]
    node = helper.make_node(
        "MatMulNBits",
        names,
        ["y"],
        domain="com.microsoft",
        K=x.shape[1],
        N=rows,
        bits=packed.bits,
        block_size=packed.block_size,
    )
    graph = helper.make_graph(
        [node],
        "nbits",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [x.shape[0], rows])],
        [onnx.numpy_helper.from_array(a, n) for n, a in arrays.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": x})[0]


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("block_size", NBITS_BLOCK_SIZES)
def test_onnxruntime_reads_the_blocks(bits, symmetric, block_size):
    generator = np.random.default_rng(block_size)
    w = generator.normal(size=(5, 3 * block_size)).astype(np.float32)
    x = generator.normal(size=(2, w.shape[1])).astype(np.float32)
    q = quantize_weight(
        w, bits=bits, axis=1, block_size=block_size, symmetric=symmetric, signed=symmetric
    )
    y = run_matmul_nbits(pack_matmul_nbits(q), x)
    assert np.allclose(y, x @ dequantize(q).T, rtol=1e-4, atol=1e-3)


@given(st.integers(1, 8), st.integers(0, 200), st.integers(0, 2**31))
def test_words_are_taken_apart_again(bits, size, seed):
    indices = np.random.default_rng(seed).integers(0, 1 << bits, size).astype(np.uint8)
    words = pack_words(indices, bits)
    assert words.nbytes == 8 * -(-size // (64 // bits))
    assert np.array_equal(unpack_words(words, bits, (size,)), indices)


def test_words_by_hand():
    assert pack_words(np.asarray([[1, 2], [7, 0]], np.uint8), 3).tolist() == [
        1 + (2 << 3) + (7 << 6)
    ]
    assert word_shifts(5).tolist() == [5 * i for i in range(12)]


def test_what_does_not_fit_words_is_refused():
    with pytest.raises(ValueError, match="does not fit 3 bits"):
        pack_words(np.asarray([8], np.uint8), 3)
    with pytest.raises(ValueError, match="bits is 9"):
        word_shifts(9)
    with pytest.raises(ValueError, match="cannot hold"):
        unpack_words(np.zeros(2, np.uint64), 3, (21,))
