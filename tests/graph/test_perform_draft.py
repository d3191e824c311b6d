import numpy as np
import onnx_ir as ir
import pytest

from lissom.errors import BrokenPromise
from lissom.graph.model import Model
from lissom.graph.perform_draft import Draft
from tests import tiny
from tests.graph.edited import model_of


def test_the_model_never_sees_what_a_draft_does():
    model = model_of(tiny.mlp())
    draft = Draft(model)
    h = draft.value("fc0.out", "test")
    given = draft.output("fc0.out", ir.DataType.FLOAT, h)
    draft.insert_behind(h, [draft.make("Identity", "fc0", [h], [given])])
    draft.redirect(draft.readers(h), h, given)
    assert given.name == "fc0.out_1"
    assert Model.build(draft.ir).node("relu0").inputs == ("fc0.out_1",)
    assert Model.build(draft.ir).producers["fc0.out_1"] == "fc0_1"
    assert Model.build(model.ir) == model


def test_names_inside_bodies_are_taken():
    draft = Draft(model_of(tiny.branchy()))
    assert draft.output("body_out", ir.DataType.FLOAT, None).name == "body_out_1"
    assert draft.make("Relu", "else/mul", [], []).name == "else/mul_1"


def test_readers_in_bodies_are_not_ours_to_change():
    draft = Draft(model_of(tiny.branchy()))
    assert draft.readers(draft.value("h", "test")) == []


def test_a_replaced_node_hands_on_its_names_and_the_graphs_output():
    draft = Draft(model_of(tiny.mlp()))
    old = draft.node("fc1", "test")
    middle = draft.output("half", ir.DataType.FLOAT, None)
    last = draft.output("whole", ir.DataType.FLOAT, None)
    first = draft.make("Relu", "one", [old.inputs[0]], [middle])
    draft.replace_node(old, [first, draft.make("Neg", "two", [middle], [last])])
    after = Model.build(draft.ir)
    assert after.node("fc1").op_type == "Relu"
    assert after.producers["y"] == "two"
    assert [port.name for port in after.outputs] == ["y"]


def test_sweeping_keeps_what_is_read():
    draft = Draft(model_of(tiny.mlp()))
    x = draft.value("x", "test")
    spare = draft.constant("spare", ir.tensor(np.zeros(1, np.float32)))
    one = draft.output("one", ir.DataType.FLOAT, x)
    two = draft.output("two", ir.DataType.FLOAT, x)
    draft.insert_behind(x, [draft.make("Add", "a", [x, spare], [one])])
    draft.insert_behind(one, [draft.make("Neg", "n", [one], [two])])
    draft.sweep()
    after = Model.build(draft.ir)
    assert after.node_names == ("fc0", "relu0", "fc1")
    assert "spare" not in after.weights
    assert len(after.weights) == 4


def test_what_is_missing_is_named():
    draft = Draft(model_of(tiny.mlp()))
    with pytest.raises(BrokenPromise, match="edit 7: the model has no value 'a'"):
        draft.value("a", "edit 7")
    with pytest.raises(BrokenPromise, match="no node 'a'"):
        draft.node("a", "edit 7")
    with pytest.raises(BrokenPromise, match="no weight 'x'"):
        draft.weight("x", "edit 7")
