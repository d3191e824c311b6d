"""The graph as it will be: sizes, numbers, and what is computed with them."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from lissom.errors import MethodError
from lissom.graph.channels.after import After
from lissom.graph.channels.removal import removal
from lissom.graph.channels.settings import SETTINGS
from lissom.graph.cutting import WeightCut
from tests.graph.channels.nets import Net
from tests.graph.channels.small import assert_law, followed


def test_sizes_and_cuts() -> None:
    net = Net()
    x = net.linear(net.input([2, 3]), 3, 5)
    found = followed(net.done(net.linear(x, 5, 2), 2))
    after = After(found.walk, set(found.groups[0].roots[1:3]), SETTINGS)
    assert after.size(x) == (2, 3)
    assert after.is_cut(x)
    assert not after.is_cut("x0")
    assert after.kept(x, 1).tolist() == [True, False, False, True, True]
    assert list(after.cuts()) == [
        WeightCut(weight="w0", axis=1, removed=((1, 3),)),
        WeightCut(weight="w1", axis=0, removed=((1, 3),)),
        WeightCut(weight="w2", axis=0, removed=((1, 3),)),
    ]
    assert {(one.value, one.size) for one in after.resized()} >= {(x, 3)}


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
    with pytest.raises(MethodError, match="computes with the number of channels"):
        removal(found, {found.groups[0].name: (0,)})


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
    group = max(found.groups, key=lambda one: one.units)
    with pytest.raises(MethodError, match="If"):
        removal(found, {group.name: (0,)})
