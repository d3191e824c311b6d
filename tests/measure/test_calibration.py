"""Calibration samples: counted, limited, sent to a child, and run."""

import json
from dataclasses import replace

import numpy as np
import pytest

from lissom.graph.save import save
from lissom.measure.calibration import Calibration, fetched, opened
from lissom.measure.samples import Samples
from lissom.runtime.target import Target
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import model_of, run

MODEL = model_of(tiny.mlp())
ROWS = np.random.default_rng(0).standard_normal((12, 16)).astype(np.float32)


@pytest.fixture
def calibration(tmp_path):
    samples = Samples.open({"x": ROWS}, MODEL.inputs, Store(tmp_path / "store"))
    part = samples.picked(range(10), "calibration")
    return Calibration(samples=samples, part=part, target=Target(threads=1))


def indices(calibration):
    """Which of the rows are fed, in order."""
    found = np.concatenate([feed["x"] for feed in calibration.feeds()])
    return [int(np.flatnonzero((row == ROWS).all(axis=1))[0]) for row in found]


def test_all_of_the_part_is_run_and_nothing_else(calibration):
    assert calibration.count == 10
    assert indices(calibration) == list(calibration.part.indices)


def test_a_limit_takes_the_first(calibration):
    limited = replace(calibration, limit=3)
    assert limited.count == 3
    assert indices(limited) == list(calibration.part.indices[:3])


@pytest.mark.parametrize("limit", [3, 512])
def test_there_and_back_feeds_the_same(calibration, limit):
    limited = replace(calibration, limit=limit)
    read = Calibration.from_json(json.loads(json.dumps(limited.to_json())))
    assert read.count == limited.count
    assert read.target == limited.target
    assert indices(read) == indices(limited)
    assert read.to_json() == limited.to_json()


def test_the_identity_changes_with_what_is_run(calibration):
    other = calibration.samples.picked(range(9), "calibration")
    changed = [
        calibration,
        replace(calibration, limit=4),
        replace(calibration, part=other),
        replace(calibration, target=Target(threads=2)),
    ]
    assert len({json.dumps(one.identity(), sort_keys=True) for one in changed}) == 4
    same = replace(calibration, limit=10)
    assert same.identity() == calibration.identity()


def test_values_come_from_the_feed_and_from_the_model(calibration, tmp_path):
    path = tmp_path / "model.onnx"
    save(MODEL, path, metadata={})
    feed = next(iter(calibration.feeds()))
    with opened(path, calibration) as session:
        found = fetched(session, feed, ["x", "y"])
        assert fetched(session, feed, ["x"]).keys() == {"x"}
    assert found["x"] is feed["x"]
    np.testing.assert_allclose(found["y"], run(MODEL, feed)[0], rtol=1e-5, atol=1e-6)
