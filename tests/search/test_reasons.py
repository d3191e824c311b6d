"""What is said of a run once everything is measured; what cannot be had is noted."""

from dataclasses import replace

import pytest

from lissom.errors import MeasurementError, ModelError
from lissom.runtime import registry
from lissom.search import reasons as module
from lissom.search.assess import assess, assess_original
from lissom.search.build import build
from lissom.search.candidate import Candidate
from lissom.search.promise import Basis
from lissom.search.proposals import Proposal
from lissom.search.reasons import Reasons
from tests.search.made import timing
from tests.search.trial import Trial, recipe

STATIC = Proposal(
    title="static", recipe=recipe("reasons-static", "quantize.static", ranges="minmax")
)


@pytest.fixture
def measured(trial: Trial) -> tuple[Candidate, Candidate]:
    job = trial.job()
    facts = registry.load("onnxruntime").facts(job.opened.store)
    built = build(job, STATIC.recipe, facts, deadline=None, told=lambda _: None)
    return assess_original(job), assess(job, STATIC, built, lambda _: None)


def reasons(trial: Trial) -> Reasons:
    return Reasons(
        job=trial.job(),
        origins={STATIC.recipe.name: STATIC},
        measure=lambda _: pytest.fail("one step needs no measurement"),
    )


def test_everything_that_can_be_said(trial: Trial, measured: tuple[Candidate, Candidate]) -> None:
    name = STATIC.recipe.name
    original, (one,) = reasons(trial).given(measured[0], [measured[1]], name)
    assert original.predicted_speedup == 1.0
    assert sum(each.share for each in original.operators) == pytest.approx(1, abs=0.01)
    assert one.predicted_speedup is not None
    assert one.predicted_speedup > 0
    assert one.operators
    assert one.gaps
    assert one.timing is not None
    total = sum(gap.after_ms for gap in one.gaps)
    assert total == pytest.approx(one.timing.candidate.median_ms, rel=1e-6)
    before = sum(gap.before_ms for gap in one.gaps)
    assert before == pytest.approx(one.timing.original.median_ms, rel=1e-6)
    assert [rung.step for rung in one.ladder] == [str(STATIC.recipe.steps[0])]
    assert one.ladder[0].promised_speedup == one.predicted_speedup


def test_what_is_neither_chosen_nor_slower_is_not_profiled(
    trial: Trial, measured: tuple[Candidate, Candidate], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def noted(_: object, one: Candidate, __: object) -> Candidate:
        asked.append(one.name)
        return one

    monkeypatch.setattr(module, "explained", noted)
    fast = replace(measured[1], name="fast", timing=timing(2.0))
    slow = replace(measured[1], name="slow", timing=timing(0.5))
    lost = replace(measured[1], name="lost", failed="it broke")
    _, found = reasons(trial).given(measured[0], [fast, slow, lost], "original")
    assert asked == ["slow"]
    assert found[0].predicted_speedup is not None
    assert found[2] is lost


def test_without_a_profile_there_is_a_remark_and_no_promise(
    trial: Trial, measured: tuple[Candidate, Candidate], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Basis) -> None:
        raise MeasurementError("no profile\n here")

    monkeypatch.setattr(Basis, "profile", property(broken))
    original, (one,) = reasons(trial).given(measured[0], [measured[1]], STATIC.recipe.name)
    assert original.remarks[-1] == "Time by operator could not be had: no profile here"
    assert one.predicted_speedup is None
    assert one.gaps == ()
    assert len(one.ladder) == 1
    assert one.operators


def test_a_promise_that_fails_leaves_the_rest(
    trial: Trial, measured: tuple[Candidate, Candidate], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ModelError("not this file")

    monkeypatch.setattr(Basis, "promise", broken)
    original, (one,) = reasons(trial).given(measured[0], [measured[1]], STATIC.recipe.name)
    assert original.operators
    assert one.remarks[0] == "What arithmetic promises could not be computed: not this file"
    assert one.predicted_speedup is None
    monkeypatch.setattr(Basis, "ceilings", broken)
    original, (one,) = reasons(trial).given(measured[0], [measured[1]], STATIC.recipe.name)
    assert original.operators
    assert "could not be computed: not this file" in original.remarks[-1]
    assert one.predicted_speedup is None
