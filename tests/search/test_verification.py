"""A delivered model checked again: what decides, and what is said."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lissom.errors import ModelError, SamplesError
from lissom.measure.certificate import certify, measured
from lissom.measure.judge import Judge
from lissom.runtime.target import Target
from lissom.search import verification as module
from lissom.search.job import Opened
from lissom.search.limits import Limits
from lissom.search.opening import Data, open_model
from lissom.search.origin import Origin
from lissom.search.verification import Asked, Verification, decided, decisive, verify_model
from tests.search.made import timing
from tests.search.trial import Trial

LIMITS = Limits(max_drop=0.01)
FEW, MANY, BAD = np.zeros(60), np.zeros(1000), np.ones(1000)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.05)


def origin(folder: Path, **changes: Any) -> Origin:
    known = Origin(
        folder=folder,
        name="fast",
        original_sha256="0" * 64,
        target=Target(),
        reference=Target(),
        goal="speed",
        limits=LIMITS,
        drop=0.001,
        speedup=2.0,
        fingerprint=None,
        metric=None,
        original_quality=None,
    )
    return replace(known, **changes)


def opened(trial: Trial, samples: Any = None) -> Opened:
    data = Data(source=trial.samples if samples is None else samples)
    return open_model(trial.model, data, store=trial.store, target=Target())


def verified(opened: Opened, model: Path, **changes: Any) -> Verification:
    given: dict[str, Any] = {
        "limits": LIMITS,
        "judge": Judge(),
        "target": Target(),
        "reference": Target(),
        **changes,
    }
    return verify_model(opened, model, Asked(**given))


def test_a_model_against_itself_on_enough_samples(trial: Trial) -> None:
    images = np.random.default_rng(3).standard_normal((400, 3, 8, 8)).astype(np.float32)
    labels = np.zeros(400, np.int64)
    limits = replace(LIMITS, max_size_bytes=10**9, max_memory_bytes=10**12, max_latency_ms=1e6)
    source = {"image": images, "label": labels}
    found = verified(opened(trial, source), trial.model, limits=limits)
    assert found.held
    assert [one.quantity for one in found.certificates] == ["drop", "latency", "size", "memory"]
    assert (found.count, found.left_out, found.share) == (400, 0, 1.0)
    assert found.quality is not None
    assert found.quality.drop == 0
    assert "No result beside the model" in found.notes[-1]
    written = found.to_json()
    assert written["verdict"] == "held"
    assert written["certificates"][0]["sentence"] in written["reasons"]


def test_too_few_samples_are_said_with_how_many_more(trial: Trial) -> None:
    found = verified(opened(trial), trial.model)
    assert found.verdict == "too few samples"
    assert not found.held
    assert "more samples would decide it" in found.reasons[0]


def test_without_labels_both_kinds_are_certified(trial: Trial, tmp_path: Path) -> None:
    images = np.random.default_rng(3).standard_normal((400, 3, 8, 8)).astype(np.float32)
    here = opened(trial, {"image": images})
    known = origin(tmp_path, original_quality=0.9)
    found = verified(here, trial.model, judge=Judge(original_quality=0.9), origin=known)
    assert [one.kind for one in found.certificates] == ["bound", "expected"]
    assert found.quality is None
    assert found.count < 400
    assert found.share == pytest.approx(0.7)
    assert (found.promised_speedup, found.promised_drop) == (2.0, 0.001)
    assert any("another file than cnn.onnx" in note for note in found.notes)


def test_labels_decide_then_the_estimate_and_where_it_must_be_certified_the_bound() -> None:
    (labels,), (hard,), (soft,) = (
        certify([MANY], 0.01),
        certify([FEW], 0.01, kind="bound"),
        certify([MANY], 0.01, kind="expected"),
    )
    size = measured("size", 1, 2)
    assert decisive([labels, size], LIMITS) == [labels, size]
    assert decisive([hard, soft, size], LIMITS) == [soft, size]
    assert decisive([hard, size], LIMITS) == [hard, size]
    assert decisive([hard, soft], replace(LIMITS, certified=True)) == [hard]


def test_the_worst_verdict_is_that_of_all(tmp_path: Path) -> None:
    run, fast, slow = origin(tmp_path), timing(2.0), timing(0.5)
    held, few, bad = (certify([values], 0.01)[0] for values in (MANY, FEW, BAD))
    assert decided([held], LIMITS, fast, run, share=1.0)[0] == "held"
    assert decided([held, few], LIMITS, fast, run, share=1.0)[0] == "too few samples"
    assert decided([few, bad], LIMITS, fast, run, share=1.0)[0] == "not held"
    verdict, reasons = decided([held], LIMITS, slow, run, share=1.0)
    assert verdict == "not held"
    assert "slower than the original: 0.50 times" in reasons[0]
    for other in (None, replace(run, speedup=0.6), replace(run, goal="size")):
        assert decided([held], LIMITS, slow, other, share=1.0)[0] == "held"


def test_other_ports_and_absent_samples_are_refused(trial: Trial, tmp_path: Path) -> None:
    import onnx

    from tests import tiny

    onnx.save(tiny.mlp(), tmp_path / "other.onnx")
    with pytest.raises(ModelError, match="other inputs"):
        verified(opened(trial), tmp_path / "other.onnx")
    bare = open_model(trial.model, None, store=trial.store, target=Target())
    with pytest.raises(SamplesError, match="--data"):
        verified(bare, trial.model)
