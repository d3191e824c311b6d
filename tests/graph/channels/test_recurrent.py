"""Recurrent cells: a hidden unit is in every gate, state and peephole."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from tests.graph.channels.nets import Net
from tests.graph.channels.small import assert_law, followed, reasons

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
EVERY = ("bias", "lengths", "states", "peepholes")


def cell(op_type: str, parts: tuple[str, ...] = EVERY, **attributes: int) -> Net:
    rows, net = GATES[op_type] * 6, Net()
    x = net.linear(net.input([5, 2, 3]), 3, 4)
    given = [x, net.weight(1, rows, 4), net.weight(1, rows, 6)]
    given.append(net.weight(1, 2 * rows) if "bias" in parts else "")
    given.append(net.constant(np.array([5, 3], np.int32)) if "lengths" in parts else "")
    given.append(net.weight(1, 2, 6) if "states" in parts else "")
    if op_type == "LSTM":
        given.append(net.weight(1, 2, 6) if "states" in parts else "")
        given.append(net.weight(1, 18) if "peepholes" in parts else "")
    y, last = net.op(op_type, *given, outputs=2, hidden_size=6, **attributes)
    y = net.op("Squeeze", y, net.ints(1))
    last = net.op("Squeeze", last, net.ints(0))
    return net.done(net.linear(net.op("Add", y, last), 6, 3), 3)


@pytest.mark.parametrize("parts", [(), EVERY, ("states",), ("lengths", "bias")])
@pytest.mark.parametrize("op_type", GATES)
def test_one_direction(op_type: str, parts: tuple[str, ...], tmp_path: Path) -> None:
    edit = assert_law(cell(op_type, parts), {0: (1,), 1: (0, 4)}, tmp_path)
    assert [one.value for one in edit.rewrites if getattr(one, "attribute", "")] == [4]


def test_the_gates_of_a_unit_leave_together() -> None:
    found = followed(cell("GRU"))
    group = next(group for group in found.groups if group.units == 6)
    places = {(m.weight, m.axis): len(m.indices[0]) for m in group.members}
    assert sorted(places.values()) == [1, 1, 1, 3, 3, 6]  # state, R, linear; W, R; B


def test_batches_first_is_not_followed() -> None:
    net = Net()
    x = net.linear(net.input([2, 5, 3]), 3, 4)
    y = net.op("GRU", x, net.weight(1, 18, 4), net.weight(1, 18, 6), hidden_size=6, layout=1)
    proto = net.done(y, 4)
    found = followed(proto)
    assert found.groups == ()
    assert "batches first" in reasons(found)


def test_lengths_that_are_computed_stay() -> None:
    net = Net()
    x = net.linear(net.input([5, 2, 3]), 3, 4)
    table = net.constant(np.ones((4, 2), np.int32))
    lengths = net.op("Gather", table, net.input([1], TensorProto.INT64))
    lengths = net.op("Squeeze", lengths, net.ints(0))
    y = net.op("RNN", x, net.weight(1, 6, 4), net.weight(1, 6, 6), "", lengths, hidden_size=6)
    assert "how long each sequence is" in reasons(followed(net.done(y, 4)))
