"""The ladder: prefixes of a recipe, taken from what was tried or measured."""

from dataclasses import replace

from lissom.recipe import Recipe, Step
from lissom.runtime.target import Target
from lissom.search.candidate import Candidate
from lissom.search.ladder import Ladder
from lissom.search.places import Places
from lissom.search.proposals import Proposal
from tests.search.made import candidate, original

FUSE, QUANTIZE = Step(method="optimize.fusion"), Step(method="quantize.static")
RECIPE = Recipe(name="static", steps=(FUSE, QUANTIZE))


def made(name: str, speed: float, *steps: Step, target: Target | None = None) -> Candidate:
    one = candidate(name, speed=(speed, 0.9 * speed, 1.1 * speed))
    recipe = Recipe(name=name.partition("@")[0], steps=steps)
    return replace(one, recipe=recipe, target=target or one.target)


CHOSEN = made("static", 3.0, FUSE, QUANTIZE)


def refused(_: Proposal) -> Candidate | None:
    raise AssertionError("nothing had to be measured")


def test_a_rung_for_each_step_from_what_was_tried() -> None:
    fused = made("fused", 1.2, FUSE)
    ladder = Ladder(
        original=original(), tried=[fused, CHOSEN], measure=refused,
        predict=lambda one: {"fused": 1.1, "static": 3.5}[one.name],
    )  # fmt: skip
    rungs = ladder.rungs(CHOSEN, Proposal(title="", recipe=RECIPE))
    assert [(one.step, one.promised_speedup, one.speedup) for one in rungs] == [
        ("optimize.fusion", 1.1, 1.2),
        ("quantize.static", 3.5, 3.0),
    ]
    assert rungs[0].speedup_interval == (0.9 * 1.2, 1.1 * 1.2)
    assert rungs[1].size_bytes == CHOSEN.size_bytes
    assert rungs[1].drop == CHOSEN.drop


def test_what_was_not_tried_is_measured() -> None:
    asked: list[Proposal] = []

    def measure(proposal: Proposal) -> Candidate:
        asked.append(proposal)
        return made(proposal.recipe.name, 1.3, FUSE)

    ladder = Ladder(original=original(), tried=[CHOSEN], measure=measure, predict=lambda _: None)
    rungs = ladder.rungs(CHOSEN, Proposal(title="", recipe=RECIPE))
    assert [one.speedup for one in rungs] == [1.3, 3.0]
    assert asked[0].recipe.steps == (FUSE,)
    assert asked[0].recipe.name == "static-1"


def test_a_rung_that_cannot_be_had_is_left_out() -> None:
    for answer in (None, candidate("static-1", failed="no")):
        ladder = Ladder(
            original=original(), tried=[CHOSEN], measure=lambda _, a=answer: a,
            predict=lambda _: None,
        )  # fmt: skip
        rungs = ladder.rungs(CHOSEN, Proposal(title="", recipe=RECIPE))
        assert [one.step for one in rungs] == ["quantize.static"]


def test_another_place_is_a_rung_of_its_own() -> None:
    places = Places(first=Target(), others=(Target(runtime="openvino"),))
    place = places.runtimes[1]
    there = made("original@openvino", 1.5, target=place.target)
    chosen = made("static@openvino", 3.0, QUANTIZE, target=place.target)
    ladder = Ladder(
        original=original(), tried=[there, chosen], measure=refused, predict=lambda _: None
    )
    recipe = Recipe(name="static", steps=(QUANTIZE,))
    rungs = ladder.rungs(chosen, Proposal(title="", recipe=recipe, place=place))
    assert [(one.step, one.speedup) for one in rungs] == [
        ("run on openvino", 1.5),
        ("quantize.static", 3.0),
    ]
    same = Proposal(title="", recipe=Recipe(name="original"), place=place)
    assert [one.step for one in ladder.rungs(there, same)] == ["run on openvino"]


def test_the_original_has_no_ladder() -> None:
    ladder = Ladder(original=original(), tried=[], measure=refused, predict=lambda _: None)
    assert ladder.rungs(original(), Proposal(title="", recipe=Recipe(name="original"))) == ()
