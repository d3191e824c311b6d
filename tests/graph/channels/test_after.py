"""The graph as it will be: sizes, numbers, and what is computed with them."""

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

from lissom.graph.channels.after import After
from lissom.graph.channels.removal import removal
from lissom.graph.channels.settings import SETTINGS
from lissom.graph.cutting import WeightCut, WeightGrowth
from tests.graph.channels.nets import Net
from tests.graph.channels.small import assert_law, followed, reasons


def test_sizes_and_cuts() -> None:
    net = Net()
    x = net.linear(net.input([2, 3]), 3, 5)
    found = followed(net.done(net.linear(x, 5, 2), 2))
    after = After(found.walk, dict.fromkeys(found.groups[0].roots[1:3], 0), SETTINGS)
    assert after.size(x) == (2, 3)
    assert after.is_cut(x)
    assert not after.is_cut("x0")
    assert after.times(x, 1).tolist() == [1, 0, 0, 1, 1]
    assert after.stays(x, 0)
    assert not after.stays(x, 1)
    assert list(after.cuts()) == [
        WeightCut(weight="w0", axis=1, removed=((1, 3),)),
        WeightCut(weight="w1", axis=0, removed=((1, 3),)),
        WeightCut(weight="w2", axis=0, removed=((1, 3),)),
    ]
    assert {(one.value, one.size) for one in after.resized()} >= {(x, 3)}


def test_sizes_and_growths() -> None:
    net = Net()
    x = net.linear(net.input([2, 3]), 3, 5)
    found = followed(net.done(net.linear(x, 5, 2), 2))
    roots = found.groups[0].roots
    after = After(found.walk, {roots[1]: 2, roots[4]: 3}, SETTINGS)
    assert after.size(x) == (2, 8)
    assert [each.tolist() for each in after.laid(x, 1)] == [
        [0, 1, 1, 2, 3, 4, 4, 4],
        [0, 0, 1, 0, 0, 0, 1, 2],
    ]
    copied = ((1, 2, 2), (4, 5, 3))
    assert list(after.growths({("w2", 0)})) == [
        WeightGrowth(weight="w0", axis=1, copied=copied, shared=False),
        WeightGrowth(weight="w1", axis=0, copied=copied, shared=False),
        WeightGrowth(weight="w2", axis=0, copied=copied, shared=True),
    ]


def test_a_number_that_is_computed_with_stays_as_it_was(tmp_path: Path) -> None:
    net = Net()
    x = net.linear(net.input([2, 4]), 4, 9)
    width = net.op("Cast", net.op("Shape", x, start=1, end=2), to=TensorProto.FLOAT)
    scaled = net.op("Div", x, net.op("Erf", net.op("Sqrt", width)))
    edit = assert_law(net.done(net.linear(scaled, 9, 2), 2), {0: (0, 1, 2)}, tmp_path)
    (one,) = edit.rewrites
    assert np.allclose(one.numerators, 3.0)


def test_a_truth_about_a_number_of_channels_is_refused() -> None:
    net = Net()
    x = net.linear(net.input([2, 4]), 4, 9)
    nine = net.op("Equal", net.op("Shape", x, start=1, end=2), net.ints(9))
    y = net.op("Where", nine, net.linear(x, 9, 2), net.input([2, 2]))
    found = followed(net.done(y, 2))
    assert not found.groups
    assert "computes with the number of channels" in reasons(found)


def test_a_number_that_a_body_reads_is_refused() -> None:
    net = Net()
    x = net.linear(net.input([2, 4]), 4, 9)
    width = net.op("Shape", x)
    port = helper.make_tensor_value_info("given", TensorProto.INT64, [2])
    body = helper.make_graph([helper.make_node("Neg", [width], ["given"])], "b", [], [port])
    y = net.op("If", net.input([1], TensorProto.BOOL), then_branch=body, else_branch=body)
    y = net.op("Cast", y, to=TensorProto.FLOAT)
    y = net.op("Add", y, net.linear(x, 9, 2))
    proto = net.done(y, 2)
    found = followed(proto, dict.fromkeys((proto.graph.node[3].output[0], y), (2,)))
    assert not found.groups
    assert "If" in reasons(found)


def test_a_mask_over_channels_follows(tmp_path: Path) -> None:
    """Known by number and spread over channels: data, of which indices leave."""
    net = Net()
    x = net.input([2, 4])
    rows = net.op("Squeeze", net.op("Shape", x, start=0, end=1))
    zero, one = net.constant(np.int64(0)), net.constant(np.int64(1))
    odd = net.op("Equal", net.op("Range", zero, rows, one), one)
    mask = net.op("Expand", net.op("Unsqueeze", odd, net.ints(1)), net.ints(2, 6))
    y = net.op("Where", mask, net.linear(x, 4, 6), net.linear(x, 4, 6))
    edit = assert_law(net.done(net.linear(y, 6, 2), 2), {0: (1, 5)}, tmp_path)
    assert edit.rewrites[0].values == (2, 4)


def test_rows_of_a_table_at_known_places_are_no_setting(tmp_path: Path) -> None:
    net = Net()
    x = net.input([2, 3, 4])
    length = net.op("Squeeze", net.op("Shape", x, start=1, end=2))
    places = net.op("Range", net.constant(np.int64(0)), length, net.constant(np.int64(1)))
    table = net.op("Gather", net.weight(9, 6), places)
    y = net.op("Add", net.linear(x, 4, 6), table)
    proto = net.done(net.linear(y, 6, 2), 3)
    known = {places: (3,), table: (3, 6)}
    (group,) = followed(proto, known).groups
    assert group.units == 6
    assert not removal(followed(proto, known), {group.name: (2, 3)}).rewrites
