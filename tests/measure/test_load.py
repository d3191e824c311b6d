"""What others do: processor times told by hand, this machine's, and a container's files."""

import json
import time
from pathlib import Path

import pytest

from lissom.measure import load as module
from lissom.measure.load import Load, Meter


def test_what_others_did_is_what_we_did_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processors for 10 s: one busy for 8, one for 2; 4 of these 10 were ours."""
    looks = iter([{0: (1.0, 5.0), 3: (0.0, 5.0)}, {0: (9.0, 15.0), 3: (2.0, 15.0)}])
    walls, ours, stops = iter([0.0, 10.0]), iter([1.0, 5.0]), iter([0.5, 0.75])
    monkeypatch.setattr(module, "processor_times", lambda: next(looks))
    monkeypatch.setattr(module, "throttled_seconds", lambda: next(stops))
    monkeypatch.setattr("time.perf_counter", lambda: next(walls))
    monkeypatch.setattr("time.process_time", lambda: next(ours))
    found = Meter().load()
    assert found.others == pytest.approx(0.3)
    assert found.throttled_seconds == 0.25


def test_a_processor_that_is_switched_off_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([{0: (1.0, 5.0), 1: (2.0, 5.0)}, {0: (2.0, 7.0)}])
    monkeypatch.setattr(module, "processor_times", lambda: next(looks))
    assert Meter().shares() == {0: 0.5, 1: 0.0}


def test_this_machine() -> None:
    meter = Meter()
    time.sleep(0.05)
    shares = meter.shares()
    assert shares
    assert all(0 <= share <= 1 for share in shares.values())
    found = meter.load()
    assert 0 <= found.others <= 1
    assert Load.from_json(json.loads(json.dumps(found.to_json()))) == found


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("usage_usec 5\nnr_throttled 2\nthrottled_usec 1500000\n", 1.5),
        ("nr_periods 9\nnr_throttled 2\nthrottled_time 250000000\n", 0.25),
        ("nr_periods 9\n", 0.0),
    ],
)
def test_a_container_that_was_stopped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, seconds: float
) -> None:
    (tmp_path / "cpu.stat").write_text(text)
    monkeypatch.setattr(module, "_GROUPS", (tmp_path / "absent", tmp_path))
    assert module.throttled_seconds() == seconds
