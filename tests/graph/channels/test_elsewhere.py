"""Shapes and numbers for inputs of other sizes."""

from onnx import helper

from lissom.graph.channels.elsewhere import elsewhere
from tests.graph.channels.nets import Net, Shape
from tests.graph.channels.small import shapes_of
from tests.graph.edited import model_of


def sizes(shape: Shape) -> tuple[Net, str]:
    net = Net()
    x = net.input(shape)
    return net, net.op("Reshape", x, net.op("Concat", net.ints(-1), net.op(
        "Shape", x, start=-1), axis=0))  # fmt: skip


def test_a_larger_batch_and_half_of_the_rest() -> None:
    net, y = sizes(["n", 3, "m"])
    model = model_of(net.done(y, 2))
    here = {**shapes_of(model), "x0": (2, 3, 8), y: (6, 8)}
    large, half = elsewhere(model, here)
    assert (large.shapes["x0"], large.shapes[y]) == ((195, 3, 8), (585, 8))
    assert (half.shapes["x0"], half.shapes[y]) == ((2, 3, 4), (6, 4))
    target = model.nodes[-1].inputs[1]
    found = half.numbers.of(target)
    assert found is not None
    assert found.tolist() == [-1, 4]


def test_fixed_sizes_have_no_others() -> None:
    net, y = sizes([2, 3, 4])
    model = model_of(net.done(y, 2))
    assert elsewhere(model, {"x0": (2, 3, 4)}) == ()


def test_what_other_sizes_do_not_go_through_stays_unknown() -> None:
    net = Net()
    x = net.input(["n", 4])
    y = net.op("Add", net.op("Relu", x), net.weight(2, 4))
    model = model_of(net.done(net.op("Tanh", y), 2))
    (found,) = elsewhere(model, {"x0": (2, 4)})
    assert set(found.shapes) == {"x0", model.nodes[0].outputs[0]}


def test_a_stranger_is_passed_by() -> None:
    net, y = sizes(["n", 4])
    proto = net.done(y, 2)
    proto.graph.node.append(helper.make_node("Odd", ["x0"], ["z"], name="odd", domain="strange"))
    proto.opset_import.append(helper.make_opsetid("strange", 1))
    (found,) = elsewhere(model_of(proto), {"x0": (2, 4)})
    assert "z" not in found.shapes
