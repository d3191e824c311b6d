"""The probe: what it concludes from models that really ran, and that it is asked once."""

from pathlib import Path

import pytest

from lissom.graph import probe_models
from lissom.runtime import _onnxruntime_probe as module
from lissom.runtime._probing import PRODUCTS, feeds_of


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
        probe_models.integer_product((1, 4, 8), (8, 8), "uint8"), feeds_of((1, 4, 8))
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
    assert module._dynamic_operators(bench, notes) == {"Conv", "Gemm", "LSTM", "MatMul"}
    assert module._float16_compute(bench, notes)
    assert module._slow_fusions(bench, notes) == ("SkipLayerNormFusion",)
    gains(monkeypatch, 1.0)
    assert module._activation(bench, notes) == "uint8"
    assert module._dynamic_operators(bench, notes) == set()
    assert not module._float16_compute(bench, notes)
    assert module._slow_fusions(bench, notes) == ()
    gains(monkeypatch, 0.5)
    assert module._activation(bench, notes) == "int8"
    assert len(notes) == 3 * len(PRODUCTS) + 6 + 2 + 2


@pytest.mark.parametrize(("gain", "found"), [(3.0, True), (1.0, False)])
def test_a_narrower_precision_is_one_that_changes_the_answers_and_gains(
    bench: module._Bench, monkeypatch: pytest.MonkeyPatch, gain: float, found: bool
) -> None:
    assert module._precisions(bench, []) == ()  # no processor but ARM's has it
    gains(monkeypatch, gain)
    monkeypatch.setattr(module.np, "array_equal", lambda *_: False)
    assert bool(module._precisions(bench, [])) == found


def test_products_that_answer_in_float(bench: module._Bench) -> None:
    assert module._float_answers(bench) == {"Gemm", "MatMul"}


def test_an_lstm_on_integers_must_be_there_and_right(
    bench: module._Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    gains(monkeypatch, 3.0)
    notes: list[str] = []
    assert module._is_lstm_faster(bench, notes)
    assert "relative error 0.0" in notes[0]
    shape, weight = (32, 1, 128), (128, 128)
    made = {False: probe_models.float_product(shape, weight)}
    monkeypatch.setattr(module, "recurrent", lambda *_, integers: made[integers])
    made[True] = probe_models.dynamic_product(shape, weight)  # another function
    assert not module._is_lstm_faster(bench, notes)
    made[True] = b"no model"
    assert not module._is_lstm_faster(bench, notes)
    assert notes[-1] == "LSTM quantized at run time: not available"
