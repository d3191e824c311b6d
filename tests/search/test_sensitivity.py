"""Sensitivity is measured operator by operator; conversions are charged to whom they serve."""

import json
import math
from dataclasses import replace

import pytest

from lissom.errors import MethodError
from lissom.graph.perform import perform
from lissom.measure.profile import NodeTime
from lissom.recipe import Step
from lissom.runtime import registry
from lissom.search import sensitivity as module
from lissom.search.build import context
from lissom.search.sensitivity import Format, Sensitivity, charged, sensitivity
from tests.search.trial import Trial

STATIC = Format(name="int8 static", step=Step(method="quantize.static"))


def looked(trial: Trial, *formats: Format, both: bool = False) -> Sensitivity:
    opened = trial.job().opened
    facts = registry.load("onnxruntime").facts(opened.store)
    return sensitivity(opened, context(opened, facts, seed=0), (), formats, both=both)


def test_every_operator_is_measured_alone_and_left_out(trial: Trial) -> None:
    found = looked(trial, STATIC, both=True)
    assert [one.operator for one in found.harms] == ["conv1", "conv2", "fc"]
    whole = found.whole["int8 static"]
    assert whole is not None
    assert whole > 0
    for one in found.harms:
        assert one.alone is not None
        assert one.others is not None
        assert 0 < one.alone < 2 * whole
        assert one.others != whole
        assert one.milliseconds is not None
        # a byte a number, and a scale a channel
        assert found.float_bytes[one.operator] / 4 < one.weight_bytes
        assert one.weight_bytes < found.float_bytes[one.operator]
    # harms add up, nearly: what the search relies on
    assert sum(one.alone or 0 for one in found.harms) == pytest.approx(whole, rel=1.0)


def test_it_is_remembered_and_reads_back(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    first = looked(trial, STATIC)
    monkeypatch.setattr(module, "output_errors", lambda *_, **__: pytest.fail("again"))
    assert looked(trial, STATIC) == first
    assert Sensitivity.from_json(json.loads(json.dumps(first.to_json()))) == first
    assert all(one.others is None for one in first.harms)


def test_an_infinite_error_is_no_refusal(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    errors = (math.inf, None, math.inf, 0.5)
    monkeypatch.setattr(module, "output_errors", lambda *_, **__: errors)
    found = looked(trial, replace(STATIC, name="odd"))
    assert found.whole == {"odd": math.inf}
    assert [one.alone for one in found.harms] == [None, math.inf, 0.5]
    assert looked(trial, replace(STATIC, name="odd")) == found  # remembered
    assert Sensitivity.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False))) == found


@pytest.mark.parametrize("method", ["quantize.weight_only", "quantize.gptq", "quantize.codebook"])
def test_weights_alone_are_narrowed_once_for_all_operators(trial: Trial, method: str) -> None:
    """Leaving operators out of the plan of all gives what planning without them would."""
    opened = trial.job().opened
    facts = registry.load("onnxruntime").facts(opened.store)
    around = context(opened, facts, seed=0)
    one = Format(name="narrow", step=Step(method=method, parameters={"bits": 4}))
    held = around.calibration
    assert held is not None
    look = module._Look(
        opened=opened, model=opened.model, around=around, held=held, both=False, told=print
    )
    everything = look.planned(one, without=())
    for without in (["conv1"], ["conv2", "fc"], ["conv1", "conv2", "fc"]):
        assert look.reduced(one, everything, without=without) == look.planned(one, without=without)


def test_a_scope_keeps_operators_out(trial: Trial) -> None:
    step = replace(STATIC.step, exclude=("conv1",))
    found = looked(trial, replace(STATIC, step=step))
    assert [one.operator for one in found.harms] == ["conv2", "fc"]


def test_a_format_that_fits_nothing_has_no_entries(trial: Trial) -> None:
    nothing = replace(STATIC, step=replace(STATIC.step, exclude=("Conv", "Gemm")))
    found = looked(trial, nothing)
    assert found.harms == ()
    assert found.whole == {}


def test_without_samples_nothing_is_measured(trial: Trial) -> None:
    opened = trial.job(data=False).opened
    facts = registry.load("onnxruntime").facts(opened.store)
    with pytest.raises(MethodError, match="samples"):
        sensitivity(opened, context(opened, facts, seed=0), (), (STATIC,))


def test_a_conversion_is_charged_to_the_operator_that_reads_it(trial: Trial) -> None:
    opened = trial.job().opened
    facts = registry.load("onnxruntime").facts(opened.store)
    around = context(opened, facts, seed=0)
    from lissom.methods.registry import create

    plan = create("quantize.static", {}).plan(opened.model, around)
    model = perform(opened.model, plan.edits, opened.store)
    first = next(n for n in model.nodes if n.op_type == "QuantizeLinear" and n.inputs[0] == "image")
    last = next(n for n in model.nodes if n.name == "fc")

    def took(name: str, op_type: str, milliseconds: float, stands_for: str | None) -> NodeTime:
        return NodeTime(
            node=name, op_type=op_type, milliseconds=milliseconds, share=0.1, stands_for=stands_for
        )

    executed = [
        took("a", "QuantizeLinear", 1.0, first.name),
        took("b", "QLinearConv", 2.0, "conv1"),
        took("c", "QGemm", 4.0, last.name),
        took("d", "Softmax", 8.0, None),
    ]
    assert charged(model, executed, ["conv1", "fc"]) == {"conv1": 3.0, "fc": 4.0}
