"""Measuring a candidate's file, keeping it, and recalling it."""

from dataclasses import replace

import pytest

from lissom.errors import ChildFailed, MeasurementError, MethodError
from lissom.runtime import registry
from lissom.search import assess as module
from lissom.search.assess import assess, assess_original, explained, failed, recall
from lissom.search.build import build
from lissom.search.candidate import Candidate
from lissom.search.proposals import Proposal
from tests.search.made import timing
from tests.search.trial import Trial, recipe

STATIC = Proposal(title="static", recipe=recipe("static", "quantize.static", ranges="minmax"))


def measured(trial: Trial, stages: list[str]) -> Candidate:
    job = trial.job()
    facts = registry.load("onnxruntime").facts(trial.store)
    built = build(job, STATIC.recipe, facts, deadline=None, told=lambda _: None)
    return assess(job, STATIC, built, stages.append)


def test_every_number_of_a_candidate(trial: Trial) -> None:
    stages: list[str] = []
    found = measured(trial, stages)
    assert stages == ["verify", "latency", "memory", "quality"]
    assert found.failed is None
    assert not found.lossless
    assert found.max_relative_error is not None
    assert found.quality is not None
    assert found.quality.drop_kind == "labels"
    assert found.timing is not None
    assert found.size_bytes == trial.store.file(found.file).stat().st_size  # type: ignore[arg-type]
    assert found.memory_bytes is not None
    assert found.macs is not None
    assert found.steps[0].method == "quantize.static"
    assert recall(trial.job(), STATIC) == found


def test_the_original_is_measured_and_loses_nothing(trial: Trial) -> None:
    found = assess_original(trial.job())
    assert found.is_original
    assert found.drop == 0
    assert found.quality is not None
    assert found.quality.score == pytest.approx(0.9, abs=0.1)
    assert found.speedup_interval == (1.0, 1.0)
    assert found.latency_ms is not None
    assert found.size_bytes == trial.model.stat().st_size


def test_without_samples_quality_is_unknown(trial: Trial) -> None:
    assert assess_original(trial.job(data=False)).quality is None


def test_measurements_are_remembered(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    first = measured(trial, [])
    for name in ("compare_latency", "peak_memory"):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("measured again"))
    again = measured(trial, [])
    assert (again.timing, again.memory_bytes) == (first.timing, first.memory_bytes)


def test_lasting_failures_are_kept_and_timeouts_are_not(trial: Trial) -> None:
    job = trial.job()
    proposal = replace(STATIC, recipe=recipe("broken", "quantize.static", ranges="mse"))
    late = failed(job, proposal, None, ChildFailed("too long", "timeout"), seconds=1.0)
    assert late.failed == "too long"
    assert recall(job, proposal) is None
    lasting = failed(job, proposal, None, MethodError("cannot\n  be done"), seconds=1.0)
    assert lasting.failed == "cannot be done"
    assert recall(job, proposal) == lasting


def test_time_by_operator_is_added(trial: Trial) -> None:
    job = trial.job()
    original = assess_original(job)
    assert explained(job, original, original) is original  # it has no file in the store
    found = explained(job, measured(trial, []), original)
    assert found.operators
    assert sum(one.share for one in found.operators) == pytest.approx(1, abs=0.01)
    assert found.integer_macs_share == 1.0


def test_a_profile_that_fails_is_a_remark(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise MeasurementError("no profile")

    found = measured(trial, [])
    monkeypatch.setattr(module.Numbers, "operators", broken)
    told = explained(trial.job(), found, found)
    assert told.operators == ()
    assert "no profile" in told.remarks[0]


def test_a_timing_that_says_too_little_is_made_again(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [timing(2.0, 1.0, 3.0), timing(2.0, 1.5, 2.5), timing(2.0, 1.4, 2.6), timing(2.0)]
    opened = trial.job().opened
    numbers = module.Numbers(path=trial.model, sha256="0" * 64, opened=opened)
    monkeypatch.setattr(module, "ATTEMPTS", 3)
    monkeypatch.setattr(module, "compare_latency", lambda *_, **__: given.pop(0))
    assert numbers.timing().speedup_interval == (1.5, 2.5)
    assert len(given) == 1
