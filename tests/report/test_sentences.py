# the signs that people read: minus, times, dash
import dataclasses
from typing import Any

import pytest

from lissom.report import sentences
from lissom.report.document import document
from lissom.report.schema import Document
from lissom.search.limits import Limits
from lissom.search.result import Choice


def chosen(make_result: Any, one: Any, **changes: Any) -> Document:
    choice = Choice(name=one.name, met=True, reasons=())
    return document(make_result(candidates=(one,), front=(one.name,), choice=choice, **changes))


def verdict(content: Document) -> str:
    return sentences.sentence(sentences.verdict(content))


def test_a_gain_is_said_with_its_price(full_document: Document) -> None:
    assert verdict(full_document) == (
        "int8-static-mse is 3.34 times faster and 3.92 times smaller than the original, and is "
        "expected to lose 0.06 points of top1 (95% interval of the drop: −0.06 to 0.18)."
    )
    gains = [piece.text for piece in sentences.verdict(full_document) if piece.gain]
    assert gains == ["3.34 times faster", "3.92 times smaller"]


@pytest.mark.parametrize(
    ("milliseconds", "size", "changes", "text"),
    [
        (0.744, 8_495_657, {"quality": None, "lossless": True},
         "x is as fast within the noise and as large as the original, with the same outputs."),
        (0.738, 4_000_000, {"quality": None},
         "x is as fast within the noise and 2.12 times smaller than the original, and its "
         "quality was not measured."),
        (1.488, 16_991_314, {"quality": None, "lossless": True},
         "x is 2.00 times slower and 2.00 times larger than the original, with the same outputs."),
        (0.372, 8_495_657, {"quality": None, "lossless": True},
         "x is 2.00 times faster and as large as the original, with the same outputs."),
        (0.372, None, {"timing": None, "quality": None, "lossless": True},
         "x is of unmeasured speed as the original, with the same outputs."),
    ],
)  # fmt: skip
def test_nothing_is_claimed_beyond_the_numbers(
    make_result: Any, make_candidate: Any, milliseconds: float, size: int, changes: Any, text: str
) -> None:
    one = make_candidate("x", "quantize.static", milliseconds, 0.001, size, **changes)
    assert verdict(chosen(make_result, one)) == text


@pytest.mark.parametrize(
    ("kind", "drop", "words"),
    [("labels", 0.002, "and loses 0.20 points"), ("labels", -0.004, "and gains 0.40 points"),
     ("bound", 0.03, "and differs from the original by 3.00 points"),
     ("expected", -0.001, "and is expected to gain 0.10 points"),
     ("labels", 0.0, "and loses 0.00 points")],
)  # fmt: skip
def test_each_kind_of_drop_has_its_words(
    make_result: Any, make_candidate: Any, kind: str, drop: float, words: str
) -> None:
    one = make_candidate("x", "quantize.static", 0.3, drop, 1000)
    one = dataclasses.replace(one, quality=dataclasses.replace(one.quality, drop_kind=kind))
    assert words in verdict(chosen(make_result, one))


@pytest.mark.parametrize(
    ("kind", "differing", "limit", "end"),
    [("expected", 0.078, 0.01, "; but 7.8% of its answers differ, and without labels nothing surer "
      "is known than a loss of at most 12.86 points (95%), where 1.00 are allowed."),
     ("expected", 0.078, None, "is known than a loss of at most 12.86 points (95%)."),
     ("expected", 0.078, 0.05, "0.12)."), ("expected", 0.02, 0.01, "0.12)."),
     ("labels", 0.078, 0.01, "0.12).")],
)  # fmt: skip
def test_an_expected_drop_of_nothing_says_how_many_answers_differ(
    make_result: Any, make_candidate: Any, kind: str, differing: float, limit: Any, end: str
) -> None:
    one = make_candidate("x", "quantize.static", 0.3, 0.0, 1000)
    known = dataclasses.replace(
        one.quality, drop_kind=kind, disagreement=differing,
        disagreement_interval=(0.01, 0.1286),
    )  # fmt: skip
    one = dataclasses.replace(one, quality=known)
    told = verdict(chosen(make_result, one, limits=Limits(max_drop=limit)))
    assert told.endswith(end)
    assert "0.00 points" in told


def test_when_nothing_gained_it_is_said(make_result: Any) -> None:
    choice = Choice(name="original", met=True, reasons=())
    content = document(make_result(choice=choice))
    assert verdict(content) == (
        "Nothing that was tried gains within the limits: the original is returned unchanged."
    )
    missed = document(make_result(choice=dataclasses.replace(choice, met=False)))
    assert verdict(missed) == (
        "The limits cannot be met: no model is delivered, and the front is what was found."
    )
    assert "chosen" not in [sentences.outcome(missed, one) for one in missed["others"]]
    model = dataclasses.replace(make_result().model, already_quantized=True)
    assert "already quantized" in verdict(document(make_result(choice=choice, model=model)))


def test_limits_stand_beside_what_is_delivered(make_result: Any) -> None:
    limits = Limits(max_drop=0.0005, max_size_bytes=4_000_000, max_memory_bytes=10**9)
    rows = sentences.limit_rows(document(make_result(limits=limits)))
    assert [(row.name, row.held) for row in rows] == [
        ("drop", False),
        ("size", True),
        ("memory", True),
    ]
    assert rows[0].limit == "0.05 pt"


def test_an_unknown_number_holds_no_limit(make_result: Any, make_candidate: Any) -> None:
    one = make_candidate("x", "quantize.float16", 0.5, None, 1000, quality=None)
    rows = sentences.limit_rows(chosen(make_result, one))
    assert rows[0].held is None
    assert rows[0].value == "not measured"


def test_outcomes(full_document: Document) -> None:
    words = {
        one["name"]: sentences.outcome(full_document, one)
        for one in [*full_document["front"], *full_document["others"]]
    }
    assert words["int8-static-mse"] == "chosen"
    assert words["runtime-fusion"] == "speed inside noise"
    assert words["int8-dynamic"] == "slower, beaten"
    assert words["original"] == "yours, beaten"


def test_quality_says_on_how_many_samples(full_document: Document) -> None:
    told = " ".join(sentences.quality_sentences(full_document))
    assert "2,950 samples" in told
    assert full_document["quality"] is not None
    assert full_document["quality"]["meaning"] in told


def test_quality_without_samples_promises_nothing(make_result: Any, make_candidate: Any) -> None:
    one = make_candidate("x", "quantize.float16", 0.5, None, 1000)
    told = sentences.quality_sentences(chosen(make_result, one, data=None))
    assert told[0] == "Quality was not measured: there were no samples."


def test_theory_and_machine_are_compared(make_result: Any, make_candidate: Any) -> None:
    half = make_candidate("half", "prune.magnitude", 0.7, 0.01, 8_000_000, macs=20_600_000)
    content = chosen(make_result, half)
    told = sentences.theory_sentences(content, content["front"][0])
    assert told == ["2.00 times fewer multiply-accumulates brought only 1.06× the speed."]
    slow = make_candidate("slow", "quantize.weight_only", 0.9, 0.01, 2_000_000)
    content = chosen(make_result, slow)
    told = sentences.theory_sentences(content, content["front"][0])
    assert told == ["The file is 4.25 times smaller, yet the model is not faster: 0.83×."]


def test_what_ran_on_integers_is_said(make_result: Any, make_candidate: Any) -> None:
    one = make_candidate("x", "quantize.static", 0.5, 0.01, 8_000_000, integer_macs_share=0.97)
    content = chosen(make_result, one)
    told = sentences.theory_sentences(content, content["front"][0])
    assert told[0] == (
        "97.0% of the original's multiply-accumulates ran in integer kernels, by the runtime's "
        "own profile."
    )
    for method, share, said in (
        ("quantize.static", 0.0, True),
        ("prune.magnitude", 0.0, False),
        ("quantize.static", None, False),
    ):
        one = make_candidate("x", method, 0.5, 0.01, 8_000_000, integer_macs_share=share)
        content = chosen(make_result, one)
        told = sentences.theory_sentences(content, content["front"][0])
        assert any("integer kernels" in each for each in told) is said, (method, share)


def test_the_chosen_entry(full_document: Document) -> None:
    entry = sentences.chosen_entry(full_document)
    assert entry is not None
    assert entry["name"] == "int8-static-mse"
    assert sentences.chosen_entry({**full_document, "chosen": "original"}) is None
