"""Latency: the statistics on known times, and the whole path on tiny models. None is asserted."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lissom.errors import MeasurementError
from lissom.measure import environment
from lissom.measure import latency as module
from lissom.measure.latency import Latency, Timing, batches, compare_latency, time_model
from lissom.runtime.target import Target
from lissom.store.store import Store
from tests import tiny


@pytest.fixture
def path(tmp_path: Path) -> Path:
    target = tmp_path / "mlp.onnx"
    onnx.save(tiny.mlp(), target)
    return target


def test_independent_values_are_not_joined() -> None:
    values = np.random.default_rng(0).standard_normal(200).tolist()
    assert batches([values]) == values


def test_values_that_drift_are_joined() -> None:
    slow = np.sin(np.arange(400) / 30).tolist()
    joined = batches([slow])
    assert 8 <= len(joined) <= 50


@settings(max_examples=60, deadline=None)
@given(
    parts=st.lists(st.lists(st.floats(0.1, 10.0), min_size=1, max_size=60), min_size=1, max_size=5)
)
def test_batches_stay_within_the_values(parts: list[list[float]]) -> None:
    flat = [value for part in parts for value in part]
    joined = batches(parts)
    assert min(len(flat), 8) <= len(joined) <= len(flat)
    assert min(flat) <= min(joined)
    assert max(joined) <= max(flat)
    middle, (low, high) = module._summary(parts)
    assert 0 < low <= middle <= high
    assert middle == pytest.approx(float(np.exp(np.median(np.log(flat)))))


def coverage(*, correlation: float, between: float) -> float:
    """How often the interval holds the truth (1), over seeded runs of the whole protocol."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(80):
        parts = []
        for _ in range(5):
            noise = rng.standard_normal(40)
            for index in range(1, 40):
                noise[index] += correlation * noise[index - 1]
            parts.append((1 + between * rng.standard_normal() + 0.01 * noise).tolist())
        _, (low, high) = module._summary(parts)
        held += low <= 1 <= high
    return held / 80


@pytest.mark.parametrize(
    ("correlation", "between"), [(0.0, 0.0), (0.7, 0.0), (0.0, 0.01), (0.5, 0.01)]
)
def test_the_interval_holds_the_truth_about_as_often_as_it_says(
    correlation: float, between: float
) -> None:
    assert coverage(correlation=correlation, between=between) >= 0.9


def test_few_loadings_say_nothing_about_their_difference() -> None:
    assert module._between_parts([[1.0, 1.1], [2.0, 2.1]]) == 0.0
    assert module._between_parts([[1.0] * 9, [1.1] * 9, [1.2] * 9]) > 0.0


def test_a_model_against_itself(path: Path, store: Store) -> None:
    feed = tiny.feeds(tiny.mlp())
    found = compare_latency(path, path, feed, Target(), seconds=0.2, store=store)
    assert found.speedup_interval[0] <= found.speedup <= found.speedup_interval[1]
    assert found.rounds >= 5
    assert found.original.runs >= 2 * found.rounds
    assert 0 < found.original.median_ms <= found.original.p90_ms
    assert found.environment == environment.current().fingerprint
    assert Timing.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert not list((store.root / "scratch").iterdir())


def test_the_candidate_may_have_its_own_target(path: Path, store: Store) -> None:
    feed = tiny.feeds(tiny.mlp())
    other = Target(options=(("session.disable_prepacking", "1"),), threads=2)
    found = compare_latency(path, path, feed, Target(), other, seconds=0.1, store=store)
    assert found.speedup > 0


def test_one_model_alone(path: Path, store: Store) -> None:
    found = time_model(path, tiny.feeds(tiny.mlp()), Target(), store, seconds=0.1)
    assert found.interval_ms[0] <= found.median_ms <= found.interval_ms[1]
    assert Latency.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_what_cannot_run_is_an_error_in_words(path: Path, store: Store) -> None:
    with pytest.raises(MeasurementError, match="failed in a run"):
        time_model(path, {"x": np.zeros((1, 3), np.float32)}, Target(), store)
    with pytest.raises(MeasurementError, match="cannot load"):
        time_model(path.with_name("absent.onnx"), {}, Target(), store)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_an_interval_of_ratios_stays_positive_however_much_loadings_differ():
    parts = [[0.3] * 9, [3.0] * 9, [0.3] * 9]
    _, (low, high) = module._summary(parts)
    assert 0 < low < 0.3
    assert high > 0.3
