"""Slices and lookups: what is picked keeps its identity, what is looked up stays."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from lissom.graph.channels.picking import Cut, slices
from tests.graph.channels.nets import Net
from tests.graph.channels.small import assert_law, followed, reasons


def sliced(start: int, end: int, step: int = 1, width: int = 12) -> Net:
    net = Net()
    x = net.linear(net.input([2, 4, 3]), 3, width)
    taken = len(range(width)[start:end:step])
    y = net.op("Slice", x, net.ints(start), net.ints(end), net.ints(-1), net.ints(step))
    both = net.op("Concat", net.linear(x, width, 2), net.linear(y, taken, 2), axis=2)
    return net.done(both, 3)


def test_what_a_slice_takes_in_plain_numbers() -> None:
    found = followed(sliced(-6, 100))
    node = next(node for node in found.walk.model.nodes if node.op_type == "Slice")
    assert slices(found.walk, node) == [Cut(place=0, axis=2, start=6, end=12, step=1)]


@pytest.mark.parametrize(
    ("start", "end", "step", "units"),
    [(0, 12, 2, (0, 3)), (5, 12, 3, (0,)), (5, 9, 3, (1,)), (4, 9, 2, (0, 5)), (1, 2**31, 4, (1,))],
)
def test_steps_that_start_and_end_anywhere(
    start: int, end: int, step: int, units: tuple[int, ...], tmp_path: Path
) -> None:
    found = followed(sliced(start, end, step))
    chosen = {place: tuple(u for u in units if u < group.units - 1)
              for place, group in enumerate(found.groups) if group.units > 1}  # fmt: skip
    assert_law(sliced(start, end, step), chosen, tmp_path)


@pytest.mark.parametrize(("start", "end"), [(2, 9), (-5, -1), (0, 5)])
def test_ranges(start: int, end: int, tmp_path: Path) -> None:
    proto = sliced(start, end)
    found = followed(proto)
    assert len(found.groups) == 2
    assert_law(proto, dict.fromkeys(range(2), (0, 2)), tmp_path)


def test_backwards_stays() -> None:
    found = followed(sliced(100, -100, -1))
    assert "backwards" in reasons(found)


def test_bounds_that_depend_on_data_freeze_the_axes_that_they_say() -> None:
    net = Net()
    x = net.linear(net.input([2, 4, 3]), 3, 12)
    end = net.input([1], TensorProto.INT64)
    y = net.op("Slice", x, net.ints(0), end, net.ints(1))
    proto = net.done(net.linear(y, 12, 2), 3)
    known = {name: (2, 4, 2) for node in proto.graph.node[-2:] for name in node.output}
    found = followed(proto, {y: (2, 4, 12), **known})
    assert [group.units for group in found.groups] == [12]
    net = Net()
    x = net.linear(net.input([2, 4, 3]), 3, 12)
    y = net.op("Slice", x, net.ints(0), net.input([1], TensorProto.INT64), net.ints(2))
    z = net.op("ReduceSum", y, net.ints(2))
    found = followed(net.done(z, 3), {y: (2, 4, 12), z: (2, 4, 1)})
    assert found.groups == ()
    assert "bounds that depend on data" in reasons(found)


@pytest.mark.parametrize("axis", [2, -1])
def test_constant_indices_pick(axis: int, tmp_path: Path) -> None:
    net = Net()
    x = net.linear(net.input([2, 4, 3]), 3, 8)
    picked = net.op("Gather", x, net.ints(7, 1, -6, 3), axis=axis)
    proto = net.done(net.op("Concat", net.linear(x, 8, 2), net.linear(picked, 4, 2), axis=2), 3)
    places = range(len(followed(proto).groups))
    assert_law(proto, dict.fromkeys(places, (1,)), tmp_path)


def test_an_index_is_never_cut() -> None:
    net = Net()
    table = net.constant(np.arange(12).reshape(3, 4))
    rows = net.op("Gather", table, net.input([2], TensorProto.INT64), axis=0)
    x = net.op("Gather", net.weight(12, 6), rows)
    found = followed(net.done(net.linear(x, 6, 2), 3))
    assert [group.units for group in found.groups] == [6]
    assert table not in {m.weight for group in found.groups for m in group.members}
    assert "it is an index" in reasons(found)


def test_an_order_stays() -> None:
    net = Net()
    x = net.linear(net.input([2, 4, 3]), 3, 6)
    assert followed(net.done(net.linear(net.op("Softmax", x, axis=-1), 6, 2), 3)).groups == ()
    net = Net(11)
    x = net.op("MatMul", net.input([2, 4, 3]), net.weight(3, 6))
    y = net.op("MatMul", net.op("Softmax", x, axis=1), net.weight(6, 2))
    assert followed(net.done(y, 3)).groups == ()
