import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from lissom.errors import ChildFailed, ModelError
from lissom.graph import opset as module
from lissom.graph.opset import convert, raise_opset
from lissom.graph.skeleton import check
from tests import tiny
from tests.graph.graphs import ir_of, model_of, node, ops, same_answers


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 15])
@pytest.mark.parametrize("target", [17, 18, 21])
def test_every_old_opset_is_raised_and_answers_alike(opset, target):
    proto = tiny.cnn(opset=opset)
    ir = convert(ir_of(proto), target)
    assert ir.opset_imports[""] == target
    check(ir)
    assert next(iter(ir.graph.initializers)) == "conv1.weight"
    assert [value.name for value in ir.graph.inputs] == ["image"]
    assert same_answers(proto, ir, tiny.feeds(proto))


def test_operators_whose_form_changed_and_bodies_are_converted():
    yes = helper.make_graph(
        [node("Squeeze", ["h"], ["yes_out"], axes=[0])], "yes", [],
        [helper.make_tensor_value_info("yes_out", TensorProto.FLOAT, [3])],
    )  # fmt: skip
    no = helper.make_graph(
        [node("ReduceSum", ["h"], ["no_out"], axes=[0], keepdims=0)], "no", [],
        [helper.make_tensor_value_info("no_out", TensorProto.FLOAT, [3])],
    )  # fmt: skip
    nodes = [
        node("Softmax", ["x"], ["h"], axis=1),
        node("If", ["flag"], ["y"], then_branch=yes, else_branch=no),
    ]
    inputs = {"x": ("float32", [1, 3]), "flag": ("bool", [])}
    proto = tiny.model(nodes, inputs, {"y": ("float32", [3])}, {}, opset=11)
    ir = convert(ir_of(proto), 17)
    for flag in (True, False):
        feeds = {"x": np.float32([[1, 2, 3]]), "flag": np.array(flag)}
        assert same_answers(proto, ir, feeds)


def test_raising_a_model_keeps_all_else():
    proto = tiny.transformer()
    proto.metadata_props.add(key="character", value="abc")
    model = model_of(proto)
    raised = raise_opset(model, 21)
    assert raised is not None
    assert raised.opset == 21
    assert raised.metadata == {"character": "abc"}
    assert (raised.inputs, raised.outputs) == (model.inputs, model.outputs)
    assert raised.node_names == model.node_names
    assert raised.history == ("opset raised from 17 to 21",)
    assert same_answers(proto, raised, tiny.feeds(proto))
    assert model.opset == 17


def test_a_model_that_is_new_enough_is_returned_as_it_is():
    model = model_of(tiny.mlp())
    assert raise_opset(model, 17) is model


def test_what_cannot_be_raised_says_why():
    proto = helper.make_model(
        helper.make_graph(
            [node("NoSuchOperator", ["x"], ["y"])], "g",
            [helper.make_tensor_value_info("x", 1, [1])],
            [helper.make_tensor_value_info("y", 1, [1])],
        ),
        opset_imports=[onnx.helper.make_opsetid("", 9)],
    )  # fmt: skip
    with pytest.raises(ModelError, match="cannot be raised to 17"):
        convert(ir_of(proto), 17)
    assert raise_opset(model_of(proto), 17) is None
    assert ops(ir_of(proto)) == ["NoSuchOperator"]


def ending(kind):
    def ended(*_, **__):
        raise ChildFailed("it did not end", kind)

    return ended


@pytest.mark.parametrize("kind", ["timeout", "memory"])
def test_a_conversion_that_the_machine_cut_off_is_not_called_impossible(monkeypatch, kind):
    monkeypatch.setattr(module, "call", ending(kind))
    with pytest.raises(ChildFailed, match="did not end"):
        raise_opset(model_of(tiny.mlp()), 21)
    monkeypatch.setattr(module, "call", ending("crashed"))
    assert raise_opset(model_of(tiny.mlp()), 21) is None
