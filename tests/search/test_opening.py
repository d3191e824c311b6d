"""Reading a model with its samples, and refusing a canonical form that changes the answers."""

from pathlib import Path

import numpy as np
import pytest

from lissom.errors import LissomError, MeasurementError, OptionError, SamplesError
from lissom.runtime.target import Target
from lissom.search import opening
from lissom.search.opening import Data, default_store, open_model
from tests.search.trial import Trial


def test_a_model_with_samples(trial: Trial) -> None:
    opened = trial.job().opened
    assert opened.samples is not None
    assert opened.samples.labels
    assert opened.notes == ()
    assert opened.feed["image"].shape == (1, 3, 8, 8)
    assert len(opened.checks) == 1 + opening.CHECKS
    assert "BatchNormalization" not in opened.model.op_counts


def test_a_model_without_samples_gets_a_generated_feed(trial: Trial) -> None:
    opened = open_model(trial.model, None, store=trial.store, target=Target(batch=3))
    assert opened.samples is None
    assert opened.feed["image"].shape[0] == 3


def test_a_canonical_form_that_changes_the_answers_is_undone(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def unequal(path, model, checks, target, store):  # type: ignore[no-untyped-def]
        seen.append(model.fingerprint)
        held = len(seen) == 3
        return {"held": held, "worst_output": "logits", "max_relative_error": 0.5, "feeds": 1}

    monkeypatch.setattr(opening, "compared", unequal)
    opened = open_model(trial.model, None, store=trial.store, target=Target())
    assert len(opened.notes) == 2
    assert "(full) was undone: output 'logits' changed" in opened.notes[0]
    assert "BatchNormalization" in opened.model.op_counts


def test_a_model_that_never_answers_twice_alike_is_kept_as_it_is(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = {"held": False, "worst_output": "logits", "max_relative_error": None, "feeds": 1}
    monkeypatch.setattr(opening, "compared", lambda *_: answer)
    opened = open_model(trial.model, None, store=trial.store, target=Target())
    assert "differ from run to run: output 'logits' changed (not comparable)" in opened.notes[-1]
    assert "BatchNormalization" in opened.model.op_counts


def test_a_model_that_the_runtime_cannot_run(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise MeasurementError("no such kernel")

    monkeypatch.setattr(opening, "compared", broken)
    with pytest.raises(MeasurementError, match="no such kernel"):
        open_model(trial.model, None, store=trial.store, target=Target())


def test_labels_and_samples_that_do_not_fit(trial: Trial, tmp_path: Path) -> None:
    np.savez(tmp_path / "wrong.npz", picture=np.zeros((4, 3, 8, 8), np.float32))
    with pytest.raises(SamplesError, match="image"):
        open_model(
            trial.model, Data(source=tmp_path / "wrong.npz"), store=trial.store, target=Target()
        )


def test_preprocessing_must_be_readable(trial: Trial, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("- just\n- a list\n")
    for path in (tmp_path / "p.yaml", tmp_path / "absent.yaml"):
        with pytest.raises(OptionError, match=path.name) as caught:
            open_model(
                trial.model,
                Data(source=trial.samples, preprocessing=path),
                store=trial.store,
                target=Target(),
            )
        assert str(caught.value).count(path.name) == 1
        assert "Errno" not in str(caught.value)


def test_an_unknown_runtime_is_refused_before_anything_is_read(trial: Trial) -> None:
    with pytest.raises(OptionError, match="abacus"):
        open_model(Path("absent.onnx"), None, store=trial.store, target=Target(runtime="abacus"))


def test_what_is_no_model(trial: Trial, tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    for path in (tmp_path / "bad.onnx", tmp_path / "absent.onnx"):
        with pytest.raises(LissomError, match=path.name):
            open_model(path, None, store=trial.store, target=Target())


def test_data_takes_what_it_is_given() -> None:
    data = Data(source="x.npz", labels="y.npy")
    assert Data.of(data) is data
    assert Data.of(None) is None
    assert Data.of("x.npz") == Data(source="x.npz")


def test_the_default_store_is_the_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    assert default_store() == Path("cache/lissom")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_store() == Path.home() / ".cache" / "lissom"
    monkeypatch.setattr("sys.platform", "darwin")
    assert default_store().parts[-2:] == ("Caches", "lissom")
    monkeypatch.setattr("sys.platform", "win32")
    assert default_store().name == "lissom"
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("none")))
    with pytest.raises(OptionError, match="--store"):
        default_store()
