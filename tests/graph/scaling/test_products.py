"""Weights that read some factors and make others, each kind of operator by itself."""

import numpy as np
import pytest
from onnx import TensorProto

from tests.graph.channels.nets import Net
from tests.graph.scaling.scaled import check_law, sizes


def image(net, channels):
    return net.conv(net.input(["n", 3, 8, 8]), 3, channels)


@pytest.mark.parametrize("groups", [1, 2, 8])
def test_convolutions_with_groups(groups, tmp_path):
    net = Net()
    x = net.op("Relu", image(net, 8))
    x = net.op("Relu", net.conv(x, 8, 16, 3, group=groups))
    assert sizes(check_law(net.done(net.conv(x, 16, 4, 1), 4), tmp_path)) == [8, 16]


@pytest.mark.parametrize("groups", [1, 2])
def test_transposed_convolutions(groups, tmp_path):
    net = Net()
    x = net.op("Relu", image(net, 8))
    weights = net.weight(8, 6 // groups, 2, 2), net.weight(6)
    x = net.op("ConvTranspose", x, *weights, strides=[2, 2], group=groups)
    found = check_law(net.done(net.conv(net.op("Relu", x), 6, 4, 1), 4), tmp_path)
    assert sizes(found) == [6, 8]


def test_three_layers_around_a_depthwise_one(tmp_path):
    net = Net()
    x = net.op("Relu", image(net, 8))
    x = net.op("Relu", net.conv(x, 8, 8, 3, group=8))
    found = check_law(net.done(net.conv(x, 8, 4, 1), 4), tmp_path)
    # What goes into it and what comes out of it have factors of their own.
    assert sizes(found) == [8, 8]
    assert [group.nodes for group in found.groups] == [("conv0", "conv2"), ("conv2", "conv4")]


@pytest.mark.parametrize(("bias", "groups"), [((6,), [6]), ((1, 6), [6]), ((1,), []), ((), [])])
def test_what_a_gemm_adds(bias, groups, tmp_path):
    net = Net()
    added = net.constant(np.full(bias, 0.5, np.float32))
    x = net.op("Gemm", net.input(["n", 5]), net.weight(5, 6), added, alpha=0.5, beta=2.0)
    x = net.op("Gemm", net.op("Relu", x), net.weight(3, 6), net.weight(3), transB=1)
    assert sizes(check_law(net.done(x, 2), tmp_path)) == groups


def test_a_gemm_of_a_transposed_input_stops(tmp_path):
    net = Net()
    x = net.op("Gemm", net.input([5, 4]), net.weight(5, 6), net.weight(6), transA=1)
    x = net.op("Gemm", net.op("Transpose", x), net.weight(6, 3), net.weight(3), transA=1)
    assert sizes(check_law(net.done(x, 2), tmp_path)) == []


def test_a_product_of_two_computed_values_passes_one_side(tmp_path):
    net = Net()
    x = net.input(["n", 5, 6])
    shares = net.op("Softmax", net.op("MatMul", x, net.constant_t(6, 5)), axis=-1)
    mixed = net.op("MatMul", shares, net.linear(x, 6, 8))
    assert sizes(check_law(net.done(net.linear(mixed, 8, 3), 3), tmp_path)) == [8]


def test_two_sides_that_could_be_scaled_both_stay(tmp_path):
    net = Net()
    x = net.input(["n", 5, 6])
    keys = net.op("Transpose", net.linear(x, 6, 8), perm=[0, 2, 1])
    scores = net.op("MatMul", net.linear(x, 6, 8), keys)
    found = check_law(net.done(scores, 3), tmp_path)
    assert found.groups == ()
    assert "multiplied" in " ".join(found.frozen.values())


def test_a_batch_of_matrices_stops(tmp_path):
    net = Net()
    x = net.op("MatMul", net.input([2, 4, 6]), net.weight(2, 6, 6))
    x = net.op("MatMul", net.op("Relu", x), net.weight(2, 6, 3))
    assert sizes(check_law(net.done(x, 3), tmp_path)) == []


def test_rows_that_are_looked_up(tmp_path):
    net = Net()
    x = net.op("Gather", net.weight(20, 8), net.input(["n", 4], TensorProto.INT64))
    x = net.op("Add", x, net.constant(np.ones((4, 8), np.float32)))
    assert sizes(check_law(net.done(net.linear(x, 8, 3), 3), tmp_path)) == [8]


def test_a_cell_reads_but_makes_nothing(tmp_path):
    net = Net()
    x = net.op("Transpose", net.linear(net.input(["n", 7, 5]), 5, 6), perm=[1, 0, 2])
    y = net.op("LSTM", x, net.weight(1, 32, 6), net.weight(1, 32, 8), outputs=3, hidden_size=8)[0]
    found = check_law(net.done(net.op("Squeeze", y, net.ints(1)), 3), tmp_path)
    assert sizes(found) == [6]
