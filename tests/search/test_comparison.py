"""One model by itself, and a second against a first."""

import json
from pathlib import Path

import onnx
import pytest

from lissom.errors import ModelError
from lissom.measure.judge import Judge
from lissom.search.comparison import compare_models, measure_model
from tests import tiny
from tests.search.trial import Trial


def test_measured_by_itself(trial: Trial) -> None:
    found = measure_model(trial.job().opened, Judge())
    assert found.throughput_per_second == pytest.approx(1000 / found.latency.median_ms)
    assert found.size_bytes == trial.model.stat().st_size
    assert found.quality is not None
    assert found.quality.score == pytest.approx(0.9, abs=0.02)
    assert found.quality.count == 120
    assert json.loads(json.dumps(found.to_json()))["file_name"] == "cnn.onnx"


def test_without_labels_there_is_no_quality(trial: Trial) -> None:
    found = measure_model(trial.job(data=False).opened, Judge())
    assert found.quality is None
    assert found.generated


def test_a_second_against_a_first(trial: Trial, tmp_path: Path) -> None:
    onnx.save(tiny.cnn(seed=1), tmp_path / "other.onnx")
    found = compare_models(trial.job().opened, tmp_path / "other.onnx", Judge())
    assert found.names == ("cnn.onnx", "other.onnx")
    assert found.quality is not None
    assert found.quality.drop > 0.3
    low, high = found.timing.speedup_interval
    assert low <= found.timing.speedup <= high
    assert json.loads(json.dumps(found.to_json()))["quality"]["drop"] == found.quality.drop


def test_models_with_other_ports_are_not_compared(trial: Trial, tmp_path: Path) -> None:
    onnx.save(tiny.mlp(), tmp_path / "mlp.onnx")
    with pytest.raises(ModelError, match="other inputs"):
        compare_models(trial.job().opened, tmp_path / "mlp.onnx", Judge())
