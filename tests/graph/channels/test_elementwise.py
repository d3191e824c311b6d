"""Elementwise operators: channels meet index by index, and freeze where they meet an input."""

import numpy as np
import pytest

from tests.graph.channels.nets import Net
from tests.graph.channels.small import followed, reasons, units


@pytest.mark.parametrize("op_type", ["Add", "Mul", "Max", "Where"])
def test_what_meets_leaves_together(op_type: str) -> None:
    net = Net()
    x = net.input([2, 4, 3])
    left, right = net.linear(x, 3, 6), net.linear(x, 3, 6)
    flags = [net.constant(np.ones((1, 1, 1), bool))] if op_type == "Where" else []
    assert units(net.done(net.linear(net.op(op_type, *flags, left, right), 6, 2), 3)) == [6]


def test_what_meets_an_input_stays() -> None:
    net = Net()
    x = net.input([2, 4, 3])
    y = net.op("Add", net.linear(x, 3, 6), net.input([2, 4, 6]))
    found = followed(net.done(net.linear(y, 6, 2), 3))
    assert found.groups == ()
    assert "no weight makes" in reasons(found)


def test_a_scale_for_each_channel_leaves_with_it() -> None:
    net = Net()
    x = net.linear(net.input([2, 4, 3]), 3, 6)
    zero = net.constant(np.zeros(6, np.uint8))
    scale = net.constant(np.full(6, 0.1, np.float32))
    x = net.op("QuantizeLinear", x, scale, zero, axis=2)
    x = net.op("DequantizeLinear", x, scale, zero, axis=-1)
    found = followed(net.done(net.linear(x, 6, 2), 3))
    assert [group.units for group in found.groups] == [6]
    assert {member.weight for member in found.groups[0].members} >= {scale, zero}
