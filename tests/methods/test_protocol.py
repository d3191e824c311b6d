"""Plans are data; a context refuses what it cannot or must not answer."""

import json
from dataclasses import replace

import pytest

from lissom.errors import BrokenPromise, MethodError
from lissom.graph.edit import Cast
from lissom.methods.protocol import Need, Plan, Skip
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import model_of
from tests.methods import lab

MODEL = model_of(tiny.mlp())
FEEDS = [tiny.feeds(tiny.mlp())]


def test_a_plan_is_json_and_counts_its_edits():
    plan = Plan(
        method="quantize.float16",
        edits=(Cast(target="a", kind="weight"), Cast(target="b", kind="weight")),
        skips=(Skip(target="c", reason="why"),),
        summary="two",
    )
    assert plan.edit_counts == {"Cast": 2}
    written = json.loads(json.dumps(plan.to_json()))
    assert [edit["target"] for edit in written["edits"]] == ["a", "b"]
    assert written["skips"] == [{"target": "c", "reason": "why"}]


def test_no_samples_is_said(tmp_path):
    with pytest.raises(MethodError, match="samples are needed"):
        lab.context(MODEL, Store(tmp_path)).evidence(MODEL, {Need.RANGES: ("x",)})


def test_undeclared_evidence_is_refused(tmp_path):
    context = lab.context(MODEL, Store(tmp_path), FEEDS)
    asked = {Need.RANGES: ("x",)}
    declared = context.restricted("some.method", frozenset({Need.RANGES}))
    assert declared.evidence(MODEL, asked).histogram("x").count == FEEDS[0]["x"].size
    with pytest.raises(BrokenPromise, match="undeclared"):
        context.restricted("some.method", frozenset()).evidence(MODEL, asked)


@pytest.mark.parametrize("observing", [True, False])
def test_samples_are_there_for_those_who_declared_rows(observing, tmp_path):
    context = lab.context(MODEL, Store(tmp_path), FEEDS)
    context = context if observing else replace(context, observe=None)
    assert context.restricted("a.b", frozenset({Need.ROWS})).calibration is context.calibration
    assert context.restricted("a.b", frozenset({Need.RANGES})).calibration is None
    assert context.calibration is not None


def test_shapes_are_asked_for_or_missing(tmp_path):
    context = lab.context(MODEL, Store(tmp_path), FEEDS)
    assert context.shapes_of(MODEL)["relu0.out"] == (2, 32)
    with pytest.raises(MethodError, match="cannot be"):
        replace(context, shapes=None).shapes_of(MODEL)


def test_operators_are_timed_or_it_is_said_that_they_cannot_be(tmp_path):
    context = lab.context(MODEL, Store(tmp_path), tables=lambda forms: {forms[0]: "a table"})
    assert context.tables_of(["a form"]) == {"a form": "a table"}
    with pytest.raises(MethodError, match="cannot be here"):
        replace(context, tables=None).tables_of([])
