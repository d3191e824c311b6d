"""Latency: what is made of known rounds, and the whole path on tiny models. No time is asserted."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from lissom.errors import MeasurementError
from lissom.measure import environment
from lissom.measure import latency as module
from lissom.measure.latency import Latency, Timing, compare_latency, time_model
from lissom.measure.pinning import Quiet
from lissom.runtime.rounds import Round
from lissom.runtime.target import Target
from lissom.store.store import Store
from tests import tiny


@pytest.fixture
def path(tmp_path: Path) -> Path:
    target = tmp_path / "mlp.onnx"
    onnx.save(tiny.mlp(), target)
    return target


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


def test_what_is_timed_waits_for_quiet(
    path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = iter([0.9, 0.9, 0.0])
    monkeypatch.setattr("lissom.measure.pinning._PAUSE_SECONDS", 0.0)
    monkeypatch.setattr("lissom.measure.pinning.least_busy", lambda count: (None, next(loads)))
    told: list[str] = []
    found = compare_latency(
        path,
        path,
        tiny.feeds(tiny.mlp()),
        Target(),
        seconds=0.05,
        store=store,
        quiet=Quiet(told.append, first_seconds=10.0),
    )
    assert told == ["wait", "latency"]
    assert found.load.quiet
    assert 0 <= found.load.others <= 1


def rounds_of(*each: tuple[float, float, float, float]) -> list[Round]:
    """Rounds of two runs of two models: seconds and waits of A, then of B."""
    return [
        Round(seconds=[[a, a], [b, b]], waits=[wait_a, wait_b]) for a, wait_a, b, wait_b in each
    ]


def test_undisturbed_rounds_alone_count_where_they_are_enough() -> None:
    calm, disturbed = (0.002, 0.0, 0.001, 0.005), (0.004, 0.5, 0.001, 0.0)
    found = module._told([rounds_of(*[calm] * 5, disturbed)] * 3)
    assert found["rounds"] == [[[0.002, 0.001]] * 5] * 3
    assert found["median_ms"] == [2.0, 1.0]
    assert found["runs"] == [30, 30]
    assert found["doubt"] == [0.0, 0.0]
    assert found["busy"] == pytest.approx([0.5 / 6, 0.025 / 6])


def test_waiting_is_taken_out_where_every_round_is_disturbed_and_the_interval_widened() -> None:
    found = module._told([rounds_of(*[(0.004, 0.5, 0.001, 0.0)] * 5)])
    assert found["rounds"] == [[[0.002, 0.001]] * 5]
    assert found["median_ms"] == [2.0, 1.0]
    assert found["p90_ms"] == [4.0, 1.0]
    assert found["doubt"] == [0.1, 0.0]
    slow = module._latency({**found, "warm": [True, False]}, 0)
    assert slow.busy == 0.5
    low, high = slow.interval_ms
    assert 2 * 0.88 < low < 2 * 0.9  # one loading: what is usual between loadings comes on top
    assert 2 / 0.9 < high < 2 / 0.88
    assert not module._latency({**found, "warm": [True, False]}, 1).warm


def test_slow_models_get_more_time_and_others_what_was_said() -> None:
    assert module._enough(2.0, [0.001, 0.019]) == 2.0
    assert module._enough(2.0, [0.1, 0.05]) == pytest.approx(12 * 2 * 0.15)
    assert module._enough(2.0, [3.0, 3.0]) == 16.0
