"""The probe of OpenVINO: what it concludes from models that really ran; asked once and kept."""

from pathlib import Path

import numpy as np
import pytest

from lissom.graph import probe_models
from lissom.runtime import _openvino_probe as module
from lissom.runtime import openvino
from lissom.runtime.facts import Facts
from lissom.runtime.openvino import Runtime
from lissom.store.store import Store

needed = pytest.mark.skipif(
    not Runtime().available(), reason='OpenVINO is not installed: pip install "lissom[openvino]"'
)


@pytest.fixture
def bench(tmp_path: Path) -> module._Bench:
    return module._Bench(tmp_path)


@needed
@pytest.mark.parametrize(
    ("op_type", "kind"),
    [
        ("Conv", "integer"),
        ("MatMul", "integer"),
        ("Gemm", "integer"),
        ("AveragePool", "integer"),
        ("Reshape", "passthrough"),
        ("MaxPool", "passthrough"),
        ("Transpose", "passthrough"),
        ("Softmax", "float"),
        ("Gelu", "float"),
    ],
)
def test_what_becomes_of_an_operator(bench: module._Bench, op_type: str, kind: str) -> None:
    assert bench.kind_of(op_type, "uint8") == kind


@needed
def test_executed_tells_precisions(bench: module._Bench) -> None:
    ran = bench.executed(
        probe_models.integer_product((1, 4, 64), (64, 64), "uint8"), module._feeds((1, 4, 64))
    )
    assert ("FullyConnected", "u8") in ran


RAN = {
    "in place": [("Subgraph", "f32"), ("Subgraph", "u8")],
    "one kernel": [("Subgraph", "f32")],
    "integers": [("Subgraph", "f32"), ("AvgPool", "u8"), ("Reorder", "f32")],
    "float": [("Subgraph", "f32"), ("MVN", "f32")],
}


@pytest.mark.parametrize(
    ("op_type", "ran", "kind"),
    [
        ("Reshape", "in place", "passthrough"),
        ("Concat", "in place", "integer"),
        ("Add", "one kernel", "integer"),
        ("Sigmoid", "one kernel", "float"),
        ("Relu", "one kernel", "absorbed"),
        ("AveragePool", "integers", "integer"),
        ("MaxPool", "integers", "passthrough"),
        ("LayerNormalization", "float", "float"),
    ],
)
def test_kinds_follow_what_ran(
    bench: module._Bench, monkeypatch: pytest.MonkeyPatch, op_type: str, ran: str, kind: str
) -> None:
    monkeypatch.setattr(module._Bench, "executed", lambda *_: RAN[ran])
    assert bench.kind_of(op_type, "uint8") == kind


@pytest.mark.parametrize(
    ("gain", "precision", "products", "half"),
    [
        (3.0, "u8", {"Conv", "Gemm", "MatMul"}, False),
        (3.0, "f16", set(), True),
        (3.0, "f32", set(), False),
        (0.5, "u8", set(), False),
        (1.0, "f16", set(), False),
    ],
)
def test_conclusions_follow_precisions_and_ratios(
    bench: module._Bench,
    monkeypatch: pytest.MonkeyPatch,
    gain: float,
    precision: str,
    products: set[str],
    half: bool,
) -> None:
    notes: list[str] = []
    monkeypatch.setattr(module._Bench, "gain", lambda *_: gain)
    monkeypatch.setattr(module._Bench, "executed", lambda *_: [("FullyConnected", precision)])
    assert module._activation(bench, notes) == ("uint8" if precision == "u8" else "int8")
    assert module._dynamic_operators(bench, notes) == products
    assert module._float16_compute(bench, notes) == half
    assert len(notes) == len(module._PRODUCTS) + 2 + 1


@needed
def test_packed_weights_and_saturation(
    bench: module._Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module._Bench, "gain", lambda *_: 1.0)
    assert (4, 32) in module._weight_only(bench, [])
    model, feeds, exact = probe_models.saturating_product()
    notes: list[str] = []
    monkeypatch.setattr(probe_models, "saturating_product", lambda: (model, feeds, exact + 1))
    assert module._reduce_range(bench, notes)
    assert "7 bits" in notes[0]


@needed
def test_an_unknown_operator_is_float(
    bench: module._Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        probe_models, "quantized_operator", lambda *_: (b"", {"x": np.zeros(1, np.float32)})
    )
    assert bench.kind_of("Add", "uint8") == "float"


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

    monkeypatch.setattr(openvino, "call", answer)
    monkeypatch.setattr(Runtime, "version", lambda _: "1")
    assert Runtime().facts(Store(tmp_path)) == known
    assert Runtime().facts(Store(tmp_path)) == known
    assert asked == ["lissom.runtime._openvino_probe:probe"]
