"""The bench of pruning on a tiny task: every row is there, made by the recipes that it names."""

import subprocess
import sys

import numpy as np
import pytest

from bench import pruning, task
from tests.graph.channels.nets import NETS


def test_every_task_has_a_plan():
    assert set(pruning.PLANS) == set(task.NAMES)
    for ratios, apart, _ in pruning.PLANS.values():
        assert list(ratios) == sorted(ratios)
        assert 0 < apart < 1


def test_a_tiny_task(tmp_path, monkeypatch: pytest.MonkeyPatch):
    import onnx

    proto = NETS["plain"]()
    onnx.save(proto, tmp_path / "model.onnx")
    rng = np.random.default_rng(0)
    feeds = [{"x0": rng.standard_normal((1, 3, 8, 8)).astype(np.float32)} for _ in range(30)]
    job = task.Task(
        name="tiny", model=tmp_path / "model.onnx", metric="score", calibration=feeds,
        test=feeds, latency=feeds[0], score=lambda outputs: {"score": float(len(outputs)) / 30},
    )  # fmt: skip
    monkeypatch.setitem(pruning.PLANS, "tiny", ((0.3,), 0.25, ()))
    monkeypatch.setattr(pruning, "ratios_of", lambda *_: [1.5, 2.0, 2.5])
    found = pruning.run(job, tmp_path / "store")
    assert found["original"] == 1.0
    assert found["removed"]["speedup"] == 2.0
    (point,) = found["curve"]
    assert point["ratio"] == 0.3
    assert point["float"]["size_ratio"] > 1.0
    assert found["repaired"]["peak_bytes"] > 1e6


def test_the_memory_of_children_is_seen(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pruning, "LOOK_SECONDS", 0.01)
    code = "held = bytearray(b'1') * 100_000_000; print(len(held), flush=True); input()"
    with pruning.Children() as children:
        child = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        assert child.stdout.readline().strip() == b"100000000"
        while children.peak_bytes < 100_000_000:
            assert child.poll() is None
        child.communicate(b"\n")
    assert children.peak_bytes < 1e9
