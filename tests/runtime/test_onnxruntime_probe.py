"""The probe: what it concludes from models that really ran, and that it is asked once."""

from pathlib import Path

import pytest

from lissom.graph import probe_models
from lissom.runtime import _onnxruntime_probe as module
from lissom.runtime import onnxruntime
from lissom.runtime.facts import Facts
from lissom.runtime.onnxruntime import Runtime
from lissom.store.store import Store


@pytest.fixture
def bench(tmp_path: Path) -> module._Bench:
    return module._Bench(tmp_path)


@pytest.mark.parametrize(
    ("op_type", "kind"),
    [
        ("Conv", "integer"),
        ("MatMul", "integer"),
        ("Gemm", "integer"),
        ("Add", "integer"),
        ("Concat", "integer"),
        ("Reshape", "passthrough"),
        ("MaxPool", "passthrough"),
        ("Relu", "absorbed"),
        ("Clip", "absorbed"),
        ("LayerNormalization", "float"),
        ("Erf", "float"),
    ],
)
def test_what_becomes_of_an_operator(bench: module._Bench, op_type: str, kind: str) -> None:
    assert bench.kind_of(op_type) == kind


def test_executed_counts_operators(bench: module._Bench) -> None:
    ran = bench.executed(
        probe_models.integer_product((1, 4, 8), (8, 8), "uint8"), module._feeds((1, 4, 8))
    )
    assert ran["MatMul"] == 0
    assert ran["QuantizeLinear"] == 1


def gains(monkeypatch: pytest.MonkeyPatch, value: float) -> None:
    monkeypatch.setattr(module._Bench, "gain", lambda *_: value)


def test_conclusions_follow_the_ratios(
    bench: module._Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []
    gains(monkeypatch, 3.0)
    assert module._activation(bench, notes) == "uint8"
    assert module._dynamic_operators(bench, notes) == {"Conv", "Gemm", "MatMul"}
    assert module._float16_compute(bench, notes)
    assert module._slow_fusions(bench, notes) == ("SkipLayerNormFusion",)
    gains(monkeypatch, 1.0)
    assert module._activation(bench, notes) == "uint8"
    assert module._dynamic_operators(bench, notes) == set()
    assert not module._float16_compute(bench, notes)
    assert module._slow_fusions(bench, notes) == ()
    gains(monkeypatch, 0.5)
    assert module._activation(bench, notes) == "int8"
    assert len(notes) == 3 * len(module._PRODUCTS) + 4 + 2 + 2


def test_weight_only_lists_what_runs(bench: module._Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    gains(monkeypatch, 1.0)
    assert (4, 32) in module._weight_only(bench, [])


def test_saturation_is_seen(bench: module._Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    model, feeds, exact = probe_models.saturating_product()
    notes: list[str] = []
    monkeypatch.setattr(probe_models, "saturating_product", lambda: (model, feeds, exact + 1))
    assert module._reduce_range(bench, notes)
    assert "7 bits" in notes[0]


def test_facts_are_asked_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = Facts(
        activation="uint8",
        reduce_range=False,
        integer_operators=frozenset({"Conv"}),
        passthrough_operators=frozenset(),
        weight_only=(),
        dynamic_operators=frozenset(),
        float16_compute=False,
    )
    asked: list[str] = []

    def answer(entry: str, arguments: object, limits: object) -> object:
        asked.append(entry)
        return known.to_json()

    monkeypatch.setattr(onnxruntime, "call", answer)
    assert Runtime().facts(Store(tmp_path)) == known
    assert Runtime().facts(Store(tmp_path)) == known
    assert asked == ["lissom.runtime._onnxruntime_probe:probe"]
