"""What the runner promises of every method holds against methods that break it."""

import dataclasses

import numpy as np
import onnx_ir
import pytest

from lissom.errors import BrokenPromise, ChildFailed, MethodError
from lissom.graph.edit import Cast
from lissom.graph.model import Model
from lissom.methods import runner
from lissom.methods.protocol import Plan
from lissom.methods.runner import apply, load_only
from lissom.runtime.target import Target
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import model_of
from tests.methods import lab

ID = "fake.breaker"


def method(plan):
    """A method whose file would give it the id."""
    fields = {"plan": plan, "needs": frozenset(), "__module__": f"lissom.methods.{ID}"}
    return type("Breaker", (), fields)()


def empty(*edits):
    return Plan(method=ID, edits=edits, skips=(), summary="")


CASTS = empty(Cast(target="fc0.weight", kind="weight"))


@pytest.fixture
def context(tmp_path):
    return lab.context(model_of(tiny.mlp()), Store(tmp_path), [tiny.feeds(tiny.mlp())])


def breaking(monkeypatch, change):
    """What `perform` gives is changed on its way to the checks."""
    honest = runner.perform
    monkeypatch.setattr(runner, "perform", lambda *given: change(honest(*given)))


def test_the_input_model_must_stay_as_it_was(context):
    def plan(self, model, context):
        next(iter(model.ir.graph)).name = "renamed"
        return empty()

    with pytest.raises(BrokenPromise, match=rf"{ID}: it changed the model that it was given"):
        apply(method(plan), context.original, context)


@pytest.mark.parametrize("what", ["inputs", "outputs"])
def test_inputs_and_outputs_must_stay(what, context, monkeypatch):
    def renamed(model):
        ir = model.copy_ir()
        getattr(ir.graph, what)[0].name = "another"
        return Model.build(ir)

    breaking(monkeypatch, renamed)
    with pytest.raises(BrokenPromise, match=f"changed the model's {what}"):
        apply(method(lambda *_: CASTS), context.original, context)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_new_weights_must_be_finite(value, context, monkeypatch):
    def poisoned(model):
        ir = model.copy_ir()
        bias = onnx_ir.tensor(np.full((4,), value, np.float32), name="fc1.bias")
        ir.graph.initializers["fc1.bias"].const_value = bias
        return Model.build(ir)

    breaking(monkeypatch, poisoned)
    with pytest.raises(BrokenPromise, match=r"fc1\.bias"):
        apply(method(lambda *_: CASTS), context.original, context)


def test_weights_that_were_never_finite_are_not_blamed_on_the_method(tmp_path):
    proto = tiny.mlp()
    bias = next(t for t in proto.graph.initializer if t.name == "fc1.bias")
    bias.raw_data = np.full((4,), np.nan, np.float32).tobytes()
    context = lab.context(model_of(proto), Store(tmp_path))
    outcome = apply(method(lambda *_: CASTS), context.original, context)
    assert outcome.plan is CASTS


def test_the_runtime_must_load_the_result(context, monkeypatch):
    def refused(*_, **__):
        raise ChildFailed("no kernel for that", "error")

    monkeypatch.setattr(runner, "call", refused)
    with pytest.raises(MethodError, match=f"{ID}: onnxruntime cannot load the result: no kernel"):
        apply(method(lambda *_: CASTS), context.original, context)


def test_loading_says_what_it_found(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(tiny.mlp().SerializeToString())
    assert load_only(path=str(path), target=Target().to_json()) == {"outputs": ["y"]}


def test_a_result_is_loaded_once(context, monkeypatch):
    apply(method(lambda *_: CASTS), context.original, context)
    monkeypatch.setattr(runner, "call", lambda *_, **__: pytest.fail("loaded again"))
    again = apply(method(lambda *_: CASTS), context.original, context)
    assert again.plan is CASTS


def test_an_outcome_cannot_be_changed(context):
    outcome = apply(method(lambda *_: empty()), context.original, context)
    with pytest.raises(dataclasses.FrozenInstanceError):
        outcome.plan = CASTS
