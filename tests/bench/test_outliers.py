"""What is planted changes weights and no answers."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from bench import outliers, timing
from lissom.graph.load import load
from lissom.store.store import Store
from tests import tiny


@dataclass
class Job:
    model: Path
    latency: dict


def job_of(proto, folder):
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return Job(model=path, latency=tiny.feeds(proto, batch=2))


@pytest.mark.parametrize(
    ("plant", "make"),
    [
        (outliers.scaled_apart, tiny.cnn),
        (outliers.peaked, tiny.cnn),
        (outliers.enlarged, tiny.transformer),
    ],
)
def test_the_function_stays(plant, make, tmp_path):
    job, store = job_of(make(), tmp_path), tmp_path / "store"
    made = plant(job, tmp_path / "planted.onnx", store)
    one, other = (timing.outputs(path, [job.latency], 1)[0][0] for path in (job.model, made))
    assert load(job.model, Store(store)).fingerprint != load(made, Store(store)).fingerprint
    assert np.abs(one - other).max() < 1e-4 * np.abs(one).max()


def test_some_channels_of_a_normalization_are_larger(tmp_path):
    job, store = job_of(tiny.transformer(), tmp_path), tmp_path / "store"
    made = outliers.enlarged(job, tmp_path / "planted.onnx", store, channels=2, factor=50.0)
    before, after = (load(path, Store(store)) for path in (job.model, made))
    ratio = after.weight("norm1.weight") / before.weight("norm1.weight")
    assert sorted(np.round(ratio, 3).tolist())[-3:] == [1.0, 50.0, 50.0]


def test_some_channels_are_read_with_larger_weights(tmp_path):
    job, store = job_of(tiny.mlp(), tmp_path), tmp_path / "store"
    made = outliers.peaked(job, tmp_path / "planted.onnx", store, share=0.1, factor=8.0)
    before, after = (load(path, Store(store)) for path in (job.model, made))
    ratio = after.weight("fc1.weight") / before.weight("fc1.weight")
    assert np.unique(np.round(ratio, 3), return_counts=True)[1].tolist() == [4 * 29, 4 * 3]
