"""Rounding a task's model, on a task made up here."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from bench import weights
from bench.task import Task
from tests import tiny


def test_a_model_is_rounded_scored_and_kept(tmp_path: Path, monkeypatch) -> None:
    proto = tiny.mlp()
    path = tmp_path / "model.onnx"
    onnx.save(proto, path)
    feeds = [tiny.feeds(proto, seed=seed) for seed in range(3)]
    job = Task(
        name="made up",
        model=path,
        metric="sum",
        calibration=feeds,
        test=feeds,
        latency=feeds[0],
        score=lambda outputs: {"sum": float(np.mean([out[0].mean() for out in outputs]))},
    )
    np.savez(tmp_path / "data.npz", right=[True, False, True])
    monkeypatch.setitem(weights.READERS, "made up", lambda out, data: out)
    monkeypatch.setitem(weights.RIGHT, "made up", lambda read, data: data["right"])
    one = weights.made(job, "quantize.weight_only", 4, tmp_path, None)
    assert one["size_ratio"] > 1.0
    assert one["quality"] == 2 / 3
    assert "against" not in one
    monkeypatch.setitem(weights.RIGHT, "made up", lambda read, data: np.ones(3, bool))
    gptq = weights.made(job, "quantize.gptq", 4, tmp_path, None)
    assert gptq["layers"]["outputs_below"] == gptq["layers"]["all"] > 0
    other = gptq["against"]
    assert other["way"] == "quantize.weight_only"
    assert other["gained"] == pytest.approx(1 / 3)
    low, high = other["interval"]
    assert low < 0 < 1 / 3 < high
    monkeypatch.setattr(weights, "RESULT", tmp_path / "weights.json")
    weights.keep(job, "quantize.hqq", 4, one)
    weights.keep(job, "quantize.gptq", 4, one)
    found = json.loads((tmp_path / "weights.json").read_text())["made up"]
    assert list(found["rounded"]["4"]) == ["quantize.hqq", "quantize.gptq"]
    assert np.isfinite(found["original"])


def test_codebooks_leave_embeddings_to_8_bits(tmp_path: Path) -> None:
    ways = weights.WAYS[weights.CODEBOOK]
    for name, count in (("mlp", 1), ("transformer", 2)):
        proto = getattr(tiny, name)()
        path = tmp_path / f"{name}.onnx"
        onnx.save(proto, path)
        job = Task(
            name=name,
            model=path,
            metric="sum",
            calibration=[tiny.feeds(proto)],
            test=[],
            latency=tiny.feeds(proto),
            score=lambda outputs: {},
        )
        assert len(weights.steps_of(job, ways, 3, tmp_path / "store")) == count
