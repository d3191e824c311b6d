import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper

from lissom.graph.site import Site, sites
from tests import tiny
from tests.graph.graphs import model_of, node


def _site(op_type, shape, out_axis, in_axis, groups=1):
    return Site(
        name="s",
        node="s",
        op_type=op_type,
        weight="w",
        bias=None,
        input="x",
        output="y",
        out_axis=out_axis,
        in_axis=in_axis,
        groups=groups,
        shape=shape,
    )


def test_the_sites_of_a_cnn():
    conv1, conv2, fc = sites(model_of(tiny.cnn()))
    assert (conv1.name, conv1.weight, conv1.bias) == ("conv1", "conv1.weight", "conv1.bias")
    assert (conv2.out_axis, conv2.in_axis, conv2.shape) == (0, 1, (16, 8, 3, 3))
    assert (fc.op_type, fc.out_axis, fc.in_axis, fc.input, fc.output) == (
        "Gemm",
        0,
        1,
        "f",
        "logits",
    )


def test_the_sites_of_a_transformer():
    found = {site.name: site for site in sites(model_of(tiny.transformer()))}
    assert found["embed"].op_type == "Gather"
    assert (found["embed"].input, found["embed"].outputs) == ("ids", 16)
    up = found["ffn/up/MatMul"]
    assert (up.out_axis, up.in_axis, up.outputs, up.bias) == (1, 0, 64, None)
    assert "scores" not in found


def test_a_recurrent_node_is_two_sites():
    found = {site.name: site for site in sites(model_of(tiny.recurrent()))}
    assert list(found) == ["lstm/W", "lstm/R", "gru/W", "gru/R", "fc"]
    assert found["lstm/W"].outputs == 48
    assert found["lstm/W"].canonical(np.zeros((2, 24, 4))).shape == (48, 4)
    assert found["lstm/R"].input == ""


def test_a_product_with_a_constant_on_the_left_or_in_batches_is_no_site():
    weights = {"w": np.ones((2, 2), np.float32), "batch": np.ones((3, 2, 2), np.float32)}
    nodes = [node("MatMul", ["w", "x"], ["h"]), node("MatMul", ["h", "batch"], ["y"])]
    ports = {"y": ("float32", [3, 2, 2])}
    assert sites(model_of(tiny.model(nodes, {"x": ("float32", [2, 2])}, ports, weights))) == ()


def test_transpose_convolution_by_hand():
    # 4 inputs in 2 groups, 3 outputs each: output 0 of group 1 sees inputs 2 and 3
    site = _site("ConvTranspose", (4, 3, 1, 1), 1, 0, groups=2)
    stored = np.arange(12).reshape(4, 3, 1, 1)
    assert site.outputs == 6
    assert site.canonical(stored)[3, :, 0, 0].tolist() == [6, 9]


@given(
    st.sampled_from(
        [
            _site("Conv", (4, 3, 2, 2), 0, 1),
            _site("Conv", (4, 1, 3), 0, 1, groups=4),
            _site("ConvTranspose", (6, 2, 3, 3), 1, 0, groups=3),
            _site("ConvTranspose", (5, 2, 3), 1, 0),
            _site("MatMul", (3, 5), 1, 0),
            _site("Gemm", (3, 5), 0, 1),
            _site("Gather", (7, 3), 1, 0),
            _site("LSTM", (2, 12, 4), 1, 2),
        ]
    ),
    st.integers(0, 9),
)
def test_stored_undoes_canonical(site, seed):
    array = np.random.default_rng(seed).standard_normal(site.shape)
    seen = site.canonical(array)
    assert seen.shape[0] == site.outputs
    np.testing.assert_array_equal(site.stored(seen), array)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64])
def test_integer_weights_make_no_site(dtype):
    nodes = [node("Gather", ["table", "x"], ["y"])]
    model = tiny.model(
        nodes,
        {"x": ("int64", [2])},
        {"y": ("int64", [2, 2])},
        {"table": np.zeros((4, 2), np.int64)},
    )
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.zeros((4, 2), dtype), "table"))
    assert sites(model_of(model)) == ()
