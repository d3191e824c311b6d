"""What passes a constant between the bias that it leaves and those that it comes back in."""

import numpy as np
import pytest

from lissom.graph.scaling.shifting import Shift, shiftable
from tests import tiny
from tests.graph.channels.nets import Net
from tests.graph.scaling.scaled import found_in


def between(make):
    """What is said of eight channels with something between them and the convolution behind."""
    net = Net()
    x = net.conv(net.input(["n", 3, 8, 8]), 3, 8)
    x = make(net, x)
    found = found_in(net.done(net.conv(x, 8, 4, 1), 4))
    group = next(group for group in found.groups if group.name == "conv0")
    return shiftable(found, group)


PASS = {
    "nothing": lambda net, x: x,
    "Relu": lambda net, x: net.op("Relu", x),
    "LeakyRelu": lambda net, x: net.op("LeakyRelu", x),
    "Clip at zero": lambda net, x: net.op("Clip", x, net.constant(np.float32(0))),
    "MaxPool": lambda net, x: net.op("MaxPool", x, kernel_shape=[3, 3], pads=[1] * 4),
    "AveragePool": lambda net, x: net.op("AveragePool", x, kernel_shape=[3, 3], pads=[1] * 4),
    "all averaged": lambda net, x: net.op("GlobalAveragePool", net.op("Relu", x)),
    "the mean kept": lambda net, x: net.op("ReduceMean", x, net.ints(2, 3), keepdims=1),
    "split and joined": lambda net, x: net.op(
        "Concat", *net.op("Split", x, outputs=2, axis=1, num_outputs=2), axis=1
    ),
}
STOP = {
    "AveragePool": lambda net, x: net.op(
        "AveragePool", x, kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1
    ),
    "Pad": lambda net, x: net.op("Pad", x, net.ints(0, 0, 1, 1, 0, 0, 1, 1)),
    "Mul": lambda net, x: net.op("Mul", x, net.constant(np.float32(0.3))),
    "ReduceSum": lambda net, x: net.op("ReduceSum", x, net.ints(2, 3), keepdims=1),
    "Neg": lambda net, x: net.op("Neg", x),
    "Add": lambda net, x: net.op("Add", x, net.op("Relu", x)),
}


@pytest.mark.parametrize("what", PASS)
def test_constants_pass(what):
    one = between(PASS[what])
    assert isinstance(one, Shift)
    assert (one.maker.node, one.value) == ("conv0", "conv0_0")
    (reader,) = one.readers
    assert reader.node.startswith("conv")


@pytest.mark.parametrize("what", STOP)
def test_constants_stop(what):
    assert between(STOP[what]) == f"{what} does not pass a constant"


def test_a_factor_for_each_channel_is_no_reader():
    said = between(
        lambda net, x: net.op("Mul", x, net.constant(np.full((8, 1, 1), 0.5, np.float32)))
    )
    assert said == "Mul does not pass a constant"


def test_two_operators_that_are_added_make_no_constant():
    net = Net()
    x = net.input(["n", 3, 8, 8])
    x = net.op("Add", net.conv(x, 3, 8), net.conv(x, 3, 8))
    found = found_in(net.done(net.conv(net.op("Relu", x), 8, 4, 1), 4))
    (group,) = found.groups
    assert shiftable(found, group) == "no single operator with weights makes it"


def test_the_value_is_that_behind_the_bias():
    net = Net()
    x = net.op("Relu", net.linear(net.input(["n", 3]), 3, 5))
    found = found_in(net.done(net.linear(x, 5, 2), 2))
    one = shiftable(found, found.groups[0])
    assert isinstance(one, Shift)
    assert (one.maker.node, one.value) == ("matmul0", "add1_0")
    assert [use.node for use in one.readers] == ["matmul3"]


def test_what_is_read_before_its_bias_stays():
    net = Net()
    product = net.op("MatMul", net.input(["n", 3]), net.constant_t(3, 5))
    x = net.op("Concat", net.op("Add", product, net.weight(5)), product, axis=1)
    found = found_in(net.done(net.linear(x, 10, 2), 2))
    assert shiftable(found, found.groups[0]) == "more is added to it than one bias"


def test_a_model_of_gemms():
    found = found_in(tiny.mlp())
    one = shiftable(found, found.groups[0])
    assert isinstance(one, Shift)
    assert one.value == "fc0.out"
