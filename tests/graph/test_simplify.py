import numpy as np
import onnx
import pytest
from onnx import helper

from lissom.graph import simplify
from tests import tiny
from tests.graph.graphs import ir_of, node, ops, same_answers

X = {"x": ("float32", [2, 2])}
Y = {"y": ("float32", [2, 2])}


@pytest.mark.parametrize(
    ("nodes", "left"),
    [
        ([node("Identity", ["x"], ["h"]), node("Relu", ["h"], ["y"])], ["Relu"]),
        ([node("Relu", ["x"], ["h"]), node("Identity", ["h"], ["y"])], ["Relu"]),
        ([node("Relu", ["x"], ["h"]), node("Dropout", ["h"], ["y"])], ["Relu"]),
        ([node("Relu", ["x"], ["h"]), node("Dropout", ["h", "", "no"], ["y"])], ["Relu"]),
        ([node("Identity", ["x"], ["y"])], ["Identity"]),
    ],
)
def test_what_does_nothing_goes(nodes, left):
    proto = tiny.model(nodes, X, Y, {"no": np.array(False)})
    ir = ir_of(proto)
    simplify.drop_identities(ir)
    assert ops(ir) == left
    assert [value.name for value in ir.graph.outputs] == ["y"]
    assert same_answers(proto, ir, tiny.feeds(proto))


def test_an_identity_between_two_outputs_stays():
    nodes = [node("Relu", ["x"], ["y"]), node("Identity", ["y"], ["z"])]
    proto = tiny.model(nodes, X, {**Y, "z": ("float32", [2, 2])}, {})
    ir = ir_of(proto)
    simplify.drop_identities(ir)
    assert ops(ir) == ["Relu", "Identity"]


def test_dropout_that_trains_or_whose_mask_is_used_stays():
    trains = [node("Dropout", ["x", "", "yes"], ["y"])]
    masks = [node("Dropout", ["x"], ["h", "m"]), node("Cast", ["m"], ["y"], to=1)]
    for nodes in (trains, masks):
        ir = ir_of(tiny.model(nodes, X, Y, {"yes": np.array(True)}))
        simplify.drop_identities(ir)
        assert "Dropout" in ops(ir)


def test_local_functions_are_inlined():
    body = helper.make_function(
        "mine",
        "Twice",
        ["a"],
        ["b"],
        [node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 17)],
    )
    call = node("Twice", ["x"], ["y"], domain="mine")
    graph = helper.make_graph(
        [call],
        "g",
        [helper.make_tensor_value_info("x", 1, [2, 2])],
        [helper.make_tensor_value_info("y", 1, [2, 2])],
    )
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    proto = helper.make_model(graph, opset_imports=imports, functions=[body], ir_version=8)
    onnx.checker.check_model(proto)
    ir = ir_of(proto)
    simplify.inline(ir)
    assert ops(ir) == ["Add"]
    assert not ir.functions
    assert same_answers(proto, ir, tiny.feeds(proto))


def test_unused_nodes_and_weights_go_but_no_inputs():
    nodes = [node("Relu", ["x"], ["y"]), node("Add", ["x", "w"], ["unused"])]
    proto = tiny.model(nodes, {**X, "idle": ("float32", [1])}, Y, {"w": np.ones(2, np.float32)})
    ir = ir_of(proto)
    simplify.drop_unused(ir)
    assert ops(ir) == ["Relu"]
    assert not ir.graph.initializers
    assert [value.name for value in ir.graph.inputs] == ["x", "idle"]


def test_shapes_are_inferred_without_large_weights_being_copied():
    ir = ir_of(tiny.cnn(channels=32))
    simplify.infer_shapes(ir)
    pooled = next(n for n in ir.graph if n.op_type == "MaxPool").outputs[0]
    assert tuple(pooled.shape)[1:] == (32, 4, 4)
    assert len(ir.graph.inputs) == 1
