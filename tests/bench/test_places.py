"""The check of what was chosen among runtimes: scores and ratios of models that really run."""

from pathlib import Path

import onnx
import pytest

from bench import places
from bench.task import Task
from lissom.runtime.target import Target
from tests import tiny


@pytest.fixture
def job(tmp_path: Path) -> Task:
    model = tmp_path / "mlp.onnx"
    onnx.save(tiny.mlp(), model)
    feed = tiny.feeds(tiny.mlp())
    return Task(
        name="tiny", model=model, metric="seen", calibration=[feed], test=[feed, feed],
        latency=feed, score=lambda outputs: {"seen": float(len(outputs))},
    )  # fmt: skip


def test_every_feed_is_scored_where_the_model_runs(job: Task) -> None:
    assert places.scored(job, (job.model, Target())) == 2.0
    assert places.scored(job, (job.model, Target(threads=2))) == 2.0


def test_a_wish_in_one_word() -> None:
    assert places.Wish("openvino", "size", 0.005).label == "openvino-size-0.5"


def test_a_model_against_itself(job: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_ROUNDS", 3)
    monkeypatch.setattr(places, "_ROUND_SECONDS", 0.002)
    ratios = places.ratios_of((job.model, Target()), (job.model, Target()), job.latency)
    assert len(ratios) == 3
    assert min(ratios) > 0
