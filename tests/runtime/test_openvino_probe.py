"""The probe of OpenVINO: what it concludes from models that really ran; asked once and kept."""

from pathlib import Path

import numpy as np
import pytest

from lissom.graph import probe_models
from lissom.runtime import _openvino_probe as module
from lissom.runtime._probing import PRODUCTS, feeds_of
from lissom.runtime.openvino import Runtime

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
        probe_models.integer_product((1, 4, 64), (64, 64), "uint8"), feeds_of((1, 4, 64))
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
    assert len(notes) == len(PRODUCTS) + 2 + 1


@pytest.mark.parametrize(
    ("ran", "gain", "found"),
    [("bf16", 3.0, ["bf16"]), ("f16", 3.0, ["f16"]), ("f32", 3.0, []), ("bf16", 1.0, [])],
)
def test_a_precision_is_one_that_runs_and_gains(
    bench: module._Bench,
    monkeypatch: pytest.MonkeyPatch,
    ran: str,
    gain: float,
    found: list[str],
) -> None:
    monkeypatch.setattr(module._Bench, "gain", lambda *_: gain)
    monkeypatch.setattr(module._Bench, "executed", lambda *_: [("FullyConnected", ran)])
    notes: list[str] = []
    given = module._precisions(bench, notes)
    assert [name for name, _ in given] == found
    assert [options for _, options in given] == [(("INFERENCE_PRECISION_HINT", n),) for n in found]
    assert len(notes) == 2


@needed
def test_products_that_answer_in_float(bench: module._Bench) -> None:
    assert module._float_answers(bench, "uint8") == {"Conv", "Gemm", "MatMul"}


@needed
def test_an_unknown_operator_is_float(
    bench: module._Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        probe_models, "quantized_operator", lambda *_, **__: (b"", {"x": np.zeros(1, np.float32)})
    )
    assert bench.kind_of("Add", "uint8") == "float"
