"""From a recipe to the delivered bytes, once."""

from dataclasses import replace
from pathlib import Path

import onnx
import pytest

import lissom
from lissom.errors import MethodError, RecipeError
from lissom.recipe import Recipe, Step
from lissom.runtime import registry
from lissom.runtime.facts import Facts
from lissom.runtime.target import Target
from lissom.search import build as module
from lissom.search.build import Built, build, observer, placed, recall, unchanged
from lissom.search.counting import count_macs
from tests.search.trial import Trial, recipe

STATIC = recipe("static", "quantize.static", ranges="minmax")
HALF = recipe("half", "quantize.float16")


def facts(trial: Trial) -> Facts:
    return registry.load("onnxruntime").facts(trial.store)


def made(trial: Trial, of: Recipe) -> Built:
    return build(trial.job(), of, facts(trial), deadline=None, told=lambda _: None)


def test_the_file_says_how_it_was_made(trial: Trial) -> None:
    built = made(trial, STATIC)
    proto = onnx.load(trial.store.file(built.file))
    said = {prop.key: prop.value for prop in proto.metadata_props}
    assert said["lissom.version"] == lissom.__version__
    assert Recipe.from_yaml(said["lissom.recipe"]) == STATIC
    assert len(said["lissom.original_sha256"]) == 64
    assert said["lissom.runtime"].startswith("onnxruntime ")
    assert "lissom.calibration" in said
    assert not any(str(trial.model.parent) in value for value in said.values())


def test_steps_are_recorded_with_all_parameters(trial: Trial) -> None:
    (step,) = made(trial, STATIC).steps
    assert step.method == "quantize.static"
    assert step.parameters["ranges"] == "minmax"
    assert step.parameters["operators"] == "all"
    assert step.edits["EncodeWeight"] > 0
    assert step.summary


def test_nothing_is_built_twice(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    first = made(trial, STATIC)
    monkeypatch.setattr(module, "rebuild", lambda *_: pytest.fail("built again"))
    assert made(trial, STATIC) == first
    assert recall(trial.job(), STATIC, facts(trial)) == first
    assert Built.from_json(first.to_json()) == first


def test_what_was_never_built_is_not_recalled(trial: Trial) -> None:
    assert recall(trial.job(), recipe("never", "quantize.float16"), facts(trial)) is None


def test_arithmetic_is_counted_once_where_it_stays(trial: Trial) -> None:
    original = count_macs(trial.job().opened.model, trial.job().opened)
    assert original is not None
    assert original > 0
    assert made(trial, HALF).macs == original


def test_external_data_lies_beside_its_model(trial: Trial, tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"model")
    (tmp_path / "d").write_bytes(b"weights")
    model = trial.store.put_file(tmp_path / "m", ".onnx")
    data = trial.store.put_file(tmp_path / "d", ".data")
    with placed(trial.store, model, None) as path:
        assert path.read_bytes() == b"model"
    with placed(trial.store, model, data) as path:
        assert path.name == module.MODEL
        assert (path.parent / module.DATA).read_bytes() == b"weights"


def test_methods_observe_only_with_samples(trial: Trial) -> None:
    assert observer(trial.job().opened) is not None
    assert observer(trial.job(data=False).opened) is None
    with pytest.raises(MethodError, match="samples"):
        build(trial.job(data=False), STATIC, facts(trial), deadline=None, told=lambda _: None)


def test_operators_are_timed_where_the_model_will_run(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(module, "tables", lambda *given: asked.append(given) or {})
    there = Target(threads=2)
    opened = trial.job().opened
    around = module.context(opened, facts(trial), target=there, seed=0)
    assert around.tables_of([]) == {}
    assert asked == [([], there, opened.store)]


def test_a_target_that_names_nothing_is_refused(trial: Trial) -> None:
    step = Step(method="quantize.float16", exclude=("/absent/*",))
    with pytest.raises(RecipeError, match="absent"):
        made(trial, Recipe(name="wrong", steps=(step,)))


def test_the_original_goes_elsewhere_as_it_is(trial: Trial) -> None:
    job = trial.job()
    built = unchanged(job)
    assert trial.store.file(built.file).read_bytes() == trial.model.read_bytes()
    assert (built.steps, built.edits, built.data_file) == ((), 0, None)
    assert built.fingerprint == job.opened.model.fingerprint
    outside = replace(job.opened.facts, external=(("w.bin", "0" * 64),))
    again = unchanged(replace(job, opened=replace(job.opened, facts=outside)))
    assert onnx.load(trial.store.file(again.file)).graph.node


def test_what_a_model_is_made_for_is_part_of_it(trial: Trial) -> None:
    there = Target(threads=2)
    job, known = trial.job(), facts(trial)
    build(job, HALF, known, target=there, deadline=None, told=lambda _: None)
    assert recall(job, HALF, known, there) is not None
    assert recall(job, HALF, known, Target(threads=3)) is None
