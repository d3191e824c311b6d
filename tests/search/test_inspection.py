"""What a model holds and computes, counted and profiled."""

import json

import pytest

from lissom.errors import MeasurementError, OptionError
from lissom.search import counting, promise
from lissom.search.inspection import inspect_model
from tests.search.trial import Trial


def test_counts_by_operator_and_by_site(trial: Trial) -> None:
    found = inspect_model(trial.job().opened)
    assert found.inputs[0].name == "image"
    assert found.file_opset == 17
    assert not found.generated
    assert dict(found.feed) == {"image": (1, 3, 8, 8)}
    sites = {one.name: one for one in found.sites}
    assert sites["conv1"].macs == 8 * 8 * 8 * 3 * 3 * 3
    assert sites["conv2"].macs == 16 * 4 * 4 * 8 * 3 * 3
    assert sites["fc"].macs == 5 * 16
    assert found.macs == sum(one.macs or 0 for one in found.sites)
    assert sites["fc"].weight_bytes == 4 * 5 * 16
    kinds = {one.op_type: one for one in found.operators}
    assert kinds["Conv"].count == 2
    assert kinds["Conv"].macs == (sites["conv1"].macs or 0) + (sites["conv2"].macs or 0)
    assert found.operators[0].op_type == "Conv"
    assert sum(one.weight_bytes for one in found.operators) >= 4 * found.parameters
    assert found.total_ms is not None
    assert found.total_ms > 0
    assert found.ceilings is not None
    standing = sites["conv1"].standing
    assert standing is not None
    assert 0 < standing.share < 1
    assert standing.gflops == pytest.approx(
        2 * (sites["conv1"].macs or 0) / (1e6 * standing.milliseconds)
    )


def test_json_holds_it_all(trial: Trial) -> None:
    written = json.loads(json.dumps(inspect_model(trial.job().opened).to_json()))
    assert written["inputs"] == [{"name": "image", "dtype": "float32", "shape": ["batch", 3, 8, 8]}]
    assert len(written["sites"]) == 3
    assert written["sha256"]
    assert written["ceilings"]["products"][0]["gflops"] > 0
    assert written["sites"][0]["standing"]["limit"]


def test_what_cannot_be_had_is_a_note(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise MeasurementError("not here")

    opened = trial.job(data=False).opened
    monkeypatch.setattr(promise, "operator_times", broken)
    monkeypatch.setattr(promise, "ceilings", broken)
    monkeypatch.setattr(counting, "shapes", broken)
    monkeypatch.setattr(opened.store, "remember", lambda kind, inputs, compute: compute())
    found = inspect_model(opened)
    assert found.macs is None
    assert found.times == ()
    assert found.generated
    assert found.ceilings is None
    assert all(site.standing is None for site in found.sites)
    assert len(found.notes) == 3


def test_sensitivity_without_samples_is_refused_before_anything_is_measured(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(*_: object, **__: object) -> None:
        raise AssertionError("nothing is to be measured")

    monkeypatch.setattr(promise, "operator_times", measured)
    with pytest.raises(OptionError, match="sensitivity needs samples"):
        inspect_model(trial.job(data=False).opened, sensitivity=True)
