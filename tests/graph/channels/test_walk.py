"""The walk: nothing that is tracked is lost silently, whatever the graph holds."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from lissom.graph.channels.groups import channels
from lissom.graph.channels.walk import CannotFollow, Walk
from tests.graph.channels.nets import Net
from tests.graph.channels.small import followed, reasons, shapes_of
from tests.graph.edited import model_of
from tests.graph.graphs import model_of as model_of_unchecked


def test_what_no_rule_follows_is_frozen_with_its_operator() -> None:
    net = Net()
    x = net.op("ScatterElements", net.linear(net.input([2, 4]), 4, 6),
               net.constant(np.zeros((1, 6), np.int64)), net.weight(1, 6))  # fmt: skip
    found = followed(net.done(net.linear(x, 6, 2), 2))
    assert found.groups == ()
    assert "ScatterElements: no rule follows this operator" in reasons(found)


def test_a_weight_that_is_a_setting_stays() -> None:
    net = Net()
    x = net.linear(net.input([2, 4]), 4, 6)
    scales = net.op("Mul", net.weight(2), net.constant(np.zeros(2, np.float32)))
    x = net.op("Resize", x, "", scales)
    assert "Resize" in reasons(followed(net.done(x, 2), {x: (2, 6)}))


def test_a_body_keeps_what_it_reads() -> None:
    net = Net()
    x = net.linear(net.input([2, 4]), 4, 6)
    flag = net.input([1], TensorProto.BOOL)
    port = helper.make_tensor_value_info("given", TensorProto.FLOAT, [2, 6])
    body = helper.make_graph([helper.make_node("Relu", [x], ["given"])], "body", [], [port])
    y = net.op("If", flag, then_branch=body, else_branch=body)
    found = followed(net.done(net.linear(x, 6, 2), 2), {y: (2, 6)})
    assert found.groups == ()
    assert "If: no rule" in reasons(found)


def test_a_weight_that_callers_replace_stays() -> None:
    net = Net()
    x = net.linear(net.input([2, 4]), 4, 6)
    proto = net.done(net.linear(x, 6, 2), 2)
    proto.graph.input.append(helper.make_tensor_value_info("w1", TensorProto.FLOAT, [6]))
    assert followed(proto).groups == ()


@pytest.mark.parametrize(
    ("op_type", "attributes"),
    [
        ("Transpose", {"perm": [0, 7]}), ("Concat", {"axis": "no"}), ("Split", {"axis": 9}),
        ("Einsum", {"equation": "abc,d->a"}), ("Conv", {"group": 0}), ("Reshape", {}),
        ("Gather", {"axis": 5}), ("LSTM", {}), ("DepthToSpace", {"blocksize": 0}),
        ("GroupNormalization", {"num_groups": 0}), ("LayerNormalization", {"axis": "x"}),
        ("ReduceSum", {"axes": [4]}), ("Softmax", {"axis": 3}), ("Pad", {"pads": [1]}),
        ("Gemm", {}), ("MatMul", {}), ("ScatterND", {}), ("Tile", {}), ("QuantizeLinear", {}),
    ],
)  # fmt: skip
def test_nodes_that_make_no_sense_freeze_what_they_read(
    op_type: str, attributes: dict[str, object]
) -> None:
    node = helper.make_node(op_type, ["w", "v"], ["y"], name="odd", **attributes)
    port = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    weights = [
        helper.make_tensor(name, TensorProto.FLOAT, [size], [0.0] * size)
        for name, size in (("w", 3), ("v", 5))
    ]
    graph = helper.make_graph([node], "g", [], [port], initializer=weights)
    model = model_of_unchecked(helper.make_model(graph))
    found = channels(model, {"y": (3, 2)})
    assert found.groups == ()
    assert set(found.walk.ids.frozen()) == set(range(8))


def test_a_shape_that_is_not_known() -> None:
    net = Net()
    model = model_of(net.done(net.linear(net.input([2, 4]), 4, 6), 2))
    walk = Walk(model, {})
    with pytest.raises(CannotFollow, match="not known"):
        walk.of("x0")
    assert channels(model, {}).groups == ()
    assert channels(model, shapes_of(model)).walk.shape("x0") == (2, 4)


def test_absent_outputs_are_no_values() -> None:
    net = Net()
    x = net.linear(net.input([5, 2, 3]), 3, 4)
    y, *_ = net.op("LSTM", x, net.weight(1, 24, 4), net.weight(1, 24, 6), outputs=3, hidden_size=6)
    proto = net.done(net.linear(net.op("Squeeze", y, net.ints(1)), 6, 2), 3)
    lstm = next(node for node in proto.graph.node if node.op_type == "LSTM")
    lstm.output[1:] = ["", ""]
    found = followed(proto)
    assert "" not in found.walk.axes
    assert sorted(group.units for group in found.groups) == [4, 6]
