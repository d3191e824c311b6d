"""What is tried, and when; with facts and measurements made up."""

from dataclasses import replace

import pytest

from lissom.errors import RecipeError
from lissom.recipe import Recipe
from lissom.runtime.facts import Facts
from lissom.runtime.target import Target
from lissom.search.candidate import Candidate
from lissom.search.job import Job
from lissom.search.limits import Limits
from lissom.search.mixed import Mixing
from lissom.search.phases import MOST, Later, planned
from lissom.search.places import Places
from lissom.search.proposals import Proposal
from lissom.search.result import NotTried
from tests.search.made import candidate, original
from tests.search.offered import FACTS
from tests.search.trial import Trial, recipe

pytestmark = pytest.mark.usefixtures("unmixed")

BF16 = (("bf16", (("INFERENCE_PRECISION_HINT", "bf16"),)),)
KNOWN: dict[str, Facts] = {"onnxruntime": FACTS, "openvino": replace(FACTS, precisions=BF16)}
BOTH = Places(first=Target(), others=(Target(runtime="openvino"),))


def job_in(trial: Trial, places: Places = BOTH, limits: Limits | None = None) -> Job:
    return replace(trial.job(limits=limits), places=places)


def names(proposals: tuple[Proposal, ...]) -> list[str]:
    return [one.name for one in proposals]


def test_originals_come_first_then_the_runtimes_by_turns(trial: Trial) -> None:
    found = names(planned(job_in(trial), KNOWN).tried)
    assert found[:6] == [
        "original@openvino",
        "original@openvino-bf16",
        "static-mse",
        "static-mse@openvino",
        "static-minmax",
        "static-minmax@openvino",
    ]
    assert len(found) == len(set(found))


def test_one_place_has_its_recipes_alone(trial: Trial) -> None:
    alone = planned(replace(trial.job(), places=None), KNOWN)
    assert alone.tried[0].name == "static-mse"
    assert all(one.place is None and one.recipe.runtime is None for one in alone.tried)


def test_a_recipe_says_what_it_is_made_for(trial: Trial) -> None:
    found = {one.name: one for one in planned(job_in(trial), KNOWN).tried}
    there = found["static-mse@openvino"]
    assert there.recipe.name == "static-mse"
    assert there.recipe.runtime == "openvino"
    assert there.title == f"{found['static-mse'].title}, on openvino"
    assert there.place is not None
    assert there.place.target.runtime == "openvino"
    only = planned(job_in(trial, Places(first=Target(runtime="openvino"))), KNOWN)
    assert only.tried[0].name == "original@bf16"
    assert {one.recipe.runtime for one in only.tried[1:]} == {"openvino"}


def test_what_only_shrinks_the_file_is_tried_once(trial: Trial) -> None:
    found = planned(job_in(trial), KNOWN)
    reasons = {one.name: one.reason for one in found.left_out}
    assert "float16" in names(found.tried)
    assert "nothing but the file" in reasons["float16@openvino"]
    small = planned(job_in(trial, limits=Limits(goal="size")), KNOWN)
    assert "float16@openvino" in names(small.tried)


def test_the_users_own_recipe_is_made_for_every_runtime(trial: Trial) -> None:
    own = recipe("mine", "quantize.float16")
    found = planned(replace(job_in(trial), recipe=own), KNOWN)
    assert names(found.tried)[2:] == ["mine", "mine@openvino"]
    with pytest.raises(RecipeError, match="cannot be called"):
        planned(replace(trial.job(), recipe=Recipe(name="original")), KNOWN)


def later(job: Job, *found: Candidate) -> Later:
    """The phases after these candidates were made from the plan's proposals."""
    made = {one.name: one for one in planned(job, KNOWN).tried}
    tried = [replace(one, target=target_of(job, made[one.name])) for one in found]
    return Later(job=job, facts=KNOWN, original=original(), tried=tried, made=made)


def target_of(job: Job, proposal: Proposal) -> Target:
    return (job.places or BOTH).first if proposal.place is None else proposal.place.target


def test_narrower_arithmetic_is_for_the_best_of_a_runtime(trial: Trial) -> None:
    after = later(
        job_in(trial),
        candidate("original@openvino", drop=0.0, speed=(1.0, 1.0, 1.0), size=9_000_000),
        candidate("static-mse@openvino", drop=0.005, speed=(2.0, 2.0, 2.0)),
        candidate("static-minmax@openvino", drop=0.03, speed=(3.0, 3.0, 3.0)),
        candidate("static-mse", drop=0.0, speed=(4.0, 4.0, 4.0)),
    )
    (first,) = after.phases()
    assert names(first) == ["static-mse@openvino-bf16"]
    assert first[0].title.endswith(", on openvino-bf16")
    assert first[0].place is not None
    assert first[0].place.made_for == BOTH.others[0]


def test_no_more_than_a_few_go_on(trial: Trial) -> None:
    kinds = ("mse", "minmax", "percentile", "heavy")
    many = [
        candidate(
            f"static-{kind}@openvino",
            drop=0.002 * place,
            speed=(2.0 + place, 2.0 + place, 2.0 + place),
        )
        for place, kind in enumerate(kinds)
    ]
    (first,) = later(job_in(trial), *many).phases()
    assert len(first) == MOST


def test_more_threads_for_as_long_as_they_gain(trial: Trial) -> None:
    places = replace(BOTH, others=(), threads=(2, 4, 8))
    after = later(job_in(trial, places), candidate("static-mse", speed=(2.0, 1.98, 2.02)))
    assert isinstance(after.tried, list)
    phases = after.phases()
    assert next(phases) == ()
    two = next(phases)
    assert names(two) == ["original@2-threads", "static-mse@2-threads"]
    assert [one.place.target.threads for one in two if one.place is not None] == [2, 2]
    after.tried.append(candidate("original@2-threads", speed=(1.0, 0.9, 1.1)))
    after.tried.append(candidate("static-mse@2-threads", speed=(3.0, 2.98, 3.02)))
    after.made["static-mse@2-threads"] = two[1]  # type: ignore[index]
    four = next(phases)
    assert names(four) == ["static-mse@4-threads"]
    assert four[0].title.endswith(", on 4-threads")
    after.tried.append(candidate("static-mse@4-threads", failed="too many"))
    assert list(phases) == []


def test_a_latency_limit_stops_nobody_from_trying_threads(trial: Trial) -> None:
    places = replace(BOTH, others=(), threads=(2,))
    job = job_in(trial, places, Limits(max_latency_ms=0.5, max_drop=0.01))
    after = later(job, candidate("static-mse", speed=(2.0, 1.98, 2.02)))
    assert names(list(after.phases())[1]) == ["original@2-threads", "static-mse@2-threads"]


def test_mixing_comes_first_and_one_by_one(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    two = [Proposal(title="", recipe=recipe(f"mixed-{n}", "quantize.static")) for n in (1, 2)]
    monkeypatch.setattr(Mixing, "rounds", lambda self: iter(two if self.place is None else []))
    found = [names(phase) for phase in later(job_in(trial)).phases()]
    assert found[:2] == [["mixed-1"], ["mixed-2"]]


def test_nothing_is_mixed_when_time_is_up(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Mixing, "rounds", lambda _: pytest.fail("there is no time"))
    told: list[NotTried] = []
    after = replace(later(job_in(trial)), fits=lambda: False, left_out=told.append)
    assert [names(phase) for phase in after.phases()] == [[]]
    assert {one.name for one in told} == {"mixed", "mixed@openvino"}
    assert "time budget" in told[0].reason
