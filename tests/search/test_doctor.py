"""The diagnosis: of this machine, and of ones on which something is broken."""

import json
from pathlib import Path
from typing import Any

import pytest

from lissom.errors import ChildFailed, MeasurementError
from lissom.runtime import registry
from lissom.search import doctor as module
from lissom.search.doctor import Diagnosis, diagnose
from tests.search.trial import Trial


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NOISE_SECONDS", 0.05)


@pytest.fixture
def found(trial: Trial) -> Diagnosis:
    return diagnose(trial.store.root)


def runtime_of(found: Diagnosis, name: str) -> Any:
    return next(one for one in found.runtimes if one.name == name)


def test_this_machine(found: Diagnosis) -> None:
    assert [one.name for one in found.runtimes] == list(registry.runtimes())
    here = runtime_of(found, "onnxruntime")
    assert here.version
    assert here.problem == ""
    assert here.telemetry == "off"
    assert "MatMul" in here.integer_operators
    assert here.measured
    assert found.noise is not None
    assert found.saturates in {True, False}
    assert found.store_free_bytes
    assert found.libraries["numpy"]
    written = json.loads(json.dumps(found.to_json()))
    assert written["runtimes"][0]["name"] == found.runtimes[0].name
    assert {one["kind"] for one in written["findings"]} <= set(module.SEVERITY)


def test_the_worst_comes_first(found: Diagnosis) -> None:
    places = [module.SEVERITY.index(one.kind) for one in found.findings]
    assert places == sorted(places)


def test_a_runtime_that_is_absent_or_broken_is_a_finding(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crashed(*_: object, **__: object) -> None:
        raise ChildFailed("it ended\nwithout an answer", "crashed")

    real = registry.load

    class Absent:
        def available(self) -> bool:
            return False

    monkeypatch.setattr(module, "noise_now", lambda *_: None)
    monkeypatch.setattr(module, "call", crashed)
    monkeypatch.setattr(
        module.registry, "load", lambda name: Absent() if name == "openvino" else real(name)
    )
    monkeypatch.setattr(module, "current", lambda: found_environment)
    found_environment = module.Environment(
        cpu="x", cores=1, memory_bytes=1, system="s", python="3", lissom="0",
        runtimes={}, cpu_features=(),
    )  # fmt: skip
    found = diagnose(trial.store.root)
    assert found.saturates is None
    missing = next(one for one in found.findings if one.kind == "missing")
    assert "openvino" in missing.text
    assert missing.advice == "pip install 'lissom[openvino]'"
    problem = next(one for one in found.findings if one.kind == "problem")
    assert problem.text == "onnxruntime cannot run a model: it ended without an answer"


def test_a_store_that_cannot_be_written_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    found = diagnose(tmp_path / "file" / "store")
    problem = next(one for one in found.findings if one.kind == "problem")
    assert "cannot be remembered" in problem.text
    assert "--store" in problem.advice
    assert runtime_of(found, "onnxruntime").problem == ""


def test_noise_that_cannot_be_measured_is_a_finding(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise MeasurementError("no clock here")

    monkeypatch.setattr(module, "measure_noise", refused)
    found = diagnose(trial.store.root)
    assert found.noise is None
    assert any("no clock here" in one.text for one in found.findings)


def test_space_that_is_not_told(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(folder: Path) -> int:
        raise OSError("no such call")

    monkeypatch.setattr(module, "free_bytes", silent)
    assert module.free_space(trial.store.root) is None
    assert module.version("a-library-that-is-not-there") == ""
