"""Formats are chosen by what they cost and save; the limit is learned from what was measured."""

from dataclasses import replace

import numpy as np
import pytest

from lissom.recipe import Step
from lissom.search import mixed as module
from lissom.search.candidate import Candidate
from lissom.search.job import Job
from lissom.search.limits import Limits
from lissom.search.mixed import ROUNDS, Mixing, chosen, integer_formats
from lissom.search.proposals import Proposal
from lissom.search.result import NotTried
from lissom.search.sensitivity import Format, Harm, Sensitivity
from tests.search.made import candidate
from tests.search.offered import FACTS
from tests.search.trial import Trial, recipe

STATIC = Format(name="int8 static", step=Step(method="quantize.static"))
DYNAMIC = Format(name="int8 dynamic", step=Step(method="quantize.dynamic"))


def harm(operator: str, name: str, alone: float | None, milliseconds: float) -> Harm:
    return Harm(
        operator=operator,
        format=name,
        alone=alone,
        others=None,
        milliseconds=milliseconds,
        weight_bytes=int(10 * milliseconds),
    )


# conv1 gains much for little harm, conv2 little for much, fc loses time on integers
FOUND = Sensitivity(
    whole={"int8 static": 0.11},
    float_ms={"conv1": 4.0, "conv2": 2.0, "fc": 1.0},
    float_bytes={"conv1": 40, "conv2": 40, "fc": 40},
    harms=(
        harm("conv1", "int8 static", 0.01, 1.0),
        harm("conv2", "int8 static", 0.10, 1.5),
        harm("fc", "int8 static", 0.00, 1.2),
    ),
)


def test_what_loses_time_stays_float_whatever_the_limit() -> None:
    choice = chosen(FOUND, (STATIC,), np.inf)
    assert choice is not None
    assert choice.operators == ("conv1", "conv2", "fc")
    assert choice.options.tolist() == [1, 1, 0]
    assert choice.harm == pytest.approx(0.11)


def test_a_limit_takes_back_what_harms_most_for_what_it_saves() -> None:
    choice = chosen(FOUND, (STATIC,), 0.05)
    assert choice is not None
    assert choice.options.tolist() == [1, 0, 0]
    nothing = chosen(FOUND, (STATIC,), 0.001)
    assert nothing is not None
    assert not nothing.options.any()


def test_a_second_format_is_taken_where_it_is_better() -> None:
    both = replace(FOUND, harms=(*FOUND.harms, harm("conv2", "int8 dynamic", 0.001, 1.4)))
    choice = chosen(both, (STATIC, DYNAMIC), np.inf)
    assert choice is not None
    assert choice.options.tolist() == [1, 2, 0]


def test_bytes_instead_of_time() -> None:
    choice = chosen(FOUND, (STATIC,), np.inf, by_bytes=True)
    assert choice is not None
    assert choice.options.tolist() == [1, 1, 1]


@pytest.mark.parametrize("alone", [None, np.inf])
def test_what_the_runtime_refused_or_is_not_finite_is_not_chosen(alone: float | None) -> None:
    refused = replace(FOUND, harms=(harm("conv1", "int8 static", alone, 1.0), *FOUND.harms[1:]))
    choice = chosen(refused, (STATIC,), np.inf)
    assert choice is not None
    assert choice.options.tolist() == [0, 1, 0]
    assert chosen(replace(FOUND, harms=()), (STATIC,), np.inf) is None


def test_dynamic_is_a_format_where_the_runtime_has_it(trial: Trial) -> None:
    model = trial.job().opened.model
    only = replace(FACTS, dynamic_operators=frozenset({"MatMul"}))
    names = [one.name for one in integer_formats(model, only, STATIC.step)]
    assert names == ["int8 static"]
    wider = replace(FACTS, dynamic_operators=frozenset({"Gemm"}))
    names = [one.name for one in integer_formats(model, wider, STATIC.step)]
    assert names == ["int8 static", "int8 dynamic"]


def mixing(job: Job, tried: list[Candidate], made: dict[str, Proposal]) -> Mixing:
    reasons: list[NotTried] = []
    return Mixing(job=job, facts=FACTS, place=None, tried=tried, made=made, left_out=reasons.append)


def searched(
    trial: Trial, monkeypatch: pytest.MonkeyPatch, most: float, found: Sensitivity = FOUND
) -> list[list[str]]:
    """The operators left float in each round, where a model holds up to `most` of harm."""
    monkeypatch.setattr(module, "sensitivity", lambda *_, **__: found)
    job = trial.job(limits=Limits(max_drop=0.01))
    static = Proposal(title="static", recipe=recipe("static-mse", "quantize.static"))
    tried = [candidate("static-mse", speed=(2.0, 2.0, 2.0))]
    made = {"static-mse": static}
    rounds = []
    harms = {one.operator: one.alone or 0.0 for one in found.harms}
    for proposal in mixing(job, tried, made).rounds():
        left = list(proposal.recipe.steps[-1].exclude)
        rounds.append(left)
        harm = sum(each for name, each in harms.items() if name not in left)
        made[proposal.name] = proposal
        tried.append(candidate(proposal.name, drop=0.02 if harm > most else 0.0))
    return rounds


def test_what_is_faster_than_float_while_packed_is_one_more_format(trial: Trial) -> None:
    """Only what gained by itself, in this place, and does nothing else first."""
    packed = {"bits": 4, "block_size": 32, "kernel": "matmul_nbits"}
    made = {
        "fast": recipe("fast", "quantize.gptq", **packed),
        "slow": recipe("slow", "quantize.gptq", **packed),
        "half": recipe("half", "quantize.float16", compute="float16"),
        "small": recipe("small", "quantize.float16"),
    }
    speeds = {"slow": (0.9, 0.8, 0.95)}
    tried = [candidate(name, speed=speeds.get(name, (1.5, 1.4, 1.6))) for name in made]
    proposals = {name: Proposal(title=name, recipe=one) for name, one in made.items()}
    assert [
        (one.name, one.step.method) for one in mixing(trial.job(), tried, proposals).others()
    ] == [
        ("fast", "quantize.gptq"),
        ("half", "quantize.float16"),
    ]


def test_where_everything_holds_one_choice_is_enough(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert searched(trial, monkeypatch, most=1.0) == [["fc"]]


def test_the_limit_is_learned(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    assert searched(trial, monkeypatch, most=0.05)[:2] == [["fc"], ["conv2", "fc"]]


def test_it_ends(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    many = Sensitivity(
        whole={},
        float_ms={f"n{i}": 2.0 for i in range(60)},
        float_bytes={f"n{i}": 4 for i in range(60)},
        harms=tuple(harm(f"n{i}", "int8 static", 0.001 * (i + 1), 1.0) for i in range(60)),
    )
    rounds = searched(trial, monkeypatch, most=0.4, found=many)
    assert 2 < len(rounds) <= ROUNDS
    assert len(rounds[0]) < len(rounds[1])


def test_it_says_why_nothing_is_mixed(trial: Trial) -> None:
    reasons: list[NotTried] = []
    alone = mixing(trial.job(), [candidate("weights-int8")], {
        "weights-int8": Proposal(title="", recipe=recipe("weights-int8", "quantize.weight_only"))
    })  # fmt: skip
    assert list(replace(alone, left_out=reasons.append).rounds()) == []
    assert reasons[0].name == "mixed"
    assert "start from" in reasons[0].reason


@pytest.mark.parametrize(
    ("harms", "reason"),
    [
        ((), "no operator fits"),
        ((harm("conv1", "int8 static", None, 1.0),), "the runtime refused"),
        ((harm("conv1", "int8 static", np.inf, 1.0),), "NaN or infinity"),
        ((harm("conv1", "int8 static", 0.0, 9.0),), "takes less time"),
    ],
)
def test_why_all_stay_float_is_said(
    trial: Trial, monkeypatch: pytest.MonkeyPatch, harms: tuple[Harm, ...], reason: str
) -> None:
    monkeypatch.setattr(module, "sensitivity", lambda *_, **__: replace(FOUND, harms=harms))
    reasons: list[NotTried] = []
    made = {"s": Proposal(title="", recipe=recipe("s", "quantize.static"))}
    one = mixing(trial.job(), [candidate("s")], made)
    assert list(replace(one, left_out=reasons.append).rounds()) == []
    (only,) = reasons
    assert reason in only.reason


def test_without_samples_nothing_is_mixed(trial: Trial) -> None:
    reasons: list[NotTried] = []
    made = {"s": Proposal(title="", recipe=recipe("s", "quantize.static"))}
    one = mixing(trial.job(data=False), [candidate("s")], made)
    assert list(replace(one, left_out=reasons.append).rounds()) == []
    assert "samples" in reasons[0].reason


def test_a_real_choice_can_be_built(trial: Trial) -> None:
    """End to end on a tiny network: the recipe of the first choice is a model that runs."""
    from lissom.runtime import registry
    from lissom.search.build import build

    job = trial.job(limits=Limits(max_drop=0.05))
    facts = registry.load("onnxruntime").facts(job.opened.store)
    static = Proposal(title="static", recipe=recipe("static-mse", "quantize.static"))
    one = replace(mixing(job, [candidate("static-mse")], {"static-mse": static}), facts=facts)
    proposal = next(one.rounds(), None)
    if proposal is None:  # every operator of so small a network may lose time on integers
        return
    built = build(job, proposal.recipe, facts, deadline=None, told=lambda _: None)
    assert built.edits > 0
