"""What the probes share: words, feeds, conclusions, and that facts are asked once."""

from pathlib import Path

import numpy as np
import pytest

from lissom.graph import probe_models
from lissom.runtime import _probing as module
from lissom.runtime._probing import (
    Bench,
    asymmetric_weights,
    best_first,
    feeds_of,
    folds_weights,
    kept_facts,
    named,
    reduce_range,
    weight_only,
)
from lissom.runtime.facts import Facts
from lissom.runtime.onnxruntime import Runtime
from lissom.runtime.target import Target
from lissom.store.store import Store

KNOWN = Facts(
    activation="uint8",
    reduce_range=False,
    integer_operators=frozenset({"Conv"}),
    passthrough_operators=frozenset(),
    weight_only=(),
    dynamic_operators=frozenset(),
    float16_compute=False,
)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, Runtime(), Target())


def test_feeds_are_always_the_same() -> None:
    np.testing.assert_array_equal(feeds_of((2, 3))["x"], feeds_of((2, 3))["x"])
    assert feeds_of((2, 3))["x"].dtype == np.float32


def test_products_have_names() -> None:
    assert named((1, 512), (512, 1024)) == "MatMul 1x512 * 512x1024"
    assert named((1, 3, 8, 8), (4, 3, 3, 3)) == "Conv 1x3x8x8 * 4x3x3x3"


def test_a_model_against_a_larger_one(bench: Bench) -> None:
    small, large = ((1, 8), (8, 8)), ((64, 512), (512, 512))
    with bench.open(probe_models.float_product(*small)) as session:
        assert session.run(feeds_of(small[0]))["y"].shape == (1, 8)
    model = probe_models.float_product(*large)
    assert bench.gain(model, model, feeds_of(large[0]), Target(threads=2)) > 0


WIDENED = {"Conv", "GRU", "Gemm", "LSTM", "MatMul", "RNN"}


@pytest.mark.parametrize(("gain", "folds"), [(8.0, WIDENED), (1.0, set())])
def test_weights_are_folded_where_that_gains(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, gain: float, folds: set[str]
) -> None:
    monkeypatch.setattr(Bench, "gain", lambda *_: gain)
    notes: list[str] = []
    assert folds_weights(bench, notes) == folds
    assert f"{gain:.2f} x as fast" in notes[0]


@pytest.mark.parametrize(("gain", "faster"), [(1.3, True), (1.0, False), (0.7, False)])
def test_zero_points_in_weights_must_gain(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, gain: float, faster: bool
) -> None:
    monkeypatch.setattr(Bench, "gain", lambda *_: gain)
    notes: list[str] = []
    assert asymmetric_weights(bench, notes) is faster
    assert notes == [
        f"Conv 1x64x28x28 * 64x64x3x3 on integers: {gain:.2f} x as fast with zero points in the "
        "weights"
    ]


def test_weight_only_lists_what_runs(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bench, "gain", lambda *_: 1.0)
    notes: list[str] = []
    assert (4, 32) in weight_only(bench, notes)
    assert any("packed in 4 bits" in note for note in notes)


def test_small_blocks_come_first_among_the_fast_ones() -> None:
    assert best_first({16: 1.0, 32: 1.97, 64: 2.0, 128: 1.5}) == [32, 64, 128, 16]
    assert best_first({16: 3.0}) == [16]


def test_saturation_is_seen(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    model, feeds, exact = probe_models.saturating_product()
    notes: list[str] = []
    monkeypatch.setattr(probe_models, "saturating_product", lambda: (model, feeds, exact + 1))
    assert reduce_range(bench, notes)
    assert "7 bits" in notes[0]


def test_facts_are_asked_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(entry: str, arguments: object, limits: object) -> object:
        asked.append(entry)
        return KNOWN.to_json()

    monkeypatch.setattr(module, "call", answer)
    for probe in (1, 1, 2):
        found = kept_facts(Runtime(), "a:b", Store(tmp_path), probe=probe, seconds=1.0)
        assert found == KNOWN
    assert asked == ["a:b", "a:b"]
