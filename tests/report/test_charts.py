# the signs that people read: minus, times, dash
from typing import Any

import pytest

from lissom.report.charts import candidate_chart, ladder_chart
from lissom.report.document import document
from lissom.report.schema import Document
from lissom.search.result import Choice


def test_each_step_says_what_it_gave_alone(rich_document: Document) -> None:
    chart = ladder_chart(rich_document, rich_document["front"][0])
    assert [row.name for row in chart.rows] == [
        "the original", "optimize.fusion", "quantize.static",
    ]  # fmt: skip
    original, fused, static = chart.rows
    assert (original.given, original.promised, original.alone) == (1.0, None, None)
    assert fused.alone == pytest.approx(1.25)
    assert static.alone == pytest.approx(3.34 / 1.25)
    assert static.detail == "ranges=mse"
    assert static.drop == "0.06 pt"
    assert chart.promised


def test_a_recipe_that_was_not_taken_apart_is_one_row(full_document: Document) -> None:
    entry = full_document["front"][0]
    row = ladder_chart(full_document, entry).rows[-1]
    assert (row.name, row.detail) == ("quantize.static", "ranges=mse, per_channel=True")
    assert row.given == row.alone == entry["speedup"]
    entry["steps"] = [*entry["steps"], "quantize.dynamic()"]
    assert ladder_chart(full_document, entry).rows[-1].name == "all 2 steps together"


def test_candidates_are_ordered_by_what_they_gave(rich_document: Document) -> None:
    chart = candidate_chart(rich_document)
    given = [row.given or 0.0 for row in chart.rows]
    assert given == sorted(given, reverse=True)
    assert "original" not in [row.name for row in chart.rows]
    assert [row.name for row in chart.rows if row.chosen] == ["int8-static-mse"]
    assert not chart.lighter


def test_lengths_are_shares_of_the_longest(rich_document: Document) -> None:
    chart = candidate_chart(rich_document)
    assert chart.share(None) == 0.0
    assert chart.share(1e9) == 100.0
    assert 0 < chart.share(1.0) < 100
    ends = [end for row in chart.rows for end in (row.promised, *(row.span or ()))]
    assert chart.most >= max(end for end in ends if end is not None)


def test_fewer_multiplications_are_a_column_of_their_own(
    make_result: Any, make_candidate: Any
) -> None:
    one = make_candidate("x", "prune.magnitude", 0.5, 0.0, 4_000_000, macs=20_600_000)
    choice = Choice(name="x", met=True, reasons=())
    chart = candidate_chart(document(make_result(candidates=(one,), front=("x",), choice=choice)))
    assert chart.lighter
    assert chart.rows[0].macs == pytest.approx(2.0)


def test_nothing_measured_is_no_chart(make_result: Any) -> None:
    choice = Choice(name="original", met=True, reasons=())
    content = document(make_result(candidates=(), front=("original",), choice=choice))
    assert candidate_chart(content).rows == ()
