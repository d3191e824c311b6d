"""What commutes with factors, operator by operator, held to the law on the runtime."""

import numpy as np
import pytest

from tests.graph.channels.nets import Net
from tests.graph.scaling.scaled import check_law, sizes


def between(make, *, opset=18):
    """Eight channels, what is made of them, and a linear layer that reads the result."""
    net = Net(opset)
    x = net.conv(net.input(["n", 3, 8, 8]), 3, 8)
    x = make(net, x)
    return net.done(net.conv(x, 8, 4, 1), 4)


def alpha(net):
    return net.constant(np.full((8, 1, 1), 0.1, np.float32))


def number(net, value):
    return net.constant(np.float32(value))


PASS = {
    "Relu": lambda net, x: net.op("Relu", x),
    "LeakyRelu": lambda net, x: net.op("LeakyRelu", x, alpha=0.2),
    "PRelu": lambda net, x: net.op("PRelu", x, alpha(net)),
    "Abs": lambda net, x: net.op("Abs", x),
    "Clip at zero": lambda net, x: net.op("Clip", x, number(net, 0)),
    "MaxPool": lambda net, x: net.op("MaxPool", x, kernel_shape=[2, 2]),
    "AveragePool": lambda net, x: net.op("AveragePool", x, kernel_shape=[2, 2], pads=[1] * 4),
    "GlobalAveragePool": lambda net, x: net.op("GlobalAveragePool", x),
    "Pad": lambda net, x: net.op("Pad", x, net.ints(0, 0, 1, 1, 0, 0, 1, 1)),
    "mirrored Pad": lambda net, x: net.op(
        "Pad", x, net.ints(0, 0, 1, 1, 0, 0, 1, 1), mode="reflect"
    ),
    "Resize": lambda net, x: net.op(
        "Resize", x, "", net.constant(np.asarray([1, 1, 2, 2], np.float32))
    ),
    "scaled by one number": lambda net, x: net.op("Mul", x, number(net, 0.3)),
    "divided by one number": lambda net, x: net.op("Div", x, number(net, 0.3)),
    "with itself": lambda net, x: net.op("Add", x, net.op("Relu", x)),
    "gated": lambda net, x: net.op("Mul", net.op("Relu", x), net.op("Sigmoid", net.conv(x, 8, 8))),
    "split and joined": lambda net, x: net.op(
        "Concat", *net.op("Split", x, outputs=2, axis=1, num_outputs=2), axis=1
    ),
    "the mean kept": lambda net, x: net.op("ReduceMean", x, net.ints(2, 3), keepdims=1),
    "reversed": lambda net, x: net.op(
        "Slice", x, net.ints(7), net.ints(-100), net.ints(1), net.ints(-1)
    ),
    "picked": lambda net, x: net.op("Gather", x, net.ints(3, 1, 2, 0, 7, 6, 5, 4), axis=1),
    "largest with zeros": lambda net, x: net.op(
        "Max", x, net.constant(np.zeros((1, 8, 1, 1), np.float32))
    ),
}
PASS["gated"] = lambda net, x: net.op(
    "Mul", net.op("Relu", x), net.op("Sigmoid", net.op("GlobalAveragePool", net.conv(
        net.input(["n", 3, 8, 8]), 3, 8))))  # fmt: skip
STOP = {
    "Sigmoid": lambda net, x: net.op("Sigmoid", x),
    "HardSwish": lambda net, x: net.op("HardSwish", x),
    "Clip at six": lambda net, x: net.op("Clip", x, number(net, 0), number(net, 6)),
    "Clip at one": lambda net, x: net.op("Clip", x, number(net, 1)),
    "one number added": lambda net, x: net.op("Add", x, number(net, 0.3)),
    "padded with ones": lambda net, x: net.op(
        "Pad", x, net.ints(0, 0, 1, 1, 0, 0, 1, 1), number(net, 1)
    ),
    "multiplied with itself": lambda net, x: net.op("Mul", x, net.op("Relu", x)),
    "squared": lambda net, x: net.op("Pow", x, number(net, 2)),
    "normalized over channels": lambda net, x: net.op("LRN", x, size=3),
}


@pytest.mark.parametrize("what", PASS)
def test_factors_pass(what, tmp_path):
    found = check_law(between(PASS[what]), tmp_path)
    assert 8 in sizes(found)


@pytest.mark.parametrize("what", STOP)
def test_factors_stop(what, tmp_path):
    found = check_law(between(STOP[what]), tmp_path)
    assert "conv0" in found.frozen


def test_bounds_that_are_attributes_stop_as_well(tmp_path):
    proto = between(lambda net, x: net.op("Clip", x, min=0.0, max=0.5), opset=10)
    assert "conv0" in check_law(proto, tmp_path).frozen


@pytest.mark.parametrize("op_type", ["Mul", "Div"])
def test_a_constant_for_each_channel_parts_factors(op_type, tmp_path):
    found = check_law(
        between(lambda net, x: net.op(op_type, net.op("Relu", x), net.constant(
            np.linspace(0.5, 2, 8).astype(np.float32).reshape(8, 1, 1)))), tmp_path)  # fmt: skip
    assert sizes(found) == [8, 8]


def test_what_is_added_to_all_channels_unites_them(tmp_path):
    image = np.ones((1, 1, 8, 8), np.float32)
    image[0, 0, 0, 0] = 3
    found = check_law(between(lambda net, x: net.op("Add", x, net.constant(image))), tmp_path)
    assert sizes(found) == [1]


def test_parameters_of_a_normalization_make_channels(tmp_path):
    net = Net()
    x = net.op("LayerNormalization", net.input(["n", 4, 6]), net.weight(6), net.weight(6))
    found = check_law(net.done(net.linear(x, 6, 3), 3), tmp_path)
    (group,) = found.groups
    assert [use.weight for use in group.made] == ["w0", "w1"]
    assert not any(use.matrix for use in group.made)


def test_what_a_normalization_reads_stays(tmp_path):
    net = Net()
    x = net.linear(net.input(["n", 4, 6]), 6, 6)
    x = net.op("LayerNormalization", x, net.weight(6), net.weight(6))
    found = check_law(net.done(net.linear(x, 6, 3), 3), tmp_path)
    assert len(found.groups) == 1
    assert "takes statistics" in found.frozen["matmul0"]


def test_joined_with_what_cannot_be_scaled(tmp_path):
    net = Net()
    x = net.input(["n", 3, 8, 8])
    x = net.op("Concat", net.op("Relu", net.conv(x, 3, 5)), x, axis=1)
    assert sizes(check_law(net.done(net.conv(x, 8, 4, 1), 4), tmp_path)) == [5]


def test_padded_channels_are_zeros_at_any_scale(tmp_path):
    net = Net()
    x = net.op("Pad", net.conv(net.input(["n", 3, 8, 8]), 3, 5), net.ints(0, 1, 0, 0, 0, 2, 0, 0))
    assert sizes(check_law(net.done(net.conv(x, 8, 4, 1), 4), tmp_path)) == [5]


def test_heads_keep_a_factor_for_each_place(tmp_path):
    net = Net()
    x = net.linear(net.input(["n", 5, 6]), 6, 12)
    x = net.op("Transpose", net.op("Reshape", x, net.ints(0, 5, 3, 4)), perm=[0, 2, 1, 3])
    x = net.op("Reshape", net.op("Transpose", x, perm=[0, 2, 1, 3]), net.ints(0, 0, 12))
    assert sizes(check_law(net.done(net.linear(x, 12, 3), 3), tmp_path)) == [12]


def test_repeated_and_added_up(tmp_path):
    net = Net()
    x = net.op("Unsqueeze", net.linear(net.input(["n", 6]), 6, 8), net.ints(1))
    x = net.op("Expand", x, net.ints(1, 4, 8))
    x = net.op("ReduceSum", x, net.ints(1), keepdims=0)
    assert sizes(check_law(net.done(net.linear(x, 8, 3), 2), tmp_path)) == [8]
