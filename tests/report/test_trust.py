# the signs that people read: minus, times, dash
from typing import Any

import pytest

from lissom.report.schema import Document
from lissom.report.trust import (
    certificate_rows,
    certified_words,
    check_command,
    noise_lines,
)


def verdicts(entry: Any, **kinds: str) -> Any:
    """The entry with certificates of its drop of these kinds and verdicts."""
    given = next(one for one in entry["certificates"] if one["quantity"] == "drop")
    made = [
        {**given, "kind": kind, "verdict": verdict.replace("_", " ")}
        for kind, verdict in kinds.items()
    ]
    return {**entry, "certificates": made}


def test_certificates_are_read_as_they_stand(rich_document: Document) -> None:
    rows = certificate_rows(rich_document["front"][0])
    assert [(row.title, row.verdict, row.mark) for row in rows] == [
        ("Share of answers that differ, which no loss can exceed", "too few samples", "unknown"),
        ("Drop, expected without labels", "held", "held"),
        ("Size", "held", "held"),
    ]
    given = [one["sentence"] for one in rich_document["front"][0]["certificates"]]
    assert [row.sentence for row in rows] == given


def test_their_chart_holds_estimate_bound_and_limit(rich_document: Document) -> None:
    few, held, _ = certificate_rows(rich_document["front"][0])
    for row in (few, held):
        ends = (row.estimate, row.bound, row.limit)
        assert all(end is not None and 0 <= end <= 100 for end in ends)
    assert few.bound > few.limit  # type: ignore[operator]
    assert held.bound < held.limit  # type: ignore[operator]
    assert certificate_rows(None) == []


@pytest.mark.parametrize(
    ("kinds", "words"),
    [({"labels": "held"}, "certified"), ({"bound": "held", "expected": "held"}, "certified"),
     ({"bound": "not_held", "expected": "held"}, "expected drop certified"),
     ({"bound": "not_held", "expected": "too_few_samples"}, "not certified: too few samples"),
     ({"labels": "not_held"}, "not certified: above the limit")],
)  # fmt: skip
def test_the_verdict_in_a_word(rich_document: Document, kinds: Any, words: str) -> None:
    assert certified_words(verdicts(rich_document["front"][0], **kinds)) == words


def test_what_was_not_tested_is_not_called_certified(full_document: Document) -> None:
    assert certified_words(full_document["front"][0]) == ""


def test_the_clock_says_what_it_can_tell_apart(rich_document: Document) -> None:
    told = list(noise_lines(rich_document))
    assert "between 0.996× and 1.004×" in told[0]
    assert "up to 0.6% are noise" in told[0]
    assert told[1] == "Before, the run waited 12 s for the machine to be idle."
    assert "others used 22.0% of the machine" in told[2]
    assert len(told) == 3
    noise = rich_document["noise"]
    assert noise is not None
    noise.update(busy=False, waited_seconds=0.0, stopped_seconds=2.5)
    assert "stood still for 2.5 s" in " ".join(noise_lines(rich_document))
    assert not any("biased" in one for one in told)
    noise.update(interval=(0.983, 0.996), floor=0.017)
    told = list(noise_lines(rich_document))
    assert "up to 1.7% are noise" in told[0]
    assert told[1].startswith("Timing was biased in this run")
    rich_document["noise"] = None
    assert list(noise_lines(rich_document)) == []


def test_it_can_be_checked_where_something_was_delivered(full_document: Document) -> None:
    command = check_command(full_document)
    assert command is not None
    assert command.startswith("lissom verify")
    assert "--labels" not in command
    assert full_document["data"] is not None
    full_document["data"]["labels"] = True
    assert str(check_command(full_document)).endswith("--labels NEW-LABELS.npy")
    assert check_command({**full_document, "chosen": "original"}) is None
    full_document["delivered"] = None
    assert check_command(full_document) is None
