# the signs that people read: minus, times
from typing import Any

import pytest

from lissom.report.document import document
from lissom.report.readings import amount, readings, words
from lissom.report.schema import Document
from lissom.search.limits import Limits


def test_each_view_reads_ratios_and_points(full_document: Document) -> None:
    speed, size, memory = readings(full_document)
    entry = full_document["front"][0]
    assert speed.point(entry) == pytest.approx((0.744 / 0.223, 0.06))
    assert size.point(entry) == pytest.approx((8_495_657 / 2_167_004, 0.06))
    assert memory.point(entry)[0] > 1
    assert speed.reach(entry)[1] == pytest.approx([-0.06, 0.18])
    assert size.reach(entry)[0] == (size.point(entry)[0],) * 2


def test_latencies_are_told_from_the_run_of_the_chosen_one(full_document: Document) -> None:
    speed = next(readings(full_document))
    assert speed.base == pytest.approx(0.744)
    full_document["original"]["latency_ms"] = 99.0
    assert next(readings(full_document)).base == pytest.approx(0.744)
    full_document["chosen"] = "nobody"
    assert next(readings(full_document)).base == 99.0


def test_limits_are_ratios_too(make_result: Any) -> None:
    content = document(make_result(limits=Limits(max_drop=0.01, max_latency_ms=0.372)))
    speed, size, _ = readings(content)
    assert speed.limit == pytest.approx(2.0)
    assert size.limit is None


def test_amounts() -> None:
    assert amount(1.0, 4.0, "ms") == "0.250 ms"
    assert amount(2e6, 4.0, "bytes") == "500.00 kB"
    assert amount(None, 2.0, "ms") == ""
    assert amount(1.0, 0.0, "ms") == ""


def test_words_hold_every_number(full_document: Document) -> None:
    told = "\n".join(words(full_document["front"][0]))
    for number in ("0.06 pt (−0.06 to 0.18)", "3.34×", "0.223 ms", "2.17 MB", "16.77 MB"):
        assert number in told
