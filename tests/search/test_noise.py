"""The noise floor of a run: measured once, then remembered; and what disturbed the timings."""

from dataclasses import replace

import pytest

from lissom.measure.load import Load
from lissom.search import noise as module
from lissom.search.candidate import Candidate
from lissom.search.limits import Limits
from lissom.search.noise import noise_notes, noise_of
from tests.search.made import candidate
from tests.search.trial import Trial


def test_the_floor_is_measured_once_for_a_run(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = trial.job(limits=Limits(max_drop=0.123))
    first = noise_of(job)
    assert first.floor > 0
    calls: list[int] = []

    def again(*_: object, **__: object) -> object:
        calls.append(1)
        return first

    monkeypatch.setattr(module, "measure_noise", again)
    assert noise_of(job) == first
    assert calls == []
    assert noise_of(trial.job(limits=Limits(max_drop=0.124))) == first
    assert calls == [1]


def test_a_busy_moment_does_not_stand_for_a_run(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm = noise_of(trial.job(limits=Limits(max_drop=0.123)))
    floors = iter([0.2, 0.05, 0.02, 0.01])
    monkeypatch.setattr(module.assess, "ATTEMPTS", 3)
    monkeypatch.setattr(module, "measure_noise", lambda *_, **__: replace(calm, floor=next(floors)))
    assert noise_of(trial.job(limits=Limits(max_drop=0.125))).floor == 0.02
    assert next(floors) == 0.01


def timed(name: str, *, busy: float = 0.0, warm: bool = True, stopped: float = 0.0) -> Candidate:
    one = candidate(name)
    assert one.timing is not None
    timing = replace(
        one.timing,
        candidate=replace(one.timing.candidate, busy=busy, warm=warm),
        load=Load(throttled_seconds=stopped),
    )
    return replace(one, timing=timing)


def test_notes_say_what_disturbed() -> None:
    assert noise_notes([timed("calm"), candidate("failed", speed=None)]) == ()
    busy, stopped, cold = noise_notes(
        [timed("a", busy=0.3), timed("b", busy=0.4, stopped=2.0), timed("c", warm=False)]
    )
    assert "while 2 of 3 candidates" in busy
    assert "up to 40%" in busy
    assert "stopped for 2.0 s" in stopped
    assert "Still getting faster when it was timed: c." in cold
