"""Settings that count channels: rewritten where they must be, left alone where they follow."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from lissom.graph.channels.removal import removal
from lissom.graph.channels.settings import SETTINGS
from lissom.graph.cutting import SetAttribute, SetInput
from tests.graph.channels.nets import Net
from tests.graph.channels.small import assert_law, followed, reasons


def conv_net(opset: int = 18) -> tuple[Net, str]:
    net = Net(opset)
    return net, net.conv(net.input([2, 3, 4, 4]), 3, 6)


def test_a_crop_beside_cut_channels_stays_a_crop(tmp_path: Path) -> None:
    net, x = conv_net()
    x = net.op("Pad", x, net.ints(0, 0, -1, 0, 0, 0, 0, -2))
    edit = assert_law(net.done(net.conv(x, 6, 2, 1), 4), {0: (1, 2)}, tmp_path)
    assert not edit.rewrites


def test_padded_channels_are_counted_anew(tmp_path: Path) -> None:
    net, x = conv_net()
    x = net.op("Pad", x, net.ints(0, 2, 0, 0, 0, 1, 1, 0))
    x = net.op("Add", x, net.weight(9, 1, 1))
    proto = net.done(net.conv(x, 9, 2, 1), 4)
    found = followed(proto)
    assert sorted(group.units for group in found.groups) == [3, 6]
    assert_law(proto, {0: (0, 2), 1: (1,)}, tmp_path)


@pytest.mark.parametrize("opset", [11, 18])
def test_a_split_of_another_axis_is_left_alone(opset: int, tmp_path: Path) -> None:
    net, x = conv_net(opset)
    count = {} if opset == 11 else {"num_outputs": 2}
    one, other = net.op("Split", x, outputs=2, axis=-1, **count)
    edit = assert_law(
        net.done(net.conv(net.op("Add", one, other), 6, 2, 1), 4), {0: (1,)}, tmp_path
    )
    assert not edit.rewrites


@pytest.mark.parametrize("axis", [1, -3])
@pytest.mark.parametrize("opset", [11, 13, 18])
def test_a_split_in_equal_parts_is_told_its_sizes(opset: int, axis: int, tmp_path: Path) -> None:
    net, x = conv_net(opset)
    count = {"num_outputs": 2} if opset == 18 else {}
    one, other = net.op("Split", x, outputs=2, axis=axis, **count)
    proto = net.done(net.op("Concat", net.conv(one, 3, 2, 1), net.conv(other, 3, 2, 1), axis=1), 4)
    edit = assert_law(proto, {0: (1,)}, tmp_path)
    kinds = {type(one) for one in edit.rewrites}
    assert (SetAttribute if opset == 11 else SetInput) in kinds


def test_old_operators(tmp_path: Path) -> None:
    """Axes as attributes, pads and bounds as inputs, as opset 11 has them."""
    net, x = conv_net(11)
    x = net.op("Pad", x, net.ints(0, 0, 1, 1, 0, 0, 1, 1))
    y = net.op("Slice", x, net.ints(1), net.ints(5), net.ints(-3))
    y = net.op("ReduceSum", net.conv(y, 4, 6, 1), axes=[-1], keepdims=0)
    y = net.op("Unsqueeze", y, axes=[3])
    proto = net.done(net.conv(net.op("Add", x, y), 6, 2, 1), 4)
    places = range(len(followed(proto).groups))
    assert_law(proto, dict.fromkeys(places, (1,)), tmp_path)


def test_bounds_from_the_channels_of_another_value_stay(tmp_path: Path) -> None:
    net, x = conv_net()
    count = net.op("Shape", x, start=1, end=2)
    rows = net.op("Slice", net.input([2, 3, 8, 8]), net.ints(0), count, net.ints(2))
    y = net.op("ReduceSum", net.conv(x, 6, 1, 1), net.ints(2, 3))
    proto = net.done(net.op("Add", rows, y), 4)
    found = followed(proto, {rows: (2, 3, 6, 8)})
    edit = removal(found, {found.groups[0].name: (0, 3)})
    (one,) = edit.rewrites
    assert (one.input, one.numerators, one.denominators) == (2, (6,), (4,))


def test_an_index_from_a_number_of_channels_stays() -> None:
    net, x = conv_net()
    last = net.op("Sub", net.op("Shape", x, start=1, end=2), net.ints(1))
    row = net.op("Gather", net.input([9, 2]), last)
    y = net.op("ReduceSum", net.conv(x, 6, 1, 1), net.ints(1, 2, 3), keepdims=0)
    found = followed(net.done(net.op("Add", row, y), 2))
    (one,) = removal(found, {found.groups[0].name: (0,)}).rewrites
    assert (one.numerators, one.denominators) == ((5,), (4,))


def test_what_is_filled_keeps_its_size_where_it_goes_elsewhere() -> None:
    net, x = conv_net()
    made = net.op("ConstantOfShape", net.op("Shape", x, start=1, end=2),
                  value=numpy_helper.from_array(np.ones(1, np.float32)))  # fmt: skip
    total = net.op("Mul", made, net.input([6]))
    y = net.op("ReduceSum", net.conv(x, 6, 1, 1), net.ints(1, 2, 3), keepdims=0)
    y = net.op("Add", y, net.op("ReduceSum", total, net.ints(0)))
    found = followed(net.done(y, 1), {made: (6,), total: (6,)})
    edit = removal(found, {found.groups[0].name: (0, 1)})
    assert [type(one).__name__ for one in edit.rewrites] == ["ScaleInput"]


def test_sizes_of_a_resize(tmp_path: Path) -> None:
    net, x = conv_net()
    x = net.op("Resize", x, "", "", net.ints(2, 6, 8, 8), mode="nearest")
    edit = assert_law(net.done(net.conv(x, 6, 2, 1), 4), {0: (1, 5)}, tmp_path)
    assert edit.rewrites == (SetInput(node="resize1", input=3, values=(2, 4, 8, 8)),)


def test_an_expansion(tmp_path: Path) -> None:
    net = Net()
    x = net.linear(net.input([2, 1, 3]), 3, 6)
    x = net.op("Expand", x, net.ints(5, 6))
    edit = assert_law(net.done(net.linear(x, 6, 2), 3), {0: (2,)}, tmp_path)
    assert edit.rewrites[0].values == (5, 5)


def test_every_setting_has_an_operator_that_is_followed() -> None:
    from onnx import defs

    assert all(defs.has(name) for name in SETTINGS)


def test_an_output_that_tells_how_many_there_are() -> None:
    net, x = conv_net()
    size = net.op("Shape", x)
    proto = net.done(net.conv(x, 6, 2, 1), 4)
    proto.graph.output.append(helper.make_tensor_value_info(size, TensorProto.INT64, [4]))
    found = followed(proto)
    assert not found.groups
    assert "computed from a number of channels" in reasons(found)
