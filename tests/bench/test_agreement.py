"""The bench of two runtimes: its rows by hand, and a tiny task that goes through it."""

import json

import numpy as np
import pytest

from bench import agreement, task
from lissom.measure.parting import Parting
from tests import tiny


def entry(apart, parting=None):
    return {"original": 0.9, "onnxruntime": 0.89, "openvino": 0.89 - apart, "apart": apart,
            "parting": parting, "parameters": {"ranges": "mse"}}  # fmt: skip


def test_every_task_has_plans():
    assert set(agreement._PLANS) == set(task.NAMES)


def test_nothing_is_said_of_what_was_not_measured(tmp_path):
    assert agreement.sections(tmp_path) == []


def test_rows_by_hand(tmp_path):
    named = {"node": "conv3", "op_type": "Conv", "difference": 0.5}
    found = {"a": [entry(0.001), entry(0.3, named)], "c": [entry(0.01)]}
    (tmp_path / "agreement.json").write_text(json.dumps(found))
    (said,) = agreement.sections(tmp_path)
    assert "| a | ranges=mse | 0.9000 | 0.8900 | 0.8890 | 0.10 |  |" in said
    assert "| a | ranges=mse | 0.9000 | 0.8900 | 0.5900 | 30.00 | `conv3` (Conv) |" in said
    assert "| c | ranges=mse | 0.9000 | 0.8900 | 0.8800 | 1.00 | no single node |" in said


@pytest.mark.parametrize("apart", [0.0, 0.2])
def test_a_tiny_task(apart, tmp_path, monkeypatch):
    import onnx

    proto = tiny.cnn()
    onnx.save(proto, tmp_path / "model.onnx")
    feeds = [tiny.feeds(proto, batch=1, seed=seed) for seed in range(8)]
    job = task.Task(
        name="tiny", model=tmp_path / "model.onnx", metric="top1", calibration=feeds, test=feeds,
        latency=feeds[0], score=lambda outputs: {"top1": float(np.mean(len(outputs)))},
    )  # fmt: skip
    monkeypatch.setattr(
        agreement,
        "scored",
        lambda _, placed: 0.5 + apart * (placed[1].runtime == "openvino"),
    )
    named = Parting(node="conv1", op_type="Conv", value="c1", difference=0.7)
    monkeypatch.setattr(agreement, "first_parting", lambda *_: named)
    found = agreement.run(job, {"ranges": "minmax"}, tmp_path / "store")
    assert found["apart"] == pytest.approx(apart)
    expected = {"node": "conv1", "op_type": "Conv", "difference": 0.7} if apart else None
    assert found["parting"] == expected
