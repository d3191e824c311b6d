import numpy as np

from lissom.graph import constants
from tests import tiny
from tests.graph.graphs import constant, ir_of, node, ops, same_answers


def _two_adds(first, second):
    nodes = [
        constant("a", first),
        node("Constant", [], ["b"], value_floats=second),
        node("Add", ["x", "a"], ["h"]),
        node("Add", ["h", "b"], ["y"]),
    ]
    return tiny.model(nodes, {"x": ("float32", [2])}, {"y": ("float32", [2])}, {})


def test_constants_become_weights_under_their_names():
    proto = _two_adds(np.float32([1, 2]), [3.0, 4.0])
    ir = ir_of(proto)
    constants.lift(ir)
    assert ops(ir) == ["Add", "Add"]
    assert list(ir.graph.initializers) == ["a", "b"]
    assert ir.graph.initializers["b"].const_value.numpy().tolist() == [3.0, 4.0]
    assert same_answers(proto, ir, tiny.feeds(proto))


def test_a_constant_output_and_the_constants_of_bodies_stay():
    proto = tiny.model(
        [constant("y", np.float32([7]))], {"x": ("float32", [1])}, {"y": ("float32", [1])}, {}
    )
    ir = ir_of(proto)
    constants.lift(ir)
    assert ops(ir) == ["Constant"]
    ir = ir_of(tiny.branchy())
    constants.lift(ir)
    assert any(n.op_type == "Constant" for body in ir.graph.subgraphs() for n in body)


def test_what_depends_on_constants_alone_is_computed():
    nodes = [
        node("Transpose", ["w"], ["wt"], perm=[1, 0]),
        node("Add", ["one", "one"], ["two"]),
        node("MatMul", ["x", "wt"], ["h"]),
        node("Mul", ["h", "two"], ["y"]),
    ]
    weights = {"w": np.arange(6, dtype=np.float32).reshape(3, 2), "one": np.float32([1])}
    proto = tiny.model(nodes, {"x": ("float32", [1, 2])}, {"y": ("float32", [1, 3])}, weights)
    ir = ir_of(proto)
    constants.fold(ir)
    assert ops(ir) == ["MatMul", "Mul"]
    assert same_answers(proto, ir, tiny.feeds(proto))


def test_what_would_grow_is_not_computed_and_pairs_of_quantization_stay():
    nodes = [
        node("Expand", ["one", "shape"], ["wide"]),
        node("DequantizeLinear", ["q", "scale", "zero"], ["w"]),
        node("Add", ["x", "w"], ["h"]),
        node("Add", ["h", "wide"], ["y"]),
    ]
    weights = {
        "one": np.ones((1, 1), np.float32),
        "shape": np.array([2000, 2000], np.int64),
        "q": np.array([[3]], np.int8),
        "scale": np.float32(0.5).reshape(()),
        "zero": np.int8(0).reshape(()),
    }
    ports = {"y": ("float32", [2000, 2000])}
    ir = ir_of(tiny.model(nodes, {"x": ("float32", [1, 1])}, ports, weights))
    constants.fold(ir)
    assert "Expand" in ops(ir)
    assert "DequantizeLinear" in ops(ir)


def test_equal_weights_become_one_but_not_those_of_another_type_or_shape():
    same = np.float32([[1, 2], [3, 4]])
    weights = {"a": same, "b": same.copy(), "c": same[None], "d": same.astype(np.float64)}
    nodes = [
        node("Add", ["x", "a"], ["h"]),
        node("Add", ["h", "b"], ["i"]),
        node("Cast", ["d"], ["e"], to=1),
        node("Add", ["i", "e"], ["j"]),
        node("Add", ["j", "c"], ["y"]),
    ]
    ports = {"x": ("float32", [2, 2])}, {"y": ("float32", [1, 2, 2])}
    proto = tiny.model(nodes, *ports, weights)
    ir = ir_of(proto)
    constants.merge_twins(ir)
    assert list(ir.graph.initializers) == ["a", "c", "d"]
    assert same_answers(proto, ir, tiny.feeds(proto))


def test_vectors_are_not_shared():
    zeros = np.zeros(2, np.float32)
    weights = {"a": zeros, "b": zeros.copy(), "one": np.ones(1, np.float32)}
    nodes = [
        node("Add", ["x", "a"], ["h"]),
        node("Mul", ["h", "a"], ["i"]),
        node("Add", ["i", "b"], ["j"]),
        node("Add", ["j", "one"], ["k"]),
        node("Add", ["k", "one"], ["y"]),
    ]
    proto = tiny.model(nodes, {"x": ("float32", [2])}, {"y": ("float32", [2])}, weights)
    ir = ir_of(proto)
    constants.merge_twins(ir)
    constants.part_vectors(ir)
    assert list(ir.graph.initializers) == ["a", "b", "one", "a_1"]
    assert [each.inputs[1].name for each in ir.graph] == ["a", "a_1", "b", "one", "one"]
    assert same_answers(proto, ir, tiny.feeds(proto))


def test_weights_that_bodies_read_keep_their_names():
    proto = tiny.branchy()
    shift = next(t for t in proto.graph.initializer if t.name == "shift")
    twin = proto.graph.initializer.add()
    twin.CopyFrom(shift)
    twin.name = "another"
    proto.graph.node.append(node("Add", ["y", "another"], ["z"]))
    proto.graph.output[0].name = "z"
    ir = ir_of(proto)
    constants.merge_twins(ir)
    assert {"shift", "another"} <= set(ir.graph.initializers)


def test_what_would_be_huge_is_not_computed():
    huge = np.array([1 << 30], np.int64)
    nodes = [
        node("Expand", ["one", "size"], ["y1"]),
        node("Tile", ["one", "size"], ["y2"]),
        node("Concat", ["one"] * 2000, ["y3"], axis=0),
        node("Concat", ["one"] * 3, ["y4"], axis=0),
    ]
    outputs = {f"y{i}": ("float32", ["n"]) for i in range(1, 5)}
    weights = {"one": np.float32([1]), "size": huge}
    ir = ir_of(tiny.model(nodes, {"x": ("float32", [1])}, outputs, weights))
    constants.fold(ir)
    assert ops(ir) == ["Expand", "Tile", "Concat"]
