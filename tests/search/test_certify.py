"""Certificates of a front: the order, the sequences, and what happens to the rest."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lissom.errors import MeasurementError
from lissom.measure.differences import Differences
from lissom.search import certify as module
from lissom.search.candidate import Candidate
from lissom.search.certify import certified, measured_limits
from lissom.search.job import Job
from lissom.search.limits import Limits
from lissom.store.refs import FileRef
from tests.search.made import candidate, original
from tests.search.trial import Trial

COUNT = 1500


def lost(more: int, *, labels: bool = True) -> Differences:
    values = np.zeros(COUNT)
    values[:more] = 1.0
    return Differences(
        labels=values if labels else None,
        complete=labels,
        expected=None if labels else values * 0.2,
        disagreement=values,
        answer="classes",
    )


@pytest.fixture
def front(trial: Trial, tmp_path: Path) -> list[Candidate]:
    """The original, two on the front, one beaten, one failed."""
    (tmp_path / "any.onnx").write_bytes(b"any")
    file: FileRef = trial.store.put_file(tmp_path / "any.onnx", ".onnx")
    made = [
        candidate("fast", drop=0.004, speed=(3.0, 2.9, 3.1)),
        candidate("safe", drop=0.001, speed=(2.0, 1.9, 2.1)),
        candidate("beaten", drop=0.006, speed=(1.5, 1.4, 1.6)),
    ]
    return [
        original(),
        *(replace(one, file=file) for one in made),
        candidate("failed", drop=None, failed="no way"),
    ]


def given(
    monkeypatch: pytest.MonkeyPatch, job: Job, front: list[Candidate], values: dict[str, object]
) -> dict[str, Candidate]:
    """Certify with these differences in the place of measured ones."""
    asked: list[str] = []

    def told(name: str) -> None:
        asked.append(name)

    def differences(*_: object, **__: object) -> Differences:
        found = values[asked[-1]]
        if isinstance(found, Exception):
            raise found
        assert isinstance(found, Differences)
        return found

    monkeypatch.setattr(module, "differences", differences)
    done = certified(job, front, told)
    assert [one.name for one in done] == [one.name for one in front]
    return {one.name: one for one in done}


def test_the_front_is_tested_from_the_most_promising_on(
    trial: Trial, front: list[Candidate], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = trial.job(limits=Limits(max_drop=0.01))
    found = given(monkeypatch, job, front, {"fast": lost(2), "safe": lost(1)})
    for name, place in (("safe", 1), ("fast", 2)):
        (certificate,) = found[name].certificates
        assert (certificate.kind, certificate.place, certificate.held) == ("labels", place, True)
    assert found["original"].certificates == ()
    assert found["beaten"].certificates == found["failed"].certificates == ()


def test_without_labels_each_kind_has_its_own_sequence(
    trial: Trial, front: list[Candidate], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = trial.job(limits=Limits(max_drop=0.01))
    values = {"fast": lost(20, labels=False), "safe": lost(12, labels=False)}
    found = given(monkeypatch, job, front, values)
    kinds = {name: [one.kind for one in found[name].certificates] for name in values}
    assert kinds == {"fast": ["bound", "expected"], "safe": ["bound", "expected"]}
    verdicts = [one.verdict for one in found["fast"].certificates]
    assert verdicts == ["too few samples", "held"]


def test_a_candidate_that_cannot_be_tested_ends_the_sequence(
    trial: Trial, front: list[Candidate], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = trial.job(limits=Limits(max_drop=0.01))
    values = {"fast": lost(2), "safe": MeasurementError("it broke")}
    found = given(monkeypatch, job, front, values)
    assert found["safe"].certificates == found["fast"].certificates == ()
    assert found["safe"].remarks == ("It could not be certified: it broke",)


def test_limits_of_the_machine_are_certified_without_samples(trial: Trial) -> None:
    limits = Limits(max_latency_ms=1.5, max_size_bytes=10**7, max_memory_bytes=10**6)
    job = trial.job(data=False, limits=limits)
    done = certified(job, [original(), candidate("fast", drop=None, speed=(2.0, 1.9, 2.1))], print)
    for one, latency in zip(done, ("not held", "held"), strict=True):
        assert [c.quantity for c in one.certificates] == ["latency", "size", "memory"]
        assert [c.verdict for c in one.certificates] == [latency, "held", "not held"]
    assert measured_limits(limits, None, None, None) == []


def test_real_candidates_are_run_once(trial: Trial) -> None:
    from lissom.runtime import registry
    from lissom.search.assess import assess, assess_original
    from lissom.search.build import build
    from lissom.search.proposals import Proposal
    from tests.search.trial import recipe

    job = trial.job(limits=Limits(goal="size", max_drop=0.2))
    half = recipe("certify-half", "quantize.float16")
    facts = registry.load("onnxruntime").facts(trial.store)
    built = build(job, half, facts, deadline=None, told=lambda _: None)
    one = assess(job, Proposal(title="half", recipe=half), built, lambda _: None)
    names: list[str] = []
    first = certified(job, [assess_original(job), one], names.append)
    assert names == ["certify-half"]
    (certificate,) = first[1].certificates
    assert job.opened.samples is not None
    assert certificate.count == len(job.opened.samples.part("certification"))
    assert certificate.estimate == 0
    assert certified(job, [assess_original(job), one], names.append) == first
