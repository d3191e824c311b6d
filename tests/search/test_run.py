"""The loop: everything is kept, nothing is repeated, a failure is a candidate with a reason."""

from dataclasses import replace
from pathlib import Path

import pytest

from lissom.errors import ChildFailed, MeasurementError, MethodError
from lissom.measure.environment import current
from lissom.recipe import Recipe, Step
from lissom.runtime import registry
from lissom.runtime.target import Target
from lissom.search import run as module
from lissom.search.candidate import Candidate
from lissom.search.folder import Folder
from lissom.search.job import Job
from lissom.search.limits import Limits
from lissom.search.places import Places
from lissom.search.progress import Event, Progress, silent
from lissom.search.proposals import Proposal, Proposals
from lissom.search.result import NotTried, Result
from lissom.search.run import run
from tests.search.trial import Trial, recipe

pytestmark = pytest.mark.usefixtures("unmixed")

STATIC = recipe("run-static", "quantize.static", ranges="minmax")
HALF = recipe("run-half", "quantize.float16")


def proposed(*recipes: Recipe) -> Proposals:
    return Proposals(
        tried=tuple(Proposal(title=one.name, recipe=one) for one in recipes),
        left_out=(NotTried(name="absent", reason="not here"),),
    )


def ran(
    job: Job, out: Path, *recipes: Recipe, published: list[Result] | None = None,
    progress: Progress = silent,
) -> Result:  # fmt: skip
    facts = registry.load("onnxruntime").facts(job.opened.store)
    with Folder.opened(out, job.identity()) as folder:
        return run(
            job,
            proposed(*recipes),
            {"onnxruntime": facts},
            current(),
            folder=folder,
            publish=(published if published is not None else []).append,
            progress=progress,
        )


@pytest.fixture
def forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever builds or measures fails the test."""
    for name in ("build", "assess"):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("done again"))


def test_a_run_measures_explains_and_publishes_at_every_step(trial: Trial, tmp_path: Path) -> None:
    seen: list[Event] = []
    published: list[Result] = []
    job = trial.job()
    result = ran(job, tmp_path / "out", STATIC, HALF, published=published, progress=seen.append)
    assert result.finished
    assert [one.name for one in result.candidates] == ["run-static", "run-half"]
    assert [one.name for one in result.not_tried] == ["absent"]
    assert result.original.operators
    assert len(published) == 4
    assert [one.finished for one in published] == [False, False, False, True]
    assert len(published[1].candidates) == 1
    assert seen[0].stage == "original"
    assert seen[-1].stage == "done"
    assert {e.candidate for e in seen if e.stage == "build"} == {"run-static", "run-half"}
    assert {e.total for e in seen} == {2}


def test_a_finished_run_is_answered_again_without_work(
    trial: Trial, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    job = trial.job()
    first = ran(job, tmp_path / "out", STATIC, HALF)
    request.getfixturevalue("forbidden")
    assert ran(job, tmp_path / "out", STATIC, HALF) == first


def test_new_limits_reuse_old_measurements(
    trial: Trial, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    first = ran(trial.job(), tmp_path / "one", STATIC, HALF)
    request.getfixturevalue("forbidden")
    other = trial.job(limits=Limits(goal="size", max_drop=0.5))
    second = ran(other, tmp_path / "two", STATIC, HALF)
    assert {one.sha256 for one in second.candidates} == {one.sha256 for one in first.candidates}


def test_a_failing_method_is_a_candidate_with_its_reason(
    trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, error in enumerate((MethodError("no way"), ChildFailed("it crashed", "crashed"))):

        def broken(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(module, "build", broken)
            bad = recipe(f"bad{number}", "quantize.float16")
            result = ran(trial.job(), tmp_path / f"out{number}", bad, HALF)
        assert result.candidates[0].failed == str(error)
        assert result.choice.met


def test_what_was_built_before_a_kill_is_measured_after_it(trial: Trial, tmp_path: Path) -> None:
    job = trial.job()
    late = recipe("late", "quantize.static", ranges="percentile")
    facts = registry.load("onnxruntime").facts(trial.store)
    module.build(job, late, facts, deadline=None, told=lambda _: None)
    result = ran(job, tmp_path / "out", late)
    assert [one.name for one in result.candidates] == ["late"]


def test_the_same_model_is_not_measured_twice(trial: Trial, tmp_path: Path) -> None:
    nothing = Recipe(name="nothing", steps=())
    result = ran(trial.job(), tmp_path / "out", HALF, replace(HALF, name="again"), nothing)
    reasons = {one.name: one.reason for one in result.not_tried}
    assert reasons["again"] == "it gives the same model as run-half"
    assert reasons["nothing"] == "it gives the same model as the original"
    assert [one.name for one in result.candidates] == ["run-half"]


def test_the_budget_stops_new_candidates_after_the_first(trial: Trial, tmp_path: Path) -> None:
    job = trial.job(limits=Limits(budget_seconds=0.001))
    one, two = (recipe(name, "quantize.weight_only", bits=8) for name in ("first", "second"))
    result = ran(job, tmp_path / "out", one, two)
    assert [c.name for c in result.candidates] == ["first"]
    assert [one.name for one in result.not_tried[-2:]] == ["second", "mixed"]
    assert "budget" in result.not_tried[-1].reason


def test_interrupted_everything_found_is_on_disk(
    trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = module.build

    def interrupted(job: Job, given: Recipe, *rest: object, **named: object) -> object:
        if given.name == "run-half":
            raise KeyboardInterrupt
        return real(job, given, *rest, **named)  # type: ignore[arg-type]

    job = trial.job()
    published: list[Result] = []
    with monkeypatch.context() as patch:
        patch.setattr(module, "build", interrupted)
        patch.setattr(module, "recall_build", lambda *_: None)
        patch.setattr(module, "recall", lambda *_: None)
        with pytest.raises(KeyboardInterrupt):
            ran(job, tmp_path / "out", STATIC, HALF, published=published)
    assert [one.name for one in published[-1].candidates] == ["run-static"]
    assert not published[-1].finished
    assert ran(job, tmp_path / "out", STATIC, HALF).finished


def several(trial: Trial, out: Path, *recipes: Recipe, other: Target) -> Result:
    """A run in two places, of which one is made up."""
    places = Places(first=Target(), others=(other,))
    job = replace(trial.job(), places=places)
    known = registry.load("onnxruntime").facts(job.opened.store)
    proposals = [Proposal(title=one.name, recipe=one) for one in recipes]
    there = places.runtimes[1]
    there = replace(there, label="there")
    proposals += [
        Proposal(title=one.name, recipe=one, place=there)
        for one in (Recipe(name="original"), *recipes)
    ]
    with Folder.opened(out, job.identity()) as folder:
        return run(
            job,
            Proposals(tried=tuple(proposals), left_out=()),
            {"onnxruntime": known},
            current(),
            folder=folder,
            publish=lambda _: None,
            progress=silent,
        )


def test_candidates_of_several_places_compete(trial: Trial, tmp_path: Path) -> None:
    spinning = Target(options=(("session.intra_op.allow_spinning", "1"),))
    result = several(trial, tmp_path / "out", HALF, other=spinning)
    assert [one.name for one in result.candidates] == [
        "run-half", "original@there", "run-half@there",
    ]  # fmt: skip
    assert all(one.failed is None for one in result.candidates)
    kept = result.candidate("original@there")
    assert dict(kept.target.options)["session.intra_op.allow_spinning"] == "1"
    assert kept.lossless
    assert kept.sha256 == result.model.sha256


def test_where_the_original_does_not_run_nothing_is_tried(trial: Trial, tmp_path: Path) -> None:
    wrong = Target(options=(("optimization.enable_gelu_approximation", "9"),))

    def impossible(*_: object, **__: object) -> None:
        raise MeasurementError("it cannot load this")

    with pytest.MonkeyPatch.context() as patch:
        real = module.assess
        patch.setattr(
            module,
            "assess",
            lambda job, proposal, *rest: (
                impossible() if proposal.place else real(job, proposal, *rest)
            ),
        )
        result = several(trial, tmp_path / "out", HALF, other=wrong)
    assert result.candidate("original@there").failed == "it cannot load this"
    reasons = {one.name: one.reason for one in result.not_tried}
    assert reasons["run-half@there"] == "there cannot run the original: it cannot load this"


TWO = Recipe(
    name="run-two",
    steps=(
        Step(method="quantize.weight_only", parameters={"bits": 8}, include=("conv2",)),
        Step(method="quantize.weight_only", parameters={"bits": 8}, include=("fc",)),
    ),
)


def test_the_chosen_recipe_is_measured_step_by_step(
    trial: Trial, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    job = trial.job(limits=Limits(goal="size", max_drop=0.5))
    result = ran(job, tmp_path / "out", TWO)
    assert result.choice.name == "run-two"
    first, last = result.chosen.ladder
    assert first.step.startswith("quantize.weight_only")
    assert (last.size_bytes, last.speedup) == (result.chosen.size_bytes, result.chosen.speedup)
    assert first.size_bytes != last.size_bytes
    assert [one.name for one in result.candidates] == ["run-two"]  # the first step does not compete
    request.getfixturevalue("forbidden")
    assert ran(job, tmp_path / "out", TWO).chosen.ladder == (first, last)


def test_a_step_that_changes_nothing_is_the_model_before_it(trial: Trial, tmp_path: Path) -> None:
    idle = Step(method="optimize.fusion")
    recipe_of_two = Recipe(name="run-idle", steps=(idle, TWO.steps[0]))
    job = trial.job(limits=Limits(goal="size", max_drop=0.5))
    first, last = ran(job, tmp_path / "out", recipe_of_two).chosen.ladder
    assert (first.step, first.speedup, first.drop) == ("optimize.fusion", 1.0, 0.0)
    assert last.step == str(TWO.steps[0])


def test_a_step_that_cannot_be_measured_alone_is_left_out(
    trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = module.assess

    def broken(job: Job, proposal: Proposal, *rest: object) -> Candidate:
        if proposal.recipe.name == "run-half-1":
            raise ChildFailed("it crashed", "timeout")
        return whole(job, proposal, *rest)

    monkeypatch.setattr(module, "assess", broken)
    steps = (replace(TWO.steps[0], parameters={"bits": 4}), TWO.steps[1])
    job = trial.job(limits=Limits(goal="size", max_drop=0.5))
    result = ran(job, tmp_path / "out", Recipe(name="run-half", steps=steps))
    assert [rung.step for rung in result.chosen.ladder] == [str(steps[1])]


def test_the_noise_of_the_clock_is_measured_before_and_goes_with_every_candidate(
    trial: Trial, tmp_path: Path
) -> None:
    seen: list[Event] = []
    result = ran(trial.job(), tmp_path / "out", HALF, progress=seen.append)
    assert result.noise is not None
    assert result.noise.floor > 0
    floors = {one.noise_floor for one in (result.original, *result.candidates)}
    assert floors == {result.noise.floor}
    stages = [one.stage for one in seen]
    assert stages.index("original") < stages.index("noise") < stages.index("explain")


def test_waiting_for_quiet_is_told_and_bounded_by_the_budget(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_SECONDS", 10.0)
    monkeypatch.setattr("lissom.measure.pinning._PAUSE_SECONDS", 0.0)
    loads = iter([0.9, 0.0])
    monkeypatch.setattr("lissom.measure.pinning.least_busy", lambda _: (None, next(loads)))
    seen: list[Event] = []
    watch = module.Watch(progress=seen.append, total=1, budget=40.0)
    quiet = module.unhurried(trial.job(), watch).opened.quiet
    assert 2.0 <= quiet.patience <= 2.5
    assert quiet.processors(1).quiet
    assert [one.stage for one in seen] == ["wait", "latency"]
    watch = module.Watch(progress=silent, total=1)
    assert 10.0 <= module.unhurried(trial.job(), watch).opened.quiet.patience <= 10.5
